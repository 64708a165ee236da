"""Permissions, and the ARNs of the configured resources.

An unknown part of an ARN is `*`, with a remark: a policy with it works, but permits more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from autoscaler.aws.calls import Api, ResourceForm
from autoscaler.aws.names import short_name
from autoscaler.config.addresses import partition
from autoscaler.ports import QueueRef, Role, ServiceRef

ANY = "*"


class Right(NamedTuple):
    """One call on one resource. `cluster`: limited to this cluster (None: the call has no cluster)."""

    api: Api
    resource: str
    cluster: str | None = None


class Home(NamedTuple):
    """The Region and account of resources that name none. None: not known."""

    region: str | None = None
    account: str | None = None


def queue_arn(queue: QueueRef, home: Home) -> str:
    account = queue.account or _account(queue.role, home)
    return _arn("sqs", queue.region or home.region, account, queue.role, queue.name)


def service_arn(service: ServiceRef, home: Home) -> str:
    """Return the ARN in the long format, which every service since 2021 has."""
    name = f"service/{short_name(service.cluster)}/{short_name(service.service)}"
    return _ecs_arn(service, home, name)


def cluster_arn(service: ServiceRef, home: Home) -> str:
    return _ecs_arn(service, home, f"cluster/{short_name(service.cluster)}")


def tasks_arn(service: ServiceRef, home: Home) -> str:
    """Return the ARN pattern of all tasks of the service's cluster: task IDs are not known in advance."""
    return _ecs_arn(service, home, f"task/{short_name(service.cluster)}/*")


def deployments_arn(service: ServiceRef, home: Home) -> str:
    """Return the ARN pattern of the service's deployments."""
    return _ecs_arn(service, home, f"service-deployment/{short_name(service.cluster)}/{service.service}/*")


def log_streams_arn(service: ServiceRef, home: Home) -> str:
    """Return the ARN pattern of all log streams of the account: the log groups are in the task definitions, and a group
    may be in another Region.
    """
    named = partition(service.region or home.region)
    return f"arn:{named}:logs:{ANY}:{_account(service.role, home) or ANY}:log-group:{ANY}:log-stream:{ANY}"


def quotas_arn(service: ServiceRef, home: Home) -> str:
    """Return the ARN pattern of the quotas of Fargate."""
    return _arn("servicequotas", service.region or home.region, _account(service.role, home), service.role, "fargate/*")


def _ecs_arn(service: ServiceRef, home: Home, resource: str) -> str:
    return _arn("ecs", service.region or home.region, _account(service.role, home), service.role, resource)


def _account(role: Role | None, home: Home) -> str | None:
    """Return the account of the role's resources."""
    return home.account if role is None else role.account


def _arn(service: str, region: str | None, account: str | None, role: Role | None, resource: str) -> str:
    """Return the ARN. Without a Region its partition is that of the role that reads the resource."""
    named = partition(region) if region or role is None else role.arn.split(":")[1]
    return f"arn:{named}:{service}:{region or ANY}:{account or ANY}:{resource}"


def _any(_: ServiceRef, __: Home) -> str:
    return ANY


RESOURCES: Mapping[ResourceForm, Callable[[ServiceRef, Home], str]] = {
    ResourceForm.SERVICE: service_arn,
    ResourceForm.PAUSE_TAG: service_arn,
    ResourceForm.TASKS: tasks_arn,
    ResourceForm.SERVICE_DEPLOYMENTS: deployments_arn,
    ResourceForm.LOG_STREAMS: log_streams_arn,
    ResourceForm.FARGATE_QUOTAS: quotas_arn,
    ResourceForm.ANY: _any,
    ResourceForm.ANY_IN_CLUSTER: _any,
}
"""The ARN of each form of resource that is about a service."""


def right_about(api: Api, service: ServiceRef, home: Home) -> Right:
    """Return the permission for a call about the service, on the resource that the call's row names."""
    cluster = cluster_arn(service, home) if api.resource.in_cluster else None
    return Right(api, RESOURCES[api.resource](service, home), cluster)
