"""Application Auto Scaling's target tracking for an ECS service, on backlog per task or on CPU.

It scales out in proportion after 3 periods above the target, and scales in after 15 minutes below 0.9 x the target. A
period is one minute, or 20 s with high-resolution metrics.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from autoscaler.core.figures import number
from autoscaler.sim.model import MINUTE_S, Surface, Tasks
from autoscaler.sim.peers.application_auto_scaling import (
    Alarm,
    Cooldowns,
    Metric,
    MetricPeriod,
    backlog_per_task,
    breach,
    cpu_percent,
)
from autoscaler.sim.peers.high_resolution import (
    HighResolutionMetric,
    Sampler,
    sampled_backlog_per_task,
    sampled_cpu_percent,
)
from autoscaler.sim.peers.peer import PeerNumber, Setup, peer, scaled, tasks


@dataclass(frozen=True, slots=True)
class TrackingSettings:
    """A target tracking policy and the two alarms that it creates.

    Application Auto Scaling User Guide, "How target tracking scaling works": proportional out, conservative in,
    no action on insufficient data; both cooldowns 300 s for ECS. Amazon ECS Developer Guide on scaling by Amazon SQS:
    target = acceptable latency / time per message. Alarms of 3 and of 15 minutes, and the lower one's `in_ratio` 0.9
    of the target: as users of the service see them in CloudWatch; AWS's pages do not specify them. `in_step_ratio` 0.1:
    an assumption; AWS says "more gradually" without a number. `least_tasks` 1: at zero tasks the metric is undefined,
    and the policy would never scale out.
    """

    unit: str
    target: float
    min_tasks: int
    max_tasks: int
    out_cooldown_s: float = 300.0
    in_cooldown_s: float = 300.0
    in_step_ratio: float = 0.1
    out_periods: int = 3
    in_periods: int = 15
    in_ratio: float = 0.9
    least_tasks: int = 1
    interval_s: float = MINUTE_S

    def bounded(self, count: int, least: int) -> int:
        """Return the count within the bounds of the scalable target, and at least `least`."""
        return min(max(count, self.min_tasks, self.least_tasks, least), self.max_tasks)

    def __str__(self) -> str:
        return (
            f"target {self.target:g}{self.unit}, cooldowns {self.out_cooldown_s:g} s out and {self.in_cooldown_s:g} s"
            f" in, at most {self.in_step_ratio:.0%} in at once"
        )


class TargetTracking:
    """The simulated target tracking policy on a metric. AWS stores the state: a restart loses nothing."""

    def __init__(self, settings: TrackingSettings, metric: Metric) -> None:
        self._settings = settings
        self._metric = metric
        self._cooldowns = Cooldowns(settings.out_cooldown_s, settings.in_cooldown_s)
        self._high = Alarm()
        self._low = Alarm()

    @property
    def interval_s(self) -> float:
        return self._settings.interval_s

    def poll(self, world: Surface) -> None:
        self.follow(world, 0)

    def restart(self) -> None:
        """Nothing is lost: AWS stores the state."""

    def follow(self, world: Surface, least: int) -> None:
        """Evaluate once. `least`: the count of another policy; AWS uses the highest count of several policies."""
        settings, seen = self._settings, tasks(world)
        if seen is None:
            return
        bounded = settings.bounded(seen.desired, least)
        if bounded != seen.desired:
            scaled(world, bounded, f"the forecast requires {least} tasks" if least else "the count was out of bounds")
            return
        newest = self._metric(world, settings.in_periods)
        is_high = breach(newest, settings.out_periods, lambda value: value > settings.target)
        is_low = breach(newest, settings.in_periods, lambda value: value < settings.target * settings.in_ratio)
        if self._high.invokes(world.now, is_high):
            self._out(world, seen, newest[-1])
        if self._low.invokes(world.now, is_low):
            self._in(world, seen, newest[-1], least)

    def _out(self, world: Surface, seen: Tasks, period: MetricPeriod) -> None:
        """Scale out in proportion to the tasks that ran in the metric's period. In the cooldown, the added tasks are
        part of the result: the proportion refers to the tasks before them, and only a larger count is applied.
        """
        start = self._cooldowns.start(world.now, period.running or 0.0)
        count = self._settings.bounded(self._proportional(start, period), 0)
        self._cooldowns.scale_out(world, seen, start, count, self._reason(period, start))

    def _in(self, world: Surface, seen: Tasks, period: MetricPeriod, least: int) -> None:
        """Scale in, except in a deployment or the cooldown. Rounded up, so the metric stays at or below the target."""
        if not self._cooldowns.permits_scale_in(world.now, seen):
            return
        start = period.running or 0.0
        most = max(1, math.floor(seen.desired * self._settings.in_step_ratio))
        lowest = max(self._proportional(start, period), seen.desired - most)
        count = self._settings.bounded(lowest, least)
        self._cooldowns.scale_in(world, seen, count, self._reason(period, start))

    def _proportional(self, start: float, period: MetricPeriod) -> int:
        return math.ceil(start * (period.value or 0.0) / self._settings.target - 1e-9)

    def _reason(self, period: MetricPeriod, start: float) -> str:
        settings = self._settings
        return f"{number(period.value or 0.0)}{settings.unit} on {start:g} tasks, target {settings.target:g}"


@dataclass(frozen=True, slots=True)
class HighResolutionSettings:
    """Target tracking on a metric with a resolution of 20 s.

    Amazon ECS Developer Guide, "Faster auto scaling with high-resolution metrics" (June 2026): CPU and memory are
    published and evaluated every `period_s` 20. The announcement: 86 s from a load to the scale-out, 363 s with
    60-second metrics. aws/containers-roadmap, issue 2113 (September 2026): custom metrics will follow, so the backlog
    per task is an extrapolation. **Assumed**: the upper alarm keeps its 3 datapoints, now of 20 s, and the lower alarm
    its 15 minutes, now 45 datapoints. `late_s` is chosen so that a scale-out on CPU comes 75 to 100 s after the load,
    as announced; 0 for an agent's metric, which can be read a few seconds after it is published.
    `sample_s`: the mean of a period is built from samples at this interval; 10 s is the pace of the agent that AWS
    recommends, and 5 s for CPU is a choice of the simulator.
    """

    tracking: TrackingSettings
    sampler: Sampler
    sample_s: float
    late_s: float

    @property
    def period_s(self) -> float:
        return self.tracking.interval_s

    def __str__(self) -> str:
        return f"{self.tracking}, {self.tracking.out_periods} datapoints of {self.period_s:g} s"


class HighResolutionTracking:
    """The simulated target tracking policy with its high-resolution metric. It polls at the pace of the samples, and
    evaluates the alarms at the first poll of each period.
    """

    def __init__(self, settings: HighResolutionSettings) -> None:
        tracking = settings.tracking
        self._settings = settings
        self._metric = HighResolutionMetric(settings.sampler, settings.period_s, settings.late_s, tracking.in_periods)
        self._tracking = TargetTracking(tracking, self._metric.newest)
        self._evaluated = -1

    @property
    def interval_s(self) -> float:
        return self._settings.sample_s

    def poll(self, world: Surface) -> None:
        self._metric.sample(world)
        period = int(world.now // self._settings.period_s)
        if period > self._evaluated:
            self._evaluated = period
            self._tracking.poll(world)

    def restart(self) -> None:
        """Nothing is lost: AWS stores the state."""


_MESSAGES = " messages per task"
_CPU_PERCENT = " % CPU"


def backlog_settings(setup: Setup, target: float, cooldown_s: float, in_step_ratio: float) -> TrackingSettings:
    """Return the settings of target tracking of the backlog per task, per minute."""
    return TrackingSettings(_MESSAGES, target, setup.min_tasks, setup.max_tasks, cooldown_s, cooldown_s, in_step_ratio)


def _backlog(setup: Setup, numbers: tuple[float, ...]) -> TrackingSettings:
    target, cooldown_s, percent = numbers
    return backlog_settings(setup, target, cooldown_s, percent / 100)


def cpu_settings(least: int, most: int, target: float, cooldown_s: float, in_step_ratio: float) -> TrackingSettings:
    """Return the settings of target tracking of the CPU utilization, per minute."""
    return TrackingSettings(_CPU_PERCENT, target, least, most, cooldown_s, cooldown_s, in_step_ratio)


def _cpu(setup: Setup, numbers: tuple[float, ...]) -> TrackingSettings:
    target, cooldown_s, percent = numbers
    return cpu_settings(setup.min_tasks, setup.max_tasks, target, cooldown_s, percent / 100)


def in_20_s(tracking: TrackingSettings) -> TrackingSettings:
    """Return the settings with periods of 20 s: 3 of them for the upper alarm, 15 minutes for the lower one."""
    return replace(tracking, interval_s=20.0, in_periods=45)


def _backlog_20s(setup: Setup, numbers: tuple[float, ...]) -> HighResolutionSettings:
    return HighResolutionSettings(in_20_s(_backlog(setup, numbers)), sampled_backlog_per_task, 10.0, 0.0)


def _cpu_20s(setup: Setup, numbers: tuple[float, ...]) -> HighResolutionSettings:
    sampler = sampled_cpu_percent(setup.task_concurrency)
    return HighResolutionSettings(in_20_s(_cpu(setup, numbers)), sampler, 5.0, 20.0)


_PACE = (PeerNumber("COOLDOWN_S", 300.0), PeerNumber("IN_PERCENT", 10.0, least=1.0))
_BACKLOG_PARTS = (PeerNumber("BACKLOG_PER_TASK", None, from_latency=True, least=0.01), *_PACE)
_BACKLOG_GRID = ("latency/60", "latency/60/100", "1", "1/60", "1/60/100")
_CPU_PARTS = (PeerNumber("PERCENT", 70.0, least=1.0), *_PACE)
_CPU_GRID = ("50", "70/60", "70/60/100", "50/60", "50/60/100")

BACKLOG = peer(
    "target-tracking",
    "AWS target tracking of the backlog per task",
    parts=_BACKLOG_PARTS,
    settings=_backlog,
    scaler=lambda settings: TargetTracking(settings, backlog_per_task),
    grid=_BACKLOG_GRID,
)

BACKLOG_20S = peer(
    "target-tracking-20s",
    "AWS target tracking of the backlog per task, on a custom metric of 20 s (announced)",
    parts=_BACKLOG_PARTS,
    settings=_backlog_20s,
    scaler=HighResolutionTracking,
    grid=_BACKLOG_GRID,
)

CPU = peer(
    "target-tracking-cpu",
    "AWS target tracking of the CPU utilization",
    parts=_CPU_PARTS,
    settings=_cpu,
    scaler=lambda settings: TargetTracking(settings, cpu_percent),
    grid=_CPU_GRID,
)

CPU_20S = peer(
    "target-tracking-cpu-20s",
    "AWS target tracking of the CPU utilization, on the high-resolution metric of 20 s",
    parts=_CPU_PARTS,
    settings=_cpu_20s,
    scaler=HighResolutionTracking,
    grid=_CPU_GRID,
)
