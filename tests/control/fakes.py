"""Fakes of all ports for one service and its queues. The tests set what they return."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from autoscaler.config import ServiceConfig
from autoscaler.config.model import Schedule
from autoscaler.control.admission import Admission
from autoscaler.control.cadence import Rhythm
from autoscaler.control.loop import ServiceLoop
from autoscaler.core.model import (
    Backlog,
    Deployment,
    Fleet,
    Measurement,
    Missing,
    PastMinute,
    Revision,
    StopTimeout,
    Utilization,
)
from autoscaler.core.policy import Mode, Policy, QueuePolicy, ScaleIn
from autoscaler.errors import AutoscalerError
from autoscaler.ports import (
    CloudWatchMetric,
    LiveTasks,
    MetricRequest,
    Poll,
    Ports,
    QueueMinute,
    QueueRef,
    ServiceRef,
    Urgency,
)
from autoscaler.pricing import TaskSize
from autoscaler.sources.prometheus import PrometheusQuery
from tests.virtual import run_virtually

NOON = 1_795_000_000.0
"""The wall time at 0 s of the loop's clock."""


def now() -> float:
    return asyncio.get_running_loop().time()


@dataclass
class FakePorts:
    """Implements every port. `waiting`: visible messages of each queue. A script may change a field between polls."""

    waiting: int = 0
    in_flight: int = 0
    desired: int = 0
    running: int | None = None
    queue_missing: Missing | None = None
    service_missing: Missing | None = None
    write_error: AutoscalerError | None = None
    accepts_despite_error: bool = False
    stale_reads: int = 0
    cpu_percent: float | None = None
    writes: list[tuple[float, int]] = field(default_factory=list)
    polls: list[Poll] = field(default_factory=list)
    slow_s: float = 0.0
    before_write: Callable[[], None] = lambda: None
    pause_tag: str | None = None
    minutes: dict[str, QueueMinute | Missing] = field(default_factory=dict)
    measured: dict[str, Measurement | Missing] = field(default_factory=dict)
    protected_tasks: int | Missing = 0
    protection_reads: int = 0
    protection_read_at: float = 0.0
    live: LiveTasks | None = None
    live_reads: list[float] = field(default_factory=list)
    scalers: tuple[str, ...] | Missing = ()
    scaler_reads: int = 0
    queue_depths: dict[str, tuple[int, int]] = field(default_factory=dict)
    deploying_since: float | None = None
    definitions: tuple[str, ...] = ()
    providers: tuple[tuple[str, float], ...] = ()
    stop_timeouts: dict[str, StopTimeout | Missing] = field(default_factory=dict)
    sizes: dict[str, TaskSize | Missing] = field(default_factory=dict)
    size_reads: list[tuple[float, str]] = field(default_factory=list)
    newest_definition: str = ""
    newest_reads: list[tuple[float, str]] = field(default_factory=list)
    definition_reads: list[tuple[float, str]] = field(default_factory=list)
    _shown: int | None = None

    async def backlog(self, queue: QueueRef) -> Backlog | Missing:
        at = now()
        await asyncio.sleep(self.slow_s)
        return self.queue_missing or Backlog(*self.queue_depths.get(queue.name, (self.waiting, self.in_flight)), 0, at)

    async def minute(self, queue: QueueRef) -> QueueMinute | Missing:
        return self.minutes.get(queue.name, Missing("no datapoint", "no_data"))

    async def cpu(self, service: ServiceRef) -> Utilization | Missing:
        return Missing("no datapoint", "no_data") if self.cpu_percent is None else Utilization(self.cpu_percent, now())

    async def past(self, service: ServiceRef, queues: Sequence[QueueRef]) -> tuple[PastMinute, ...] | Missing:
        return Missing("no datapoint", "no_data")

    async def live_tasks(self, service: ServiceRef, at: float) -> LiveTasks | None:
        self.live_reads.append(at)
        return self.live

    async def memory(self, service: ServiceRef) -> Utilization | Missing:
        return Missing("no datapoint", "no_data")

    async def measure(self, service: ServiceRef, request: MetricRequest, /) -> Measurement | Missing:
        name = request.query if isinstance(request, PrometheusQuery) else ""
        name = request.metric if isinstance(request, CloudWatchMetric) else name
        return self.measured.get(name, Missing("no datapoint", "no_data"))

    async def protected(self, service: ServiceRef) -> int | Missing:
        self.protection_reads, self.protection_read_at = self.protection_reads + 1, now()
        return self.protected_tasks

    async def conflicting_scalers(self, service: ServiceRef) -> tuple[str, ...] | Missing:
        self.scaler_reads += 1
        return self.scalers

    async def stop_timeout(self, service: ServiceRef, task_definition: str) -> StopTimeout | Missing:
        self.definition_reads.append((now(), task_definition))
        return self.stop_timeouts.get(task_definition, Missing("not allowed", "denied"))

    async def newest_revision(self, service: ServiceRef, task_definition: str) -> str | Missing:
        self.newest_reads.append((now(), task_definition))
        return self.newest_definition or Missing("not allowed", "denied")

    async def task_size(self, service: ServiceRef, task_definition: str) -> TaskSize | Missing:
        self.size_reads.append((now(), task_definition))
        return self.sizes.get(task_definition, Missing("not allowed", "denied"))

    async def read(self, service: ServiceRef, urgency: Urgency = Urgency.ROUTINE) -> Fleet | Missing:
        if self.service_missing is not None:
            return self.service_missing
        shown = self.desired
        if self.stale_reads and self._shown is not None:
            self.stale_reads -= 1
            shown = self._shown
        running = self.desired if self.running is None else self.running
        rolling = None if self.deploying_since is None else Deployment(self.deploying_since)
        return Fleet(
            shown,
            running,
            0,
            now(),
            deployment=rolling,
            pause_tag=self.pause_tag,
            task_definitions=self.definitions,
            providers=self.providers,
        )

    async def scale_to(self, service: ServiceRef, tasks: int, urgency: Urgency, more: int = 0) -> Revision | None:
        self.before_write()
        if self.write_error is None or self.accepts_despite_error:
            self._shown, self.desired = self.desired, tasks
        if self.write_error is not None:
            raise self.write_error
        self.writes.append((now(), tasks))
        return Revision()

    def record(self, poll: Poll) -> None:
        self.polls.append(poll)


