"""ECS services: read their state, and change their desired count."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeAlias

from autoscaler.aws.answers import ResponsePart
from autoscaler.aws.apis import DESCRIBE_SERVICES, UPDATE_SERVICE
from autoscaler.aws.batching import Batcher
from autoscaler.aws.caller import Caller
from autoscaler.aws.clocks import Clocks
from autoscaler.aws.conflicts import Conflicts
from autoscaler.aws.deployments import deployment_since
from autoscaler.aws.events import trouble_in
from autoscaler.aws.faults import clean, missing
from autoscaler.aws.names import service_subject, short_name, together
from autoscaler.aws.protection import protected_tasks
from autoscaler.aws.stopping import StopTimeouts
from autoscaler.core.model import Deployment, Fleet, Instant, Missing, StopTimeout
from autoscaler.errors import AutoscalerError, NotFound, Refused, Unavailable, Unreadable
from autoscaler.ports import Place, ServiceRef, Urgency

PAUSE_TAG = "autoscaler:paused"
MOST_TAG_VALUE = 256
"""Maximum length of an AWS tag value, in characters."""


MOST_DEFINITIONS = 5
"""Maximum number of task definitions read per service: the service's own, then those of its deployments and task sets.
"""

SERVICES_A_CALL = 10
"""Maximum number of services in one ecs:DescribeServices call."""

ServiceGroup: TypeAlias = tuple[str, Place, Urgency]
"""The services that share a call: those of a cluster, in a place, with an urgency."""

Described: TypeAlias = tuple[ResponsePart, Instant]
"""A service's part of a response, and the time of the call."""


class EcsFleets:
    """The `Fleets` port over ECS."""

    def __init__(self, caller: Caller, clocks: Clocks) -> None:
        self._caller = caller
        self._clocks = clocks
        self._conflicts = Conflicts(caller, clocks)
        self._stops = StopTimeouts(caller, clocks)
        self._described: Batcher[ServiceGroup, ServiceRef, Described] = Batcher(self._describe, SERVICES_A_CALL)

    async def close(self) -> None:
        """Cancel all calls in flight."""
        await self._described.close()
        await self._conflicts.close()

    async def read(self, service: ServiceRef, urgency: Urgency = Urgency.ROUTINE) -> Fleet | Missing:
        """Return the service's counts, deployment, start problem and pause tag. Their time is the time just before the
        call. Concurrent reads of the same cluster share a call.
        """
        try:
            found, at = await self._described.of((service.cluster, service.place, urgency), service)
            return fleet_in(found, at, self._clocks.instant)
        except AutoscalerError as fault:
            return missing(fault)

    async def protected(self, service: ServiceRef) -> int | Missing:
        """Return the number of tasks with desired status RUNNING that are protected from scale-in."""
        try:
            return await protected_tasks(self._caller, self._clocks, service)
        except AutoscalerError as fault:
            return missing(fault)

    async def conflicting_scalers(self, service: ServiceRef) -> tuple[str, ...] | Missing:
        """Return one sentence per conflicting scaler. AWS is called at most every five minutes."""
        return await self._conflicts.of(service)

    async def stop_timeout(self, service: ServiceRef, task_definition: str) -> StopTimeout | Missing:
        """Return the shortest stopTimeout of the essential containers. AWS is called once for each task definition."""
        try:
            return await self._stops.of(service, task_definition)
        except AutoscalerError as fault:
            return missing(fault)

    async def scale_to(self, service: ServiceRef, tasks: int, urgency: Urgency, more: int = 0) -> bool:
        """Set the desired count. True: ECS accepted `tasks`. Sends only cluster, service and count.

        Raises `AutoscalerError` if the change was not confirmed, `ValueError` for a negative count.
        """
        if tasks < 0:
            raise ValueError(f"desired count must not be negative: {tasks}")
        answer = await self._caller.ask(
            UPDATE_SERVICE,
            service_subject(service),
            service.place,
            urgency,
            more,
            cluster=service.cluster,
            service=service.service,
            desiredCount=tasks,
        )
        require_accepted(answer, tasks)
        return True

    async def _describe(
        self, group: ServiceGroup, services: Sequence[ServiceRef]
    ) -> dict[ServiceRef, Described | AutoscalerError]:
        at, (cluster, place, urgency) = self._clocks.now(), group
        answer = await self._caller.ask(
            DESCRIBE_SERVICES,
            together(service_subject(service) for service in services),
            place,
            urgency,
            cluster=cluster,
            services=list(dict.fromkeys(service.service for service in services)),
            include=["TAGS"],
        )
        _require_names(answer)
        return {service: _own(answer, service, at) for service in services}


def _require_names(answer: ResponsePart) -> None:
    """Raise `Unreadable` if an entry has no service name: it is then unknown which service is missing."""
    for found in answer.parts("services"):
        found.word("serviceName")


