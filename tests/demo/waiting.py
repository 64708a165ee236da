"""Waiting for what must become true."""

import asyncio
from collections.abc import Callable

LIMIT_S = 40.0


async def until(condition: Callable[[], bool]) -> None:
    """The condition holds; if it does not for long, the test fails."""
    async with asyncio.timeout(LIMIT_S):
        while not condition():  # noqa: ASYNC110  # what is awaited sets no event
            await asyncio.sleep(0.02)
