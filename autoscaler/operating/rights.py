"""The permissions that the daemon's role needs with these settings: each API call and its resource.

Invariant: the permissions are exactly the calls of `aws/apis.py` that the settings require.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from autoscaler.aws import apis
from autoscaler.aws.apis import Api
from autoscaler.config import Config, ServiceConfig
from autoscaler.control.observing import required_meters
from autoscaler.core.policy import Mode, WorkerSafety
from autoscaler.operating.arns import ANY, Home, cluster_arn, queue_arn, service_arn, tasks_arn
from autoscaler.ports import CloudWatchMetric, QueueRef, Role, ServiceRef

NO_NARROWER = (
    apis.GET_METRIC_DATA,
    apis.LIST_TASKS,
    apis.DESCRIBE_TASK_DEFINITION,
    apis.LIST_SERVICES,
    apis.DESCRIBE_SCALABLE_TARGETS,
    apis.DESCRIBE_SCALING_POLICIES,
    apis.DESCRIBE_SCHEDULED_ACTIONS,
)
"""AWS supports no resource-level permissions for these calls."""


class Right(NamedTuple):
    """One call on one resource. `cluster`: limited to this cluster (None: the call has no cluster)."""

    api: Api
    resource: str
    cluster: str | None = None


def rights(config: Config, home: Home, role: str | None = None) -> tuple[Right, ...]:
    """Return all permissions of the daemon with these settings, each once, in the order of services. `role`: only the
    calls made with the role of that ARN (None: with the daemon's own credentials, including `sts:AssumeRole`).
    """
    own = [service for service in config.services if _arn_of(service.ref.role) == role]
    called = [right for service in own for right in rights_of(service, home)]
    if _arn_of(config.discovery.place.role) == role:
        called += _discovering(config, home)
    assumed = [] if role else [Right(apis.ASSUME_ROLE, arn) for arn in roles(config)]
    return tuple(dict.fromkeys([*called, *assumed]))


def roles(config: Config) -> tuple[str, ...]:
    """Return the ARNs of the roles that the daemon assumes, each once."""
    named = [service.ref.role for service in config.services]
    named += [config.discovery.place.role] if config.discovery.clusters else []
    return tuple(dict.fromkeys(role.arn for role in named if role is not None))


def _arn_of(role: Role | None) -> str | None:
    return None if role is None else role.arn


def _discovering(config: Config, home: Home) -> Iterator[Right]:
    """Yield permissions for discovered services: any service of the clusters, any queue of the account and Region."""
    place = config.discovery.place
    for cluster in config.discovery.clusters:
        every = ServiceRef("", cluster, ANY, *place)
        inside = cluster_arn(every, home)
        yield Right(apis.LIST_SERVICES, ANY, inside)
        yield Right(apis.DESCRIBE_SERVICES, service_arn(every, home), inside)
        yield Right(apis.UPDATE_SERVICE, service_arn(every, home), inside)
        yield Right(apis.LIST_TASKS, ANY, inside)
        yield Right(apis.GET_TASK_PROTECTION, tasks_arn(every, home), inside)
        yield Right(apis.DESCRIBE_TASK_DEFINITION, ANY)
    if config.discovery.clusters:
        queues = queue_arn(QueueRef(ANY, place.region, role=place.role), home)
        yield Right(apis.GET_QUEUE_ATTRIBUTES, queues)
        yield Right(apis.GET_QUEUE_URL, queues)
        yield Right(apis.GET_METRIC_DATA, ANY)
        yield from _conflicts()


def _conflicts() -> Iterator[Right]:
    yield Right(apis.DESCRIBE_SCALABLE_TARGETS, ANY)
    yield Right(apis.DESCRIBE_SCALING_POLICIES, ANY)
    yield Right(apis.DESCRIBE_SCHEDULED_ACTIONS, ANY)


def rights_of(service: ServiceConfig, home: Home) -> Iterator[Right]:
    """Yield the permissions of the daemon for this service. In shadow they are all read-only."""
    for queue in service.queues:
        yield Right(apis.GET_QUEUE_ATTRIBUTES, queue_arn(queue, home))
        if queue.url is None:
            yield Right(apis.GET_QUEUE_URL, queue_arn(queue, home))
    yield from _of_ecs(service, home)
    if reads_metrics(service):
        yield Right(apis.GET_METRIC_DATA, ANY)
    yield from _conflicts()


def _of_ecs(service: ServiceConfig, home: Home) -> Iterator[Right]:
    arn, cluster = service_arn(service.ref, home), cluster_arn(service.ref, home)
    yield Right(apis.DESCRIBE_SERVICES, arn, cluster)
    if writes(service):
        yield Right(apis.UPDATE_SERVICE, arn, cluster)
    if reads_protection(service):
        yield Right(apis.LIST_TASKS, ANY, cluster)
        yield Right(apis.GET_TASK_PROTECTION, tasks_arn(service.ref, home), cluster)
    if reads_stop_timeout(service):
        yield Right(apis.DESCRIBE_TASK_DEFINITION, ANY)


def writes(service: ServiceConfig) -> bool:
    """Whether the daemon writes the service's desired count."""
    return service.policy.mode is not Mode.SHADOW


def reads_protection(service: ServiceConfig) -> bool:
    """Whether the task protection is read before a scale-in."""
    return service.policy.workers is WorkerSafety.SELF_PROTECTING


def reads_stop_timeout(service: ServiceConfig) -> bool:
    """Whether the task definition is read: the workers' behavior on SIGTERM is then assumed from the stopTimeout."""
    return service.policy.workers is None


def reads_metrics(service: ServiceConfig) -> bool:
    """Whether CloudWatch metrics are read for the service."""
    minutes = bool(service.queues) and service.queue_minutes
    measured = any(isinstance(source, CloudWatchMetric) for _, source in service.metrics)
    return minutes or measured or bool(required_meters(service.policy))
