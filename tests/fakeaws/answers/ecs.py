"""ECS: what it says of services, and the one change that it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.fakeaws.asks import Ask, Operation, Part, short
from tests.fakeaws.cbor import Stamp
from tests.fakeaws.replies import Refusal
from tests.fakeaws.world import World
from tests.fakeaws.world.services import Service

DAEMON = (
    "The daemon scheduling strategy does not support a desired count for services. Remove the desired count value and"
    " try again"
)


def cluster_of(ask: Ask) -> dict[str, Service]:
    """The services of the cluster that is asked about. Raises `Refusal` where there is no such cluster."""
    name = short(ask.body.get("cluster") or "default")
    if name not in ask.world.clusters:
        raise Refusal("ClusterNotFoundException", "Cluster not found.")
    return ask.world.clusters[name]


def describe(ask: Ask) -> dict[str, Any]:
    """Each service asked for, or a failure that says it is missing."""
    found, failures, cluster = [], [], cluster_of(ask)
    if len(ask.body["services"]) > 10:
        raise Refusal("InvalidParameterException", "service names can have at most 10 items.")
    for name in map(short, ask.body["services"]):
        if name in cluster:
            found.append(described(ask.world, cluster[name], ask.now, "TAGS" in ask.body.get("include", [])))
        else:
            path = f"{short(ask.body.get('cluster') or 'default')}/{name}"
            failures.append({"arn": ask.world.arn("service", path), "reason": "MISSING"})
    return {"services": found, "failures": failures}


def update(ask: Ask) -> dict[str, Any]:
    """The desired count is what was asked for, and the scheduler goes to work."""
    cluster, name = cluster_of(ask), short(ask.body["service"])
    if name not in cluster:
        raise Refusal("ServiceNotFoundException", "Service not found.")
    service = cluster[name]
    if service.status != "ACTIVE":
        raise Refusal("ServiceNotActiveException", "Service was not ACTIVE.")
    if service.strategy == "DAEMON":
        raise Refusal("InvalidParameterException", DAEMON)
    if ask.body.get("desiredCount") is not None:
        service.scale(ask.body["desiredCount"], ask.now)
    return {"service": described(ask.world, service, ask.now, with_tags=False)}


def listed(ask: Ask) -> dict[str, Any]:
    """A page of the cluster's services, ten of them unless more are asked for."""
    strategy = ask.body.get("schedulingStrategy")
    found = [one for one in cluster_of(ask).values() if strategy in {None, one.strategy} and one.status != "INACTIVE"]
    cut = page("serviceArns", found, ask.body, usual=10)
    return cut | {"serviceArns": [ask.world.arn("service", f"{one.cluster}/{one.name}") for one in cut["serviceArns"]]}


def definition(ask: Ask) -> dict[str, Any]:
    """The task definition that a service of that name is made of. Raises `Refusal` where there is none."""
    family = _family(ask)
    for cluster in ask.world.clusters.values():
        if family in cluster:
            arn = _definition_arn(ask.world, cluster[family])
            told = {"taskDefinitionArn": arn, "family": family, "revision": 1, "status": "ACTIVE"}
            return {"taskDefinition": told | {"containerDefinitions": cluster[family].containers}}
    raise Refusal("ClientException", "Unable to describe task definition.")


def _family(ask: Ask) -> str:
    return short(ask.body["taskDefinition"]).partition(":")[0]


def _definition_arn(world: World, service: Service) -> str:
    return world.arn("task-definition", f"{service.name}:1")


def page(name: str, all_of_them: list[Any], asked: dict[str, Any], usual: int) -> dict[str, Any]:
    """So many from where the token says, and the token of what follows, if anything does."""
    try:
        start = int(asked.get("nextToken") or 0)
    except ValueError:
        raise Refusal("InvalidParameterException", "Invalid token.") from None
    end = start + int(asked.get("maxResults") or usual)
    more = {"nextToken": str(end)} if end < len(all_of_them) else {}
    return {name: all_of_them[start:end]} | more


def described(world: World, service: Service, now: float, with_tags: bool) -> dict[str, Any]:
    """The service as ECS describes it."""
    running, pending = service.running(now), service.pending(now)
    told = {
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
        "deployments": list(_deployments(service, now)),
        "events": [_event(*event, number) for number, event in reversed(list(enumerate(service.events)))],
    }
    if with_tags:
        told["tags"] = [{"key": key, "value": value} for key, value in service.tags.items()]
    return told | service.extra


def _event(at: float, text: str, number: int) -> dict[str, Any]:
    return {"id": f"{int(at)}-{number}", "createdAt": Stamp(at), "message": text}


def _deployments(service: Service, now: float) -> Iterator[dict[str, Any]]:
    (running, pending), rollout = service.own(now), service.rollout
    state = "IN_PROGRESS" if rollout else "COMPLETED"
    yield _deployment("PRIMARY", service.deployed, service.desired, running, pending) | {"rolloutState": state}
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


def _services_part(ask: Ask, answer: dict[str, Any], subject: str) -> Iterator[Part]:
    for at, one in enumerate(answer["services"]):
        if one["serviceName"] == subject:
            yield Part(answer["services"], at)


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
