"""A test whether more tasks help, before the latency target requires them: messages take longer than before, and
accumulate.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.estimate.bottleneck import TEST_RATIO, TRIAL_S, Bottleneck, WorkedMinute

MINUTE_S, TASK_S = 60.0, 5.0


@dataclass
class SlowMinutes:
    """SlowMinutes of a service whose messages take 5 s before anything happens."""

    found: Bottleneck = field(default_factory=Bottleneck)
    at: float = 0.0

    def add(
        self,
        tasks: float,
        deleted: float,
        minutes: int = 1,
        *,
        gained: float = 50.0,
        task_s: float = TASK_S,
        saturated: bool = True,
        spread: float = 0.0,
    ) -> SlowMinutes:
        for _ in range(minutes):
            self.at += MINUTE_S
            self.found.see(WorkedMinute(self.at, tasks, deleted, gained, spread, task_s), saturated=saturated)
        return self

    def before(self, tasks: float) -> SlowMinutes:
        """Add ten minutes without a backlog."""
        return self.add(tasks, tasks * MINUTE_S / TASK_S, 10, gained=0.0, saturated=False)

    def slower(self, tasks: float, ratio: float, minutes: int = 1) -> SlowMinutes:
        """Add minutes in which messages take `ratio` times as long as before."""
        arrived = tasks * MINUTE_S / TASK_S
        return self.add(tasks, arrived / ratio, minutes, gained=arrived * (1 - 1 / ratio), task_s=ratio * TASK_S)

    @property
    def trial(self) -> float | None:
        return self.found.trial(self.at)

    @property
    def limit(self) -> float | None:
        return self.found.limit(self.at)

    def tested(self, tasks: float, ratio: float, most: int = 60) -> float:
        """Add slower minutes until the test begins. Return its tasks."""
        for _ in range(most):
            if (test := self.slower(tasks, ratio).found.test) is not None:
                return test
        raise AssertionError("no test")


@given(st.integers(10, 200), st.floats(1.25, 1.65))
def test_a_test_takes_at_most_a_third_more_tasks_and_twice_those_that_a_bottleneck_supports(
    tasks: int, ratio: float
) -> None:
    """Messages that take 1.5 times as long: 15 tasks delete as many as 10 did before, so 20 are tried. At least a fifth
    more are tried.
    """
    test = SlowMinutes().before(tasks).tested(tasks, ratio)
    supported = tasks / ratio
    assert test == pytest.approx(max(1.2 * tasks, min(4 / 3 * tasks, 2 * supported)))
    assert test <= 2 * supported * (1 + 1e-9) or test == pytest.approx(1.2 * tasks)


@pytest.mark.parametrize("tasks", [1, 2, 3])
def test_a_test_takes_at_least_one_more_task(tasks: int) -> None:
    assert SlowMinutes().before(tasks).tested(tasks, 1.5) == tasks + 1


@given(st.integers(10, 200), st.floats(1.25, 1.95))
def test_during_the_test_no_more_tasks_are_requested_and_before_it_any_number(tasks: int, ratio: float) -> None:
    """With few deletions, nothing would be known for an hour: the tasks are not limited for that time."""
    minutes = SlowMinutes().before(tasks)
    while minutes.found.test is None:
        assert minutes.trial is None
        minutes.slower(tasks, ratio)
    assert minutes.trial == minutes.found.test


@given(st.integers(1, 200), st.floats(1.0, 1.19), st.integers(1, 40))
def test_messages_that_take_hardly_longer_need_no_test(tasks: int, ratio: float, minutes: int) -> None:
    slower = SlowMinutes().before(tasks).slower(tasks, ratio, minutes)
    assert (slower.trial, slower.found.test) == (None, None)


@given(st.floats(1.25, 3.0), st.integers(1, 20))
def test_without_more_messages_nothing_is_tested(ratio: float, minutes: int) -> None:
    """A backlog that stays or that is worked off needs no more tasks."""
    found = SlowMinutes().before(15).add(15, 180 / ratio, minutes, gained=0.0, task_s=ratio * TASK_S)
    assert (found.trial, found.found.test) == (None, None)


@given(st.integers(1, 200), st.floats(2.01, 10.0), st.integers(1, 40))
def test_messages_that_take_more_than_twice_as_long_need_no_test(tasks: int, ratio: float, minutes: int) -> None:
    """Many more tasks are required soon, and show whether they help. A third more would be too few for minutes."""
    slower = SlowMinutes().before(tasks).slower(tasks, ratio, minutes)
    assert (slower.trial, slower.found.test) == (None, None)


@given(st.integers(5, 100), st.integers(1, 10))
def test_tasks_for_more_arrivals_are_always_permitted(tasks: int, times: int) -> None:
    """A slower release, and then many times the load: what it needs at the time from before is no bottleneck's."""
    minutes = SlowMinutes().before(tasks)
    minutes.tested(tasks, 1.5)
    deleted = tasks * 8.0
    minutes.add(tasks, deleted, 5, gained=times * tasks * 12 - deleted, task_s=1.5 * TASK_S)
    assert minutes.trial == pytest.approx(max(4 / 3 * tasks, tasks + 1, times * tasks))


def test_slower_messages_must_be_certain() -> None:
    """A task that deletes 9.5 a minute instead of 12: after m minutes they differ by 2.5 m, and three standard
    deviations are 3 x sqrt(12 m), which is less from the 18th minute on. The evidence would be enough after eight.
    """
    minutes = SlowMinutes().before(1)
    tests = [minutes.add(1, 12 / 1.26, gained=6.0, task_s=1.26 * TASK_S).found.test for _ in range(19)]
    assert tests == [None] * 17 + [2.0] * 2


