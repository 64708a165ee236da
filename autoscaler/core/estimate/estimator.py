"""One service's estimators, told of each observation once; what they know goes into the decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from autoscaler.core.estimate.arrivals import Arrivals
from autoscaler.core.estimate.concurrency import Concurrency
from autoscaler.core.estimate.starting import Starting
from autoscaler.core.estimate.throughput import Throughput
from autoscaler.core.knowledge import Estimate, Knowledge, QueueKnowledge, Some
from autoscaler.core.model import Backlog, Flow, Instant, Observation
from autoscaler.core.policy import Policy
from autoscaler.core.signals import MOST_MESSAGES

EXPECTED_S = (10.0, 20.0, 30.0, 40.0, 50.0, 60.0)
"""How far arrivals are expected ahead: as long as most tasks take to start."""

LOAD_S, LOAD_MOST_S = EXPECTED_S[-1], 600.0
"""A load is measured over a minute, or over three messages' time where that is longer, ten minutes at most."""

BLIND_INTERVALS = 2.5
"""A queue that was not read for longer may have been anything meanwhile; at one missed look in between it was not."""

LASTING_RATIO = 1 / 3
"""A lasting load is measured over a third of the acceptable latency, a minute at least: a queue levels out the rest."""

Ahead = Mapping[str, tuple[Some, ...]]
"""What look-ahead expects of each queue, at `EXPECTED_S`."""


