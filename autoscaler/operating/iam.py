"""Permissions as an IAM policy: one statement per purpose, with the purpose as its `Sid`.

Invariant: the policy allows exactly these permissions.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from autoscaler.aws.arns import ANY, Home, Right, queue_arn, right_about
from autoscaler.aws.calls import (
    ASSUME_ROLE,
    CALLS,
    DELETE_MESSAGE,
    DESCRIBE_SERVICES,
    DESCRIBE_TASK_DEFINITION,
    GET_METRIC_DATA,
    GET_QUEUE_URL,
    LIST_SERVICES,
    UPDATE_SERVICE,
    Api,
    Purpose,
    ResourceForm,
)
from autoscaler.aws.ecs import PAUSE_TAG
from autoscaler.aws.operator import OPERATOR_CALLS
from autoscaler.config import Config, ServiceConfig
from autoscaler.control.definitions import reads_definitions
from autoscaler.core.policy import Mode, WorkerSafety
from autoscaler.ports import QueueRef, Role, ServiceRef
from autoscaler.sources import SOURCES

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
    return _rank(right), right.cluster or "", right.resource


def _rank(right: Right) -> int:
    purposes: list[Purpose | None] = [*Purpose]
    return purposes.index(right.api.purpose)


def _allowing(rights: Iterable[Right]) -> Iterator[dict[str, Any]]:
    """Yield a statement for each purpose and cluster: a condition names one cluster."""
    groups: dict[tuple[Purpose | None, str | None], list[Right]] = {}
    for right in rights:
        groups.setdefault((right.api.purpose, right.cluster), []).append(right)
    taken: Counter[Purpose | None] = Counter()
    for (purpose, cluster), members in groups.items():
        taken[purpose] += 1
        number = "" if taken[purpose] == 1 else taken[purpose]
        yield _statement(f"{purpose}{number}", cluster, members)


def _statement(sid: str, cluster: str | None, members: Sequence[Right]) -> dict[str, Any]:
    statement: dict[str, Any] = {
        "Sid": sid,
        "Effect": "Allow",
        "Action": list(dict.fromkeys(right.api.name for right in members)),
        "Resource": list(dict.fromkeys(right.resource for right in members)),
    }
    if cluster:
        statement["Condition"] = {"ArnEquals": {"ecs:cluster": cluster}}
    elif members[0].api.resource is ResourceForm.PAUSE_TAG:
        statement["Condition"] = {"ForAllValues:StringEquals": {"aws:TagKeys": [PAUSE_TAG]}}
    return statement


def _denial(sid: str, key: str) -> dict[str, Any]:
    action, condition = [UPDATE_SERVICE.name], {"Null": {key: "false"}}
    return {"Sid": sid, "Effect": "Deny", "Action": action, "Resource": ["*"], "Condition": condition}


def remarks(rights: Iterable[Right], policy: dict[str, Any]) -> Iterator[str]:
    """Yield the remarks to read before the policy is used."""
    asked = {right.api for right in rights}
    wide = [api.name for api in CALLS if api in asked and api.resource.is_any]
    if wide:
        yield f"AWS supports only the resource * for {', '.join(wide)}"
    if UPDATE_SERVICE in asked:
        yield (
            "IAM cannot restrict ecs:UpdateService to the desired count: the role can also change the task definition, "
            "network and capacity of these services to existing ones (docs/iam.md)"
        )
    elif asked:
        but = ", except for event_queue, whose events are deleted" if DELETE_MESSAGE in asked else ""
        again = "Generate it again before you activate a service"
        yield f"all services are in shadow, so this policy is read-only{but}. {again}"
    size = len(json.dumps(policy, separators=(",", ":")))
    if size > MOST_MANAGED:
        yield (
            f"the policy has {size:,} characters. AWS allows {MOST_MANAGED:,} in a managed policy and {MOST_INLINE:,} "
            "in all inline policies of a role. If the policy is too long, use several daemons"
        )


# The permissions that the daemon's role needs with these settings: each API call and its resource.
#
# Invariant: the permissions are exactly the calls of `aws/calls.py` that the settings require.


def rights(config: Config, home: Home, role: str | None = None) -> tuple[Right, ...]:
    """Return all permissions of the daemon with these settings, each once, in the order of services. `role`: only the
    calls made with the role of that ARN (None: with the daemon's own credentials, including `sts:AssumeRole`).
    """
    own = [service for service in config.services if _arn_of(service.ref.role) == role]
    called = [right for service in own for right in rights_of(service, home)]
    if _arn_of(config.discovery.place.role) == role:
        called += _discovering(config, home)
    if role is None:
        called += receiving(config, home)
    assumed = [] if role else [Right(ASSUME_ROLE, arn) for arn in roles(config)]
    return tuple(dict.fromkeys([*called, *assumed]))


def receiving(config: Config, home: Home) -> list[Right]:
    """Return the permissions for the queue of events, which is read with the daemon's own credentials."""
    queue = config.event_queue
    if queue is None:
        return []
    calls = [*_calls_for(Purpose.RECEIVE_EVENTS), *([] if queue.url else [GET_QUEUE_URL])]
    return [Right(api, queue_arn(queue, home)) for api in calls]


def roles(config: Config) -> tuple[str, ...]:
    """Return the ARNs of the roles that the daemon assumes, each once."""
    named = [service.ref.role for service in config.services]
    named += [config.discovery.place.role] if config.discovery.clusters else []
    return tuple(dict.fromkeys(role.arn for role in named if role is not None))


def _arn_of(role: Role | None) -> str | None:
    return None if role is None else role.arn


def _discovering(config: Config, home: Home) -> Iterator[Right]:
    """Yield permissions for discovered services: any service of the clusters, any queue of the account and Region, and
    the calls that a service without tags needs, with any of the profiles. Tags may name queues and turn queue_minutes
    on; they enable no other call.
    """
    scope = config.discovery
    tagged = QueueRef(ANY, scope.place.region, role=scope.place.role)
    for services in _discoverable(config):
        yield right_about(LIST_SERVICES, services, home)
        for below in scope.without_tags:
            queues = (tagged, *below.queues)
            yield from rights_of(replace(below, ref=services, queues=queues, queue_minutes=True), home)


def _discoverable(config: Config) -> Iterator[ServiceRef]:
    """Yield all services of each cluster in which services are discovered."""
    place = config.discovery.place
    for cluster in config.discovery.clusters:
        yield ServiceRef("", cluster, ANY, place.region, place.role)


def rights_of(service: ServiceConfig, home: Home) -> list[Right]:
    """Return the permissions of the daemon for this service, each once. In shadow they are all read-only.

    Those of its queues are first, queue by queue; the others are in the order of the policy.
    """
    needed = [purpose for purpose, is_needed in NEEDED.items() if is_needed(service)]
    called = [right_about(api, service.ref, home) for api in _calls_for(*needed)]
    called += [right for source in SOURCES for right in source.rights(service, home)]
    return sorted(
        dict.fromkeys(called), key=lambda right: 0 if right.api.resource is ResourceForm.QUEUE else _rank(right)
    )


def _calls_for(*purposes: Purpose) -> list[Api]:
    return [api for purpose in purposes for api in (*CALLS, *OPERATOR_CALLS) if api.purpose is purpose]


def writes(service: ServiceConfig) -> bool:
    """Whether the daemon writes the service's desired count."""
    return service.policy.mode is not Mode.SHADOW


def reads_protection(service: ServiceConfig) -> bool:
    """Whether the task protection is read before a scale-in."""
    return service.policy.workers is WorkerSafety.SELF_PROTECTING


def reads_task_definition(service: ServiceConfig) -> bool:
    """Whether the task definition is read: for its stopTimeout, which limits what a stopped task can finish, or for the
    size of a task, which has a list price. Its newest revision is then read too.
    """
    return reads_definitions(service.policy, service.task_price)


def _always(_: ServiceConfig) -> bool:
    return True


NEEDED: Mapping[Purpose, Callable[[ServiceConfig], bool]] = {
    Purpose.READ_SERVICES: _always,
    Purpose.SCALE_SERVICES: writes,
    Purpose.LIST_TASKS: _always,
    Purpose.READ_TASKS: _always,
    Purpose.READ_TASK_PROTECTION: reads_protection,
    Purpose.READ_TASK_DEFINITIONS: reads_task_definition,
    Purpose.SEE_OTHER_SCALERS: _always,
}
"""Whether the daemon makes the calls of a purpose for a service. The calls that read signals depend on the sources; the
calls for discovery and roles depend on the settings of the daemon.
"""


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


# The IAM policy of the daemon's role, or of operators who pause, resume or diagnose services.


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
    """Return the least-privilege policy for the purpose `daemon`, `pause` or `diagnose` with these settings. For
    `assess`: see `assessing`.

    `region`: the Region of services that name none. `account` None: the account of the queues, if they name only one.
    `role`: return the policy of this role of the settings (None: of the daemon's own role).
    """
    home = home_of(config, region, account)
    gaps = (*_guessed(home, queue_accounts(config), account), *unknown(config.services, home))
    if purpose in BY_OPERATORS:
        return Granted(document(operating(config, home, BY_OPERATORS[purpose])), gaps)
    asked = rights(config, home, role)
    policy = document(asked, deny_redefinition=deny_redefinition)
    return Granted(policy, (*gaps, *remarks(asked, policy), *(_others(config) if role is None else [])))


def _others(config: Config) -> Iterator[str]:
    for arn in roles(config):
        yield (
            f"{arn} needs its own policy (`autoscaler iam-policy --role {arn}`) and must trust the daemon's role "
            "(docs/iam.md)"
        )
    if config.discovery.clusters:
        writing = any(map(writes, config.discovery.without_tags))
        scaling = "scaling of any service in these clusters (a profile is not in shadow) and " if writing else ""
        yield (
            f"discover_clusters is set: the policy permits {scaling}reading of any queue in the account. To restrict "
            "it, configure services by name"
        )


BY_OPERATORS: Mapping[str, tuple[Purpose, ...]] = {
    "pause": (Purpose.READ_SERVICES, Purpose.PAUSE_SERVICES),
    "diagnose": (
        Purpose.READ_SERVICES,
        Purpose.LIST_TASKS,
        Purpose.READ_TASK_DEFINITIONS,
        Purpose.READ_TASKS,
        Purpose.READ_CONTAINER_LOGS,
        Purpose.LIST_DEPLOYMENTS,
        Purpose.READ_DEPLOYMENTS,
        Purpose.READ_SUBNETS,
        Purpose.READ_QUOTAS,
    ),
}
"""What the users of a command need, for `iam-policy --for`. The daemon only reads the tag: its role must not have
PAUSE_SERVICES.
"""


def operating(config: Config, home: Home, purposes: Iterable[Purpose]) -> Iterator[Right]:
    """Yield the permissions for these purposes on each service that is configured or can be discovered."""
    for ref in (*(service.ref for service in config.services), *_discoverable(config)):
        for api in _calls_for(*purposes):
            yield right_about(api, ref, home)


ASSESSMENT = (LIST_SERVICES, DESCRIBE_SERVICES, DESCRIBE_TASK_DEFINITION, GET_METRIC_DATA)
"""The calls of `assess`. Only the first two are required: without the others it says what is missing."""


def assessing(cluster: str | None, region: str | None, account: str | None) -> Granted:
    """Return the policy of `assess` for a cluster (None: any cluster). It needs no settings, and it is read-only."""
    services = ServiceRef("", cluster or ANY, ANY, region)
    home = Home(region, account)
    asked = [right_about(api, services, home) for api in ASSESSMENT]
    wide = [f"AWS supports only the resource * for {', '.join(api.name for api in ASSESSMENT if api.resource.is_any)}"]
    gaps = [] if cluster else ["all clusters: pass --cluster to restrict the policy to one"]
    return Granted(document(asked), (*gaps, *wide))


def _guessed(home: Home, named: set[str], account: str | None) -> Iterator[str]:
    if account is None and home.account is not None:
        yield f"the services are assumed to be in the account of the queues ({home.account}). If not, pass --account"
    elif account is None and named:
        yield f"the queues are in several accounts ({', '.join(sorted(named))}). Pass --account for the services"
