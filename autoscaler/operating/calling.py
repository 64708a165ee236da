"""The AWS connection of one command. Its calls are rate-limited and not counted in metrics."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from autoscaler.aws.operator import Operator, connect_operator
from autoscaler.control.rate_limiter import TokenBucketLimiter
from autoscaler.ports import Category

CALL_TIMEOUT_S = 5.0
"""Timeout of a call. Longer than the daemon's, because calls are not retried."""


class Uncounted:
    """A `Calls` that stores nothing."""

    def made(self, api: str, category: Category, outcome: str, units: int = 1) -> None: ...

    def waited(self, seconds: float) -> None: ...


@asynccontextmanager
async def operator() -> AsyncIterator[Operator]:
    clock = asyncio.get_running_loop().time
    async with connect_operator(
        TokenBucketLimiter(clock, random.random), Uncounted(), clock, time.time, CALL_TIMEOUT_S
    ) as connected:
        yield connected
