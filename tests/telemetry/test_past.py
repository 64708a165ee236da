"""The ring of six hours: what it keeps, what it merges, and what it never makes up."""

from __future__ import annotations

from array import array
from dataclasses import replace
from math import isnan, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.model import Missing, QueueReading
from autoscaler.telemetry.past import NAMES, SLOTS, STEP_S, Past, Sample, sample_of
from tests.telemetry.ticks import NOON, decided, holding, seen, unread


def test_within_a_slot_peaks_stay_the_last_count_of_tasks_holds_and_messages_add_up() -> None:
    past = Past()
    past.note(NOON, Sample(waiting=90, in_flight=2, desired=5, running=4, asked=9, oldest_s=20, received=3, late=1))
    past.note(
        NOON + 10, Sample(waiting=10, in_flight=7, desired=4, running=5, asked=2, oldest_s=30, received=4, late=0)
    )
    assert past.newest() == {
        "at": NOON, "waiting": 90, "in_flight": 7, "desired": 4, "running": 5, "asked": 9, "oldest_s": 30,
        "received": 7, "late": 1,
    }  # fmt: skip


def test_what_was_not_read_is_unknown_and_hides_nothing_that_was() -> None:
    past = Past()
    past.note(NOON, Sample(waiting=3))
    past.note(NOON + 1, Sample())
    past.note(NOON + STEP_S, Sample(running=2))
    assert past.series()["waiting"] == [3, None]
    assert past.series()["running"] == [None, 2]


def test_a_slot_is_half_open_and_one_that_was_passed_over_is_not_there() -> None:
    past = Past()
    for after_s in (0, STEP_S - 0.001, STEP_S, 3 * STEP_S):
        past.note(NOON + after_s, Sample(waiting=1, received=1))
    assert past.series()["at"] == [NOON, NOON + STEP_S, NOON + 3 * STEP_S]
    assert past.series()["received"] == [2, 1, 1]


def test_it_forgets_after_six_hours_also_what_lies_in_slots_that_nobody_wrote_to() -> None:
    past = Past()
    past.note(NOON, Sample(waiting=1))
    past.note(NOON + SLOTS * STEP_S - 1, Sample(waiting=2))
    assert past.series()["waiting"] == [1, 2]
    past.note(NOON + SLOTS * STEP_S, Sample(waiting=3))
    assert past.series()["waiting"] == [2, 3]
    past.note(NOON + 9 * SLOTS * STEP_S, Sample(waiting=4))
    assert past.series()["waiting"] == [4]


def test_a_slot_that_comes_round_holds_nothing_of_six_hours_ago() -> None:
    past = Past()
    past.note(NOON, Sample(waiting=9))
    past.note(NOON + (SLOTS - 1) * STEP_S, Sample(waiting=1))
    past.note(NOON + SLOTS * STEP_S, Sample(waiting=3))
    assert past.series()["waiting"] == [1, 3]


def test_of_several_queues_the_sum_is_known_only_where_each_was_read() -> None:
    tick = decided(seen(backlog=(5, 1, 0)))
    assert tick.observation is not None
    both = replace(tick.observation, queues=(*tick.observation.queues, QueueReading("other", Missing("no"))))
    assert isnan(sample_of(replace(tick, observation=both), None).waiting)


def test_a_clock_that_is_trimmed_goes_on_and_one_that_was_set_back_begins_anew() -> None:
    past = Past()
    past.note(NOON, Sample(waiting=1))
    past.note(NOON - 4 * STEP_S, Sample(waiting=2))
    assert past.series()["waiting"] == [2]
    past.note(NOON - 5 * STEP_S, Sample(waiting=3))
    assert (past.series()["at"], past.series()["waiting"]) == ([NOON - 5 * STEP_S], [3])


@given(st.lists(st.tuples(st.floats(-4e4, 4e4), st.floats(0, 1e6)), max_size=60))
def test_it_never_grows_and_its_slots_ascend(notes: list[tuple[float, float]]) -> None:
    past = Past()
    for after_s, waiting in notes:
        past.note(NOON + after_s, Sample(waiting=waiting))
    at = past.series()["at"]
    assert at == sorted({one for one in at if one is not None})
    assert len(at) <= SLOTS
    assert {len(line) for line in past._lines.values()} == {SLOTS}


def test_a_service_costs_23_kilobytes() -> None:
    assert len(NAMES) * SLOTS * array("f").itemsize == 23_040


def test_a_copy_is_written_to_no_more() -> None:
    past = Past()
    past.note(NOON, Sample(waiting=1))
    copy = past.copied()
    past.note(NOON, Sample(waiting=2))
    assert (copy.series()["waiting"], past.series()["waiting"]) == ([1], [2])


@pytest.mark.parametrize(
    ("tick", "waiting", "desired"),
    [(holding(), 0.0, 2.0), (decided(seen(backlog=Missing("no"))), nan, 2.0), (unread(), nan, nan)],
    ids=["read", "queue not read", "service not read"],
)
def test_absent_is_not_zero(tick: Any, waiting: Any, desired: Any) -> None:
    sample = sample_of(tick, None)
    assert repr((sample.waiting, sample.desired)) == repr((waiting, desired))
