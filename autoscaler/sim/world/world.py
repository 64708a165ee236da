"""SQS, ECS, CloudWatch and the workers in virtual time: all that a policy can read and change.

Invariant: the same workload, settings, seed and calls give the same world, bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import ceil
from typing import NamedTuple

import numpy as np

from autoscaler.errors import Throttled, Unavailable
from autoscaler.sim.model import (
    MINUTE_S,
    Datapoint,
    Floats,
    LoggedReason,
    Meter,
    QueueCounts,
    SimulationOutcome,
    Tasks,
    Workload,
    WorldSettings,
)
from autoscaler.sim.world.faults import FaultPlan
from autoscaler.sim.world.queue import Sampling
from autoscaler.sim.world.service import SimulatedService
from autoscaler.sim.world.serving import Agenda, Serving


class _Minutes(NamedTuple):
    """Totals since 0, at a minute's end. `up_s`: the sum of the seconds in which each task was up."""

    received: int = 0
    deleted: int = 0
    worked_s: float = 0.0
    up_s: float = 0.0


class World:
    """A `Surface`. Time advances only by `advance`."""

    def __init__(self, workload: Workload, settings: WorldSettings, seed: int) -> None:
        self._workload = workload
        self._settings = settings
        self._now = 0.0
        self._ended_s: float | None = None
        self._agenda = Agenda()
        self._faults = FaultPlan(settings.faults)
        self._serving = Serving(workload, settings, seed)
        self._service = SimulatedService(settings, seed, self._agenda, self._serving, self._faults)
        self._cloudwatch = CloudWatch(workload, settings.metrics_late_s)
        self._sampling = Sampling(settings, seed)
        self._minute = _Minutes()
        self._reasons: list[LoggedReason] = []
        self._groundless_s: list[float] = []
        self._polls, self._polled_at = 0, -1.0
        self._schedule()

    @property
    def now(self) -> float:
        return self._now

    @property
    def has_ended(self) -> bool:
        """Whether the simulated days are over and every message is deleted or a dead letter."""
        return self._ended_s is not None

    def counts(self) -> QueueCounts:
        self._note_poll()
        if self._faults.unreadable(self._now):
            raise Unavailable("SQS does not respond")
        return self._sampling.returned(self._now, self._true_counts())

    def tasks(self) -> Tasks:
        self._note_poll()
        self._refuse_if_throttled()
        return self._service.counts()

    def protected(self) -> int:
        self._refuse_if_throttled()
        return self._service.protected(self._now)

    def minutes(self, meter: Meter, most: int) -> Sequence[Datapoint]:
        return self._cloudwatch.minutes(meter, most, self._now)

    def _note_poll(self) -> None:
        """Count a poll: an instant at which the policy reads counts."""
        self._polls += self._now != self._polled_at
        self._polled_at = self._now

    def scale_to(self, tasks: int) -> None:
        self._refuse_if_throttled()
        if tasks < 0:
            raise ValueError(f"{tasks} tasks cannot be desired")
        if tasks > self._service.desired.now and self._is_quiet():
            self._groundless_s.append(self._now)
        self._service.scale_to(tasks, self._now)

    def _is_quiet(self) -> bool:
        """Return whether no message is visible and none arrived in the last minute."""
        queue = self._serving.queue
        return not queue.visible(self._now) and queue.sent(self._now) == queue.sent(self._now - MINUTE_S)

    def log(self, sentence: str) -> None:
        self._reasons.append(LoggedReason(self._now, sentence))

    def advance(self, to: float) -> None:
        """Advance the world to `to`, or to the end of the run if that is earlier."""
        while self._ended_s is None:
            until = min(self._agenda.next_s, to)
            self._serving.slowdown = self._faults.slowdown(self._now, self._service.running.now)
            self._serving.serve(until)
            if self._end_if_done(until):
                return
            self._now = until
            self._agenda.run(until)
            if until >= to:
                return

    def outcome(self) -> SimulationOutcome:
        """Return the outcome until now."""
        ended_s = self._now
        return SimulationOutcome(
            received_s=self._serving.queue.received_s,
            lives=self._service.lives(ended_s),
            lost_work_s=self._serving.lost_s,
            redelivered=self._serving.queue.redelivered,
            dead_letters=self._serving.queue.dead_letters,
            desired=tuple(self._service.desired.steps),
            running=tuple(self._service.running.steps),
            ended_s=ended_s,
            reasons=tuple(self._reasons),
            lost_messages=self._serving.lost_messages,
            groundless_s=tuple(self._groundless_s),
            polls=self._polls,
        )

    def _refuse_if_throttled(self) -> None:
        if self._faults.throttled(self._now):
            raise Throttled("ECS throttled the call: rate exceeded")

    def _schedule(self) -> None:
        """Schedule the events that do not depend on the policy."""
        agenda, faults, serving = self._agenda, self._faults, self._serving
        agenda.add(MINUTE_S, self._close_minute)
        for at in faults.slowdown_changes_s:
            agenda.add(at, lambda _: None)  # messages that begin after it have another processing time
        for start_s, end_s in faults.breakdowns:
            agenda.add(start_s, partial(serving.break_down, end_s))
            agenda.add(end_s, serving.repair)
        for at in faults.rollouts_s:
            agenda.add(at, self._service.deploy)
        for loss in faults.spot_losses:
            agenda.add(loss.start_s, partial(self._service.lose, loss.share))
        for move in faults.rebalancings:
            agenda.add(move.start_s, partial(self._service.rebalance, move.share))
        for change in faults.manual_changes:
            agenda.add(change.start_s, partial(self._service.scale_to, change.tasks))
        for at in faults.shortages_end_s:
            agenda.add(at, self._service.reconcile)
        if self._settings.count_late_s > 0:
            agenda.add(0.0, self._sample)

    def _end_if_done(self, until: float) -> bool:
        """End the run if nothing is left to do by `until`. Return whether it ended."""
        length_s, serving = self._workload.length_s, self._serving
        if until < length_s or not serving.queue.is_exhausted or serving.last_end_s > until:
            return False
        self._now = self._ended_s = max(self._now, length_s, serving.last_end_s, serving.queue.last_dead_letter_s)
        return True

    def _true_counts(self) -> QueueCounts:
        return QueueCounts(self._serving.queue.visible(self._now), self._serving.in_flight(self._now))

    def _sample(self, now: float) -> None:
        self._sampling.record(now, self._true_counts())
        self._agenda.add(now + self._sampling.every_s, self._sample)

    def _close_minute(self, now: float) -> None:
        self._agenda.add(now + MINUTE_S, self._close_minute)
        serving, was = self._serving, self._minute
        self._minute = ends = _Minutes(
            serving.queue.receives,
            serving.deleted(now),
            serving.worked_until(now),
            self._service.alive.area(now),
        )
        up_s = ends.up_s - was.up_s
        groups = serving.groups_in_flight(now)
        slots_up_s = up_s * self._settings.task_concurrency  # sum over all slots
        self._cloudwatch.put(
            {
                Meter.RECEIVED: float(ends.received - was.received),
                Meter.DELETED: float(ends.deleted - was.deleted),
                Meter.OLDEST_AGE_S: serving.oldest_age_s(now),
                Meter.VISIBLE: float(serving.queue.visible(now)),
                Meter.GROUPS_IN_FLIGHT: None if groups is None else float(groups),
                Meter.IN_FLIGHT: float(serving.in_flight(now)),
                Meter.CPU_SAMPLES: float(ceil(up_s / MINUTE_S)) or None,
                Meter.CPU_PERCENT: 100 * (ends.worked_s - was.worked_s) / slots_up_s if slots_up_s else None,
                Meter.RUNNING: float(self._service.running.now),
                Meter.LIVE: up_s / MINUTE_S,
            }
        )


