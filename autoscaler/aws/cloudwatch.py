"""What CloudWatch counts: the newest complete minute, asked for once a minute at most, as each answer costs.

Law: a datapoint that is not there is never a zero, and a value that cannot be is never a reading.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from autoscaler.aws.clocks import Clocks
from autoscaler.aws.faults import clean, missing
from autoscaler.aws.minutebook import MinuteBook
from autoscaler.aws.minutes import PERIOD_S, WINDOW_S
from autoscaler.aws.names import metric_subject, queue_subject, service_subject, short_name
from autoscaler.aws.sqs import MOST_MESSAGES, place_of
from autoscaler.core.model import MOST_TASKS, Instant, Measurement, Missing, Utilization
from autoscaler.errors import AutoscalerError
from autoscaler.ports import CloudWatchMetric, LiveTasks, Place, QueueMinute, QueueRef, ServiceRef

MOST_PERCENT = 1_000_000.0
MOST_AGE_S = 30 * 86_400.0
"""SQS keeps no message for longer than 14 days."""

MOST_VALUE = 1e15
"""A petabyte in bytes. Above it a metric is nonsense."""

NO_TASKS = "normal while no task runs, else check cluster and service"
ASLEEP = "normal for a queue that nobody used for hours, else check its name, account and Region"
UNPUBLISHED = "check its namespace, name, dimensions and Region, and that it is published every minute"


class CloudWatchMeters:
    """The `Meters` port over CloudWatch. An answer is kept for a minute, an error is not."""

    def __init__(self, book: MinuteBook, clocks: Clocks) -> None:
        self._book = book
        self._clocks = clocks

    async def cpu(self, service: ServiceRef) -> Utilization | Missing:
        """The newest complete minute's average CPU, in percent of what the tasks reserved."""
        return await self._utilization(service, "CPUUtilization")

    async def memory(self, service: ServiceRef) -> Utilization | Missing:
        """The newest complete minute's average memory, in percent of what the tasks reserved."""
        return await self._utilization(service, "MemoryUtilization")

    async def minute(self, queue: QueueRef) -> QueueMinute | Missing:
        """The newest complete minute of which CloudWatch has anything: all of the queue's metrics in one question."""
        try:
            return await self._queue_minute(queue)
        except AutoscalerError as fault:
            return missing(fault)

    async def measure(self, service: ServiceRef, metric: CloudWatchMetric) -> Measurement | Missing:
        """The metric's newest complete minute, from 0 to `MOST_VALUE`; services that name the same metric share it.

        The metric is looked up in its own Region, else in the service's, and as the service's role.
        """
        try:
            return await self._measurement(Place(metric.region or service.region, service.role), metric)
        except AutoscalerError as fault:
            return missing(fault)

    async def live_tasks(self, service: ServiceRef, at: Instant) -> LiveTasks | None:
        """`LiveTaskCount`, a free metric of every service; where CloudWatch has none, how many samples its CPU has:
        one for each task, or three with metrics of 20 seconds. A lone sample tells nothing: a value that was put there
        by hand, as emulators do, has one, however many tasks run.
        """
        try:
            live = await self._counted(service, service_metric(service, "LiveTaskCount"), at)
            if live is not None:
                return live
            samples = replace(service_metric(service, "CPUUtilization"), statistic="SampleCount")
            counted = await self._counted(service, samples, at)
        except AutoscalerError:
            return None  # it only sharpens what a datapoint is held against
        return None if counted is None or counted.most <= 1 else counted._replace(sure=False)

    async def _counted(self, service: ServiceRef, metric: CloudWatchMetric, at: Instant) -> LiveTasks | None:
        found = (await self._book.minutes(service_subject(service), service.place, {"live": metric}))["live"]
        after_s = {over: self._clocks.instant(over) - at for over in found}
        near = [over for over in found if abs(after_s[over]) < 1.5 * PERIOD_S]
        near = near or sorted(over for over in found if after_s[over] < 0)[-1:]
        counts = [float(found[over]) for over in near]
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
        over, percent = newest
        if not 0 <= percent <= MOST_PERCENT:  # false for NaN, too
            return _absurd(service_subject(service), name, percent)
        return Utilization(float(percent), self._clocks.instant(over))

    async def _measurement(self, place: Place, metric: CloudWatchMetric) -> Measurement | Missing:
        newest = await self._newest(metric_subject(metric), place, metric, UNPUBLISHED)
        if isinstance(newest, Missing):
            return newest
        over, value = newest
        if not 0 <= value <= MOST_VALUE:  # nothing asks for less than no task
            return _absurd(metric_subject(metric), metric.metric, value)
        return Measurement(float(value), self._clocks.instant(over))

    async def _newest(
        self, subject: str, place: Place, metric: CloudWatchMetric, remedy: str
    ) -> tuple[float, int | float] | Missing:
        """When the newest complete minute ended, in wall seconds, and its value."""
        found = await self._book.minutes(subject, place, {"newest": metric})
        minutes = found["newest"]
        return max(minutes.items()) if minutes else _nothing(subject, metric.metric, remedy)

    async def _queue_minute(self, queue: QueueRef) -> QueueMinute | Missing:
        subject, metrics = queue_subject(queue), queue_metrics(queue.name)
        found = await self._book.minutes(subject, place_of(queue), metrics)
        ends = {over for minutes in found.values() for over in minutes}
        if not ends:
            return _nothing(subject, "datapoint", ASLEEP)
        over = max(ends)
        newest = {key: minutes[over] for key, minutes in found.items() if over in minutes}
        for key, value in newest.items():
            if not _could_be(key, value):
                return _absurd(subject, metrics[key].metric, value)
        return _minute_of(newest, self._clocks.instant(over))


def service_metric(service: ServiceRef, name: str) -> CloudWatchMetric:
    """One of the metrics that ECS publishes of every service."""
    cluster, own = short_name(service.cluster), short_name(service.service)
    return CloudWatchMetric("AWS/ECS", name, (("ClusterName", cluster), ("ServiceName", own)))


def queue_metrics(name: str) -> dict[str, CloudWatchMetric]:
    """What is asked of a queue's minute, by the field of `QueueMinute` that it fills."""
    wanted = {
        "received": ("NumberOfMessagesReceived", "Sum"),
        "deleted": ("NumberOfMessagesDeleted", "Sum"),
        "sent": ("NumberOfMessagesSent", "Sum"),
        "oldest_age_s": ("ApproximateAgeOfOldestMessage", "Maximum"),
    }
    if name.endswith(".fifo"):
        wanted["groups_in_flight"] = ("ApproximateNumberOfGroupsWithInflightMessages", "Maximum")
    own = (("QueueName", name),)
    return {key: CloudWatchMetric("AWS/SQS", metric, own, statistic) for key, (metric, statistic) in wanted.items()}


def _could_be(key: str, value: float) -> bool:
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
    return Missing(f"{subject}: CloudWatch has no {what} of the last {WINDOW_S // 60} minutes; {remedy}", "no_data")


def _absurd(subject: str, metric: str, value: float) -> Missing:
    return Missing(f"{subject}: CloudWatch says {clean(str(value), 20)} of {metric}, which cannot be", "unreadable")
