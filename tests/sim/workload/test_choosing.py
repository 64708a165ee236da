"""The choice of days and mean load: the chosen part, the history before it, and invalid choices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.sim.chance import DurationDistribution
from autoscaler.sim.workload import Choice, CountTrace, JobTrace, TraceError, by_count, by_job
from autoscaler.sim.workload.choosing import MOST_MESSAGES

FIVE = DurationDistribution("constant", 5.0)
DAY = 1440


def minutes(days: float, count: float = 1.0) -> CountTrace:
    return CountTrace("t", 60.0, np.full(round(days * DAY), count))


def numbered(days: int) -> CountTrace:
    """Return a trace in which each minute's count is the number of the minute."""
    return CountTrace("t", 60.0, np.arange(days * DAY, dtype=float))


def hours(*at: float) -> JobTrace:
    """Return jobs of one minute each at these hours."""
    return JobTrace("j", np.array(at) * 3600.0, np.full(len(at), 60.0))


def test_the_chosen_days_begin_at_0_and_the_days_before_are_history() -> None:
    chosen = by_count(numbered(4), Choice(1, 2), FIVE)
    assert chosen.counts.tolist() == list(range(DAY, 3 * DAY))
    assert chosen.history.tolist() == list(range(DAY)), "the history ends where the chosen days begin"


def test_without_a_number_of_days_all_remaining_days_are_chosen() -> None:
    assert by_count(minutes(3.5), Choice(1), FIVE).counts.size == 2.5 * DAY


def test_a_file_shorter_than_the_choice_gives_its_remaining_days() -> None:
    assert by_count(minutes(3.5), Choice(3, 5), FIVE).draw(1).length_s == 0.5 * 86_400


@pytest.mark.parametrize("interval_s", [1.0, 7.0, 3600.0, 50_000.0, 86_400.0])
def test_an_interval_belongs_to_the_day_in_which_it_begins(interval_s: float) -> None:
    trace = CountTrace("t", interval_s, np.ones(int(4 * 86_400 / interval_s) + 1))
    begins = np.arange(trace.counts.size) * interval_s // 86_400
    chosen = by_count(trace, Choice(1, 2), FIVE)
    assert chosen.history.size == (begins < 1).sum()
    assert chosen.counts.size == ((begins >= 1) & (begins < 3)).sum()


@pytest.mark.parametrize(
    ("days", "from_day", "error"), [(3, 3, "days 0 to 2"), (3.5, 4, "days 0 to 3"), (0.1, 1, "day 0")]
)
def test_a_day_that_the_trace_does_not_have_is_refused(days: float, from_day: int, error: str) -> None:
    with pytest.raises(TraceError, match=f"t: the load has no day {from_day}.*{error}"):
        by_count(minutes(days), Choice(from_day, 1), FIVE)


@pytest.mark.parametrize(
    "wrong",
    [
        {"from_day": -1},
        {"from_day": 10**400},
        {"days": 0},
        {"days": 10**400},
        {"mean_tasks": 0.0},
        {"mean_tasks": -1.0},
        {"mean_tasks": float("nan")},
        {"mean_tasks": float("inf")},
    ],
)
def test_an_invalid_choice_is_refused(wrong: Any) -> None:
    with pytest.raises(TraceError):
        Choice(**wrong)


counts = st.lists(st.floats(0.0, 1e4), min_size=1, max_size=50).filter(lambda counts: sum(counts) > 0.01)


@given(counts=counts, mean=st.floats(0.1, 1e3), concurrency=st.integers(1, 4))
def test_a_load_is_rescaled_to_the_mean_or_to_a_peak_of_five_times_the_mean_whichever_is_less(
    counts: Any, mean: Any, concurrency: Any
) -> None:
    trace = CountTrace("t", 60.0, np.array(counts))
    load = by_count(trace, Choice(mean_tasks=mean), FIVE, concurrency).load(concurrency)
    assert max(load.mean_tasks / mean, load.peak_tasks / (5 * mean)) == pytest.approx(1.0)


def test_a_mean_of_twenty_tasks_allows_a_peak_of_at_most_a_hundred_tasks() -> None:
    trace = CountTrace("t", 60.0, np.array([1000.0] + [1.0] * 99))
    load = by_count(trace, Choice(mean_tasks=20), FIVE).load()
    assert load.peak_tasks == pytest.approx(100)
    assert load.mean_tasks < 20


