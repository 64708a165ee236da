"""The start-up time with ECS's own times of tasks: each start counts once, the lead, and two kinds of starts."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.estimate.starting import (
    ASSUMED_LEAD_S,
    ASSUMED_S,
    LATE_RATIO,
    MOST_LEAD_S,
    MOST_SAMPLES,
    PRIOR_WEIGHT,
    SOONEST_S,
    Starting,
    TimedStart,
    measured_start_s,
)
from autoscaler.core.knowledge import SlowStarts, StartingTasks
from autoscaler.core.latency import GUARD_RATIO, GUARD_S, need
from autoscaler.core.model import Fleet
from tests.core.test_latency import known, policy, work


def starting(*readings: tuple[float, int, int]) -> Starting:
    """Return the state after readings of (instant, desired, running); the first was at 0 s, without a task."""
    each = Starting(Fleet(0, 0, 0, 0.0), 0.0)
    for at, desired, running in readings:
        each.see(Fleet(desired, running, max(0, desired - running), 0.0), at)
    return each


def timed(*took_s: float, at: float = 100.0) -> list[TimedStart]:
    return [TimedStart(each, at) for each in took_s]


def blended(mean_s: float, samples: int) -> float:
    return (samples * mean_s + PRIOR_WEIGHT * ASSUMED_S) / (samples + PRIOR_WEIGHT)


def test_without_ecs_times_nothing_changes() -> None:
    one, other = starting((10.0, 3, 0), (40.0, 3, 3)), starting((10.0, 3, 0), (40.0, 3, 3))
    other.see_timed([])
    assert (one.mean_s, one.late_s, one.slow) == (other.mean_s, other.late_s, None)
    assert one.estimate(60.0) == other.estimate(60.0)


def test_starts_from_before_the_daemon_are_known_at_once_with_the_assumed_lead() -> None:
    one = starting()
    one.see_timed(timed(*[20.0] * 15, at=-5e5))
    assert one.mean_s == pytest.approx(blended(20.0 + ASSUMED_LEAD_S, 15))
    assert one.estimate(10.0).weight == 15
    assert one.estimate(10.0).age_s == 5e5 + 10.0


def test_a_start_that_both_measure_counts_once() -> None:
    """Three tasks ran 35 s after the request by the counts, and 28 s after their creation by ECS."""
    one = starting((10.0, 3, 0), (30.0, 3, 0), (40.0, 3, 3))
    assert one.estimate(40.0).weight == 3
    one.see_timed(timed(28.0, 28.0, 28.0, at=35.0))
    assert one.estimate(60.0).weight == 3
    lead_s = ASSUMED_LEAD_S + (7.0 - ASSUMED_LEAD_S) * 3 / (PRIOR_WEIGHT + 3)
    assert one.mean_s == pytest.approx(blended(28.0 + lead_s, 3))


def test_starts_after_the_reading_count_until_they_are_read_too() -> None:
    one = starting((10.0, 3, 0), (30.0, 3, 0), (40.0, 3, 3))
    one.see_timed(timed(28.0, 28.0, 28.0, at=35.0))
    for at, desired, running in ((100.0, 4, 3), (140.0, 4, 4)):
        one.see(Fleet(desired, running, 0, 0.0), at)
    assert one.estimate(140.0).weight == 4
    one.see_timed(timed(33.0, at=121.0))
    assert one.estimate(200.0).weight == 4


def test_the_lead_is_learned_from_starts_that_were_measured_both_ways() -> None:
    """ECS creates each task 12 s after the request: the lead and ECS's times together become what the counts show."""
    one, now = starting(), 0.0
    for number in range(1, 40):
        one.see(Fleet(number, number - 1, 1, 0.0), now + 1.0)
        one.see(Fleet(number, number - 1, 1, 0.0), now + 41.0)
        one.see(Fleet(number, number, 0, 0.0), now + 43.0)  # it ran at 42 s, requested at 0 s
        one.see_timed(timed(30.0, at=now + 42.0))
        now += 100.0
        one.see(Fleet(number, number, 0, 0.0), now)
    assert one.mean_s == pytest.approx(blended(42.0, 39), abs=1.0)


