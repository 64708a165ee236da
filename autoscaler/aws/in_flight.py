"""Questions that several wait for: who gives up waiting does not end them, the end of the connection does."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Generic, TypeVar

GATHER_S = 0.02
"""How long a question waits for others to join it. Services that tick together ask within a few milliseconds of each
other.
"""

Got = TypeVar("Got")


class InFlight(Generic[Got]):
    """The questions that have begun and not ended. To be closed."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Got]] = set()

    def begin(self, question: Coroutine[Any, Any, Got]) -> asyncio.Task[Got]:
        """The question is under way, whether or not anybody waits for it."""
        task = asyncio.create_task(question)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """No question is under way any more."""
        for task in self._tasks:
            task.cancel()
        for task in list(self._tasks):
            with suppress(asyncio.CancelledError):
                await task
