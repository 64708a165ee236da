"""Everything that one tick of one service reads, put into one observation.

What only sharpens a decision never blinds it: CloudWatch's minutes of the queues and the protection of tasks are
added where they could be read, and told of where we are not allowed to.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil
from typing import TypeVar

from autoscaler.config import Service
from autoscaler.control.aside import Aside
from autoscaler.core.formula import parse
from autoscaler.core.memory import Memory
from autoscaler.core.model import (
    Backlog,
    Fleet,
    Flow,
    Instant,
    Measurement,
    MetricReading,
    Missing,
    Observation,
    QueueReading,
    Utilization,
)
from autoscaler.core.policy import Policy
from autoscaler.core.signals import MINUTE_LIMIT_S, MOST_MESSAGES
from autoscaler.errors import Denied
from autoscaler.ports import (
    CloudWatchMetric,
    Fleets,
    Gauges,
    History,
    Journal,
    Meters,
    MetricSource,
    QueueMinute,
    Queues,
)

MINUTE_S = 60.0

READINGS_S = 600.0
"""Readings are kept for so long: further back than any minute is late."""

PROTECTION_S = 30.0
"""For so long a known number of protected tasks may hold a scale-in back without being read again. It permits none."""


@dataclass(frozen=True, slots=True)
class Ports:
    """What a loop is given of the world. `clock` is monotonic, `wall` the time of day; both in seconds. `history` or
    `aside` None: nothing is looked up of the past, and nothing is looked ahead.
    """

    queues: Queues
    meters: Meters
    gauges: Gauges
    fleets: Fleets
    journal: Journal
    clock: Callable[[], float]
    wall: Callable[[], float]
    history: History | None = None
    aside: Aside | None = None


SAME_S = 30.0
"""Minutes end sixty seconds apart; ends that are nearer than this are the same one, by a clock that was set."""

Datapoint = TypeVar("Datapoint", Utilization, Measurement)


class _Readings:
    """How many messages waited, and how many tasks ran, at each reading of the last `READINGS_S`: 24 bytes each, since
    there are sixty of a service at a time.
    """

    __slots__ = ("_instants", "_running", "_waiting")

    def __init__(self) -> None:
        self._instants, self._waiting, self._running = array("d"), array("q"), array("q")

    def add(self, at: Instant, waiting: int, running: int) -> None:
        """One more reading, none of them later than `at`."""
        old = bisect_left(self._instants, at - READINGS_S)
        del self._instants[:old], self._waiting[:old], self._running[:old]
        self._instants.append(at)
        self._waiting.append(waiting)
        self._running.append(running)

    def fewest_waiting(self, since: Instant, until: Instant) -> int:
        """The fewest messages that waited after `since`, up to and at `until`; 0 where no two readings say so, or
        where tasks came or went: what a changing number of tasks deletes is nothing to compare with.
        """
        here = slice(bisect_right(self._instants, since), bisect_right(self._instants, until))
        running = self._running[here]
        if len(running) < 2 or min(running) != max(running):
            return 0
        return min(self._waiting[here])


class Observer:
    """Reads one service's world. `notices` are what the newest observation could not have, and did not need;
    `minutes` the newest minute of each queue that it had.
    """

    def __init__(self, service: Service, ports: Ports) -> None:
        self._service = service
        self._ports = ports
        self._minute_at: Instant | None = None
        self._readings = _Readings()
        self._protected: tuple[Instant, int] | None = None
        self.notices: list[Missing] = []
        self.minutes: dict[str, QueueMinute] = {}

    async def observe(self, fleet: Fleet, policy: Policy, memory: Memory | None, *, still: bool = False) -> Observation:
        """`now` is taken last, so that no reading is younger than the decision made of it.

        `still`: the queues' minutes, which cost money, are not asked for.
        """
        self.notices = []
        queues = [QueueReading(queue.name, await self._ports.queues.backlog(queue)) for queue in self._service.queues]
        minutes = self.minutes = {} if still else await self._minutes()
        cpu, used = await self._utilization(fleet, policy, memory)
        metrics = [
            MetricReading(name, _of_its_time(await self._measure(source), memory))
            for name, source in self._service.metrics
        ]
        now = whole(self._ports.clock())
        queues = [_with_minute(reading, minutes.get(reading.name), memory, now) for reading in queues]
        self._readings.add(now, _waiting(queues), fleet.running)
        return Observation(
            now, fleet, tuple(queues), cpu, used, metrics=tuple(metrics), flow=self._flow(queues, minutes, memory)
        )

    async def _utilization(
        self, fleet: Fleet, policy: Policy, memory: Memory | None
    ) -> tuple[Utilization | Missing | None, Utilization | Missing | None]:
        """With no task there is none, and none is needed."""
        meters, service = self._ports.meters, self._service.ref
        if fleet.desired == 0:
            return None, None
        wanted = wanted_meters(policy)
        cpu = _of_its_time(await meters.cpu(service), memory) if "cpu_percent" in wanted else None
        used = _of_its_time(await meters.memory(service), memory) if "memory_percent" in wanted else None
        return cpu, used

    async def _measure(self, source: MetricSource) -> Measurement | Missing:
        if isinstance(source, CloudWatchMetric):
            return await self._ports.meters.measure(self._service.ref, source)
        return await self._ports.gauges.measure(source)

    async def _minutes(self) -> dict[str, QueueMinute]:
        """The newest minute of each queue that could be had."""
        minutes = {}
        for queue in self._service.queues if self._service.queue_minutes else ():
            minute = await self._ports.meters.minute(queue)
            if isinstance(minute, Missing):
                self._note(minute)
            else:
                minutes[queue.name] = minute
        return minutes

    def _note(self, gap: Missing) -> None:
        """What we are not allowed to read is worth a notice; what is late or failed will be read again."""
        if gap.kind == Denied.kind and gap not in self.notices:
            self.notices.append(gap)

    def _flow(self, queues: list[QueueReading], minutes: dict[str, QueueMinute], memory: Memory | None) -> Flow | None:
        """The sum of the queues' newest minute, if it is a new one and all of it is known; each minute once.

        A queue without datapoints counts as still only where SQS itself shows it empty: absent is not zero.
        """
        at = max((minute.at for minute in minutes.values()), default=None)
        tasks = None if at is None or memory is None else memory.running_at(at - MINUTE_S)
        if at is None or tasks is None or (self._minute_at is not None and at - self._minute_at < SAME_S):
            return None
        counts = [_moved(reading, minutes.get(reading.name), at) for reading in queues]
        known = [count for count in counts if count is not None]
        if len(known) < len(counts):
            return None
        self._minute_at = at
        received, deleted = (sum(column) for column in zip(*known, strict=True))
        return Flow(received, deleted, tasks, at, self._readings.fewest_waiting(at - MINUTE_S, at))

    async def with_protection(self, seen: Observation) -> Observation:
        """The same world, with how many tasks protect themselves. Unknown: none may go."""
        protected = await self._ports.fleets.protected(self._service.ref)
        if isinstance(protected, Missing):
            self.notices.append(replace(protected, because=f"no scale-in: {protected.because}"))
            protected = seen.fleet.desired
        else:
            self._protected = (seen.now, protected)
        return replace(seen, fleet=replace(seen.fleet, protected=protected))

    def with_known_protection(self, seen: Observation) -> Observation | None:
        """The same world with the protection that was read a moment ago (None: that is too long ago)."""
        if self._protected is None or seen.now - self._protected[0] >= PROTECTION_S:
            return None
        return replace(seen, fleet=replace(seen.fleet, protected=self._protected[1]))


def wanted_meters(policy: Policy) -> frozenset[str]:
    """The utilizations that something asks for: a target, or a formula."""
    targets = {"cpu_percent": policy.cpu_target_percent, "memory_percent": policy.memory_target_percent}
    named = frozenset() if policy.formula is None else parse(policy.formula).names
    return frozenset(name for name, target in targets.items() if target is not None or name in named)


def _waiting(queues: list[QueueReading]) -> int:
    """Messages that wait, in all; 0 where a queue is not known: nothing is made of what may not be there."""
    known = [backlog.visible for _, backlog in queues if isinstance(backlog, Backlog)]
    return min(max(0, sum(known)), MOST_MESSAGES) if len(known) == len(queues) else 0


def whole(instant: Instant) -> Instant:
    """The next whole 64th of a second: differences of such instants are exact, and short when written down."""
    return ceil(instant * 64) / 64


def _of_its_time(reading: Datapoint | Missing, memory: Memory | None) -> Datapoint | Missing:
    """With the tasks that ran when it was taken: a late 90 % must not be held against tasks it brought about."""
    if isinstance(reading, Missing) or memory is None:
        return reading
    return replace(reading, tasks=memory.running_at(reading.at))


def _with_minute(
    reading: QueueReading, minute: QueueMinute | None, memory: Memory | None, now: Instant
) -> QueueReading:
    if isinstance(reading.backlog, Missing) or minute is None or now - minute.at > MINUTE_LIMIT_S:
        return reading
    return reading._replace(
        backlog=replace(
            reading.backlog,
            oldest_age_s=minute.oldest_age_s,
            groups_in_flight=minute.groups_in_flight,
            oldest_tasks=None if memory is None else memory.running_at(minute.at),
        )
    )


def _moved(reading: QueueReading, minute: QueueMinute | None, at: Instant) -> tuple[int, int] | None:
    """Messages received and deleted in the minute that ended at `at` (None: not known)."""
    if minute is not None and at - minute.at < SAME_S and minute.received is not None and minute.deleted is not None:
        return minute.received, minute.deleted
    backlog = reading.backlog
    still = isinstance(backlog, Backlog) and backlog.visible == backlog.in_flight == 0
    return (0, 0) if still else None
