"""When a limit of more tasks ends, and when it is tested: the thresholds."""

from __future__ import annotations

from itertools import pairwise

import pytest

from autoscaler.core.estimate.bottleneck import PROBE_MORE, PROBE_RATIO, Bottleneck, WorkedMinute

MINUTE_S = 60.0
LIMITED_S = 480.0
"""The end of the minute that shows the limit."""


def then(found: Bottleneck, *counts: tuple[float, float], since_s: float = 0.0) -> Bottleneck:
    """Add saturated minutes of (tasks, deletions)."""
    for minute, (tasks, deleted) in enumerate(counts, 1):
        found.see(WorkedMinute(since_s + minute * MINUTE_S, tasks, deleted, 0.0), saturated=True)
    return found


def limited(deleted: float) -> Bottleneck:
    found = then(Bottleneck(), *[(14, deleted)] * 4, *[(40, deleted)] * 4)
    assert found.limit(LIMITED_S) == pytest.approx(14.0)
    return found


@pytest.mark.parametrize(("deleted", "is_limited"), [(14_300, True), (14_500, False)])
def test_one_fifth_more_deletions_end_the_limit(deleted: float, is_limited: bool) -> None:
    """12,000 a minute at the limit. 14,300 are certain to be more (three standard deviations: 487), but by 19 %."""
    found = then(limited(12_000), (14, deleted), (14, deleted), since_s=LIMITED_S)
    assert (found.limit(600.0) is not None) == is_limited


@pytest.mark.parametrize(("deleted", "is_limited"), [(168, True), (176, False)])
def test_more_deletions_end_the_limit_if_they_are_certain(deleted: float, is_limited: bool) -> None:
    """120 a minute at the limit: 48 more are less than 3 x sqrt(2 x 288 / 2) = 50.9, 56 are more than 51.6."""
    found = then(limited(120), (14, deleted), (14, deleted), since_s=LIMITED_S)
    assert (found.limit(600.0) is not None) == is_limited


def test_the_tests_of_a_limit_take_five_minutes_and_come_after_10_20_40_60_and_60_minutes() -> None:
    """With half as many tasks again: 21."""
    found = then(Bottleneck(), *[(14, 300)] * 4, *[(40, 300)] * 2)
    began = 360
    assert found.limit(began) == pytest.approx(14.0)
    tested = list[int]()
    for at in range(began, 13_460, 60):
        if at > began:
            found.see(WorkedMinute(float(at), 14, 300, 0.0), saturated=True)
        tested += [at + second for second in range(60) if found.limit(float(at + second)) == pytest.approx(21)]
    starts = [tested[0], *(later for earlier, later in pairwise(tested) if later - earlier > 1)]
    assert starts == [began + after for after in (600, 2100, 4800, 8700, 12_600)]
    assert len(tested) == 5 * 300


def test_a_small_limit_is_tested_with_three_more_tasks() -> None:
    found = then(Bottleneck(), *[(4, 300)] * 4, *[(40, 300)] * 2)
    assert (found.limit(959.0), found.limit(960.0)) == pytest.approx((4.0, 4.0 + PROBE_MORE))
    assert PROBE_MORE > (PROBE_RATIO - 1) * 4
