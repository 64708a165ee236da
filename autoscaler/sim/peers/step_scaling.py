"""Application Auto Scaling's step scaling on the visible messages, with the steps of the CDK's queue service."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from autoscaler.sim.model import MINUTE_S, Meter, Surface, Tasks
from autoscaler.sim.peers.looking import minutes, scaled, tasks
from autoscaler.sim.peers.peer import Part, Setup, peer


class Step(NamedTuple):
    """From so many messages on, so many tasks more."""

    messages: float
    tasks: int


@dataclass(frozen=True, slots=True)
class StepSettings:
    """AWS Cloud Development Kit, `QueueProcessingFargateService`: 1 task more from 100 visible messages on, 5 more
    from 500 on, 1 fewer at none; the metric is the mean of `period_minutes` 5, one period alarms, and `cooldown_s` is
    Application Auto Scaling's 300. `least_tasks` 1 is its `minScalingCapacity`: with none, 99 messages would wait for
    ever. Application Auto Scaling User Guide, "How step scaling works": the cooldown's rules.
    """

    steps: tuple[Step, ...]
    min_tasks: int
    max_tasks: int
    cooldown_s: float = 300.0
    period_minutes: int = 5
    least_tasks: int = 1
    interval_s: float = MINUTE_S

    def change(self, messages: float) -> int:
        """How many tasks more, or fewer."""
        if messages <= 0:
            return -1
        return max((step.tasks for step in self.steps if messages >= step.messages), default=0)

    def bounded(self, wanted: int) -> int:
        return min(max(wanted, self.min_tasks, self.least_tasks), self.max_tasks)

    def __str__(self) -> str:
        steps = ", ".join(f"+{step.tasks} from {step.messages:g} on" for step in self.steps)
        return f"visible messages {steps}, -1 at none, cooldown {self.cooldown_s:g} s"


class StepScaling:
    """Kept by AWS: a restart forgets nothing."""

    def __init__(self, settings: StepSettings) -> None:
        self._settings = settings
        self._out_at = -math.inf
        self._out_from = 0
        self._in_at = -math.inf

    @property
    def interval_s(self) -> float:
        return self._settings.interval_s

    def tick(self, world: Surface) -> None:
        """Minutes that are missing are insufficient data, on which nothing is done."""
        seen = tasks(world)
        if seen is None:
            return
        bounded = self._settings.bounded(seen.desired)
        if bounded != seen.desired:
            scaled(world, bounded, "the bounds")
            return
        messages = self._metric(world)
        change = 0 if messages is None else self._settings.change(messages)
        if change > 0:
            self._out(world, seen, change, f"{messages:.0f} messages: {change} tasks more")
        elif change < 0:
            self._in(world, seen, change)

    def restart(self) -> None:
        """It is a service of AWS."""

    def _metric(self, world: Surface) -> float | None:
        """The mean of the newest period."""
        points = minutes(world, Meter.VISIBLE, self._settings.period_minutes)
        values = [point.value for point in points if point.value is not None]
        return sum(values) / len(values) if len(values) == self._settings.period_minutes else None

    def _out(self, world: Surface, seen: Tasks, change: int, reason: str) -> None:
        """From the running count; within the cooldown from what ran before it, so that only a larger step passes."""
        cooling = world.now - self._out_at < self._settings.cooldown_s
        start = self._out_from if cooling else seen.running
        wanted = self._settings.bounded(start + change)
        if wanted > seen.desired and scaled(world, wanted, reason):
            self._out_at, self._out_from = world.now, start
            self._in_at = -math.inf

    def _in(self, world: Surface, seen: Tasks, change: int) -> None:
        """Suspended during a deployment."""
        if seen.deployment_s is not None or world.now - self._in_at < self._settings.cooldown_s:
            return
        wanted = self._settings.bounded(seen.desired + change)
        if wanted < seen.desired and scaled(world, wanted, "no message is visible"):
            self._in_at = world.now


def _settings(setup: Setup, numbers: tuple[float, ...]) -> StepSettings:
    messages, cooldown_s = numbers
    steps = (Step(messages, 1), Step(5 * messages, 5))
    return StepSettings(steps, setup.min_tasks, setup.max_tasks, cooldown_s)


PEER = peer(
    "step-scaling",
    "AWS step scaling on the visible messages, with the CDK's steps",
    parts=(Part("MESSAGES", 100.0, from_latency=True, least=0.01), Part("COOLDOWN_S", 300.0)),
    settings=_settings,
    scaler=StepScaling,
    grid=("100/60", "latency", "latency/60", "1/60"),
)