@given(st.floats(0.0, 250.0), st.floats(0.0, 250.0))
def test_the_lead_is_bounded(counted_s: float, took_s: float) -> None:
    """Clocks differ, and starts of another kind may be compared: the estimate is never below ECS's own times."""
    one = starting((0.0, 1, 0), (counted_s, 1, 0), (counted_s + 1e-3, 1, 1))
    one.see_timed(timed(took_s, at=counted_s))
    low, high = blended(took_s, 1), blended(took_s + MOST_LEAD_S, 1)
    assert low - 1e-6 <= one.mean_s <= high + 1e-6


@given(st.lists(st.tuples(st.floats(0.0, 250.0), st.integers(0, 5)), min_size=1, max_size=90), st.randoms())
def test_the_order_of_the_tasks_makes_no_difference(each: list[tuple[float, int]], rng: random.Random) -> None:
    starts = [TimedStart(took_s, 10.0 * at) for took_s, at in each]
    one, other = starting(), starting()
    one.see_timed(starts)
    other.see_timed(rng.sample(starts, len(starts)))
    both = [(each.mean_s, each.late_s, *(each.slow or ())) for each in (one, other)]
    assert both[0] == pytest.approx(both[1])


def test_a_start_whose_task_stopped_before_it_was_read_still_counts() -> None:
    """Slow tasks that come too late for the work are stopped soon. In the simulator, half of the tasks of bursts
    started in 90 s, and nearly all that were read were fast ones: 29 % of the messages were late at 60 s, now 7 %.
    """
    one, now = starting(), 0.0
    for _ in range(40):
        one.see(Fleet(0, 0, 0, 0.0), now)
        one.see(Fleet(2, 0, 2, 0.0), now + 1.0)
        one.see(Fleet(2, 1, 1, 0.0), now + 9.0)
        one.see(Fleet(2, 1, 1, 0.0), now + 94.0)
        one.see(Fleet(2, 2, 0, 0.0), now + 96.0)
        one.see(Fleet(0, 0, 0, 0.0), now + 120.0)
        one.see_timed(timed(4.0, at=now + 5.0))
        now += 300.0
    assert one.slow is not None
    assert one.slow.share == pytest.approx(0.5)
    assert one.slow.seconds == pytest.approx(95.0, abs=1.0)


def test_only_the_newest_starts_are_stored_of_both_measurements() -> None:
    one = starting(*((10.0 * step, min(step, 40), max(0, min(step - 4, 40))) for step in range(60)))
    assert one.estimate(600.0).weight == 40
    one.see_timed([TimedStart(20.0, 5000.0 + at) for at in range(MOST_SAMPLES - 10)])
    assert one.estimate(6000.0).weight == MOST_SAMPLES
    one.see_timed([TimedStart(20.0, 6000.0 + at) for at in range(MOST_SAMPLES)])
    assert one.mean_s == pytest.approx(blended(20.0 + ASSUMED_LEAD_S, MOST_SAMPLES))


def test_only_the_newest_starts_are_stored() -> None:
    one = starting()
    one.see_timed([TimedStart(200.0, float(at)) for at in range(90)])
    one.see_timed([TimedStart(20.0, 200.0 + at) for at in range(MOST_SAMPLES)])
    assert one.mean_s == pytest.approx(blended(20.0 + ASSUMED_LEAD_S, MOST_SAMPLES))
    assert one.estimate(300.0).weight == MOST_SAMPLES


# Two kinds of starts: on an instance that runs, and on one that is launched first.


def managed(slow: int, many: int = 40) -> Starting:
    one = starting()
    one.see_timed([*timed(*[5.0] * (many - slow)), *timed(*[175.0] * slow)])
    return one


