"""The estimators of one service. They see each observation once; their knowledge is an input of the decision."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import replace

from autoscaler.core.estimate.arrivals import CLOUDWATCH_REACH_S, FEW_NOTES, Arrivals, Track
from autoscaler.core.estimate.progress import Bottleneck, Holding, WorkedMinute
from autoscaler.core.estimate.throughput import Concurrency, Throughput
from autoscaler.core.knowledge import Estimate, Knowledge, QueueKnowledge, Regime, StartingTasks, TimedCount
from autoscaler.core.model import Backlog, Fleet, Flow, Instant, Observation
from autoscaler.core.policy import Policy
from autoscaler.core.signals import MOST_MESSAGES

# The start-up time of tasks, and when requested tasks will run.
#
# The task that was requested first is assumed to start first; on average this is correct.

ASSUMED_S = 50.0
"""Assumed start-up time until a start was seen. ECS tasks take 30 to 90 s."""
LATE_RATIO = 1.5
"""Assumed ratio of the 90th percentile to the mean start-up time, until enough starts were seen."""

STALLED_S = 300.0
"""Longer starts are ignored: there was no capacity, or the task crashed."""

MOST_SAMPLES = 64
PRIOR_WEIGHT = 5.0
SOONEST_S = 5.0
"""The minimum expected remaining time, also of an overdue task."""


class Starting:
    """Learns the start-up time of tasks. `_requested`: (instant, number of tasks) that do not run yet, oldest first."""

    __slots__ = ("_at", "_deploying", "_desired", "_learned_at", "_requested", "_running", "_summed_up", "_took_s")

    def __init__(self, fleet: Fleet, now: Instant) -> None:
        self._desired, self._running = fleet.desired, fleet.running
        self._deploying = fleet.deployment is not None
        self._at = now
        self._requested: list[tuple[Instant, int]] = []
        self._took_s = array("d")
        self._learned_at: Instant | None = None
        self._request(fleet.desired - fleet.running, now)
        self._summed_up: tuple[float, float] = (ASSUMED_S, ASSUMED_S * LATE_RATIO)

    @property
    def mean_s(self) -> float:
        return self._summed_up[0]

    @property
    def late_s(self) -> float:
        """The 90th percentile of the start-up time."""
        return self._summed_up[1]

    def estimate(self, now: Instant) -> Estimate:
        age_s = None if self._learned_at is None else max(0.0, now - self._learned_at)
        return Estimate(self.mean_s, float(len(self._took_s)), age_s)

    def see(self, fleet: Fleet, now: Instant) -> None:
        """Add a reading of the service. Starts during a deployment are ignored, because tasks are replaced."""
        requested, up, then = fleet.desired - self._desired, fleet.running - self._running, self._at
        replaced, self._deploying = self._deploying, fleet.deployment is not None
        self._desired, self._running, self._at = fleet.desired, fleet.running, now
        self._request(requested, then)
        if up > 0 and not (replaced or self._deploying):
            self._came_up(up, (then + now) / 2)
        if self._requested:
            self._drop_beyond(max(0, fleet.desired - fleet.running))

    def coming(self, now: Instant) -> tuple[StartingTasks, ...]:
        """Return the tasks that do not run yet, with the expected remaining seconds."""
        return tuple([StartingTasks(max(SOONEST_S, self.mean_s - (now - at)), tasks) for at, tasks in self._requested])

    def _request(self, tasks: int, at: Instant) -> None:
        if tasks > 0:
            self._requested.append((at, tasks))

    def _came_up(self, tasks: int, at: Instant) -> None:
        """Record starts. They happened between two readings; the middle is assumed."""
        while tasks > 0 and self._requested:
            requested_at, requested = self._requested.pop(0)
            here = min(tasks, requested)
            if at - requested_at <= STALLED_S:
                self._took_s.extend([max(0.0, at - requested_at)] * min(here, MOST_SAMPLES))
            if requested > here:
                self._requested.insert(0, (requested_at, requested - here))
            tasks -= here
            self._learned_at = at
        del self._took_s[:-MOST_SAMPLES]
        if self._took_s:
            self._sum_up()

    def _drop_beyond(self, missing: int) -> None:
        """Drop the newest requests beyond `missing`: ECS stops the newest pending tasks first."""
        beyond = sum(tasks for _, tasks in self._requested) - missing
        while beyond > 0:
            at, tasks = self._requested.pop()
            if tasks > beyond:
                self._requested.append((at, tasks - beyond))
            beyond -= tasks

    def _sum_up(self) -> None:
        seen = sorted(self._took_s)
        weight = len(seen) / (len(seen) + PRIOR_WEIGHT)
        mean_s, late_s = sum(seen) / len(seen), seen[min(len(seen) - 1, int(0.9 * len(seen)))]
        self._summed_up = (
            weight * mean_s + (1 - weight) * ASSUMED_S,
            weight * late_s + (1 - weight) * ASSUMED_S * LATE_RATIO,
        )


MINUTE_S = 60.0

EXPECTED_S = (10.0, 20.0, 30.0, 40.0, 50.0, 60.0)
"""The spans ahead for which arrivals are expected, in seconds: up to the start-up time of most tasks."""

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

MOST_LAG_S = 240.0
"""Messages that are deleted in a minute were begun up to this long before."""

LASTING_RATIO = 1 / 3
"""The share of the acceptable latency over which the lasting load is measured, at least a minute: the queue evens out
shorter peaks.
"""

Ahead = Mapping[str, tuple[TimedCount, ...]]
"""The arrivals that the look-ahead expects for each queue, at `EXPECTED_S`."""


class Estimator:
    """Starts with the first observation. `interval_s`: seconds between two polls, at most; it can be changed. Further
    polls in between are used for arrivals and deletions, but readings that are counted stay this far apart.
    """

    __slots__ = (
        "_at",
        "_bottleneck",
        "_concurrency",
        "_full",
        "_held",
        "_holding",
        "_learned_at",
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
        self._ran = Track(CLOUDWATCH_REACH_S, seen.now, FEW_NOTES)
        self._running = seen.fleet.running
        self._learned_at: Instant | None = None

    def see(self, policy: Policy, seen: Observation, ahead: Ahead | None = None) -> Knowledge:
        """Return the knowledge, including this observation. `ahead` can only raise the expected arrivals."""
        known, now, mean_s = _known(seen), seen.now, self._throughput.mean_s
        self._starting.see(seen.fleet, now)
        received = late = 0.0
        if len(known) == len(seen.queues):
            received, late = self._update(policy, seen, known)
        if isinstance(seen.flow, Flow) and seen.flow.at != self._learned_at:
            self._learned_at = seen.flow.at
            self._throughput.learn(seen.flow)
            self._compare(seen.flow, now)
        for name, counts in known.items():
            if name in self._queues and counts.deleted is not None and counts.counted_at is not None:
                self._queues[name].reconcile(counts.counted_at, float(counts.deleted), now)
        if self._throughput.mean_s != mean_s:
            for arrivals in self._queues.values():
                arrivals.revalue(mean_s / self._throughput.mean_s)
        recent = {name: queue.curve.within_each(EXPECTED_S) for name, queue in self._queues.items()}
        queues = []
        for name, counts in known.items():
            queue = self._queues.get(name)
            if queue is not None:
                queue.waited = queue.waiting(counts, now)
                delayed = (TimedCount(0.0, counts.delayed),) if policy.count_delayed and counts.delayed > 0 else ()
                coming = _coming(recent[name], (ahead or {}).get(name))
                queues.append(QueueKnowledge(name, (*delayed, *queue.waited), coming))
        minute = max(0.0, sum([arrived[-1] for arrived in recent.values()]))
        learned = self._knowledge(policy, tuple(queues), now, minute, (received, late))
        foreseen = any(some.messages > 0 for expected in (ahead or {}).values() for some in expected)
        arriving = foreseen or any(queue.arrives(now) for queue in self._queues.values())
        return learned if arriving else replace(learned, arriving=False)

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
        moving = 0.0 if self._holding.is_still else 1.0
        for name, counts in known.items():
            queue = self._queues.get(name)
            if queue is None:
                self._queues[name] = Arrivals(self._reach_s, counts, now)
            else:
                completed = moving * _mean(held[name], queue.held) * elapsed_s / mean_s
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
        self._ran.add(seen.now, _mean(running, self._running) * elapsed_s)
        self._throughput.see(
            _mean(self._held, before),
            _mean(slots, self._running * self._concurrency.slots),
            elapsed_s,
            seen.now,
            visible,
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

    def _compare(self, minute: Flow, now: Instant) -> None:
        """Compare the minute with earlier ones: do more tasks complete more messages?"""
        read = self._throughput.minute(minute)
        if read is None:
            return
        self._holding.check(minute.at - MINUTE_S, minute.deleted, read.taken_s / self._throughput.mean_s, now)
        lag_s = min(self._throughput.slow_s, MOST_LAG_S)
        tasks = self._ran.between(minute.at - MINUTE_S - lag_s, minute.at - lag_s) / MINUTE_S
        worked = WorkedMinute(minute.at, tasks, float(minute.deleted))
        received_between_readings = tasks * self._concurrency.slots * self.interval_s / self._throughput.mean_s
        backlogged = read.saturated and read.fewest >= received_between_readings and not self._holding.expected_s
        self._bottleneck.see(worked, self._throughput.spread, saturated=backlogged)

    def must_foresee(self, policy: Policy) -> bool:
        """Whether the acceptable latency is shorter than a poll interval plus a late start-up. A task requested at the
        next poll is then too late for a message that arrives now. With a longer latency target, messages can wait for
        the poll, and spare tasks for them would stay idle.
        """
        return policy.shortest_latency_s < self.interval_s + self._starting.late_s

    def _held_of(self, known: dict[str, Backlog], running: int) -> dict[str, float]:
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
        waiting = any(counts.visible for counts in known.values())
        fifo = any(counts.groups_in_flight is not None for counts in known.values())
        if waiting and not fifo and not self._throughput.hides_work:
            in_flight = sum([counts.in_flight for counts in known.values()])
            before = self._concurrency.slots
            self._concurrency.see(in_flight, seen.fleet.running, seen.now)
            if self._concurrency.slots != before:
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
            spread=throughput.spread,
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
            regime=Regime.BATCH if self._holding.expected_s else throughput.regime,
            holding_s=self._holding.expected_s,
            bottleneck=self._bottleneck.limit(now),
        )

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


def _coming(recent: list[float], ahead: tuple[TimedCount, ...] | None) -> tuple[TimedCount, ...]:
    """Return the expected arrivals: the recent ones, or those of the look-ahead if they are more."""
    coming = map(TimedCount, EXPECTED_S, recent)
    return tuple(coming) if ahead is None else tuple(map(max, coming, ahead))


def _known(seen: Observation) -> dict[str, Backlog]:
    return {name: backlog for name, backlog in seen.queues if isinstance(backlog, Backlog) and _is_possible(backlog)}


def _is_possible(counts: Backlog) -> bool:
    """Whether the counts are possible; False for NaN, too."""
    return 0 <= counts.visible <= MOST_MESSAGES and 0 <= counts.in_flight <= MOST_MESSAGES


def _mean(one: float, other: float) -> float:
    return (one + other) / 2