@given(counts=counts, ratio=st.floats(0.1, 50))
def test_rescaling_changes_the_mean_and_not_the_shape(counts: Any, ratio: Any) -> None:
    trace = CountTrace("t", 60.0, np.array(counts))
    mean = by_count(trace, Choice(), FIVE).load().mean_tasks * ratio
    rescaled = by_count(trace, Choice(mean_tasks=mean), FIVE).counts
    assert rescaled / rescaled.sum() == pytest.approx(trace.counts / trace.counts.sum())


def test_history_is_rescaled_like_the_chosen_days_and_does_not_affect_the_ratio() -> None:
    trace = CountTrace("t", 60.0, np.concatenate([np.full(DAY, 900.0), np.full(DAY, 6.0)]))
    chosen = by_count(trace, Choice(1, 1, mean_tasks=20), FIVE)
    assert chosen.counts == pytest.approx(240.0)
    assert chosen.history == pytest.approx(36_000.0)


def test_without_a_mean_the_load_is_unchanged() -> None:
    trace = numbered(2)
    assert by_count(trace, Choice(1), FIVE).counts.tobytes() == trace.counts[DAY:].tobytes()


def test_the_load_is_count_times_mean_service_time_divided_by_interval_and_concurrency() -> None:
    trace = CountTrace("t", 300.0, np.array([300.0, 900.0]))
    assert by_count(trace, Choice(), FIVE, 2).load(2) == (1200.0, 5.0, 7.5)


def test_a_load_without_messages_cannot_be_rescaled_but_can_be_simulated() -> None:
    with pytest.raises(TraceError, match="has no work"):
        by_count(minutes(1, 0.0), Choice(mean_tasks=20), FIVE)
    assert by_count(minutes(1, 0.0), Choice(), FIVE).draw(1).arrivals_s.size == 0


def test_too_many_messages_are_refused_before_they_are_drawn() -> None:
    by_count(minutes(1, MOST_MESSAGES // DAY), Choice(), FIVE)
    with pytest.raises(TraceError, match=r"more than 50,000,000. Choose fewer days or a smaller mean"):
        by_count(minutes(1, MOST_MESSAGES // DAY + 1), Choice(), FIVE)
    with pytest.raises(TraceError, match="more than 50,000,000"):
        by_count(minutes(1), Choice(mean_tasks=1e308), FIVE)


def test_the_days_of_jobs_are_chosen_like_the_days_of_counts() -> None:
    chosen = by_job(hours(1, 23.99, 24, 30, 47.99, 48, 49), Choice(1, 1))
    workload = chosen.draw(1)
    assert workload.arrivals_s == pytest.approx([0, 6 * 3600, 23.99 * 3600])
    assert (workload.length_s, workload.history.size, workload.history.sum()) == (86_400, DAY, 2)


def test_a_trace_of_jobs_ends_with_the_minute_of_its_last_job() -> None:
    assert by_job(hours(0, 1.5), Choice()).draw(1).length_s == 1.5 * 3600 + 60


def test_the_history_of_jobs_is_rescaled_like_the_jobs() -> None:
    trace = JobTrace("j", np.linspace(0.0, (2 * DAY - 1) * 60.0, 2 * DAY), np.full(2 * DAY, 60.0))
    chosen = by_job(trace, Choice(1, 1, mean_tasks=2.5))
    assert chosen.ratio == pytest.approx(2.5)
    assert chosen.counts[1:-1] == pytest.approx(2.5)
    assert chosen.counts.mean() == pytest.approx(2.5)
    assert chosen.history == pytest.approx(2.5)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf"), 1e300])
def test_a_service_scale_must_be_positive_and_finite(scale: Any) -> None:
    with pytest.raises(TraceError, match="--service-scale"):
        by_job(hours(0), Choice(), scale)


def test_a_service_scale_changes_service_times_and_not_arrivals() -> None:
    unscaled, scaled = by_job(hours(0, 1, 5), Choice()).draw(1), by_job(hours(0, 1, 5), Choice(), 0.01).draw(1)
    assert scaled.arrivals_s.tobytes() == unscaled.arrivals_s.tobytes()
    assert scaled.service_s == pytest.approx(unscaled.service_s / 100)


def test_days_without_jobs_are_empty_and_cannot_be_rescaled() -> None:
    assert by_job(hours(0, 60), Choice(1, 1)).draw(1).arrivals_s.size == 0
    with pytest.raises(TraceError, match="has no work"):
        by_job(hours(0, 60), Choice(1, 1, mean_tasks=20))
