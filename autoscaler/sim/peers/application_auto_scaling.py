"""What target tracking and step scaling share: CloudWatch metrics and alarms, and the cooldowns of a policy."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from autoscaler.sim.model import Meter, Surface, Tasks
from autoscaler.sim.peers.peer import minutes, scaled


class MetricPeriod(NamedTuple):
    """One period of a metric, and the tasks that ran in it. `value` None: no datapoint, which never breaches."""

    value: float | None
    running: float | None


Metric: TypeAlias = Callable[[Surface, int], Sequence[MetricPeriod]]
"""Returns the newest periods that CloudWatch has published, at most the given number, oldest first."""


def backlog_per_task(world: Surface, most: int) -> tuple[MetricPeriod, ...]:
    """Return visible messages / running tasks per minute, the metric math of AWS's guide. Undefined at zero tasks."""
    return tuple(
        MetricPeriod(visible / running if visible is not None and running else None, running)
        for visible, running in _joined(world, Meter.VISIBLE, most)
    )


def cpu_percent(world: Surface, most: int) -> tuple[MetricPeriod, ...]:
    """Return the mean CPU utilization of the service per minute. Without a task there is no datapoint."""
    return tuple(MetricPeriod(value, running) for value, running in _joined(world, Meter.CPU_PERCENT, most))


def _joined(world: Surface, meter: Meter, most: int) -> list[tuple[float | None, float | None]]:
    """Return each value with the running tasks of the same minute, oldest first."""
    running = {point.at: point.value for point in minutes(world, Meter.RUNNING, most)}
    return [(point.value, running.get(point.at)) for point in minutes(world, meter, most)]


def breach(newest: Sequence[MetricPeriod], periods: int, breaches: Callable[[float], bool]) -> bool:
    """Return whether each of the newest `periods` periods has a value that breaches. A missing value is insufficient
    data, and the alarm does nothing.
    """
    latest = newest[-periods:]
    return len(latest) == periods and all(period.value is not None and breaches(period.value) for period in latest)


REPEAT_S = 60.0
"""Seconds. CloudWatch User Guide, "Using Amazon CloudWatch alarms": an alarm invokes an Auto Scaling action when its
state changes, and then once per minute while it remains in that state.
"""


class Alarm:
    """When a CloudWatch alarm invokes its Auto Scaling action."""

    def __init__(self) -> None:
        self._invoked_at: float | None = None

    def invokes(self, now: float, is_breached: bool) -> bool:
        """Return whether the evaluation at `now` invokes the action: on a change to ALARM, then once per minute."""
        if not is_breached:
            self._invoked_at = None
            return False
        if self._invoked_at is not None and now - self._invoked_at < REPEAT_S:
            return False
        self._invoked_at = now
        return True


class Cooldowns:
    """The cooldowns of a scaling policy. AWS stores them.

    Application Auto Scaling API Reference, `StepScalingPolicyConfiguration` and
    `TargetTrackingScalingPolicyConfiguration`: in the scale-out cooldown the added capacity is part of the next result,
    so only a larger scale-out has an effect; the scale-in cooldown blocks scale-ins, and a scale-out ends it. Amazon
    ECS Developer Guide, "Automatically scale your Amazon ECS service": no scale-in during a deployment.
    """

    def __init__(self, out_s: float, in_s: float) -> None:
        self._out_s = out_s
        self._in_s = in_s
        self._out_at = -math.inf
        self._out_from = 0.0
        self._in_at = -math.inf

    def start(self, now: float, running: float) -> float:
        """Return the count that a scale-out adds to: the running tasks, or in the cooldown those before it."""
        return self._out_from if now - self._out_at < self._out_s else running

    def scale_out(self, world: Surface, seen: Tasks, start: float, count: int, reason: str) -> None:
        """Set the count if it is above the desired count."""
        if count > seen.desired and scaled(world, count, reason):
            self._out_at, self._out_from = world.now, start
            self._in_at = -math.inf

    def permits_scale_in(self, now: float, seen: Tasks) -> bool:
        """Return whether neither a deployment nor the cooldown prevents a scale-in."""
        return seen.deployment_s is None and now - self._in_at >= self._in_s

    def scale_in(self, world: Surface, seen: Tasks, count: int, reason: str) -> None:
        """Set the count if it is below the desired count."""
        if count < seen.desired and scaled(world, count, reason):
            self._in_at = world.now
