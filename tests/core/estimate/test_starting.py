"""The start-up time of tasks, from the requested and the running tasks of each reading."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.estimate.starting import ASSUMED_S, LATE_RATIO, MOST_SAMPLES, PRIOR_WEIGHT, Starting
from autoscaler.core.model import Deployment, Fleet, ZoneRebalancing
from autoscaler.core.start_phases import STALLED_S


def fleet(desired: int, running: int, *, deploying: bool = False) -> Fleet:
    return Fleet(desired, running, max(0, desired - running), 0.0, Deployment(0.0) if deploying else None)


def seen(*readings: tuple[float, int, int], first: tuple[int, int] = (0, 0)) -> Starting:
    """Return the state after readings of (instant, desired, running); the first reading was at 0 s."""
    starting = Starting(fleet(*first), 0.0)
    for at, desired, running in readings:
        starting.see(fleet(desired, running), at)
    return starting


def blended(mean_s: float, samples: int) -> float:
    """The mean of the samples and of the assumed 50 s, which have the weight of five samples."""
    return (samples * mean_s + 5 * 50.0) / (samples + 5)


def test_until_a_start_was_seen_50_s_are_assumed_and_75_s_at_most() -> None:
    starting = seen()
    assert (starting.mean_s, starting.late_s) == (50.0, 75.0) == (ASSUMED_S, ASSUMED_S * LATE_RATIO)
    assert starting.estimate(99.0).age_s is None
    assert (starting.estimate(99.0).value, starting.estimate(99.0).weight) == (50.0, 0.0)


def test_a_start_took_from_the_reading_before_its_request_to_the_middle_of_the_readings_around_it() -> None:
    starting = seen((10.0, 3, 0), (20.0, 3, 0), (80.0, 3, 0), (100.0, 3, 1))
    assert starting.mean_s == pytest.approx(blended(90.0, 1))
    assert starting.late_s == pytest.approx((90 + 5 * 75) / 6)
    assert [tuple(each) for each in starting.coming(100.0)] == [(5.0, 2)]
    estimate = starting.estimate(130.0)
    assert (estimate.weight, estimate.age_s) == (1.0, 40.0)
    assert starting.estimate(80.0).age_s == 0.0


def test_tasks_that_are_starting_at_the_first_reading_were_requested_then() -> None:
    starting = seen(first=(5, 2))
    assert [tuple(each) for each in starting.coming(0.0)] == [(50.0, 3)]
    starting.see(fleet(5, 5), 40.0)
    assert starting.mean_s == pytest.approx(blended(20.0, 3))
    assert starting.coming(40.0) == ()


@pytest.mark.parametrize(("now", "left_s"), [(10.0, 40.0), (40.0, 10.0), (45.0, 5.0), (46.0, 5.0), (500.0, 5.0)])
def test_a_starting_task_is_expected_after_the_mean_but_not_sooner_than_in_five_seconds(
    now: float, left_s: float
) -> None:
    assert [tuple(each) for each in seen((10.0, 3, 0)).coming(now)] == [(left_s, 3)]


def test_the_task_that_was_requested_first_starts_first() -> None:
    starting = seen((10.0, 2, 0), (20.0, 5, 0), (50.0, 5, 0), (60.0, 5, 3))
    assert starting.mean_s == pytest.approx(blended((55.0 + 55.0 + 45.0) / 3, 3))
    assert [tuple(each)[1] for each in starting.coming(60.0)] == [2]


def test_a_request_of_several_tasks_stays_the_first_until_all_of_them_run() -> None:
    starting = seen((10.0, 2, 0), (20.0, 5, 0), (25.0, 9, 0), (30.0, 9, 1))
    mean_s = starting.mean_s
    assert [tuple(each) for each in starting.coming(30.0)] == [(mean_s - 30, 1), (mean_s - 20, 3), (mean_s - 10, 4)]
    starting.see(fleet(9, 2), 40.0)
    assert starting.mean_s == pytest.approx(blended((27.5 + 35.0) / 2, 2))


def test_a_start_within_a_second_takes_the_half_of_it() -> None:
    assert seen((1.0, 1, 1), first=(1, 0)).mean_s == pytest.approx(blended(0.5, 1))


@pytest.mark.parametrize(("took_s", "samples"), [(STALLED_S, 1), (STALLED_S + 0.5, 0)])
def test_a_start_of_more_than_five_minutes_is_not_learned(took_s: float, samples: int) -> None:
    """It ends between two readings that are a second apart."""
    starting = seen((10.0, 1, 0), (took_s - 0.5, 1, 0), (took_s + 0.5, 1, 1))
    assert starting.estimate(0.0).weight == samples
    assert starting.coming(400.0) == ()


@pytest.mark.parametrize(("second", "learned"), [(False, 0), (True, 0)])
def test_starts_of_a_deployment_are_not_learned(second: bool, learned: int) -> None:
    """Neither at its readings nor at the one after it."""
    starting = Starting(fleet(3, 0, deploying=not second), 0.0)
    starting.see(fleet(3, 3, deploying=second), 40.0)
    assert starting.estimate(40.0).weight == learned
    assert starting.coming(40.0) == (), "they run"


def test_starts_are_learned_again_after_a_deployment() -> None:
    starting = Starting(fleet(1, 1, deploying=True), 0.0)
    starting.see(fleet(1, 1), 10.0)
    starting.see(fleet(2, 1), 20.0)
    starting.see(fleet(2, 2), 40.0)
    assert starting.estimate(40.0).weight == 1


def test_if_fewer_tasks_are_desired_the_newest_requests_are_dropped() -> None:
    starting = seen((10.0, 4, 0), (20.0, 9, 0), (30.0, 6, 0))
    assert [tuple(each) for each in starting.coming(30.0)] == [(20.0, 4), (30.0, 2)]
    starting.see(fleet(3, 0), 40.0)
    assert [tuple(each) for each in starting.coming(40.0)] == [(10.0, 3)]
    starting.see(fleet(0, 0), 50.0)
    assert starting.coming(50.0) == ()
    assert seen((10.0, 4, 0), (20.0, 0, 2)).coming(20.0) == (), "never fewer than none"


def test_a_task_that_starts_without_a_request_is_not_learned() -> None:
    starting = seen((10.0, 0, 2), (20.0, 0, 4))
    assert starting.estimate(20.0).weight == 0
    assert (starting.mean_s, starting.late_s) == (50.0, 75.0)


def test_a_task_that_stops_is_no_start() -> None:
    starting = seen((10.0, 5, 5), (20.0, 5, 3), (30.0, 5, 3), first=(5, 5))
    assert starting.estimate(30.0).weight == 0


def test_a_task_that_replaces_a_stopped_one_is_not_learned() -> None:
    """The autoscaler did not request it, and when its start began is unknown."""
    starting = seen((10.0, 5, 5), (20.0, 5, 3), (30.0, 5, 5), first=(5, 5))
    assert (starting.estimate(30.0).weight, starting.coming(30.0)) == (0, ())


def test_the_newest_64_starts_are_remembered() -> None:
    starting = seen((10.0, 100, 0), (39.0, 100, 0), (41.0, 100, 100))
    assert starting.estimate(41.0).weight == MOST_SAMPLES == 64
    assert starting.mean_s == pytest.approx(blended(40.0, 64))
    starting.see(fleet(130, 100), 50.0)
    starting.see(fleet(130, 100), 100.0)
    starting.see(fleet(130, 130), 102.0)
    assert starting.mean_s == pytest.approx(blended((30 * 60.0 + 34 * 40.0) / 64, 64))


@pytest.mark.parametrize(("starts", "late"), [(9, 8), (10, 9), (11, 9), (20, 18)])
def test_the_late_start_is_the_90th_percentile(starts: int, late: int) -> None:
    """One start every poll of 10 s: requested at 0 s, they took 5, 15, 25 s and so on."""
    starting = seen(*[(10.0 * (number + 1), starts, number + 1) for number in range(starts)], first=(starts, 0))
    took_s = [10.0 * number + 5 for number in range(starts)]
    weight = starts / (starts + PRIOR_WEIGHT)
    assert starting.mean_s == pytest.approx(weight * sum(took_s) / starts + (1 - weight) * 50)
    assert starting.late_s == pytest.approx(weight * took_s[late] + (1 - weight) * 75)


@given(st.lists(st.tuples(st.floats(1, 60), st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=30))
def test_as_many_tasks_are_expected_as_are_missing_at_most(readings: list[tuple[float, int, int]]) -> None:
    """And the estimate is between the extremes of what was seen and assumed."""
    starting, now = Starting(fleet(0, 0), 0.0), 0.0
    for gap_s, desired, running in readings:
        now += gap_s
        starting.see(fleet(desired, running), now)
        coming = starting.coming(now)
        assert sum(tasks for _, tasks in coming) <= max(0, desired - running)
        assert all((tasks > 0 and 5.0 <= seconds <= starting.mean_s) or seconds == 5.0 for seconds, tasks in coming)
        assert 0.0 < starting.mean_s <= STALLED_S
        assert 0.0 < starting.late_s <= STALLED_S


# Zone rebalancing: ECS starts tasks that no scale-out requested, and then stops others.


@given(st.integers(0, 20), st.lists(st.tuples(st.integers(0, 8), st.booleans()), max_size=12))
def test_tasks_above_the_desired_count_are_no_starts(desired: int, extra: list[tuple[int, bool]]) -> None:
    """At a constant desired count, also if no event reports the rebalancing."""
    starting = Starting(fleet(desired, desired), 0.0)
    for number, (more, is_reported) in enumerate(extra):
        moving = ZoneRebalancing(None, 1.0 if is_reported else None)
        starting.see(replace(fleet(desired, desired + more), rebalancing=moving), 10.0 * number + 10)
    assert (starting.mean_s, starting.late_s) == (ASSUMED_S, ASSUMED_S * LATE_RATIO)
    assert starting.estimate(1e3).weight == 0
    assert starting.coming(1e3) == ()


def moving(desired: int, running: int) -> Fleet:
    return replace(fleet(desired, running), rebalancing=ZoneRebalancing(True, 0.0))


def test_a_task_that_rebalancing_starts_is_not_timed_as_a_requested_one() -> None:
    """Two tasks are requested, and the third one that rises seconds later is one of the rebalancing."""
    starting = Starting(fleet(10, 10), 0.0)
    starting.see(moving(12, 10), 10.0)
    starting.see(moving(12, 11), 15.0)
    assert starting.estimate(15.0).weight == 0
    starting.see(fleet(12, 10), 25.0)
    starting.see(fleet(13, 10), 30.0)
    starting.see(fleet(13, 12), 60.0)
    assert starting.estimate(60.0).weight > 0, "starts are learned again after it"