# CloudWatch: one-minute metrics, and the delay after which they can be read.


class CloudWatch:
    """One-minute datapoints by metric. `late_s`: seconds from a minute's end until its datapoint can be read."""

    def __init__(self, workload: Workload, late_s: float) -> None:
        self._late_s = late_s
        self._sent = _sent(workload)
        self._before = int(len(workload.history) * workload.interval_s // MINUTE_S)
        self._values: dict[Meter, list[float | None]] = {meter: [] for meter in Meter if meter is not Meter.SENT}

    def put(self, values: dict[Meter, float | None]) -> None:
        """Add the values of the minute that has just ended."""
        for meter, value in values.items():
            self._values[meter].append(value)

    def minutes(self, meter: Meter, most: int, now: float) -> Sequence[Datapoint]:
        """Return the newest `most` datapoints that can be read, oldest first."""
        published = int((now - self._late_s) // MINUTE_S)
        if meter is Meter.SENT:
            return self._sent_minutes(most, published)
        values = self._values[meter]
        last = min(max(0, published), len(values))
        return [Datapoint((at + 1) * MINUTE_S, values[at]) for at in range(max(0, last - most), last)]

    def _sent_minutes(self, most: int, published: int) -> Sequence[Datapoint]:
        """Return datapoints of messages sent. They include minutes before 0. After the workload's end they are 0."""
        first = max(-self._before, published - most)
        values = [self._sent_in(minute) for minute in range(first, published)]
        return [Datapoint((first + at + 1) * MINUTE_S, value) for at, value in enumerate(values)]

    def _sent_in(self, minute: int) -> float:
        at = minute + self._before
        return float(self._sent[at]) if at < len(self._sent) else 0.0


def _sent(workload: Workload) -> Floats:
    """Return the messages sent per minute: the whole minutes of the history, then the workload."""
    return np.concatenate([_by_minute(workload.history, workload.interval_s), _arrived(workload)])


def _by_minute(history: Floats, interval_s: float) -> Floats:
    """Convert counts per interval to counts per minute. Both end at 0. A count is spread evenly over its interval."""
    edges_s = np.arange(-len(history), 1) * interval_s
    minutes = int(len(history) * interval_s // MINUTE_S)
    sums = np.concatenate([np.zeros(1), np.cumsum(history)])
    return np.diff(np.interp(np.arange(-minutes, 1) * MINUTE_S, edges_s, sums))


def _arrived(workload: Workload) -> Floats:
    minutes = int(workload.length_s // MINUTE_S) + 1
    counts = np.bincount((workload.arrivals_s // MINUTE_S).astype(np.int64), minlength=minutes)
    return counts.astype(np.float64)
