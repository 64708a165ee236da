"""Reads all inputs of one poll of one service into one observation.

Optional readings never block a decision: the CloudWatch minutes of the queues and the task protection are added if they
can be read. A denied read is reported as a notice.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil, inf

from autoscaler.config import ServiceConfig
from autoscaler.control.background import BackgroundTasks
from autoscaler.core.demand import LATE_AT_MOST_RATIO
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
    Unseen,
    Utilization,
)
from autoscaler.core.policy import Policy
from autoscaler.core.signals import MINUTE_LIMIT_S, MOST_MESSAGES, SAME_MINUTE_S
from autoscaler.errors import Denied, NoCredentials
from autoscaler.ports import (
    CloudWatchMetric,
    FleetPort,
    Gauges,
    HistoryPort,
    Journal,
    LiveTasks,
    Meters,
    MetricSource,
    QueueMinute,
    QueuePort,
)

MINUTE_S = 60.0

READINGS_S = 600.0
"""Seconds for which readings are stored: longer than any CloudWatch minute is late."""

PROTECTION_S = 30.0
"""The maximum age of a protected-task count that may block a scale-in. A stored count never permits one."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of a loop. `clock` is monotonic, `wall` the time of day; both in seconds. `history` or `background`
    None: no history is read, and there is no look-ahead.
    """

    queues: QueuePort
    meters: Meters
    gauges: Gauges
    fleets: FleetPort
    journal: Journal
    clock: Callable[[], float]
    wall: Callable[[], float]
    history: HistoryPort | None = None
    background: BackgroundTasks | None = None


NOTICED_INTERVALS = 2.0
"""A change of the running count is seen at the next poll, or one poll later if a poll overruns."""


BEFORE_S = 15.0
"""Seconds before a minute whose readings also count: they showed the messages deleted at its start."""

SHOWN_RATIO = 0.1
"""Readings every ten seconds show about half of the messages that take 5 s each. If they show less than a tenth of
CloudWatch's count, the work starts and ends between two readings, and an empty queue may be a busy one.
"""

FLEETING_S, FLEETING_MESSAGES = 3600.0, 10
"""After a minute with at least this number of unseen messages, the queue's newest minute counts for an hour even if
some of its messages were seen."""

OVERDUE_RATIO = 2.0
"""In a queue that meets its target, the age of a message is at most the latency plus its processing time. If a message
is older than twice the latency plus a minute and SQS no longer shows it, it is unknown whether it was deleted. With a
limit at the latency itself, idle tasks would cost 1 to 5 % more on the scorecard's traces.
"""


class _Readings:
    """The visible messages, the messages of each queue and the running tasks at each reading of the last `READINGS_S`.

    Arrays need 24 bytes per reading plus 8 per queue. A service has sixty readings.
    """

    __slots__ = ("_instants", "_running", "_shown", "_visible")

    def __init__(self, queues: int) -> None:
        self._instants, self._visible, self._running = array("d"), array("q"), array("q")
        self._shown = [array("q") for _ in range(queues)]

    def add(self, at: Instant, visible: int, shown: Sequence[int], running: int) -> None:
        """Add a reading; `at` is not before any other. `shown`: the messages of each queue, visible or in flight."""
        old = bisect_left(self._instants, at - READINGS_S)
        del self._instants[:old]
        self._instants.append(at)
        for column, value in zip((self._visible, self._running, *self._shown), (visible, running, *shown), strict=True):
            del column[:old]
            column.append(value)

    def shown(self, queue: int, since: Instant, until: Instant) -> int | None:
        """Return the sum of the queue's messages over the readings in (since, until]; None without a reading."""
        here = self._shown[queue][bisect_right(self._instants, since) : bisect_right(self._instants, until)]
        return sum(here) if here else None

    def fewest_visible(self, since: Instant, until: Instant) -> int:
        """Return the fewest visible messages in (since, until].

        0 with fewer than two readings, or if the running tasks changed: deletes by a changing number of tasks are not
        comparable.
        """
        here = slice(bisect_right(self._instants, since), bisect_right(self._instants, until))
        running = self._running[here]
        if len(running) < 2 or min(running) != max(running):
            return 0
        return min(self._visible[here])


