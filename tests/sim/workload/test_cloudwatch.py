"""CloudWatch's datapoints made a trace: what is asked for, what is kept, and what was never known."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.sim.workload import Sum, TraceError, counts_from_minutes, questions

T = 1_700_000_100.0
"""A whole multiple of 300 s."""


def test_minutes_in_any_order_are_a_trace() -> None:
    trace = counts_from_minutes("q", [Sum(T + 120, 60, 3), Sum(T, 60, 1), Sum(T + 60, 60, 2)], T, T + 180)
    assert (trace.name, trace.interval_s, trace.counts.tolist(), trace.absent) == ("q", 60.0, [1, 2, 3], 0)


def test_a_minute_without_a_datapoint_is_empty_and_counted() -> None:
    trace = counts_from_minutes("q", [Sum(T, 60, 1), Sum(T + 180, 60, 4)], T, T + 300)
    assert trace.counts.tolist() == [1, 0, 0, 4, 0]
    assert trace.absent == 3


def test_a_trace_begins_with_the_first_datapoint_and_ends_with_what_was_asked_for() -> None:
    trace = counts_from_minutes("q", [Sum(T + 120, 60, 0), Sum(T + 180, 60, 4)], T, T + 300)
    assert trace.counts.tolist() == [0, 4, 0]


def test_five_minutes_are_spread_evenly() -> None:
    trace = counts_from_minutes("q", [Sum(T, 300, 12), Sum(T + 300, 60, 7)], T, T + 360)
    assert trace.counts.tolist() == [2.4] * 5 + [7]


def test_where_both_are_known_the_minutes_are_believed_and_the_five_keeps_its_total() -> None:
    trace = counts_from_minutes("q", [Sum(T, 300, 12), Sum(T + 180, 60, 1), Sum(T + 240, 60, 5)], T, T + 300)
    assert trace.counts.tolist() == [2, 2, 2, 1, 5]


def test_minutes_that_hold_more_than_their_five_leave_nothing_to_the_others() -> None:
    trace = counts_from_minutes("q", [Sum(T, 300, 3), Sum(T + 60, 60, 5)], T, T + 300)
    assert trace.counts.tolist() == [0, 5, 0, 0, 0]


def test_of_a_five_that_was_asked_for_in_part_only_that_part_counts() -> None:
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


@given(sums=sums, chance=st.randoms())
def test_no_message_is_lost_and_the_order_does_not_matter(sums: Any, chance: Any) -> None:
    trace = counts_from_minutes("q", sums, T, T + 3600)
    shuffled = chance.sample(sums, len(sums))
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
def test_what_is_no_count_is_as_if_absent(value: Any) -> None:
    trace = counts_from_minutes("q", [Sum(T, 60, 1), Sum(T + 60, 60, value)], T, T + 120)
    assert (trace.counts.tolist(), trace.absent) == ([1, 0], 1)


@pytest.mark.parametrize("sums", [[], [Sum(T - 60, 60, 1)], [Sum(T + 120, 60, 1)]])
def test_a_queue_without_any_datapoint_is_refused(sums: Any) -> None:
    with pytest.raises(TraceError, match=r"q: CloudWatch has no NumberOfMessagesSent .* Region"):
        counts_from_minutes("q", sums, T, T + 120)


@pytest.mark.parametrize("end", [T, T - 1, T + 1e12])
def test_a_time_that_holds_no_minutes_or_too_many_is_refused(end: Any) -> None:
    with pytest.raises(TraceError, match="ask for some days"):
        counts_from_minutes("q", [Sum(T, 60, 1)], T, end)


@given(now=st.floats(1.6e9, 2e9), back_s=st.floats(60, 90 * 86_400))
def test_questions_are_whole_periods_that_adjoin_and_cover_what_is_kept(now: Any, back_s: Any) -> None:
    asked = questions(now, back_s)
    assert [each.period_s for each in asked] in ([60], [300, 60])
    assert all(each.start % each.period_s == each.end % each.period_s == 0 for each in asked)
    assert all(one.end == other.start for one, other in pairwise(asked))
    assert now - 60 < asked[-1].end <= now
    assert now - asked[-1].start <= 15 * 86_400, "minutes are kept for so long"
    assert asked[0].start <= now - min(back_s, 63 * 86_400) + 60
    assert now - asked[0].start <= min(back_s, 63 * 86_400) + 660


def test_fourteen_days_are_asked_for_by_the_minute() -> None:
    (asked,) = questions(T + 30, 14 * 86_400)
    assert (asked.start, asked.end, asked.period_s) == (T - 14 * 86_400, T, 60)
