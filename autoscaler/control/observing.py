"""Everything that one tick of one service reads, put into one observation.

What only sharpens a decision never blinds it: CloudWatch's minutes of the queues and the protection of tasks are
added where they could be read, and told of where we are not allowed to.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil, inf

from autoscaler.config import Service
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
    Fleets,
    Gauges,
    History,
    Journal,
    LiveTasks,
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
    background: BackgroundTasks | None = None


NOTICED_INTERVALS = 2.0
"""A change of the running count is noticed at the next poll, or at the one after it where a poll overruns."""


BEFORE_S = 15.0
"""A message that was deleted as a minute began was last seen at a reading shortly before it."""

SHOWN_RATIO = 0.1
"""Readings every ten seconds show about half of the messages that take 5 s each. Where they show less than a tenth of
what CloudWatch counted, the work is over between two readings, and an empty queue may be a busy one.
"""

FLEETING_S, FLEETING_MESSAGES = 3600.0, 10
"""After a minute with at least so many messages that were not seen, the queue is known for such work: for an hour its
newest minute counts even if some of its messages were seen."""

OVERDUE_RATIO = 2.0
"""In a queue that meets its target, messages are as old as the latency and what one takes. Of one that is more than
twice as old, and a minute, nobody knows whether it is gone because SQS shows it no more. At the latency itself, idle
tasks would cost 1 to 5 % more on the scorecard's traces.
"""


class _Readings:
    """How many messages were visible, how many each queue showed, and how many tasks ran at each reading of the last
    `READINGS_S`: 24 bytes each and 8 a queue, since there are sixty of a service at a time.
    """

    __slots__ = ("_instants", "_running", "_shown", "_waiting")

    def __init__(self, queues: int) -> None:
        self._instants, self._waiting, self._running = array("d"), array("q"), array("q")
        self._shown = [array("q") for _ in range(queues)]

    def add(self, at: Instant, waiting: int, shown: Sequence[int], running: int) -> None:
        """One more reading, none of them later than `at`. `shown`: the messages of each queue, visible or in flight."""
        old = bisect_left(self._instants, at - READINGS_S)
        del self._instants[:old]
        self._instants.append(at)
        for column, value in zip((self._waiting, self._running, *self._shown), (waiting, running, *shown), strict=True):
            del column[:old]
            column.append(value)

    def shown(self, queue: int, since: Instant, until: Instant) -> int | None:
        """The messages of that queue that the readings after `since`, up to and at `until`, showed, summed; None where
        there is no reading.
        """
        here = self._shown[queue][bisect_right(self._instants, since) : bisect_right(self._instants, until)]
        return sum(here) if here else None

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
    """Reads one service's world, every `interval_s` seconds. `notices` are what the newest observation could not have,
    and did not need; `minutes` the newest minute of each queue that it had.
    """

    def __init__(self, service: Service, ports: Ports, interval_s: float) -> None:
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

    def following(self, service: Service, ports: Ports, interval_s: float) -> Observer:
        """The observer by other settings. What was read of the same queues, and contradicted, stays."""
        after = Observer(service, ports, interval_s)
        if service.queues == self._service.queues:
            after._readings, after._unseen, after._fleeting = self._readings, self._unseen, self._fleeting
        return after

    async def observe(self, fleet: Fleet, policy: Policy, memory: Memory | None, *, still: bool = False) -> Observation:
        """`now` is taken last, so that no reading is younger than the decision made of it.

        `still`: the queues' minutes, which cost money, are not asked for.
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
        self._readings.add(now, _waiting(queues), _shown(queues), fleet.running)
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
        """With no task there is none, and none is needed."""
        if fleet.desired == 0:
            return None, None
        wanted = wanted_meters(policy)
        cpu = used = None
        if "cpu_percent" in wanted:
            cpu = await self._ports.meters.cpu(self._service.ref)
            cpu = await self._of_its_time(cpu, policy.cpu_target_percent, fleet, memory)
        if "memory_percent" in wanted:
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
        """A query to Prometheus is of now, and its newest sample about a minute old at most: `LiveTaskCount` knows
        nothing of that minute yet.
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
        """How many tasks the age of a queue's oldest message is held against, where that age asks for any."""
        spent = (minute.oldest_age_s or 0.0) / policy.latency_of(name)
        ratio = min(LATE_AT_MOST_RATIO, spent) if spent >= 1 and policy.processing_time_s is None else None
        return await self._tasks_at(minute.at, ratio, fleet, memory, late=policy.backlog_per_task is not None)

    async def _tasks_at(
        self, at: Instant, ratio: float | None, fleet: Fleet, memory: Memory | None, *, late: bool = True
    ) -> float | None:
        """How many tasks a datapoint of the minute that ended at `at` is held against (None: as many as run now).

        It asks for `ratio` times as many as ran in that minute, and must move the count once only. So what counts is
        our own memory; where that does not reach back so far and the datapoint is a `late` one, what CloudWatch has of
        that minute; else the first count that is remembered, which does not follow what the datapoint brings about.
        `ratio` None: nothing asks by it.
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
        """A deployment runs both revisions: what is beyond the desired count is no baseline, as in `Memory.running`."""
        live = await self._ports.meters.live_tasks(self._service.ref, at)
        if live is None or fleet.deployment is None:
            return live
        return live._replace(fewest=min(live.fewest, fleet.desired), most=min(live.most, fleet.desired))

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
        if gap.kind in {Denied.kind, NoCredentials.kind} and gap not in self.notices:
            self.notices.append(gap)

    def _flow(self, queues: list[QueueReading], minutes: dict[str, QueueMinute], memory: Memory | None) -> Flow | None:
        """The sum of the queues' newest minute, if it is a new one and all of it is known; each minute once.

        A queue without datapoints counts as still only where SQS itself shows it empty: absent is not zero.
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
        return Flow(received, deleted, tasks, at, self._readings.fewest_waiting(at - MINUTE_S, at))

    def _newest_unseen(self, minutes: dict[str, QueueMinute]) -> Unseen | None:
        """What the newest minute of the queues counted where our readings of it showed next to nothing.

        The last one is kept while CloudWatch does not answer: its outage refutes nothing.
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
        """Whether the minute had messages of which our readings showed next to none, or the queue is known for that.

        A message far older than the latency target counts in any case: it was there for the whole minute, and the next
        minute tells whether it is gone.
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
        """The same world, with how many tasks protect themselves. Unknown: none may go."""
        protected = await self._ports.fleets.protected(self._service.ref)
        if isinstance(protected, Missing):
            self.notices.append(replace(protected, reason=f"no scale-in: {protected.reason}"))
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


