"""The operator's way to AWS for one command: opened, used once, closed. Its calls are paced, and counted by nobody."""

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
"""No call takes longer. Nobody tries again, so it may take a little longer than the daemon's."""


class Uncounted:
    """A `Calls` that keeps nothing."""

    def made(self, api: str, category: Category, outcome: str, units: int = 1) -> None: ...

    def waited(self, seconds: float) -> None: ...


@asynccontextmanager
async def operator() -> AsyncIterator[Operator]:
    clock = asyncio.get_running_loop().time
    async with connect_operator(
        TokenBucketLimiter(clock, random.random), Uncounted(), clock, time.time, CALL_TIMEOUT_S
    ) as connected:
        yield connected
