"""The target-value strategy of the Nomad Autoscaler, as documented."""

from __future__ import annotations

import pytest

from autoscaler.sim.peers.nomad import Nomad, NomadSettings
from tests.sim.peers.fakes import ScriptedQueue


def nomad(**changes: float) -> Nomad:
    return Nomad(NomadSettings(**{"target": 10.0, "min_tasks": 0, "max_tasks": 100, **changes}))  # type: ignore[arg-type]


@pytest.mark.parametrize(("messages", "count"), [(101, 10), (102, 11), (160, 16), (99, 10), (98, 10), (80, 8), (0, 0)])
def test_the_count_is_multiplied_by_metric_over_target_outside_the_closed_threshold(messages: int, count: int) -> None:
    world = ScriptedQueue(visible=messages, desired=10)
    assert world.polls(nomad(), 0.0) == count


def test_the_threshold_is_closed_at_its_lower_end() -> None:
    world = ScriptedQueue(visible=1980, desired=200)
    assert world.polls(nomad(max_tasks=500), 0.0) == 200


def test_at_zero_tasks_the_new_count_is_metric_over_target() -> None:
    world = ScriptedQueue(visible=45, desired=0)
    assert world.polls(nomad(), 0.0) == 5


def test_the_cooldown_of_five_minutes_applies_to_both_directions() -> None:
    world, scaler = ScriptedQueue(visible=200, desired=10), nomad()
    world.polls(scaler, 0.0)
    world.visible = 900
    world.polls(scaler, 295.0)
    assert world.changes == [(0.0, 20)]
    world.polls(scaler, 300.0)
    world.visible = 10
    world.polls(scaler, 600.0)
    assert world.changes == [(0.0, 20), (300.0, 90), (600.0, 1)]


def test_a_restart_does_not_end_the_cooldown() -> None:
    world, scaler = ScriptedQueue(visible=200, desired=10), nomad()
    world.polls(scaler, 0.0)
    scaler.restart()
    world.visible = 900
    assert world.polls(scaler, 290.0) == 20


def test_a_failed_query_or_a_deployment_prevents_a_change() -> None:
    world, scaler = ScriptedQueue(visible=0, desired=10, unavailable=True), nomad()
    assert world.polls(scaler, 100.0) == 10
    world.unavailable, world.deployment_s, world.visible = False, 90.0, 900
    assert world.polls(scaler, 200.0) == 10


def test_a_throttled_change_starts_no_cooldown() -> None:
    world, scaler = ScriptedQueue(visible=200, desired=10, throttled=True), nomad()
    world.polls(scaler, 0.0)
    world.throttled = False
    assert world.polls(scaler, 10.0) == 20


def test_the_count_stays_within_the_bounds() -> None:
    world = ScriptedQueue(visible=9000, desired=10)
    assert world.polls(nomad(max_tasks=40), 0.0) == 40
    world = ScriptedQueue(visible=0, desired=10)
    assert world.polls(nomad(min_tasks=3), 0.0) == 3
