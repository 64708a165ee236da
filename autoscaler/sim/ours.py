"""Run this autoscaler in the simulated world: its own loop, memory and decisions, with ports that read the world.

This module makes no decision. The ports return at once, so a poll runs to its end without an event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from autoscaler.config import ServiceConfig, policy_of
from autoscaler.config.values import shown
from autoscaler.control.cadence import Rhythm
from autoscaler.control.loop import ServiceLoop
from autoscaler.core.explain import sentence
from autoscaler.core.model import (
    Backlog,
    Deployment,
    Fleet,
    Instant,
    Measurement,
    Missing,
    PastCounts,
    PastMinute,
    Revision,
    StopTimeout,
    Utilization,
    Verdict,
)
from autoscaler.core.policy import Mode, Policy, WorkerSafety
from autoscaler.errors import AutoscalerError, ConfigError, Problem
from autoscaler.ports import (
    PAST_MINUTES,
    LiveTasks,
    MetricRequest,
    PeriodSum,
    Poll,
    Ports,
    QueueMinute,
    QueueRef,
    ServiceRef,
    Span,
    StartPort,
    Urgency,
)
from autoscaler.pricing import TaskSize
from autoscaler.sim.model import MINUTE_S, AtRisk, Meter, Surface

INTERVAL_S = 10.0
"""This autoscaler's longest interval. A poll interval is at most a third of the latency target."""

QUIET_S = 60.0
"""This autoscaler's default for an empty queue."""

WALL_S = 1_699_999_980.0
"""The wall time at instant 0: a whole minute on a Tuesday. Schedules and the look-ahead use it."""

AT_RISK = "slo_at_risk"
"""The kind of the notice that the latency target is at risk."""

LIVE_TASKS_MINUTES = 5
"""Number of minutes of `LiveTaskCount` that are read."""

PAST_METERS = (
    Meter.LIVE,
    Meter.CPU_SAMPLES,
    Meter.VISIBLE,
    Meter.IN_FLIGHT,
    Meter.RECEIVED,
    Meter.DELETED,
    Meter.OLDEST_AGE_S,
    Meter.GROUPS_IN_FLIGHT,
)
"""The tasks of a past minute, and the fields of `PastCounts`."""

SERVICE = ServiceRef("simulated", "simulated", "simulated")
QUEUE = QueueRef("queue")

UNSUPPORTED_FIELDS = frozenset(
    {
        *("cluster", "service", "region", "role_arn", "external_id", "queues", "metrics", "memory_target_percent"),
        *("schedule", "schedules", "task_concurrency"),
    }
)
"""Fields that have no effect here, that need something that the simulated world does not have, or that contradict its
workers: their concurrency is a setting of the world, `--task-concurrency`.
"""

UNSUPPORTED = (
    "not supported in the simulator, which has one queue, one active service, and no memory usage or custom metrics"
)

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class SimulatedSettings:
    """Settings of the simulated service: latency target, bounds, concurrency, and any other field of the settings
    file.
    """

    acceptable_latency_s: float
    min_tasks: int = 0
    max_tasks: int = 5000
    task_concurrency: int = 1
    fields: Mapping[str, object] = field(default_factory=dict)

    def policy(self) -> Policy:
        """Return the policy. Raise `ConfigError` with all problems of `fields`; `UNSUPPORTED_FIELDS` and shadow mode
        are problems too.
        """
        if unsupported := [name for name in self.fields if name in UNSUPPORTED_FIELDS]:
            raise ConfigError([Problem(name, UNSUPPORTED) for name in unsupported])
        settings = {
            "queues": [QUEUE.name],
            "acceptable_latency": shown(self.acceptable_latency_s),
            "min_tasks": self.min_tasks,
            "max_tasks": self.max_tasks,
            "task_concurrency": self.task_concurrency,
            "mode": Mode.ACTIVE.value,
            # set explicitly: the world defines what its workers do on SIGTERM, for any processing time
            "workers": WorkerSafety.DRAINING.value,
            **self.fields,
        }
        policy = policy_of(SERVICE.key, settings)
        if policy.mode is Mode.SHADOW:
            raise ConfigError([Problem("mode", "shadow mode never changes the task count. Use active")])
        return policy


