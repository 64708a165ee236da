"""The arrivals of one queue, from its counts and from CloudWatch's deletions; and the track that stores them."""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from autoscaler.core.estimate.arrivals import NOTES, Arrivals, Track, _older
from autoscaler.core.knowledge import TimedCount
from autoscaler.core.model import Backlog
from autoscaler.core.signals import MINUTE_LIMIT_S, SAME_MINUTE_S
from tests.core.estimate.test_track import track

REACH_S = 600.0

# A track: laws over random notes.

gaps = st.lists(st.tuples(st.floats(7.0, 40.0), st.sampled_from([0.0, 0.0, 1.0, 5.0, 70.0])), min_size=1, max_size=40)


def noted(each: list[tuple[float, float]]) -> tuple[Track, list[tuple[float, float]]]:
    """Return a track with a note after each gap, and the sum at each instant."""
    recorded, at, total, sums = Track(REACH_S, 0.0), 0.0, 0.0, [(0.0, 0.0)]
    for gap_s, amount in each:
        at, total = at + gap_s, total + amount
        recorded.add(at, amount)
        sums.append((at, total))
    return recorded, sums


def interpolated(sums: list[tuple[float, float]], instant: float) -> float:
    after = bisect_right(sums, (instant, float("inf")))
    if after in {0, len(sums)}:
        return sums[0 if after == 0 else -1][1]
    (start, begun), (end, ended) = sums[after - 1], sums[after]
    return begun + (ended - begun) * (instant - start) / (end - start)


@given(gaps, st.floats(-10, 1700), st.floats(0, 1700))
def test_a_track_is_the_sum_interpolated_between_its_notes(
    each: list[tuple[float, float]], start: float, span_s: float
) -> None:
    recorded, sums = noted(each)
    assert (recorded.since, recorded.newest_at, recorded.total) == (0.0, *sums[-1])
    assert recorded.until(start) == pytest.approx(interpolated(sums, start))
    expected = interpolated(sums, start + span_s) - interpolated(sums, start)
    assert recorded.between(start, start + span_s) == pytest.approx(expected, abs=1e-9)
    assert recorded.within(span_s) == pytest.approx(sums[-1][1] - interpolated(sums, sums[-1][0] - span_s), abs=1e-9)


@given(gaps, st.lists(st.sampled_from([0.0, 7.0, 10.0, 20.0, 33.3, 60.0, 300.0, 1e4]), min_size=1).map(sorted))
def test_several_spans_at_once_are_the_same_as_each_alone(
    each: list[tuple[float, float]], spans_s: list[float]
) -> None:
    recorded, _ = noted(each)
    alone = [recorded.within(span_s) for span_s in spans_s]
    assert recorded.within_each(spans_s) == pytest.approx(alone, abs=1e-9)


@pytest.mark.parametrize(
    ("amounts", "spans_s", "found"),
    [
        ((4.0, 6.0, 10.0), (5.0, 10.0, 15.0, 30.0, 99.0), [5.0, 10.0, 13.0, 20.0, 20.0]),
        ((4.0, 0.0, 0.0), (10.0, 20.0), [0.0, 0.0]),
        ((4.0, 0.0, 0.0), (10.0, 25.0), [0.0, 2.0]),
        ((0.0, 0.0, 0.0), (10.0, 99.0), [0.0, 0.0]),
    ],
)
def test_the_amounts_of_several_spans(
    amounts: tuple[float, ...], spans_s: tuple[float, ...], found: list[float]
) -> None:
    assert track(*amounts).within_each(spans_s) == pytest.approx(found)


@pytest.mark.parametrize(
    ("amounts", "amount", "newest"),
    [
        ((4.0, 6.0, 10.0), 12.0, [(25.0, 10.0), (15.0, 2.0), (0.0, 0.0)]),
        ((4.0, 6.0, 10.0), 10.0, [(25.0, 10.0), (0.0, 0.0)]),
        ((4.0, 6.0, 10.0), 25.0, [(25.0, 10.0), (15.0, 6.0), (5.0, 4.0), (0.0, 5.0)]),
        ((4.0, 0.0, 10.0), 14.0, [(25.0, 10.0), (5.0, 4.0), (0.0, 0.0)]),
        ((0.5, 0.25), 0.75, [(15.0, 0.25), (5.0, 0.5), (0.0, 0.0)]),
    ],
)
def test_the_newest_amounts(amounts: tuple[float, ...], amount: float, newest: list[tuple[float, float]]) -> None:
    assert list(track(*amounts).newest(amount)) == newest


