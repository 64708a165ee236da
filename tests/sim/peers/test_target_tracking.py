"""Target tracking of Application Auto Scaling, as documented by AWS and as the alarms that it creates."""

from __future__ import annotations

import pytest

from autoscaler.sim.model import Meter
from autoscaler.sim.peers import parse
from autoscaler.sim.peers.target_tracking import TargetTracking
from tests.sim.peers.fakes import ScriptedQueue, setup


def tracking(spec: str = "target-tracking", **changes: int) -> TargetTracking:
    """Return the peer for a latency of 60 s and 5 s per message: 12 messages per task."""
    scaler = parse(spec, setup(60.0, **changes))
    assert isinstance(scaler, TargetTracking)
    return scaler


def published(*backlogs: float | None, tasks: int = 10, now: float = 3600.0) -> ScriptedQueue:
    """Return a world with this number of tasks and the newest minutes of the backlog per task."""
    world = ScriptedQueue(now=now, desired=tasks)
    world.publish(Meter.RUNNING, *[0.0 if backlog is None else float(tasks) for backlog in backlogs])
    world.publish(Meter.VISIBLE, *[0.0 if backlog is None else backlog * tasks for backlog in backlogs])
    return world


def evaluated(world: ScriptedQueue, scaler: TargetTracking) -> int:
    scaler.poll(world)
    return world.desired


@pytest.mark.parametrize(
    ("backlogs", "tasks"),
    [([12.1, 13, 24], 20), ([12, 13, 24], 10), ([24, 24], 10), ([24, None, 24], 10), ([24, 24, 24, 12.6], 11)],
)
def test_scale_out_is_proportional_after_three_minutes_above_the_target(backlogs: list[float], tasks: int) -> None:
    assert evaluated(published(*backlogs), tracking()) == tasks


@pytest.mark.parametrize(
    ("backlogs", "tasks"),
    [([10.7] * 15, 9), ([10.7] * 14, 10), ([10.8] * 15, 10), ([*[1.0] * 7, 10.9, *[1.0] * 7], 10), ([0.0] * 15, 9)],
)
def test_scale_in_comes_after_fifteen_minutes_below_nine_tenths_of_the_target(
    backlogs: list[float], tasks: int
) -> None:
    assert evaluated(published(*backlogs), tracking()) == tasks


def test_scale_in_removes_at_most_a_tenth_and_at_least_one_task() -> None:
    assert evaluated(published(*[0.0] * 15, tasks=50), tracking()) == 45
    assert evaluated(published(*[0.0] * 15, tasks=50), tracking("target-tracking:latency/300/100")) == 1
    assert evaluated(published(*[0.0] * 15, tasks=2), tracking()) == 1


def test_scale_in_is_rounded_up_so_that_the_metric_stays_below_the_target() -> None:
    assert evaluated(published(*[8.0] * 15, tasks=10), tracking("target-tracking:latency/300/100")) == 7


def test_target_tracking_never_scales_to_zero_where_its_metric_is_undefined() -> None:
    assert evaluated(published(*[0.0] * 15, tasks=1), tracking()) == 1
    assert evaluated(published(None, None, None, tasks=1), tracking()) == 1


def test_minutes_without_running_tasks_do_not_scale_in() -> None:
    assert evaluated(published(*[None] * 15), tracking()) == 10


def test_during_the_cooldown_only_a_larger_target_computed_from_the_count_before_it_applies() -> None:
    scaler = tracking()
    world = published(24.0, 24.0, 24.0)
    assert evaluated(world, scaler) == 20
    world.now += 60.0
    world.publish(Meter.VISIBLE, 240.0, 240.0, 240.0)
    world.publish(Meter.RUNNING, 10.0, 10.0, 10.0)
    assert evaluated(world, scaler) == 20
    world.now += 60.0
    world.publish(Meter.VISIBLE, 300.0, 300.0, 360.0)
    world.publish(Meter.RUNNING, 10.0, 10.0, 10.0)
    assert evaluated(world, scaler) == 30
    world.now += 60.0
    world.publish(Meter.VISIBLE, 600.0, 600.0, 600.0)
    world.publish(Meter.RUNNING, 30.0, 30.0, 30.0)
    assert evaluated(world, scaler) == 30


@pytest.mark.parametrize(("later_s", "tasks"), [(299.0, 20), (300.0, 40)])
def test_the_cooldown_after_scaling_out_is_five_minutes(later_s: float, tasks: int) -> None:
    scaler = tracking()
    world = published(24.0, 24.0, 24.0)
    evaluated(world, scaler)
    later = published(24.0, 24.0, 24.0, tasks=20, now=world.now + later_s)
    assert evaluated(later, scaler) == tasks


@pytest.mark.parametrize(("later_s", "tasks"), [(299.0, 45), (300.0, 41)])
def test_the_cooldown_after_scaling_in_is_five_minutes(later_s: float, tasks: int) -> None:
    scaler = tracking()
    world = published(*[0.0] * 15, tasks=50)
    evaluated(world, scaler)
    later = published(*[0.0] * 15, tasks=45, now=world.now + later_s)
    assert evaluated(later, scaler) == tasks


def test_scaling_out_is_possible_during_the_scale_in_cooldown_and_ends_it() -> None:
    scaler = tracking()
    world = published(*[0.0] * 15, tasks=50)
    evaluated(world, scaler)
    burst = published(24.0, 24.0, 24.0, tasks=45, now=world.now + 60.0)
    assert evaluated(burst, scaler) == 90
    calm = published(*[0.0] * 15, tasks=90, now=world.now + 120.0)
    assert evaluated(calm, scaler) == 81


def test_a_deployment_prevents_scale_in_and_not_scale_out() -> None:
    calm = published(*[0.0] * 15)
    calm.deployment_s = 0.0
    assert evaluated(calm, tracking()) == 10
    busy = published(24.0, 24.0, 24.0)
    busy.deployment_s = 0.0
    assert evaluated(busy, tracking()) == 20


def test_a_count_out_of_bounds_is_corrected() -> None:
    assert evaluated(published(tasks=50), tracking(most=20)) == 20
    assert evaluated(published(tasks=1), tracking(least=4)) == 4


def test_a_throttled_change_starts_no_cooldown() -> None:
    scaler, world = tracking(), published(24.0, 24.0, 24.0)
    world.throttled = True
    evaluated(world, scaler)
    world.throttled = False
    world.now += 60.0
    assert evaluated(world, scaler) == 20


def test_cpu_applies_to_the_tasks_that_ran_when_it_was_measured() -> None:
    world = ScriptedQueue(now=3600.0, desired=20)
    world.publish(Meter.RUNNING, 10.0, 10.0, 10.0)
    world.publish(Meter.CPU_PERCENT, 84.0, 84.0, 84.0)
    assert evaluated(world, tracking("target-tracking-cpu")) == 20
    world.publish(Meter.CPU_PERCENT, 84.0, 84.0, 98.0 * 2)
    assert evaluated(world, tracking("target-tracking-cpu")) == 28


def test_the_default_target_is_the_messages_of_a_task_within_the_latency() -> None:
    assert evaluated(published(24.0, 24.0, 24.0), tracking("target-tracking:24")) == 10
    doubled = parse("target-tracking", setup(60.0, concurrency=2))
    assert isinstance(doubled, TargetTracking)
    assert evaluated(published(25.0, 25.0, 36.0), doubled) == 15
