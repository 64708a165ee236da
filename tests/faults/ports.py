"""The ports of a simulated daemon over the simulated Region, with the faults in force.

Each call waits for the daemon's own rate limiter, and then for the answer. A daemon that was killed makes no more
calls.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import NoReturn, Protocol

from autoscaler.control.rate_limiter import TokenBucketLimiter
from autoscaler.core.model import Backlog, Fleet, Measurement, Missing, PastMinute, Revision, StopTimeout, Utilization
from autoscaler.errors import AutoscalerError, Denied, Garbled, NotFound, Refused, Throttled, Unavailable, Unreadable
from autoscaler.ports import (
    Category,
    LiveTasks,
    MetricRequest,
    PeriodSum,
    Place,
    QueueMinute,
    QueueRef,
    ServiceRef,
    Span,
    Urgency,
)
from autoscaler.pricing import TaskSize
from tests.fakeaws.world.queues import FakeCounts
from tests.faults.auditor import Auditor
from tests.faults.plan import EVERY, ActiveFaults, DrawnFault
from tests.faults.region import CloudRegion

AREA = "eu-west-1"
TIMEOUT_S = 3.0
"""The daemon's timeout of a call (`autoscaler/app.py`)."""

QUICK_S = (0.01, 0.08)

ERRORS: dict[str, type[AutoscalerError]] = {
    "queue_throttled": Throttled,
    "queue_unavailable": Unavailable,
    "queue_denied": Denied,
    "queue_garbled": Garbled,
    "queue_partial": Unreadable,
    "minutes_unavailable": Unavailable,
    "minutes_absent": NotFound,
    "fleet_throttled": Throttled,
    "fleet_unavailable": Unavailable,
    "fleet_denied": Denied,
    "protection_unread": Denied,
    "write_throttled": Throttled,
    "write_refused": Refused,
    "throttling": Throttled,
    "expired": Denied,
}
HANGING = {"queue_hang", "fleet_hang", "outage"}
SLOW = {"queue_slow", "fleet_slow"}
READS = {"queue": "queue_", "minutes": "minutes_", "fleet": "fleet_", "protection": "protection_", "write": "write_"}
"""The prefix of the kinds that apply to each kind of call."""

WHOLE_DAEMON = frozenset({"throttling", "expired", "outage", "blackout"})


LEAST_REST_S = 0.5
"""The shortest backoff after a throttle: a quarter of 2 s (`autoscaler/control/rate_limiter.py`)."""


class CallLog(Protocol):
    """Receives every call, for the digest of the run."""

    def note(self, *parts: object) -> None: ...


@dataclass(slots=True)
class Killable:
    """Whether a process lives. After SIGKILL it makes no more calls, whatever its tasks still do."""

    is_alive: bool = True


@dataclass(slots=True)
class CallBudget:
    """AWS's own token buckets, at the published rates: the daemon must stay within them without being throttled (L3).

    They belong to the account, so they outlive a daemon. `full`: when each bucket is full again.
    """

    auditor: Auditor
    full: dict[Category, float] = field(default_factory=dict)
    rests: dict[Category, float] = field(default_factory=dict)

    def throttled(self, category: Category, now: float) -> None:
        """Note a throttle. A process that starts later does not know of it (`forget`)."""
        self.rests[category] = now + LEAST_REST_S

    def forget(self) -> None:
        self.rests.clear()

    def call(self, category: Category, subject: str, now: float) -> None:
        """Take a token."""
        if now < self.rests.get(category, now):
            self.auditor.found("L3", subject, now, f"a call of {category} less than {LEAST_REST_S} s after a throttle")
        full = max(now, self.full.get(category, now)) + 1 / category.rate
        self.full[category] = full
        if (full - now) * category.rate > category.burst + 1:
            self.auditor.found("L3", subject, now, f"more calls of {category} than AWS permits")


