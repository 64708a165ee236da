"""What `check` says of settings that are valid, and may surprise all the same."""

from __future__ import annotations

from autoscaler.config import load, notes
from tests.config.spoken import FLAT


def told(**changes: str) -> tuple[str, ...]:
    return notes(load({**FLAT, **{f"AUTOSCALER_{name}": value for name, value in changes.items()}}))


def test_a_first_message_that_must_wait_longer_than_it_may_is_told_of() -> None:
    (note,) = told(ACCEPTABLE_LATENCY="60s")
    assert "about 70s" in note
    assert "may wait 60s" in note
    assert told(ACCEPTABLE_LATENCY="70s") == ()
    assert told(ACCEPTABLE_LATENCY="60s", MIN_TASKS="1") == ()


def test_a_service_that_nothing_can_wake_is_told_of() -> None:
    cpu = {name: value for name, value in FLAT.items() if "QUEUES" not in name and "PROCESSING" not in name}
    (note,) = notes(load(cpu | {"AUTOSCALER_CPU_TARGET_PERCENT": "60"}))
    assert "min_tasks=1" in note
