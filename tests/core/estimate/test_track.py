"""A sum over time: what came within a time, and what came last."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.estimate.track import NOTES, Track

amounts = st.lists(st.floats(0, 1e6), min_size=1, max_size=300)


def track(*each: float, reach_s: float = 600.0) -> Track:
    """One note every ten seconds, from 10 s on."""
    made = Track(reach_s, 0.0)
    for index, amount in enumerate(each):
        made.add(10.0 * (index + 1), amount)
    return made


def test_what_came_within_a_time_is_shared_evenly_between_two_notes() -> None:
    made = track(4.0, 6.0, 10.0)
    assert (made.within(10), made.within(15), made.within(30), made.within(99)) == (10.0, 13.0, 20.0, 20.0)
    assert made.between(5, 15) == 5.0
    assert made.until(-1) == 0.0


@given(amounts)
def test_memory_is_bounded_and_reaches_as_far_as_it_says(each: list[float]) -> None:
    made = track(*each)
    assert len(made._instants) == len(made._sums) <= NOTES
    assert made.since <= max(0.0, 10.0 * len(each) - 600)
    assert made.total == pytest.approx(sum(each))


@given(amounts, st.floats(0, 1e7))
def test_the_newest_add_up_to_what_was_asked_for_and_come_newest_first(each: list[float], asked: float) -> None:
    given_back = list(track(*each).newest(asked))
    assert sum(amount for _, amount in given_back) == pytest.approx(asked)
    assert [at for at, _ in given_back] == sorted((at for at, _ in given_back), reverse=True)


@given(amounts.filter(lambda each: len(each) > 6), st.floats(0, 1e6))
def test_a_correction_is_what_was_asked_for_and_disturbs_nothing_else(each: list[float], amount: float) -> None:
    made = track(*each[:100])
    before, after = made.between(0, 10), made.between(40, 10.0 * len(each[:100]))
    made.correct(10, 40, amount)
    assert made.between(10, 40) == pytest.approx(amount, abs=1e-3)
    assert made.between(0, 10) == pytest.approx(before, abs=1e-3)
    assert made.between(40, 10.0 * len(each[:100])) == pytest.approx(after, abs=1e-3)
