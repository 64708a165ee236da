"""A trace from CloudWatch datapoints: the requested periods, retention, and missing datapoints."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.sim.workload import Sum, TraceError, counts_from_minutes, metric_ranges

T = 1_700_000_100.0
"""A whole multiple of 300 s."""


def test_minutes_in_any_order_give_a_trace() -> None:
    trace = counts_from_minutes("q", [Sum(T + 120, 60, 3), Sum(T, 60, 1), Sum(T + 60, 60, 2)], T, T + 180)
    assert (trace.name, trace.interval_s, trace.counts.tolist(), trace.missing) == ("q", 60.0, [1, 2, 3], 0)


def test_a_minute_without_a_datapoint_is_zero_and_counted_as_missing() -> None:
    trace = counts_from_minutes("q", [Sum(T, 60, 1), Sum(T + 180, 60, 4)], T, T + 300)
    assert trace.counts.tolist() == [1, 0, 0, 4, 0]
    assert trace.missing == 3


def test_a_trace_begins_with_the_first_datapoint_and_ends_with_the_requested_end() -> None:
    trace = counts_from_minutes("q", [Sum(T + 120, 60, 0), Sum(T + 180, 60, 4)], T, T + 300)
    assert trace.counts.tolist() == [0, 4, 0]


def test_a_five_minute_datapoint_is_spread_evenly() -> None:
    trace = counts_from_minutes("q", [Sum(T, 300, 12), Sum(T + 300, 60, 7)], T, T + 360)
    assert trace.counts.tolist() == [2.4] * 5 + [7]


def test_minutes_take_precedence_and_the_total_of_the_five_minute_datapoint_is_kept() -> None:
    trace = counts_from_minutes("q", [Sum(T, 300, 12), Sum(T + 180, 60, 1), Sum(T + 240, 60, 5)], T, T + 300)
    assert trace.counts.tolist() == [2, 2, 2, 1, 5]


def test_minutes_above_the_five_minute_total_leave_zero_for_the_other_minutes() -> None:
    trace = counts_from_minutes("q", [Sum(T, 300, 3), Sum(T + 60, 60, 5)], T, T + 300)
    assert trace.counts.tolist() == [0, 5, 0, 0, 0]


def test_a_five_minute_datapoint_counts_only_for_the_requested_minutes() -> None:
    trace = counts_from_minutes("q", [Sum(T, 300, 10)], T + 120, T + 300)
    assert trace.counts.tolist() == [2, 2, 2]


sums = st.lists(
    st.one_of(
        st.tuples(st.integers(0, 59).map(lambda n: T + 60 * n), st.just(60), st.integers(0, 100)),
        st.tuples(st.integers(0, 11).map(lambda n: T + 300 * n), st.just(300), st.integers(0, 500)),
    ).map(lambda each: Sum(*each)),
    min_size=1,
    unique_by=lambda each: (each.at, each.period_s),
)


@given(sums=sums, rng=st.randoms())
def test_the_total_is_exact_and_the_order_does_not_matter(sums: Any, rng: Any) -> None:
    trace = counts_from_minutes("q", sums, T, T + 3600)
    shuffled = rng.sample(sums, len(sums))
    assert counts_from_minutes("q", shuffled, T, T + 3600).counts.tobytes() == trace.counts.tobytes()
    expected = 0
    for n in range(12):
        here = [each for each in sums if T + 300 * n <= each.at < T + 300 * (n + 1)]
        fine = [each.value for each in here if each.period_s == 60]
        coarse = [each.value for each in here if each.period_s == 300 and len(fine) < 5]
        expected += max(sum(fine), sum(coarse))
    assert trace.counts.sum() == pytest.approx(expected)
    assert (trace.counts >= 0).all()


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_an_invalid_value_counts_as_missing(value: Any) -> None:
    trace = counts_from_minutes("q", [Sum(T, 60, 1), Sum(T + 60, 60, value)], T, T + 120)
    assert (trace.counts.tolist(), trace.missing) == ([1, 0], 1)


@pytest.mark.parametrize("sums", [[], [Sum(T - 60, 60, 1)], [Sum(T + 120, 60, 1)]])
def test_a_queue_without_datapoints_is_refused(sums: Any) -> None:
    with pytest.raises(TraceError, match=r"q: CloudWatch has no NumberOfMessagesSent .* Region"):
        counts_from_minutes("q", sums, T, T + 120)


@pytest.mark.parametrize("end", [T, T - 1, T + 1e12])
def test_a_period_without_minutes_or_with_too_many_is_refused(end: Any) -> None:
    with pytest.raises(TraceError, match="Request 1 to 63 days"):
        counts_from_minutes("q", [Sum(T, 60, 1)], T, end)


@given(now=st.floats(1.6e9, 2e9), back_s=st.floats(60, 90 * 86_400))
def test_ranges_are_adjacent_whole_periods_that_cover_the_retained_time(now: Any, back_s: Any) -> None:
    ranges = metric_ranges(now, back_s)
    assert [each.period_s for each in ranges] in ([60], [300, 60])
    assert all(each.start % each.period_s == each.end % each.period_s == 0 for each in ranges)
    assert all(one.end == other.start for one, other in pairwise(ranges))
    assert now - 60 < ranges[-1].end <= now
    assert now - ranges[-1].start <= 15 * 86_400, "CloudWatch retains 1-minute datapoints for 15 days"
    assert ranges[0].start <= now - min(back_s, 63 * 86_400) + 60
    assert now - ranges[0].start <= min(back_s, 63 * 86_400) + 660


def test_fourteen_days_are_requested_per_minute() -> None:
    (ranges,) = metric_ranges(T + 30, 14 * 86_400)
    assert (ranges.start, ranges.end, ranges.period_s) == (T - 14 * 86_400, T, 60)
