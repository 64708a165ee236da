"""The names of services, queues and metrics: in texts for people, as in their settings, and in CloudWatch."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from autoscaler.config.addresses import region_of_host
from autoscaler.core.model import FIFO_ENDING
from autoscaler.ports import CloudWatchMetric, QueueRef, ServiceRef


def queue_subject(queue: QueueRef) -> str:
    return f"queue {queue.name}"


def service_subject(service: ServiceRef) -> str:
    """The service's key in the settings, and its cluster and name in ECS."""
    return f"{service.key} ({short_name(service.cluster)}/{short_name(service.service)})"


def metric_subject(metric: CloudWatchMetric) -> str:
    return f"metric {metric.namespace}/{metric.metric}"


def short_name(name_or_arn: str) -> str:
    """The last part of an ARN; a name is returned unchanged."""
    return name_or_arn.rpartition("/")[2]


def together(subjects: Iterable[str]) -> str:
    """A short text for several subjects."""
    first, *others = dict.fromkeys(subjects)
    return f"{first} and {len(others)} more" if others else first


def region_in(url: str) -> str | None:
    """The Region in a queue's URL (None: no Region, as with a custom endpoint)."""
    return region_of_host((urlsplit(url).hostname or "").removesuffix("."))


def service_metric(service: ServiceRef, name: str) -> CloudWatchMetric:
    """Return a metric that ECS publishes for every service."""
    cluster, own = short_name(service.cluster), short_name(service.service)
    return CloudWatchMetric("AWS/ECS", name, (("ClusterName", cluster), ("ServiceName", own)))


def queue_metrics(name: str) -> dict[str, CloudWatchMetric]:
    """Return the metrics of a queue's minute, by the field of `QueueMinute` that each one fills."""
    metrics = {
        "received": ("NumberOfMessagesReceived", "Sum"),
        "deleted": ("NumberOfMessagesDeleted", "Sum"),
        "sent": ("NumberOfMessagesSent", "Sum"),
        "oldest_age_s": ("ApproximateAgeOfOldestMessage", "Maximum"),
    }
    if name.endswith(FIFO_ENDING):
        metrics["groups_in_flight"] = ("ApproximateNumberOfGroupsWithInflightMessages", "Maximum")
    return {key: _queue_metric(name, metric, statistic) for key, (metric, statistic) in metrics.items()}


def past_queue_metrics(name: str) -> dict[str, CloudWatchMetric]:
    """Return the metrics of a queue's past: those of its minute, and its counts, with one sample per minute."""
    counts = {"visible": "ApproximateNumberOfMessagesVisible", "in_flight": "ApproximateNumberOfMessagesNotVisible"}
    return queue_metrics(name) | {key: _queue_metric(name, metric, "Average") for key, metric in counts.items()}


def _queue_metric(queue: str, metric: str, statistic: str) -> CloudWatchMetric:
    return CloudWatchMetric("AWS/SQS", metric, (("QueueName", queue),), statistic)
