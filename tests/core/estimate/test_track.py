"""A track: the amount within a time span, and the newest amounts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.estimate.arrivals import NOTES, Track

amounts = st.lists(st.floats(0, 1e6), min_size=1, max_size=300)


def track(*each: float, reach_s: float = 600.0) -> Track:
    """Return a track with one note every ten seconds, from 10 s on."""
    recorded = Track(reach_s, 0.0)
    for index, amount in enumerate(each):
        recorded.add(10.0 * (index + 1), amount)
    return recorded


def test_an_amount_is_interpolated_linearly_between_two_notes() -> None:
    recorded = track(4.0, 6.0, 10.0)
    assert (recorded.within(10), recorded.within(15), recorded.within(30), recorded.within(99)) == (
        10.0,
        13.0,
        20.0,
        20.0,
    )
    assert recorded.between(5, 15) == 5.0
    assert recorded.until(-1) == 0.0


@given(amounts)
def test_a_track_has_bounded_memory_and_covers_its_reach(each: list[float]) -> None:
    recorded = track(*each)
    assert len(recorded._instants) == len(recorded._sums) <= NOTES
    assert recorded.since <= max(0.0, 10.0 * len(each) - 600)
    assert recorded.total == pytest.approx(sum(each))


@given(amounts, st.floats(0, 1e7))
def test_newest_returns_the_requested_amount_with_the_newest_first(each: list[float], amount: float) -> None:
    newest = list(track(*each).newest(amount))
    assert sum(amount for _, amount in newest) == pytest.approx(amount)
    assert [at for at, _ in newest] == sorted((at for at, _ in newest), reverse=True)


@given(amounts.filter(lambda each: len(each) > 6), st.floats(0, 1e6))
def test_a_correction_sets_the_amount_of_its_span_and_no_other(each: list[float], amount: float) -> None:
    recorded = track(*each[:100])
    before, after = recorded.between(0, 10), recorded.between(40, 10.0 * len(each[:100]))
    recorded.correct(10, 40, amount)
    assert recorded.between(10, 40) == pytest.approx(amount, abs=1e-3)
    assert recorded.between(0, 10) == pytest.approx(before, abs=1e-3)
    assert recorded.between(40, 10.0 * len(each[:100])) == pytest.approx(after, abs=1e-3)


@pytest.mark.parametrize(
    ("at", "more", "sums"),
    [
        (10.0, 3.0, [7.0, 13.0, 23.0]),
        (20.0, -4.0, [4.0, 6.0, 16.0]),
        (15.0, 3.0, [4.0, 13.0, 23.0]),  # added with the note at 20 s
        (20.0, -9.0, [4.0, 4.0, 14.0]),  # at most the 6 that were added
        (30.0, -10.0, [4.0, 10.0, 10.0]),
    ],
)
def test_a_revision_changes_the_amount_that_was_added_at_an_instant(at: float, more: float, sums: list[float]) -> None:
    recorded = track(4.0, 6.0, 10.0)
    recorded.revise(at, more)
    assert [recorded.until(noted) for noted in (10.0, 20.0, 30.0)] == sums


def test_a_revision_of_the_time_before_the_oldest_note_changes_no_amount_that_is_stored() -> None:
    recorded = track(4.0, 6.0)
    recorded.revise(-5.0, -3.0)
    assert [recorded.between(0.0, 10.0), recorded.between(10.0, 20.0)] == [4.0, 6.0]
    assert recorded.total == 7.0
