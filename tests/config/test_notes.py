"""What `check` says of settings that are valid, and may surprise all the same."""

from __future__ import annotations

from autoscaler.config import load, notes, waking_notes
from autoscaler.core.policy import Workers
from autoscaler.core.workers import REMEDY
from tests.config.spoken import FLAT


def told(**changes: str) -> tuple[str, ...]:
    return notes(load({**FLAT, **{f"AUTOSCALER_{name}": value for name, value in changes.items()}}))


def test_a_first_message_that_must_wait_longer_than_it_may_is_told_of() -> None:
    (note,) = told(ACCEPTABLE_LATENCY="60s")
    assert "about 70s" in note
    assert "may wait 60s" in note
    assert told(ACCEPTABLE_LATENCY="70s") == ()
    assert told(ACCEPTABLE_LATENCY="60s", MIN_TASKS="1") == ()


def workers(**changes: str) -> tuple[str, ...]:
    return told(MIN_TASKS="1", **changes)


def test_what_is_assumed_of_workers_is_told_where_a_message_takes_longer_than_ecs_waits() -> None:
    (note,) = workers(PROCESSING_TIME="95s")
    assert "processing_time is 95s" in note
    assert "30 s" in note
    assert REMEDY in note
    assert note.startswith("orders: ")
    assert workers(PROCESSING_TIME="30s") == ()
    assert len(workers(PROCESSING_TIME="30.001s")) == 1
    assert workers(PROCESSING_TIME="none") == (), "what is not known yet may be short"
    for kind in Workers:
        assert workers(PROCESSING_TIME="95s", WORKERS=kind) == (), "the operator said it"


def test_it_is_no_note_about_the_first_message() -> None:
    config = load({**FLAT, "AUTOSCALER_PROCESSING_TIME": "95s", "AUTOSCALER_ACCEPTABLE_LATENCY": "60s"})
    assert len(notes(config)) == 2
    assert len(waking_notes(config)) == 1


def test_a_service_that_nothing_can_wake_is_told_of() -> None:
    cpu = {name: value for name, value in FLAT.items() if "QUEUES" not in name and "PROCESSING" not in name}
    (note,) = notes(load(cpu | {"AUTOSCALER_CPU_TARGET_PERCENT": "60"}))
    assert "min_tasks=1" in note
