"""A bottleneck behind the workers: more busy tasks complete no more messages."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.estimate.bottleneck import (
    LEAST_MORE,
    MORE_TASKS,
    MOST_LAG_S,
    PROBE_AFTER_S,
    Bottleneck,
    WorkedMinute,
)

MINUTE_S = 60.0


def after(*counts: tuple[float, float], spread: float = 1.0, gained: float = 50.0, lag_s: float = 5.0) -> Bottleneck:
    """Return the state after saturated minutes of (busy tasks, deletions)."""
    found = Bottleneck()
    more(found, *counts, spread=spread, gained=gained, lag_s=lag_s)
    return found


def more(
    found: Bottleneck,
    *counts: tuple[float, float],
    since: float = 0.0,
    spread: float = 1.0,
    gained: float = 50.0,
    lag_s: float = 5.0,
    saturated: bool = True,
) -> None:
    for minute, (tasks, deleted) in enumerate(counts, 1):
        found.lag_s(lag_s)
        found.see(WorkedMinute(since + minute * MINUTE_S, tasks, deleted, gained, spread), saturated=saturated)


def noisy(tasks: list[float], rate: float, elasticity: float, seed: int) -> list[tuple[float, float]]:
    """Return minutes of deletions at this elasticity, `rate` at the first."""
    drawn = random.Random(seed)
    means = [rate * (each / tasks[0]) ** elasticity for each in tasks]
    return [(each, max(0, round(drawn.gauss(mean, mean**0.5)))) for each, mean in zip(tasks, means, strict=True)]


growth = st.floats(1.2, 1.6).map(lambda ratio: [14 * ratio**minute for minute in range(10)])
seeds = st.integers(0, 1000)


@given(growth, st.floats(250, 3000), seeds)
def test_tasks_that_bring_no_more_deletions_limit_the_count(tasks: list[float], rate: float, seed: int) -> None:
    limit = after(*noisy(tasks, rate, 0.0, seed), spread=0.5).limit(600.0)
    assert limit is not None
    assert 0.4 * tasks[0] < limit < 3 * tasks[0]


@given(growth, st.floats(30, 3000), st.floats(0, 9), seeds)
def test_deletions_in_proportion_to_the_tasks_are_no_bottleneck(
    tasks: list[float], rate: float, spread: float, seed: int
) -> None:
    assert after(*noisy(tasks, rate, 1.0, seed), spread=spread).limit(600.0) is None


@given(growth, st.floats(1.0, 50.0), seeds)
def test_few_deletions_that_scatter_at_random_are_no_bottleneck(tasks: list[float], rate: float, seed: int) -> None:
    assert after(*noisy(tasks[:5], rate / 50, 0.7, seed), spread=9.0).limit(300.0) is None


def test_a_release_that_is_five_times_as_slow_is_no_bottleneck() -> None:
    """After the release, 14 tasks delete 34 a minute instead of 168, and 70 delete 168."""
    slower = [(14, 34), (14, 36), (20, 47), (30, 72), (45, 108), (70, 168), (70, 165), (70, 170)]
    assert after(*slower).limit(600.0) is None


def test_the_limit_is_the_count_that_would_complete_as_much_without_a_bottleneck() -> None:
    """14 tasks deleted 140 a minute, ten each; many delete 100."""
    counts = [(14, 140), (14, 140), (30, 104), (40, 100), (60, 100), (80, 100)]
    assert after(*counts, spread=0.1).limit(400.0) == pytest.approx(10.0, abs=0.3)


def test_long_jobs_with_few_deletions_need_more_minutes() -> None:
    """Twelve deletions a minute scatter by a third: tasks that grow by a tenth a minute show it after 20 minutes."""
    counts = [(8 * 1.1**minute, 12.0 + (-1) ** minute) for minute in range(40)]
    known = [after(*counts[:minutes], gained=6.0).limit(minutes * MINUTE_S) is not None for minutes in range(1, 40)]
    first = known.index(True)
    assert 10 < first < 25
    assert all(known[first:])


def test_times_that_spread_widely_are_less_certain() -> None:
    counts = [(14 * 1.3**minute, 120.0) for minute in range(6)]
    assert after(*counts, spread=0.5).limit(400.0) is not None
    assert after(*counts, spread=30.0).limit(400.0) is None


def test_the_spread_of_the_minutes_before_counts() -> None:
    """A bottleneck makes the times differ: 5 s before, 50 s after."""
    counts = [(14 * 1.3**minute, 120.0) for minute in range(8)]
    found = Bottleneck()
    for minute, (tasks, deleted) in enumerate(counts):
        found.lag_s(5.0)
        spread = 0.5 if minute < 4 else 60.0
        found.see(WorkedMinute(minute * MINUTE_S, tasks, deleted, 50.0, spread), saturated=True)
    assert found.limit(500.0) is not None


@pytest.mark.parametrize(("most", "is_limited"), [(14 * MORE_TASKS * 0.98, False), (14 * MORE_TASKS * 1.02, True)])
def test_the_tasks_must_differ_by_half(most: float, is_limited: bool) -> None:
    counts = [(14.0, 9000.0)] * 4 + [(most, 9000.0)] * 4
    assert (after(*counts, spread=0.0).limit(500.0) is not None) == is_limited


@pytest.mark.parametrize(("most", "is_limited"), [(3.9, False), (4.1, True)])
def test_the_tasks_must_differ_by_three(most: float, is_limited: bool) -> None:
    counts = [(1.0, 9000.0)] * 4 + [(most, 9000.0)] * 4
    assert (after(*counts, spread=0.0).limit(500.0) is not None) == is_limited


@pytest.mark.parametrize(("minutes", "is_limited"), [(4, False), (5, True)])
def test_five_minutes_are_needed(minutes: int, is_limited: bool) -> None:
    counts = [(14 * 2.0**minute, 9000.0) for minute in range(minutes)]
    assert (after(*counts, spread=0.0).limit(400.0) is not None) == is_limited


@pytest.mark.parametrize(("deleted", "is_limited"), [(130, False), (180, True)])
def test_with_less_than_half_of_the_deletions_the_workers_are_broken(deleted: float, is_limited: bool) -> None:
    counts = [(10.0, 300.0)] * 3 + [(40.0, deleted)] * 3
    assert (after(*counts, spread=0.0).limit(400.0) is not None) == is_limited


def test_a_minute_without_deletions_is_no_bottleneck() -> None:
    assert after(*[(10.0, 300.0)] * 3, (40.0, 300.0), (40.0, 0.0), spread=0.0).limit(400.0) is None


def test_a_limit_ends_after_two_minutes_without_a_backlog() -> None:
    found = after(*[(14 * 1.3**minute, 120.0) for minute in range(8)])
    more(found, (14, 110), since=480.0, gained=-500.0, saturated=False)
    assert found.limit(540.0) is not None
    more(found, (14, 110), since=540.0, gained=0.0, saturated=False)
    assert found.limit(600.0) is None


def test_more_deletions_end_the_limit() -> None:
    found = after(*[(14 * 1.3**minute, 120.0) for minute in range(8)])
    more(found, (15, 240), (15, 238), since=480.0)
    assert found.limit(600.0) is None


def test_without_a_visible_backlog_the_surplus_of_arrivals_shows_that_deletions_are_limited() -> None:
    """Every message is received by one of ever more tasks: nothing waits, and more arrive than are completed."""
    counts = [(14 * 1.2**minute, 120.0) for minute in range(16)]
    hidden, served = Bottleneck(), Bottleneck()
    more(hidden, *counts, gained=48.0, saturated=False)
    more(served, *counts, gained=0.0, saturated=False)
    assert hidden.limit(960.0) is not None
    assert served.limit(960.0) is None, "the arrivals limit the deletions"


def test_messages_longer_than_the_lag_are_not_compared() -> None:
    counts = [(14 * 1.3**minute, 120.0) for minute in range(8)]
    assert after(*counts, lag_s=MOST_LAG_S).limit(500.0) is not None
    assert after(*counts, lag_s=MOST_LAG_S + 1).limit(500.0) is None


def test_while_minutes_are_compared_the_lag_is_the_time_from_before() -> None:
    found = Bottleneck()
    assert found.lag_s(30.0) == 30.0
    found.see(WorkedMinute(60.0, 14, 100, 50.0), saturated=True)
    assert found.lag_s(900.0) == 30.0
    more(found, (14, 110), (14, 110), since=60.0, gained=-500.0, saturated=False)
    assert found.lag_s(50.0) == 50.0
    assert found.lag_s(900.0) == MOST_LAG_S


def test_the_limit_is_tested_after_ten_minutes_and_later_less_often() -> None:
    found = after(*[(14.0, 120.0)] * 4, *[(40.0, 120.0)] * 4)
    first = found.limit(480.0)
    assert first is not None
    probed = []
    for minute in range(8, 200):
        for at in range(6):
            now = minute * MINUTE_S + 10 * at
            if found.limit(now) != first:
                assert found.limit(now) == pytest.approx(max(first * MORE_TASKS, first + LEAST_MORE))
                probed.append(now)
        more(found, (14.0, 120.0), since=minute * MINUTE_S)
    gaps = [later - earlier for earlier, later in pairwise(probed) if later - earlier > 10]
    assert PROBE_AFTER_S <= probed[0] - 300 <= PROBE_AFTER_S + 60
    assert gaps == sorted(gaps)
    assert gaps[0] >= 2 * PROBE_AFTER_S
    assert gaps[-1] <= 3600 + 60


def test_minutes_older_than_forty_minutes_are_not_compared() -> None:
    late = [(40.0, 300.0)] * 4
    found = after(*[(14.0, 300.0)] * 4, spread=0.0)
    more(found, *late, since=2600.0, spread=0.0)
    assert found.limit(2900.0) is None
    found = after(*[(14.0, 300.0)] * 4, spread=0.0)
    more(found, *late, since=2000.0, spread=0.0)
    assert found.limit(2300.0) is not None