@pytest.mark.parametrize(
    ("amounts", "correction", "sums"),
    [
        ((4.0, 6.0, 10.0), (0.0, 20.0, 20.0), [8.0, 20.0, 30.0]),  # in proportion
        ((0.0, 0.0, 10.0), (0.0, 20.0, 20.0), [10.0, 20.0, 30.0]),  # evenly
        ((4.0, 0.0, 0.0), (10.0, 30.0, 8.0), [4.0, 8.0, 12.0]),
        ((4.0, 6.0, 10.0), (5.0, 15.0, 10.0), [6.0, 15.0, 25.0]),  # 5 noted from 5 to 15 s
        ((4.0, 6.0, 10.0), (0.0, 20.0, 10.0), [4.0, 10.0, 20.0]),  # as noted
        ((4.0, 6.0, 10.0), (-1.0, 20.0, 90.0), [4.0, 10.0, 20.0]),  # older than the oldest note
        ((4.0, 6.0, 10.0), (10.0, 20.0, 0.0), [4.0, 4.0, 14.0]),
        ((0.3, 0.1, 0.0), (0.0, 20.0, 0.8), [0.6, 0.8, 0.8]),
    ],
)
def test_a_correction_changes_each_note_in_proportion(
    amounts: tuple[float, ...], correction: tuple[float, float, float], sums: list[float]
) -> None:
    recorded = track(*amounts)
    recorded.correct(*correction)
    assert [recorded.until(at) for at in (10.0, 20.0, 30.0)] == pytest.approx(sums)


def test_notes_closer_than_their_spacing_are_merged() -> None:
    """96 s in three quarters of 128 notes: one second apart. The newest note moves until then."""
    recorded = Track(96.0, 0.0)
    for step in range(1, 6):
        recorded.add(step * 0.5, 1.0)
    assert list(recorded.newest(5.0)) == [(2.25, 1.0), (1.5, 2.0), (0.5, 2.0), (0.0, 0.0)]


@pytest.mark.parametrize(("added", "since"), [(1, 0.0), (7, 0.0), (8, 10.0), (9, 20.0), (15, 80.0)])
def test_a_full_track_forgets_its_oldest_eighth(added: int, since: float) -> None:
    recorded = Track(30.0, 0.0, notes=8)
    for step in range(1, added + 1):
        recorded.add(step * 10.0, 1.0)
    assert recorded.since == since
    assert recorded.within(1e9) == (10.0 * added - since) / 10


@pytest.mark.parametrize("every_s", [0.5, 1.0, 6.3, 10.0])
def test_a_track_covers_its_reach_with_notes_at_most_two_spacings_apart(every_s: float) -> None:
    recorded = Track(REACH_S, 0.0)
    for step in range(1, 6000):
        recorded.add(step * every_s, 1.0)
        assert recorded.newest_at - recorded.since >= min(step * every_s, REACH_S)
    middles = [at for at, _ in recorded.newest(1e9)][:-1]
    apart_s = [later - earlier for later, earlier in pairwise(middles)]
    assert max(apart_s) <= 2 * REACH_S / (0.75 * NOTES) + every_s


# The arrivals.


class CountedQueue:
    """A queue that is read every ten seconds."""

    def __init__(self, visible: int = 0, in_flight: int = 0, **more: Any) -> None:
        self.now = 0.0
        self.arrivals = Arrivals(REACH_S, Backlog(visible, in_flight, 0, 0.0, **more), 0.0)

    def see(self, visible: int, in_flight: int, completed: float = 0.0) -> float:
        self.now += 10.0
        return self.arrivals.see(Backlog(visible, in_flight, 0, self.now), completed, self.now)

    def between(self, start: float, end: float) -> float:
        return self.arrivals.curve.between(start, end)

    def waiting(self, visible: int, *, held: bool = False, **more: Any) -> list[tuple[float, float]]:
        seen = Backlog(visible, 0, 0, self.now, **more)
        return [(age_s, messages) for age_s, messages in self.arrivals.waiting(seen, self.now, held=held)]


