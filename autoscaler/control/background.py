"""Background tasks, and computations in a thread. They do not delay a poll.

Fitting two weeks of history takes up to half a second of a small machine's core. On the event loop it would delay the
polls of all services for that time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from threading import Thread
from types import TracebackType
from typing import Any, Self

from autoscaler.ports import Computed


class Background:
    """A `BackgroundTasks` for the time of a `with` block, whose end cancels unfinished tasks. Computations run one at a
    time.
    """

    def __init__(self) -> None:
        self._group = asyncio.TaskGroup()
        self._tasks: set[asyncio.Task[None]] = set()
        self._lock = asyncio.Lock()

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

    async def compute(self, work: Callable[[], Computed]) -> Computed:
        async with self._lock:
            return await asyncio.to_thread(work)


class ThreadRunner:
    """Runs work that may hang forever, such as file I/O, in a daemon thread. One at a time."""

    def __init__(self) -> None:
        self._running: asyncio.Future[Any] | None = None

    async def done(self, work: Callable[[], Computed], within_s: float) -> Computed:
        """Return or raise what `work` does. Raises `TimeoutError` if it takes longer, or if earlier work still runs."""
        if self._running is not None and not self._running.done():
            raise TimeoutError
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Computed] = loop.create_future()
        self._running = future
        Thread(target=_run, args=(loop, future, work), daemon=True).start()
        async with asyncio.timeout(within_s):
            return await asyncio.shield(future)


def _run(loop: asyncio.AbstractEventLoop, future: asyncio.Future[Computed], work: Callable[[], Computed]) -> None:
    """Run the work in the thread, and set the future's result. The event loop may be closed by then."""
    try:
        found, deliver = work(), future.set_result
    except Exception as error:  # noqa: BLE001 - raised again in `done`
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_unless_done, future, future.set_exception, error)
    else:
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_unless_done, future, deliver, found)


def _unless_done(future: asyncio.Future[Computed], deliver: Callable[[Any], None], outcome: object) -> None:
    if not future.done():
        deliver(outcome)
        future.exception()
