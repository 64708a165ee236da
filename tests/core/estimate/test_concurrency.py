"""The messages that a task holds at once, and messages in flight that no task holds."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.estimate import Estimator
from autoscaler.core.estimate.concurrency import MOST_PENDING, Concurrency
from autoscaler.core.knowledge import Knowledge
from autoscaler.core.model import Backlog, Fleet, Flow, Observation, QueueReading
from autoscaler.core.policy import Policy, QueuePolicy

POLL_S, POLLS = 10.0, 6


def learned(
    per_task: list[tuple[int, int]], *, fails: frozenset[int] = frozenset(), configured: int = 1
) -> Concurrency:
    """Return what is learned from minutes of (messages in flight per task, tasks). Each minute is confirmed one minute
    after its end; those in `fails` are not.
    """
    found = Concurrency(configured)
    for minute, (held, tasks) in enumerate(per_task):
        for poll in range(POLLS):
            found.see(held * tasks, tasks, (minute * POLLS + poll + 1) * POLL_S)
        if minute:
            found.confirm(minute * 60.0, fails=minute - 1 in fails)
    return found


minutes = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 50)), min_size=2, max_size=30)


@given(minutes, st.integers(1, 10))
def test_readings_of_minutes_with_failures_change_nothing(seen: list[tuple[int, int]], configured: int) -> None:
    """The newest minute is not confirmed yet, and does not count while the one before it had failures."""
    found = learned(seen, fails=frozenset(range(len(seen))), configured=configured)
    found.confirm(len(seen) * 60.0, fails=True)
    assert found.slots == configured


@given(minutes, st.data())
def test_readings_of_minutes_with_failures_are_forgotten_as_if_they_had_never_been(
    seen: list[tuple[int, int]], data: st.DataObject
) -> None:
    bad = data.draw(st.sets(st.integers(0, len(seen) - 2), max_size=5))
    whole = learned([*seen, (7, 3), (7, 3)], fails=frozenset(bad))
    good = learned([each for at, each in enumerate([*seen, (7, 3), (7, 3)]) if at not in bad])
    assert whole.slots == good.slots


@given(minutes)
def test_a_confirmed_reading_counts_as_it_did_before(seen: list[tuple[int, int]]) -> None:
    found = learned(seen)
    before = found.slots
    found.confirm(len(seen) * 60.0, fails=False)
    assert found.slots == before


@given(st.integers(2, 30), st.integers(1, 5))
def test_without_cloudwatch_all_readings_count(held: int, tasks: int) -> None:
    found = Concurrency(1)
    for poll in range(10 * MOST_PENDING):
        count = tasks * (1 + poll % 3)
        found.see(held * count, count, poll * POLL_S)
    assert found.slots == held
    found.confirm(9 * MOST_PENDING * POLL_S, fails=True)
    assert found.slots == held, "what CloudWatch did not contradict in time stays"


@pytest.mark.parametrize(("readings", "left"), [(1, 0.0), (24, 0.0), (25, 1.0)])
def test_readings_of_four_minutes_can_be_taken_back(readings: int, left: float) -> None:
    """With ten seconds between them; the ones before count for good, and the decay of those taken back is undone."""
    found = Concurrency(1)
    for reading in range(readings):
        found.see(40, 4, reading * POLL_S)
    found.confirm(readings * POLL_S, fails=True)
    assert found.estimate(readings * POLL_S).weight == left


def test_a_minute_with_failures_takes_its_readings_back_at_once_and_stops_counting_until_one_without() -> None:
    """Also those of the minutes after it, which may have failures too."""

    def see(polls: range) -> float:
        for poll in polls:
            tasks = 10 + 3 * (poll % 2)
            found.see(40 * tasks, tasks, (poll + 1) * POLL_S)
        return found.slots

    found = Concurrency(1)
    assert see(range(12)) > 1
    found.confirm(60.0, fails=True)
    assert (found.slots, found.estimate(120.0).weight) == (1, 0.0)
    assert see(range(12, 18)) == 1
    found.confirm(120.0, fails=False)
    assert found.slots > 1


# Readings in a closed form.


def held_each(configured: int, each: float, readings: int, tasks: int = 4) -> Concurrency:
    found = Concurrency(configured)
    for reading in range(readings):
        found.see(round(each * tasks), tasks, reading * 10.0)
    return found


@pytest.mark.parametrize(("readings", "slots"), [(0, 10), (1, 10), (10, 8), (30, 5), (100, 3), (400, 2)])
def test_fewer_messages_a_task_replace_the_configured_number_in_minutes(readings: int, slots: int) -> None:
    """The configured ten have the weight of 30 readings, and every reading fades by 2 %."""
    kept = 0.98**readings
    seen = (1 - kept) / 0.02
    assert held_each(10, 2.0, readings).slots == slots == round((300 * kept + 2 * seen) / (30 * kept + seen))
    assert held_each(10, 2.0, readings).estimate(1e4).weight == pytest.approx(seen)


@pytest.mark.parametrize("readings", [1, 10, 100])
def test_the_configured_number_has_the_weight_of_five_minutes_of_readings(readings: int) -> None:
    """30 readings of a configured thousand, and the newer ones of none."""
    kept = 0.98**readings
    assert held_each(1000, 0.0, readings).slots == round(30 * 1000 * kept / (30 * kept + (1 - kept) / 0.02))


def test_a_task_has_at_least_one_slot() -> None:
    assert held_each(3, 0.0, 500).slots == 1


@pytest.mark.parametrize(("others", "each", "slots"), [(0, 11, 11), (200, 4, 4), (7, 1, 1), (90, 0, 1)])
def test_more_slots_are_as_many_messages_as_follow_the_tasks(others: int, each: int, slots: int) -> None:
    """Messages at other consumers do not vary with the tasks."""
    found = Concurrency(1)
    for reading in range(300):
        tasks = 4 + 4 * (reading // 10 % 2)
        found.see(each * tasks + others, tasks, reading * 10.0)
    assert found.slots == slots


@pytest.mark.parametrize(("tasks", "slots"), [((10, 12), 1), ((10, 13), 5), ((85, 115), 5), ((96, 104), 1)])
def test_the_tasks_must_have_varied_by_a_tenth(tasks: tuple[int, int], slots: int) -> None:
    """The coefficient of variation of 10 and 12 is 0.09, that of 10 and 13 is 0.13."""
    found = Concurrency(1)
    for reading in range(400):
        running = tasks[reading % 2]
        found.see(5 * running, running, reading * 10.0)
    assert found.slots == slots


def test_two_readings_with_different_tasks_show_how_many_messages_follow_a_task() -> None:
    found = Concurrency(1)
    found.see(50, 10, 0.0)
    found.see(65, 13, 10.0)
    assert found._followed == pytest.approx(5.0)


def test_fewer_messages_than_configured_are_believed_whether_or_not_they_follow_the_tasks() -> None:
    """Two messages follow each task, and 48 are elsewhere: 7 for each of ten tasks; ten were configured."""
    found = Concurrency(10)
    for reading in range(400):
        tasks = 8 + 4 * (reading // 10 % 2)
        found.see(2 * tasks + 48, tasks, reading * 10.0)
    assert found.slots in {7, 8}


def test_a_fixed_number_of_slots_is_not_learned_and_readings_without_tasks_are_ignored() -> None:
    fixed = Concurrency(3, fixed=True)
    for reading in range(200):
        fixed.see(50 * (1 + reading % 3), 1 + reading % 3, reading * 10.0)
    assert (fixed.slots, fixed.estimate(0.0).weight) == (3, inf)
    idle = Concurrency(3)
    idle.see(50, 0, 10.0)
    assert (idle.estimate(99.0).value, idle.estimate(99.0).weight, idle.estimate(99.0).age_s) == (3.0, 0.0, None)
    idle.see(3, 1, 20.0)
    assert (idle.estimate(99.0).weight, idle.estimate(99.0).age_s) == (1.0, 79.0)


# Messages in flight that no task holds.


class FailingService:
    """Ten to fifteen tasks of one message of 5 s, polled every ten seconds. Messages that fail return after 150 s."""

    def __init__(self) -> None:
        self.policy = replace(Policy("orders", 0, 5000, queues=(QueuePolicy("q", 300.0),)))
        self.now = 0.0
        self.minutes: list[Flow] = []
        self.estimator = Estimator(self.policy, self.seen(10, 10), POLL_S)

    def seen(self, tasks: int, in_flight: int, flow: Flow | None = None) -> Observation:
        queue = QueueReading("q", Backlog(500 + round(self.now) % 7, in_flight, 0, self.now))
        return Observation(self.now, Fleet(tasks, tasks, 0, self.now), (queue,), flow=flow)

    def minute(self, in_flight: list[int], received: int, deleted: int, tasks: int = 10) -> Knowledge:
        for poll in range(POLLS):
            self.now += POLL_S
            due = self.minutes and self.now >= self.minutes[0].at + 60
            known = self.estimator.see(
                self.policy, self.seen(tasks, in_flight[poll], self.minutes.pop(0) if due else None)
            )
        self.minutes.append(Flow(received, deleted, tasks, self.now, 500))
        return known


@pytest.mark.parametrize("failing", [120, 40])
def test_failed_messages_in_flight_are_no_concurrency(failing: int) -> None:
    """All of the 120 messages a minute fail, or a third: they stay in flight for 150 s, and no task holds them."""
    service = FailingService()
    for minute in range(10):
        service.minute([10 + minute] * POLLS, 120, 120, 10 + minute % 4)
    waiting_s = [min(150, 60 * minute + 10 * (poll + 1)) for minute in range(12) for poll in range(POLLS)]
    for minute in range(12):
        held = [10 + failing * each // 60 for each in waiting_s[minute * POLLS : minute * POLLS + POLLS]]
        known = service.minute(held, 120, 120 - failing)
    assert known.concurrency.value == 1


def test_tasks_that_fill_their_slots_with_long_messages_do_not_fail() -> None:
    """Fifteen tasks receive ten messages of 100 s each: more are received than deleted, because they are in flight."""
    service = FailingService()
    for _ in range(3):
        service.minute([10] * POLLS, 120, 120)
    for minute in range(12):
        tasks = 10 + 2 * (minute % 3)
        known = service.minute([10 * tasks] * POLLS, 60, 60, tasks)
    assert known.concurrency.value > 5