def _own(answer: ResponsePart, service: ServiceRef, at: Instant) -> Described | AutoscalerError:
    try:
        return described(answer.about(service_subject(service)), service), at
    except AutoscalerError as fault:
        return fault


def described(answer: ResponsePart, service: ServiceRef) -> ResponsePart:
    """Return the service's part of a response. Raises `NotFound` if ECS does not know the service."""
    name = short_name(service.service)
    for failure in answer.parts_if_any("failures"):
        if short_name(failure.word_or("arn", name)) == name:
            raise _failed(failure)
    for found in answer.parts("services"):
        if found.word("serviceName") == name:
            return found
    raise answer.unreadable("services", f"one named {name}", None)


def fleet_in(found: ResponsePart, at: Instant, instant: Callable[[float], Instant]) -> Fleet:
    """Return the counts of the service. Raises `Refused` if the service cannot be scaled, and `Unreadable` if a count
    is missing.
    """
    require_scalable(found)
    since = deployment_since(found)
    return Fleet(
        desired=found.count("desiredCount"),
        running=found.count("runningCount"),
        pending=found.count("pendingCount"),
        at=at,
        deployment=None if since is None else Deployment(instant(since)),
        trouble=trouble_in(found, at, instant),
        pause_tag=pause_tag_in(found),
        identity=_identity_in(found),
        task_definitions=task_definitions_in(found),
    )


def _identity_in(found: ResponsePart) -> str | None:
    """ARN and creation time. A service that was deleted and created again has the same ARN. None if the response has no
    valid creation time: the counts are valid without it.
    """
    created = found.body.get("createdAt")
    return f"{found.body.get('serviceArn')} {created.isoformat()}" if isinstance(created, datetime) else None


def pause_tag_in(found: ResponsePart) -> str | None:
    """The value of the service's tag `autoscaler:paused`, possibly empty; None if it has no such tag.

    The call requests tags, so an absent list means that there are none. Raises `Unreadable` for malformed tags.
    """
    for tag in found.parts_if_any("tags"):
        if tag.word("key") == PAUSE_TAG:
            # AWS may omit an empty value, and `word` rejects an empty text
            return clean(tag.word("value"), MOST_TAG_VALUE) if tag.body.get("value") else ""
    return None


def task_definitions_in(found: ResponsePart) -> tuple[str, ...]:
    """The ARNs of the task definitions of the service, its deployments and its task sets, each once. Empty if ECS
    returns none; scaling does not need them. During a deployment, tasks of several task definitions run.
    """
    listed = [part for name in ("deployments", "taskSets") if isinstance(part := found.body.get(name), list)]
    sources = [found.body, *(one for part in listed for one in part if isinstance(one, dict))]
    named = [one.get("taskDefinition") for one in sources]
    return tuple(dict.fromkeys(one for one in named if isinstance(one, str) and one))[:MOST_DEFINITIONS]


def require_scalable(found: ResponsePart) -> None:
    """Raise `Refused` unless the service is active and its desired count can be set."""
    status = found.word("status")
    if status != "ACTIVE":
        raise _unscalable(found, f"is {clean(status)}", "create it again, or remove it from the settings")
    if found.word_or("schedulingStrategy", "REPLICA") == "DAEMON":
        raise _unscalable(found, "is a DAEMON service, one task per instance", "remove it from the settings")
    if found.word_or("resourceManagementType", "CUSTOMER") == "ECS":
        raise _unscalable(
            found,
            "is managed by ECS (resourceManagementType ECS), which sets its task count",
            "remove the service from the settings",
        )


def require_accepted(answer: ResponsePart, tasks: int) -> None:
    """Raise `AutoscalerError` unless ECS returned `tasks` as the desired count. An HTTP 200 response can contain
    failures.
    """
    for failure in answer.parts_if_any("failures"):
        raise _failed(failure)
    try:
        desired = answer.part("service").count("desiredCount")
    except Unreadable as fault:
        raise Unavailable(f"{fault}; it is unknown whether the count was changed") from None
    if desired != tasks:
        raise Unavailable(f"{answer.call.where}: {tasks} tasks requested, ECS returned a desired count of {desired}")


def _failed(failure: ResponsePart) -> AutoscalerError:
    """Return the error for a failure inside an HTTP 200 response."""
    where, reason = failure.call.where, clean(failure.word_or("reason", "no reason given"))
    if reason == "MISSING":
        return NotFound(f"{where} does not exist; check AUTOSCALER_CLUSTER, AUTOSCALER_SERVICE and the Region")
    detail = clean(failure.word_or("detail", ""))
    return Refused(f"{where}: ECS returned a failure ({reason}{': ' + detail if detail else ''})")


def _unscalable(found: ResponsePart, what: str, remedy: str) -> Refused:
    return Refused(f"{found.call.where} {what}; {remedy}")
