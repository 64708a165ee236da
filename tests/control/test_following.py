"""Requested tasks are followed until they run: each is counted once, and a task that replaces another one never."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from autoscaler.control.following import LIMIT_S, MOST_REQUESTS, StartFollower
from autoscaler.core.model import Deployment, Fleet
from autoscaler.ports import StartedAfter


def fleet(desired: int, running: int) -> Fleet:
    return Fleet(desired, running, max(0, desired - running), 0.0)


def test_each_task_is_counted_with_the_time_since_its_own_decision() -> None:
    following = StartFollower()
    following.wrote(0.0, fleet(2, 2), 5)
    assert following.see(fleet(5, 2), 10.0) == ((), False)
    following.wrote(10.0, fleet(5, 2), 6)
    assert following.see(fleet(6, 4), 40.0) == ((StartedAfter(40.0, 2),), False)
    assert following.see(fleet(6, 6), 50.0) == ((StartedAfter(50.0, 1), StartedAfter(40.0, 1)), False)
    assert following.see(fleet(6, 7), 60.0) == ((), False)


def test_a_task_that_replaces_another_one_is_not_counted() -> None:
    following = StartFollower()
    following.wrote(0.0, fleet(4, 4), 5)
    following.see(fleet(5, 3), 10.0)
    assert following.see(fleet(5, 4), 20.0) == ((), False)
    assert following.see(fleet(5, 5), 30.0) == ((StartedAfter(30.0, 1),), False)


def test_tasks_of_a_deployment_are_not_counted() -> None:
    following = StartFollower()
    following.wrote(0.0, fleet(2, 2), 4)
    assert following.see(replace(fleet(4, 6), deployment=Deployment(1.0)), 20.0) == ((), False)
    assert following.see(fleet(4, 4), 30.0) == ((), False)


def test_what_is_not_required_any_more_is_not_followed() -> None:
    following = StartFollower()
    following.wrote(0.0, fleet(2, 2), 6)
    following.wrote(10.0, fleet(6, 2), 3)
    assert following.see(fleet(3, 3), 20.0) == ((StartedAfter(20.0, 1),), False)
    assert following.see(fleet(3, 3), LIMIT_S + 30.0) == ((), False)


def test_what_does_not_start_within_the_limit_is_reported_once() -> None:
    following = StartFollower()
    following.wrote(0.0, fleet(2, 2), 6)
    assert following.see(fleet(6, 2), LIMIT_S - 1.0) == ((), False)
    assert following.see(fleet(6, 2), LIMIT_S) == ((), True)
    assert following.see(fleet(6, 2), LIMIT_S + 10.0) == ((), False)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.booleans()), max_size=120))
def test_no_more_tasks_are_counted_than_were_requested(polls: list[tuple[int, int, bool]]) -> None:
    following, desired, requested, counted = StartFollower(), 5, 0, 0
    for at, (target, running, writes) in enumerate(polls):
        started, _ = following.see(fleet(desired, running), 10.0 * at)
        counted += sum(one.tasks for one in started)
        assert all(one.seconds >= 0 and one.tasks > 0 for one in started)
        if writes:
            requested += max(0, target - desired)
            following.wrote(10.0 * at, fleet(desired, running), target)
            desired = target
        assert counted <= requested
        assert len(following._requests) <= MOST_REQUESTS
