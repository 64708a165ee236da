"""Step scaling with the steps of the CDK queue processing service."""

from __future__ import annotations

import pytest

from autoscaler.sim.model import Meter, Scaler
from autoscaler.sim.peers import parse
from tests.sim.peers.fakes import ScriptedQueue, setup


def published(*visible: float | None, tasks: int = 10, now: float = 3600.0) -> ScriptedQueue:
    world = ScriptedQueue(now=now, desired=tasks)
    world.publish(Meter.VISIBLE, *visible)
    return world


def evaluated(world: ScriptedQueue, scaler: Scaler) -> int:
    scaler.poll(world)
    return world.desired


@pytest.mark.parametrize(
    ("visible", "tasks"), [(99, 10), (100, 11), (499, 11), (500, 15), (90_000, 15), (1, 10), (0, 9)]
)
def test_the_steps_add_one_from_100_messages_and_five_from_500_and_remove_one_at_0(visible: float, tasks: int) -> None:
    assert evaluated(published(*[visible] * 5), parse("step-scaling", setup())) == tasks


def test_the_metric_is_the_maximum_of_five_complete_minutes() -> None:
    assert evaluated(published(0, 0, 0, 0, 500), parse("step-scaling", setup())) == 15
    assert evaluated(published(0, 120, 0, 0, 0), parse("step-scaling", setup())) == 11
    assert evaluated(published(0, 1, 0, 0, 0), parse("step-scaling", setup())) == 10
    assert evaluated(published(*[900] * 4), parse("step-scaling", setup())) == 10
    assert evaluated(published(900, 900, None, 900, 900), parse("step-scaling", setup())) == 10


@pytest.mark.parametrize(("later_s", "tasks"), [(299.0, 11), (300.0, 12)])
def test_the_same_step_applies_once_per_cooldown(later_s: float, tasks: int) -> None:
    scaler = parse("step-scaling", setup())
    evaluated(published(*[100] * 5), scaler)
    assert evaluated(published(*[100] * 5, tasks=11, now=3600.0 + later_s), scaler) == tasks


def test_a_larger_step_applies_during_the_cooldown_less_the_tasks_already_added() -> None:
    scaler = parse("step-scaling", setup())
    evaluated(published(*[100] * 5), scaler)
    assert evaluated(published(*[500] * 5, tasks=11, now=3660.0), scaler) == 15


@pytest.mark.parametrize(("later_s", "tasks"), [(299.0, 9), (300.0, 8)])
def test_scaling_in_waits_for_its_cooldown(later_s: float, tasks: int) -> None:
    scaler = parse("step-scaling", setup())
    evaluated(published(*[0] * 5), scaler)
    assert evaluated(published(*[0] * 5, tasks=9, now=3600.0 + later_s), scaler) == tasks


def test_the_last_task_is_never_removed() -> None:
    assert evaluated(published(*[0] * 5, tasks=1), parse("step-scaling", setup())) == 1


def test_step_scaling_does_not_scale_in_during_a_deployment() -> None:
    world = published(*[0] * 5)
    world.deployment_s = 0.0
    assert evaluated(world, parse("step-scaling", setup())) == 10
