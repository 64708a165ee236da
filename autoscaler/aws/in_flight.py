"""Calls with several waiting callers: a cancelled caller does not end the call, only `close` does."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Generic, TypeVar

BATCH_WINDOW_S = 0.02
"""How long a batch waits for more callers. Services that poll together make their calls within a few milliseconds of
each other.
"""

Got = TypeVar("Got")


class InFlight(Generic[Got]):
    """The calls that have started and not ended. Must be closed."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Got]] = set()

    def begin(self, question: Coroutine[Any, Any, Got]) -> asyncio.Task[Got]:
        """Start the call. It runs even if no caller waits for it."""
        task = asyncio.create_task(question)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """Cancel all calls in flight."""
        for task in self._tasks:
            task.cancel()
        for task in list(self._tasks):
            with suppress(asyncio.CancelledError):
                await task
