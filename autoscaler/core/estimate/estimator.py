"""The estimators of one service. They see each observation once; their knowledge is an input of the decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import ceil, inf

from autoscaler.core.estimate.arrivals import CLOUDWATCH_REACH_S, FEW_NOTES, MINUTE_S, Arrivals, Track
from autoscaler.core.estimate.bottleneck import Bottleneck, WorkedMinute
from autoscaler.core.estimate.concurrency import Concurrency
from autoscaler.core.estimate.foreseen import EXPECTED_S, NOTHING_AHEAD, Ahead, expected_arrivals
from autoscaler.core.estimate.groups import GroupOrder, MessageGroups
from autoscaler.core.estimate.holding import Holding
from autoscaler.core.estimate.readings import Minute
from autoscaler.core.estimate.recall import PastReading, is_nothing_held, minute_of, past_readings
from autoscaler.core.estimate.starting import Starting, TimedStart
from autoscaler.core.estimate.throughput import NONE_RATIO, Throughput
from autoscaler.core.knowledge import Estimate, Knowledge, QueueKnowledge, Regime, TimedCount, p95_ratio
from autoscaler.core.model import FIFO_ENDING, Backlog, Flow, Instant, Observation, PastMinute
from autoscaler.core.policy import Policy
from autoscaler.core.signals import MOST_MESSAGES

LOAD_S, LOAD_MOST_S = EXPECTED_S[-1], 600.0
"""The span of the load, in seconds: a minute, or three processing times if that is longer, at most ten minutes."""

MISSED_INTERVALS = 2.5
"""If a queue was not read for more intervals than this, the work in between is unknown. One missed poll is acceptable.
"""

REGULAR_RATIO = 0.75
"""Readings closer together than this share of the interval are merged where readings are counted: SQS may repeat a
count, so two readings within seconds are not twice the evidence.
"""

FULL_RATIO = 0.8
"""From this share of occupied slots, all count as occupied: tasks that have just started receive within seconds."""

READINGS_OF_A_MINUTE = 6
"""The readings of a minute at the default interval; CloudWatch has one, which stands for six. If messages waited
throughout the minute, all slots were occupied at every reading. Otherwise the processing time from its one sample of
the messages in flight has a sixth of the weight.
"""

LASTING_RATIO = 1 / 3
"""The share of the acceptable latency over which the lasting load is measured, at least a minute: the queue evens out
shorter peaks.
"""

STANDING_RATIO, STANDING_S = 0.5, 600.0
"""A backlog is standing if, for as long as the latency target and at least ten minutes, its oldest message always waits
for this share of the target: the peaks that tasks should even out are shorter.
"""


KNOWN_DELETIONS = 30.0
"""Deletions from which a measured processing time is used to compute the tasks that a bottleneck supports."""


class Estimator:
    """Starts with the first observation. `interval_s`: seconds between two polls, at most; it can be changed. Further
    polls in between are used for arrivals and deletions, but readings that are counted stay this far apart.
    """

    __slots__ = (
        "_at",
        "_bottleneck",
        "_concurrency",
        "_full",
        "_groups",
        "_held",
        "_holding",
        "_learned_at",
        "_orders",
        "_queues",
        "_ran",
        "_reach_s",
        "_regular_at",
        "_running",
        "_starting",
        "_throughput",
        "_visible",
        "interval_s",
    )

    def __init__(self, policy: Policy, seen: Observation, interval_s: float) -> None:
        self.interval_s = interval_s
        self._throughput = Throughput(
            policy.processing_time_s, seen.now, fixed=not policy.learn, ignore_in_flight=not policy.count_in_flight
        )
        self._concurrency = Concurrency(policy.task_concurrency, fixed=not policy.learn)
        self._starting = Starting(seen.fleet, seen.now)
        self._queues: dict[str, Arrivals] = {}
        self._reach_s = max(policy.longest_latency_s, LOAD_MOST_S)
        self._at, self._regular_at, self._full = seen.now, seen.now - interval_s, True
        self._held = 0.0
        self._visible = 0
        self._bottleneck, self._holding = Bottleneck(), Holding()
        self._groups: MessageGroups | None = None
        self._orders: dict[str, GroupOrder] = {}
        self._ran = Track(CLOUDWATCH_REACH_S, seen.now, FEW_NOTES)
        self._running = seen.fleet.running
        self._learned_at: Instant | None = None

    def see(self, policy: Policy, seen: Observation, ahead: Ahead = NOTHING_AHEAD) -> Knowledge:
        """Return the knowledge, including this observation."""
        known, now, mean_s = _known(seen), seen.now, self._throughput.mean_s
        self._starting.see(seen.fleet, now)
        received = late = 0.0
        if len(known) == len(seen.queues):
            received, late = self._update(policy, seen, known)
        if isinstance(seen.flow, Flow) and seen.flow.at != self._learned_at:
            self._learned_at = seen.flow.at
            flow = replace(seen.flow, waiting=0) if _is_fifo(known) else seen.flow  # the readings alone decide
            if (read := self._throughput.minute(flow)) is not None:
                self._learn(read, flow, 1.0)
                self._compare(read, flow, now)
        for name, counts in known.items():
            if name in self._queues and counts.deleted is not None and counts.counted_at is not None:
                self._queues[name].reconcile(counts.counted_at, float(counts.deleted), now)
        if self._throughput.mean_s != mean_s:
            for arrivals in self._queues.values():
                arrivals.revalue(mean_s / self._throughput.mean_s)
        recent = {name: queue.curve.within_each(EXPECTED_S) for name, queue in self._queues.items()}
        queues, standing = [], False
        for name, counts in known.items():
            queue = self._queues.get(name)
            if queue is not None:
                queue.waited = queue.waiting(counts, now, held=self._holding_s > 0)
                latency_s = policy.latency_of(name)
                standing |= queue.stands(STANDING_RATIO * latency_s, max(STANDING_S, latency_s), now)
                delayed = (TimedCount(0.0, counts.delayed),) if policy.count_delayed and counts.delayed > 0 else ()
                coming = expected_arrivals(recent[name], ahead.get(name))
                waited = self._in_order(name, counts, queue.waited, now)
                queues.append(QueueKnowledge(name, (*delayed, *waited), coming))
        minute = max(0.0, sum([arrived[-1] for arrived in recent.values()]))
        learned = self._knowledge(policy, tuple(queues), now, minute, (received, late))
        foreseen = sum([ahead[name].coming[-1] for name in known if name in ahead])
        arriving = foreseen > 0 or any(queue.arrives(now) for queue in self._queues.values())
        if standing or foreseen or not arriving:
            return replace(learned, arriving=arriving, standing=standing, foreseen=foreseen)
        return learned

    def _in_order(
        self, name: str, counts: Backlog, waited: tuple[TimedCount, ...], now: Instant
    ) -> tuple[TimedCount, ...]:
        """Return the waiting messages with their ages. Those of a FIFO queue are not received in order of arrival."""
        if self._groups is None:
            self._orders.pop(name, None)
            return waited
        order = self._orders.setdefault(name, GroupOrder())
        held_s = self._throughput.slow_s * p95_ratio(self._throughput.safe_spread) * self._groups.per_group
        order.see(counts, waited, held_s, now)
        return order.ordered(waited)

    def started(self, starts: Sequence[TimedStart]) -> None:
        """Add starts of tasks with ECS's own times, each once."""
        self._starting.see_timed(starts)

    def recall(self, seen: Observation, past: Sequence[PastMinute]) -> None:
        """Learn from the minutes that CloudWatch stored before the first observation `seen`. Call it before `see`."""
        read = past_readings(past, seen)
        none_held = is_nothing_held(read)
        for index, reading in enumerate(read):
            running = reading.running
            held = self._held_of(reading.counts, running) if running is not None else _in_flight(reading.counts)
            for name, counts in reading.counts.items():
                queue = self._queues.get(name)
                if queue is None:
                    queue = self._queues[name] = Arrivals(self._reach_s, counts, reading.at)
                else:
                    queue.see(counts, 0.0, reading.at)
                if counts.deleted is not None and index:
                    queue.reconcile(reading.at, float(counts.deleted), reading.at)
                queue.held = held[name]
            if index:
                self._recall_minute(reading, read[index - 1], sum(held.values()), none_held=none_held)
            self._at, self._held = reading.at, sum(held.values())
            self._running = self._running if running is None else running
        self._throughput.recalled(self._at)
        self._ran = Track(CLOUDWATCH_REACH_S, self._at, FEW_NOTES)
        self._bottleneck.recalled(seen.now)

    def _learn(self, read: Minute, flow: Flow, weight: float) -> None:
        """Learn from a minute how long messages take, and whether its messages in flight show the concurrency."""
        self._throughput.learn(read, flow, weight)
        before = self._concurrency.slots
        self._concurrency.confirm(flow.at, fails=self._throughput.fails(read, flow))
        self._throughput.resize(self._concurrency.slots / before)

    def _recall_minute(self, reading: PastReading, before: PastReading, held: float, *, none_held: bool) -> None:
        """Learn from one past minute how long messages take, how many a task holds, and whether more tasks helped."""
        flow = reading.flow(before)
        if flow is None or reading.running is None or reading.tasks is None:
            return
        if reading.visible and before.running == reading.running:
            for _ in range(READINGS_OF_A_MINUTE):
                self._see_held(reading.counts, reading.running, reading.at)
        slots = reading.tasks * self._concurrency.slots
        if _is_fifo(reading.counts) and min(self._held, held) < FULL_RATIO * slots:
            flow = replace(flow, waiting=0)
        read = minute_of(flow, (self._held, held), slots, before, reading)
        if none_held and not read.saturated:  # only an upper bound is known: all slots were occupied
            read = read._replace(taken_s=min(self._throughput.mean_s * flow.deleted, read.slots_s))
        self._learn(read, flow, 1.0 if read.saturated else 1 / READINGS_OF_A_MINUTE)
        gained = float(reading.visible + reading.in_flight - before.visible - before.in_flight)
        spread, task_s = self._throughput.spread, self._task_s
        worked = WorkedMinute(reading.at, reading.tasks, float(flow.deleted), gained, spread, task_s)
        self._see_worked(worked, read, flow, saturated=read.saturated)

    def _update(self, policy: Policy, seen: Observation, known: dict[str, Backlog]) -> tuple[float, float]:
        """Update the estimates when all queues were read. Return how many messages were received since the last time,
        and about how many of those late.
        """
        now, received, late = seen.now, 0.0, 0.0
        elapsed_s, held = now - self._at, self._held_of(known, seen.fleet.running)
        before, self._held = self._held, sum(held.values())
        if elapsed_s > MISSED_INTERVALS * self.interval_s:
            self._throughput.skipped(self._at, now)
        mean_s = self._throughput.mean_s
        self._see_throughput(known, seen, before, elapsed_s)
        moving, each_s = 0.0 if self._holding.is_still else 1.0, max(mean_s, self._holding_s)
        for name, counts in known.items():
            queue = self._queues.get(name)
            if queue is None:
                self._queues[name] = Arrivals(self._reach_s, counts, now)
            else:
                completed = moving * _mean(held[name], queue.held) * elapsed_s / each_s
                here = sum([messages for _, messages in queue.waited]) + queue.see(counts, completed, now)
                gone = max(0.0, here - counts.visible)
                received, late = received + gone, late + _late(queue, gone, elapsed_s, policy.latency_of(name))
        for name, queue in self._queues.items():
            queue.held = held.get(name, 0.0)
        has_workers = self._running > 0 or seen.fleet.running > 0 or any(counts.in_flight for counts in known.values())
        self._see_slots(known, seen)
        self._at, self._running = now, seen.fleet.running
        return (
            (received, late) if has_workers else (0.0, 0.0)
        )  # without workers, missing messages were purged or expired

    def _see_throughput(self, known: dict[str, Backlog], seen: Observation, before: float, elapsed_s: float) -> None:
        """Note how many slots were occupied since the last reading, and whether messages waited."""
        visible = sum([counts.visible for counts in known.values()])
        in_flight = sum([counts.in_flight for counts in known.values()])
        running, had_waiting, self._visible = seen.fleet.running, self._visible > 0, visible
        slots = running * self._concurrency.slots
        self._see_groups(known, (visible, in_flight, slots), elapsed_s, seen.now)
        if _is_fifo(known) and in_flight < FULL_RATIO * slots:
            visible = 0  # messages can wait for their group while slots are free
        self._ran.add(seen.now, _mean(running, self._running) * elapsed_s)
        self._throughput.see(
            _mean(self._held, before),
            _mean(slots, self._running * self._concurrency.slots),
            elapsed_s,
            seen.now,
            (visible, in_flight),
            overfull=visible == 0 and in_flight > slots > 0,
        )
        self._full &= visible > 0 and had_waiting and 0 < FULL_RATIO * slots <= in_flight
        if not self._is_regular(seen.now):
            return
        expected = min(self._held, before) * (seen.now - self._regular_at) / self._throughput.mean_s
        self._holding.see(visible + in_flight, expected, seen.now - self._regular_at, seen.now, full=self._full)
        self._full = True

    def _is_regular(self, now: Instant) -> bool:
        return now - self._regular_at >= REGULAR_RATIO * self.interval_s

    @property
    def _holding_s(self) -> float:
        """How long messages are expected to be held, if that is longer than they usually are; else 0."""
        return self._holding.expected_s if self._holding.expected_s > self._throughput.slow_s else 0.0

    def _see_groups(
        self, known: Mapping[str, Backlog], counts: tuple[int, int, int], elapsed_s: float, now: Instant
    ) -> None:
        """Add the `counts` (visible, in flight, slots), and the groups of CloudWatch's newest minute. If a queue with
        messages has none, nothing is known about the groups.
        """
        used = [each for each in known.values() if each.visible or each.in_flight or each.groups_in_flight is not None]
        groups = [each.groups_in_flight for each in used if each.groups_in_flight is not None]
        if not groups or len(groups) < len(used):
            self._groups = None
            return
        if self._groups is None:
            self._groups = MessageGroups(now)
        ends = {each.counted_at for each in used}
        end = ends.pop() if len(ends) == 1 else None
        if end is not None:
            deleted = [each.deleted for each in used if each.deleted is not None]
            self._groups.count(end, sum(groups), sum(deleted) if len(deleted) == len(used) else None)
        self._groups.see(*counts, elapsed_s, now)

    def _compare(self, read: Minute, minute: Flow, now: Instant) -> None:
        """Compare the minute with earlier ones: do more tasks complete more messages?"""
        self._holding.check(minute.at - MINUTE_S, minute.deleted, read.taken_s / self._throughput.mean_s, now)
        tasks, slots = self._ran.between(minute.at - MINUTE_S, minute.at) / MINUTE_S, self._concurrency.slots
        received_between_readings = tasks * slots * self.interval_s / self._throughput.mean_s
        backlogged = read.saturated and read.fewest >= received_between_readings and not self._holding_s
        busy = self._throughput.busy(minute.at - MINUTE_S, minute.at) / slots
        gained = sum([queue.gained(minute.at - MINUTE_S, minute.at) for queue in self._queues.values()])
        spread, deleted = self._throughput.spread, float(minute.deleted)
        worked = WorkedMinute(minute.at, tasks if backlogged else busy, deleted, gained, spread, self._task_s)
        self._see_worked(worked, read, minute, saturated=backlogged)

    def _see_worked(self, worked: WorkedMinute, read: Minute, minute: Flow, *, saturated: bool) -> None:
        """Compare the minute with earlier ones, unless messages failed in it, or more were in flight than the tasks can
        hold: it is then not known how much the tasks completed, or how many were busy.
        """
        if self._throughput.fails(read, minute) or read.overfull:
            self._bottleneck.skip()
        else:
            self._bottleneck.see(worked, saturated=saturated, slots=self._concurrency.slots)

    @property
    def _task_s(self) -> float:
        """The measured task-seconds of a message; infinite if too few were deleted, or if the time is configured."""
        is_measured = KNOWN_DELETIONS <= self._throughput.estimate(0.0).weight < inf
        return self._throughput.mean_s / self._concurrency.slots if is_measured else inf

    def must_foresee(self, policy: Policy) -> bool:
        """Whether the acceptable latency is shorter than a poll interval plus a late start-up. A task requested at the
        next poll is then too late for a message that arrives now. With a longer latency target, messages can wait for
        the poll, and spare tasks for them would stay idle.
        """
        return policy.shortest_latency_s < self.interval_s + self._starting.late_s

    def _held_of(self, known: Mapping[str, Backlog], running: int) -> dict[str, float]:
        """Return the messages of each queue that the tasks hold. Messages in flight beyond their slots belong to other
        consumers or dead workers.
        """
        in_flight = sum([counts.in_flight for counts in known.values()])
        ours = min(1.0, running * self._concurrency.slots / in_flight) if in_flight else 0.0
        return {name: counts.in_flight * ours for name, counts in known.items()}

    def _see_slots(self, known: dict[str, Backlog], seen: Observation) -> None:
        """FIFO queues are ignored: their message groups limit the messages in flight."""
        if not self._is_regular(seen.now):
            return
        self._regular_at = seen.now
        if not seen.fleet.running == self._running == seen.fleet.desired:
            return
        if any(counts.visible for counts in known.values()):
            self._see_held(known, seen.fleet.running, seen.now)

    def _see_held(self, counts: Mapping[str, Backlog], running: int, now: Instant) -> None:
        """Learn how many messages a task holds, from a reading in which messages waited. If hardly any task holds one,
        workers delete them first, or do not work.
        """
        in_flight = sum(_in_flight(counts).values())
        if in_flight >= NONE_RATIO * running and not _is_fifo(counts) and not self._throughput.hides_work:
            before = self._concurrency.slots
            self._concurrency.see(in_flight, running, now)
            self._throughput.resize(self._concurrency.slots / before)

    def _knowledge(
        self, policy: Policy, queues: tuple[QueueKnowledge, ...], now: Instant, minute: float, gone: tuple[float, float]
    ) -> Knowledge:
        """`minute`: the arrivals within `LOAD_S`. `gone`: the received messages, and the number of late ones among
        them.
        """
        throughput, slots = self._throughput, self._concurrency.slots
        slow_s = throughput.slow_s
        load_s = max(LOAD_S, min(LOAD_MOST_S, 3 * slow_s))
        lasting_s = max(LOAD_S, LASTING_RATIO * policy.shortest_latency_s)
        message_s = slow_s / slots
        load = minute if load_s == LOAD_S else self._arrived_within(load_s)
        lasting = minute if lasting_s == LOAD_S else self._arrived_within(lasting_s)
        return Knowledge(
            processing_s=throughput.estimate(now),
            slow_s=slow_s,
            spread=throughput.safe_spread,
            concurrency=self._concurrency.estimate(now),
            start_s=self._starting.estimate(now),
            start_late_s=self._starting.late_s,
            rate_per_s=Estimate(minute / LOAD_S, minute, 0.0),
            load=load / load_s * message_s,
            lasting_load=lasting / lasting_s * message_s,
            interval_s=self.interval_s,
            received=gone[0],
            late=gone[1],
            queues=queues,
            starting=self._starting.coming(now),
            regime=Regime.BATCH if self._holding_s else throughput.regime,
            holding_s=self._holding_s,
            bottleneck=self._bottleneck.limit(now),
            trial=self._bottleneck.trial(now),
            test=self._bottleneck.test,
            groups=self._group_limit(),
            overtaken_s=max([order.extra_s for order in self._orders.values()], default=0.0),
            slow_starts=self._starting.slow,
        )

    def _group_limit(self) -> float | None:
        """Return the number of tasks that the message groups can use (None: they are no limit)."""
        limit = None if self._groups is None else self._groups.limit
        return None if limit is None else float(ceil(limit / self._concurrency.slots))

    def _arrived_within(self, seconds: float) -> float:
        return max(0.0, sum([queue.curve.within(seconds) for queue in self._queues.values()]))


