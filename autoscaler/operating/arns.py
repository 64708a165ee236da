"""ARNs of what the settings name. What is not known is `*`, and is told of: a policy with it holds, but more widely."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from autoscaler.aws.names import short_name
from autoscaler.config import Config, Service
from autoscaler.config.queues import partition
from autoscaler.ports import QueueRef, Role, ServiceRef

ANY = "*"


class Home(NamedTuple):
    """Where all is that does not say where it is. None: not known."""

    region: str | None = None
    account: str | None = None


def region_in(environ: Mapping[str, str]) -> str | None:
    """The Region that the environment names, as the daemon reads it (None: none). Profiles are not looked into."""
    return environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or None


def home_of(config: Config, region: str | None, account: str | None) -> Home:
    """The home: `account` where it is given, else the one account that the queues' URLs and ARNs name, if it is one."""
    named = queue_accounts(config)
    return Home(region, account or (named.pop() if len(named) == 1 else None))


def queue_accounts(config: Config) -> set[str]:
    """The accounts that the queues' URLs and ARNs name."""
    return {queue.account for service in config.services for queue in service.queues if queue.account}


def queue_arn(queue: QueueRef, home: Home) -> str:
    return _arn("sqs", queue.region or home.region, queue.account or _account(queue.role, home), queue.name)


def service_arn(service: ServiceRef, home: Home) -> str:
    """In the long format, which every service from 2021 on has."""
    name = f"service/{short_name(service.cluster)}/{short_name(service.service)}"
    return _of_ecs(service, home, name)


def cluster_arn(service: ServiceRef, home: Home) -> str:
    return _of_ecs(service, home, f"cluster/{short_name(service.cluster)}")


def tasks_arn(service: ServiceRef, home: Home) -> str:
    """All tasks of the service's cluster: they have no names that could be known before."""
    return _of_ecs(service, home, f"task/{short_name(service.cluster)}/*")


def unknown(services: Iterable[Service], home: Home) -> tuple[str, ...]:
    """What of the ARNs is not known, each with what would narrow it."""
    each = list(services)
    nowhere = [service.ref.key for service in each if not (service.ref.region or home.region)]
    notes = []
    if home.account is None and any(service.ref.role is None for service in each):
        notes.append("the account is not known, so ARNs hold * for it: give --account 123456789012")
    if nowhere:
        notes.append(f"no Region is known for {', '.join(nowhere)}, so ARNs hold * for it: set AWS_REGION")
    return tuple(notes)


def _of_ecs(service: ServiceRef, home: Home, resource: str) -> str:
    return _arn("ecs", service.region or home.region, _account(service.role, home), resource)


def _account(role: Role | None, home: Home) -> str | None:
    """A role's things are in its account."""
    return home.account if role is None else role.account


def _arn(service: str, region: str | None, account: str | None, resource: str) -> str:
    return f"arn:{partition(region)}:{service}:{region or ANY}:{account or ANY}:{resource}"
