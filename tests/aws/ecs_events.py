"""Events of ECS as EventBridge sends them to a queue."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

ACCOUNT, REGION, CLUSTER = "123456789012", "eu-west-1", "prod"
SPENT_S = 4.0


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def envelope(detail_type: str, at: float, detail: dict[str, Any], id_: str = "e-1", **changed: Any) -> dict[str, Any]:
    return {
        "version": "0",
        "id": id_,
        "detail-type": detail_type,
        "source": "aws.ecs",
        "account": ACCOUNT,
        "time": iso(at),
        "region": REGION,
        "resources": [],
        "detail": detail,
    } | changed


def stopped_task(at: float, service: str = "web", task: str = "t1", version: int = 5, **changed: Any) -> dict[str, Any]:
    """A task whose container ran for `SPENT_S` seconds and exited with code 1."""
    detail = {
        "clusterArn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{CLUSTER}",
        "containers": [{"name": "app", "exitCode": 1, "lastStatus": "STOPPED"}],
        "createdAt": iso(at - 30),
        "startedAt": iso(at - SPENT_S),
        "stoppingAt": iso(at),
        "stoppedAt": iso(at),
        "desiredStatus": "STOPPED",
        "lastStatus": "STOPPED",
        "group": f"service:{service}",
        "startedBy": "ecs-svc/1234567890123456789",
        "stopCode": "EssentialContainerExited",
        "stoppedReason": "Essential container in task exited",
        "taskArn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/{CLUSTER}/{task}",
        "taskDefinitionArn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/web:7",
        "version": version,
    } | changed
    return envelope("ECS Task State Change", at, detail, f"{task}-{version}")


def action(at: float, name: str, reason: str = "", service: str = "web", id_: str = "e-1") -> dict[str, Any]:
    detail = {"eventType": "ERROR", "eventName": name, "createdAt": iso(at)}
    detail |= {"clusterArn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{CLUSTER}"} | (
        {"reason": reason} if reason else {}
    )
    return envelope("ECS Service Action", at, detail, id_, resources=[service_arn(service)])


def deployment(at: float, name: str, reason: str = "", service: str = "web", id_: str = "d-1") -> dict[str, Any]:
    detail = {
        "eventType": "INFO",
        "eventName": name,
        "deploymentId": "ecs-svc/1",
        "updatedAt": iso(at),
        "reason": reason,
    }
    return envelope("ECS Deployment State Change", at, detail, id_, resources=[service_arn(service)])


def service_arn(service: str) -> str:
    return f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/{CLUSTER}/{service}"


def message(event: object, receipt: str = "r") -> dict[str, Any]:
    body = event if isinstance(event, str) else json.dumps(event)
    return {"MessageId": receipt, "ReceiptHandle": receipt, "Body": body}
