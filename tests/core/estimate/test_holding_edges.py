"""When unchanged counts are evidence that messages take longer: the thresholds, and where the held time starts."""

from __future__ import annotations

import pytest

from autoscaler.core.estimate.holding import Holding
from tests.core.estimate.test_progress import POLL_S, held_for, moved


@pytest.mark.parametrize(
    ("completions", "readings", "is_held"),
    [(2.5, 5, False), (2.5, 6, True), (3.1, 5, False), (3.3, 4, False), (3.3, 5, True)],
)
def test_the_evidence_of_unchanged_counts_must_reach_one_in_ten_thousand(
    completions: float, readings: int, is_held: bool
) -> None:
    """Each has a probability of 1 / sqrt(4 pi m): 0.178, 0.160 and 0.155 at 2.5, 3.1 and 3.3 expected completions; to
    the fifth power 0.00018, 0.00011 and 0.00009.
    """
    holding = Holding()
    for reading in range(readings + 1):
        holding.see(100, completions, 20.0, reading * 20.0, full=True)
    assert (holding.expected_s > 0) == is_held


def test_readings_without_expected_completions_are_not_still() -> None:
    assert not held_for(600, completions=1.9).is_still
    assert held_for(600, completions=2.0).is_still


def test_the_held_time_starts_again_when_a_message_completes() -> None:
    holding = held_for(100)
    holding.see(99, 6.0, POLL_S, 110.0, full=True)
    expected = []
    for at in range(120, 320, 10):
        holding.see(99, 6.0, POLL_S, float(at), full=True)
        expected.append(holding.expected_s)
    assert expected[:10] == [200.0] * 10, "not less than was expected before"
    assert expected[-1] == 2 * 200.0


def test_only_minutes_since_all_slots_are_occupied_show_that_messages_complete() -> None:
    holding = held_for(100, full=False)
    for at in range(110, 320, 10):
        holding.see(100, 6.0, POLL_S, float(at), full=True)
    expected_s = holding.expected_s
    assert expected_s > 0
    holding.check(99.5, 36, 36.0, 320.0)
    assert holding.expected_s == expected_s
    holding.check(100.0, 36, 36.0, 320.0)
    assert holding.expected_s == 0.0


def test_after_an_hour_of_regular_arrivals_unchanged_counts_are_evidence_again() -> None:
    holding = held_for(200)
    holding.check(60.0, 36, 36.0, 200.0)
    holding.see(100, 1e6, 50.0, 3799.5, full=True)
    assert holding.expected_s == 0.0
    still = []
    for at in (3800.0, 3810.0, 3820.0):
        holding.see(100, 1e6, 50.0, at, full=True)
        still.append(holding.is_still)
    assert still == [False, False, True]
    assert holding.expected_s == 2 * 150.0


@pytest.mark.parametrize(("level", "completions", "full"), [(1100, 1e6, True), (100, 1e6, False), (100, 1.0, True)])
def test_the_readings_that_are_still_are_counted_from_the_last_one_that_is_not(
    level: int, completions: float, full: bool
) -> None:
    """It has a change, an idle slot, or no completion that is expected. One more reading would be evidence enough."""
    holding, still = held_for(40, completions=1e6), []
    assert holding.is_still
    holding.see(level, completions, POLL_S, 50.0, full=full)
    for at in (60.0, 70.0, 80.0):
        still.append(holding.is_still)
        holding.see(level, 1e6, POLL_S, at, full=True)
    assert [*still, holding.is_still] == [False, False, False, True]


# How much the counts scatter.


@pytest.mark.parametrize(
    ("changes", "completions", "differences"),
    [
        ([4, -2, 6], 5.0, [6, 8]),
        ([4, -2, 6], 2.0, [6, 8]),
        ([4, -2, 6], 1.9, []),
        ([4, 0, 6], 5.0, [6]),
        ([4], 5.0, []),
    ],
)
def test_the_scatter_is_half_of_the_squared_differences_of_two_changes(
    changes: list[int], completions: float, differences: list[int]
) -> None:
    """Readings without a change are left out, and those without the two completions that are needed."""
    scatter = expected = 20.0
    for difference in differences:
        scatter, expected = 0.95 * scatter + difference**2 / 2, 0.95 * expected + 2 * completions
    found = moved(changes, still=0, completions=completions)
    assert (found._scatter, found._expected) == pytest.approx((scatter, expected))


def test_a_change_from_an_empty_queue_is_a_change() -> None:
    holding = Holding()
    for reading, level in enumerate([0, 3, 1]):
        holding.see(level, 5.0, POLL_S, reading * POLL_S, full=False)
    assert holding._scatter == pytest.approx(0.95 * 20 + 25 / 2)


@pytest.mark.parametrize(("still", "expected_s"), [(5, 0.0), (6, 120.0)])
def test_counts_that_scatter_more_are_no_more_evidence_than_independent_ones(still: int, expected_s: float) -> None:
    """As at 2.5 expected completions without a measured scatter."""
    assert moved([100, -100] * 15, still, completions=2.5).expected_s == expected_s


def test_unchanged_counts_of_a_timer_are_no_evidence_and_no_evidence_of_the_contrary() -> None:
    assert moved([1] * 100, still=50, completions=2.0)._evidence == 0.0


@pytest.mark.parametrize(("still", "is_still"), [(3, False), (4, True)])
def test_counts_that_scatter_less_must_be_unchanged_for_longer_to_be_still(still: int, is_still: bool) -> None:
    """The scatter is 0.42 of that of 3 independent completions: 1.39 each, and 4.8 are needed."""
    assert moved([1, -1] * 7 + [1], still, completions=3.0).is_still == is_still


def test_a_minute_with_few_deletions_shows_nothing() -> None:
    steady = moved([5] * 30, still=12)
    steady.check(310.0, 1, 120.0, 430.0)
    steady.see(10_150, 20.0, POLL_S, 430.0, full=True)
    assert steady.expected_s == 0.0