class Observer:
    """Reads the inputs of one service every `interval_s` seconds. `notices`: the optional readings that the newest
    observation does not have. `minutes`: the newest minute of each queue that could be read.
    """

    def __init__(self, service: ServiceConfig, ports: Ports, interval_s: float) -> None:
        self._service = service
        self._ports = ports
        self._noticed_s = NOTICED_INTERVALS * interval_s
        self._minute_at: Instant | None = None
        self._readings = _Readings(len(service.queues))
        self._unseen: Unseen | None = None
        self._fleeting: dict[str, Instant] = {}
        self._protected: tuple[Instant, int] | None = None
        self.notices: list[Missing] = []
        self.minutes: dict[str, QueueMinute] = {}

    def following(self, service: ServiceConfig, ports: Ports, interval_s: float) -> Observer:
        """Return an observer for other settings. The readings and unseen counts stay if the queues are the same."""
        after = Observer(service, ports, interval_s)
        if service.queues == self._service.queues:
            after._readings, after._unseen, after._fleeting = self._readings, self._unseen, self._fleeting
        return after

    async def observe(self, fleet: Fleet, policy: Policy, memory: Memory | None, *, still: bool = False) -> Observation:
        """Read everything. `now` is read last, so that no reading is later than the decision.

        `still`: do not read the queues' minutes, which cost money.
        """
        self.notices = []
        queues = [QueueReading(queue.name, await self._ports.queues.backlog(queue)) for queue in self._service.queues]
        minutes = self.minutes = {} if still else await self._minutes()
        cpu, used = await self._utilization(fleet, policy, memory)
        metrics = [
            MetricReading(name, await self._metric(name, source, fleet, policy, memory))
            for name, source in self._service.metrics
        ]
        ran = {
            name: await self._late_tasks(policy, name, minute, fleet, memory)
            for name, minute in minutes.items()
            if minute.oldest_age_s is not None
        }
        now = whole(self._ports.clock())
        queues = [_with_minute(reading, minutes.get(reading.name), ran.get(reading.name), now) for reading in queues]
        self._readings.add(now, _visible(queues), _shown(queues), fleet.running)
        return Observation(
            now,
            fleet,
            tuple(queues),
            cpu,
            used,
            metrics=tuple(metrics),
            flow=self._flow(queues, minutes, memory),
            unseen=self._newest_unseen(minutes),
        )

    async def _utilization(
        self, fleet: Fleet, policy: Policy, memory: Memory | None
    ) -> tuple[Utilization | Missing | None, Utilization | Missing | None]:
        """Return CPU and memory; None for each that is not required, and both None without a desired task."""
        if fleet.desired == 0:
            return None, None
        required = required_meters(policy)
        cpu = used = None
        if "cpu_percent" in required:
            cpu = await self._ports.meters.cpu(self._service.ref)
            cpu = await self._of_its_time(cpu, policy.cpu_target_percent, fleet, memory)
        if "memory_percent" in required:
            used = await self._ports.meters.memory(self._service.ref)
            used = await self._of_its_time(used, policy.memory_target_percent, fleet, memory)
        return cpu, used

    async def _of_its_time(
        self, reading: Utilization | Missing, aim_percent: float | None, fleet: Fleet, memory: Memory | None
    ) -> Utilization | Missing:
        if isinstance(reading, Missing):
            return reading
        ratio = reading.percent / aim_percent if aim_percent else None
        return replace(reading, tasks=await self._tasks_at(reading.at, ratio, fleet, memory))

    async def _metric(
        self, name: str, source: MetricSource, fleet: Fleet, policy: Policy, memory: Memory | None
    ) -> Measurement | Missing:
        """A Prometheus query is evaluated now, and its newest sample is about a minute old at most. `LiveTaskCount` has
        no datapoint of that minute yet.
        """
        reading = await self._measure(source)
        if isinstance(reading, Missing):
            return reading
        aim = next((metric.target_value for metric in policy.metrics if metric.name == name), None)
        ratio, late = reading.value / aim if aim else None, isinstance(source, CloudWatchMetric)
        return replace(reading, tasks=await self._tasks_at(reading.at, ratio, fleet, memory, late=late))

    async def _late_tasks(
        self, policy: Policy, name: str, minute: QueueMinute, fleet: Fleet, memory: Memory | None
    ) -> float | None:
        """Return the number of tasks to which the age of the oldest message applies, if that age requires tasks."""
        spent = (minute.oldest_age_s or 0.0) / policy.latency_of(name)
        ratio = min(LATE_AT_MOST_RATIO, spent) if spent >= 1 and policy.processing_time_s is None else None
        return await self._tasks_at(minute.at, ratio, fleet, memory, late=policy.backlog_per_task is not None)

    async def _tasks_at(
        self, at: Instant, ratio: float | None, fleet: Fleet, memory: Memory | None, *, late: bool = True
    ) -> float | None:
        """Return the number of tasks to which a datapoint of the minute that ended at `at` applies (None: those that
        run now).

        The datapoint requires `ratio` times the tasks that ran in that minute, and must change the count only once. So
        the count comes from the service's memory. If the memory does not reach back to that minute and the datapoint is
        `late`, it comes from CloudWatch. Else it is the first count in the memory, which does not follow the changes
        that the datapoint causes. `ratio` None: no target uses the datapoint.
        """
        if ratio is None:
            return None if memory is None else memory.running_at(at)
        present: float = min(fleet.running, fleet.desired)
        ran = None if memory is None else memory.ran_between(at - MINUTE_S, at + self._noticed_s)
        fewest, most = (present, present) if ran is None else ran
        if memory is not None and memory.running and fleet.at <= at + self._noticed_s:
            now = memory.running_now(fleet)
            fewest, most = min(fewest, now), max(most, now)
        if late and (memory is None or not memory.knows_running_since(at - MINUTE_S)):
            live = await self._live(at, fleet)
            if live is not None and live.sure:
                fewest, most, _ = live
            elif live is not None:
                fewest, most = min(fewest, live.fewest), max(most, live.most)
        return _nearest(fewest, most, fleet.desired, ratio)

    async def _live(self, at: Instant, fleet: Fleet) -> LiveTasks | None:
        """Read the live tasks. A deployment runs both revisions: tasks above the desired count are excluded, as in
        `Memory.running`.
        """
        live = await self._ports.meters.live_tasks(self._service.ref, at)
        if live is None or fleet.deployment is None:
            return live
        return live._replace(fewest=min(live.fewest, fleet.desired), most=min(live.most, fleet.desired))

    async def _measure(self, source: MetricSource) -> Measurement | Missing:
        if isinstance(source, CloudWatchMetric):
            return await self._ports.meters.measure(self._service.ref, source)
        return await self._ports.gauges.measure(source)

    async def _minutes(self) -> dict[str, QueueMinute]:
        """Read the newest minute of each queue; queues that cannot be read are left out."""
        minutes = {}
        for queue in self._service.queues if self._service.queue_minutes else ():
            minute = await self._ports.meters.minute(queue)
            if isinstance(minute, Missing):
                self._note(minute)
            else:
                minutes[queue.name] = minute
        return minutes

    def _note(self, gap: Missing) -> None:
        """Add a notice for a denied read. Late or failed reads get none, because they are repeated."""
        if gap.kind in {Denied.kind, NoCredentials.kind} and gap not in self.notices:
            self.notices.append(gap)

    def _flow(self, queues: list[QueueReading], minutes: dict[str, QueueMinute], memory: Memory | None) -> Flow | None:
        """Return the sum of the queues' newest minute, each minute once; None if it is not new or not complete.

        A queue without datapoints counts as 0 only if SQS itself shows it empty: absent is not zero.
        """
        at = max((minute.at for minute in minutes.values()), default=None)
        tasks = None if at is None or memory is None else memory.running_at(at - MINUTE_S)
        if at is None or tasks is None or (self._minute_at is not None and at - self._minute_at < SAME_MINUTE_S):
            return None
        counts = [_moved(reading, minutes.get(reading.name), at) for reading in queues]
        known = [count for count in counts if count is not None]
        if len(known) < len(counts):
            return None
        self._minute_at = at
        received, deleted = (sum(column) for column in zip(*known, strict=True))
        return Flow(received, deleted, tasks, at, self._readings.fewest_visible(at - MINUTE_S, at))

    def _newest_unseen(self, minutes: dict[str, QueueMinute]) -> Unseen | None:
        """Return the counts of the queues' newest minute that the daemon's readings did not show. While CloudWatch does
        not answer, the last result stays valid.
        """
        at = max((minute.at for minute in minutes.values()), default=None)
        if at is None or (self._unseen is not None and at < self._unseen.at):
            return self._unseen
        numbered = [(number, minutes.get(queue.name)) for number, queue in enumerate(self._service.queues)]
        newest = [(number, each) for number, each in numbered if each is not None and at - each.at < SAME_MINUTE_S]
        unseen = [each for number, each in newest if self._is_unseen(number, each, at)]
        self._unseen = Unseen(
            sum(map(_moved_at_least, unseen)),
            sum(_count(each.deleted) for each in unseen),
            at,
            max((each.oldest_age_s for each in unseen if each.oldest_age_s is not None), default=None),
            compared=self._readings.shown(0, at - MINUTE_S - BEFORE_S, at) is not None,
        )
        return self._unseen

    def _is_unseen(self, number: int, minute: QueueMinute, at: Instant) -> bool:
        """Whether the daemon's readings showed at most a tenth of the minute's messages, now or within the last hour.

        A message far older than the latency target always counts: it was there for the whole minute, and the next
        minute shows whether it was deleted.
        """
        name, messages = self._service.queues[number].name, _moved_at_least(minute)
        shown = self._readings.shown(number, at - MINUTE_S - BEFORE_S, at) or 0
        is_unseen = shown == 0 or shown <= SHOWN_RATIO * messages
        if is_unseen and messages >= FLEETING_MESSAGES:
            self._fleeting[name] = at
        far_overdue_s = OVERDUE_RATIO * self._service.policy.latency_of(name) + MINUTE_S
        overdue = minute.oldest_age_s is not None and minute.oldest_age_s > far_overdue_s
        return is_unseen or overdue or at - self._fleeting.get(name, -inf) < FLEETING_S

    async def with_protection(self, seen: Observation) -> Observation:
        """Return the observation with the number of protected tasks: all tasks if it cannot be read."""
        protected = await self._ports.fleets.protected(self._service.ref)
        if isinstance(protected, Missing):
            self.notices.append(replace(protected, reason=f"no scale-in: {protected.reason}"))
            protected = seen.fleet.desired
        else:
            self._protected = (seen.now, protected)
        return replace(seen, fleet=replace(seen.fleet, protected=protected))

    def with_known_protection(self, seen: Observation) -> Observation | None:
        """Return the observation with the stored number of protected tasks (None: it is older than `PROTECTION_S`)."""
        if self._protected is None or seen.now - self._protected[0] >= PROTECTION_S:
            return None
        return replace(seen, fleet=replace(seen.fleet, protected=self._protected[1]))


