"""ECS tasks: the list of tasks, their descriptions and their scale-in protection."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any

from tests.fakeaws.answers.ecs import cluster_of, page
from tests.fakeaws.asks import Ask, Operation, short
from tests.fakeaws.cbor import Stamp
from tests.fakeaws.replies import FakeRefusal
from tests.fakeaws.world.services import FakeService, FakeStop, FakeTask

KEPT_S = 3600.0
"""ECS keeps stopped tasks for at least an hour."""


def task_id(service: FakeService, task: FakeTask | FakeStop) -> str:
    """32 hexadecimal digits, as ECS's are: the service's number and the task's."""
    return f"{service.number:016x}{task.number:016x}"


def listed(ask: Ask) -> dict[str, Any]:
    """Return a page of a service's tasks that should run. No task has the desired status PENDING."""
    cluster, name = cluster_of(ask), short(ask.body.get("serviceName", ""))
    if name and name not in cluster:
        raise FakeRefusal("ServiceNotFoundException", "Service not found.")
    services = [cluster[name]] if name else list(cluster.values())
    shown = ask.body.get("desiredStatus", "RUNNING")
    arns = [
        ask.world.arn("task", f"{service.cluster}/{task_id(service, task)}")
        for service in services
        for task in _tasks(service, shown, ask.now)
    ]
    return page("taskArns", arns, ask.body, default=100)


def _tasks(service: FakeService, shown: str, now: float) -> Sequence[FakeTask | FakeStop]:
    running = service.tasks(now)
    if shown == "STOPPED":
        return [one for one in service.stopped if now - one.at < KEPT_S]
    return running if shown == "RUNNING" else []


def described(ask: Ask) -> dict[str, Any]:
    """Return each task with the times of its start, as far as they have passed."""
    tasks, failures = [], []
    cluster_of(ask)
    for name in ask.body.get("tasks") or []:
        owner, task = _owner(ask, short(name)), _found(ask, short(name))
        stop = None if owner is None else _stop(owner, short(name))
        if owner is not None and stop is not None:
            tasks.append(_stopped(ask, owner, stop) | {"taskArn": name})
            continue
        if owner is None or task is None:
            failures.append({"arn": name, "reason": "MISSING"})
            continue
        definition = ask.world.arn("task-definition", f"{owner.name}:{task.revision}")
        one = {"taskArn": name, "taskDefinitionArn": definition, "desiredStatus": "RUNNING", "healthStatus": "UNKNOWN"}
        tasks.append(one | _times(task, owner.phases, ask.now))
    return {"tasks": tasks, "failures": failures}


def _stop(owner: FakeService, name: str) -> FakeStop | None:
    return next((one for one in owner.stopped if one.number == int(name[16:], 16)), None)


def _stopped(ask: Ask, owner: FakeService, stop: FakeStop) -> dict[str, Any]:
    container: dict[str, Any] = {"name": "worker", "lastStatus": "STOPPED"}
    if stop.how.exit_code is not None:
        container["exitCode"] = stop.how.exit_code
    if stop.how.container_reason:
        container["reason"] = stop.how.container_reason
    times = {"createdAt": stop.created, "startedAt": stop.started, "executionStoppedAt": stop.at, "stoppedAt": stop.at}
    return {
        "taskDefinitionArn": ask.world.arn("task-definition", f"{owner.name}:{stop.revision}"),
        "desiredStatus": "STOPPED",
        "lastStatus": "STOPPED",
        "stopCode": stop.how.code,
        "stoppedReason": stop.how.reason,
        "containers": [container],
    } | {name: Stamp(at) for name, at in times.items() if at is not None}


def _times(task: FakeTask, phases: tuple[float, float], now: float) -> dict[str, Any]:
    """A stalled task has no time: it was created at an unknown one."""
    if task.takes_s == inf:
        return {}
    created = task.starts_at - task.takes_s
    times = {
        "createdAt": created,
        "pullStartedAt": created + phases[0] * task.takes_s,
        "pullStoppedAt": created + phases[1] * task.takes_s,
        "startedAt": task.starts_at,
    }
    return {name: Stamp(at) for name, at in times.items() if at <= now}


def protection(ask: Ask) -> dict[str, Any]:
    """Return each task's protection, or a failure for a task that does not run."""
    protected, failures = [], []
    cluster_of(ask)
    for name in ask.body.get("tasks") or []:
        task = _found(ask, short(name))
        if task is None:
            failures.append({"arn": name, "reason": "TASK_NOT_VALID"})
        else:
            protected.append({"taskArn": name} | _state(task, ask.now))
    return {"protectedTasks": protected, "failures": failures}


def _state(task: FakeTask, now: float) -> dict[str, Any]:
    if task.protected_until <= now:
        return {"protectionEnabled": False}
    return {"protectionEnabled": True, "expirationDate": Stamp(task.protected_until)}


def _found(ask: Ask, name: str) -> FakeTask | None:
    service = _owner(ask, name)
    number = int(name[16:], 16) if service else 0
    return next((task for task in service.tasks(ask.now) if task.number == number), None) if service else None


def _owner(ask: Ask, name: str) -> FakeService | None:
    try:
        return ask.world.numbered[int(name[:16], 16)]
    except (ValueError, IndexError):
        return None


def _subjects(ask: Ask) -> list[str]:
    owners = [_owner(ask, short(name)) for name in ask.body.get("tasks") or []]
    return list(dict.fromkeys(owner.name for owner in owners if owner))


OPERATIONS = [
    Operation(
        "ecs",
        "ListTasks",
        "cluster_resource_read",
        "ThrottlingException",
        listed,
        lambda ask: [short(ask.body.get("serviceName", ""))],
    ),
    Operation("ecs", "DescribeTasks", "cluster_resource_read", "ThrottlingException", described, _subjects),
    Operation("ecs", "GetTaskProtection", "task_protection", "ThrottlingException", protection, _subjects),
]
