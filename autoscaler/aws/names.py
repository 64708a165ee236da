"""How things are called in texts for people: by the words that stand in their settings."""

from __future__ import annotations

from collections.abc import Iterable

from autoscaler.ports import CloudWatchMetric, QueueRef, ServiceRef


def queue_subject(queue: QueueRef) -> str:
    return f"queue {queue.name}"


def service_subject(service: ServiceRef) -> str:
    """The service's key in the settings, and where it is in ECS."""
    return f"{service.key} ({short_name(service.cluster)}/{short_name(service.service)})"


def metric_subject(metric: CloudWatchMetric) -> str:
    return f"metric {metric.namespace}/{metric.metric}"


def short_name(name_or_arn: str) -> str:
    """The last part of an ARN; a name as it is."""
    return name_or_arn.rpartition("/")[2]


def together(subjects: Iterable[str]) -> str:
    """Several of them in few words."""
    first, *others = dict.fromkeys(subjects)
    return f"{first} and {len(others)} more" if others else first
