"""The edges of the closed loop: which minutes are compared, when a limit ends, when unchanged counts are evidence."""

from __future__ import annotations

from itertools import pairwise

import pytest

from autoscaler.core.estimate.progress import LEAST_MORE, MORE_TASKS, Bottleneck, Holding, WorkedMinute
from tests.core.estimate.test_progress import MINUTE_S, POLL_S, after, groups, held_for

LIMITED = ((14, 300), (14, 300), (40, 300), (40, 300))
"""Minutes of (tasks, deletions) that show a limit of 14 tasks at 240 s."""

LIMITED_S = 240.0


def then(found: Bottleneck, *counts: tuple[float, float], since_s: float = LIMITED_S) -> Bottleneck:
    for minute, (tasks, deleted) in enumerate(counts, 1):
        found.see(WorkedMinute(since_s + minute * MINUTE_S, tasks, deleted), 1.0, saturated=True)
    return found


# Which minutes are compared.


@pytest.mark.parametrize(("newest_s", "is_limited"), [(1259.5, True), (1260.0, False)])
def test_a_minute_that_is_twenty_minutes_older_is_not_compared(newest_s: float, is_limited: bool) -> None:
    """The older minutes ended at 60 and 120 s, and both are needed."""
    found = after((14, 300), (14, 300))
    for at in (newest_s - 60.0, newest_s):
        found.see(WorkedMinute(at, 40, 300), 1.0, saturated=True)
    assert (found.limit(newest_s) is not None) == is_limited


def test_at_most_twenty_minutes_are_stored() -> None:
    found = Bottleneck()
    for second in range(200):
        found.see(WorkedMinute(float(second), 10, 300), 1.0, saturated=True)
    assert [minute.at for minute in found._minutes] == [float(second) for second in range(180, 200)]


def test_minutes_without_tasks_are_not_compared() -> None:
    assert after((0, 0), (0, 0), *LIMITED).limit(360.0) == 14


@pytest.mark.parametrize(("tasks", "limit"), [(1.0, 1.0), (2.5, 2.5)])
def test_the_limit_is_the_mean_of_the_fewer_tasks(tasks: float, limit: float) -> None:
    assert groups((tasks, 300), (20, 300)) == limit


def test_a_limit_that_is_confirmed_by_more_tasks_does_not_rise() -> None:
    assert then(after(*LIMITED), (90, 300), (90, 300)).limit(360.0) == 14


def test_minutes_in_which_nothing_is_deleted_show_no_limit() -> None:
    """The workers stand still, whatever their number: 40 tasks are not worse than 14."""
    found = then(after(*LIMITED), (14, 0), (14, 0), (40, 0), (40, 0), since_s=2000.0)
    assert found.limit(2240.0) is None


@pytest.mark.parametrize(("deleted", "is_limited"), [(60, True), (80, False)])
def test_a_gain_is_subtracted_from_the_missing_deletions(deleted: float, is_limited: bool) -> None:
    """10 tasks delete 60 a minute; 28.4 should delete 110 more. With 80, only 90 are missing: fewer than 100."""
    assert (groups((10, 60), (28.4, deleted)) is not None) == is_limited


@pytest.mark.parametrize(("spread", "is_limited"), [(12.2, True), (12.4, False), (13.0, False)])
def test_missing_deletions_are_certain_at_three_standard_deviations(spread: float, is_limited: bool) -> None:
    """120 are missing: 3 x sqrt((1 + spread) x 120) is 119.4 at a spread of 12.2, 120.3 at 12.4."""
    assert (groups((14, 120), (28, 120), minutes=2, spread=spread) is not None) == is_limited


@pytest.mark.parametrize(("off", "is_limited"), [(80.8, True), (80.85, False)])
def test_the_scatter_of_the_deletions_is_the_variance_of_their_mean(off: float, is_limited: bool) -> None:
    """140 are missing. Four minutes of 110 +- off: the mean has the variance off^2 / 3; 3 sigmas: 139.95, 140.04."""
    found = after(*[(12, 100)] * 4, *[(30, 110 + off), (30, 110 - off)] * 2)
    assert (found.limit(480.0) is not None) == is_limited


# When a limit ends.


@pytest.mark.parametrize(("deleted", "is_limited"), [(13_000, True), (14_500, False)])
def test_one_fifth_more_deletions_end_the_limit(deleted: float, is_limited: bool) -> None:
    """12,000 a minute at the limit. 13,000 are certain to be more (three standard deviations: 474), but only by 8 %."""
    found = after((14, 12_000), (14, 12_000), (40, 12_000), (40, 12_000))
    assert (then(found, (14, deleted), (14, deleted)).limit(360.0) is not None) == is_limited


@pytest.mark.parametrize(("deleted", "is_limited"), [(168, True), (176, False)])
def test_more_deletions_end_the_limit_if_they_are_certain(deleted: float, is_limited: bool) -> None:
    """120 a minute at the limit: 48 more are less than 3 x sqrt(2 x 288 / 2) = 50.9, 56 are more than 51.6."""
    found = after((14, 120), (14, 120), (40, 120), (40, 120))
    assert (then(found, (14, deleted), (14, deleted)).limit(360.0) is not None) == is_limited


def test_the_tests_of_a_limit_take_five_minutes_and_come_after_10_20_40_60_and_60_minutes() -> None:
    found = after(*LIMITED)
    tested = [at for at in range(240, 13_300) if found.limit(float(at)) == 14 * MORE_TASKS + LEAST_MORE]
    starts = [tested[0], *(later for earlier, later in pairwise(tested) if later - earlier > 1)]
    assert starts == [840, 2340, 5040, 8940, 12_840]
    assert len(tested) == 5 * 300


def test_a_limit_that_is_confirmed_every_minute_is_tested_too() -> None:
    found = after(*LIMITED)
    limits = []
    for minute in range(5, 16):
        found.see(WorkedMinute(minute * MINUTE_S, 40, 300), 1.0, saturated=True)
        limits.append(found.limit(minute * MINUTE_S))
    assert limits == [14.0] * 9 + [14 * MORE_TASKS + LEAST_MORE] * 2


# When unchanged counts are evidence that messages take longer.


@pytest.mark.parametrize(
    ("completions", "readings", "is_held"), [(2.5, 4, False), (2.5, 5, True), (3.3, 3, False), (3.3, 4, True)]
)
def test_the_evidence_of_unchanged_counts_must_reach_one_in_a_thousand(
    completions: float, readings: int, is_held: bool
) -> None:
    """Each has a probability of 1 / sqrt(4 pi m): 0.178 at 2.5 expected completions, 0.155 at 3.3; to the fourth power
    0.00101 and 0.0006.
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
    holding.check(60.0, 36, 36.0, 320.0)
    assert holding.expected_s == expected_s
    holding.check(110.0, 36, 36.0, 320.0)
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
