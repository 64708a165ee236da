"""Application Auto Scaling's target tracking for an ECS service, on backlog per task or on CPU.

It scales out in proportion after 3 minutes above the target, and scales in after 15 minutes below 0.9 x the target.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from autoscaler.sim.model import MINUTE_S, Surface, Tasks
from autoscaler.sim.peers.peer import PeerNumber, Setup, peer, scaled, tasks
from autoscaler.sim.peers.step_scaling import Minute, backlog_per_task, breach, cpu_percent

Metric: TypeAlias = Callable[[Surface, int], tuple[Minute, ...]]


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

    metric: Metric
    unit: str
    target: float
    min_tasks: int
    max_tasks: int
    out_minutes: int = 3
    in_minutes: int = 15
    in_ratio: float = 0.9
    out_cooldown_s: float = 300.0
    in_cooldown_s: float = 300.0
    in_step_ratio: float = 0.1
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
    """The simulated target tracking policy. It repeats an alarm's action each minute while the alarm lasts. AWS stores
    the state: a restart loses nothing.
    """

    def __init__(self, settings: TrackingSettings) -> None:
        self._settings = settings
        self._out_at = -math.inf
        self._out_from = 0.0
        self._in_at = -math.inf

    @property
    def interval_s(self) -> float:
        return self._settings.interval_s

    def poll(self, world: Surface) -> None:
        self.follow(world, 0)

    def restart(self) -> None:
        """Nothing is lost: AWS stores the state."""

    def follow(self, world: Surface, least: int) -> None:
        """Evaluate once. `least`: the count of another policy; AWS uses the highest count of several policies."""
        seen = tasks(world)
        if seen is None:
            return
        bounded = self._settings.bounded(seen.desired, least)
        if bounded != seen.desired:
            scaled(world, bounded, f"the forecast requires {least} tasks" if least else "the count was out of bounds")
            return
        newest = self._settings.metric(world, self._settings.in_minutes)
        if breach(newest, self._settings.out_minutes, lambda value: value > self._settings.target):
            self._out(world, seen, newest[-1])
        elif breach(newest, self._settings.in_minutes, lambda value: value < self._low):
            self._in(world, seen, newest[-1], least)

    @property
    def _low(self) -> float:
        return self._settings.target * self._settings.in_ratio

    def _out(self, world: Surface, seen: Tasks, minute: Minute) -> None:
        """Scale out in proportion to the tasks that ran in the metric's minute. In the cooldown, the added tasks are
        part of the result: the proportion refers to the tasks before them, and only a larger count is applied.
        """
        cooling = world.now - self._out_at < self._settings.out_cooldown_s
        start = self._out_from if cooling else (minute.running or 0.0)
        count = self._settings.bounded(self._proportional(start, minute), 0)
        if count > seen.desired and scaled(world, count, self._reason(minute, start)):
            self._out_at, self._out_from = world.now, start
            self._in_at = -math.inf

    def _in(self, world: Surface, seen: Tasks, minute: Minute, least: int) -> None:
        """Scale in, except in a deployment or the cooldown. Rounded up, so the metric stays at or below the target."""
        if seen.deployment_s is not None or world.now - self._in_at < self._settings.in_cooldown_s:
            return
        start = minute.running or 0.0
        most = max(1, math.floor(seen.desired * self._settings.in_step_ratio))
        lowest = max(self._proportional(start, minute), seen.desired - most)
        count = self._settings.bounded(lowest, least)
        if count < seen.desired and scaled(world, count, self._reason(minute, start)):
            self._in_at = world.now

    def _proportional(self, start: float, minute: Minute) -> int:
        return math.ceil(start * (minute.value or 0.0) / self._settings.target - 1e-9)

    def _reason(self, minute: Minute, start: float) -> str:
        settings = self._settings
        return f"{minute.value or 0.0:.3g}{settings.unit} on {start:g} tasks, target {settings.target:g}"


def backlog_settings(setup: Setup, target: float, cooldown_s: float, in_step_ratio: float) -> TrackingSettings:
    """Return the settings of target tracking of the backlog per task."""
    return TrackingSettings(
        backlog_per_task,
        " messages per task",
        target,
        setup.min_tasks,
        setup.max_tasks,
        out_cooldown_s=cooldown_s,
        in_cooldown_s=cooldown_s,
        in_step_ratio=in_step_ratio,
    )


def _backlog(setup: Setup, numbers: tuple[float, ...]) -> TrackingSettings:
    target, cooldown_s, percent = numbers
    return backlog_settings(setup, target, cooldown_s, percent / 100)


def _cpu(setup: Setup, numbers: tuple[float, ...]) -> TrackingSettings:
    target, cooldown_s, percent = numbers
    return TrackingSettings(
        cpu_percent,
        " % CPU",
        target,
        setup.min_tasks,
        setup.max_tasks,
        out_cooldown_s=cooldown_s,
        in_cooldown_s=cooldown_s,
        in_step_ratio=percent / 100,
    )


_PACE = (PeerNumber("COOLDOWN_S", 300.0), PeerNumber("IN_PERCENT", 10.0, least=1.0))

BACKLOG = peer(
    "target-tracking",
    "AWS target tracking of the backlog per task",
    parts=(PeerNumber("BACKLOG_PER_TASK", None, from_latency=True, least=0.01), *_PACE),
    settings=_backlog,
    scaler=TargetTracking,
    grid=("latency/60", "latency/60/100", "1", "1/60", "1/60/100"),
)

CPU = peer(
    "target-tracking-cpu",
    "AWS target tracking of the CPU utilization",
    parts=(PeerNumber("PERCENT", 70.0, least=1.0), *_PACE),
    settings=_cpu,
    scaler=TargetTracking,
    grid=("50", "70/60", "70/60/100", "50/60", "50/60/100"),
)
