"""Permissions as an IAM policy: one statement per purpose, with the purpose as its `Sid`.

Invariant: the policy allows exactly these permissions.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from autoscaler.aws import apis
from autoscaler.aws.apis import Api
from autoscaler.aws.ecs import PAUSE_TAG
from autoscaler.aws.names import short_name
from autoscaler.aws.operator import apis as operators
from autoscaler.config import Config, ServiceConfig
from autoscaler.config.values import partition
from autoscaler.control.observing import required_meters
from autoscaler.core.policy import Mode, WorkerSafety
from autoscaler.ports import CloudWatchMetric, QueueRef, Role, ServiceRef

PURPOSES = {
    apis.GET_QUEUE_ATTRIBUTES: "ReadQueues",
    apis.GET_QUEUE_URL: "FindQueues",
    apis.LIST_SERVICES: "FindServices",
    apis.DESCRIBE_SERVICES: "ReadServices",
    apis.UPDATE_SERVICE: "ScaleServices",
    apis.LIST_TASKS: "ListTasks",
    apis.GET_TASK_PROTECTION: "ReadTaskProtection",
    apis.DESCRIBE_TASK_DEFINITION: "ReadStopTimeouts",
    apis.GET_METRIC_DATA: "ReadMetrics",
    apis.DESCRIBE_SCALABLE_TARGETS: "SeeOtherScalers",
    apis.DESCRIBE_SCALING_POLICIES: "SeeOtherScalers",
    apis.DESCRIBE_SCHEDULED_ACTIONS: "SeeOtherScalers",
    apis.ASSUME_ROLE: "ActAsRoles",
    operators.TAG_RESOURCE: "PauseServices",
    operators.UNTAG_RESOURCE: "PauseServices",
}
"""The `Sid` of each call's statement, in the order of the document."""

MOST_MANAGED, MOST_INLINE = 6_144, 10_240
"""The most characters, without white space, of a managed policy and of all inline policies of a role together."""

DENIALS = (
    ("NoRedefinition", "ecs:task-definition"),
    ("NoCapacityChange", "ecs:capacity-provider"),
)
"""Parameters of `ecs:UpdateService` other than the count for which IAM has a condition key."""


def document(rights: Iterable[Right], *, deny_redefinition: bool = False) -> dict[str, Any]:
    """Return the policy. `deny_redefinition`: also deny updates that name a task definition or capacity provider. This
    is not tested on AWS, which may fill in both before the check and then reject every update.
    """
    allowed = list(_allowing(sorted(rights, key=_order)))
    denied = [_denial(name, key) for name, key in DENIALS] if deny_redefinition else []
    return {"Version": "2012-10-17", "Statement": allowed + denied}


def _order(right: Right) -> tuple[int, str, str]:
    return list(PURPOSES).index(right.api), right.cluster or "", right.resource


def _allowing(rights: Iterable[Right]) -> Iterator[dict[str, Any]]:
    """Yield a statement for each purpose and cluster: a condition names one cluster."""
    groups: dict[tuple[str, str | None], list[Right]] = {}
    for right in rights:
        groups.setdefault((PURPOSES[right.api], right.cluster), []).append(right)
    taken: dict[str, int] = {}
    for (purpose, cluster), members in groups.items():
        number = taken[purpose] = taken.get(purpose, 0) + 1
        yield _statement(purpose if number == 1 else f"{purpose}{number}", cluster, members)


def _statement(sid: str, cluster: str | None, members: Iterable[Right]) -> dict[str, Any]:
    statement: dict[str, Any] = {
        "Sid": sid,
        "Effect": "Allow",
        "Action": list(dict.fromkeys(right.api.name for right in members)),
        "Resource": list(dict.fromkeys(right.resource for right in members)),
    }
    if cluster:
        statement["Condition"] = {"ArnEquals": {"ecs:cluster": cluster}}
    elif sid == PURPOSES[operators.TAG_RESOURCE]:
        statement["Condition"] = {"ForAllValues:StringEquals": {"aws:TagKeys": [PAUSE_TAG]}}
    return statement


def _denial(sid: str, key: str) -> dict[str, Any]:
    action, condition = [apis.UPDATE_SERVICE.name], {"Null": {key: "false"}}
    return {"Sid": sid, "Effect": "Deny", "Action": action, "Resource": ["*"], "Condition": condition}


