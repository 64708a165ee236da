"""Application Auto Scaling's step scaling on the visible messages, with the steps of the CDK's queue service."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from autoscaler.sim.model import MINUTE_S, Meter, Surface, Tasks
from autoscaler.sim.peers.peer import PeerNumber, Setup, minutes, peer, scaled, tasks

# CloudWatch alarms on one-minute metrics: each of the newest N minutes must have a datapoint that breaches.


class Minute(NamedTuple):
    """One minute of a metric, and the tasks that ran in it. None: no datapoint, which never breaches."""

    value: float | None
    running: float | None


def backlog_per_task(world: Surface, most: int) -> tuple[Minute, ...]:
    """Return visible messages / running tasks, the metric math of AWS's guide. It is undefined at zero tasks."""
    return tuple(
        Minute(visible / running if visible is not None and running else None, running)
        for visible, running in _joined(world, Meter.VISIBLE, most)
    )


def cpu_percent(world: Surface, most: int) -> tuple[Minute, ...]:
    """Return the mean CPU utilization of the service. Without a task there is no datapoint."""
    return tuple(Minute(value, running) for value, running in _joined(world, Meter.CPU_PERCENT, most))


def _joined(world: Surface, meter: Meter, most: int) -> list[tuple[float | None, float | None]]:
    """Return each value with the running tasks of the same minute, oldest first."""
    running = {point.at: point.value for point in minutes(world, Meter.RUNNING, most)}
    return [(point.value, running.get(point.at)) for point in minutes(world, meter, most)]


def breach(newest: Sequence[Minute], periods: int, breaches: Callable[[float], bool]) -> bool:
    """Return whether each of the newest `periods` minutes has a value that breaches. A missing value is insufficient
    data, and the alarm does nothing.
    """
    latest = newest[-periods:]
    return len(latest) == periods and all(minute.value is not None and breaches(minute.value) for minute in latest)


class ScalingStep(NamedTuple):
    """One step: from `messages` messages on, add `tasks` tasks."""

    messages: float
    tasks: int


@dataclass(frozen=True, slots=True)
class StepSettings:
    """AWS Cloud Development Kit, `QueueProcessingFargateService`: +1 task from 100 visible messages, +5 from 500, -1 at
    zero; the metric is the mean of `period_minutes` 5, one period triggers the alarm, and `cooldown_s` 300 is the
    default of Application Auto Scaling. `least_tasks` 1 is its `minScalingCapacity`: with zero tasks, 99 messages would
    wait forever. Application Auto Scaling User Guide, "How step scaling works": the rules of the cooldown.
    """

    steps: tuple[ScalingStep, ...]
    min_tasks: int
    max_tasks: int
    cooldown_s: float = 300.0
    period_minutes: int = 5
    least_tasks: int = 1
    interval_s: float = MINUTE_S

    def change(self, messages: float) -> int:
        """Return the number of tasks to add; negative to remove."""
        if messages <= 0:
            return -1
        return max((step.tasks for step in self.steps if messages >= step.messages), default=0)

    def bounded(self, count: int) -> int:
        return min(max(count, self.min_tasks, self.least_tasks), self.max_tasks)

    def __str__(self) -> str:
        steps = ", ".join(f"+{step.tasks} from {step.messages:g} on" for step in self.steps)
        return f"visible messages {steps}, -1 at zero, cooldown {self.cooldown_s:g} s"


class StepScaling:
    """The simulated step scaling policy. AWS stores the state: a restart loses nothing."""

    def __init__(self, settings: StepSettings) -> None:
        self._settings = settings
        self._out_at = -math.inf
        self._out_from = 0
        self._in_at = -math.inf

    @property
    def interval_s(self) -> float:
        return self._settings.interval_s

    def poll(self, world: Surface) -> None:
        """A missing minute is insufficient data, and the policy does nothing."""
        seen = tasks(world)
        if seen is None:
            return
        bounded = self._settings.bounded(seen.desired)
        if bounded != seen.desired:
            scaled(world, bounded, "the count was out of bounds")
            return
        messages = self._metric(world)
        change = 0 if messages is None else self._settings.change(messages)
        if change > 0:
            self._out(world, seen, change, f"visible messages {messages:.0f}: tasks +{change}")
        elif change < 0:
            self._in(world, seen, change)

    def restart(self) -> None:
        """Nothing is lost: AWS stores the state."""

    def _metric(self, world: Surface) -> float | None:
        """Return the mean of the newest period; None if a minute is missing."""
        points = minutes(world, Meter.VISIBLE, self._settings.period_minutes)
        values = [point.value for point in points if point.value is not None]
        return sum(values) / len(values) if len(values) == self._settings.period_minutes else None

    def _out(self, world: Surface, seen: Tasks, change: int, reason: str) -> None:
        """Add to the running count; in the cooldown, to the count before it, so only a larger step has an effect."""
        cooling = world.now - self._out_at < self._settings.cooldown_s
        start = self._out_from if cooling else seen.running
        count = self._settings.bounded(start + change)
        if count > seen.desired and scaled(world, count, reason):
            self._out_at, self._out_from = world.now, start
            self._in_at = -math.inf

    def _in(self, world: Surface, seen: Tasks, change: int) -> None:
        """Scale in, except during a deployment or the cooldown."""
        if seen.deployment_s is not None or world.now - self._in_at < self._settings.cooldown_s:
            return
        count = self._settings.bounded(seen.desired + change)
        if count < seen.desired and scaled(world, count, "no visible messages"):
            self._in_at = world.now


def _settings(setup: Setup, numbers: tuple[float, ...]) -> StepSettings:
    messages, cooldown_s = numbers
    steps = (ScalingStep(messages, 1), ScalingStep(5 * messages, 5))
    return StepSettings(steps, setup.min_tasks, setup.max_tasks, cooldown_s)


PEER = peer(
    "step-scaling",
    "AWS step scaling on the visible messages, with the CDK's steps",
    parts=(PeerNumber("MESSAGES", 100.0, from_latency=True, least=0.01), PeerNumber("COOLDOWN_S", 300.0)),
    settings=_settings,
    scaler=StepScaling,
    grid=("100/60", "latency", "latency/60", "1/60"),
)
