"""ARNs of the configured resources. An unknown part is `*`, with a remark: a policy with it works, but permits more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from autoscaler.aws.names import short_name
from autoscaler.config import Config, ServiceConfig
from autoscaler.config.values import partition
from autoscaler.ports import QueueRef, Role, ServiceRef

ANY = "*"


class Home(NamedTuple):
    """The Region and account of resources that name none. None: not known."""

    region: str | None = None
    account: str | None = None


def region_in(environ: Mapping[str, str]) -> str | None:
    """Return the Region of the environment, as the daemon reads it (None: not set). Profiles are not read."""
    return environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or None


def home_of(config: Config, region: str | None, account: str | None) -> Home:
    """Return the home: `account` if given, else the account in the queues' URLs and ARNs if there is exactly one."""
    named = queue_accounts(config)
    return Home(region, account or (named.pop() if len(named) == 1 else None))


def queue_accounts(config: Config) -> set[str]:
    """Return the accounts in the queues' URLs and ARNs."""
    return {queue.account for service in config.services for queue in service.queues if queue.account}


def queue_arn(queue: QueueRef, home: Home) -> str:
    return _arn("sqs", queue.region or home.region, queue.account or _account(queue.role, home), queue.name)


def service_arn(service: ServiceRef, home: Home) -> str:
    """Return the ARN in the long format, which every service since 2021 has."""
    name = f"service/{short_name(service.cluster)}/{short_name(service.service)}"
    return _of_ecs(service, home, name)


def cluster_arn(service: ServiceRef, home: Home) -> str:
    return _of_ecs(service, home, f"cluster/{short_name(service.cluster)}")


def tasks_arn(service: ServiceRef, home: Home) -> str:
    """Return the ARN pattern of all tasks of the service's cluster: task IDs are not known in advance."""
    return _of_ecs(service, home, f"task/{short_name(service.cluster)}/*")


def unknown(services: Iterable[ServiceConfig], home: Home) -> tuple[str, ...]:
    """Return the unknown parts of the ARNs, each with its remedy."""
    each = list(services)
    nowhere = [service.ref.key for service in each if not (service.ref.region or home.region)]
    notes = []
    if home.account is None and any(service.ref.role is None for service in each):
        notes.append("account unknown: ARNs contain * instead of the account ID. Pass --account with your account ID")
    if nowhere:
        notes.append(f"Region unknown for {', '.join(nowhere)}: ARNs contain * instead of the Region. Set AWS_REGION")
    return tuple(notes)


def _of_ecs(service: ServiceRef, home: Home, resource: str) -> str:
    return _arn("ecs", service.region or home.region, _account(service.role, home), resource)


def _account(role: Role | None, home: Home) -> str | None:
    """Return the account of the role's resources."""
    return home.account if role is None else role.account


def _arn(service: str, region: str | None, account: str | None, resource: str) -> str:
    return f"arn:{partition(region)}:{service}:{region or ANY}:{account or ANY}:{resource}"
