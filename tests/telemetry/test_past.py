"""The history of 24 hours: its resolutions, how samples of a slot are merged, what is removed, and that unknown values
stay unknown.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from math import isnan, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.model import Missing, QueueReading
from autoscaler.telemetry.past import DAY_S, GAP_S, POLLS, PastSample, StatusHistory, sample_of
from tests.telemetry.polls import NOON, decided, holding, seen, unread

HOUR_S = 3600.0


def noted(samples: Iterable[tuple[float, PastSample]], interval_s: float = 0.0) -> StatusHistory:
    """Return the history of samples at these seconds after noon."""
    history = StatusHistory()
    for after_s, sample in samples:
        history.note(NOON + after_s, sample, interval_s)
    return history


def every(step_s: float, until_s: float, from_s: float = 0.0) -> Iterator[tuple[float, PastSample]]:
    """Yield a sample every `step_s`. Its backlog is its hour; one message was received, and the first one was late."""
    for number in range(int((until_s - from_s) / step_s) + 1):
        at = from_s + number * step_s
        yield at, PastSample(waiting=at // HOUR_S, running=at, received=1, late=float(number == 0))


def longest_step(at: list[float], first: float, last: float) -> float:
    return max(later - before for before, later in pairwise(one for one in at if first <= one <= last))


def test_each_poll_is_a_point_in_the_demo_too() -> None:
    """The demo polls every second."""
    history = noted(every(1.0, 300))
    assert history.series()["at"] == [NOON + second for second in range(301)]


@pytest.mark.parametrize("step_s", [1.0, 5.0, 10.0, 60.0])
def test_24_hours_are_stored_in_minutes_for_six_hours_and_then_in_five_minutes(step_s: float) -> None:
    last_s = 30 * HOUR_S + 17
    series = noted(every(step_s, last_s, last_s // step_s * step_s - 90_000)).series()
    at: list[Any] = series["at"]
    end = at[-1]
    assert at == sorted(set(at))
    assert 24 * HOUR_S - 600 <= end - at[0] <= 24 * HOUR_S
    assert longest_step(at, end - 350 * step_s, end) == step_s
    assert longest_step(at, end - 5.9 * HOUR_S, end) <= 60
    assert longest_step(at, at[0], end) <= 300
    assert len(at) <= 900
    assert None not in series["waiting"], "no gap"


def test_a_message_is_counted_once_at_any_resolution() -> None:
    """The parts of the series do not overlap, and together they have every poll: their sum is the number of polls."""
    for last_s in (9_000.0, 9_010.0, 40_000.0, 40_190.0, 50_000.0):
        received = noted(every(10.0, last_s)).series()["received"]
        assert sum(one or 0 for one in received) == last_s / 10 + 1


def test_the_share_in_time_is_that_of_the_last_seconds() -> None:
    history = noted(every(10.0, 40_000.0))
    received, late = history.in_time(HOUR_S)
    assert 354 <= received <= 366
    assert late == 0
    assert history.in_time(DAY_S) == (4_001, 1)
    history.note(NOON + 40_001, PastSample(received=7, late=3))
    assert history.in_time(HOUR_S) == (received + 7, 3)
    history.note(NOON + 40_000 + 2 * HOUR_S, PastSample(received=2, late=0))
    assert history.in_time(HOUR_S) == (2, 0)
    assert history.in_time(6 * HOUR_S)[1] == 3
    assert StatusHistory().in_time(HOUR_S) == (0, 0)


def test_a_minute_has_maximum_values_the_newest_task_counts_and_sums_of_messages() -> None:
    history = noted([
        (0, PastSample(waiting=90, in_flight=2, desired=5, running=4, demand=9, oldest_s=20, received=3, late=1)),
        (10, PastSample(waiting=10, in_flight=7, desired=4, running=5, demand=2, oldest_s=30, received=4, late=0)),
        *((60.0 + second, PastSample(waiting=1)) for second in range(POLLS)),
    ])  # fmt: skip
    series = history.series()
    assert series["at"][0] == NOON
    assert {name: line[0] for name, line in series.items() if name != "at"} == {
        "waiting": 90, "in_flight": 7, "desired": 4, "running": 5, "demand": 9, "oldest_s": 30,
        "received": 7, "late": 1,
    }  # fmt: skip


def test_an_unread_value_is_unknown_and_does_not_replace_a_value_in_its_minute() -> None:
    series = noted([(0, PastSample(waiting=3)), (1, PastSample()), (2, PastSample(running=2))]).series()
    assert series["waiting"] == [3, None, None]
    assert series["running"] == [None, None, 2]
    history = noted([(0, PastSample(waiting=3)), (1, PastSample()), *every(1.0, 60 + POLLS, 60)])
    assert history.series()["waiting"][0] == 3


def test_a_time_without_polls_is_a_gap_at_any_resolution() -> None:
    before, after = list(every(10.0, HOUR_S)), list(every(10.0, 3 * HOUR_S, 2 * HOUR_S))
    at, waiting = (noted([*before, *after]).series()[name] for name in ("at", "waiting"))
    assert [at[k] for k, one in enumerate(waiting) if one is None] == [NOON + HOUR_S + 60]
    long_ago = noted([*before, *after, *every(60.0, 20 * HOUR_S, 3 * HOUR_S + 60)]).series()
    assert [long_ago["at"][k] for k, one in enumerate(long_ago["waiting"]) if one is None] == [NOON + HOUR_S + 300]
    recent = noted([(0, PastSample(waiting=1)), (GAP_S + 1, PastSample(waiting=1))]).series()
    assert (recent["at"], recent["waiting"]) == ([NOON, NOON + GAP_S, NOON + GAP_S + 1], [1, None, 1])


def test_an_idle_service_that_is_polled_every_five_minutes_has_no_gaps() -> None:
    history = noted(every(290.0, 24 * HOUR_S), interval_s=290.0)
    assert None not in history.series()["waiting"]
    assert None not in history.outline("waiting", 6 * HOUR_S, 360), "each minute has the newest value"
    assert history.in_time(6 * HOUR_S)[0] == pytest.approx(6 * HOUR_S / 290, abs=1.1)
    for at, sample in every(10.0, 27 * HOUR_S, 24 * HOUR_S + 20):
        history.note(NOON + at, sample)
    assert None not in history.series()["waiting"], "also as minutes"


def test_only_the_points_after_an_instant_are_returned_to_a_page_that_has_the_others() -> None:
    history = noted(every(10.0, 10 * HOUR_S))
    last = NOON + 10 * HOUR_S
    assert history.series(last - 20)["at"] == [last - 10, last]
    assert history.series(last)["at"] == []
    whole = history.series()["at"]
    assert history.series(last - 5 * HOUR_S)["at"] == [one for one in whole if one is not None and one > last - 18_000]


def test_an_outline_has_the_maximum_age_and_the_newest_task_count_of_each_part() -> None:
    history = noted((at, replace(sample, oldest_s=at % 360)) for at, sample in every(10.0, 6.5 * HOUR_S))
    ages, tasks = (history.outline(name, 6 * HOUR_S, 60) for name in ("oldest_s", "running"))
    assert (len(ages), len(tasks)) == (60, 60)
    assert ages[:-1] == [350] * 59
    assert ages[-1] == 0, "the last part has begun just now"
    assert [later - before for before, later in pairwise(one for one in tasks[:-1] if one is not None)] == [360] * 58
    assert tasks[-1] == 6.5 * HOUR_S


def test_an_outline_stays_the_same_except_for_its_last_part_and_is_unknown_before_the_first_poll() -> None:
    history = noted(every(10.0, HOUR_S + 20))
    before = history.outline("running", 6 * HOUR_S, 60)
    assert before[:49] == [None] * 49
    assert before[49] is not None
    history.note(NOON + HOUR_S + 300, PastSample(running=5))
    assert history.outline("running", 6 * HOUR_S, 60) == [*before[:-1], 5]
    history.note(NOON + HOUR_S + 360, PastSample(running=6))
    assert history.outline("running", 6 * HOUR_S, 60) == [*before[1:-1], 5, 6]
    assert StatusHistory().outline("running", HOUR_S, 3) == [None, None, None]
    assert len(history.outline("running", 24 * HOUR_S, 96)) == 96
    assert history.outline("running", 60, 4)[-1] == 6, "parts that are shorter than a minute repeat it"


def test_the_first_sample_says_since_when_there_is_a_history() -> None:
    assert StatusHistory().first_at is None
    assert noted(every(10.0, HOUR_S, 7.0)).first_at == NOON + 7
    assert noted(every(60.0, 30 * HOUR_S)).first_at == NOON + 6 * HOUR_S


def test_the_sum_over_queues_is_known_only_if_each_was_read() -> None:
    poll = decided(seen(backlog=(5, 1, 0)))
    assert poll.observation is not None
    both = replace(poll.observation, queues=(*poll.observation.queues, QueueReading("other", Missing("no"))))
    assert isnan(sample_of(replace(poll, observation=both), None).waiting)


def test_a_small_clock_step_back_continues_the_history_and_a_large_one_or_a_day_without_polls_clears_it() -> None:
    history = noted([(0, PastSample(waiting=1)), (-120, PastSample(waiting=2))])
    assert (history.series()["at"], history.series()["waiting"]) == ([NOON], [2])
    history.note(NOON - 121, PastSample(waiting=3))
    assert (history.series()["at"], history.series()["waiting"]) == ([NOON - 121], [3])
    history.note(NOON - 121 + DAY_S, PastSample(waiting=4))
    assert (history.series()["waiting"], history.first_at) == ([4], NOON - 121 + DAY_S)


@given(st.lists(st.tuples(st.floats(-4e4, 1.6e5), st.floats(0, 1e6)), max_size=60))
def test_the_history_is_bounded_and_its_points_ascend(notes: list[tuple[float, float]]) -> None:
    history = noted((after_s, PastSample(waiting=waiting)) for after_s, waiting in notes)
    at: list[Any] = history.series()["at"]
    assert at == sorted(at)
    assert memory_of(history) <= 40 * 1024


def memory_of(history: StatusHistory) -> int:
    rings = history._polls, history._minutes, history._coarse
    held = (history, history._times, history._held, history._sums, *rings, *(ring.values for ring in rings))
    return sum(map(sys.getsizeof, held))


def test_the_history_of_a_service_takes_35_kilobytes() -> None:
    history = noted(every(10.0, 30 * HOUR_S, 5 * HOUR_S))
    for hours in range(1, 25):
        history.in_time(hours * HOUR_S)
    assert 35_136 <= memory_of(history) <= 37_000


def test_a_copy_of_the_history_does_not_change() -> None:
    history = noted([(0, PastSample(waiting=1))])
    copy = history.copied()
    history.note(NOON, PastSample(waiting=2))
    history.note(NOON + 400, PastSample(waiting=2))
    assert (copy.series()["waiting"], history.series()["waiting"]) == ([1], [2, None, 2])


@pytest.mark.parametrize(
    ("poll", "waiting", "desired"),
    [(holding(), 0.0, 2.0), (decided(seen(backlog=Missing("no"))), nan, 2.0), (unread(), nan, nan)],
    ids=["read", "queue not read", "service not read"],
)
def test_an_unread_value_is_nan_and_not_zero(poll: Any, waiting: Any, desired: Any) -> None:
    sample = sample_of(poll, None)
    assert repr((sample.waiting, sample.desired)) == repr((waiting, desired))
