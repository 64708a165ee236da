"""Parallel jobs, each in a process of its own, with the progress of all of them.

Invariants: results come in the order of the jobs. The processes end with the iteration, for whatever reason it ends.
Only the parent handles Ctrl-C and SIGTERM. If a process is killed, the work ends with an error instead of hanging.

No lock is shared between processes, because a process can be killed while it holds one. The pools of the standard
library share locks and queues: `multiprocessing.Pool.terminate` can then wait forever, as seen in our own tests.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import Any, NamedTuple, TypeVar

JobResult = TypeVar("JobResult")

Progress = Callable[[float], None]
"""Called with the share of the work that is done, 0 to 1."""

ENDS = (signal.SIGINT, signal.SIGTERM)

CHECK_EVERY_S = 0.2
"""Interval between reports of the progress."""


class _Job(NamedTuple):
    number: int
    make: Callable[..., Any]
    arguments: tuple[Any, ...]


class ProcessPool:
    """Runs `tasks` jobs in total, in one or several batches, `processes` at a time (None: one per core)."""

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
        jobs = deque(_Job(number, make, arguments) for number, arguments in enumerate(batch, self._begun))
        numbers, self._begun = range(self._begun, self._begun + len(jobs)), self._begun + len(jobs)
        results: dict[int, JobResult] = {}
        running: dict[Connection, tuple[ForkProcess, int]] = {}
        try:
            for number in numbers:
                while number not in results:
                    self._start(jobs, running)
                    self._report_progress()
                    ready = wait(list(running), CHECK_EVERY_S)
                    for connection in [each for each in running if each in ready]:
                        process, done = running[connection]
                        results[done] = _received(connection)
                        del running[connection]
                        _end(process, connection)
                yield results.pop(number)
        finally:
            for connection, (process, _) in running.items():
                process.kill()
                _end(process, connection)
        self._report_progress()

    def _start(self, jobs: deque[_Job], running: dict[Connection, tuple[ForkProcess, int]]) -> None:
        while jobs and len(running) < self._processes:
            job = jobs.popleft()
            receiver, sender = multiprocessing.Pipe(duplex=False)
            with _deferred_signals():
                process = ForkProcess(target=_run, args=(job, self._shares, sender), daemon=True)
                process.start()
                running[receiver] = process, job.number
            sender.close()  # so that the end of the process is the end of its messages

    def _report_progress(self) -> None:
        self._progress(sum(self._shares) / self._tasks if self._tasks else 1.0)


def _received(connection: Connection) -> Any:
    """Return the result of a job, or raise its error. A killed process may have sent nothing or a part."""
    try:
        result, error = connection.recv()
    except (EOFError, OSError):
        raise ChildProcessError("a process of the simulation was killed; it may have run out of memory") from None
    if error is not None:
        raise error
    return result


def _end(process: ForkProcess, connection: Connection) -> None:
    connection.close()
    process.join()
    process.close()


@contextmanager
def _deferred_signals() -> Iterator[None]:
    """Handle the signals of `ENDS` at the end of the block. Outside the main thread, do nothing.

    Python discards an exception that a signal handler raises in a hook of `fork`, and a process that does not ignore
    the signals yet would print a traceback. Blocked signals do not prevent either: other threads, such as that of a
    progress bar, receive them.
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


def _run(job: _Job, shares: Any, sender: Connection) -> None:
    """Run one job and send its result or its error. Runs in the job's process."""
    for number in ENDS:  # a terminal or a process manager sends them to the whole process group
        signal.signal(number, signal.SIG_IGN)

    def report(share: float) -> None:
        shares[job.number] = share

    try:
        result = job.make(*job.arguments, report)
        report(1.0)
        sender.send((result, None))
    except Exception as error:  # noqa: BLE001 - the parent raises it
        sender.send((None, error))
