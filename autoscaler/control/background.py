"""What is done beside the ticks, and thought of beside the event loop: no service waits for another's past.

Fitting two weeks takes up to half a second of a small machine's core; a loop that did it itself would be late with
everybody's ticks for as long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from threading import Thread
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

Thought = TypeVar("Thought")


class BackgroundTasks(Protocol):
    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """It is done at some time, or is ended with the daemon. A bug in it ends the daemon."""

    async def think(self, work: Callable[[], Thought]) -> Thought:
        """What `work` returns. It does nothing but reckon, on what nobody else has."""


class Background:
    """An `Aside` until its block ends: then what is not done is given up. One thread thinks, a thought at a time."""

    def __init__(self) -> None:
        self._group = asyncio.TaskGroup()
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await self._group.__aexit__(kind, error, trace)

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def think(self, work: Callable[[], Thought]) -> Thought:
        async with self._turn:
            return await asyncio.to_thread(work)


class ThreadRunner:
    """Work that may hang for ever, such as a file's: each in a thread that ends with the process, one at a time."""

    def __init__(self) -> None:
        self._under_way: asyncio.Future[Any] | None = None

    async def done(self, work: Callable[[], Thought], within_s: float) -> Thought:
        """What `work` returns, or raises. Raises `TimeoutError` where that takes longer, or earlier work hangs."""
        if self._under_way is not None and not self._under_way.done():
            raise TimeoutError
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Thought] = loop.create_future()
        self._under_way = future
        Thread(target=_tell, args=(loop, future, work), daemon=True).start()
        async with asyncio.timeout(within_s):
            return await asyncio.shield(future)


def _tell(loop: asyncio.AbstractEventLoop, future: asyncio.Future[Thought], work: Callable[[], Thought]) -> None:
    """In the thread: the future learns what came of it. Nobody may be left to hear it."""
    try:
        found, tell = work(), future.set_result
    except Exception as error:  # noqa: BLE001 - it is raised again where the work is waited for
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_unless_done, future, future.set_exception, error)
    else:
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_unless_done, future, tell, found)


def _unless_done(future: asyncio.Future[Thought], tell: Callable[[Any], None], told: object) -> None:
    if not future.done():
        tell(told)
        future.exception()
