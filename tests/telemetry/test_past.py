"""The history of six hours: how samples of a slot are merged, what is removed, and that unknown values stay unknown."""

from __future__ import annotations

from array import array
from dataclasses import replace
from math import isnan, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.model import Missing, QueueReading
from autoscaler.telemetry.past import NAMES, SLOTS, STEP_S, PastSample, StatusHistory, sample_of
from tests.telemetry.polls import NOON, decided, holding, seen, unread


def test_a_slot_has_maximum_values_the_newest_task_counts_and_sums_of_messages() -> None:
    history = StatusHistory()
    history.note(
        NOON, PastSample(waiting=90, in_flight=2, desired=5, running=4, demand=9, oldest_s=20, received=3, late=1)
    )
    history.note(
        NOON + 10, PastSample(waiting=10, in_flight=7, desired=4, running=5, demand=2, oldest_s=30, received=4, late=0)
    )
    assert history.newest() == {
        "at": NOON, "waiting": 90, "in_flight": 7, "desired": 4, "running": 5, "demand": 9, "oldest_s": 30,
        "received": 7, "late": 1,
    }  # fmt: skip


def test_an_unread_value_is_unknown_and_does_not_replace_a_value_in_its_slot() -> None:
    history = StatusHistory()
    history.note(NOON, PastSample(waiting=3))
    history.note(NOON + 1, PastSample())
    history.note(NOON + STEP_S, PastSample(running=2))
    assert history.series()["waiting"] == [3, None]
    assert history.series()["running"] == [None, 2]


def test_a_slot_is_half_open_and_a_skipped_slot_is_omitted() -> None:
    history = StatusHistory()
    for after_s in (0, STEP_S - 0.001, STEP_S, 3 * STEP_S):
        history.note(NOON + after_s, PastSample(waiting=1, received=1))
    assert history.series()["at"] == [NOON, NOON + STEP_S, NOON + 3 * STEP_S]
    assert history.series()["received"] == [2, 1, 1]


def test_a_value_is_removed_after_six_hours_also_if_slots_were_skipped() -> None:
    history = StatusHistory()
    history.note(NOON, PastSample(waiting=1))
    history.note(NOON + SLOTS * STEP_S - 1, PastSample(waiting=2))
    assert history.series()["waiting"] == [1, 2]
    history.note(NOON + SLOTS * STEP_S, PastSample(waiting=3))
    assert history.series()["waiting"] == [2, 3]
    history.note(NOON + 9 * SLOTS * STEP_S, PastSample(waiting=4))
    assert history.series()["waiting"] == [4]


def test_a_reused_slot_has_no_value_from_six_hours_before() -> None:
    history = StatusHistory()
    history.note(NOON, PastSample(waiting=9))
    history.note(NOON + (SLOTS - 1) * STEP_S, PastSample(waiting=1))
    history.note(NOON + SLOTS * STEP_S, PastSample(waiting=3))
    assert history.series()["waiting"] == [1, 3]


def test_the_sum_over_queues_is_known_only_if_each_was_read() -> None:
    poll = decided(seen(backlog=(5, 1, 0)))
    assert poll.observation is not None
    both = replace(poll.observation, queues=(*poll.observation.queues, QueueReading("other", Missing("no"))))
    assert isnan(sample_of(replace(poll, observation=both), None).waiting)


def test_a_small_clock_step_back_continues_the_history_and_a_large_one_clears_it() -> None:
    history = StatusHistory()
    history.note(NOON, PastSample(waiting=1))
    history.note(NOON - 4 * STEP_S, PastSample(waiting=2))
    assert history.series()["waiting"] == [2]
    history.note(NOON - 5 * STEP_S, PastSample(waiting=3))
    assert (history.series()["at"], history.series()["waiting"]) == ([NOON - 5 * STEP_S], [3])


@given(st.lists(st.tuples(st.floats(-4e4, 4e4), st.floats(0, 1e6)), max_size=60))
def test_the_history_is_bounded_and_its_slots_ascend(notes: list[tuple[float, float]]) -> None:
    history = StatusHistory()
    for after_s, waiting in notes:
        history.note(NOON + after_s, PastSample(waiting=waiting))
    at = history.series()["at"]
    assert at == sorted({one for one in at if one is not None})
    assert len(at) <= SLOTS
    assert {len(line) for line in history._lines.values()} == {SLOTS}


def test_the_history_of_a_service_takes_23_kilobytes() -> None:
    assert len(NAMES) * SLOTS * array("f").itemsize == 23_040


def test_a_copy_of_the_history_does_not_change() -> None:
    history = StatusHistory()
    history.note(NOON, PastSample(waiting=1))
    copy = history.copied()
    history.note(NOON, PastSample(waiting=2))
    assert (copy.series()["waiting"], history.series()["waiting"]) == ([1], [2])


@pytest.mark.parametrize(
    ("poll", "waiting", "desired"),
    [(holding(), 0.0, 2.0), (decided(seen(backlog=Missing("no"))), nan, 2.0), (unread(), nan, nan)],
    ids=["read", "queue not read", "service not read"],
)
def test_an_unread_value_is_nan_and_not_zero(poll: Any, waiting: Any, desired: Any) -> None:
    sample = sample_of(poll, None)
    assert repr((sample.waiting, sample.desired)) == repr((waiting, desired))
