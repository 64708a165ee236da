"""Run policies on services without a queue, which follow their CPU: loads, scenarios by name, and the score.

The load of a trace is its messages per minute, scaled to a mean number of busy tasks. This autoscaler reads the CPU of
each minute, as it does in production; target tracking reads the same minutes, or periods of 20 s.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from autoscaler.config import policy_of
from autoscaler.core.policy import Policy
from autoscaler.errors import ConfigError
from autoscaler.sim.chance import StartUp
from autoscaler.sim.experiment import fields_of
from autoscaler.sim.model import MINUTE_S, Floats, Scaler, Surface
from autoscaler.sim.ours import SERVICE, Ours
from autoscaler.sim.peers.application_auto_scaling import MetricPeriod, cpu_percent
from autoscaler.sim.peers.peer import PeerNumber, read
from autoscaler.sim.peers.target_tracking import TargetTracking, cpu_settings, in_20_s
from autoscaler.sim.scenarios import listed
from autoscaler.sim.score import DAY_S, billed_s, busy_tasks, reversals
from autoscaler.sim.workload.drawing import Counted, RecordedJobs
from autoscaler.sim.world.utilization import CpuSettings, TaskLoad, UtilizationOutcome, UtilizationWorld

HOUR_S = 3600.0

NOISE_RATIO = 0.02
"""The relative standard deviation of a minute's datapoint in the scenarios and in the scorecard of CPU."""

OURS, TRACKING, TRACKING_20S, ALL = "ours", "target-tracking-cpu", "target-tracking-cpu-20s", "all"

POLICIES = (OURS, TRACKING, TRACKING_20S)
"""The policies of a comparison by default."""

_TRACKING_PARTS = (PeerNumber("COOLDOWN_S", 300.0), PeerNumber("IN_PERCENT", 10.0, least=1.0))


def _constant(tasks: float, hours: float = 6.0) -> Floats:
    return np.full(int(hours * 60), tasks)


def _step(low: float, high: float, at_hour: float = 1.0, until_hour: float = math.inf, hours: float = 6.0) -> Floats:
    minutes = np.arange(int(hours * 60)) / 60
    return np.where((minutes >= at_hour) & (minutes < until_hour), high, low)


def _waves(mean: float = 12.0, swing: float = 0.8, period_h: float = 3.0, hours: float = 6.0) -> Floats:
    return mean * (1 + swing * np.sin(2 * np.pi * np.arange(int(hours * 60)) / 60 / period_h))


@dataclass(frozen=True, slots=True)
class CpuScenario:
    """A load per minute, in tasks' worth of CPU, in a world. `sentence`: what is special."""

    name: str
    sentence: str
    tasks: Callable[[], Floats]
    settings: CpuSettings = field(default_factory=lambda: CpuSettings(noise_ratio=NOISE_RATIO))

    @property
    def load(self) -> TaskLoad:
        return TaskLoad(self.name, MINUTE_S, self.tasks())


def cpu_world(**changes: Any) -> CpuSettings:
    """Return the settings of a world. `changes`: fields of `CpuSettings` and of its world."""
    own = {name: changes.pop(name) for name in ("noise_ratio", "busy_start_s") if name in changes}
    world = replace(CpuSettings().world, **changes)
    return CpuSettings(world, **{"noise_ratio": NOISE_RATIO, **own})


SCENARIOS: Mapping[str, CpuScenario] = MappingProxyType(
    {
        each.name: each
        for each in (
            CpuScenario(
                "constant",
                "a constant load of 3.6 tasks, and four tasks at the start",
                lambda: _constant(3.6),
                cpu_world(tasks_at_start=4),
            ),
            CpuScenario("boundary", "a constant load that just fills its tasks", lambda: _constant(11.99)),
            CpuScenario("step", "the load doubles for two hours", lambda: _step(6.0, 12.0, 1.0, 3.0)),
            CpuScenario("surge", "the load is eight times as high for an hour", lambda: _step(3.0, 24.0, 1.0, 2.0)),
            CpuScenario("waves", "the load swings every three hours", _waves),
            CpuScenario("ramp", "the load rises by a task every five minutes", lambda: np.arange(360) / 5 + 2.0),
            CpuScenario(
                "late", "waves, and CloudWatch publishes three minutes late", _waves, cpu_world(metrics_late_s=180.0)
            ),
            CpuScenario(
                "slow-start",
                "waves, and a task needs two minutes to start",
                _waves,
                cpu_world(start_up=StartUp(120.0, 150.0)),
            ),
            CpuScenario(
                "busy-start",
                "waves, and a task uses all of its CPU for itself in its first minute",
                _waves,
                cpu_world(busy_start_s=60.0),
            ),
            CpuScenario("noise", "waves, and a datapoint has an error of 5 %", _waves, cpu_world(noise_ratio=0.05)),
        )
    }
)
"""Every scenario by its name, in display order."""


def named(text: str) -> tuple[CpuScenario, ...]:
    """Return the scenarios of a comma-separated list, without duplicates; `all`: every one.

    Raise `ValueError` with a suggestion for an unknown name.
    """
    return listed(text, SCENARIOS, "CPU scenario")


