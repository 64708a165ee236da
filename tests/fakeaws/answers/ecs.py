"""ECS services: descriptions, lists, task definitions, and UpdateService."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.fakeaws.asks import AnswerPart, Ask, Operation, short
from tests.fakeaws.cbor import Stamp
from tests.fakeaws.replies import FakeRefusal
from tests.fakeaws.world import FakeRegionState
from tests.fakeaws.world.services import FakeService

DAEMON = (
    "The daemon scheduling strategy does not support a desired count for services. Remove the desired count value and"
    " try again"
)


def cluster_of(ask: Ask) -> dict[str, FakeService]:
    """Return the services of the request's cluster. Raises `FakeRefusal` if the cluster does not exist."""
    name = short(ask.body.get("cluster") or "default")
    if name not in ask.world.clusters:
        raise FakeRefusal("ClusterNotFoundException", "Cluster not found.")
    return ask.world.clusters[name]


def describe(ask: Ask) -> dict[str, Any]:
    """Return each requested service, or a failure with the reason MISSING."""
    found, failures, cluster = [], [], cluster_of(ask)
    if len(ask.body["services"]) > 10:
        raise FakeRefusal("InvalidParameterException", "service names can have at most 10 items.")
    for name in map(short, ask.body["services"]):
        if name in cluster:
            found.append(described(ask.world, cluster[name], ask.now, "TAGS" in ask.body.get("include", [])))
        else:
            path = f"{short(ask.body.get('cluster') or 'default')}/{name}"
            failures.append({"arn": ask.world.arn("service", path), "reason": "MISSING"})
    return {"services": found, "failures": failures}


def update(ask: Ask) -> dict[str, Any]:
    """Set the desired count and run the scheduler."""
    cluster, name = cluster_of(ask), short(ask.body["service"])
    if name not in cluster:
        raise FakeRefusal("ServiceNotFoundException", "Service not found.")
    service = cluster[name]
    if service.status != "ACTIVE":
        raise FakeRefusal("ServiceNotActiveException", "Service was not ACTIVE.")
    if service.strategy == "DAEMON":
        raise FakeRefusal("InvalidParameterException", DAEMON)
    if ask.body.get("desiredCount") is not None:
        service.scale(ask.body["desiredCount"], ask.now)
    return {"service": described(ask.world, service, ask.now, with_tags=False)}


def listed(ask: Ask) -> dict[str, Any]:
    """Return a page of the cluster's services; 10 by default."""
    strategy = ask.body.get("schedulingStrategy")
    found = [one for one in cluster_of(ask).values() if strategy in {None, one.strategy} and one.status != "INACTIVE"]
    cut = page("serviceArns", found, ask.body, default=10)
    return cut | {"serviceArns": [ask.world.arn("service", f"{one.cluster}/{one.name}") for one in cut["serviceArns"]]}


def definition(ask: Ask) -> dict[str, Any]:
    """Return the task definition of the service of that name. Raises `FakeRefusal` if there is none."""
    family = _family(ask)
    for cluster in ask.world.clusters.values():
        if family in cluster:
            arn = _definition_arn(ask.world, cluster[family])
            head = {
                "taskDefinitionArn": arn,
                "family": family,
                "revision": cluster[family].revision,
                "status": "ACTIVE",
            }
            own = {"containerDefinitions": cluster[family].containers} | cluster[family].definition
            return {"taskDefinition": head | own}
    raise FakeRefusal("ClientException", "Unable to describe task definition.")


def _family(ask: Ask) -> str:
    return short(ask.body["taskDefinition"]).partition(":")[0]


def _definition_arn(world: FakeRegionState, service: FakeService) -> str:
    return world.arn("task-definition", f"{service.name}:{service.revision}")


def page(name: str, members: list[Any], body: dict[str, Any], default: int) -> dict[str, Any]:
    """Return one page from the token's position, with the token of the next page if there is one."""
    try:
        start = int(body.get("nextToken") or 0)
    except ValueError:
        raise FakeRefusal("InvalidParameterException", "Invalid token.") from None
    end = start + int(body.get("maxResults") or default)
    more = {"nextToken": str(end)} if end < len(members) else {}
    return {name: members[start:end]} | more


def described(world: FakeRegionState, service: FakeService, now: float, with_tags: bool) -> dict[str, Any]:
    """Return the service in the format of ECS."""
    running, pending = service.running(now), service.pending(now)
    described_service = {
        "serviceArn": world.arn("service", f"{service.cluster}/{service.name}"),
        "serviceName": service.name,
        "clusterArn": world.arn("cluster", service.cluster),
        "status": service.status,
        "desiredCount": service.desired,
        "runningCount": running,
        "pendingCount": pending,
        "launchType": "FARGATE",
        "schedulingStrategy": service.strategy,
        "taskDefinition": _definition_arn(world, service),
        "deploymentController": {"type": "ECS"},
        "createdAt": Stamp(service.created),
        "deployments": list(_deployments(service, now, _definition_arn(world, service))),
        "events": [_event(*event, number) for number, event in reversed(list(enumerate(service.events)))],
    }
    if with_tags:
        described_service["tags"] = [{"key": key, "value": value} for key, value in service.tags.items()]
    return described_service | service.extra


def _event(at: float, text: str, number: int) -> dict[str, Any]:
    return {"id": f"{int(at)}-{number}", "createdAt": Stamp(at), "message": text}


def _deployments(service: FakeService, now: float, definition: str) -> Iterator[dict[str, Any]]:
    (running, pending), rollout = service.own(now), service.rollout
    state = "IN_PROGRESS" if rollout else "COMPLETED"
    yield _deployment("PRIMARY", service.deployed, service.desired, running, pending) | {
        "rolloutState": state,
        "failedTasks": service.failed,
        "taskDefinition": definition,
    }
    if rollout:
        yield _deployment("ACTIVE", service.created, len(rollout.old), rollout.old_running(now), 0)


def _deployment(status: str, at: float, desired: int, running: int, pending: int) -> dict[str, Any]:
    return {
        "id": f"ecs-svc/{int(at)}",
        "status": status,
        "desiredCount": desired,
        "runningCount": running,
        "pendingCount": pending,
        "failedTasks": 0,
        "createdAt": Stamp(at),
        "updatedAt": Stamp(at),
    }


def _services_part(ask: Ask, answer: dict[str, Any], subject: str) -> Iterator[AnswerPart]:
    for at, one in enumerate(answer["services"]):
        if one["serviceName"] == subject:
            yield AnswerPart(answer["services"], at)


OPERATIONS = [
    Operation(
        "ecs",
        "DescribeServices",
        "service_read",
        "ThrottlingException",
        describe,
        lambda ask: [short(name) for name in ask.body["services"]],
        _services_part,
    ),
    Operation(
        "ecs",
        "UpdateService",
        "service_modify",
        "ThrottlingException",
        update,
        lambda ask: [short(ask.body["service"])],
    ),
    Operation(
        "ecs",
        "DescribeTaskDefinition",
        "task_definition_read",
        "ThrottlingException",
        definition,
        lambda ask: [_family(ask)],
    ),
    Operation(
        "ecs",
        "ListServices",
        "service_read",
        "ThrottlingException",
        listed,
        lambda ask: [short(ask.body.get("cluster") or "default")],
    ),
]
