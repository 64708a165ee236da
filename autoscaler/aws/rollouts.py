"""The deployments of a service as DescribeServices lists them, for reports: a malformed one fails no reading."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime

from autoscaler.aws.answers import ResponsePart
from autoscaler.aws.faults import clean
from autoscaler.aws.names import short_name
from autoscaler.core.model import ActiveDeployment, Instant

MOST_DEPLOYMENTS = 10
"""Deployments that are read. ECS refuses the sixth unfinished one, and lists no finished ones but the newest."""

MOST_REASON = 300
"""Characters of a reason that are read."""


def deployments_in(found: ResponsePart, instant: Callable[[float], Instant]) -> tuple[ActiveDeployment, ...]:
    """Return the deployments, newest first. A value that is absent or malformed is empty, 0 or None; an entry without a
    status is left out. `instant` converts seconds since the epoch.
    """
    listed = found.body.get("deployments")
    entries = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    read = [_deployment(one, instant) for one in entries[:MOST_DEPLOYMENTS] if _text(one, "status")]
    return tuple(sorted(read, key=_newest_first))


def _newest_first(deployment: ActiveDeployment) -> tuple[float, bool]:
    created = -math.inf if deployment.created is None else deployment.created
    return -created, deployment.status != "PRIMARY"


def _deployment(entry: dict[str, object], instant: Callable[[float], Instant]) -> ActiveDeployment:
    created = entry.get("createdAt")
    return ActiveDeployment(
        status=_text(entry, "status").upper(),
        state=_text(entry, "rolloutState").upper(),
        reason=_text(entry, "rolloutStateReason"),
        definition=short_name(_text(entry, "taskDefinition")),
        created=instant(created.timestamp()) if isinstance(created, datetime) else None,
        desired=_count(entry, "desiredCount"),
        running=_count(entry, "runningCount"),
        pending=_count(entry, "pendingCount"),
        failed=_count(entry, "failedTasks"),
    )


def _text(entry: dict[str, object], key: str) -> str:
    value = entry.get(key)
    return clean(value, MOST_REASON) if isinstance(value, str) else ""


def _count(entry: dict[str, object], key: str) -> int:
    value = entry.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
