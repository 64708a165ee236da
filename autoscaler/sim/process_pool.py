"""Processes that work side by side on the machine's cores, and how far they are together.

Laws: results come in the order of the work, whichever ends first. The crew ends with its block, whatever ends that:
the parent alone hears Ctrl-C and SIGTERM, and a process that is killed ends the work instead of being waited for.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.context import ForkContext, ForkProcess
from multiprocessing.pool import Pool
from typing import Any, TypeVar

Made = TypeVar("Made")

Progress = Callable[[float], None]
"""Told how much of the work is done: 0 to 1."""

ENDS = (signal.SIGINT, signal.SIGTERM)

LOOK_EVERY_S = 0.2
"""How often progress is asked for, and whether everybody is still there."""


class _Process(ForkProcess):
    """Ends by SIGKILL, since it ignores SIGTERM."""

    def terminate(self) -> None:
        self.kill()


class _Context(ForkContext):
    Process = _Process


class ProcessPool:
    """So many `processes` (None: one for each core) for `tasks` pieces of work in all, in one batch or in several."""

    def __init__(self, tasks: int, progress: Progress, processes: int | None = None) -> None:
        self._processes = max(1, min(processes or len(os.sched_getaffinity(0)), tasks))
        self._progress = progress
        self._tasks = tasks
        self._begun = 0
        self._shares = multiprocessing.get_context("fork").Array("d", max(1, tasks), lock=False)

    def made(self, make: Callable[..., Made], batch: Sequence[tuple[Any, ...]]) -> Iterator[Made]:
        """What `make` makes of each piece's arguments and a `Progress` of its own, in the order of the batch.

        Raises what `make` raised in its process, and `ChildProcessError` where a process was killed.
        """
        jobs = [(make, arguments, number) for number, arguments in enumerate(batch, self._begun)]
        self._begun += len(jobs)
        with self._pool() as pool:
            children = _there()
            waiting = [pool.apply_async(_job, job) for job in jobs]
            for each in waiting:
                while not each.ready():
                    self._tell()
                    each.wait(LOOK_EVERY_S)
                    _check(children)
                yield each.get()
        self._tell()

    @contextmanager
    def _pool(self) -> Iterator[Pool]:
        """Its processes are there, and gone with the block. Signals wait while they are started: one that is not
        equipped yet would say that it was stopped, and one that nobody knows of yet would not be.
        """
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)
        pool = _Context().Pool(self._processes, _equip, (self._shares,))
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            yield pool
        finally:
            pool.terminate()
            pool.join()

    def _tell(self) -> None:
        self._progress(sum(self._shares) / self._tasks if self._tasks else 1.0)


def _there() -> set[int | None]:
    return {process.pid for process in multiprocessing.active_children()}


def _check(children: set[int | None]) -> None:
    """A pool replaces a killed process, and waits for ever for what it was doing."""
    if not children <= _there():
        raise ChildProcessError("a process of the simulation was killed; it may have run out of memory")


_shares: Any = ()
"""In a process of the crew: how much of each piece is done."""


def _equip(shares: Any) -> None:
    global _shares  # noqa: PLW0603 - a forked process has no other way to be handed shared memory
    _shares = shares
    # Both are sent to the whole process group by a terminal or a supervisor. A process that SIGTERM ends while it waits
    # for work holds the lock of the pool's queue, and then `Pool.terminate` waits for that lock forever.
    for number in ENDS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDS)


def _job(make: Callable[..., Made], arguments: tuple[Any, ...], number: int) -> Made:
    def told(share: float) -> None:
        _shares[number] = share

    made = make(*arguments, told)
    told(1.0)
    return made
