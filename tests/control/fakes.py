"""A world of one queue and one service behind the ports, whose answers the tests script."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from autoscaler.config import Service
from autoscaler.control.loop import Ports, ServiceLoop
from autoscaler.core.model import Backlog, Fleet, Missing, Utilization
from autoscaler.core.policy import Policy, QueuePolicy
from autoscaler.errors import AutoscalerError
from autoscaler.ports import QueueRef, ServiceRef, Tick


def now() -> float:
    return asyncio.get_running_loop().time()


@dataclass
class World:
    """Implements every port. `waiting` is the queue's depth; a script may change anything between ticks."""

    waiting: int = 0
    in_flight: int = 0
    desired: int = 0
    running: int | None = None
    blind: Missing | None = None
    gone: Missing | None = None
    refuses: AutoscalerError | None = None
    takes_it_all_the_same: bool = False
    stale_reads: int = 0
    cpu_percent: float | None = None
    writes: list[tuple[float, int]] = field(default_factory=list)
    ticks: list[Tick] = field(default_factory=list)
    slow_s: float = 0.0
    before_write: Callable[[], None] = lambda: None
    _shown: int | None = None

    async def backlog(self, queue: QueueRef) -> Backlog | Missing:
        at = now()
        await asyncio.sleep(self.slow_s)
        return self.blind or Backlog(self.waiting, self.in_flight, 0, at)

    async def cpu(self, service: ServiceRef) -> Utilization | Missing:
        return Missing("no datapoint", "no_data") if self.cpu_percent is None else Utilization(self.cpu_percent, now())

    async def memory(self, service: ServiceRef) -> Utilization | Missing:
        return Missing("no datapoint", "no_data")

    async def read(self, service: ServiceRef) -> Fleet | Missing:
        if self.gone is not None:
            return self.gone
        shown = self.desired
        if self.stale_reads and self._shown is not None:
            self.stale_reads -= 1
            shown = self._shown
        return Fleet(shown, self.desired if self.running is None else self.running, 0, now())

    async def scale_to(self, service: ServiceRef, tasks: int) -> bool:
        self.before_write()
        if self.refuses is None or self.takes_it_all_the_same:
            self._shown, self.desired = self.desired, tasks
        if self.refuses is not None:
            raise self.refuses
        self.writes.append((now(), tasks))
        return True

    def record(self, tick: Tick) -> None:
        self.ticks.append(tick)


def policy(**changes: object) -> Policy:
    fields: dict[str, object] = {
        "name": "orders",
        "min_tasks": 0,
        "max_tasks": 20,
        "queues": (QueuePolicy("orders", 60.0),),
        "backlog_per_task": 10.0,
        **changes,
    }
    return Policy(**fields)  # type: ignore[arg-type]  # the tests name fields of Policy only


def service(**changes: object) -> Service:
    return Service(ServiceRef("orders", "prod", "orders"), (QueueRef("orders"),), policy(**changes))


def loop_over(world: World, *, interval_s: float = 10.0, **changes: object) -> ServiceLoop:
    """A service loop in the running event loop's time."""
    ports = Ports(world, world, world, world, asyncio.get_running_loop().time)
    return ServiceLoop(service(**changes), ports, interval_s)