def test_the_test_begins_when_as_many_minutes_with_more_tasks_would_be_certain() -> None:
    """3 tasks delete 24 a minute, 4 as many: m minutes of each differ by 24 m (2 ln(3.5 / 3) - ln(4 / 3)) = 0.494 m,
    and 8 are needed.
    """
    slower = SlowMinutes().before(3)
    tests = [slower.slower(3, 1.5).found.test for _ in range(18)]
    assert tests == [None] * 16 + [4.0] * 2


@given(st.integers(10, 200), st.floats(1.25, 1.6))
def test_a_bottleneck_is_found_with_the_tasks_of_the_test(tasks: int, ratio: float) -> None:
    """The deletions stay the same: no more tasks are ever permitted, and the limit follows."""
    minutes = SlowMinutes().before(tasks)
    test = minutes.tested(tasks, ratio)
    for _ in range(15):
        if minutes.add(test, tasks * 12 / ratio, task_s=ratio * TASK_S).limit is not None:
            break
        assert minutes.trial is not None
        assert minutes.trial <= test * (1 + 1e-9)
    assert minutes.limit == pytest.approx(tasks / ratio, rel=0.01)
    assert minutes.found.test is None


@given(st.integers(10, 200), st.floats(1.25, 1.95))
def test_more_tasks_that_help_end_the_test_and_its_cap(tasks: int, ratio: float) -> None:
    minutes = SlowMinutes().before(tasks)
    test = minutes.tested(tasks, ratio)
    minutes.slower(test, ratio, 12)
    assert (minutes.trial, minutes.found.test, minutes.limit) == (None, None, None)


def test_a_test_that_shows_nothing_ends_after_a_quarter_of_an_hour() -> None:
    """A third more tasks delete a seventh more: neither of the two is likely."""
    minutes = SlowMinutes().before(15)
    minutes.tested(15, 1.5)
    began = minutes.at
    while minutes.trial is not None:
        minutes.add(20, 138, task_s=1.5 * TASK_S)
        assert minutes.found.limit(minutes.at) is None
    assert minutes.at == began + TRIAL_S
    assert minutes.found.test is None
    assert minutes.slower(20, 1.5, 12).trial is None  # once per backlog


def test_with_few_deletions_there_is_no_test() -> None:
    """Long messages: 3 tasks delete 2 a minute instead of 3, so a test would take hours."""
    minutes = SlowMinutes().add(3, 3, 20, gained=0.0, task_s=60.0, saturated=False)
    for _ in range(40):
        assert minutes.add(3, 2, gained=1.5, task_s=90.0).trial is None


def test_tasks_that_differ_already_need_no_test() -> None:
    """A third more tasks delete a seventh more, so it is not known whether more help. The next minutes show it."""
    minutes = SlowMinutes().before(15)
    for tasks, deleted in ((15, 120), (20, 138)):
        for _ in range(4):
            assert minutes.add(tasks, deleted, task_s=1.5 * TASK_S).trial is None


@pytest.mark.parametrize("again", [True, False])
def test_the_next_backlog_is_tested_again(*, again: bool) -> None:
    minutes = SlowMinutes().before(15)
    minutes.slower(minutes.tested(15, 1.5), 1.5, 12)
    if again:
        minutes.add(15, 180, 2, gained=-2000.0, saturated=False)
    assert (minutes.slower(15, 1.5, 8).trial is not None) is again


def test_the_end_of_a_backlog_and_messages_that_fail_end_the_test() -> None:
    minutes = SlowMinutes().before(15)
    minutes.tested(15, 1.5)
    assert minutes.add(15, 120, 2, gained=-500.0, saturated=False).found.test is None
    assert minutes.trial is None
    minutes = SlowMinutes().before(15)
    minutes.tested(15, 1.5)
    minutes.found.skip()
    assert (minutes.trial, minutes.found.test) == (None, None)


def test_after_minutes_at_the_former_speed_the_same_backlog_can_be_tested_again() -> None:
    """With a latency target of 15 minutes a backlog stays for an hour."""
    minutes = SlowMinutes().before(15)
    minutes.slower(minutes.tested(15, 1.5), 1.5, 12)
    minutes.add(20, 240, 3)
    assert minutes.slower(20, 1.5, 8).trial == pytest.approx(TEST_RATIO * 20)


def test_the_time_from_before_is_learned_during_a_backlog_too() -> None:
    """A service that starts with a backlog knows the time of a message only after some minutes."""
    minutes = SlowMinutes().add(15, 180, task_s=inf).add(15, 180, 20)
    assert minutes.slower(15, 1.5, 8).trial == pytest.approx(20.0)


def test_longer_messages_during_a_backlog_are_not_the_time_from_before() -> None:
    """15 tasks for half an hour, and then 20, delete as many as 10 did before: that is the limit."""
    minutes = SlowMinutes().before(15).slower(15, 1.5, 30)
    minutes.add(20, 120, 8, task_s=2 * TASK_S)
    assert minutes.limit == pytest.approx(10.0)


def test_earlier_minutes_of_the_backlog_do_not_hide_slower_messages() -> None:
    minutes = SlowMinutes().before(15).add(15, 180, 30)
    assert minutes.slower(15, 1.5, 4).trial is None
    assert minutes.slower(15, 1.5).trial == pytest.approx(20.0)


def test_while_the_test_makes_a_bottleneck_likely_a_fifth_more_tasks_are_tried_after_ten_minutes() -> None:
    minutes = SlowMinutes().before(15)
    minutes.tested(15, 1.5)
    while minutes.found.trial(minutes.at + 600.0) == pytest.approx(20.0):
        minutes.add(20, 120, task_s=1.5 * TASK_S)
    assert minutes.limit is None
    assert minutes.trial == pytest.approx(20.0)
    assert minutes.found.trial(minutes.at + 600.0) == pytest.approx(24.0)
