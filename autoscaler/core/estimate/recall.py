"""The minutes before the daemon's start, as CloudWatch stored them, in the form that the estimators learn from.

CloudWatch has one sample of the counts per minute, where the daemon's own readings are seconds apart. Invariant: what
is absent is not zero. A minute without a count of a queue is left out, and a minute without a task count shows nothing
about the throughput of a task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import NamedTuple

from autoscaler.core.estimate.arrivals import MINUTE_S
from autoscaler.core.estimate.readings import Minute
from autoscaler.core.model import Backlog, Flow, Instant, Observation, PastCounts, PastMinute

SAMPLES_OF_A_TASK = (1.0, 3.0)
"""The samples of CPUUtilization of one task in a minute: one, or three with 20-second metrics."""

SAMPLES_OFF = 0.2
"""The ratio by which the newest sample count may differ from a multiple of the running tasks."""

NEXT_MINUTE_S = 1.5 * MINUTE_S
"""Two minutes whose ends are closer than this follow each other."""

PROOF_DELETIONS = 30
"""Deletions of all minutes from which samples without a message in flight are no chance: if messages took 12 s, six of
the samples would show one, and none at all would have a probability of e^-6 = 0.2 %.
"""


class PastReading(NamedTuple):
    """The counts at the end of a past minute, by queue, and the sums over the minute and all queues.

    `running`: about how many tasks ran at its end; `tasks`: the mean over the minute; None: unknown.
    """

    at: Instant
    counts: Mapping[str, Backlog]
    running: int | None
    tasks: float | None
    received: int | None
    deleted: int | None

    @property
    def visible(self) -> int:
        return sum([counts.visible for counts in self.counts.values()])

    @property
    def in_flight(self) -> int:
        return sum([counts.in_flight for counts in self.counts.values()])

    def flow(self, before: PastReading) -> Flow | None:
        """Return the minute between the two readings (None: a value is unknown, or minutes in between are).

        Messages waited throughout if those at its start were more than all that were received in it.
        """
        if self.at - before.at > NEXT_MINUTE_S or before.running is None or self.running is None:
            return None
        if self.tasks is None or self.received is None or self.deleted is None:
            return None
        waited = before.visible - max(self.received, self.deleted)
        waiting = max(0, min(waited, self.visible))
        return Flow(self.received, self.deleted, ceil(self.tasks - 1e-9), self.at, waiting)


def past_readings(past: Sequence[PastMinute], seen: Observation) -> list[PastReading]:
    """Return the usable minutes, oldest first. `seen`: the first observation."""
    minutes = sorted((minute for minute in past if minute.at <= seen.now), key=lambda minute: minute.at)
    tasks = _tasks(minutes, seen)
    read = []
    for index, minute in enumerate(minutes):
        counts = _counts(minute, minutes, seen)
        if counts is not None:
            each = [minute.queues.get(name) or PastCounts(received=0, deleted=0) for name in counts]
            later = tasks[index + 1] if index + 1 < len(tasks) else tasks[index]
            read.append(
                PastReading(
                    minute.at,
                    counts,
                    _between(tasks[index], later),
                    tasks[index],
                    _sum([one.received for one in each]),
                    _sum([one.deleted for one in each]),
                )
            )
    return read


def is_nothing_held(read: Sequence[PastReading]) -> bool:
    """Whether no sample shows a message in flight, although many were deleted: messages take much less than a minute,
    or workers delete them before they process them. The samples then give no processing time.
    """
    deleted = sum([reading.deleted or 0 for reading in read])
    return deleted >= PROOF_DELETIONS and not any(reading.in_flight for reading in read)


def minute_of(flow: Flow, held: tuple[float, float], slots: float, before: PastReading, reading: PastReading) -> Minute:
    """Return a past minute as the daemon's readings would have shown it, from the samples at its start and at its end.
    `held`: the messages that the tasks held then.
    """
    overfull = not reading.visible and min(reading.in_flight, before.in_flight) > slots > 0
    gained = reading.in_flight - before.in_flight
    return Minute(sum(held) / 2 * MINUTE_S, slots * MINUTE_S, flow.waiting, overfull, gained)


def _tasks(minutes: Sequence[PastMinute], seen: Observation) -> list[float | None]:
    """Return the mean number of tasks of each minute. Without `LiveTaskCount` it is the number of CPU samples, if the
    newest one shows how many samples a task has.
    """
    if any(minute.tasks is not None for minute in minutes):
        return [minute.tasks for minute in minutes]
    samples = [minute.samples for minute in minutes]
    newest = next((count for count in reversed(samples) if count is not None), None)
    running = seen.fleet.running
    if newest is None or newest <= 1 or running != seen.fleet.desired:
        return [None] * len(minutes)  # one sample can be a value that was written by hand
    for of_a_task in SAMPLES_OF_A_TASK:
        if abs(newest - of_a_task * running) <= SAMPLES_OFF * of_a_task * running:
            return [None if count is None else count / of_a_task for count in samples]
    return [None] * len(minutes)


def _between(tasks: float | None, later: float | None) -> int | None:
    """Return the number of tasks at the end of a minute, from the means of it and of the next one."""
    known = [count for count in (tasks, later) if count is not None]
    return ceil(sum(known) / len(known) - 1e-9) if tasks is not None else None


def _counts(minute: PastMinute, minutes: Sequence[PastMinute], seen: Observation) -> dict[str, Backlog] | None:
    """Return the counts of all queues (None: one is unknown). A queue without any datapoint in the past that is empty
    now was empty: CloudWatch has none for a queue that was unused for hours.
    """
    found = {}
    for name, now in seen.queues:
        counts = minute.queues.get(name)
        if counts is not None and counts.visible is not None and counts.in_flight is not None:
            found[name] = Backlog(
                counts.visible,
                counts.in_flight,
                0,
                minute.at,
                counts.oldest_age_s,
                counts.groups_in_flight,
                deleted=counts.deleted,
                counted_at=minute.at,
            )
        elif _is_empty(now) and not any(name in each.queues for each in minutes):
            found[name] = Backlog(0, 0, 0, minute.at)
        else:
            return None
    return found


def _is_empty(reading: object) -> bool:
    return isinstance(reading, Backlog) and reading.visible == reading.in_flight == 0


def _sum(counts: Sequence[int | None]) -> int | None:
    """Return the sum (None: one is unknown)."""
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None