@dataclass(slots=True)
class PortsOfOne:
    """All ports of one daemon. `land`: applies a write at a later time."""

    region: CloudRegion
    faults: ActiveFaults
    auditor: Auditor
    limiter: TokenBucketLimiter
    clock: Callable[[], float]
    log: CallLog
    rng: Random
    land: Callable[[float, str, int], None]
    budget: CallBudget
    life: Killable

    async def _call(
        self,
        category: Category,
        what: str,
        subject: str,
        urgency: Urgency = Urgency.ROUTINE,
        more: int = 0,
        *,
        sends: Callable[[], None] | None = None,
    ) -> list[DrawnFault]:
        """Wait for a token and for half of the answer's time. Return the faults that apply, and raise those that are an
        error. `sends` is called when the request leaves.
        """
        await self.limiter.acquire(category, AREA, subject, urgency, more)
        self._require_alive()
        self.budget.call(category, subject, self.clock())
        prefix = READS[what]
        faults = [one for one in self.faults.of(subject, self.clock()) if applies(one, prefix)]
        if sends is not None:
            sends()
        wait_s = self.rng.uniform(*QUICK_S)
        for fault in faults:
            if fault.kind in SLOW:
                wait_s = fault.number
            elif fault.kind in HANGING:
                await asyncio.sleep(TIMEOUT_S)
                raise self._failed(Unavailable(f"{subject} had no answer"))
        await asyncio.sleep(wait_s)
        self._require_alive()
        for fault in faults:
            if (error := ERRORS.get(fault.kind)) is not None:
                if error is Throttled:
                    self.limiter.throttled(category, AREA)
                    self.budget.throttled(category, self.clock())
                elif error is not Unavailable:
                    self.limiter.succeeded(category, AREA)
                raise self._failed(error(f"{subject}: {fault.kind}"))
        self.limiter.succeeded(category, AREA)
        return faults

    def _failed(self, error: AutoscalerError) -> AutoscalerError:
        self._require_alive()
        return error

    def _require_alive(self) -> None:
        if not self.life.is_alive:
            raise asyncio.CancelledError

    async def backlog(self, queue: QueueRef) -> Backlog | Missing:
        asked, counts, gap = self.clock(), None, None
        try:
            faults = await self._call(Category.QUEUE_READ, "queue", queue.name)
        except AutoscalerError as error:
            gap = Missing(str(error), error.kind)
        else:
            counts = self.region.counts(queue.name, self.clock(), faults)
        self._queue_answered(queue.name, asked, counts)
        return gap or _backlog(counts, self.clock())

    def _queue_answered(self, name: str, asked: float, counts: FakeCounts | None) -> None:
        now = self.clock()
        self.log.note(now, "queue", name, counts)
        self.auditor.counts(self._owner(name), name, asked, now, counts)

    def _owner(self, queue: str) -> str:
        return self.region.queues[queue][0].fleet.name

    async def minute(self, queue: QueueRef) -> QueueMinute | Missing:
        """As the adapter does, wait for CloudWatch only if a new minute may be there."""
        now = self.clock()
        try:
            faults = await self._call(Category.METRIC_READ, "minutes", queue.name) if now % 60 < 11 else []
        except AutoscalerError as error:
            return Missing(str(error), "no_data" if isinstance(error, NotFound) else error.kind)
        faults = faults or [one for one in self.faults.of(queue.name, now) if one.kind.startswith("minutes_")]
        if any(one.kind in ERRORS for one in faults):
            return Missing("no datapoint", "no_data")
        found = self.region.minute(queue.name, self.clock(), faults)
        if found is None:
            return Missing("no datapoint", "no_data")
        self.auditor.minute(self._owner(queue.name), queue.name, found)
        return found

    async def cpu(self, service: ServiceRef) -> Utilization | Missing:
        return Missing("no datapoint", "no_data")

    async def memory(self, service: ServiceRef) -> Utilization | Missing:
        return Missing("no datapoint", "no_data")

    async def measure(self, service: ServiceRef, request: MetricRequest, /) -> Measurement | Missing:
        return Missing("no datapoint", "no_data")

    async def past(self, service: ServiceRef, queues: Sequence[QueueRef]) -> tuple[PastMinute, ...] | Missing:
        names = [queue.name for queue in queues]
        try:
            await self._call(Category.METRIC_READ, "minutes", names[0])
        except AutoscalerError as error:
            return Missing(str(error), error.kind)
        return self.region.past(service.service, names, self.clock())

    async def live_tasks(self, service: ServiceRef, at: float) -> LiveTasks | None:
        fleet = self.region.services[service.service].truth.fleet
        return LiveTasks(fleet.ran_on_average(at - 60, at), fleet.ran_on_average(at - 60, at))

    async def sent(self, queue: QueueRef, spans: Sequence[Span]) -> tuple[PeriodSum, ...]:
        raise NotFound(f"no datapoint of {queue.name}")

    async def received(self, queue: QueueRef, spans: Sequence[Span]) -> tuple[PeriodSum, ...]:
        """Return one period with all receives. CloudWatch has no datapoint of a queue that was never received from."""
        await self._call(Category.METRIC_READ, "minutes", queue.name)
        received = self.region.receives(queue.name)
        if not received:
            raise NotFound(f"no datapoint of {queue.name}")
        return ((spans[0][0], spans[0][2], float(received)),)

    async def read(self, service: ServiceRef, urgency: Urgency = Urgency.ROUTINE) -> Fleet | Missing:
        key, asked = service.service, self.clock()
        fleet, gap = None, None
        try:
            faults = await self._call(Category.SERVICE_READ, "fleet", key, urgency)
            if not self.region.services[key].truth.exists:
                raise NotFound(f"there is no service {key}")
        except AutoscalerError as error:
            gap = Missing(str(error), error.kind)
        else:
            fleet = self.region.fleet(key, self.clock(), faults)
        self.log.note(self.clock(), "fleet", key, None if fleet is None else fleet.desired)
        self.auditor.fleet(key, asked, self.clock(), fleet)
        return gap or fleet or _impossible()

    async def protected(self, service: ServiceRef) -> int | Missing:
        key = service.service
        try:
            await self._call(Category.TASK_READ, "protection", key)
        except AutoscalerError as error:
            self.auditor.protected(key, self.clock(), None)
            return Missing(str(error), error.kind)
        tasks = self.region.protected(key, self.clock())
        self.auditor.protected(key, self.clock(), tasks)
        return tasks

    async def conflicting_scalers(self, service: ServiceRef) -> tuple[str, ...] | Missing:
        return ()

    async def stop_timeout(self, service: ServiceRef, task_definition: str) -> StopTimeout | Missing:
        return Missing("not allowed", "denied")

    async def task_size(self, service: ServiceRef, task_definition: str) -> TaskSize | Missing:
        return Missing("the simulated Region has no task definitions", "no_data")

    async def newest_revision(self, service: ServiceRef, task_definition: str) -> str | Missing:
        return Missing("the simulated Region has no task definitions", "no_data")

    async def tags(self, cluster: str, place: Place) -> Mapping[str, Mapping[str, str]]:
        """Return the tags of the services that are discovered; `ListServices` has the lowest priority."""
        await self._call(Category.SERVICE_READ, "fleet", EVERY, Urgency.BACKGROUND)
        found = self.region.services.items()
        return {key: one.tags for key, one in found if one.spec.tagged and one.truth.exists}

    async def scale_to(self, service: ServiceRef, tasks: int, urgency: Urgency, more: int = 0) -> Revision | None:
        key, known = service.service, False

        def sent() -> None:
            self.log.note(self.clock(), "update", key, tasks)
            self.auditor.requested(service, tasks, self.clock())

        try:
            faults = await self._call(Category.SERVICE_MODIFY, "write", key, urgency, more, sends=sent)
            revision = await self._write(key, tasks, {one.kind: one.number for one in faults})
            known = True
        except (Throttled, Denied, Refused, NotFound):
            known = True
            raise
        finally:
            if self.life.is_alive:
                self.auditor.answered(key, known=known)
        return revision

    async def _write(self, key: str, tasks: int, faults: dict[str, float]) -> Revision:
        """Apply the write, wait for the rest of the response's time, and return how new it is."""
        if not self.region.services[key].truth.exists:
            raise NotFound(f"there is no service {key}")
        now = self.clock()
        if "write_late" in faults:
            self.land(now + faults["write_late"], key, tasks)
        elif "write_lost" not in faults:
            self.land(now, key, tasks)
        revision = self.region.revision(key, now)
        if faults.keys() & {"write_late", "write_lost", "write_unknown"}:
            await asyncio.sleep(TIMEOUT_S)
            raise self._failed(Unavailable(f"{key}: UpdateService had no answer"))
        await asyncio.sleep(self.rng.uniform(*QUICK_S))
        self._require_alive()
        return revision


def _backlog(counts: FakeCounts | None, at: float) -> Backlog:
    assert counts is not None, "a reading is either missing or not"
    return Backlog(*counts, at)


def applies(fault: DrawnFault, prefix: str) -> bool:
    """Whether the fault applies to the calls whose kinds of faults have this prefix."""
    return fault.kind.startswith(prefix) or fault.kind in WHOLE_DAEMON


def _impossible() -> NoReturn:
    raise AssertionError("a reading is either missing or not")
