"""Measure memory growth over a week of many services in virtual time, with the daemon's code except the network.

    python -m bench.soaking [SERVICES] [DAYS]

The load of each queue has a daily wave and bursts. A reload replaces some services every day. Ports answer from memory,
at once. Prints resident memory at hours 1 to 3 and every twelfth virtual hour to stderr, and the growth at the end.
"""

from __future__ import annotations

import asyncio
import gc
import math
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from zlib import crc32

from autoscaler.config import Config, LogFormat, LogLevel, ServiceConfig
from autoscaler.control.admission import Admission
from autoscaler.control.supervisor import ReadBudget, Supervisor
from autoscaler.core.model import Backlog, Fleet, Measurement, Missing, PastMinute, Revision, StopTimeout, Utilization
from autoscaler.core.policy import Mode, Policy, QueuePolicy
from autoscaler.ports import LiveTasks, MetricRequest, Ports, QueueMinute, QueueRef, ServiceRef, Urgency
from autoscaler.pricing import TaskSize
from autoscaler.telemetry import LoggedJournal, Metrics, StatusStore
from autoscaler.telemetry.journal import StructuredLogger
from bench.resident import resident_mb
from tests.virtual import run_virtually

NOON = 1_795_000_000.0
HOUR_S, DAY_S = 3600.0, 86_400.0
INTERVAL_S = 60.0
TASK_PER_S = 0.2


class _Silent:
    """A log that discards everything."""

    def info(self, event: str, **fields: Any) -> None: ...

    def warning(self, event: str, **fields: Any) -> None: ...


def now() -> float:
    return asyncio.get_running_loop().time()


@dataclass
class Region:
    """All ports. The backlog is integrated over the time between two reads."""

    waiting: dict[str, tuple[float, float]] = field(default_factory=dict)
    desired: dict[str, int] = field(default_factory=dict)

    async def backlog(self, queue: QueueRef) -> Backlog | Missing:
        at, (since, held) = now(), self.waiting.get(queue.name, (now(), 0.0))
        arrived = _rate(queue.name, at) * (at - since)
        processed = self.desired.get(queue.name, 0) * TASK_PER_S * (at - since)
        held = max(0.0, held + arrived - processed)
        self.waiting[queue.name] = at, held
        busy = min(int(held), self.desired.get(queue.name, 0))
        return Backlog(int(held) - busy, busy, 0, at)

    async def minute(self, queue: QueueRef) -> QueueMinute | Missing:
        at = math.floor(now() / 60) * 60
        deleted = int(self.desired.get(queue.name, 0) * TASK_PER_S * 60)
        return QueueMinute(float(at), deleted, deleted, None, None, int(_rate(queue.name, at) * 60))

    async def read(self, service: ServiceRef, urgency: Urgency = Urgency.ROUTINE) -> Fleet | Missing:
        count = self.desired.get(service.service, 0)
        return Fleet(count, count, 0, now())

    async def scale_to(self, service: ServiceRef, tasks: int, urgency: Urgency, more: int = 0) -> Revision | None:
        self.desired[service.service] = tasks
        return Revision()

    async def protected(self, service: ServiceRef) -> int | Missing:
        return 0

    async def conflicting_scalers(self, service: ServiceRef) -> tuple[str, ...] | Missing:
        return ()

    async def stop_timeout(self, service: ServiceRef, task_definition: str) -> StopTimeout | Missing:
        return StopTimeout(30.0, "worker")

    async def task_size(self, service: ServiceRef, task_definition: str) -> TaskSize | Missing:
        return Missing("the region has no task definitions", "no_data")

    async def newest_revision(self, service: ServiceRef, task_definition: str) -> str | Missing:
        return Missing("the region has no task definitions", "no_data")

    async def cpu(self, service: ServiceRef) -> Utilization | Missing:
        return Missing("no datapoint", "no_data")

    async def memory(self, service: ServiceRef) -> Utilization | Missing:
        return Missing("no datapoint", "no_data")

    async def past(self, service: ServiceRef, queues: Sequence[QueueRef]) -> tuple[PastMinute, ...] | Missing:
        return Missing("no datapoint", "no_data")

    async def live_tasks(self, service: ServiceRef, at: float) -> LiveTasks | None:
        return None

    async def measure(self, service: ServiceRef, request: MetricRequest, /) -> Measurement | Missing:
        return Missing("no datapoint", "no_data")


def _rate(name: str, at: float) -> float:
    """Return messages per second: a daily wave that is 0 for half of the day, and a burst in one hour of fifty."""
    seed = crc32(name.encode()) % 997
    wave = math.sin(2 * math.pi * (at / DAY_S + seed / 997))
    burst = 5.0 if (int(at / HOUR_S) * 31 + seed) % 50 == 0 else 0.0
    return max(0.0, wave) * (0.05 + seed / 2000) + burst


def services(count: int, generation: int) -> tuple[ServiceConfig, ...]:
    """Return the services. A tenth of them differ in each generation."""
    made = []
    for number in range(count):
        name = f"s{number}-{generation}" if number % 10 == 0 else f"s{number}"
        policy = Policy(
            name=name,
            min_tasks=0,
            max_tasks=100,
            queues=(QueuePolicy(name, 300.0),),
            acceptable_latency_s=300.0,
            mode=Mode.ACTIVE,
        )
        made.append(ServiceConfig(ServiceRef(name, f"cluster-{number % 20}", name), (QueueRef(name),), policy))
    return tuple(made)


def supervisor_of(region: Region, log: StructuredLogger, log_interval_s: float = 60.0) -> Supervisor:
    """Return the daemon's supervisor over the ports of the region. Its journal writes to the log."""
    store = StatusStore(now, lambda: NOON + now())
    metrics = Metrics(store, now, dict)
    journal = LoggedJournal(store, metrics, log, log_interval_s)
    ports = Ports(
        queues=region,
        meters=region,
        metrics=region,
        fleets=region,
        journal=journal,
        clock=now,
        wall=lambda: NOON + now(),
    )
    return Supervisor(
        lambda _: ports,
        now,
        Admission((), now, 50),
        ReadBudget(lambda: 5.0, 10),
        journal,
        silence_s=lambda _, slowest_s: slowest_s,
    )


async def main(count: int, days: float) -> list[tuple[float, float]]:
    """Return (virtual hour, resident memory in MB)."""
    supervisor = supervisor_of(Region(), _Silent())
    stopping, began = asyncio.Event(), now()

    async def settings() -> AsyncIterator[Config]:
        config = Config(INTERVAL_S, "", 0, LogFormat.JSON, LogLevel.INFO, (), 50, 25, (), INTERVAL_S)
        for generation in range(math.ceil(days) + 1):
            yield replace(config, services=services(count, generation))
            await asyncio.sleep(DAY_S)

    task = asyncio.create_task(supervisor.run(settings(), stopping))
    found = []
    for hour in range(1, int(days * 24) + 1):
        await asyncio.sleep(began + hour * HOUR_S - now())
        if hour in {1, 2, 3} or hour % 12 == 0:
            gc.collect()
            found.append((float(hour), resident_mb()))
            print(f"hour {hour}: {found[-1][1]:.1f} MB", file=sys.stderr, flush=True)
    stopping.set()
    await task
    return found


if __name__ == "__main__":
    arguments = [float(each) for each in sys.argv[1:]] or [500.0, 7.0]
    hours = run_virtually(main(int(arguments[0]), arguments[1]))
    print(f"{hours[-1][1] - hours[0][1]:+.1f} MB from hour {hours[0][0]:g} to hour {hours[-1][0]:g}")
