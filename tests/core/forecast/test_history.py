"""The week of minutes: exact for two hours, encoded for a week, compared with a plain list."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from autoscaler.core.forecast.history import DAY, HOUR, RECENT, SPAN, WeekHistory

FIRST = 100 * DAY + 17


def filled(roots: list[float], first: int = FIRST) -> WeekHistory:
    history = WeekHistory()
    history.begin(first, roots[0])
    history.append(np.array(roots[1:]))
    return history


def random_roots(count: int, seed: int = 0) -> list[float]:
    """Return roots with a daily peak and random variation."""
    minutes = np.arange(count)
    scale = 10 + 8 * np.sin(minutes * 2 * np.pi / DAY)
    return [float(root) for root in np.random.Generator(np.random.PCG64(seed)).uniform(0, 1, count) * scale]


def test_without_minutes_the_history_is_empty() -> None:
    history = WeekHistory()
    assert (history.began, history.age, history.start) == (None, 0, history.newest + 1)
    assert history.coded(np.arange(-SPAN, SPAN)).tolist() == [0.0] * 2 * SPAN


def test_the_usual_count_before_the_first_hour_is_that_of_the_first_minute_also_after_a_reset() -> None:
    history = WeekHistory()
    assert history.usual() == 0.0
    for minute, root in ((17, 3.0), (18, 5.0)):
        history.begin(minute, root)
        assert history.usual() == root * root


@pytest.mark.parametrize("count", [1, 2, 43, 44, 60, 61, 500])
def test_the_newest_minutes_are_exact(count: int) -> None:
    """The history begins 17 minutes after midnight."""
    roots = random_roots(count)
    history = filled(roots)
    assert (history.began, history.start, history.age) == (FIRST, FIRST, count)
    assert history.newest == FIRST + count - 1
    known = min(count, RECENT)
    assert history.recent(np.arange(history.newest - known + 1, history.newest + 1)).tolist() == roots[-known:]


@pytest.mark.parametrize(("count", "coded"), [(1, 0), (42, 0), (43, 60), (102, 60), (103, 120)])
def test_a_complete_hour_is_encoded(count: int, coded: int) -> None:
    """43 minutes from 00:17 complete the first hour."""
    assert filled(random_roots(count)).coded_until == 100 * DAY + coded


@given(st.integers(60, 12_000), st.integers(0, 5))
@example(11_000, 0)
def test_encoded_minutes_differ_by_at_most_a_510th_of_their_hours_peak(count: int, seed: int) -> None:
    """All minutes of the stored span: a complete hour is not replaced before another one is complete."""
    roots = random_roots(count, seed)
    history = filled(roots)
    oldest = max(FIRST, history.coded_until - SPAN)
    minutes = np.arange(oldest, history.coded_until)
    exact = np.array(roots)[minutes - FIRST]
    peaks = [max(roots[max(0, hour - FIRST) : hour - FIRST + HOUR]) for hour in (minutes // HOUR * HOUR).tolist()]
    assert (np.abs(history.coded(minutes) - exact) <= np.array(peaks) / 510 * 1.001).all()


def test_an_hour_with_at_most_one_message_a_minute_is_encoded() -> None:
    """Its peak is exactly 1, or less for counts that are shares of a longer interval. Zero and the peak are exact."""
    roots = [float(minute % 7 == 0) for minute in range(2 * HOUR)]
    history = filled(roots, first=100 * DAY)
    assert history.coded(np.arange(100 * DAY, 100 * DAY + 2 * HOUR)).tolist() == roots
    rare = filled([0.5 * root for root in roots], first=100 * DAY)
    assert rare.coded(np.arange(100 * DAY, 100 * DAY + 2 * HOUR)).tolist() == [0.5 * root for root in roots]


def test_known_minutes_are_read_as_they_are_encoded_from_the_first_one_on() -> None:
    history = filled([3.14159, *[10.0] * 200])
    minutes = np.arange(FIRST, history.coded_until)
    assert history.coded(minutes).tolist() == history.decoded(minutes).tolist()


def test_a_history_that_begins_with_the_last_minute_of_an_hour_has_encoded_it() -> None:
    history = filled([3.0], first=100 * DAY + 59)
    assert history.coded_until == 100 * DAY + 60
    assert history.coded(np.array([history.newest])).tolist() == [3.0]


def test_minutes_before_the_first_have_its_value() -> None:
    history = filled([3.0, *random_roots(200)])
    assert history.coded(np.arange(FIRST - 10 * DAY, FIRST)).tolist() == [3.0] * (10 * DAY)
    assert filled([3.0]).recent(np.arange(FIRST - RECENT + 1, FIRST + 1)).tolist() == [3.0] * RECENT


def test_hours_without_messages_are_zero_also_after_others() -> None:
    history = filled([0.0] * 200)
    silent = history.nbytes
    assert history.coded(np.arange(FIRST, history.coded_until)).max() == 0.0
    history.append(np.array([5.0] * 200))
    assert history.nbytes == silent
    history.append(np.zeros(SPAN))
    assert history.coded(np.arange(history.newest - 7 * DAY, history.coded_until)).max() == 0.0


def test_minutes_added_at_once_and_one_by_one_are_the_same() -> None:
    roots = random_roots(700)
    once, single = filled(roots), filled(roots[:1])
    for root in roots[1:]:
        single.append(np.array([root]))
    minutes = np.arange(FIRST, once.coded_until)
    assert once.coded(minutes).tolist() == single.coded(minutes).tolist()
    assert (once.newest, once.age) == (single.newest, single.age)


def test_a_history_that_begins_again_has_forgotten_everything() -> None:
    history = filled(random_roots(300))
    history.begin(FIRST + 20 * DAY, 7.0)
    assert (history.age, history.start, history.first_root) == (1, FIRST + 20 * DAY, 7.0)
    assert history.recent(np.arange(history.newest - 100, history.newest + 1)).tolist() == [7.0] * 101