def test_arrivals_are_the_growth_of_the_count_plus_the_completions() -> None:
    queue = CountedQueue(10, 5)
    assert [queue.see(*seen) for seen in [(12, 8, 0.0), (12, 8, 3.0), (9, 8, 5.0), (2, 2, 5.0), (2, 3, 0.0)]] == [
        5.0,  # five more in the queue
        3.0,
        2.0,  # three fewer, five completed
        0.0,  # thirteen fewer: more were completed than was assumed
        1.0,
    ]
    assert queue.arrivals.curve.total == 11.0


def test_without_proof_three_completions_are_assumed_while_none_waits() -> None:
    """One message is in flight all the time: it may be the same one."""
    queue = CountedQueue(0, 1)
    assert [queue.see(0, 1, 1.0) for _ in range(6)] == [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]
    assert queue.see(1, 1, 2.0) == 3.0, "messages wait: the tasks are working"
    assert [queue.see(0, 2, 1.0) for _ in range(5)] == [1.0, 1.0, 1.0, 0.0, 0.0], "counted from the last wait on"
    assert queue.see(0, 7, 1.0) == 5.0, "five more are in flight, and no completion is assumed"


def test_a_count_that_falls_proves_completions_for_two_minutes() -> None:
    queue = CountedQueue(0, 5)
    assert queue.see(0, 4, 1.0) == 0.0
    assert [queue.see(0, 4, 1.0) for _ in range(14)] == [1.0] * 12 + [0.0] * 2


@pytest.mark.parametrize(("after_s", "arrived"), [(120.0, 1.0), (120.5, 0.0)])
def test_the_two_minutes_of_a_proof_include_their_end(after_s: float, arrived: float) -> None:
    queue = CountedQueue(0, 5)
    queue.see(0, 4)
    queue.see(0, 4, 3.0)
    seen = Backlog(0, 4, 0, queue.now - 10.0 + after_s)
    assert queue.arrivals.see(seen, 1.0, seen.at) == arrived


@pytest.mark.parametrize(("completed", "polls"), [(0.25, 12), (0.1875, 16), (0.125, 24)])
def test_after_the_proof_the_completions_since_then_count(completed: float, polls: int) -> None:
    """Three in all, or two minutes, whichever is later."""
    queue = CountedQueue(0, 9)
    queue.see(0, 9, 2.9)
    queue.see(0, 4, 0.0)
    arrived = [queue.see(0, 4, completed) for _ in range(polls + 2)]
    assert [each > 0 for each in arrived] == [True] * polls + [False] * 2


def test_a_counted_deletion_proves_completions_for_two_minutes_and_no_deletion_proves_nothing() -> None:
    for deleted, proven in [(1.0, 12), (0.5, 12), (0.0, 0)]:
        queue = CountedQueue(0, 5)
        for _ in range(10):
            queue.see(0, 5, 1.0)
        queue.arrivals.reconcile(60.0, deleted, queue.now)
        assert [queue.see(0, 5, 1.0) for _ in range(14)].count(1.0) == proven


@pytest.mark.parametrize(
    ("at", "deleted", "arrived"), [(60.0, 30.0, 36.0), (60.0, 0.0, 6.0), (90.0, 30.0, 36.0), (40.0, 30.0, 24.0)]
)
def test_deletions_of_a_minute_correct_its_arrivals(at: float, deleted: float, arrived: float) -> None:
    """One message more at each reading; 2 completions were assumed. The minute until 40 s is known from 0 s on: 2/3."""
    queue = CountedQueue(5)
    for reading in range(1, 13):
        queue.see(5 + reading, 0, 2.0)
    start = max(0.0, at - 60.0)
    queue.arrivals.reconcile(at, deleted, queue.now)
    assert queue.between(start, at) == pytest.approx(arrived)
    assert queue.between(at, queue.now) == pytest.approx(3.0 * (queue.now - at) / 10)