def load_of(source: Counted | RecordedJobs) -> TaskLoad:
    """Return the load of the messages: the mean number of tasks that they keep busy in each minute."""
    if isinstance(source, RecordedJobs):
        workload = source.draw(0)
        return TaskLoad(workload.name, MINUTE_S, busy_tasks(workload))
    tasks = source.counts * source.service.mean_s / source.interval_s
    short = int(MINUTE_S // source.interval_s)
    if short <= 1:
        return TaskLoad(source.name, source.interval_s, tasks)
    whole = len(tasks) // short * short
    return TaskLoad(source.name, MINUTE_S, tasks[:whole].reshape(-1, short).mean(axis=1))


@dataclass(frozen=True, slots=True)
class UtilizationScore:
    """The figures of one run; the fields and their order are those of the JSON.

    `above_percent`: share of the time in which the load was above the target on the tasks that served it.
    `saturated_percent`: share in which all of them were busy. `unserved_percent`: share of the load that they could not
    serve. `cost_per_ideal`: billed task-seconds / those of the fewest tasks that keep the target at every instant.
    `writes_per_day`: changes of the desired count, and `reversals_per_day` those with another direction than the one
    before.
    """

    above_percent: float
    saturated_percent: float
    unserved_percent: float
    cost_per_ideal: float
    reversals_per_day: float
    writes_per_day: float
    peak_tasks: int


@dataclass(frozen=True, slots=True)
class UtilizationRun:
    """One run of a policy, with its seed, score and outcome."""

    policy: str
    seed: int
    score: UtilizationScore
    outcome: UtilizationOutcome


def score(load: TaskLoad, outcome: UtilizationOutcome, least_billed_s: float = 60.0) -> UtilizationScore:
    """Return the score of a run."""
    days = load.length_s / DAY_S
    load_s = float(load.tasks.sum()) * load.interval_s
    return UtilizationScore(
        100 * outcome.above_s / load.length_s,
        100 * outcome.saturated_s / load.length_s,
        100 * outcome.unserved_s / load_s if load_s else 0.0,
        billed_s(outcome, least_billed_s) / outcome.ideal_s,
        reversals(outcome) / days,
        (len(outcome.desired) - 1) / days,
        max(count for _, count in outcome.running),
    )


@dataclass(frozen=True, slots=True)
class CpuSetup:
    """What the operator sets: the target and the bounds."""

    target_percent: float = 60.0
    min_tasks: int = 1
    max_tasks: int = 5000

    def policy(self, fields: Mapping[str, object]) -> Policy:
        """Return the policy of this autoscaler. Raise `ConfigError` with all problems of `fields`."""
        settings = {
            "cpu_target_percent": self.target_percent,
            "min_tasks": self.min_tasks,
            "max_tasks": self.max_tasks,
            "mode": "active",
            "workers": "draining",
            **fields,
        }
        return policy_of(SERVICE.key, settings)


def scaler_of(spec: str, setup: CpuSetup) -> Scaler:
    """Return a new scaler for `ours:FIELD=VALUE/FIELD=VALUE`, `target-tracking-cpu[-20s][:COOLDOWN_S[/IN_PERCENT]]`.

    Raise `ValueError` for an unknown policy or setting.
    """
    name, _, setting = spec.strip().partition(":")
    if name == OURS:
        try:
            return Ours(setup.policy(fields_of(spec)))
        except ConfigError as error:
            raise ValueError("; ".join(f"{spec}: {problem}" for problem in error.problems)) from None
    if name not in (TRACKING, TRACKING_20S):
        known = f"{', '.join(POLICIES)}, {ALL}"
        raise ValueError(f"{name!r} is not a policy for CPU (known: {known})")
    cooldown_s, percent = read(_TRACKING_PARTS, setting or None, 0.0)
    tracking = cpu_settings(setup.min_tasks, setup.max_tasks, setup.target_percent, cooldown_s, percent / 100)
    if name == TRACKING:
        return TargetTracking(tracking, cpu_percent)
    return TargetTracking(in_20_s(tracking), _short_periods)


def _short_periods(world: Surface, most: int) -> tuple[MetricPeriod, ...]:
    """Return the newest periods of 20 s, oldest first."""
    if not isinstance(world, UtilizationWorld):
        raise TypeError("only a world without a queue has CPU metrics of 20 s")
    return tuple(MetricPeriod(value, running) for value, running in world.short_periods(most))


def specs(text: str, setup: CpuSetup) -> tuple[str, ...]:
    """Return the policies of a comma-separated list, without duplicates. Raise `ValueError` as `scaler_of` does."""
    listed = [spec.strip() for spec in text.split(",") if spec.strip()]
    found = [each for spec in listed for each in (POLICIES if spec == ALL else [spec])]
    if not found:
        raise ValueError(f"no policy is given. Choose from {', '.join(POLICIES)}, or {ALL}")
    for spec in found:
        scaler_of(spec, setup)
    return tuple(dict.fromkeys(found))


def run(load: TaskLoad, settings: CpuSettings, setup: CpuSetup, spec: str, seed: int) -> UtilizationRun:
    """Run one policy once: it polls at every multiple of its interval until the load ends."""
    scaler, world = scaler_of(spec, setup), UtilizationWorld(load, settings, setup.target_percent, seed)
    number = 0
    while not world.has_ended:
        world.advance(number * scaler.interval_s)
        scaler.poll(world)
        number += 1
    outcome = world.outcome()
    return UtilizationRun(spec, seed, score(load, outcome, settings.world.least_billed_s), outcome)
