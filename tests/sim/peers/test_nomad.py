"""The Nomad Autoscaler's target-value strategy, as its documentation has it."""

from __future__ import annotations

import pytest

from autoscaler.sim.peers.nomad import Nomad, NomadSettings
from tests.sim.peers.fakes import Told


def nomad(**changes: float) -> Nomad:
    return Nomad(NomadSettings(**{"target": 10.0, "min_tasks": 0, "max_tasks": 100, **changes}))  # type: ignore[arg-type]


@pytest.mark.parametrize(("messages", "count"), [(101, 10), (102, 11), (160, 16), (99, 10), (98, 10), (80, 8), (0, 0)])
def test_the_count_is_multiplied_by_metric_over_target_outside_a_closed_threshold(messages: int, count: int) -> None:
    world = Told(visible=messages, desired=10)
    assert world.ticks(nomad(), 0.0) == count


def test_the_threshold_is_closed_below_too() -> None:
    world = Told(visible=1980, desired=200)
    assert world.ticks(nomad(max_tasks=500), 0.0) == 200


def test_from_none_the_factor_is_the_count() -> None:
    world = Told(visible=45, desired=0)
    assert world.ticks(nomad(), 0.0) == 5


def test_after_any_scaling_nothing_is_done_for_five_minutes_in_either_direction() -> None:
    world, scaler = Told(visible=200, desired=10), nomad()
    world.ticks(scaler, 0.0)
    world.visible = 900
    world.ticks(scaler, 295.0)
    assert world.changes == [(0.0, 20)]
    world.ticks(scaler, 300.0)
    world.visible = 10
    world.ticks(scaler, 600.0)
    assert world.changes == [(0.0, 20), (300.0, 90), (600.0, 1)]


def test_a_restart_does_not_end_the_cooldown() -> None:
    world, scaler = Told(visible=200, desired=10), nomad()
    world.ticks(scaler, 0.0)
    scaler.restart()
    world.visible = 900
    assert world.ticks(scaler, 290.0) == 20


def test_a_failed_query_or_a_deployment_ends_the_evaluation() -> None:
    world, scaler = Told(visible=0, desired=10, blind=True), nomad()
    assert world.ticks(scaler, 100.0) == 10
    world.blind, world.deployment_s, world.visible = False, 90.0, 900
    assert world.ticks(scaler, 200.0) == 10


def test_a_refused_change_begins_no_cooldown() -> None:
    world, scaler = Told(visible=200, desired=10, refusing=True), nomad()
    world.ticks(scaler, 0.0)
    world.refusing = False
    assert world.ticks(scaler, 10.0) == 20


def test_the_count_is_kept_within_bounds() -> None:
    world = Told(visible=9000, desired=10)
    assert world.ticks(nomad(max_tasks=40), 0.0) == 40
    world = Told(visible=0, desired=10)
    assert world.ticks(nomad(min_tasks=3), 0.0) == 3