def policy(**changes: object) -> Policy:
    fields: dict[str, object] = {
        "name": "orders",
        "min_tasks": 0,
        "max_tasks": 20,
        "queues": (QueuePolicy("orders", 60.0),),
        "backlog_per_task": 10.0,
        "scale_in": ScaleIn(stabilization_s=60.0),
        "mode": Mode.ACTIVE,
        **changes,
    }
    return Policy(**fields)  # type: ignore[arg-type]  # the tests pass fields of Policy only


def service(
    key: str = "orders",
    sources: tuple[tuple[str, MetricRequest], ...] = (),
    schedules: tuple[Schedule, ...] = (),
    **changes: object,
) -> ServiceConfig:
    own_policy = policy(**changes)
    queues = tuple(QueueRef(queue.name) for queue in own_policy.queues)
    return ServiceConfig(ServiceRef(key, "prod", key), queues, own_policy, sources, schedules)


def wall() -> float:
    return NOON + now()


def ports_of(world: FakePorts) -> Ports:
    """Return ports that all use `world`, with the clock of the running event loop."""
    return Ports(queues=world, meters=world, metrics=world, fleets=world, journal=world, clock=now, wall=wall)


def loop_over(
    world: FakePorts,
    *,
    interval_s: float = 10.0,
    rhythm: Rhythm | None = None,
    admission: Admission | None = None,
    **changes: object,
) -> ServiceLoop:
    """Return a service loop with the clock of the running event loop."""
    return ServiceLoop(service(**changes), ports_of(world), rhythm or Rhythm(interval_s), admission)  # type: ignore[arg-type]


def play(
    world: FakePorts, seconds: float, script: Mapping[Any, Callable[[], object]] | None = None, **changes: object
) -> None:
    """Run one loop for `seconds`. `script`: actions by the second at which they run, between polls."""

    async def main() -> None:
        stopping = asyncio.Event()
        clock = asyncio.get_running_loop()
        began = clock.time()
        task = asyncio.create_task(loop_over(world, **changes).run(stopping))  # type: ignore[arg-type]
        for at, action in sorted((script or {}).items()):
            await asyncio.sleep(began + at - clock.time())
            action()
        await asyncio.sleep(began + seconds - clock.time())
        stopping.set()
        await task

    run_virtually(main())
