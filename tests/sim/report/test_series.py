"""The time series of the charts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from autoscaler.sim.model import LoggedReason, SimulationOutcome, TaskLife, Workload
from autoscaler.sim.report import pictures
from autoscaler.sim.report.pictures import MOST_POINTS
from autoscaler.sim.score import billed_s
from tests.sim.report import made

NAN = float("nan")


def load(*arrivals_s: float, length_s: float = 60.0, interval_s: float = 10.0) -> Workload:
    at = np.array(arrivals_s, dtype=np.float64)
    return Workload("tiny", at, np.full(len(at), 6.0), length_s, interval_s, np.zeros(6), np.zeros(0))


def run_of(
    *received_s: float, ended_s: float = 100.0, lives: Any = (), desired: Any = ((0.0, 1),), reasons: Any = ()
) -> SimulationOutcome:
    return SimulationOutcome(np.array(received_s), tuple(lives), 0.0, 0, 0, desired, desired, ended_s, reasons)


@pytest.mark.parametrize(("length_s", "width_s"), [(60, 1), (500, 1), (501, 2), (86_400, 180), (604_800, 1800)])
def test_buckets_have_round_widths_and_there_are_at_most_500(length_s: int, width_s: int) -> None:
    assert pictures.bucket_s(length_s) == width_s


def test_arrivals_are_a_rate_and_end_with_the_load() -> None:
    drawn = pictures.arrivals(load(1, 2, 3, 25, 59))
    assert drawn.at.tolist() == [0, 10, 20, 30, 40, 50, 60]
    assert drawn.values.tolist() == [0.3, 0, 0.1, 0, 0, 0.1, 0]


def test_a_shorter_last_interval_is_also_a_rate() -> None:
    drawn = pictures.arrivals(load(21, 22, length_s=25))
    assert (drawn.at.tolist(), drawn.values.tolist()) == ([0, 10, 20, 25], [0, 0, 0.4, 0])


@pytest.mark.parametrize(("length_s", "steps"), [(0.1 * 3, 3), (86_400.0, 864_000), (0.35, 4)])
def test_a_rounding_error_adds_no_last_step(length_s: Any, steps: int) -> None:
    at = pictures.worked(load(0.05, length_s=length_s), 1, 0.1).at
    assert len(at) == steps + 1
    assert at[-1] == length_s
    assert np.diff(at).min() > 0.04


def test_the_needed_tasks_are_zero_after_the_load() -> None:
    drawn = pictures.needed(made.workload(hours=1), 1)
    assert (drawn.at[-1], drawn.values[-1]) == (3600, 0)
    assert len(drawn.at) == 61


def test_a_count_lasts_until_the_end_and_the_last_of_several_at_one_instant_applies() -> None:
    drawn = pictures.counts(((0.0, 1), (10.0, 5), (10.0, 4), (30.0, 2)), 100.0)
    assert (drawn.at.tolist(), drawn.values.tolist()) == ([0, 10, 30, 100], [1, 4, 2, 2])


def test_a_change_at_the_end_of_the_run_adds_no_further_point() -> None:
    drawn = pictures.counts(((0.0, 1), (100.0, 0)), 100.0)
    assert (drawn.at.tolist(), drawn.values.tolist()) == ([0, 100], [1, 0])


def test_waits_are_grouped_by_arrival_time_and_empty_buckets_have_no_value() -> None:
    # The first bucket has waits of 1 to 20 s: ten of twenty are at most 10 s, nineteen at most 19 s.
    arrivals = [*np.linspace(0, 9, 20), 10.0, 35.0]
    received = [at + wait for at, wait in zip(arrivals[:20], range(20, 0, -1), strict=True)] + [14.0, NAN]
    waits = pictures.waits(load(*arrivals), run_of(*received), 10)
    np.testing.assert_allclose(waits.p50, [10, 4, NAN, 65, NAN, NAN])
    np.testing.assert_allclose(waits.p95, [19, 4, NAN, 65, NAN, NAN])
    np.testing.assert_allclose(waits.longest, [20, 4, NAN, 65, NAN, NAN])
    assert waits.at.tolist() == [0, 10, 20, 30, 40, 50]


def test_the_longest_wait_is_exact_for_many_messages() -> None:
    waits = pictures.waits(load(*np.linspace(0, 9, 300)), run_of(*(np.linspace(0, 9, 300) + np.arange(1, 301))), 10)
    assert (waits.p50[0], waits.p95[0], waits.longest[0]) == (150, 285, 300)


def test_cost_grows_while_tasks_exist_and_a_short_task_is_billed_for_the_minimum() -> None:
    lives = [TaskLife(0, 0, 100), TaskLife(10, 20, 30)]
    drawn = pictures.billed(run_of(lives=lives), 60.0, 10.0)
    cost_s = dict(zip(drawn.at.tolist(), (drawn.values * 3600).round(6).tolist(), strict=True))
    assert (cost_s[0], cost_s[10], cost_s[20], cost_s[70], cost_s[80], cost_s[100]) == (
        0,
        10,
        30,
        130,
        140,
        160,
    )


@pytest.mark.parametrize("policy", list(made.POLICIES))
def test_cost_ends_with_the_billed_time(policy: Any) -> None:
    outcome = made.outcome(made.workload(hours=3), **dict[str, Any](made.POLICIES[policy]))
    drawn = pictures.billed(outcome, 60.0, 60.0)
    assert drawn.values[-1] * 3600 == pytest.approx(billed_s(outcome))
    assert (np.diff(drawn.values) >= -1e-9).all()


def test_without_tasks_nothing_is_billed() -> None:
    assert not pictures.billed(run_of(), 60.0, 10.0).values.any()


def test_the_series_of_the_work_ends_with_the_total_work() -> None:
    drawn = pictures.worked(load(1, 10, 59), 2, 10)
    assert (drawn.values * 3600).tolist() == pytest.approx([0, 6, 6, 6, 6, 6, 9])


def test_if_there_are_too_many_decisions_the_largest_are_shown_in_order_of_time() -> None:
    desired = ((0.0, 1), (10.0, 2), (20.0, 6), (30.0, 7), (40.0, 2))
    reasons = tuple(LoggedReason(at, f"to {count}") for at, count in desired)
    shown = pictures.decisions(run_of(desired=desired, reasons=reasons), 2)
    assert [one.sentence for one in shown] == ["to 6", "to 2"]
    assert pictures.decisions(run_of(desired=desired, reasons=reasons)) == reasons


def test_every_series_of_a_long_run_is_within_the_maximum_and_keeps_its_peak() -> None:
    hours = made.workload(hours=60, mean_tasks=4)
    outcome = made.outcome(hours, ahead=1.1, lag=2, hold=0)
    lines = [pictures.needed(hours, 1), pictures.arrivals(hours), pictures.counts(outcome.desired, outcome.ended_s)]
    lines += [pictures.billed(outcome, 60, 1), pictures.worked(hours, 1, pictures.bucket_s(hours.length_s))]
    assert len(outcome.desired) > MOST_POINTS
    assert all(len(line.at) <= MOST_POINTS for line in lines)
    assert lines[2].values.max() == max(count for _, count in outcome.desired)
