"""Application Auto Scaling's target tracking, as AWS's pages and the alarms that it makes have it."""

from __future__ import annotations

import pytest

from autoscaler.sim.model import Meter
from autoscaler.sim.peers import parse
from autoscaler.sim.peers.target_tracking import TargetTracking
from tests.sim.peers.fakes import Told, setup


def tracking(spec: str = "target-tracking", **changes: int) -> TargetTracking:
    """At 60 s and 5 s a message: 12 messages per task."""
    scaler = parse(spec, setup(60.0, **changes))
    assert isinstance(scaler, TargetTracking)
    return scaler


def told(*backlogs: float | None, tasks: int = 10, now: float = 3600.0) -> Told:
    """A fleet of that many tasks, and the newest minutes of its backlog per task."""
    world = Told(now=now, desired=tasks)
    world.say(Meter.RUNNING, *[0.0 if backlog is None else float(tasks) for backlog in backlogs])
    world.say(Meter.VISIBLE, *[0.0 if backlog is None else backlog * tasks for backlog in backlogs])
    return world


def evaluated(world: Told, scaler: TargetTracking) -> int:
    scaler.tick(world)
    return world.desired


@pytest.mark.parametrize(
    ("backlogs", "tasks"),
    [([12.1, 13, 24], 20), ([12, 13, 24], 10), ([24, 24], 10), ([24, None, 24], 10), ([24, 24, 24, 12.6], 11)],
)
def test_out_in_proportion_after_three_minutes_above_the_target(backlogs: list[float], tasks: int) -> None:
    assert evaluated(told(*backlogs), tracking()) == tasks


@pytest.mark.parametrize(
    ("backlogs", "tasks"),
    [([10.7] * 15, 9), ([10.7] * 14, 10), ([10.8] * 15, 10), ([*[1.0] * 7, 10.9, *[1.0] * 7], 10), ([0.0] * 15, 9)],
)
def test_in_after_fifteen_minutes_below_nine_tenths_of_it(backlogs: list[float], tasks: int) -> None:
    assert evaluated(told(*backlogs), tracking()) == tasks


def test_in_it_goes_by_a_tenth_at_most_and_by_one_at_least() -> None:
    assert evaluated(told(*[0.0] * 15, tasks=50), tracking()) == 45
    assert evaluated(told(*[0.0] * 15, tasks=50), tracking("target-tracking:latency/300/100")) == 1
    assert evaluated(told(*[0.0] * 15, tasks=2), tracking()) == 1


def test_in_it_is_rounded_up_so_that_the_metric_stays_below_the_target() -> None:
    assert evaluated(told(*[8.0] * 15, tasks=10), tracking("target-tracking:latency/300/100")) == 7


def test_it_never_goes_to_none_where_the_metric_would_be_undefined() -> None:
    assert evaluated(told(*[0.0] * 15, tasks=1), tracking()) == 1
    assert evaluated(told(None, None, None, tasks=1), tracking()) == 1


def test_minutes_in_which_no_task_ran_are_no_reason_to_scale_in() -> None:
    assert evaluated(told(*[None] * 15), tracking()) == 10


def test_in_the_cooldown_only_a_larger_answer_to_what_ran_before_passes() -> None:
    scaler = tracking()
    world = told(24.0, 24.0, 24.0)
    assert evaluated(world, scaler) == 20
    world.now += 60.0
    world.say(Meter.VISIBLE, 240.0, 240.0, 240.0)
    world.say(Meter.RUNNING, 10.0, 10.0, 10.0)
    assert evaluated(world, scaler) == 20
    world.say(Meter.VISIBLE, 300.0, 300.0, 360.0)
    assert evaluated(world, scaler) == 30
    world.say(Meter.VISIBLE, 600.0, 600.0, 600.0)
    world.say(Meter.RUNNING, 30.0, 30.0, 30.0)
    assert evaluated(world, scaler) == 30


@pytest.mark.parametrize(("later_s", "tasks"), [(299.0, 20), (300.0, 40)])
def test_the_cooldown_after_scaling_out_is_five_minutes(later_s: float, tasks: int) -> None:
    scaler = tracking()
    world = told(24.0, 24.0, 24.0)
    evaluated(world, scaler)
    later = told(24.0, 24.0, 24.0, tasks=20, now=world.now + later_s)
    assert evaluated(later, scaler) == tasks


@pytest.mark.parametrize(("later_s", "tasks"), [(299.0, 45), (300.0, 41)])
def test_the_cooldown_after_scaling_in_is_five_minutes(later_s: float, tasks: int) -> None:
    scaler = tracking()
    world = told(*[0.0] * 15, tasks=50)
    evaluated(world, scaler)
    later = told(*[0.0] * 15, tasks=45, now=world.now + later_s)
    assert evaluated(later, scaler) == tasks


def test_scaling_out_cuts_through_the_cooldown_of_scaling_in_and_ends_it() -> None:
    scaler = tracking()
    world = told(*[0.0] * 15, tasks=50)
    evaluated(world, scaler)
    burst = told(24.0, 24.0, 24.0, tasks=45, now=world.now + 60.0)
    assert evaluated(burst, scaler) == 90
    calm = told(*[0.0] * 15, tasks=90, now=world.now + 120.0)
    assert evaluated(calm, scaler) == 81


def test_during_a_deployment_it_scales_out_and_not_in() -> None:
    calm = told(*[0.0] * 15)
    calm.deployment_s = 0.0
    assert evaluated(calm, tracking()) == 10
    busy = told(24.0, 24.0, 24.0)
    busy.deployment_s = 0.0
    assert evaluated(busy, tracking()) == 20


def test_a_target_found_out_of_bounds_is_set_right() -> None:
    assert evaluated(told(tasks=50), tracking(most=20)) == 20
    assert evaluated(told(tasks=1), tracking(least=4)) == 4


def test_a_refused_change_begins_no_cooldown() -> None:
    scaler, world = tracking(), told(24.0, 24.0, 24.0)
    world.refusing = True
    evaluated(world, scaler)
    world.refusing = False
    world.say(Meter.VISIBLE, 240.0, 240.0, 240.0)
    assert evaluated(world, scaler) == 20


def test_cpu_is_held_against_the_tasks_that_it_was_measured_on() -> None:
    world = Told(now=3600.0, desired=20)
    world.say(Meter.RUNNING, 10.0, 10.0, 10.0)
    world.say(Meter.CPU_PERCENT, 84.0, 84.0, 84.0)
    assert evaluated(world, tracking("target-tracking-cpu")) == 20
    world.say(Meter.CPU_PERCENT, 84.0, 84.0, 98.0 * 2)
    assert evaluated(world, tracking("target-tracking-cpu")) == 28


def test_the_target_is_what_a_task_gets_done_within_the_latency() -> None:
    assert evaluated(told(24.0, 24.0, 24.0), tracking("target-tracking:24")) == 10
    doubled = parse("target-tracking", setup(60.0, concurrency=2))
    assert isinstance(doubled, TargetTracking)
    assert evaluated(told(25.0, 25.0, 36.0), doubled) == 15
