"""Application Auto Scaling's step scaling, on two metrics: the visible messages, with the steps of the CDK's queue
service, and the backlog per task, as a custom metric of 10 s.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from autoscaler.core.figures import number
from autoscaler.sim.model import MINUTE_S, Meter, Surface, Tasks
from autoscaler.sim.peers.application_auto_scaling import Alarm, Cooldowns, breach
from autoscaler.sim.peers.high_resolution import HighResolutionMetric, sampled_backlog_per_task
from autoscaler.sim.peers.peer import PeerNumber, Setup, minutes, peer, scaled, tasks


class ScalingStep(NamedTuple):
    """One step: from `messages` messages on, add `tasks` tasks."""

    messages: float
    tasks: int


@dataclass(frozen=True, slots=True)
class StepSettings:
    """AWS Cloud Development Kit, `QueueProcessingFargateService`: +1 task from 100 visible messages, +5 from 500, -1 at
    zero; the metric (`metricApproximateNumberOfMessagesVisible`) is the maximum of `period_minutes` 5, one period
    triggers the alarm, and `cooldown_s` 300 is the default of Application Auto Scaling. `least_tasks` 1 is its
    `minScalingCapacity`: with zero tasks, 99 messages would wait forever. Application Auto Scaling User Guide, "How
    step scaling works": the rules of the cooldown.
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
        self._cooldowns = Cooldowns(settings.cooldown_s, settings.cooldown_s)

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
            start = int(self._cooldowns.start(world.now, seen.running))
            count = self._settings.bounded(start + change)
            self._cooldowns.scale_out(world, seen, start, count, f"visible messages {messages:.0f}: tasks +{change}")
        elif change < 0 and self._cooldowns.permits_scale_in(world.now, seen):
            self._cooldowns.scale_in(world, seen, self._settings.bounded(seen.desired + change), "no visible messages")

    def restart(self) -> None:
        """Nothing is lost: AWS stores the state."""

    def _metric(self, world: Surface) -> float | None:
        """Return the maximum of the newest period; None if a minute is missing."""
        points = minutes(world, Meter.VISIBLE, self._settings.period_minutes)
        values = [point.value for point in points if point.value is not None]
        return max(values) if len(values) == self._settings.period_minutes else None


class PercentStep(NamedTuple):
    """One step: while the metric is above `ratio` x the threshold, add `percent` of the running tasks."""

    ratio: float
    percent: float


PROPORTIONAL_STEPS = (
    PercentStep(1.0, 50.0),
    PercentStep(1.5, 100.0),
    PercentStep(2.0, 200.0),
    PercentStep(3.0, 400.0),
    PercentStep(5.0, 900.0),
    PercentStep(10.0, 1900.0),
    PercentStep(20.0, 4900.0),
    PercentStep(50.0, 9900.0),
)
"""Each step adds what the highest value of the step requires in proportion: from 1.5 to 2 x the threshold, 100 %."""


def percent_change(tasks_now: float, percent: float) -> int:
    """Return the number of tasks to add, or to remove if negative; at least one in either direction.

    Application Auto Scaling User Guide, "How step scaling works", `PercentChangeInCapacity`: rounded towards zero, but
    a change of less than one task is one task. `MinAdjustmentMagnitude` 1: also a percentage of zero tasks.
    """
    return int(math.copysign(max(1, math.floor(abs(tasks_now * percent / 100) + 1e-9)), percent))


@dataclass(frozen=True, slots=True)
class BacklogStepSettings:
    """What AWS recommends in 2026 for queues on ECS, as it was reported to us: an agent publishes the queue depth every
    `period_s` 10 as a high-resolution custom metric; an alarm with one datapoint (`out_periods` 1) compares the backlog
    per task with `target` = acceptable latency / time per message; step scaling adds tasks. CloudWatch API Reference,
    `PutMetricAlarm`: 10 s is the shortest alarm period, and needs a metric with a storage resolution of 1 s.
    Application Auto Scaling API Reference, `StepScalingPolicyConfiguration`: `cooldown_s` 300 is the default for ECS.

    **Assumed**, because AWS's page with these numbers was not available: the steps (`PROPORTIONAL_STEPS`), and all
    numbers of the scale-in: `in_percent` 10 after `in_periods` 90 datapoints (15 minutes) below `in_ratio` 0.9 x the
    target, as in target tracking. `least_tasks` 1: at zero tasks, a backlog up to the target would wait forever.
    """

    target: float
    min_tasks: int
    max_tasks: int
    cooldown_s: float = 300.0
    in_percent: float = 10.0
    in_ratio: float = 0.9
    steps: tuple[PercentStep, ...] = PROPORTIONAL_STEPS
    period_s: float = 10.0
    out_periods: int = 1
    in_periods: int = 90
    least_tasks: int = 1

    def percent(self, backlog: float) -> float:
        """Return the percentage of the highest step that the backlog per task is above."""
        return max((step.percent for step in self.steps if backlog > step.ratio * self.target), default=0.0)

    def bounded(self, count: int) -> int:
        return min(max(count, self.min_tasks, self.least_tasks), self.max_tasks)

    def __str__(self) -> str:
        return (
            f"steps above {self.target:g} messages per task, -{self.in_percent:g} % below {self.in_ratio:g} x,"
            f" cooldown {self.cooldown_s:g} s, datapoints of {self.period_s:g} s"
        )


