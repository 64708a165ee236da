"""KEDA with its HPA, as documented for the ScaledObject."""

from __future__ import annotations

import pytest

from autoscaler.sim.peers import parse
from autoscaler.sim.peers.keda import Keda, KedaSettings
from tests.sim.peers.fakes import ScriptedQueue, setup


def keda(**changes: float) -> Keda:
    return Keda(KedaSettings(**{"queue_length": 5, "min_tasks": 0, "max_tasks": 100, **changes}))  # type: ignore[arg-type]


def test_scale_out_adds_four_tasks_or_doubles_every_fifteen_seconds() -> None:
    world = ScriptedQueue(visible=400, desired=1)
    world.polls(keda(), 75.0)
    assert world.changes == [(0.0, 5), (15.0, 10), (30.0, 20), (45.0, 40), (60.0, 80)]


def test_messages_in_flight_count_as_load() -> None:
    world = ScriptedQueue(visible=5, in_flight=20, desired=1)
    assert world.polls(keda(), 15.0) == 5


def test_the_slower_poll_activates_the_first_task_and_the_hpa_continues_from_there() -> None:
    world, scaler = ScriptedQueue(desired=0), keda()
    world.polls(scaler, 0.0)
    world.visible = 25
    world.polls(scaler, 45.0)
    assert world.changes == [(30.0, 1), (45.0, 5)]


def test_scale_in_goes_to_the_highest_recommendation_of_five_minutes() -> None:
    world, scaler = ScriptedQueue(visible=200, desired=40), keda()
    world.polls(scaler, 0.0)
    world.visible = 20
    world.polls(scaler, 600.0)
    assert world.changes == [(300.0, 4)]


def test_scale_to_zero_comes_five_minutes_after_the_last_message_regardless_of_the_hpa() -> None:
    world, scaler = ScriptedQueue(visible=200, desired=40), keda()
    world.polls(scaler, 30.0)
    world.visible = 0
    world.polls(scaler, 600.0)
    assert world.changes[-1] == (360.0, 0)
    assert (345.0, 1) not in world.changes[:-1]


def test_a_queue_without_any_message_so_far_scales_to_zero_at_once() -> None:
    world = ScriptedQueue(desired=1)
    assert world.polls(keda(), 0.0) == 0


def test_a_minimum_above_zero_prevents_scale_to_zero() -> None:
    world = ScriptedQueue(desired=2)
    assert world.polls(keda(min_tasks=2), 1200.0) == 2


def test_a_change_within_the_tolerance_is_not_made() -> None:
    world = ScriptedQueue(visible=54, desired=10)
    assert world.polls(keda(), 60.0) == 10


def test_a_queue_that_cannot_be_read_changes_nothing() -> None:
    world, scaler = ScriptedQueue(visible=200, desired=40), keda()
    world.polls(scaler, 30.0)
    world.visible, world.unavailable = 0, True
    assert world.polls(scaler, 3600.0) == 40
    world.desired = 0
    assert world.polls(scaler, 4000.0) == 0


@pytest.mark.parametrize(("desired", "corrected"), [(150, 100), (2, 3), (100, 100), (3, 3), (0, 0)])
def test_a_count_out_of_bounds_is_corrected_even_if_the_queue_cannot_be_read(desired: int, corrected: int) -> None:
    world = ScriptedQueue(desired=desired, unavailable=True)
    assert world.polls(keda(min_tasks=3), 60.0) == corrected


def test_a_restarted_controller_does_not_scale_in_for_five_minutes() -> None:
    world, scaler = ScriptedQueue(visible=20, desired=40), keda()
    world.polls(scaler, 285.0)
    scaler.restart()
    world.polls(scaler, 585.0)
    assert world.changes == []
    assert world.polls(scaler, 600.0) == 4


def test_one_message_activates_the_service_and_keeps_it_active() -> None:
    world, scaler = ScriptedQueue(visible=1, desired=0), keda()
    assert world.polls(scaler, 900.0) == 1


def test_a_throttled_change_does_not_count_against_the_rate() -> None:
    world, scaler = ScriptedQueue(visible=400, desired=10, throttled=True), keda(sync_s=5.0)
    world.polls(scaler, 0.0)
    world.throttled = False
    world.polls(scaler, 10.0)
    assert world.changes == [(5.0, 20)]


@pytest.mark.parametrize(("spec", "length"), [("keda", 5), ("keda:12", 12), ("keda:latency", 12)])
def test_the_queue_length_is_the_setting_or_the_messages_per_task_within_the_latency(spec: str, length: int) -> None:
    world = ScriptedQueue(visible=10 * length, desired=9)
    assert world.polls(parse(spec, setup(60.0)), 0.0) == 10
