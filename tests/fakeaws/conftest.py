"""The fake AWS on loopback and the real SDK as its client, in an environment without AWS settings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession

from tests.aws.conftest import bare_environment, descriptions_read_once  # noqa: F401 - fixtures apply where they are imported
from tests.fakeaws import REGION, FakeAws, StillClock, serving


@pytest_asyncio.fixture
async def aws() -> AsyncIterator[FakeAws]:
    """The fake AWS with validation, on a clock that only the test moves."""
    async with serving(FakeAws(StillClock())) as aws:
        yield aws


def client(aws: FakeAws, service: str, **more: Any) -> Any:
    """Return the SDK's own client with the fake AWS as its endpoint. It does not retry."""
    once = AioConfig(retries={"total_max_attempts": 1})
    return AioSession().create_client(service, region_name=REGION, endpoint_url=aws.url, config=once, **more)