def remarks(rights: Iterable[Right], policy: dict[str, Any]) -> Iterator[str]:
    """Yield the remarks to read before the policy is used."""
    asked = {right.api for right in rights}
    wide = [api.name for api in NO_NARROWER if api in asked]
    if wide:
        yield f"AWS supports only the resource * for {', '.join(wide)}"
    if apis.UPDATE_SERVICE in asked:
        yield (
            "IAM cannot restrict ecs:UpdateService to the desired count: the role can also change the task definition, "
            "network and capacity of these services to existing ones (docs/iam.md)"
        )
    elif asked:
        yield "all services are in shadow, so this policy is read-only. Generate it again before you activate a service"
    size = len(json.dumps(policy, separators=(",", ":")))
    if size > MOST_MANAGED:
        yield (
            f"the policy has {size:,} characters. AWS allows {MOST_MANAGED:,} in a managed policy and {MOST_INLINE:,} "
            "in all inline policies of a role. If the policy is too long, use several daemons"
        )


# The permissions that the daemon's role needs with these settings: each API call and its resource.
#
# Invariant: the permissions are exactly the calls of `aws/apis.py` that the settings require.

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


# ARNs of the configured resources. An unknown part is `*`, with a remark: a policy with it works, but permits more.

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
    return _ecs_arn(service, home, name)


def cluster_arn(service: ServiceRef, home: Home) -> str:
    return _ecs_arn(service, home, f"cluster/{short_name(service.cluster)}")


def tasks_arn(service: ServiceRef, home: Home) -> str:
    """Return the ARN pattern of all tasks of the service's cluster: task IDs are not known in advance."""
    return _ecs_arn(service, home, f"task/{short_name(service.cluster)}/*")


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


def _ecs_arn(service: ServiceRef, home: Home, resource: str) -> str:
    return _arn("ecs", service.region or home.region, _account(service.role, home), resource)


def _account(role: Role | None, home: Home) -> str | None:
    """Return the account of the role's resources."""
    return home.account if role is None else role.account


def _arn(service: str, region: str | None, account: str | None, resource: str) -> str:
    return f"arn:{partition(region)}:{service}:{region or ANY}:{account or ANY}:{resource}"


# The IAM policy of the daemon's role, or of operators who pause and resume services.


class Granted(NamedTuple):
    """A policy, and the remarks to read before it is used."""

    policy: dict[str, Any]
    remarks: tuple[str, ...]


def granted(
    config: Config,
    region: str | None,
    account: str | None,
    purpose: str = "daemon",
    role: str | None = None,
    *,
    deny_redefinition: bool = False,
) -> Granted:
    """Return the least-privilege policy for the purpose `daemon` or `pause` with these settings.

    `region`: the Region of services that name none. `account` None: the account of the queues, if they name only one.
    `role`: return the policy of this role of the settings (None: of the daemon's own role).
    """
    home = home_of(config, region, account)
    gaps = (*_guessed(home, queue_accounts(config), account), *unknown(config.services, home))
    if purpose == "pause":
        return Granted(document(pausing(config, home)), gaps)
    asked = rights(config, home, role)
    policy = document(asked, deny_redefinition=deny_redefinition)
    return Granted(policy, (*gaps, *remarks(asked, policy), *(_others(config) if role is None else [])))


def _others(config: Config) -> Iterator[str]:
    for arn in roles(config):
        yield (
            f"{arn} needs its own policy (`autoscaler iam-policy --role {arn}`) and must trust the daemon's role "
            "(deploy/README.md)"
        )
    if config.discovery.clusters:
        yield (
            "discover_clusters is set: the policy permits scaling of any service in these clusters and reading of any "
            "queue in the account. To restrict it, configure services by name"
        )


def pausing(config: Config, home: Home) -> Iterator[Right]:
    """Yield the permissions of `pause` and `resume`. The daemon only reads the tag: its role must not have them."""
    for service in config.services:
        arn = service_arn(service.ref, home)
        yield Right(apis.DESCRIBE_SERVICES, arn, cluster_arn(service.ref, home))
        yield Right(operators.TAG_RESOURCE, arn)
        yield Right(operators.UNTAG_RESOURCE, arn)


def _guessed(home: Home, named: set[str], account: str | None) -> Iterator[str]:
    if account is None and home.account is not None:
        yield f"the services are assumed to be in the account of the queues ({home.account}). If not, pass --account"
    elif account is None and named:
        yield f"the queues are in several accounts ({', '.join(sorted(named))}). Pass --account for the services"