class BacklogStepScaling:
    """The simulated step scaling policies, one per direction, with their alarms and the agent that publishes the
    metric. A sample is read at the next poll. AWS stores the state: a restart of the agent loses nothing.
    """

    def __init__(self, settings: BacklogStepSettings) -> None:
        self._settings = settings
        self._metric = HighResolutionMetric(sampled_backlog_per_task, settings.period_s, 0.0, settings.in_periods)
        self._cooldowns = Cooldowns(settings.cooldown_s, settings.cooldown_s)
        self._high = Alarm()
        self._low = Alarm()

    @property
    def interval_s(self) -> float:
        return self._settings.period_s

    def poll(self, world: Surface) -> None:
        """A period without a sample is insufficient data, and the policies do nothing."""
        self._metric.sample(world)
        settings, seen = self._settings, tasks(world)
        if seen is None:
            return
        bounded = settings.bounded(seen.desired)
        if bounded != seen.desired:
            scaled(world, bounded, "the count was out of bounds")
            return
        newest = self._metric.newest(world, settings.in_periods)
        is_high = breach(newest, settings.out_periods, lambda value: value > settings.target)
        low = settings.target * settings.in_ratio
        is_low = not is_high and breach(newest, settings.in_periods, lambda value: value < low)
        if self._high.invokes(world.now, is_high):
            self._out(world, seen, newest[-1].value or 0.0)
        if self._low.invokes(world.now, is_low):
            self._in(world, seen, newest[-1].value or 0.0)

    def restart(self) -> None:
        """Nothing is lost: AWS stores the state."""

    def _out(self, world: Surface, seen: Tasks, backlog: float) -> None:
        start, percent = self._cooldowns.start(world.now, seen.running), self._settings.percent(backlog)
        count = self._settings.bounded(int(start) + percent_change(start, percent))
        self._cooldowns.scale_out(world, seen, start, count, f"{self._backlog(backlog)}: tasks +{percent:g} %")

    def _in(self, world: Surface, seen: Tasks, backlog: float) -> None:
        if self._cooldowns.permits_scale_in(world.now, seen):
            percent = self._settings.in_percent
            count = self._settings.bounded(seen.desired + percent_change(seen.desired, -percent))
            self._cooldowns.scale_in(world, seen, count, f"{self._backlog(backlog)}: tasks -{percent:g} %")

    def _backlog(self, backlog: float) -> str:
        return f"{number(backlog)} messages per task, target {self._settings.target:g}"


def _settings(setup: Setup, numbers: tuple[float, ...]) -> StepSettings:
    messages, cooldown_s = numbers
    steps = (ScalingStep(messages, 1), ScalingStep(5 * messages, 5))
    return StepSettings(steps, setup.min_tasks, setup.max_tasks, cooldown_s)


def _backlog_settings(setup: Setup, numbers: tuple[float, ...]) -> BacklogStepSettings:
    target, cooldown_s, percent, below_percent = numbers
    return BacklogStepSettings(target, setup.min_tasks, setup.max_tasks, cooldown_s, percent, below_percent / 100)


PEER = peer(
    "step-scaling",
    "AWS step scaling on the visible messages, with the CDK's steps",
    parts=(PeerNumber("MESSAGES", 100.0, from_latency=True, least=0.01), PeerNumber("COOLDOWN_S", 300.0)),
    settings=_settings,
    scaler=StepScaling,
    grid=("100/60", "latency", "latency/60", "1/60"),
)

PEER_10S = peer(
    "step-scaling-10s",
    "AWS step scaling of the backlog per task, on a custom metric of 10 s, as AWS recommends in 2026",
    parts=(
        PeerNumber("BACKLOG_PER_TASK", None, from_latency=True, least=0.01),
        PeerNumber("COOLDOWN_S", 300.0),
        PeerNumber("IN_PERCENT", 10.0, least=1.0),
        PeerNumber("IN_BELOW_PERCENT", 90.0),
    ),
    settings=_backlog_settings,
    scaler=BacklogStepScaling,
    grid=("latency/300/10/10", "latency/60", "latency/60/10/10", "1", "1/60/20"),
)