def test_a_minute_with_more_messages_gone_than_deleted_has_no_arrivals() -> None:
    """Twelve disappear, and two deletions are counted: the others were purged or redriven."""
    queue = CountedQueue(100)
    for reading in range(1, 7):
        queue.see(100 - 2 * reading, 0, 4.0)
    queue.arrivals.reconcile(60.0, 2.0, queue.now)
    assert queue.between(0.0, 60.0) == 0.0


def test_a_minute_is_counted_once() -> None:
    queue = CountedQueue(5)
    for _ in range(18):
        queue.see(5, 0)
    queue.arrivals.reconcile(60.0, 30.0, queue.now)
    queue.arrivals.reconcile(60.0 + SAME_MINUTE_S - 0.1, 90.0, queue.now)
    assert queue.arrivals.curve.total == pytest.approx(30.0)
    queue.arrivals.reconcile(60.0 + SAME_MINUTE_S, 90.0, queue.now)
    assert queue.between(SAME_MINUTE_S, 60.0 + SAME_MINUTE_S) == pytest.approx(90.0)


def test_a_minute_from_before_the_stored_levels_is_not_counted() -> None:
    queue = CountedQueue(5)
    for reading in range(100):
        queue.see(5 + reading, 0)
    queue.arrivals.reconcile(120.0, 90.0, queue.now)
    assert queue.arrivals.curve.total == 99.0


@pytest.mark.parametrize("every_s", [0.5, 3.0, 10.0, 15.0, 60.0, 300.0])
def test_arrivals_are_stored_for_longer_than_what_corrects_them(every_s: float) -> None:
    arrivals = Arrivals(REACH_S, Backlog(0, 0, 0, 0.0), 0.0)
    for reading in range(1, 3000):
        arrivals.see(Backlog(reading, 0, 0, reading * every_s), 1.0, reading * every_s)
        assert arrivals.curve.since <= arrivals._levels.since


def test_a_minute_before_the_first_reading_is_not_counted() -> None:
    queue = CountedQueue(5)
    queue.see(5, 0)
    queue.arrivals.reconcile(0.0, 30.0, queue.now)
    queue.arrivals.reconcile(-60.0, 30.0, queue.now)
    assert queue.arrivals.curve.total == 0.0


@pytest.mark.parametrize(("ratio", "total"), [(0.5, 6.0), (1.0, 12.0), (2.0, 24.0), (0.0, 0.0)])
def test_a_corrected_processing_time_corrects_the_completions_that_were_assumed(ratio: float, total: float) -> None:
    queue = CountedQueue(5)
    for _ in range(6):
        queue.see(5, 0, 2.0)
    queue.arrivals.revalue(ratio)
    assert queue.arrivals.curve.total == pytest.approx(total)


@pytest.mark.parametrize("ratio", [0.0, 0.5])
def test_fewer_completions_than_assumed_are_no_negative_arrivals(ratio: float) -> None:
    """The count falls by more than the completions: nothing arrived."""
    queue = CountedQueue(100)
    for reading in range(1, 7):
        queue.see(100 - 10 * reading, 0, 5.0)
    queue.arrivals.revalue(ratio)
    assert queue.arrivals.curve.total == 0.0


def test_half_a_completion_is_corrected_too() -> None:
    queue = CountedQueue(5)
    queue.see(5, 0, 0.5)
    queue.arrivals.revalue(2.0)
    assert queue.arrivals.curve.total == pytest.approx(1.0)


def test_corrections_of_the_processing_time_can_be_undone() -> None:
    queue = CountedQueue(5)
    for reading in range(1, 7):
        queue.see(5 + 3 * reading, 0, 2.0)
    for ratio in (0.5, 4.0, 0.5):
        queue.arrivals.revalue(ratio)
    assert queue.arrivals.curve.total == pytest.approx(30.0)


def test_only_completions_after_the_newest_counted_minute_are_corrected() -> None:
    queue = CountedQueue(5)
    for _ in range(9):
        queue.see(5, 0, 2.0)
    queue.arrivals.reconcile(60.0, 12.0, queue.now)
    queue.arrivals.revalue(3.0)
    assert queue.between(0.0, 60.0) == pytest.approx(12.0)
    assert queue.between(60.0, 90.0) == pytest.approx(18.0)


