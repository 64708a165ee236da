"""The product in the simulated world: its own loop, memory and decisions, behind ports that ask the world.

Nothing here decides. The ports answer at once, so a tick of the loop runs through without an event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from autoscaler.config import Service, policy_of
from autoscaler.config.durations import shown
from autoscaler.control.loop import Ports, Rhythm, ServiceLoop
from autoscaler.core.explain import sentence
from autoscaler.core.model import (
    Backlog,
    Deployment,
    Fleet,
    Instant,
    Measurement,
    Missing,
    StopTimeout,
    Utilization,
    Verdict,
)
from autoscaler.core.policy import Mode, Policy, Workers
from autoscaler.errors import AutoscalerError, ConfigError, Problem
from autoscaler.ports import (
    CloudWatchMetric,
    LiveTasks,
    PeriodSum,
    PrometheusQuery,
    QueueMinute,
    QueueRef,
    ServiceRef,
    Span,
    Tick,
    Urgency,
)
from autoscaler.sim.model import MINUTE_S, Meter, Surface

INTERVAL_S = 10.0
"""The product's default; never longer than a third of the latency."""

QUIET_S = 60.0
"""The product's default for an empty queue."""

WALL_S = 1_699_999_980.0
"""The time of day at instant 0, a whole minute: a Tuesday. Schedules and the look-ahead count from it."""

NEAR_MINUTES = 5
"""As far back as CloudWatch is asked."""

SERVICE = ServiceRef("simulated", "simulated", "simulated")
QUEUE = QueueRef("queue")

NOT_HERE = frozenset(
    {
        *("cluster", "service", "region", "role_arn", "external_id", "queues", "metrics", "memory_target_percent"),
        *("schedule", "schedules", "task_concurrency"),
    }
)
"""Fields that would change nothing here, blind the loop to a thing that the world does not have, or say of the workers
what they are not: how many messages they work on at once is the world's, by `--task-concurrency`.
"""

STRANGE = (
    "cannot be simulated: there is one queue with one service that acts, and neither memory nor metrics of its own"
)

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the operator says: the latency, the bounds, how many messages a task works on at once, and any other field
    of a service as in the settings file.
    """

    acceptable_latency_s: float
    min_tasks: int = 0
    max_tasks: int = 5000
    task_concurrency: int = 1
    fields: Mapping[str, object] = field(default_factory=dict)

    def policy(self) -> Policy:
        """Raises `ConfigError` with every mistake in `fields`; those of `NOT_HERE` are mistakes, and so is shadow."""
        if strangers := [name for name in self.fields if name in NOT_HERE]:
            raise ConfigError([Problem(name, STRANGE) for name in strangers])
        given = {
            "queues": [QUEUE.name],
            "acceptable_latency": shown(self.acceptable_latency_s),
            "min_tasks": self.min_tasks,
            "max_tasks": self.max_tasks,
            "task_concurrency": self.task_concurrency,
            "mode": Mode.ACTIVE.value,
            # set, not assumed: what the simulated workers do on SIGTERM is the world's, however long messages take
            "workers": Workers.DRAINING.value,
            **self.fields,
        }
        policy = policy_of(SERVICE.key, given)
        if policy.mode is Mode.SHADOW:
            raise ConfigError([Problem("mode", "in shadow nothing is ever changed: simulate it active")])
        return policy


class Ours:
    """A `Scaler`: the daemon, one service of it, which looks less often while nothing is there. `heard` is told of
    every tick, as a journal is.
    """

    def __init__(
        self, policy: Policy, interval_s: float = INTERVAL_S, heard: Callable[[Tick], None] | None = None
    ) -> None:
        self._policy = policy
        self._heard = heard
        self.interval_s = min(interval_s, policy.shortest_latency_s / 3)
        self._loop: ServiceLoop | None = None
        self._due = float("-inf")
        self._world = _World()

    def tick(self, world: Surface) -> None:
        """One tick of the loop; the reason of a change is told to the world."""
        if world.now < self._due:
            return
        self._world.surface = world
        loop = self._loop or self._begun()
        tick = _answered(loop.tick())
        self._due = world.now + (loop.pause(tick) - 0.5) * self.interval_s
        if self._heard is not None:
            self._heard(tick)
        if tick.decision is not None and tick.decision.verdict is not Verdict.HOLD:
            world.tell(sentence(tick.policy, tick.decision, tick.observation))

    def restart(self) -> None:
        self._loop, self._due = None, float("-inf")

    def _begun(self) -> ServiceLoop:
        world = self._world
        service = Service(SERVICE, (QUEUE,), self._policy)
        ports = Ports(
            world, world, _NoGauges(), world, world, world.clock, lambda: WALL_S + world.clock(), world, _AtOnce()
        )
        self._loop = ServiceLoop(service, ports, Rhythm(self.interval_s, quiet_s=QUIET_S))
        return self._loop


def _answered(asked: Coroutine[Any, Any, Answer]) -> Answer:
    """What the coroutine returns. It never waits: every port answers at once."""
    try:
        asked.send(None)
    except StopIteration as returned:
        answer: Answer = returned.value
        return answer
    asked.close()
    raise RuntimeError("a port of the simulated world waited")


class _World:
    """Every port of a loop, by asking the surface of the world."""

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
        """Each minute is looked up once."""
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
                sent=_sent(world),
            )
        return self._minute

    async def sent(self, queue: QueueRef, spans: Sequence[Span]) -> tuple[PeriodSum, ...]:
        """What CloudWatch remembers of the minutes before."""
        [(start, end, period_s)] = spans
        minutes = self.surface.minutes(Meter.SENT, int((end - start) / period_s))
        begins = [(WALL_S + at - period_s, value) for at, value in minutes]
        return tuple((at, period_s, value) for at, value in begins if value is not None and start <= at < end)

    async def received(self, queue: QueueRef, spans: Sequence[Span]) -> tuple[PeriodSum, ...]:
        """What was received, and three empty receives a minute and task: workers that poll for 20 s at a time."""
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

    async def measure(self, service: ServiceRef, metric: CloudWatchMetric) -> Measurement | Missing:
        return Missing("the simulated world has no metrics of its own", "no_data")

    async def live_tasks(self, service: ServiceRef, at: Instant) -> LiveTasks | None:
        minutes = self.surface.minutes(Meter.LIVE, NEAR_MINUTES)
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

    async def scale_to(self, service: ServiceRef, tasks: int, urgency: Urgency, more: int = 0) -> bool:
        self.surface.scale_to(tasks)
        return True

    def record(self, tick: Tick) -> None:
        """The report is told by `tell`."""


class _AtOnce:
    """An `Aside`: nothing here takes time."""

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        _answered(work)

    async def think(self, work: Callable[[], Answer]) -> Answer:
        return work()


class _NoGauges:
    async def measure(self, query: PrometheusQuery) -> Measurement | Missing:
        return Missing("the simulated world has no Prometheus", "no_data")


def _sent(world: Surface) -> int | None:
    newest = world.minutes(Meter.SENT, 1)
    return _count(newest[0].value) if newest else None


def _count(value: float | None) -> int | None:
    return None if value is None else round(value)