def _late(queue: Arrivals, gone: float, elapsed_s: float, latency_s: float) -> float:
    """Return how many of the messages received since the last poll were late. The oldest are assumed to be received
    first, halfway between the polls. Late messages that arrived and were received between two polls are not counted.
    """
    late = 0.0
    for age_s, messages in reversed(queue.waited):
        if gone <= 0 or age_s + elapsed_s / 2 <= latency_s:
            break
        late += min(gone, messages)
        gone -= messages
    return late


def _known(seen: Observation) -> dict[str, Backlog]:
    return {name: backlog for name, backlog in seen.queues if isinstance(backlog, Backlog) and _is_possible(backlog)}


def _is_fifo(counts: Mapping[str, Backlog]) -> bool:
    """Whether any of the queues has message groups. CloudWatch's number of groups is late after a start."""
    return any(name.endswith(FIFO_ENDING) or each.groups_in_flight is not None for name, each in counts.items())


def _in_flight(counts: Mapping[str, Backlog]) -> dict[str, int]:
    return {name: each.in_flight for name, each in counts.items()}


def _is_possible(counts: Backlog) -> bool:
    """Whether the counts are possible; False for NaN, too."""
    return 0 <= counts.visible <= MOST_MESSAGES and 0 <= counts.in_flight <= MOST_MESSAGES


def _mean(one: float, other: float) -> float:
    return (one + other) / 2
