"""Services: what ECS says of one, and the one thing that is ever changed, its desired count."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeAlias

from autoscaler.aws.answers import Answer
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
"""AWS lets a tag's value be no longer."""


MOST_DEFINITIONS = 5
"""Of a service, the newest first: its own, and those of a deployment and of some that it replaced. No more are read."""

SERVICES_A_CALL = 10
"""In one question."""

Party: TypeAlias = tuple[str, Place, Urgency]
"""Whose services are asked about together: a cluster's, where it is, and how urgently."""

Described: TypeAlias = tuple[Answer, Instant]
"""A service's own part of an answer, and when it was asked for."""


class EcsFleets:
    """The `Fleets` port over ECS."""

    def __init__(self, caller: Caller, clocks: Clocks) -> None:
        self._caller = caller
        self._clocks = clocks
        self._conflicts = Conflicts(caller, clocks)
        self._stops = StopTimeouts(caller, clocks)
        self._described: Batcher[Party, ServiceRef, Described] = Batcher(self._describe, SERVICES_A_CALL)

    async def close(self) -> None:
        """No question is under way any more."""
        await self._described.close()
        await self._conflicts.close()

    async def read(self, service: ServiceRef, urgency: Urgency = Urgency.ROUTINE) -> Fleet | Missing:
        """The service's counts, deployment, trouble and pause tag, as of just before they were asked for: together
        with those of the same cluster that are asked for at the same time.
        """
        try:
            found, at = await self._described.of((service.cluster, service.place, urgency), service)
            return fleet_in(found, at, self._clocks.instant)
        except AutoscalerError as fault:
            return missing(fault)

    async def protected(self, service: ServiceRef) -> int | Missing:
        """How many of the tasks that should run are protected from scale-in."""
        try:
            return await protected_tasks(self._caller, self._clocks, service)
        except AutoscalerError as fault:
            return missing(fault)

    async def conflicting_scalers(self, service: ServiceRef) -> tuple[str, ...] | Missing:
        """What else may change the service's count, each in a sentence; asked of AWS every five minutes at most."""
        return await self._conflicts.of(service)

    async def stop_timeout(self, service: ServiceRef, task_definition: str) -> StopTimeout | Missing:
        """The shortest stopTimeout of the essential containers; asked of AWS once for each task definition."""
        try:
            return await self._stops.of(service, task_definition)
        except AutoscalerError as fault:
            return missing(fault)

    async def scale_to(self, service: ServiceRef, tasks: int, urgency: Urgency, more: int = 0) -> bool:
        """True: ECS accepted `tasks` as the desired count. Cluster, service and count are all that is sent.

        Raises `AutoscalerError` if it is not known to have been accepted, `ValueError` for a negative count.
        """
        if tasks < 0:
            raise ValueError(f"{tasks} tasks cannot be desired")
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
        self, party: Party, services: Sequence[ServiceRef]
    ) -> dict[ServiceRef, Described | AutoscalerError]:
        at, (cluster, place, urgency) = self._clocks.now(), party
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


def _require_names(answer: Answer) -> None:
    """Every part says whose it is. Raises `Unreadable`: then nobody knows whose part is missing."""
    for found in answer.parts("services"):
        found.word("serviceName")


def _own(answer: Answer, service: ServiceRef, at: Instant) -> Described | AutoscalerError:
    try:
        return described(answer.about(service_subject(service)), service), at
    except AutoscalerError as fault:
        return fault


def described(answer: Answer, service: ServiceRef) -> Answer:
    """The service's own part of an answer about one or many. Raises `NotFound` where ECS does not know it."""
    wanted = short_name(service.service)
    for failure in answer.parts_if_any("failures"):
        if short_name(failure.word_or("arn", wanted)) == wanted:
            raise _failed(failure)
    for found in answer.parts("services"):
        if found.word("serviceName") == wanted:
            return found
    raise answer.unreadable("services", f"one named {wanted}", None)


def fleet_in(found: Answer, at: Instant, instant: Callable[[float], Instant]) -> Fleet:
    """The counts of a service that can be scaled. Raises `Refused` where it never can, `Unreadable` where one lacks."""
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


def _identity_in(found: Answer) -> str | None:
    """ARN and creation time. A service that was deleted and created again has the same ARN. None where the answer has
    no creation time that can be read: the counts are good without it.
    """
    created = found.body.get("createdAt")
    return f"{found.body.get('serviceArn')} {created.isoformat()}" if isinstance(created, datetime) else None


def pause_tag_in(found: Answer) -> str | None:
    """The value of the service's tag `autoscaler:paused`, possibly empty; None where it has none.

    Tags were asked for, so none in the answer are none. Raises `Unreadable` where they are not what tags should be.
    """
    for tag in found.parts_if_any("tags"):
        if tag.word("key") == PAUSE_TAG:
            # AWS may leave an empty value out, and an empty text is not a word
            return clean(tag.word("value"), MOST_TAG_VALUE) if tag.body.get("value") else ""
    return None


def task_definitions_in(found: Answer) -> tuple[str, ...]:
    """The ARNs of the service's own task definition and of those of its deployments and task sets, each once; none
    where ECS does not say: the service can be scaled without them. During a deployment tasks of several of them run.
    """
    listed = [part for name in ("deployments", "taskSets") if isinstance(part := found.body.get(name), list)]
    sources = [found.body, *(one for part in listed for one in part if isinstance(one, dict))]
    named = [one.get("taskDefinition") for one in sources]
    return tuple(dict.fromkeys(one for one in named if isinstance(one, str) and one))[:MOST_DEFINITIONS]


def require_scalable(found: Answer) -> None:
    """The service is active and has a desired count that is ours to set. Raises `Refused`."""
    status = found.word("status")
    if status != "ACTIVE":
        raise _unscalable(found, f"is {clean(status)}", "create it anew, or take it out of the settings")
    if found.word_or("schedulingStrategy", "REPLICA") == "DAEMON":
        raise _unscalable(found, "is a DAEMON service, one task per instance", "take it out of the settings")
    if found.word_or("resourceManagementType", "CUSTOMER") == "ECS":
        raise _unscalable(found, "is managed and scaled by ECS itself", "take it out of the settings")


def require_accepted(answer: Answer, tasks: int) -> None:
    """ECS said that the desired count is now `tasks`. Raises `AutoscalerError` where its 200 OK does not say so."""
    for failure in answer.parts_if_any("failures"):
        raise _failed(failure)
    try:
        desired = answer.part("service").count("desiredCount")
    except Unreadable as fault:
        raise Unavailable(f"{fault}; it is not known whether the count was changed") from None
    if desired != tasks:
        raise Unavailable(f"{answer.call.where}: asked for {tasks} tasks, ECS answered with {desired}")


def _failed(failure: Answer) -> AutoscalerError:
    """What a failure inside a 200 OK means."""
    where, reason = failure.call.where, clean(failure.word_or("reason", "no reason given"))
    if reason == "MISSING":
        return NotFound(f"{where} does not exist; check AUTOSCALER_CLUSTER, AUTOSCALER_SERVICE and the Region")
    detail = clean(failure.word_or("detail", ""))
    return Refused(f"{where}: ECS answered with a failure ({reason}{': ' + detail if detail else ''})")


def _unscalable(found: Answer, what: str, remedy: str) -> Refused:
    return Refused(f"{found.call.where} {what}; {remedy}")
