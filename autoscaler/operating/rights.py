"""Which calls these settings lead to, and on what: the rights that the daemon's role needs, and no other.

Law: every call of `aws/apis.py` is a right where some setting leads to it, and nothing else ever is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from autoscaler.aws import apis
from autoscaler.aws.apis import Api
from autoscaler.config import Config, Service
from autoscaler.control.observing import wanted_meters
from autoscaler.core.policy import Mode, Workers
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
"""For these AWS defines no resource that a policy could name."""


class Right(NamedTuple):
    """One call on one resource; `cluster`: only in this one (None: the call knows of no cluster)."""

    api: Api
    resource: str
    cluster: str | None = None


def rights(config: Config, home: Home, role: str | None = None) -> tuple[Right, ...]:
    """All that the daemon calls with these settings, each once, in the order of services. `role`: what it calls as the
    role of that ARN (None: with its own credentials, and that is also to act as the roles).
    """
    own = [service for service in config.services if _arn_of(service.ref.role) == role]
    called = [right for service in own for right in rights_of(service, home)]
    if _arn_of(config.discovery.place.role) == role:
        called += _discovering(config, home)
    assumed = [] if role else [Right(apis.ASSUME_ROLE, arn) for arn in roles(config)]
    return tuple(dict.fromkeys([*called, *assumed]))


def roles(config: Config) -> tuple[str, ...]:
    """The ARNs of the roles that the daemon acts as, each once."""
    told = [service.ref.role for service in config.services]
    told += [config.discovery.place.role] if config.discovery.clusters else []
    return tuple(dict.fromkeys(role.arn for role in told if role is not None))


def _arn_of(role: Role | None) -> str | None:
    return None if role is None else role.arn


def _discovering(config: Config, home: Home) -> Iterator[Right]:
    """What is called for services that ask by tag: any of the clusters, and any queue of the account and Region."""
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


def rights_of(service: Service, home: Home) -> Iterator[Right]:
    """All that the daemon calls for this service. In shadow that is no call that changes anything."""
    for queue in service.queues:
        yield Right(apis.GET_QUEUE_ATTRIBUTES, queue_arn(queue, home))
        if queue.url is None:
            yield Right(apis.GET_QUEUE_URL, queue_arn(queue, home))
    yield from _of_ecs(service, home)
    if reads_metrics(service):
        yield Right(apis.GET_METRIC_DATA, ANY)
    yield from _conflicts()


def _of_ecs(service: Service, home: Home) -> Iterator[Right]:
    arn, cluster = service_arn(service.ref, home), cluster_arn(service.ref, home)
    yield Right(apis.DESCRIBE_SERVICES, arn, cluster)
    if writes(service):
        yield Right(apis.UPDATE_SERVICE, arn, cluster)
    if reads_protection(service):
        yield Right(apis.LIST_TASKS, ANY, cluster)
        yield Right(apis.GET_TASK_PROTECTION, tasks_arn(service.ref, home), cluster)
    if reads_stop_timeout(service):
        yield Right(apis.DESCRIBE_TASK_DEFINITION, ANY)


def writes(service: Service) -> bool:
    """Whether the service's count is ever set."""
    return service.policy.mode is not Mode.SHADOW


def reads_protection(service: Service) -> bool:
    """Whether its tasks are asked for protection, before a scale-in."""
    return service.policy.workers is Workers.SELF_PROTECTING


def reads_stop_timeout(service: Service) -> bool:
    """Whether its task definition is read: what its workers do on SIGTERM is assumed from the stopTimeout."""
    return service.policy.workers is None


def reads_metrics(service: Service) -> bool:
    """Whether CloudWatch is asked for anything of the service."""
    minutes = bool(service.queues) and service.queue_minutes
    measured = any(isinstance(source, CloudWatchMetric) for _, source in service.metrics)
    return minutes or measured or bool(wanted_meters(service.policy))