class Estimator:
    """Begins with the first observation. `interval_s`: how long from one look to the next; it may be told anew."""

    __slots__ = (
        "_at",
        "_concurrency",
        "_held",
        "_learned_at",
        "_queues",
        "_reach_s",
        "_running",
        "_starting",
        "_throughput",
        "interval_s",
    )

    def __init__(self, policy: Policy, seen: Observation, interval_s: float) -> None:
        self.interval_s = interval_s
        self._throughput = Throughput(policy.processing_time_s, seen.now, fixed=not policy.learn)
        self._concurrency = Concurrency(policy.task_concurrency, fixed=not policy.learn)
        self._starting = Starting(seen.fleet, seen.now)
        self._queues: dict[str, Arrivals] = {}
        self._reach_s = max(policy.longest_latency_s, LOAD_MOST_S)
        self._at = seen.now
        self._held = 0.0
        self._running = seen.fleet.running
        self._learned_at: Instant | None = None

    def see(self, policy: Policy, seen: Observation, ahead: Ahead | None = None) -> Knowledge:
        """What is known now, this observation included. `ahead` may only raise what is expected to come."""
        known, now, mean_s = _known(seen), seen.now, self._throughput.mean_s
        self._starting.see(seen.fleet, now)
        received = late = 0.0
        if len(known) == len(seen.queues):
            received, late = self._look(policy, seen, known)
        if isinstance(seen.flow, Flow) and seen.flow.at != self._learned_at:
            self._learned_at = seen.flow.at
            self._throughput.learn(seen.flow)
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
                queues.append(QueueKnowledge(name, queue.waited, _coming(recent[name], (ahead or {}).get(name))))
        minute = max(0.0, sum([came[-1] for came in recent.values()]))
        learned = self._knowledge(policy, tuple(queues), now, minute, (received, late))
        foreseen = any(some.messages > 0 for expected in (ahead or {}).values() for some in expected)
        arriving = foreseen or any(queue.arrives(now) for queue in self._queues.values())
        return learned if arriving else replace(learned, arriving=False)

    def _look(self, policy: Policy, seen: Observation, known: dict[str, Backlog]) -> tuple[float, float]:
        """All queues were read: what came and went since they last were, and about how much of it late."""
        now, received, late = seen.now, 0.0, 0.0
        elapsed_s, held = now - self._at, self._held_of(known, seen.fleet.running)
        before, self._held = self._held, sum(held.values())
        if elapsed_s > BLIND_INTERVALS * self.interval_s:
            self._throughput.blind(self._at, now)
        self._throughput.see(_mean(self._held, before), elapsed_s, now)
        mean_s = self._throughput.mean_s
        for name, counts in known.items():
            queue = self._queues.get(name)
            if queue is None:
                self._queues[name] = Arrivals(self._reach_s, counts, now)
            else:
                completed = _mean(held[name], queue.held) * elapsed_s / mean_s
                here = sum([messages for _, messages in queue.waited]) + queue.see(counts, completed, now)
                gone = max(0.0, here - counts.visible)
                received, late = received + gone, late + _late(queue, gone, elapsed_s, policy.latency_of(name))
        for name, queue in self._queues.items():
            queue.held = held.get(name, 0.0)
        somebody = self._running > 0 or seen.fleet.running > 0 or any(counts.in_flight for counts in known.values())
        self._see_slots(known, seen)
        self._at, self._running = now, seen.fleet.running
        return (received, late) if somebody else (0.0, 0.0)  # what goes where nobody works was purged, or expired

    def must_foresee(self, policy: Policy) -> bool:
        """Whether a message may be late that comes before a task asked for at the next look is up. With more latency
        than that, what comes may wait until it is seen, and tasks that are kept for it are kept for nothing.
        """
        return policy.shortest_latency_s < self.interval_s + self._starting.late_s

    def _held_of(self, known: dict[str, Backlog], running: int) -> dict[str, float]:
        """What our tasks hold of each queue: what is in flight beyond their slots belongs to others, or to the dead."""
        in_flight = sum([counts.in_flight for counts in known.values()])
        ours = min(1.0, running * self._concurrency.slots / in_flight) if in_flight else 0.0
        return {name: counts.in_flight * ours for name, counts in known.items()}

    def _see_slots(self, known: dict[str, Backlog], seen: Observation) -> None:
        """FIFO queues say nothing of slots: their groups limit what is in flight."""
        if not seen.fleet.running == self._running == seen.fleet.desired:
            return
        waiting = any(counts.visible for counts in known.values())
        fifo = any(counts.groups_in_flight is not None for counts in known.values())
        if waiting and not fifo:
            in_flight = sum([counts.in_flight for counts in known.values()])
            self._concurrency.see(in_flight, seen.fleet.running, seen.now)

    def _knowledge(
        self, policy: Policy, queues: tuple[QueueKnowledge, ...], now: Instant, minute: float, gone: tuple[float, float]
    ) -> Knowledge:
        """`minute`: what came within `LOAD_S`. `gone`: what was received, and how much of it late."""
        throughput, slots = self._throughput, self._concurrency.slots
        slow_s = throughput.slow_s
        load_s = max(LOAD_S, min(LOAD_MOST_S, 3 * slow_s))
        lasting_s = max(LOAD_S, LASTING_RATIO * policy.shortest_latency_s)
        a_task = slow_s / slots
        load = minute if load_s == LOAD_S else self._come_within(load_s)
        lasting = minute if lasting_s == LOAD_S else self._come_within(lasting_s)
        return Knowledge(
            processing_s=throughput.estimate(now),
            slow_s=slow_s,
            spread=throughput.spread,
            concurrency=self._concurrency.estimate(now),
            start_s=self._starting.estimate(now),
            start_late_s=self._starting.late_s,
            rate_per_s=Estimate(minute / LOAD_S, minute, 0.0),
            load=load / load_s * a_task,
            lasting_load=lasting / lasting_s * a_task,
            interval_s=self.interval_s,
            received=gone[0],
            late=gone[1],
            queues=queues,
            starting=self._starting.coming(now),
        )

    def _come_within(self, seconds: float) -> float:
        return max(0.0, sum([queue.curve.within(seconds) for queue in self._queues.values()]))


def _late(queue: Arrivals, gone: float, elapsed_s: float, latency_s: float) -> float:
    """How many of those that were received since the last look were late: the oldest went first, in the middle of the
    time. Late ones that came and went between two looks are not seen.
    """
    late = 0.0
    for age_s, messages in reversed(queue.waited):
        if gone <= 0 or age_s + elapsed_s / 2 <= latency_s:
            break
        late += min(gone, messages)
        gone -= messages
    return late


def _coming(recent: list[float], ahead: tuple[Some, ...] | None) -> tuple[Some, ...]:
    """As much as came lately is expected to come, or what look-ahead says where that is more."""
    coming = map(Some, EXPECTED_S, recent)
    return tuple(coming) if ahead is None else tuple(map(max, coming, ahead))


def _known(seen: Observation) -> dict[str, Backlog]:
    return {name: backlog for name, backlog in seen.queues if isinstance(backlog, Backlog) and _could_be(backlog)}


def _could_be(counts: Backlog) -> bool:
    """False for NaN, too."""
    return 0 <= counts.visible <= MOST_MESSAGES and 0 <= counts.in_flight <= MOST_MESSAGES


def _mean(one: float, other: float) -> float:
    return (one + other) / 2
