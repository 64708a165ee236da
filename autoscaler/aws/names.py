"""The names of services, queues and metrics in texts for people, as in their settings."""

from __future__ import annotations

from collections.abc import Iterable

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
