"""Wait for a condition in a test."""

import asyncio
from collections.abc import Callable

LIMIT_S = 40.0


async def until(condition: Callable[[], bool]) -> None:
    """Return when the condition is true. Raise `TimeoutError` after `LIMIT_S`."""
    async with asyncio.timeout(LIMIT_S):
        while not condition():  # noqa: ASYNC110  # no event signals the condition
            await asyncio.sleep(0.02)
