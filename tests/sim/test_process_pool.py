"""Work in several processes: results keep the order of the work, and the pool always ends."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Generator, Iterator

import pytest

from autoscaler.errors import ConfigError, Problem
from autoscaler.sim.process_pool import ENDS, ProcessPool

LATER = multiprocessing.get_context("fork").Event()
"""The second work item sets it; the first one waits for it."""


def ignore_progress(_: float) -> None: ...


def set_or_wait(number: int, progress: Callable[[float], None]) -> tuple[int, int]:
    if number:
        LATER.set()
    assert LATER.wait(30)
    progress(0.5)
    return number, os.getpid()


def refused(number: int, progress: Callable[[float], None]) -> int:
    if number == 1:
        raise ConfigError([Problem("tolerance", "'lots' is not a number")])
    return number


def killed(number: int, progress: Callable[[float], None]) -> int:
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def interrupted(number: int, sent: signal.Signals, progress: Callable[[float], None]) -> int:
    os.kill(os.getpid(), sent)
    return number


@pytest.fixture(autouse=True)
def no_process_remains() -> Iterator[None]:
    LATER.clear()
    yield
    assert multiprocessing.active_children() == []


def test_results_keep_the_order_of_the_work_whichever_ends_first() -> None:
    made = list(ProcessPool(2, ignore_progress, 2).map(set_or_wait, [(0,), (1,)]))
    assert [number for number, _ in made] == [0, 1]
    assert os.getpid() not in {pid for _, pid in made}
    assert len({pid for _, pid in made}) == 2


def test_progress_counts_all_batches_and_ends_at_one() -> None:
    LATER.set()
    shares: list[float] = []
    pool = ProcessPool(4, shares.append, 2)
    list(pool.map(set_or_wait, [(1,)]))
    assert shares[-1] == 0.25
    list(pool.map(set_or_wait, [(1,), (1,), (1,)]))
    assert shares[-1] == 1.0
    assert shares == sorted(shares)


def test_a_pool_without_work_returns_nothing_and_reports_full_progress() -> None:
    shares: list[float] = []
    assert list(ProcessPool(0, shares.append).map(set_or_wait, [])) == []
    assert shares == [1.0]


def test_a_config_error_in_a_process_is_raised_unchanged() -> None:
    with pytest.raises(ConfigError) as raised:
        list(ProcessPool(3, ignore_progress, 2).map(refused, [(0,), (1,), (2,)]))
    assert raised.value.problems == (Problem("tolerance", "'lots' is not a number"),)


def test_a_killed_process_ends_the_work_with_an_error() -> None:
    with pytest.raises(ChildProcessError, match="memory"):
        list(ProcessPool(3, ignore_progress, 2).map(killed, [(0,), (1,), (2,)]))


@pytest.mark.parametrize("sent", ENDS)
def test_child_processes_ignore_the_signals_that_end_the_parent(sent: signal.Signals) -> None:
    assert list(ProcessPool(2, ignore_progress, 2).map(interrupted, [(0, sent), (1, sent)])) == [0, 1]


def large(number: int, progress: Callable[[float], None]) -> bytes:
    """An error, and results that do not fit into a pipe: their processes are killed while they write."""
    if number == 3:
        raise ConfigError([Problem("tolerance", "'lots' is not a number")])
    return bytes(10_000_000)


def test_a_failed_job_ends_the_work_while_other_processes_send_their_results() -> None:
    for _ in range(20):
        with pytest.raises(ConfigError):
            list(ProcessPool(4, ignore_progress, 4).map(large, [(0,), (1,), (2,), (3,)]))


def test_a_result_that_cannot_be_sent_is_an_error() -> None:
    with pytest.raises(Exception, match="unsendable"):
        list(ProcessPool(1, ignore_progress, 1).map(unsendable, [(0,)]))


def unsendable(number: int, progress: Callable[[float], None]) -> Callable[[], int]:
    return lambda: number


def test_closing_the_results_early_leaves_no_process_behind() -> None:
    results = ProcessPool(2, ignore_progress, 2).map(set_or_wait, [(1,), (1,)])
    next(results)
    assert isinstance(results, Generator)
    results.close()
