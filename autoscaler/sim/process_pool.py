"""A pool of parallel processes that reports the progress of all its jobs.

Invariants: results come in the order of the jobs. The processes end with the `with` block for any reason that ends it.
Only the parent handles Ctrl-C and SIGTERM. If a process is killed, the work ends with an error instead of hanging.
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

JobResult = TypeVar("JobResult")

Progress = Callable[[float], None]
"""Called with the share of the work that is done, 0 to 1."""

ENDS = (signal.SIGINT, signal.SIGTERM)

CHECK_EVERY_S = 0.2
"""Interval between checks of the progress and of the processes."""


class _Process(ForkProcess):
    """Ends on SIGKILL, because it ignores SIGTERM."""

    def terminate(self) -> None:
        self.kill()


class _Context(ForkContext):
    Process = _Process


class ProcessPool:
    """A pool of `processes` (None: one per core) for `tasks` jobs in total, in one or several batches."""

    def __init__(self, tasks: int, progress: Progress, processes: int | None = None) -> None:
        self._processes = max(1, min(processes or len(os.sched_getaffinity(0)), tasks))
        self._progress = progress
        self._tasks = tasks
        self._begun = 0
        self._shares = multiprocessing.get_context("fork").Array("d", max(1, tasks), lock=False)

    def map(self, make: Callable[..., JobResult], batch: Sequence[tuple[Any, ...]]) -> Iterator[JobResult]:
        """Yield the result of `make` for each job, in the order of the batch. `make` gets the arguments of the job and
        a `Progress`.

        Raise what `make` raises in its process, and `ChildProcessError` if a process is killed.
        """
        jobs = [(make, arguments, number) for number, arguments in enumerate(batch, self._begun)]
        self._begun += len(jobs)
        with self._pool() as pool:
            children = _children()
            waiting = [pool.apply_async(_job, job) for job in jobs]
            for each in waiting:
                while not each.ready():
                    self._report_progress()
                    each.wait(CHECK_EVERY_S)
                    _check(children)
                yield each.get()
        self._report_progress()

    @contextmanager
    def _pool(self) -> Iterator[Pool]:
        """Start the processes, and end them with the block. Signals are blocked during the start: a process that is not
        initialized yet would print a traceback, and one that is not registered yet would not be ended.
        """
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)
        pool = _Context().Pool(self._processes, _initialize, (self._shares,))
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            yield pool
        finally:
            pool.terminate()
            pool.join()

    def _report_progress(self) -> None:
        self._progress(sum(self._shares) / self._tasks if self._tasks else 1.0)


def _children() -> set[int | None]:
    return {process.pid for process in multiprocessing.active_children()}


def _check(children: set[int | None]) -> None:
    """Raise if a process is gone: `Pool` replaces a killed process, but waits forever for the result of its job."""
    if not children <= _children():
        raise ChildProcessError("a process of the simulation was killed; it may have run out of memory")


_shares: Any = ()
"""In a process of the pool: the share of each job that is done."""


def _initialize(shares: Any) -> None:
    global _shares  # noqa: PLW0603 - a forked process can receive shared memory only in this way
    _shares = shares
    # A terminal or a process manager sends both signals to the whole process group. A process that waits for work holds
    # the lock of the pool's queue. If SIGTERM ended it then, `Pool.terminate` would wait for that lock forever.
    for number in ENDS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDS)


def _job(make: Callable[..., JobResult], arguments: tuple[Any, ...], number: int) -> JobResult:
    def report(share: float) -> None:
        _shares[number] = share

    made = make(*arguments, report)
    report(1.0)
    return made