def test_of_the_poll_in_whose_time_the_counted_minute_ended_the_rest_of_the_change_counts() -> None:
    """The count falls by 8 in 10 s, and 8 completions were assumed: nothing arrived. The minute ended halfway, so of
    twice as many completions 8 are after it, and the count fell by 4: 4 arrived.
    """
    queue = CountedQueue(100)
    for _ in range(5):
        queue.see(100, 0)
    queue.see(92, 0, 8.0)
    queue.arrivals.reconcile(55.0, 0.0, queue.now)
    assert queue.arrivals.curve.total == 0.0
    queue.arrivals.revalue(2.0)
    assert queue.arrivals.curve.total == pytest.approx(4.0)


@pytest.mark.parametrize("counted_at", [-60.0, -0.5, 0.0])
def test_a_minute_that_ended_before_the_first_reading_leaves_all_completions_to_be_corrected(counted_at: float) -> None:
    queue = CountedQueue(5)
    queue.see(5, 0, 2.0)
    queue.arrivals.reconcile(counted_at, 30.0, queue.now)
    queue.arrivals.revalue(3.0)
    assert queue.arrivals.curve.total == pytest.approx(6.0)


def test_without_assumed_completions_there_is_nothing_to_correct() -> None:
    queue = CountedQueue(5)
    queue.see(9, 0)
    queue.arrivals.revalue(5.0)
    assert queue.arrivals.curve.total == 4.0


# Laws of a corrected processing time, over random polls of a queue in which messages always wait.

A_LOT = 10**6
polls_of_a_queue = st.lists(
    st.tuples(
        st.sampled_from([1.0, 3.0, 5.0, 7.3, 10.0, 61.0]),
        st.integers(-60, 60),
        st.sampled_from([0.0, 0.25, 1.0, 8.0, 40.0]),
    ),
    min_size=1,
    max_size=40,
)
ratios = st.sampled_from([0.0, 0.1, 0.5, 0.99, 1.0, 1.5, 6.0])


def polled(polls: list[tuple[float, int, float]], ratio: float = 1.0) -> tuple[Arrivals, list[float]]:
    """Return the arrivals after polls of (seconds since the last poll, change of the count, completions), with `ratio`
    times as many completions; and the instants of the polls.
    """
    arrivals, now, level, instants = Arrivals(REACH_S, Backlog(A_LOT, 0, 0, 0.0), 0.0), 0.0, A_LOT, [0.0]
    for elapsed_s, change, completed in polls:
        now, level = now + elapsed_s, level + change
        arrivals.see(Backlog(level, 0, 0, now), completed * ratio, now)
        instants.append(now)
    return arrivals, instants


@given(polls_of_a_queue, st.lists(ratios.filter(bool), max_size=3), ratios, st.sampled_from([None, 5.0, 20.0, 55.5]))
def test_a_corrected_time_gives_the_arrivals_that_it_would_have_given_from_the_start(
    polls: list[tuple[float, int, float]], first: list[float], last: float, counted_at: float | None
) -> None:
    """Of the poll in whose time the counted minute ended, only the part after the minute is corrected."""
    arrivals, instants = polled(polls)
    right, _ = polled(polls, last)
    if counted_at is not None:
        arrivals.reconcile(counted_at, 30.0, instants[-1])
        right.reconcile(counted_at, 30.0, instants[-1])
    applied = 1.0
    for ratio in first:
        arrivals.revalue(ratio)
        applied *= ratio
    arrivals.revalue(last / applied)
    after = [at for at in instants if counted_at is None or at >= counted_at]
    for start, end in pairwise(after):
        assert arrivals.curve.between(start, end) == pytest.approx(right.curve.between(start, end), abs=1e-6)


@given(polls_of_a_queue, st.lists(ratios, max_size=4), st.sampled_from([None, 20.0]))
def test_corrections_leave_all_arrivals_that_raised_the_count_and_none_is_negative(
    polls: list[tuple[float, int, float]], each: list[float], counted_at: float | None
) -> None:
    arrivals, instants = polled(polls)
    if counted_at is not None:
        arrivals.reconcile(counted_at, 30.0, instants[-1])
    for ratio in each:
        arrivals.revalue(ratio)
        assert all(arrivals.curve.between(start, end) >= -1e-6 for start, end in pairwise(instants))
        rises = [max(0, change) for at, (_, change, _) in zip(instants, polls, strict=False) if at >= (counted_at or 0)]
        since = next((at for at in instants if at >= (counted_at or 0)), instants[-1])
        assert arrivals.curve.between(since, instants[-1]) >= sum(rises) - 1e-6


