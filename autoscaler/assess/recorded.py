"""The past of a service from CloudWatch: task-hours, lateness, arrivals, and an estimate of its processing time.

A minute without a datapoint of the queue had no message: SQS sends no metrics for an unused queue. A period without a
datapoint of the tasks had no task, as AWS documents for CPUUtilization. How much of the time that is, is reported.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from autoscaler.ports import CloudWatchMetric, QueueRef
from autoscaler.sim.model import MINUTE_S, Floats

TASKS_S = 300
"""Period of the task counts: 4,032 points in 14 days."""

HOUR_S, DAY_S = 3600.0, 86_400.0

LIVE, SAMPLES = "LiveTaskCount", "SampleCount of CPUUtilization"

FAST_SAMPLES = 3.0
"""Samples per task and minute of a service with 20-second metrics."""


class CountOfTasks(NamedTuple):
    """Mean number of tasks of each period of `TASKS_S`, with the metric that it is from. `gap_ratio`: share of the
    periods without a datapoint, which count as no task.
    """

    tasks: Floats
    metric: str
    gap_ratio: float


@dataclass(frozen=True, slots=True)
class ServicePast:
    """A service's past from `start` on (seconds since the epoch), by the minute; `tasks` by `TASKS_S`.

    `sent`, `deleted`: messages of each minute, of all queues. `age_s`: highest age of the oldest message in the minute
    (NaN: no datapoint). `in_flight`: mean number of messages in flight, by `TASKS_S`. All have whole hours.
    """

    start: float
    tasks: CountOfTasks
    sent: Floats
    deleted: Floats
    age_s: Floats
    in_flight: Floats

    @property
    def length_s(self) -> float:
        return len(self.sent) * MINUTE_S

    @property
    def task_hours(self) -> float:
        return float(self.tasks.tasks.sum()) * TASKS_S / HOUR_S

    @property
    def messages(self) -> float:
        return float(self.sent.sum())

    def late_ratio(self, late_s: float) -> float:
        """Return the share of the messages that were older than this when they were deleted."""
        return late_ratio(self.sent, self.age_s, late_s)

    def age_percentile_s(self, percent: float, *, with_messages: bool = False) -> float:
        """Return a percentile of the oldest age over the minutes; `with_messages`: over those with a message."""
        ages = np.nan_to_num(self.age_s)
        ages = ages[ages > 0] if with_messages else ages
        return float(np.percentile(ages, percent, method="inverted_cdf")) if len(ages) else 0.0


def task_metrics(cluster: str, service: str) -> dict[str, CloudWatchMetric]:
    """Return the two metrics that count tasks, by name. Both are free of charge and exist without a setting."""
    named = (("ClusterName", cluster), ("ServiceName", service))
    return {
        LIVE: CloudWatchMetric("AWS/ECS", "LiveTaskCount", named),
        SAMPLES: CloudWatchMetric("AWS/ECS", "CPUUtilization", named, "SampleCount"),
    }


def queue_metrics_of(queue: QueueRef) -> tuple[tuple[CloudWatchMetric, int], ...]:
    """Return the metrics of a queue with their periods: messages sent, messages deleted, age of the oldest message, and
    messages in flight.
    """
    named, minute = (("QueueName", queue.name),), int(MINUTE_S)
    return (
        (CloudWatchMetric("AWS/SQS", "NumberOfMessagesSent", named, "Sum"), minute),
        (CloudWatchMetric("AWS/SQS", "NumberOfMessagesDeleted", named, "Sum"), minute),
        (CloudWatchMetric("AWS/SQS", "ApproximateAgeOfOldestMessage", named, "Maximum"), minute),
        (CloudWatchMetric("AWS/SQS", "ApproximateNumberOfMessagesNotVisible", named, "Average"), TASKS_S),
    )


def count_of_tasks(
    live: Mapping[float, float], samples: Mapping[float, float], start: float, end: float, running: int
) -> CountOfTasks | None:
    """Return the task counts: `LiveTaskCount` if it has any datapoint, else the samples of the CPU metric (None: both
    have none).

    A task has one sample a minute, or three with 20-second metrics. The newest period is compared with the number of
    tasks that runs now to see which.
    """
    size = math.ceil((end - start) / TASKS_S)
    if live:
        return _counted(live, start, size, 1.0, LIVE)
    if not samples:
        return None
    per_task = TASKS_S / MINUTE_S
    newest = samples[max(samples)] / per_task
    if running and abs(newest / running - FAST_SAMPLES) < abs(newest / running - 1.0):
        per_task *= FAST_SAMPLES
    return _counted(samples, start, size, per_task, SAMPLES)


def _counted(points: Mapping[float, float], start: float, size: int, per_task: float, metric: str) -> CountOfTasks:
    values, known = placed(points, start, size, TASKS_S)
    first = int(np.argmax(known)) if known.any() else 0
    return CountOfTasks(values / per_task, metric, float((~known[first:]).mean()) if size else 0.0)


def placed(points: Mapping[float, float], start: float, size: int, period_s: float) -> tuple[Floats, np.ndarray]:
    """Return the value of each period (0 without a datapoint), and whether it has one."""
    values, known = np.zeros(size), np.zeros(size, dtype=bool)
    for at, value in points.items():
        index = round((at - start) / period_s)
        if 0 <= index < size:
            values[index], known[index] = value, True
    return values, known


def summed(series: Sequence[Mapping[float, float]], start: float, size: int, period_s: float = MINUTE_S) -> Floats:
    """Return the sums of the periods over several queues."""
    found = [placed(points, start, size, period_s)[0] for points in series] or [np.zeros(size)]
    return np.asarray(np.sum(found, axis=0))


def oldest(series: Sequence[Mapping[float, float]], start: float, size: int) -> Floats:
    """Return the highest age of the minutes over several queues; NaN without a datapoint."""
    found = np.full(size, np.nan)
    for points in series:
        values, known = placed(points, start, size, MINUTE_S)
        found = np.where(known, np.fmax(found, values), found)
    return found


def late_ratio(sent: Floats, age_s: Floats, late_s: float) -> float:
    """Return the share of the messages that were older than `late_s` when they were deleted, estimated from the age of
    the oldest message at the end of each minute; 0 without messages.

    The oldest message at t arrived at t - age. So the messages that arrived at u are gone at the first t at which this
    is after u. On average the sample at t is half a minute after the deletion, which is subtracted.
    """
    if not len(sent) or not sent.sum():
        return 0.0
    ends = np.arange(1, len(sent) + 1) * MINUTE_S
    arrived = ends - MINUTE_S / 2
    oldest_arrived = np.maximum.accumulate(ends - np.nan_to_num(age_s))
    gone = np.append(ends, ends[-1] + MINUTE_S)[np.searchsorted(oldest_arrived, arrived, side="right")]
    return float(sent[gone - arrived - MINUTE_S / 2 > late_s].sum() / sent.sum())


# The processing time: task-seconds per message. Three sources, from the strongest to the weakest:
#
# - periods with a backlog: all tasks are busy, so the task-seconds divided by the deleted messages are the answer;
# - messages in flight (Little's law: mean in flight / deletions per second): the time that a worker holds a message. It
#   is right if workers process one message at a time and delete it afterwards. With several at a time, or with messages
#   that wait in a worker, it is too long; if workers delete a message first, it is far too short;
# - periods without a backlog: tasks may be idle, so the lowest task-seconds per message are an upper bound.

LEAST_DELETED = 50.0
"""Messages that an estimate needs: with fewer, those that cross the ends of a period matter too much."""

LEAST_BACKLOGS = 3
"""Periods with a backlog throughout that an estimate needs."""

BACKLOG_S, BACKLOG_TIMES = 60.0, 3.0
"""A backlog: the oldest message is older than a minute, and than three times the time that a worker holds a message."""

WINDOWS = (1, 3, 12, 72, 288)
"""Lengths of a window in periods of `TASKS_S`: 5 minutes to a day. The shortest one with enough messages is used."""

FLOOR_PERCENT = 5.0
"""The upper bound is below the task-seconds per message of all but this share of the messages."""

SHORT_S = 1.0
"""If a worker holds a message for less than this, it may delete messages before it processes them."""

BUSY_RATIO = 0.8
"""Workers hold at least this share of a message per task: the tasks were busy when the upper bound was measured."""

AGE_PERCENT = 99.0
"""Without early deletion, no message takes longer than the oldest one gets."""


class Basis(StrEnum):
    """What an estimate is from."""

    BUSY = "busy"
    IN_FLIGHT = "in_flight"
    UPPER_BOUND = "upper_bound"


class ProcessingTime(NamedTuple):
    """Task-seconds per message, the range in which they are expected, and what the estimate is from."""

    seconds: float
    low_s: float
    high_s: float
    basis: Basis

    @staticmethod
    def of(seconds: float, low_s: float, high_s: float, basis: Basis) -> ProcessingTime:
        return ProcessingTime(seconds, min(low_s, seconds), max(high_s, seconds), basis)


def processing_time(past: ServicePast) -> ProcessingTime | None:
    """Return the estimate (None: no message was deleted while a task ran)."""
    spent, done = past.tasks.tasks * TASKS_S, _per_period(past.deleted)
    held_s = _held_s(past, done)
    if (backlog := _in_backlogs(past, spent, done, held_s)) is not None:
        return backlog
    bound_s = _upper_bound(spent, done)
    if bound_s is None or held_s is None:
        return None if bound_s is None else ProcessingTime.of(bound_s, 0.0, bound_s, Basis.UPPER_BOUND)
    if held_s >= BUSY_RATIO * bound_s:
        return ProcessingTime.of(bound_s, min(held_s, bound_s), bound_s, Basis.BUSY)
    if held_s < SHORT_S:
        return ProcessingTime.of(bound_s, held_s, bound_s, Basis.UPPER_BOUND)
    longest_s = past.age_percentile_s(AGE_PERCENT, with_messages=True) + MINUTE_S
    # a count is sampled once a minute: n samples with a message have a relative error of about 1 / sqrt(n)
    error = min(0.5, 1 / math.sqrt(max(1, int(np.count_nonzero(past.in_flight)))))
    return ProcessingTime.of(held_s, held_s * (1 - error), min(bound_s, max(held_s, longest_s)), Basis.IN_FLIGHT)


def _held_s(past: ServicePast, done: Floats) -> float | None:
    """Return the mean time that a worker holds a message (None: too few messages, or no datapoint)."""
    total = float(done.sum())
    held = float(past.in_flight.sum()) * TASKS_S
    return held / total if total >= LEAST_DELETED and held > 0 else None


def _in_backlogs(past: ServicePast, spent: Floats, done: Floats, held_s: float | None) -> ProcessingTime | None:
    """Return the quarter of the task-seconds per message in backlogs: tasks that are starting count, and do not work.
    The range is from the lowest tenth to the middle.
    """
    oldest = np.nan_to_num(past.age_s)[: len(spent) * 5].reshape(-1, 5).min(axis=1)
    usable = (oldest > max(BACKLOG_S, BACKLOG_TIMES * (held_s or 0.0))) & (spent > 0) & (done > 0)
    if usable.sum() < LEAST_BACKLOGS or done[usable].sum() < LEAST_DELETED:
        return None
    low, quarter, middle = (_weighted(spent[usable] / done[usable], done[usable], at) for at in (10.0, 25.0, 50.0))
    return ProcessingTime.of(quarter, low, middle, Basis.BUSY)


def _upper_bound(spent: Floats, done: Floats) -> float | None:
    window = next((each for each in WINDOWS if _is_enough(done, each)), WINDOWS[-1])
    spent, done = _grouped(spent, window), _grouped(done, window)
    usable = (done > 0) & (spent > 0)
    return _weighted(spent[usable] / done[usable], done[usable], FLOOR_PERCENT) if usable.any() else None


def _per_period(minutes: Floats) -> Floats:
    """Return the sums of the minutes of each period."""
    return np.asarray(minutes.reshape(-1, TASKS_S // int(MINUTE_S)).sum(axis=1))


def _is_enough(done: Floats, window: int) -> bool:
    """Whether a typical window with messages has enough of them."""
    sums = _grouped(done, window)
    return bool((sums > 0).any()) and float(np.median(sums[sums > 0])) >= LEAST_DELETED


def _grouped(values: Floats, window: int) -> Floats:
    """Return the sums of windows; the last one can be shorter."""
    return np.add.reduceat(values, np.arange(0, len(values), window)) if len(values) else values


def _weighted(values: Floats, weights: Floats, percent: float) -> float:
    """Return the percentile of the values by weight."""
    order = np.argsort(values)
    reached = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(reached, percent / 100 * reached[-1])])
