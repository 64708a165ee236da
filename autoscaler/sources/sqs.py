"""The signal source SQS: the counts of a service's queues, and their one-minute metrics from CloudWatch.

The minutes are optional: a queue whose minute cannot be read has only the counts of SQS. A denied read is reported as a
notice. Readings of the last ten minutes are stored to find messages that CloudWatch counts and no reading showed.
"""

from __future__ import annotations

import time
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import NamedTuple

from autoscaler.aws.arns import ANY, Home, Right, queue_arn
from autoscaler.aws.calls import GET_METRIC_DATA, GET_QUEUE_ATTRIBUTES, GET_QUEUE_URL
from autoscaler.aws.names import queue_metrics, region_in
from autoscaler.config import ServiceConfig
from autoscaler.core.demand import LATE_AT_MOST_RATIO
from autoscaler.core.figures import are
from autoscaler.core.memory import Memory
from autoscaler.core.model import Backlog, Flow, Instant, Missing, QueueReading, Unseen
from autoscaler.core.rules.trust import CONTRADICTED_S
from autoscaler.core.signals import MINUTE_LIMIT_S, MOST_MESSAGES, SAME_MINUTE_S
from autoscaler.errors import AutoscalerError, NotFound
from autoscaler.findings import Finding, Level, bad, good, note, text_and_remedy, unread
from autoscaler.ports import QueueMinute, QueueRef
from autoscaler.sources.source import (
    MINUTE_S,
    NO_DATA,
    PollContext,
    Probe,
    ProbeAccess,
    Reader,
    Readings,
    Source,
)

READINGS_S = 600.0
"""Seconds for which readings are stored: longer than any CloudWatch minute is late."""

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


RECEIVES_DAYS, DAY_S = 14, 86_400
"""The number of past days in which receives from a queue count."""


class SqsSource(Source):
    """The queues of the setting `queues`, and their minutes if `queue_minutes` is true."""

    name = "sqs"
    settings = ("queues", "queue_minutes")
    values = frozenset({"visible", "in_flight", "delayed", "oldest_age_s"})

    def reader(self, service: ServiceConfig) -> Reader | None:
        return _QueueReader(service) if service.queues else None

    def rights(self, service: ServiceConfig, home: Home) -> Iterator[Right]:
        for queue in service.queues:
            yield Right(GET_QUEUE_ATTRIBUTES, queue_arn(queue, home))
            if queue.url is None:
                yield Right(GET_QUEUE_URL, queue_arn(queue, home))
        if service.queues and service.queue_minutes:
            yield Right(GET_METRIC_DATA, ANY)

    def probes(self, service: ServiceConfig, access: ProbeAccess) -> Iterator[Probe]:
        for queue in service.queues:
            probe = _QueueProbe(service, queue, access)
            yield Probe(f"queue {queue.name}", probe.counts)
            yield Probe(f"receives from queue {queue.name}", probe.receives)
            if service.queue_minutes:
                yield Probe(f"CloudWatch metrics of queue {queue.name}", probe.minute)

    def cloudwatch_metrics(self, service: ServiceConfig) -> int:
        return sum(len(queue_metrics(queue.name)) for queue in service.queues) if service.queue_minutes else 0


SQS = SqsSource()