@given(
    st.lists(st.tuples(st.sampled_from([1.0, 5.0, 10.0]), st.integers(0, 500)), min_size=1, max_size=40),
    st.sampled_from([0.5, 2.0, 6.0]),
    st.sampled_from([None, 20.0, 33.3]),
)
def test_without_arrivals_no_correction_of_the_time_makes_any(
    falls: list[tuple[float, int]], ratio: float, counted_at: float | None
) -> None:
    """The count falls by what is completed. Less than that, or as much, was assumed."""
    arrivals, instants = polled([(elapsed_s, -fall, fall / max(1.0, ratio)) for elapsed_s, fall in falls])
    if counted_at is not None:
        arrivals.reconcile(counted_at, 0.0, instants[-1])
    assert arrivals.curve.total == pytest.approx(0.0)
    arrivals.revalue(ratio)
    assert arrivals.curve.total == pytest.approx(0.0, abs=1e-6)


def test_of_the_poll_in_whose_time_the_counted_minute_ended_the_rest_is_corrected() -> None:
    """8 completions in 10 s. The minute until 57.5 s has counted those of three quarters of the sixth poll."""
    queue = CountedQueue(5)
    for _ in range(7):
        queue.see(5, 0, 8.0)
    queue.arrivals.reconcile(57.5, 48.0, queue.now)
    queue.arrivals.revalue(2.0)
    assert queue.arrivals.curve.total == pytest.approx(0.8 * 57.5 + 2 * 8.0 * 1.25)


def test_the_newest_256_polls_are_corrected() -> None:
    arrivals, _ = polled([(1.0, 0, 1.0)] * 300)
    arrivals.revalue(3.0)
    assert arrivals.curve.total == pytest.approx(300.0 + 2 * 256)


def test_the_polls_of_seven_minutes_are_corrected() -> None:
    """The last one is at 600 s, the first one that is corrected at 190 s."""
    arrivals, _ = polled([(10.0, 0, 1.0)] * 60)
    arrivals.revalue(3.0)
    assert arrivals.curve.total == pytest.approx(60.0 + 2 * 42)


def test_a_count_that_rose_shows_arrivals_for_a_minute() -> None:
    queue = CountedQueue(5)
    assert not queue.arrivals.arrives(0.0)
    queue.see(5, 0, 1.0)
    assert not queue.arrivals.arrives(10.0), "the count did not rise"
    queue.see(5, 1)
    assert [queue.arrivals.arrives(now) for now in (20.0, 80.0, 80.1)] == [True, True, False]
    queue.see(5, 0)
    assert not queue.arrivals.arrives(81.0)


@pytest.mark.parametrize(("deleted", "shows"), [(1.0, True), (0.0, False)])
def test_a_counted_minute_shows_arrivals_as_long_as_it_is_the_newest(deleted: float, shows: bool) -> None:
    queue = CountedQueue(5)
    for _ in range(12):
        queue.see(5, 0)
    queue.arrivals.reconcile(60.0, deleted, queue.now)
    until = 60.0 + MINUTE_LIMIT_S
    assert [queue.arrivals.arrives(now) for now in (120.0, until, until + 0.1)] == [shows, shows, False]
    queue.arrivals.reconcile(120.0, 0.0, queue.now)
    assert not queue.arrivals.arrives(121.0)


def test_the_gain_of_a_queue_is_the_change_of_its_visible_and_in_flight_messages() -> None:
    queue = CountedQueue(10, 5)
    for visible, in_flight in ((12, 8), (11, 8), (11, 2)):
        queue.see(visible, in_flight, 7.0)
    spans = ((0.0, 10.0), (10.0, 20.0), (20.0, 30.0), (0.0, 30.0), (5.0, 15.0))
    assert [queue.arrivals.gained(*span) for span in spans] == [5.0, -1.0, -6.0, -2.0, 2.0]


