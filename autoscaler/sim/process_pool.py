"""A pool of parallel processes that reports the progress of all its jobs.

Invariants: results come in the order of the jobs. The processes end with the `with` block, for whatever reason the
block ends. Only the parent handles Ctrl-C and SIGTERM. If a process is killed, the work ends with an error instead of
hanging.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
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
        """Start the processes, and end them with the block. Signals that come during the start are handled after it."""
        with ExitStack() as stack:
            with _deferred_signals():
                pool = _Context().Pool(self._processes, _initialize, (self._shares,))
                stack.callback(pool.join)
                stack.callback(pool.terminate)
            yield pool

    def _report_progress(self) -> None:
        self._progress(sum(self._shares) / self._tasks if self._tasks else 1.0)


@contextmanager
def _deferred_signals() -> Iterator[None]:
    """Handle the signals of `ENDS` at the end of the block. Outside the main thread, do nothing.

    Python discards an exception that a signal handler raises in a hook of `fork`, and a process that is not initialized
    yet would print a traceback. Blocked signals do not prevent either: other threads, such as that of a progress bar,
    receive them.
    """
    received: list[int] = []
    handled = ENDS if threading.current_thread() is threading.main_thread() else ()
    before = {number: signal.signal(number, lambda sent, _: received.append(sent)) for number in handled}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for each in received:
        signal.raise_signal(each)


def _children() -> set[int | None]:
    return {process.pid for process in multiprocessing.active_children()}


def _check(children: set[int | None]) -> None:
    """Raise if a process is gone: `Pool` replaces a killed process, but waits forever for the result of its job."""
    if not children <= _children():
        raise ChildProcessError("a process of the simulation was killed; it may have run out of memory")


_shares: Any = ()
"""The completed share of each job. It is set only in a process of the pool."""


def _initialize(shares: Any) -> None:
    global _shares  # noqa: PLW0603 - a forked process can receive shared memory only in this way
    _shares = shares
    # A terminal or a process manager sends both signals to the whole process group. A process that waits for work holds
    # the lock of the pool's queue. If SIGTERM ended it then, `Pool.terminate` would wait for that lock forever.
    for number in ENDS:
        signal.signal(number, signal.SIG_IGN)


def _job(make: Callable[..., JobResult], arguments: tuple[Any, ...], number: int) -> JobResult:
    def report(share: float) -> None:
        _shares[number] = share

    made = make(*arguments, report)
    report(1.0)
    return made
