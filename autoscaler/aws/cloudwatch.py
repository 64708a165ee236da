"""CloudWatch metrics: the newest complete minute, requested at most once a minute, because each request costs money.

Invariant: a missing datapoint is never a zero, and an impossible value is never a reading.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from autoscaler.aws.clients import Clocks
from autoscaler.aws.faults import clean, missing
from autoscaler.aws.minutebook import PERIOD_S, WINDOW_S, MinuteBook, Minutes, PastRequest
from autoscaler.aws.names import (
    metric_subject,
    past_queue_metrics,
    queue_metrics,
    queue_subject,
    service_metric,
    service_subject,
)
from autoscaler.aws.sqs import MOST_MESSAGES, place_of
from autoscaler.core.model import MOST_TASKS, Instant, Measurement, Missing, PastCounts, PastMinute, Utilization
from autoscaler.errors import AutoscalerError
from autoscaler.ports import PAST_MINUTES, CloudWatchMetric, LiveTasks, Place, QueueMinute, QueueRef, ServiceRef

MOST_PERCENT = 1_000_000.0
MOST_AGE_S = 30 * 86_400.0
"""SQS retains messages for at most 14 days."""

MOST_VALUE = 1e15
"""A petabyte in bytes. A larger value is invalid."""

NO_TASKS = "normal while no task runs; otherwise check cluster and service"
UNUSED = "normal for a queue that was unused for hours; otherwise check its name, account and Region"
UNPUBLISHED = "check its namespace, name, dimensions and Region, and that it is published every minute"


class CloudWatchMeters:
    """The `Meters` port over CloudWatch. Values are cached for a minute, errors are not."""

    def __init__(self, book: MinuteBook, clocks: Clocks) -> None:
        self._book = book
        self._clocks = clocks

    async def cpu(self, service: ServiceRef) -> Utilization | Missing:
        """The average CPU of the newest complete minute, in percent of the reservation of the tasks."""
        return await self._utilization(service, "CPUUtilization")

    async def memory(self, service: ServiceRef) -> Utilization | Missing:
        """The average memory of the newest complete minute, in percent of the reservation of the tasks."""
        return await self._utilization(service, "MemoryUtilization")

    async def minute(self, queue: QueueRef) -> QueueMinute | Missing:
        """The newest complete minute with any datapoint: one request for all metrics of the queue."""
        try:
            return await self._queue_minute(queue)
        except AutoscalerError as fault:
            return missing(fault)

    async def measure(self, service: ServiceRef, metric: CloudWatchMetric) -> Measurement | Missing:
        """The metric's newest complete minute, from 0 to `MOST_VALUE`; services that name the same metric share it.

        It is read in its own Region, otherwise in the service's, and with the service's role.
        """
        try:
            return await self._measurement(Place(metric.region or service.region, service.role), metric)
        except AutoscalerError as fault:
            return missing(fault)

    async def past(self, service: ServiceRef, queues: Sequence[QueueRef]) -> tuple[PastMinute, ...] | Missing:
        """The last hour, all metrics in one request. The metrics of the queues' minutes stay in use, the others do not.
        Without a readable task count, the minutes have the counts of the queues only.
        """
        requests = [_past_of_tasks(service), *map(_past_of_queue, queues)]
        tasks, *found = await self._book.past(requests, PAST_MINUTES * PERIOD_S)
        counts = dict[str, dict[str, Minutes]]()
        for queue, minutes_of_queue in zip(queues, found, strict=True):
            if isinstance(minutes_of_queue, AutoscalerError):
                return missing(minutes_of_queue)
            counts[queue.name] = minutes_of_queue
        return tuple(self._past_minutes({} if isinstance(tasks, AutoscalerError) else tasks, counts))

    def _past_minutes(
        self, tasks: Mapping[str, Minutes], counts: Mapping[str, Mapping[str, Minutes]]
    ) -> Iterator[PastMinute]:
        ends = {end for found in counts.values() for minutes in found.values() for end in minutes}
        for end in sorted(ends):
            live, samples = (_task_count(tasks.get(key, {}).get(end)) for key in ("live", "samples"))
            queues = {name: _past_counts(found, end) for name, found in counts.items()}
            known = {name: each for name, each in queues.items() if each != PastCounts()}
            yield PastMinute(self._clocks.instant(end), live, samples, known)

    async def live_tasks(self, service: ServiceRef, at: Instant) -> LiveTasks | None:
        """Return `LiveTaskCount`, a free metric of every service. If it has no datapoint, the sample count of the CPU
        metric: one sample per task, or three with 20-second metrics.

        A single sample is ignored: a manually written value, as in emulators, has one sample for any number of tasks.
        """
        try:
            live = await self._counted(service, service_metric(service, "LiveTaskCount"), at)
            if live is not None:
                return live
            samples = replace(service_metric(service, "CPUUtilization"), statistic="SampleCount")
            counted = await self._counted(service, samples, at)
        except AutoscalerError:
            return None  # it only improves the task count that a datapoint is compared with
        return None if counted is None or counted.most <= 1 else counted._replace(sure=False)

    async def _counted(self, service: ServiceRef, metric: CloudWatchMetric, at: Instant) -> LiveTasks | None:
        found = (await self._book.minutes(service_subject(service), service.place, {"live": metric}))["live"]
        after_s = {end: self._clocks.instant(end) - at for end in found}
        nearest = [end for end in found if abs(after_s[end]) < 1.5 * PERIOD_S]
        nearest = nearest or sorted(end for end in found if after_s[end] < 0)[-1:]
        counts = [float(found[end]) for end in nearest]
        if not counts or not all(0 <= count <= MOST_TASKS for count in counts):
            return None
        return LiveTasks(min(counts), max(counts))

    async def _utilization(self, service: ServiceRef, name: str) -> Utilization | Missing:
        try:
            return await self._newest_percent(service, name)
        except AutoscalerError as fault:
            return missing(fault)

    async def _newest_percent(self, service: ServiceRef, name: str) -> Utilization | Missing:
        newest = await self._newest(service_subject(service), service.place, service_metric(service, name), NO_TASKS)
        if isinstance(newest, Missing):
            return newest
        end, percent = newest
        if not 0 <= percent <= MOST_PERCENT:  # false for NaN, too
            return _impossible(service_subject(service), name, percent)
        return Utilization(float(percent), self._clocks.instant(end))

    async def _measurement(self, place: Place, metric: CloudWatchMetric) -> Measurement | Missing:
        newest = await self._newest(metric_subject(metric), place, metric, UNPUBLISHED)
        if isinstance(newest, Missing):
            return newest
        end, value = newest
        if not 0 <= value <= MOST_VALUE:  # a negative value requires no tasks
            return _impossible(metric_subject(metric), metric.metric, value)
        return Measurement(float(value), self._clocks.instant(end))

    async def _newest(
        self, subject: str, place: Place, metric: CloudWatchMetric, remedy: str
    ) -> tuple[float, int | float] | Missing:
        """Return the end of the newest complete minute, in wall-clock seconds, and its value."""
        found = await self._book.minutes(subject, place, {"newest": metric})
        minutes = found["newest"]
        return max(minutes.items()) if minutes else _nothing(subject, metric.metric, remedy)

    async def _queue_minute(self, queue: QueueRef) -> QueueMinute | Missing:
        subject, metrics = queue_subject(queue), queue_metrics(queue.name)
        found = await self._book.minutes(subject, place_of(queue), metrics)
        ends = {end for minutes in found.values() for end in minutes}
        if not ends:
            return _nothing(subject, "datapoint", UNUSED)
        end = max(ends)
        newest = {key: minutes[end] for key, minutes in found.items() if end in minutes}
        for key, value in newest.items():
            if not _is_possible(key, value):
                return _impossible(subject, metrics[key].metric, value)
        return _minute_of(newest, self._clocks.instant(end))


def _past_of_tasks(service: ServiceRef) -> PastRequest:
    samples = replace(service_metric(service, "CPUUtilization"), statistic="SampleCount")
    metrics = {"live": service_metric(service, "LiveTaskCount"), "samples": samples}
    return PastRequest(service_subject(service), service.place, metrics, frozenset(metrics))


def _past_of_queue(queue: QueueRef) -> PastRequest:
    metrics = past_queue_metrics(queue.name)
    once = frozenset(metrics.keys() - queue_metrics(queue.name).keys())
    return PastRequest(queue_subject(queue), place_of(queue), metrics, once)


def _past_counts(found: Mapping[str, Minutes], end: float) -> PastCounts:
    """Return the values of one minute. An impossible value counts as missing."""
    values = {key: minutes[end] for key, minutes in found.items() if end in minutes}
    seen = {key: value for key, value in values.items() if _is_possible(key, value)}
    age_s = seen.get("oldest_age_s")
    return PastCounts(
        _whole(seen.get("visible")),
        _whole(seen.get("in_flight")),
        _whole(seen.get("received")),
        _whole(seen.get("deleted")),
        None if age_s is None else float(age_s),
        _whole(seen.get("groups_in_flight")),
    )


def _task_count(value: float | None) -> float | None:
    """Return a possible number of tasks, else None; false for NaN, too."""
    return float(value) if value is not None and 0 <= value <= MOST_TASKS else None


def _is_possible(key: str, value: float) -> bool:
    if key == "oldest_age_s":
        return 0 <= value <= MOST_AGE_S
    return 0 <= value <= MOST_MESSAGES and value == int(value)


def _minute_of(seen: Mapping[str, int | float], at: float) -> QueueMinute:
    age_s = seen.get("oldest_age_s")
    return QueueMinute(
        at,
        received=_whole(seen.get("received")),
        deleted=_whole(seen.get("deleted")),
        oldest_age_s=None if age_s is None else float(age_s),
        groups_in_flight=_whole(seen.get("groups_in_flight")),
        sent=_whole(seen.get("sent")),
    )


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _nothing(subject: str, what: str, remedy: str) -> Missing:
    return Missing(f"{subject}: CloudWatch has no {what} for the last {WINDOW_S // 60} minutes; {remedy}", "no_data")


def _impossible(subject: str, metric: str, value: float) -> Missing:
    return Missing(
        f"{subject}: CloudWatch returned {clean(str(value), 20)} for {metric}, which is impossible", "unreadable"
    )