def test_a_backlog_stands_while_its_oldest_message_has_waited_at_every_reading() -> None:
    """One message arrives at each reading, and the ten from the start wait: at 20 s for less than 30 s."""

    def stands(visible: int) -> bool:
        queue.see(visible, 0)
        queue.arrivals.waited = tuple(queue.arrivals.waiting(Backlog(visible, 0, 0, queue.now), queue.now))
        return queue.arrivals.stands(30.0, 60.0, queue.now)

    queue = CountedQueue(10)
    assert [stands(10 + reading) for reading in range(1, 11)] == [False] * 8 + [True] * 2
    assert not stands(0)
    assert [stands(10) for _ in range(10)] == [False] * 9 + [True], "they arrived at 115 s: 25 s at 140 s"


def test_the_waiting_messages_are_the_newest_arrivals() -> None:
    queue = CountedQueue(10)
    for visible in (14, 20, 20, 30):
        queue.see(visible, 0)
    assert queue.waiting(0) == []
    assert queue.waiting(12) == [(5.0, 10.0), (25.0, 2.0)]
    assert queue.waiting(30) == [(5.0, 10.0), (25.0, 6.0), (35.0, 4.0), (40.0, 10.0)], "the first as old as is known"


def test_messages_at_the_first_reading_are_as_old_as_cloudwatch_reports_and_never_younger_again() -> None:
    queue = CountedQueue(10)
    queue.see(10, 0)
    assert queue.waiting(10, oldest_age_s=300.0) == [(300.0, 10.0)]
    assert queue.waiting(10) == [(300.0, 10.0)]
    assert queue.waiting(10, oldest_age_s=5.0) == [(300.0, 10.0)]
    fresh = CountedQueue(10)
    fresh.see(10, 0)
    assert fresh.waiting(10, oldest_age_s=5.0) == [(10.0, 10.0)], "they have waited since the first reading"


def test_the_reported_age_is_not_that_of_messages_whose_arrival_was_seen() -> None:
    queue = CountedQueue(0)
    queue.see(10, 0)
    assert queue.waiting(10, oldest_age_s=300.0) == [(5.0, 10.0)]
    assert queue.waiting(11) == [(5.0, 10.0), (10.0, 1.0)]


def test_redelivered_messages_wait_since_the_last_reading_without_one_at_most() -> None:
    """All messages of the first reading were deleted, and ten that return are no arrivals."""
    queue = CountedQueue(10)
    for _ in range(100):
        queue.see(0, 10)
    queue.see(10, 0)
    assert queue.waiting(10) == [(10.0, 10.0)]
    assert queue.waiting(10, oldest_age_s=60.0) == [(60.0, 10.0)], "or since CloudWatch's oldest message was sent"


# Ages while messages are held for longer than any before.


def phantom(polls: int = 6, visible: int = 50) -> CountedQueue:
    """Return a queue with `visible` messages since 10 s, where four completions a poll are assumed and none is."""
    queue = CountedQueue(0)
    queue.see(visible, 0)
    for _ in range(polls):
        queue.see(visible, 0, 4.0)
    return queue


def test_held_messages_wait_since_cloudwatch_s_oldest_one_was_sent() -> None:
    """At 70 s. The count last rose at 10 s, before which there was no message."""
    queue = phantom()
    seems = [(age_s, 4.0) for age_s in (5.0, 15.0, 25.0, 35.0, 45.0, 55.0)]
    assert queue.waiting(50) == [*seems, (65.0, 26.0)]
    assert queue.waiting(50, oldest_age_s=62.0) == [*seems, (65.0, 26.0)], "it can be in flight"
    seen = Backlog(50, 0, 0, queue.now, oldest_age_s=62.0)
    assert list(queue.arrivals.waiting(seen, queue.now)) == [*seems, (65.0, 26.0)], "not held, unless stated"
    assert queue.waiting(50, held=True) == [*seems, (65.0, 26.0)], "CloudWatch has no age"
    known = queue.waiting(50, held=True, oldest_age_s=62.0)
    assert [age_s for age_s, _ in known] == [62.0] * 6 + [65.0], "never newer"
    assert sum(messages for _, messages in known) == 50.0