def required_meters(policy: Policy) -> frozenset[str]:
    """Return the names of the utilizations that a target or the formula uses."""
    targets = {"cpu_percent": policy.cpu_target_percent, "memory_percent": policy.memory_target_percent}
    named = frozenset() if policy.formula is None else parse(policy.formula).names
    return frozenset(name for name, target in targets.items() if target is not None or name in named)


def _visible(queues: list[QueueReading]) -> int:
    """Return the sum of visible messages; 0 if a queue could not be read."""
    known = [backlog.visible for _, backlog in queues if isinstance(backlog, Backlog)]
    return min(max(0, sum(known)), MOST_MESSAGES) if len(known) == len(queues) else 0


def _shown(queues: list[QueueReading]) -> list[int]:
    """Return the visible and in-flight messages of each queue; 0 for a queue that could not be read."""
    known = [backlog.visible + backlog.in_flight if isinstance(backlog, Backlog) else 0 for _, backlog in queues]
    return [min(max(0, messages), MOST_MESSAGES) for messages in known]


def _moved_at_least(minute: QueueMinute) -> int:
    """Return the least number of messages of the minute: the largest of sent, received and deleted."""
    return max(map(_count, (minute.sent, minute.received, minute.deleted)))


def _count(counted: int | None) -> int:
    """Return the bounded count; 0 without a datapoint."""
    return min(max(0, counted or 0), MOST_MESSAGES)


