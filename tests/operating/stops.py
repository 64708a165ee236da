"""Answers of ECS about stopped tasks, for the tests of `diagnose`."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from tests.aws.double import AwsDouble, ok

NOW = time.time()
"""The time to which `ago` refers. A test sets the time of the command to it, or it to the present time."""

ARNS = "arn:aws:ecs:eu-west-1:123456789012"


def task(code: str, reason: str, *containers: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """Return a stopped task: requested 75 s ago, started 64 s ago, ended 60 s ago. `ago`: seconds since it ended.
    `ran`: seconds from start to end (None: never started).
    """
    ago, ran = changed.pop("ago", 60.0), changed.pop("ran", 4.0)
    ended = NOW - ago
    found = {
        "taskDefinitionArn": f"{ARNS}:task-definition/worker:8",
        "stopCode": code,
        "stoppedReason": reason,
        "containers": list(containers),
        "createdAt": ended - 31 if ran is None else ended - ran - 11,
        "stoppingAt": ended,
        "executionStoppedAt": ended,
        "stoppedAt": ended + 1,
    }
    return found | ({} if ran is None else {"startedAt": ended - ran}) | changed


def container(name: str, code: int | None = None, reason: str = "", **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name, "lastStatus": "STOPPED", **more}
    found |= {} if code is None else {"exitCode": code}
    return found | ({"reason": reason} if reason else {})


def event(text: str, ago: float = 30.0) -> dict[str, Any]:
    return {"id": f"{ago}", "createdAt": NOW - ago, "message": f"(service orders) {text}"}


def rollout(state: str = "COMPLETED", ago: float = 7_200.0, **changed: Any) -> dict[str, Any]:
    found = {"id": "ecs-svc/1", "status": "PRIMARY", "taskDefinition": f"{ARNS}:task-definition/worker:8"}
    counts = {"desiredCount": 3, "runningCount": 3, "pendingCount": 0, "failedTasks": 0}
    at = NOW - ago
    return found | counts | {"createdAt": at, "updatedAt": at, "rolloutState": state} | changed


def defined(*containers: dict[str, Any], **more: Any) -> Any:
    """Return the answer of DescribeTaskDefinition."""
    return ok({"taskDefinition": {"family": "worker", "revision": 8, "containerDefinitions": list(containers)} | more})


def logged(name: str, **changed: Any) -> dict[str, Any]:
    """Return a container of a task definition that writes its log to CloudWatch Logs."""
    options = {
        "awslogs-group": "/ecs/worker", "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "ecs",
        "mode": "blocking",
    }  # fmt: skip
    options |= changed.pop("options", {})
    return {"name": name, "image": f"{name}:v1", "logConfiguration": {"logDriver": "awslogs", "options": options}} | (
        changed
    )


def staged(double: AwsDouble, tasks: Iterable[dict[str, Any]] = (), running: int = 3, **changed: Any) -> None:
    """Script a service with these stopped tasks. Its task definition has their containers, all of them essential and
    without a log. It has no service deployments.
    """
    found = {
        "serviceName": "orders", "serviceArn": f"{ARNS}:service/prod/orders", "status": "ACTIVE",
        "desiredCount": 3, "runningCount": running, "pendingCount": 0, "events": [], "deployments": [rollout()],
        "taskDefinition": f"{ARNS}:task-definition/worker:8",
    }  # fmt: skip
    double.on("DescribeServices", ok({"services": [found | changed], "failures": []}))
    every = {f"{ARNS}:task/prod/{number}": one for number, one in enumerate(tasks)}
    names = dict.fromkeys(str(each.get("name")) for one in every.values() for each in one["containers"])
    double.on("DescribeTaskDefinition", defined(*({"name": name, "image": f"{name}:v1"} for name in names)))
    double.on("ListServiceDeployments", ok({"serviceDeployments": []}))

    def listed(body: dict[str, Any]) -> Any:
        arns, start = list(every), int(body.get("nextToken", 0))
        more = {"nextToken": str(start + 100)} if len(arns) > start + 100 else {}
        return ok({"taskArns": arns[start : start + 100], **more})

    def described(body: dict[str, Any]) -> Any:
        return ok({"tasks": [{"taskArn": arn, **every[arn]} for arn in body["tasks"]], "failures": []})

    double.on("ListTasks", listed)
    double.on("DescribeTasks", described)