def test_fast_and_slow_starts_are_two_modes_and_not_one_mean() -> None:
    one = managed(12)
    assert one.slow == SlowStarts(0.3, 175.0 + ASSUMED_LEAD_S)
    assert one.mean_s == pytest.approx(blended(10.0, 40))
    assert one.late_s > 150.0, "the 90th percentile is a slow start"


def test_the_mean_shown_is_that_of_all_starts() -> None:
    one = managed(12)
    seen = replace(known(), start_s=one.estimate(200.0), start_late_s=one.late_s, slow_starts=one.slow)
    assert measured_start_s(seen) == pytest.approx(0.7 * 10.0 + 0.3 * 180.0)
    assert seen.mean_start_s == pytest.approx(0.7 * blended(10.0, 40) + 0.3 * 180.0)


def test_of_requested_tasks_the_share_of_slow_ones_is_expected_later() -> None:
    one = managed(12)
    one.see(Fleet(0, 0, 0, 0.0), 300.0)
    one.see(Fleet(10, 0, 10, 0.0), 301.0)
    fast_s, slow_s = one.mean_s, 180.0
    assert one.coming(302.0) == (StartingTasks(slow_s - 2.0, 3), StartingTasks(fast_s - 2.0, 7))
    one.see(Fleet(10, 7, 3, 0.0), 310.0)
    assert one.coming(310.0) == (StartingTasks(slow_s - 10.0, 3),), "the fast ones run"
    one.see(Fleet(10, 8, 2, 0.0), 480.0)
    assert one.coming(490.0) == (StartingTasks(SOONEST_S, 2),)


def test_a_task_that_did_not_start_fast_is_a_slow_one() -> None:
    one = managed(4)
    one.see(Fleet(0, 0, 0, 0.0), 300.0)
    one.see(Fleet(1, 0, 1, 0.0), 301.0)
    assert one.coming(310.0) == (StartingTasks(max(SOONEST_S, one.mean_s - 10.0), 1),)
    assert one.coming(420.0) == (StartingTasks(180.0 - 120.0, 1),)


shares = st.floats(0.01, 0.95)
slows = st.floats(60.0, 600.0)
waits = st.lists(st.tuples(st.floats(0.0, 300.0), st.floats(0.0, 500.0)), min_size=1, max_size=4)


@given(waits, shares, shares, slows, st.integers(0, 40), st.sampled_from([30.0, 60.0, 300.0, 900.0]))
def test_a_larger_share_of_slow_starts_never_requires_fewer_tasks(
    waiting: list[tuple[float, float]], one: float, other: float, slow_s: float, running: int, latency_s: float
) -> None:
    ages = sorted(waiting)
    here = replace(known(*ages, coming=((60.0, 30.0),), load=2.0), start_late_s=75.0)
    messages = sum(each for _, each in ages)
    few, many = (
        need(
            policy(latency_s), replace(here, slow_starts=SlowStarts(share, slow_s)), work(messages), running, running
        ).load
        for share in sorted((one, other))
    )
    none = need(policy(latency_s), here, work(messages), running, running).load
    assert none <= few + 1e-9
    assert few <= many + 1e-9


@given(waits, shares, slows, slows, st.integers(0, 40))
def test_slower_slow_starts_never_require_fewer_tasks(
    waiting: list[tuple[float, float]], share: float, one: float, other: float, running: int
) -> None:
    here, messages = known(*sorted(waiting), load=2.0), sum(each for _, each in waiting)
    few, many = (
        need(policy(), replace(here, slow_starts=SlowStarts(share, slow_s)), work(messages), running, running).load
        for slow_s in sorted((one, other))
    )
    assert few <= many + 1e-9


