"""The double over loopback, and the real SDK before it, in an environment that names nobody's AWS."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession

from tests.aws.conftest import bare_environment, descriptions_read_once  # noqa: F401 - they work where they are named
from tests.fakeaws import REGION, FakeAws, StillClock, serving


@pytest_asyncio.fixture
async def aws() -> AsyncIterator[FakeAws]:
    """The double with all its checks, at a time that stands still."""
    async with serving(FakeAws(StillClock())) as aws:
        yield aws


def client(aws: FakeAws, service: str, **more: Any) -> Any:
    """The SDK's own client, before the double. It tries once."""
    once = AioConfig(retries={"total_max_attempts": 1})
    return AioSession().create_client(service, region_name=REGION, endpoint_url=aws.url, config=once, **more)
