"""Processes side by side: results in the order of the work, and an end whatever happens."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Generator, Iterator

import pytest

from autoscaler.errors import ConfigError, Problem
from autoscaler.sim.process_pool import ENDS, ProcessPool

LATER = multiprocessing.get_context("fork").Event()
"""Set by the second piece of work; the first waits for it."""


def silent(_: float) -> None: ...


def crossing(number: int, told: Callable[[float], None]) -> tuple[int, int]:
    if number:
        LATER.set()
    assert LATER.wait(30)
    told(0.5)
    return number, os.getpid()


def refused(number: int, told: Callable[[float], None]) -> int:
    if number == 1:
        raise ConfigError([Problem("tolerance", "'lots' is not a number")])
    return number


def killed(number: int, told: Callable[[float], None]) -> int:
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def interrupted(number: int, sent: signal.Signals, told: Callable[[float], None]) -> int:
    os.kill(os.getpid(), sent)
    return number


@pytest.fixture(autouse=True)
def nobody_stays() -> Iterator[None]:
    LATER.clear()
    yield
    assert multiprocessing.active_children() == []


def test_results_come_in_the_order_of_the_work_whichever_ends_first() -> None:
    made = list(ProcessPool(2, silent, 2).made(crossing, [(0,), (1,)]))
    assert [number for number, _ in made] == [0, 1]
    assert os.getpid() not in {pid for _, pid in made}
    assert len({pid for _, pid in made}) == 2


def test_progress_counts_all_batches_and_ends_at_one() -> None:
    LATER.set()
    shares: list[float] = []
    pool = ProcessPool(4, shares.append, 2)
    list(pool.made(crossing, [(1,)]))
    assert shares[-1] == 0.25
    list(pool.made(crossing, [(1,), (1,), (1,)]))
    assert shares[-1] == 1.0
    assert shares == sorted(shares)


def test_no_work_at_all_is_done() -> None:
    shares: list[float] = []
    assert list(ProcessPool(0, shares.append).made(crossing, [])) == []
    assert shares == [1.0]


def test_the_operators_mistake_arrives_as_it_was_raised() -> None:
    with pytest.raises(ConfigError) as raised:
        list(ProcessPool(3, silent, 2).made(refused, [(0,), (1,), (2,)]))
    assert raised.value.problems == (Problem("tolerance", "'lots' is not a number"),)


def test_a_process_that_is_killed_ends_the_work_instead_of_being_waited_for() -> None:
    with pytest.raises(ChildProcessError, match="memory"):
        list(ProcessPool(3, silent, 2).made(killed, [(0,), (1,), (2,)]))


@pytest.mark.parametrize("sent", ENDS)
def test_a_signal_to_the_group_is_heard_by_the_parent_alone(sent: signal.Signals) -> None:
    assert list(ProcessPool(2, silent, 2).made(interrupted, [(0, sent), (1, sent)])) == [0, 1]


@pytest.mark.parametrize("sent", ENDS)
def test_a_crew_ends_although_a_signal_met_a_process_that_waits_for_work(sent: signal.Signals) -> None:
    """Who waits for work holds the lock of the pool's queue. Were it ended there, the pool would never end."""
    LATER.set()
    results = ProcessPool(2, silent, 2).made(crossing, [(1,), (1,)])
    assert isinstance(results, Generator)
    next(results)
    next(results)
    for process in multiprocessing.active_children():
        assert process.pid is not None
        os.kill(process.pid, sent)
    time.sleep(0.2)  # for those that would end; the law holds however long it takes
    results.close()


def test_who_stops_listening_leaves_no_process_behind() -> None:
    results = ProcessPool(2, silent, 2).made(crossing, [(1,), (1,)])
    next(results)
    assert isinstance(results, Generator)
    results.close()