def test_the_age_of_the_oldest_message_is_that_at_the_end_of_its_minute() -> None:
    queue = phantom()
    known = queue.waiting(10, held=True, oldest_age_s=20.0, counted_at=40.0)
    assert {age_s for age_s, _ in known} == {50.0}


def test_no_held_message_waits_since_before_the_last_reading_without_one() -> None:
    queue = phantom()
    queue.see(0, 50)
    queue.see(9, 41, 4.0)
    assert queue.waiting(4, held=True, oldest_age_s=80.0) == [(10.0, 4.0)], "they were returned since then"


def test_held_messages_that_raised_the_count_are_new() -> None:
    """Of 57 messages, 7 raised the count at 80 s."""
    queue = phantom()
    queue.see(57, 0, 4.0)
    known = queue.waiting(57, held=True, oldest_age_s=75.0)
    assert known[0] == (5.0, 7.0)
    assert {age_s for age_s, _ in known[1:]} == {75.0}
    assert queue.waiting(7, held=True, oldest_age_s=75.0) == [(5.0, 7.0)]


def test_rises_before_the_oldest_message_was_sent_are_not_used() -> None:
    """It was sent at 45 s of 80 s: what raised the count at 10 s was deleted since."""
    queue = phantom()
    queue.see(50, 0, 4.0)
    assert {age_s for age_s, _ in queue.waiting(12, held=True, oldest_age_s=35.0)} == {35.0}


def test_held_messages_are_at_most_as_old_as_the_stored_readings() -> None:
    first = CountedQueue(9)
    first.see(9, 0, 9.0)
    assert first.waiting(9, held=True, oldest_age_s=300.0) == [(10.0, 9.0)]
    queue = phantom(100)
    known = queue.waiting(9, held=True, oldest_age_s=5000.0)
    [age_s] = {age_s for age_s, _ in known}
    assert 420.0 <= age_s <= 560.0


@given(polls_of_a_queue, st.integers(1, 200), st.floats(0, 1000), st.sampled_from([None, 20.0]))
def test_held_messages_are_as_many_and_none_is_newer_or_older_than_can_be(
    polls: list[tuple[float, int, float]], visible: int, oldest_age_s: float, counted_at: float | None
) -> None:
    arrivals, instants = polled(polls)
    now = instants[-1]
    seen = Backlog(visible, 0, 0, now, oldest_age_s, counted_at=counted_at)
    plain, held = arrivals.waiting(seen, now), arrivals.waiting(seen, now, held=True)
    assert sum(messages for _, messages in held) == pytest.approx(visible)
    assert [age_s for age_s, _ in held] == sorted(age_s for age_s, _ in held)
    reported_s = now - (now if counted_at is None else counted_at) + oldest_age_s
    for rank in range(visible):
        plain_s, held_s = age_of(plain, rank + 0.5), age_of(held, rank + 0.5)
        assert plain_s - 1e-6 <= held_s <= max(plain_s, reported_s) + 1e-6


def age_of(waiting: tuple[TimedCount, ...], rank: float) -> float:
    """Return the age of the message that is newer than all but `rank` messages."""
    for age_s, messages in waiting:
        rank -= messages
        if rank <= 0:
            return age_s
    return waiting[-1].seconds


some_ages = st.lists(st.tuples(st.floats(0, 1000), st.integers(1, 9)), min_size=1, max_size=6).map(sorted)


@example([(0.0, 1), (1.0, 1), (2.0, 1)], [(50.0, 2), (75.0, 9)])
@given(some_ages, some_ages)
def test_of_two_lists_of_ages_each_message_has_the_larger_one(
    these: list[tuple[float, int]], those: list[tuple[float, int]]
) -> None:
    """Messages are identified by their rank, newest first; the second list has at least as many."""
    total = sum(messages for _, messages in these)
    one, other = [TimedCount(*each) for each in these], [*(TimedCount(*each) for each in those), TimedCount(2e3, total)]
    older = tuple(_older(one, other))
    assert sum(messages for _, messages in older) == total
    for rank in range(total):
        expected_s = max(age_of(tuple(one), rank + 0.5), age_of(tuple(other), rank + 0.5))
        assert age_of(older, rank + 0.5) == expected_s
