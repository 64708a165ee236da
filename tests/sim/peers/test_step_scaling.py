"""Step scaling with the steps of the CDK's queue service."""

from __future__ import annotations

import pytest

from autoscaler.sim.model import Meter, Scaler
from autoscaler.sim.peers import parse
from tests.sim.peers.fakes import Told, setup


def told(*visible: float | None, tasks: int = 10, now: float = 3600.0) -> Told:
    world = Told(now=now, desired=tasks)
    world.say(Meter.VISIBLE, *visible)
    return world


def evaluated(world: Told, scaler: Scaler) -> int:
    scaler.tick(world)
    return world.desired


@pytest.mark.parametrize(
    ("visible", "tasks"), [(99, 10), (100, 11), (499, 11), (500, 15), (90_000, 15), (1, 10), (0, 9)]
)
def test_the_steps_are_of_one_from_a_hundred_five_from_five_hundred_and_one_fewer_at_none(
    visible: float, tasks: int
) -> None:
    assert evaluated(told(*[visible] * 5), parse("step-scaling", setup())) == tasks


def test_the_metric_is_the_mean_of_five_minutes_that_are_all_there() -> None:
    assert evaluated(told(0, 0, 0, 0, 500), parse("step-scaling", setup())) == 11
    assert evaluated(told(*[900] * 4), parse("step-scaling", setup())) == 10
    assert evaluated(told(900, 900, None, 900, 900), parse("step-scaling", setup())) == 10


@pytest.mark.parametrize(("later_s", "tasks"), [(299.0, 11), (300.0, 12)])
def test_the_same_step_passes_once_in_a_cooldown(later_s: float, tasks: int) -> None:
    scaler = parse("step-scaling", setup())
    evaluated(told(*[100] * 5), scaler)
    assert evaluated(told(*[100] * 5, tasks=11, now=3600.0 + later_s), scaler) == tasks


def test_a_larger_step_passes_in_the_cooldown_less_what_was_added() -> None:
    scaler = parse("step-scaling", setup())
    evaluated(told(*[100] * 5), scaler)
    assert evaluated(told(*[500] * 5, tasks=11, now=3660.0), scaler) == 15


@pytest.mark.parametrize(("later_s", "tasks"), [(299.0, 9), (300.0, 8)])
def test_scaling_in_waits_for_its_cooldown(later_s: float, tasks: int) -> None:
    scaler = parse("step-scaling", setup())
    evaluated(told(*[0] * 5), scaler)
    assert evaluated(told(*[0] * 5, tasks=9, now=3600.0 + later_s), scaler) == tasks


def test_the_last_task_stays() -> None:
    assert evaluated(told(*[0] * 5, tasks=1), parse("step-scaling", setup())) == 1


def test_during_a_deployment_it_does_not_scale_in() -> None:
    world = told(*[0] * 5)
    world.deployment_s = 0.0
    assert evaluated(world, parse("step-scaling", setup())) == 10