class Ours:
    """A `Scaler` that runs the daemon's loop for one service, with the longer interval while the queue is empty.
    `on_poll` is called with every poll, as a journal is. `risks`: the polls with a notice that the latency target is at
    risk.
    """

    def __init__(
        self,
        policy: Policy,
        interval_s: float | None = None,
        on_poll: Callable[[Poll], None] | None = None,
        starts: StartPort | None = None,
    ) -> None:
        """`interval_s` None: the interval is derived, as without the setting `interval`. `starts` None: the start-up
        time is learned from the counts of ECS, as without the permission to describe tasks.
        """
        self._policy = policy
        self._queues = (QUEUE,) if policy.queues else ()
        self._on_poll = on_poll
        self._starts = starts
        longest_s = min(INTERVAL_S if interval_s is None else interval_s, policy.shortest_latency_s / 3)
        self._rhythm = Rhythm(longest_s, quiet_s=QUIET_S, derived=interval_s is None)
        self.interval_s = self._rhythm.step_s
        self._loop: ServiceLoop | None = None
        self._next_poll_s = float("-inf")
        self._world = _World()
        self.risks = RiskLog()

    def poll(self, world: Surface) -> None:
        """Run one poll of the loop, and log the reason of a change to the world."""
        if world.now < self._next_poll_s:
            return
        self._world.surface = world
        loop = self._loop or self._started()
        poll = _run_at_once(loop.poll())
        self._next_poll_s = world.now + (loop.pause(poll) - 0.5) * self.interval_s
        if self._on_poll is not None:
            self._on_poll(poll)
        self.risks.see(world.now, poll)
        if poll.decision is not None and poll.decision.verdict is not Verdict.HOLD:
            world.log(sentence(poll.policy, poll.decision, poll.observation))

    def restart(self) -> None:
        self._loop, self._next_poll_s = None, float("-inf")

    def _started(self) -> ServiceLoop:
        world = self._world
        service = ServiceConfig(SERVICE, self._queues, self._policy)
        ports = Ports(
            queues=world,
            meters=world,
            metrics=world,
            fleets=world,
            journal=world,
            clock=world.clock,
            wall=lambda: WALL_S + world.clock(),
            history=world,
            background=_Immediate(),
            starts=self._starts,
        )
        self._loop = ServiceLoop(service, ports, self._rhythm)
        return self._loop


class RiskLog:
    """The periods between polls in which the latest poll had a notice that the latency target is at risk."""

    def __init__(self) -> None:
        self._periods: list[AtRisk] = []
        self._open: tuple[float, str] | None = None

    def see(self, now: float, poll: Poll) -> None:
        reason = next((notice.reason for notice in poll.notices if notice.kind == AT_RISK), None)
        if reason is None:
            self._periods = list(self.until(now))
            self._open = None
        elif self._open is None:
            self._open = now, reason

    def until(self, ended_s: float) -> tuple[AtRisk, ...]:
        """Return the ascending periods. One that is not over ends at `ended_s`."""
        if self._open is None:
            return tuple(self._periods)
        since_s, reason = self._open
        return (*self._periods, AtRisk(since_s, max(since_s, ended_s), reason))


def _run_at_once(call: Coroutine[Any, Any, Result]) -> Result:
    """Return the result of the coroutine, which never waits, because every port returns at once."""
    try:
        call.send(None)
    except StopIteration as returned:
        result: Result = returned.value
        return result
    call.close()
    raise RuntimeError("a port of the simulated world waited")


