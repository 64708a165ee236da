"""Target tracking on metrics with datapoints of 20 s."""

from __future__ import annotations

import pytest

from autoscaler.sim.model import Scaler
from autoscaler.sim.peers import parse
from tests.sim.peers.fakes import ScriptedQueue, setup


def policy(spec: str = "target-tracking-20s", **changes: int) -> Scaler:
    """Return the peer for a latency of 60 s and 5 s per message: 12 messages per task."""
    return parse(spec, setup(60.0, **changes))


def changes(world: ScriptedQueue, scaler: Scaler, until: float) -> list[tuple[float, int]]:
    world.polls(scaler, until)
    return world.changes


def test_the_poll_interval_is_that_of_the_samples() -> None:
    assert policy().interval_s == 10.0
    assert policy("target-tracking-cpu-20s").interval_s == 5.0


def test_three_datapoints_above_the_target_scale_out_in_proportion() -> None:
    assert changes(ScriptedQueue(visible=240, desired=10), policy(), 300.0) == [(60.0, 20)]
    assert changes(ScriptedQueue(visible=120, desired=10), policy(), 300.0) == []


def test_two_datapoints_above_the_target_are_too_few() -> None:
    world, scaler = ScriptedQueue(visible=240, desired=10), policy()
    world.polls(scaler, 30.0)
    world.visible = 0
    assert changes(world, scaler, 300.0) == []


def test_a_datapoint_is_the_mean_of_two_samples() -> None:
    world, scaler = ScriptedQueue(desired=10), policy()
    for at in range(12):
        world.visible = 300 if at % 2 else 0
        world.polls(scaler, world.now)
    assert world.changes == [(60.0, 13)]


def test_cpu_scales_out_75_to_100_seconds_after_the_load() -> None:
    """AWS announced 86 s. A period that began before the load can be above the target too."""
    for phase in range(0, 20, 5):
        world, scaler = ScriptedQueue(desired=10), policy("target-tracking-cpu-20s")
        world.polls(scaler, 95.0 + phase)
        world.in_flight = 10
        world.polls(scaler, 400.0)
        assert world.changes[0][1] == 15
        assert 75.0 <= world.changes[0][0] - (100.0 + phase) <= 100.0


def test_cpu_is_measured_by_the_slots_of_the_running_tasks() -> None:
    world = ScriptedQueue(in_flight=20, desired=10)
    assert world.polls(policy("target-tracking-cpu-20s", concurrency=4), 600.0) == 10
    assert world.polls(policy("target-tracking-cpu-20s", concurrency=2), 1200.0) == 15


@pytest.mark.parametrize(("spec", "first"), [("target-tracking-20s", 900.0), ("target-tracking-cpu-20s", 920.0)])
def test_scale_in_comes_after_fifteen_minutes_and_then_every_five(spec: str, first: float) -> None:
    world = ScriptedQueue(desired=50)
    assert changes(world, policy(spec), first + 300.0) == [(first, 45), (first + 300.0, 41)]


def test_one_datapoint_above_nine_tenths_of_the_target_prevents_scale_in_for_fifteen_minutes() -> None:
    world, scaler = ScriptedQueue(desired=50), policy()
    world.polls(scaler, 870.0)
    world.visible = 540
    world.polls(scaler, 890.0)
    world.visible = 0
    assert changes(world, scaler, 1780.0) == []
    assert changes(world, scaler, 1800.0) == [(1800.0, 45)]


def test_an_alarm_that_lasts_invokes_the_policy_once_per_minute() -> None:
    world, scaler = ScriptedQueue(visible=240, desired=10), policy("target-tracking-20s:latency/0")
    assert changes(world, scaler, 60.0) == [(60.0, 20)]
    world.visible = 480
    assert changes(world, scaler, 120.0)[1:] == [(120.0, 40)]
    world.visible = 960
    assert changes(world, scaler, 180.0)[2:] == [(180.0, 80)]


def test_a_larger_result_applies_during_the_cooldown_to_the_tasks_before_it() -> None:
    world, scaler = ScriptedQueue(visible=240, desired=10), policy()
    world.polls(scaler, 60.0)
    world.visible = 36 * 20
    assert changes(world, scaler, 200.0) == [(60.0, 20), (120.0, 30)]


def test_a_period_without_an_answer_is_insufficient_data() -> None:
    world, scaler = ScriptedQueue(visible=240, desired=10), policy()
    world.polls(scaler, 30.0)
    world.unavailable = True
    world.polls(scaler, 50.0)
    world.unavailable = False
    assert changes(world, scaler, 300.0) == [(120.0, 20)]


def test_a_restart_loses_nothing() -> None:
    world, scaler = ScriptedQueue(visible=240, desired=10), policy()
    world.polls(scaler, 50.0)
    scaler.restart()
    assert changes(world, scaler, 60.0) == [(60.0, 20)]


def test_one_task_stays() -> None:
    world = ScriptedQueue(desired=2)
    assert world.polls(policy("target-tracking-20s:latency/60/100"), 3600.0) == 1
