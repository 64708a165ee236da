"""A restart of the daemon: what it had learned is learned again from CloudWatch, before the first plan.

Laws, next to the same run without a restart: at most 1.5 times as many tasks, no more late messages, and at most 3 %
more cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import pytest

from autoscaler.sim import ours
from autoscaler.sim.experiment import OURS, scaler_of
from autoscaler.sim.model import Datapoint, Fault, Meter, Restart
from autoscaler.sim.play import play
from autoscaler.sim.scenarios import SCENARIOS, Scenario
from autoscaler.sim.score import billed_s, facts, waits_s
from autoscaler.sim.world import World

HOUR_S = 3600.0
HOURLY = SCENARIOS["restart"].world.faults
AT_THE_PEAK = (Restart(3.75 * HOUR_S),)
OFTEN = tuple(Restart(at) for at in range(600, 6 * 3600, 600))


def result(scenario: Scenario, faults: tuple[Fault, ...], latency_s: float) -> tuple[float, float, int]:
    """Return the share of late messages, cost per work, and the most tasks."""
    experiment = replace(scenario, world=replace(scenario.world, faults=faults)).experiment(latency_s)
    workload = experiment.drawn(0)
    scaler, _ = scaler_of(OURS, experiment.setup(workload))
    outcome = play(workload, experiment.world, 0, scaler)
    late = float((waits_s(workload, outcome) > latency_s).mean())
    cost = billed_s(outcome, experiment.world.least_billed_s) / workload.work_s
    return late, cost, facts(workload, outcome, latency_s).peak_tasks


@cache
def undisturbed(latency_s: float) -> tuple[float, float, int]:
    return result(SCENARIOS["well-behaved"], (), latency_s)


@pytest.mark.parametrize("latency_s", [60.0, 300.0, 900.0])
@pytest.mark.parametrize("faults", [HOURLY, AT_THE_PEAK, OFTEN], ids=["hourly", "at-the-peak", "often"])
def test_a_restart_costs_almost_nothing(latency_s: float, faults: tuple[Fault, ...]) -> None:
    late, cost, peak = undisturbed(latency_s)
    late_after, cost_after, peak_after = result(SCENARIOS["well-behaved"], faults, latency_s)
    assert peak_after <= 1.5 * peak
    assert late_after <= late + 1e-4
    assert cost_after <= 1.03 * cost


def test_without_task_counts_in_cloudwatch_a_restart_is_no_emergency(monkeypatch: pytest.MonkeyPatch) -> None:
    """The arrivals of the last hour are known nevertheless: the backlog is as old as it is, and not all overdue."""
    minutes = World.minutes

    def without_tasks(self: World, meter: Meter, most: int) -> Sequence[Datapoint]:
        found = minutes(self, meter, most)
        return [point._replace(value=None) for point in found] if meter in {Meter.LIVE, Meter.CPU_SAMPLES} else found

    monkeypatch.setattr(World, "minutes", without_tasks)
    base = SCENARIOS["well-behaved"]
    _, _, peak = result(base, (), 900.0)
    late_after, _, peak_after = result(base, HOURLY, 900.0)
    assert late_after == 0
    assert peak_after <= 3 * peak


@pytest.mark.parametrize("of_a_task", [1, 3])
def test_cpu_samples_replace_the_task_count(monkeypatch: pytest.MonkeyPatch, of_a_task: int) -> None:
    minutes = World.minutes

    def samples_only(self: World, meter: Meter, most: int) -> Sequence[Datapoint]:
        found = minutes(self, meter, most)
        if meter is Meter.CPU_SAMPLES:
            return [point._replace(value=point.value and of_a_task * point.value) for point in found]
        return [point._replace(value=None) for point in found] if meter is Meter.LIVE else found

    monkeypatch.setattr(World, "minutes", samples_only)
    base = SCENARIOS["well-behaved"]
    _, cost, peak = result(base, (), 900.0)
    _, cost_after, peak_after = result(base, HOURLY, 900.0)
    assert peak_after <= 1.5 * peak
    assert cost_after <= 1.03 * cost


def test_the_simulated_cloudwatch_has_the_past() -> None:
    """The counts and tasks of a minute are those of the world, and there is no past before the first minute."""
    scenario = SCENARIOS["well-behaved"]
    experiment = scenario.experiment(60.0)
    world = World(experiment.drawn(0), experiment.world, 0)
    assert not any(world.minutes(meter, 60) for meter in ours.PAST_METERS)
    world.advance(600.0)
    columns = {meter: world.minutes(meter, 60) for meter in ours.PAST_METERS}
    assert {len(column) for column in columns.values()} == {9}
    assert columns[Meter.IN_FLIGHT][-1].value == 1
    assert columns[Meter.LIVE][-1].value == columns[Meter.CPU_SAMPLES][-1].value == 1
    assert columns[Meter.VISIBLE][-1].value is not None