class _World:
    """All ports of a loop, implemented with the world's surface."""

    surface: Surface

    def __init__(self) -> None:
        self._minute = QueueMinute(float("-inf"))

    def clock(self) -> float:
        return self.surface.now

    async def backlog(self, queue: QueueRef) -> Backlog | Missing:
        try:
            counts = self.surface.counts()
        except AutoscalerError as error:
            return Missing(str(error), error.kind)
        return Backlog(counts.visible, counts.in_flight, counts.delayed, self.surface.now)

    async def minute(self, queue: QueueRef) -> QueueMinute | Missing:
        """Return the latest minute. Each minute is read once."""
        world = self.surface
        received = world.minutes(Meter.RECEIVED, 1)
        if not received:
            return Missing("CloudWatch has no minute yet", "no_data")
        at = received[0].at
        if at != self._minute.at:
            ages = world.minutes(Meter.OLDEST_AGE_S, 1)
            deleted = world.minutes(Meter.DELETED, 1)
            self._minute = QueueMinute(
                at,
                _count(received[0].value),
                _count(deleted[0].value),
                ages[0].value if ages else None,
                _groups(world),
                sent=_sent(world),
            )
        return self._minute

    async def sent(self, queue: QueueRef, spans: Sequence[Span]) -> tuple[PeriodSum, ...]:
        """Return the sums of the messages sent that CloudWatch has for the span."""
        [(start, end, period_s)] = spans
        minutes = self.surface.minutes(Meter.SENT, int((end - start) / period_s))
        begins = [(WALL_S + at - period_s, value) for at, value in minutes]
        return tuple((at, period_s, value) for at, value in begins if value is not None and start <= at < end)

    async def received(self, queue: QueueRef, spans: Sequence[Span]) -> tuple[PeriodSum, ...]:
        """Return received messages plus three empty receives per minute and task: workers with long polls of 20 s."""
        [(start, end, period_s)] = spans
        most = int((end - start) / MINUTE_S)
        sums: dict[float, float] = {}
        for meter, factor in ((Meter.RECEIVED, 1), (Meter.RUNNING, 3)):
            for at, value in self.surface.minutes(meter, most):
                begin = WALL_S + at - MINUTE_S
                if value is not None and start <= begin < end:
                    period = start + (begin - start) // period_s * period_s
                    sums[period] = sums.get(period, 0.0) + factor * value
        return tuple((at, period_s, value) for at, value in sorted(sums.items()))

    async def cpu(self, service: ServiceRef) -> Utilization | Missing:
        points = self.surface.minutes(Meter.CPU_PERCENT, 1)
        if not points or points[0].value is None:
            return Missing("CloudWatch has no datapoint", "no_data")
        return Utilization(points[0].value, points[0].at)

    async def memory(self, service: ServiceRef) -> Utilization | Missing:
        return Missing("the simulated tasks have no memory to measure", "no_data")

    async def measure(self, service: ServiceRef, request: MetricRequest, /) -> Measurement | Missing:
        return Missing("the simulated world has no custom metrics", "no_data")

    async def past(self, service: ServiceRef, queues: Sequence[QueueRef]) -> tuple[PastMinute, ...] | Missing:
        columns = {meter: dict(self.surface.minutes(meter, PAST_MINUTES)) for meter in PAST_METERS}
        tasks, samples, *counts = (columns[meter] for meter in PAST_METERS)
        return tuple(
            PastMinute(
                end,
                tasks.get(end),
                samples.get(end),
                {QUEUE.name: PastCounts(*(_count(each.get(end)) for each in counts))},
            )
            for end in sorted(columns[Meter.VISIBLE])
        )

    async def live_tasks(self, service: ServiceRef, at: Instant) -> LiveTasks | None:
        minutes = self.surface.minutes(Meter.LIVE, LIVE_TASKS_MINUTES)
        near = [count for end, count in minutes if count is not None and abs(end - at) < 1.5 * MINUTE_S]
        return LiveTasks(min(near), max(near)) if near else None

    async def read(self, service: ServiceRef, urgency: Urgency = Urgency.ROUTINE) -> Fleet | Missing:
        try:
            tasks = self.surface.tasks()
        except AutoscalerError as error:
            return Missing(str(error), error.kind)
        rolling = None if tasks.deployment_s is None else Deployment(tasks.deployment_s)
        return Fleet(tasks.desired, tasks.running, tasks.pending, self.surface.now, rolling)

    async def protected(self, service: ServiceRef) -> int | Missing:
        try:
            return self.surface.protected()
        except AutoscalerError as error:
            return Missing(str(error), error.kind)

    async def conflicting_scalers(self, service: ServiceRef) -> tuple[str, ...] | Missing:
        return ()

    async def stop_timeout(self, service: ServiceRef, task_definition: str) -> StopTimeout | Missing:
        return Missing("the simulated world has no task definitions", "no_data")

    async def task_size(self, service: ServiceRef, task_definition: str) -> TaskSize | Missing:
        return Missing("the simulated world has no task definitions", "no_data")

    async def newest_revision(self, service: ServiceRef, task_definition: str) -> str | Missing:
        return Missing("the simulated world has no task definitions", "no_data")

    async def scale_to(self, service: ServiceRef, tasks: int, urgency: Urgency, more: int = 0) -> Revision | None:
        self.surface.scale_to(tasks)
        return Revision()

    def record(self, poll: Poll) -> None:
        """Do nothing: `Ours.poll` logs the reasons."""


class _Immediate:
    """A `BackgroundTasks` that runs everything at once."""

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        _run_at_once(work)

    async def compute(self, work: Callable[[], Result]) -> Result:
        return work()


def _groups(world: Surface) -> int | None:
    newest = world.minutes(Meter.GROUPS_IN_FLIGHT, 1)
    return _count(newest[0].value) if newest else None


def _sent(world: Surface) -> int | None:
    newest = world.minutes(Meter.SENT, 1)
    return _count(newest[0].value) if newest else None


def _count(value: float | None) -> int | None:
    return None if value is None else round(value)
