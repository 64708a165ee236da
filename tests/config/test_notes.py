"""Notes of `check` on valid settings that may have unexpected effects."""

from __future__ import annotations

from autoscaler.config import load, notes, waking_notes
from autoscaler.core.policy import WorkerSafety
from autoscaler.core.workers import REMEDY
from tests.config.spoken import FLAT


def notes_for(**changes: str) -> tuple[str, ...]:
    given = {"PROCESSING_TIME": "5s"} | changes
    return notes(load({**FLAT, **{f"AUTOSCALER_{name}": value for name, value in given.items()}}))


def test_a_first_message_that_misses_its_latency_target_is_noted() -> None:
    (note,) = notes_for(ACCEPTABLE_LATENCY="60s")
    assert "about 70 s" in note
    assert "latency target is 60 s" in note
    assert notes_for(ACCEPTABLE_LATENCY="70s") == ()
    assert notes_for(ACCEPTABLE_LATENCY="60s", MIN_TASKS="1") == ()


def workers(**changes: str) -> tuple[str, ...]:
    return notes_for(MIN_TASKS="1", **changes)


def test_the_assumption_about_workers_is_noted_if_a_message_takes_longer_than_the_stop_timeout() -> None:
    (note,) = workers(PROCESSING_TIME="95s")
    assert "processing_time is 95 s" in note
    assert "30 s" in note
    assert REMEDY in note
    assert note.startswith("orders: ")
    assert workers(PROCESSING_TIME="30s") == ()
    assert len(workers(PROCESSING_TIME="30.001s")) == 1
    assert not any(REMEDY in each for each in workers(PROCESSING_TIME="none")), "an unknown time may be short"
    for kind in WorkerSafety:
        assert workers(PROCESSING_TIME="95s", WORKERS=kind) == (), "`workers` is set"


def test_the_note_about_workers_is_not_a_note_about_the_first_message() -> None:
    config = load({**FLAT, "AUTOSCALER_PROCESSING_TIME": "95s", "AUTOSCALER_ACCEPTABLE_LATENCY": "60s"})
    assert len(notes(config)) == 2
    assert len(waking_notes(config)) == 1


def test_a_service_that_cannot_scale_from_zero_is_noted() -> None:
    cpu = {name: value for name, value in FLAT.items() if "QUEUES" not in name and "PROCESSING" not in name}
    (note,) = notes(load(cpu | {"AUTOSCALER_CPU_TARGET_PERCENT": "60"}))
    assert "min_tasks=1" in note
