"""Step scaling of the backlog per task, on datapoints of 10 s."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.sim.model import Scaler
from autoscaler.sim.peers import parse
from autoscaler.sim.peers.step_scaling import PROPORTIONAL_STEPS, percent_change
from tests.sim.peers.fakes import ScriptedQueue, setup


def policy(spec: str = "step-scaling-10s", **changes: int) -> Scaler:
    """Return the peer for a latency of 60 s and 5 s per message: 12 messages per task."""
    return parse(spec, setup(60.0, **changes))


def after_one_datapoint(visible: int, tasks: int = 10, spec: str = "step-scaling-10s") -> int:
    world = ScriptedQueue(visible=visible, desired=tasks)
    return world.polls(policy(spec), 10.0)


def idle_for(world: ScriptedQueue, scaler: Scaler, seconds: float) -> int:
    """Poll until `seconds` from now with an empty queue."""
    world.visible = 0
    return world.polls(scaler, world.now + seconds)


@pytest.mark.parametrize(
    ("visible", "tasks"),
    [
        (120, 10), (121, 15), (180, 15), (181, 20), (240, 20), (241, 30), (360, 30), (361, 50), (600, 50), (601, 100),
        (1200, 100), (1201, 200), (2400, 200), (2401, 500), (6000, 500), (6001, 1000), (90_000, 1000),
    ],
)  # fmt: skip
def test_the_steps_add_a_percentage_that_grows_with_the_backlog_per_task(visible: int, tasks: int) -> None:
    assert after_one_datapoint(visible) == tasks


@given(ratio=st.floats(1.001, 100.0), running=st.integers(1, 200))
def test_a_step_adds_what_the_backlog_requires_in_proportion(ratio: Any, running: Any) -> None:
    percent = max(step.percent for step in PROPORTIONAL_STEPS if ratio > step.ratio)
    assert running + percent_change(running, percent) >= int(running * ratio)


def test_one_datapoint_triggers_and_is_read_at_the_next_poll() -> None:
    world, scaler = ScriptedQueue(desired=10), policy()
    world.polls(scaler, 30.0)
    world.visible = 240
    world.polls(scaler, 60.0)
    assert world.changes == [(50.0, 20)]


def test_the_poll_interval_is_that_of_the_metric() -> None:
    assert policy().interval_s == 10.0


@pytest.mark.parametrize(
    ("tasks", "percent", "change"),
    [(127, 10, 12), (6, 10, 1), (5.8, -10, -1), (66.7, -10, -6), (10, 50, 5), (0, 50, 1), (70, 10, 7), (1, -10, -1)],
)
def test_a_percentage_is_rounded_towards_zero_and_is_at_least_one_task(
    tasks: float, percent: float, change: int
) -> None:
    assert percent_change(tasks, percent) == change


def test_during_the_cooldown_only_a_larger_step_applies_to_the_count_before_it() -> None:
    world, scaler = ScriptedQueue(visible=150, desired=10), policy()
    assert world.polls(scaler, 10.0) == 15
    world.visible = 18 * 15
    assert world.polls(scaler, 130.0) == 15
    world.visible = 30 * 15
    assert world.polls(scaler, 200.0) == 30


@pytest.mark.parametrize(("until", "tasks"), [(300.0, 15), (310.0, 22)])
def test_the_cooldown_after_scaling_out_is_five_minutes(until: float, tasks: int) -> None:
    world, scaler = ScriptedQueue(visible=150, desired=10), policy()
    world.polls(scaler, 10.0)
    world.visible = 13 * 15
    assert world.polls(scaler, until) == tasks


def test_an_alarm_that_lasts_invokes_the_policy_once_per_minute() -> None:
    """A larger step within the minute waits for it."""
    world, scaler = ScriptedQueue(visible=150, desired=10), policy()
    world.polls(scaler, 10.0)
    world.visible = 15 * 50
    world.polls(scaler, 200.0)
    assert world.changes == [(10.0, 15), (70.0, 50)]


def test_scale_in_removes_a_tenth_after_fifteen_minutes_below_nine_tenths_of_the_target() -> None:
    world, scaler = ScriptedQueue(desired=50), policy()
    assert idle_for(world, scaler, 890.0) == 50
    assert idle_for(world, scaler, 0.0) == 45
    assert world.changes == [(900.0, 45)]
    above = ScriptedQueue(visible=540, desired=50)
    assert above.polls(policy(), 3600.0) == 50


def test_the_cooldown_after_scaling_in_is_five_minutes() -> None:
    world, scaler = ScriptedQueue(desired=50), policy()
    idle_for(world, scaler, 1500.0)
    assert world.changes == [(900.0, 45), (1200.0, 41), (1500.0, 37)]


def test_the_share_and_the_threshold_of_the_scale_in_are_settings() -> None:
    calm = ScriptedQueue(visible=59, desired=50)
    assert calm.polls(policy("step-scaling-10s:latency/300/50/10"), 900.0) == 25
    busy = ScriptedQueue(visible=61, desired=50)
    assert busy.polls(policy("step-scaling-10s:latency/300/50/10"), 900.0) == 50


def test_the_last_task_is_never_removed() -> None:
    world = ScriptedQueue(desired=2)
    assert world.polls(policy("step-scaling-10s:latency/60/100"), 7200.0) == 1


def test_a_deployment_prevents_scale_in_and_not_scale_out() -> None:
    calm = ScriptedQueue(desired=50, deployment_s=0.0)
    assert calm.polls(policy(), 1800.0) == 50
    busy = ScriptedQueue(visible=240, desired=10, deployment_s=0.0)
    assert busy.polls(policy(), 10.0) == 20


def test_a_queue_that_cannot_be_read_is_insufficient_data() -> None:
    world, scaler = ScriptedQueue(desired=50), policy()
    idle_for(world, scaler, 880.0)
    world.unavailable = True
    world.polls(scaler, world.now)
    world.unavailable = False
    assert idle_for(world, scaler, 880.0) == 50
    assert idle_for(world, scaler, 20.0) == 45


def test_a_restart_loses_nothing() -> None:
    world, scaler = ScriptedQueue(desired=50), policy()
    idle_for(world, scaler, 890.0)
    scaler.restart()
    assert idle_for(world, scaler, 0.0) == 45


def test_a_count_out_of_bounds_is_corrected() -> None:
    assert ScriptedQueue(desired=50).polls(policy(most=20), 0.0) == 20
    assert ScriptedQueue(desired=1).polls(policy(least=4), 0.0) == 4
    assert ScriptedQueue(desired=0).polls(policy(), 0.0) == 1