def _shown(queues: list[QueueReading]) -> list[int]:
    """The messages of each queue, visible or in flight; 0 of one that is not known."""
    known = [backlog.visible + backlog.in_flight if isinstance(backlog, Backlog) else 0 for _, backlog in queues]
    return [min(max(0, messages), MOST_MESSAGES) for messages in known]


def _moved_at_least(minute: QueueMinute) -> int:
    """How many messages the minute had at least: the largest of what was sent, received and deleted."""
    return max(map(_count, (minute.sent, minute.received, minute.deleted)))


def _count(counted: int | None) -> int:
    """The count, bounded; 0 where there is no datapoint, since what was not counted contradicts nothing."""
    return min(max(0, counted or 0), MOST_MESSAGES)


def whole(instant: Instant) -> Instant:
    """The next whole 64th of a second: differences of such instants are exact, and short when written down."""
    return ceil(instant * 64) / 64


def _nearest(fewest: float, most: float, present: int, ratio: float) -> float:
    """Of the counts from `fewest` to `most`, the one times which `ratio` comes nearest to the present count.

    A datapoint is the mean of a minute. If the count changed in that minute, it fits any count in between; it then
    moves the count only as far as all of them agree. Neither the mean of the counts nor the last of them would do: when
    a change happened is known to a poll only, and the same load would ask for more tasks after each change.
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
    """Messages received and deleted in the minute that ended at `at` (None: not known)."""
    if minute is not None and at - minute.at < SAME_MINUTE_S and None not in {minute.received, minute.deleted}:
        return _count(minute.received), _count(minute.deleted)
    backlog = reading.backlog
    still = isinstance(backlog, Backlog) and backlog.visible == backlog.in_flight == 0
    return (0, 0) if still else None