@given(st.integers(3, 30), st.integers(3, 30), st.integers(1, 50), st.floats(0.0, 400.0))
def test_a_larger_share_of_slow_starts_never_lets_requested_tasks_run_earlier(
    one: int, other: int, tasks: int, age_s: float
) -> None:
    """At each time, no more of the requested tasks are expected to run."""
    few, many = (managed(slow, 40) for slow in sorted((one, other)))
    for each in (few, many):
        each.see(Fleet(tasks, 0, tasks, 0.0), 300.0)
    times = {entry.seconds for each in (few, many) for entry in each.coming(age_s)}
    for within_s in times:
        up = [sum(entry.tasks for entry in each.coming(age_s) if entry.seconds <= within_s) for each in (few, many)]
        assert up[1] <= up[0]
        assert [sum(entry.tasks for entry in each.coming(age_s)) for each in (few, many)] == [tasks, tasks]


def test_the_late_start_is_that_of_all_kinds() -> None:
    one = managed(12)
    assert one.late_s == pytest.approx((40 * 180.0 + PRIOR_WEIGHT * ASSUMED_S * LATE_RATIO) / (40 + PRIOR_WEIGHT))


def half_and_half(fast_s: float = 8.0, slow_s: float = 90.0) -> Starting:
    one = starting()
    one.see_timed([*timed(*[fast_s] * 32), *timed(*[slow_s] * 32)])
    return one


def received(tasks: float, due_s: float, *starts_s: float) -> float:
    """Return the messages of 5 s each that tasks have received by then. Equal parts of them start after `starts_s`."""
    part = tasks / len(starts_s)
    return sum(part * (1 + (due_s - start_s) / 5.0) for start_s in starts_s if due_s > start_s)


@pytest.mark.parametrize(
    ("latency_s", "by_mean_ratio"), [(30.0, 0.7), (60.0, 1.1), (75.0, 1.24), (90.0, 1.27), (120.0, 1.08), (900.0, 1.03)]
)
@pytest.mark.parametrize("backlog", [200.0, 2000.0])
def test_half_fast_and_half_slow_starts_meet_the_latency_target_and_no_more(
    latency_s: float, by_mean_ratio: float, backlog: float
) -> None:
    """Half of the tasks start in 8 s and half in 90 s. With the planned tasks, all messages are received in time, and
    at most a quarter more could be. `by_mean_ratio`: with the plan for one mean of 49 s. It receives 70 % of the
    messages in time for a target of 30 s, and has too many tasks for 75 s and 90 s.
    """
    one, starts_s = half_and_half(), (8.0 + ASSUMED_LEAD_S, 90.0 + ASSUMED_LEAD_S)
    learned = replace(known((0.0, backlog)), start_s=one.estimate(200.0), start_late_s=one.late_s, slow_starts=one.slow)
    one_mean = replace(learned, start_s=learned.start_s._replace(value=learned.mean_start_s), slow_starts=None)
    due_s = latency_s - min(GUARD_S, GUARD_RATIO * latency_s)
    two, by_mean = (
        received(need(policy(latency_s), each, work(backlog), 0, 0).load, due_s, *starts_s) / backlog
        for each in (learned, one_mean)
    )
    assert 1.0 <= two <= 1.25
    assert by_mean == pytest.approx(by_mean_ratio, abs=0.01)


def test_two_kinds_are_expected_where_they_are_and_not_between() -> None:
    """Of 10 requested tasks, 5 run soon and 5 late; none is expected after the mean of 49 s, when none starts."""
    one = half_and_half()
    one.see(Fleet(0, 0, 0, 0.0), 300.0)
    one.see(Fleet(10, 0, 10, 0.0), 301.0)
    late, soon = one.coming(301.0)
    assert (late.tasks, soon.tasks) == (5, 5)
    assert late.seconds == pytest.approx(95.0, abs=2.0)
    assert soon.seconds == pytest.approx(13.0, abs=4.0)


def test_fewer_starts_than_two_kinds_take_are_planned_with_one_mean() -> None:
    """What it takes, as the documentation says: 30 starts, and three of each kind."""
    one = starting()
    one.see_timed([*timed(*[8.0] * 26), *timed(*[90.0] * 3)])
    few = one.slow
    one.see_timed(timed(8.0, at=150.0))
    assert (few, one.slow) == (None, SlowStarts(0.1, 90.0 + ASSUMED_LEAD_S))
