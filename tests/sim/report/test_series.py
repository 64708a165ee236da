"""What the pictures show over time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from autoscaler.sim.model import Life, Outcome, Told, Workload
from autoscaler.sim.report import series
from autoscaler.sim.report.thinning import MOST_POINTS
from autoscaler.sim.score import billed_s
from tests.sim.report import made

NAN = float("nan")


def load(*arrivals_s: float, length_s: float = 60.0, interval_s: float = 10.0) -> Workload:
    at = np.array(arrivals_s, dtype=np.float64)
    return Workload("tiny", at, np.full(len(at), 6.0), length_s, interval_s, np.zeros(6), np.zeros(0))


def came(
    *received_s: float, ended_s: float = 100.0, lives: Any = (), desired: Any = ((0.0, 1),), told: Any = ()
) -> Outcome:
    return Outcome(np.array(received_s), tuple(lives), 0.0, 0, 0, desired, desired, ended_s, told)


@pytest.mark.parametrize(("length_s", "width_s"), [(60, 1), (500, 1), (501, 2), (86_400, 180), (604_800, 1800)])
def test_buckets_are_of_spans_that_people_count_in_and_at_most_500(length_s: int, width_s: int) -> None:
    assert series.bucket_s(length_s) == width_s


def test_arrivals_are_a_rate_and_end_with_the_load() -> None:
    drawn = series.arrivals(load(1, 2, 3, 25, 59))
    assert drawn.at.tolist() == [0, 10, 20, 30, 40, 50, 60]
    assert drawn.values.tolist() == [0.3, 0, 0.1, 0, 0, 0.1, 0]


def test_a_last_interval_that_is_cut_short_is_a_rate_too() -> None:
    drawn = series.arrivals(load(21, 22, length_s=25))
    assert (drawn.at.tolist(), drawn.values.tolist()) == ([0, 10, 20, 25], [0, 0, 0.4, 0])


@pytest.mark.parametrize(("length_s", "steps"), [(0.1 * 3, 3), (86_400.0, 864_000), (0.35, 4)])
def test_the_last_step_is_no_rounding_error(length_s: Any, steps: int) -> None:
    at = series.worked(load(0.05, length_s=length_s), 1, 0.1).at
    assert len(at) == steps + 1
    assert at[-1] == length_s
    assert np.diff(at).min() > 0.04


def test_needed_is_none_after_the_load() -> None:
    drawn = series.needed(made.workload(hours=1), 1)
    assert (drawn.at[-1], drawn.values[-1]) == (3600, 0)
    assert len(drawn.at) == 61


def test_a_count_holds_until_the_run_ends_and_the_last_of_several_at_an_instant_counts() -> None:
    drawn = series.counts(((0.0, 1), (10.0, 5), (10.0, 4), (30.0, 2)), 100.0)
    assert (drawn.at.tolist(), drawn.values.tolist()) == ([0, 10, 30, 100], [1, 4, 2, 2])


def test_a_count_that_changes_at_the_very_end_does_not_last() -> None:
    drawn = series.counts(((0.0, 1), (100.0, 0)), 100.0)
    assert (drawn.at.tolist(), drawn.values.tolist()) == ([0, 100], [1, 0])


def test_waits_are_told_by_the_instant_of_arrival_and_buckets_without_any_have_none() -> None:
    # In the first bucket waits of 1 to 20 s: ten of twenty are at most 10 s, nineteen at most 19 s.
    arrivals = [*np.linspace(0, 9, 20), 10.0, 35.0]
    received = [at + wait for at, wait in zip(arrivals[:20], range(20, 0, -1), strict=True)] + [14.0, NAN]
    waits = series.waits(load(*arrivals), came(*received), 10)
    np.testing.assert_allclose(waits.p50, [10, 4, NAN, 65, NAN, NAN])
    np.testing.assert_allclose(waits.p95, [19, 4, NAN, 65, NAN, NAN])
    np.testing.assert_allclose(waits.longest, [20, 4, NAN, 65, NAN, NAN])
    assert waits.at.tolist() == [0, 10, 20, 30, 40, 50]


def test_the_longest_wait_is_the_longest_among_however_many() -> None:
    waits = series.waits(load(*np.linspace(0, 9, 300)), came(*(np.linspace(0, 9, 300) + np.arange(1, 301))), 10)
    assert (waits.p50[0], waits.p95[0], waits.longest[0]) == (150, 285, 300)


def test_cost_grows_while_tasks_live_and_a_short_life_is_paid_for_its_least_time() -> None:
    lives = [Life(0, 0, 100), Life(10, 20, 30)]
    drawn = series.billed(came(lives=lives), 60.0, 10.0)
    paid_s = dict(zip(drawn.at.tolist(), (drawn.values * 3600).round(6).tolist(), strict=True))
    assert (paid_s[0], paid_s[10], paid_s[20], paid_s[70], paid_s[80], paid_s[100]) == (0, 10, 30, 130, 140, 160)


@pytest.mark.parametrize("policy", list(made.POLICIES))
def test_cost_ends_with_what_is_billed(policy: Any) -> None:
    outcome = made.outcome(made.workload(hours=3), **dict[str, Any](made.POLICIES[policy]))
    drawn = series.billed(outcome, 60.0, 60.0)
    assert drawn.values[-1] * 3600 == pytest.approx(billed_s(outcome))
    assert (np.diff(drawn.values) >= -1e-9).all()


def test_without_tasks_nothing_is_paid() -> None:
    assert not series.billed(came(), 60.0, 10.0).values.any()


def test_the_work_alone_ends_with_all_the_work() -> None:
    drawn = series.worked(load(1, 10, 59), 2, 10)
    assert (drawn.values * 3600).tolist() == pytest.approx([0, 6, 6, 6, 6, 6, 9])


def test_of_too_many_decisions_those_that_moved_the_most_are_kept_in_their_order() -> None:
    desired = ((0.0, 1), (10.0, 2), (20.0, 6), (30.0, 7), (40.0, 2))
    told = tuple(Told(at, f"to {count}") for at, count in desired)
    kept = series.decisions(came(desired=desired, told=told), 2)
    assert [one.sentence for one in kept] == ["to 6", "to 2"]
    assert series.decisions(came(desired=desired, told=told)) == told


def test_every_series_of_a_long_run_is_short_enough_and_keeps_its_peak() -> None:
    hours = made.workload(hours=60, mean_tasks=4)
    outcome = made.outcome(hours, ahead=1.1, lag=2, hold=0)
    lines = [series.needed(hours, 1), series.arrivals(hours), series.counts(outcome.desired, outcome.ended_s)]
    lines += [series.billed(outcome, 60, 1), series.worked(hours, 1, series.bucket_s(hours.length_s))]
    assert len(outcome.desired) > MOST_POINTS
    assert all(len(line.at) <= MOST_POINTS for line in lines)
    assert lines[2].values.max() == max(count for _, count in outcome.desired)