def whole(instant: Instant) -> Instant:
    """Round up to a 64th of a second: differences of such instants are exact and print short."""
    return ceil(instant * 64) / 64


def _nearest(fewest: float, most: float, present: int, ratio: float) -> float:
    """Return the count from `fewest` to `most` for which `ratio` times the count is nearest to the present count.

    A datapoint is the mean of a minute. If the count changed in that minute, the datapoint fits every count in between,
    and the smallest of the resulting changes applies. The mean or the last of the counts would be wrong: the time of a
    change is known only to within a poll, and the same load would require more tasks after each change.
    """
    if not ratio * most > present:
        return most
    return fewest if ratio * fewest >= present else present / ratio


def _with_minute(reading: QueueReading, minute: QueueMinute | None, ran: float | None, now: Instant) -> QueueReading:
    if isinstance(reading.backlog, Missing) or minute is None or now - minute.at > MINUTE_LIMIT_S:
        return reading
    return reading._replace(
        backlog=replace(
            reading.backlog,
            oldest_age_s=minute.oldest_age_s,
            groups_in_flight=minute.groups_in_flight,
            deleted=minute.deleted,
            counted_at=minute.at,
            oldest_tasks=ran,
        )
    )


def _moved(reading: QueueReading, minute: QueueMinute | None, at: Instant) -> tuple[int, int] | None:
    """Return the messages received and deleted in the minute that ended at `at` (None: not known)."""
    if minute is not None and at - minute.at < SAME_MINUTE_S and None not in {minute.received, minute.deleted}:
        return _count(minute.received), _count(minute.deleted)
    backlog = reading.backlog
    still = isinstance(backlog, Backlog) and backlog.visible == backlog.in_flight == 0
    return (0, 0) if still else None