class _QueueHistory:
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

        0 with fewer than two readings, or if the running tasks changed since the reading before them: deletes by a
        changing number of tasks are not comparable. Tasks that started between that reading and the first one of the
        minute are in every reading of the minute, but are not the tasks at its start.
        """
        first, end = bisect_right(self._instants, since), bisect_right(self._instants, until)
        running = self._running[max(0, first - 1) : end]
        if end - first < 2 or min(running) != max(running):
            return 0
        return min(self._visible[first:end])


@dataclass(slots=True)
class _Stored:
    """`unseen_minutes`: the newest minute of each queue that had messages which the readings did not show. `fleeting`:
    when each queue last had unseen messages.
    """

    queues: tuple[QueueRef, ...]
    history: _QueueHistory
    unseen: Unseen | None = None
    unseen_minutes: dict[str, QueueMinute] = field(default_factory=dict)
    fleeting: dict[str, Instant] = field(default_factory=dict)


class _QueueReader(Reader):
    """Reads the queues of one service. `stored`: what stays when the settings change and the queues do not."""

    def __init__(self, service: ServiceConfig) -> None:
        self._service = service
        self._minute_at: Instant | None = None
        self._ran: dict[str, float | None] = {}
        self.stored = _Stored(service.queues, _QueueHistory(len(service.queues)))

    def keep_from(self, before: Reader) -> None:
        """Keep the readings and unseen counts if the queues are the same."""
        if isinstance(before, _QueueReader) and before.stored.queues == self.stored.queues:
            self.stored = before.stored

    async def read(self, poll: PollContext, into: Readings) -> None:
        """Read the counts of all queues, and their minutes, which cost money and are left out in a still poll."""
        for queue in self._service.queues:
            into.queues.append(QueueReading(queue.name, await poll.ports.queues.backlog(queue)))
        if not poll.still and self._service.queue_minutes:
            await self._read_minutes(poll, into)
        self._ran = {
            name: await _late_tasks(name, minute, poll)
            for name, minute in into.minutes.items()
            if minute.oldest_age_s is not None
        }

    async def _read_minutes(self, poll: PollContext, into: Readings) -> None:
        """Read the newest minute of each queue; queues that cannot be read are left out."""
        for queue in self._service.queues:
            minute = await poll.ports.meters.minute(queue)
            if isinstance(minute, Missing):
                into.note(minute)
            else:
                into.minutes[queue.name] = minute

    def complete(self, now: Instant, poll: PollContext, into: Readings) -> None:
        """Join the minutes with the counts, and store the counts."""
        minutes = into.minutes
        into.queues = [
            _with_minute(reading, minutes.get(reading.name), self._ran.get(reading.name), now)
            for reading in into.queues
        ]
        self.stored.history.add(now, _visible(into.queues), _shown(into.queues), poll.fleet.running)
        into.flow = self._flow(into.queues, minutes, poll.memory)
        into.unseen = self._newest_unseen(minutes)

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
        return Flow(received, deleted, tasks, at, self.stored.history.fewest_visible(at - MINUTE_S, at))

    def _newest_unseen(self, minutes: dict[str, QueueMinute]) -> Unseen | None:
        """Return the counts of the queues' newest minutes that the daemon's readings did not show. While CloudWatch
        does not answer for a queue, its last result stays valid for up to an hour.
        """
        at = max((minute.at for minute in minutes.values()), default=None)
        if at is None or (self.stored.unseen is not None and at < self.stored.unseen.at):
            return self.stored.unseen
        unseen = self._unseen_minutes(minutes, at)
        self.stored.unseen = Unseen(
            sum(map(_moved_at_least, unseen)),
            sum(_count(each.deleted) for each in unseen),
            at,
            max((each.oldest_age_s for each in unseen if each.oldest_age_s is not None), default=None),
            compared=self.stored.history.shown(0, at - MINUTE_S - BEFORE_S, at) is not None,
        )
        return self.stored.unseen

    def _unseen_minutes(self, minutes: dict[str, QueueMinute], at: Instant) -> list[QueueMinute]:
        """Return the newest minute of each queue whose messages the readings did not show."""
        stored = self.stored.unseen_minutes
        for number, queue in enumerate(self._service.queues):
            minute = minutes.get(queue.name)
            if minute is not None and self._is_unseen(number, minute, minute.at):
                stored[queue.name] = minute
            elif minute is not None or (queue.name in stored and at - stored[queue.name].at > CONTRADICTED_S):
                stored.pop(queue.name, None)
        return list(stored.values())

    def _is_unseen(self, number: int, minute: QueueMinute, at: Instant) -> bool:
        """Whether the daemon's readings showed at most a tenth of the minute's messages, now or within the last hour.

        A message far older than the latency target always counts: it was there for the whole minute, and the next
        minute shows whether it was deleted.
        """
        name, messages = self._service.queues[number].name, _moved_at_least(minute)
        shown = self.stored.history.shown(number, at - MINUTE_S - BEFORE_S, at) or 0
        is_unseen = shown == 0 or shown <= SHOWN_RATIO * messages
        if is_unseen and messages >= FLEETING_MESSAGES:
            self.stored.fleeting[name] = at
        far_overdue_s = OVERDUE_RATIO * self._service.policy.latency_of(name) + MINUTE_S
        overdue = minute.oldest_age_s is not None and minute.oldest_age_s > far_overdue_s
        return is_unseen or overdue or at - self.stored.fleeting.get(name, -inf) < FLEETING_S


async def _late_tasks(name: str, minute: QueueMinute, poll: PollContext) -> float | None:
    """Return the number of tasks to which the age of the oldest message applies, if that age requires tasks."""
    policy = poll.policy
    spent = (minute.oldest_age_s or 0.0) / policy.latency_of(name)
    ratio = min(LATE_AT_MOST_RATIO, spent) if spent >= 1 and policy.processing_time_s is None else None
    return await poll.tasks_at(minute.at, ratio, late=policy.backlog_per_task is not None)


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


class _QueueProbe(NamedTuple):
    """The checks of one queue."""

    service: ServiceConfig
    queue: QueueRef
    access: ProbeAccess

    @property
    def key(self) -> str:
        return self.service.ref.key

    async def counts(self) -> list[Finding]:
        """Check that the queue exists, and report its Region."""
        queue, what = self.queue, f"queue {self.queue.name}"
        found = await self.access.ports.queues.backlog(queue)
        if isinstance(found, Missing):
            return [unread(self.key, what, found)]
        place = _place(queue)
        counts = f"{found.visible:,} visible, {found.in_flight:,} in flight, {found.delayed:,} delayed{place}"
        return [good(self.key, what, counts), *self._elsewhere()]

    def _elsewhere(self) -> Iterator[Finding]:
        """Report a queue in another Region than the service, if the service's settings name no Region."""
        queue, here = self.queue, self.service.ref.region or self.access.region
        if queue.region and here and queue.region != here:
            yield note(
                self.key,
                f"queue {queue.name}",
                f"the queue is in {queue.region}, the service in {here}",
                "no action if this is intended. Otherwise correct one of the two Regions",
            )

    async def receives(self) -> list[Finding]:
        """Check that a consumer receives from the queue while tasks of the service run: it may be the wrong queue."""
        key, what = self.key, f"receives from queue {self.queue.name}"
        fleet = await self.access.ports.fleets.read(self.service.ref)
        if isinstance(fleet, Missing):
            return [_unchecked(key, what, fleet)]
        if fleet.running == 0:
            return [good(key, what, "no task is running, so no receives are expected")]
        backlog = await self.access.ports.queues.backlog(self.queue)
        if isinstance(backlog, Missing):
            return [_unchecked(key, what, backlog)]
        if backlog.in_flight:
            return [good(key, what, f"{are(backlog.in_flight, 'message')} in flight now")]
        return [await self._received(what, fleet.running)]

    async def _received(self, what: str, running: int) -> Finding:
        """Check whether CloudWatch has counted a receive, including empty ones."""
        end = time.time() // MINUTE_S * MINUTE_S
        history = self.access.ports.history
        try:
            span = (end - RECEIVES_DAYS * DAY_S, end, DAY_S)
            periods = () if history is None else await history.received(self.queue, [span])
        except NotFound:
            periods = ()
        except AutoscalerError as fault:
            return _unchecked(self.key, what, fault)
        receives = sum(total for *_, total in periods)
        if receives > 0:
            return good(self.key, what, f"{receives:,.0f} in the last {RECEIVES_DAYS} days, including empty ones")
        return self._unpolled(what, running)

    def _unpolled(self, what: str, running: int) -> Finding:
        """Report a queue without receives. The metrics of a queue are only in its own account."""
        queue = self.queue
        account = self.access.account if queue.role is None else queue.role.account
        owner = queue.account or account
        region = (
            queue.region or (None if queue.url is None else region_in(queue.url)) or self.access.region or "no Region"
        )
        where = f"queue {queue.name} in {region}, account {owner or 'unknown'}"
        if queue.account is not None and queue.account != account:
            text = f"{where}: its CloudWatch metrics are in that account, and account {account or 'unknown'} was read"
            return _unchecked(
                self.key, what, Missing(f"{text}; check NumberOfEmptyReceives of the queue in its account")
            )
        return bad(
            self.key,
            what,
            f"{are(running, 'task')} running, but nothing receives from {where}: no message is in flight, and "
            f"CloudWatch shows neither NumberOfMessagesReceived nor NumberOfEmptyReceives above 0 in the last "
            f"{RECEIVES_DAYS} days",
            "check the Region (another Region may have a queue of this name) and the spelling, or configure the "
            "queue's ARN. Check that the workers poll this queue. If the first tasks started less than 15 minutes ago, "
            "run `autoscaler doctor` again later",
        )

    async def minute(self) -> list[Finding]:
        """Check that CloudWatch has the queue's minutes: learning uses them."""
        what = f"CloudWatch metrics of queue {self.queue.name}"
        found = await self.access.ports.meters.minute(self.queue)
        if not isinstance(found, Missing):
            return [good(self.key, what, "CloudWatch has the metrics of the last minute")]
        if found.kind == NO_DATA:
            return [note(self.key, what, *text_and_remedy(found))]
        return [unread(self.key, what, found, needed=False)]


def _unchecked(key: str, what: str, gap: Missing | AutoscalerError) -> Finding:
    text, remedy = text_and_remedy(gap)
    return Finding(Level.UNKNOWN, key, what, f"could not be checked: {text}", remedy)


def _place(queue: QueueRef) -> str:
    """Return the queue's Region from its ARN or URL, as text."""
    named = None if queue.url is None else region_in(queue.url)
    by = " by its URL" if named else ""
    return f"; in {queue.region or named}{by}" if queue.region or named else ""
