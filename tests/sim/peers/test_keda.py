"""KEDA with its HPA, as its ScaledObject documentation has it."""

from __future__ import annotations

import pytest

from autoscaler.sim.peers import parse
from autoscaler.sim.peers.keda import Keda, KedaSettings
from tests.sim.peers.fakes import Told, setup


def keda(**changes: float) -> Keda:
    return Keda(KedaSettings(**{"queue_length": 5, "min_tasks": 0, "max_tasks": 100, **changes}))  # type: ignore[arg-type]


def test_from_one_it_goes_up_by_four_or_doubles_every_fifteen_seconds() -> None:
    world = Told(visible=400, desired=1)
    world.ticks(keda(), 75.0)
    assert world.changes == [(0.0, 5), (15.0, 10), (30.0, 20), (45.0, 40), (60.0, 80)]


def test_what_is_in_flight_is_load_too() -> None:
    world = Told(visible=5, in_flight=20, desired=1)
    assert world.ticks(keda(), 15.0) == 5


def test_from_none_it_wakes_to_one_at_its_own_slower_poll_and_the_hpa_goes_on_from_there() -> None:
    world, scaler = Told(desired=0), keda()
    world.ticks(scaler, 0.0)
    world.visible = 25
    world.ticks(scaler, 45.0)
    assert world.changes == [(30.0, 1), (45.0, 5)]


def test_the_way_down_is_to_the_highest_count_asked_for_in_five_minutes() -> None:
    world, scaler = Told(visible=200, desired=40), keda()
    world.ticks(scaler, 0.0)
    world.visible = 20
    world.ticks(scaler, 600.0)
    assert world.changes == [(300.0, 4)]


def test_to_zero_it_goes_five_minutes_after_the_last_message_whatever_the_hpa_holds() -> None:
    world, scaler = Told(visible=200, desired=40), keda()
    world.ticks(scaler, 30.0)
    world.visible = 0
    world.ticks(scaler, 600.0)
    assert world.changes[-1] == (360.0, 0)
    assert (345.0, 1) not in world.changes[:-1]


def test_a_queue_that_was_never_seen_with_a_message_is_put_to_sleep_at_once() -> None:
    world = Told(desired=1)
    assert world.ticks(keda(), 0.0) == 0


def test_with_a_minimum_it_never_sleeps() -> None:
    world = Told(desired=2)
    assert world.ticks(keda(min_tasks=2), 1200.0) == 2


def test_a_change_within_the_tolerance_is_not_made() -> None:
    world = Told(visible=54, desired=10)
    assert world.ticks(keda(), 60.0) == 10


def test_a_queue_that_cannot_be_read_changes_nothing() -> None:
    world, scaler = Told(visible=200, desired=40), keda()
    world.ticks(scaler, 30.0)
    world.visible, world.blind = 0, True
    assert world.ticks(scaler, 3600.0) == 40
    world.desired = 0
    assert world.ticks(scaler, 4000.0) == 0


def test_a_controller_started_anew_holds_for_five_minutes() -> None:
    world, scaler = Told(visible=20, desired=40), keda()
    world.ticks(scaler, 285.0)
    scaler.restart()
    world.ticks(scaler, 585.0)
    assert world.changes == []
    assert world.ticks(scaler, 600.0) == 4


def test_one_message_is_enough_to_wake_and_to_stay_awake() -> None:
    world, scaler = Told(visible=1, desired=0), keda()
    assert world.ticks(scaler, 900.0) == 1


def test_a_refused_change_uses_up_nothing_of_the_rate() -> None:
    world, scaler = Told(visible=400, desired=10, refusing=True), keda(sync_s=5.0)
    world.ticks(scaler, 0.0)
    world.refusing = False
    world.ticks(scaler, 10.0)
    assert world.changes == [(5.0, 20)]


@pytest.mark.parametrize(("spec", "length"), [("keda", 5), ("keda:12", 12), ("keda:latency", 12)])
def test_the_queue_length_is_the_settings_or_what_a_task_does_within_the_latency(spec: str, length: int) -> None:
    world = Told(visible=10 * length, desired=9)
    assert world.ticks(parse(spec, setup(60.0)), 0.0) == 10
