"""Permissions as an IAM policy: one statement per purpose, with the purpose as its `Sid`.

Invariant: the policy allows exactly these permissions.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from autoscaler.aws import apis
from autoscaler.aws.ecs import PAUSE_TAG
from autoscaler.aws.operator import apis as operators
from autoscaler.operating.rights import NO_NARROWER, Right

PURPOSES = {
    apis.GET_QUEUE_ATTRIBUTES: "ReadQueues",
    apis.GET_QUEUE_URL: "FindQueues",
    apis.LIST_SERVICES: "FindServices",
    apis.DESCRIBE_SERVICES: "ReadServices",
    apis.UPDATE_SERVICE: "ScaleServices",
    apis.LIST_TASKS: "ListTasks",
    apis.GET_TASK_PROTECTION: "ReadTaskProtection",
    apis.DESCRIBE_TASK_DEFINITION: "ReadStopTimeouts",
    apis.GET_METRIC_DATA: "ReadMetrics",
    apis.DESCRIBE_SCALABLE_TARGETS: "SeeOtherScalers",
    apis.DESCRIBE_SCALING_POLICIES: "SeeOtherScalers",
    apis.DESCRIBE_SCHEDULED_ACTIONS: "SeeOtherScalers",
    apis.ASSUME_ROLE: "ActAsRoles",
    operators.TAG_RESOURCE: "PauseServices",
    operators.UNTAG_RESOURCE: "PauseServices",
}
"""The `Sid` of each call's statement, in the order of the document."""

MOST_MANAGED, MOST_INLINE = 6_144, 10_240
"""The most characters, without white space, of a managed policy and of all inline policies of a role together."""

DENIALS = (
    ("NoRedefinition", "ecs:task-definition"),
    ("NoCapacityChange", "ecs:capacity-provider"),
)
"""Parameters of `ecs:UpdateService` other than the count for which IAM has a condition key."""


def document(rights: Iterable[Right], *, deny_redefinition: bool = False) -> dict[str, Any]:
    """Return the policy. `deny_redefinition`: also deny updates that name a task definition or capacity provider. This
    is not tested on AWS, which may fill in both before the check and then reject every update.
    """
    allowed = list(_allowing(sorted(rights, key=_order)))
    denied = [_denial(name, key) for name, key in DENIALS] if deny_redefinition else []
    return {"Version": "2012-10-17", "Statement": allowed + denied}


def _order(right: Right) -> tuple[int, str, str]:
    return list(PURPOSES).index(right.api), right.cluster or "", right.resource


def _allowing(rights: Iterable[Right]) -> Iterator[dict[str, Any]]:
    """Yield a statement for each purpose and cluster: a condition names one cluster."""
    groups: dict[tuple[str, str | None], list[Right]] = {}
    for right in rights:
        groups.setdefault((PURPOSES[right.api], right.cluster), []).append(right)
    taken: dict[str, int] = {}
    for (purpose, cluster), members in groups.items():
        number = taken[purpose] = taken.get(purpose, 0) + 1
        yield _statement(purpose if number == 1 else f"{purpose}{number}", cluster, members)


def _statement(sid: str, cluster: str | None, members: Iterable[Right]) -> dict[str, Any]:
    statement: dict[str, Any] = {
        "Sid": sid,
        "Effect": "Allow",
        "Action": list(dict.fromkeys(right.api.name for right in members)),
        "Resource": list(dict.fromkeys(right.resource for right in members)),
    }
    if cluster:
        statement["Condition"] = {"ArnEquals": {"ecs:cluster": cluster}}
    elif sid == PURPOSES[operators.TAG_RESOURCE]:
        statement["Condition"] = {"ForAllValues:StringEquals": {"aws:TagKeys": [PAUSE_TAG]}}
    return statement


def _denial(sid: str, key: str) -> dict[str, Any]:
    action, condition = [apis.UPDATE_SERVICE.name], {"Null": {key: "false"}}
    return {"Sid": sid, "Effect": "Deny", "Action": action, "Resource": ["*"], "Condition": condition}


def remarks(rights: Iterable[Right], policy: dict[str, Any]) -> Iterator[str]:
    """Yield the remarks to read before the policy is used."""
    asked = {right.api for right in rights}
    wide = [api.name for api in NO_NARROWER if api in asked]
    if wide:
        yield f"AWS supports only the resource * for {', '.join(wide)}"
    if apis.UPDATE_SERVICE in asked:
        yield (
            "IAM cannot restrict ecs:UpdateService to the desired count: the role can also change the task definition, "
            "network and capacity of these services to existing ones (docs/iam.md)"
        )
    elif asked:
        yield "all services are in shadow, so this policy is read-only. Generate it again before you activate a service"
    size = len(json.dumps(policy, separators=(",", ":")))
    if size > MOST_MANAGED:
        yield (
            f"the policy has {size:,} characters. AWS allows {MOST_MANAGED:,} in a managed policy and {MOST_INLINE:,} "
            "in all inline policies of a role. If the policy is too long, use several daemons"
        )
