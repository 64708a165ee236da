"""ECS services: read their state, and change their desired count."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import takewhile
from math import inf
from typing import TypeAlias

from autoscaler.aws.answers import ResponsePart
from autoscaler.aws.batching import Batcher
from autoscaler.aws.caller import Caller
from autoscaler.aws.calls import DESCRIBE_SERVICES, UPDATE_SERVICE
from autoscaler.aws.clients import Clocks
from autoscaler.aws.conflicts import Conflicts
from autoscaler.aws.faults import clean, missing
from autoscaler.aws.names import service_subject, short_name, together
from autoscaler.aws.rollouts import deployments_in
from autoscaler.aws.tasks import TaskDefinitions, protected_tasks, providers_in
from autoscaler.core.model import (
    Deployment,
    Fleet,
    Instant,
    Missing,
    Revision,
    StopTimeout,
    Trouble,
    ZoneRebalancing,
)
from autoscaler.diagnosis.events import FRESH_S, REBALANCING_S, REFUSAL, STEADY, is_problem, rebalancing_since
from autoscaler.diagnosis.reports import ServiceEvent
from autoscaler.errors import AutoscalerError, NotFound, Refused, Unavailable, Unreadable
from autoscaler.ports import Place, ServiceRef, Urgency
from autoscaler.pricing import TaskSize

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
        self._definitions = TaskDefinitions(caller, clocks)
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
            return await self._definitions.stop_timeout(service, task_definition)
        except AutoscalerError as fault:
            return missing(fault)

    async def task_size(self, service: ServiceRef, task_definition: str) -> TaskSize | Missing:
        """Return the size of a task, for its price. The same call as for the stopTimeout."""
        try:
            return await self._definitions.size(service, task_definition)
        except AutoscalerError as fault:
            return missing(fault)

    async def newest_revision(self, service: ServiceRef, task_definition: str) -> str | Missing:
        """Return the newest ACTIVE revision of the family. AWS is called at most every five minutes per family."""
        try:
            return await self._definitions.newest(service, task_definition)
        except AutoscalerError as fault:
            return missing(fault)

    async def scale_to(self, service: ServiceRef, tasks: int, urgency: Urgency, more: int = 0) -> Revision | None:
        """Set the desired count, and return how new the response is. Sends only cluster, service and count.

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
        return accepted(answer, tasks)

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
    since, events = deployment_since(found), newest_first(found)
    return Fleet(
        desired=found.count("desiredCount"),
        running=found.count("runningCount"),
        pending=found.count("pendingCount"),
        at=at,
        deployment=None if since is None else Deployment(instant(since)),
        trouble=trouble_in(events, at, instant),
        pause_tag=pause_tag_in(found),
        identity=_identity_in(found),
        task_definitions=task_definitions_in(found),
        revision=revision_in(found),
        providers=_providers_in(found),
        deployments=deployments_in(found, instant),
        rebalancing=rebalancing_in(found, events, at, instant),
    )


def _providers_in(found: ResponsePart) -> tuple[tuple[str, float], ...]:
    """Return the capacity providers; none if they are malformed. They are for prices only: no reading fails by them."""
    try:
        return tuple(providers_in(found).items())
    except Unreadable:
        return ()


def revision_in(found: ResponsePart) -> Revision:
    """Return how new the answer is. Times that are absent or malformed are unknown: the counts are valid without. With
    CodeDeploy or an external controller, the task sets have the times.
    """
    parts = (*_dicts(found, "deployments"), *_dicts(found, "taskSets"))
    primary = next((one for one in parts if one.get("status") == "PRIMARY"), {})
    events = [at for event in _dicts(found, "events") if (at := _seconds(event.get("createdAt"))) is not None]
    return Revision(_seconds(primary.get("createdAt")), _seconds(primary.get("updatedAt")), max(events, default=None))


def _dicts(found: ResponsePart, name: str) -> list[dict[str, object]]:
    listed = found.body.get(name)
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


def _seconds(time: object) -> float | None:
    return time.timestamp() if isinstance(time, datetime) else None


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


def accepted(answer: ResponsePart, tasks: int) -> Revision:
    """Return how new the response is. Raises `AutoscalerError` unless ECS returned `tasks` as the desired count. A
    response with HTTP status 200 can contain failures.
    """
    for failure in answer.parts_if_any("failures"):
        raise _failed(failure)
    try:
        service = answer.part("service")
        desired = service.count("desiredCount")
    except Unreadable as fault:
        raise Unavailable(f"{fault}; it is unknown whether the count was changed") from None
    if desired != tasks:
        raise Unavailable(f"{answer.call.where}: {tasks} tasks requested, ECS returned a desired count of {desired}")
    return revision_in(service)


def _failed(failure: ResponsePart) -> AutoscalerError:
    """Return the error for a failure inside an HTTP 200 response."""
    where, reason = failure.call.where, clean(failure.word_or("reason", "no reason given"))
    if reason == "MISSING":
        return NotFound(f"{where} does not exist; check AUTOSCALER_CLUSTER, AUTOSCALER_SERVICE and the Region")
    detail = clean(failure.word_or("detail", ""))
    return Refused(f"{where}: ECS returned a failure ({reason}{': ' + detail if detail else ''})")


def _unscalable(found: ResponsePart, what: str, remedy: str) -> Refused:
    return Refused(f"{found.call.where} {what}; {remedy}")


# Detect a deployment in progress and the time of its start, for every deployment controller.
#
# A change of the desired count starts no deployment. A failed rollout is over: it starts no more tasks.


def deployment_since(service: ResponsePart) -> float | None:
    """The creation time of the deployment in progress, in wall-clock seconds; None if there is none.

    It is the time of the newest part of the rollout: the rule `deployment` is limited in time, and the replaced part
    may be months old.
    """
    in_progress = _rollouts(service) if _controller(service) == "ECS" else _task_sets(service)
    return max((one.moment("createdAt") for one in in_progress), default=None)


def _controller(service: ResponsePart) -> str:
    if not service.has("deploymentController"):
        return "ECS"
    return service.part("deploymentController").word_or("type", "ECS")


def _rollouts(service: ResponsePart) -> list[ResponsePart]:
    """The ECS controller's deployments, if one is in progress.

    It may be rolling, blue/green, linear or canary; the last three list both revisions until the old one is gone. A
    missing rolloutState is normal: services behind a Classic Load Balancer have none.
    """
    alive = [one for one in service.parts("deployments") if _is_alive(one)]
    rolling = any(one.word("status") == "PRIMARY" and _rollout_state(one) == "IN_PROGRESS" for one in alive)
    return alive if rolling or len(alive) > 1 else []


def _is_alive(deployment: ResponsePart) -> bool:
    return deployment.word("status") != "INACTIVE" and _rollout_state(deployment) != "FAILED"


def _rollout_state(deployment: ResponsePart) -> str:
    return deployment.word_or("rolloutState", "COMPLETED")


def _task_sets(service: ResponsePart) -> list[ResponsePart]:
    """The task sets of CodeDeploy or an external controller, if a deployment is in progress.

    Until the traffic has moved, the new set is ACTIVE and the old one PRIMARY. A single task set also stabilizes after
    each change of the count; its creation time is old then, so it counts as an old deployment.
    """
    sets = list(service.parts_if_any("taskSets"))
    return sets if len(sets) > 1 or any(_is_stabilizing(one) for one in sets) else []


def _is_stabilizing(task_set: ResponsePart) -> bool:
    serving = task_set.word("status") in {"PRIMARY", "ACTIVE"}
    return serving and task_set.word_or("stabilityStatus", "STEADY_STATE") == "STABILIZING"


# Detect problems with starting tasks in the service events of ECS: sentences for people, matched loosely.
#
# The wording is not part of the ECS API. Therefore an event can only prevent a scale-out, and an unreadable event is
# ignored.

MOST_TEXT = 200
MOST_READ = 2000
"""Maximum number of characters that are read of one event. ECS writes a few hundred; ten million would block all polls
for a second.
"""


def newest_first(service: ResponsePart) -> list[tuple[str, float]]:
    """Return the readable events, newest first: text without the service's name, and seconds since the epoch."""
    return sorted(events_in(service), key=lambda event: -event[1])


def trouble_in(
    events: Sequence[tuple[str, float]], now: Instant, instant: Callable[[float], Instant]
) -> Trouble | None:
    """Return the newest event about tasks that do not start, unless the service has reached a steady state since.
    `events`: newest first. Those before the steady state are not searched, and usually it is one of the newest.
    """
    refusing, steady_s = list[tuple[str, float]](), -inf
    for text, at_s in events:
        if STEADY.search(text):
            steady_s = at_s
            break
        if REFUSAL.search(text):
            refusing.append((text, at_s))
    since = [each for each in refusing if each[1] > steady_s][:MOST_CLASSIFIED]
    text, at_s = next((each for each in since if is_problem(each[0])), ("", 0.0))
    at = instant(at_s)
    return Trouble(clean(text, MOST_TEXT), at) if text and now - at < FRESH_S else None


MOST_CLASSIFIED = 20
"""The number of events that refuse something and are classified at a poll, the newest first. Each takes 0.2 ms of
the event loop; an ordinary event, such as a start, takes 3 us.
"""


def events_in(service: ResponsePart) -> Iterator[tuple[str, float]]:
    """Yield text, without the service's name, and wall-clock time of each readable event."""
    events = service.body.get("events")
    for event in events if isinstance(events, list) else []:
        if isinstance(event, dict):
            one = ResponsePart(service.call, event)
            try:
                yield _PREFIX.sub("", one.word("message")[:MOST_READ], count=1), one.moment("createdAt")
            except Unreadable:
                continue


_PREFIX = re.compile(r"\(service [^)]{0,300}\)|service \([^)]{0,300}\)")  # a name may contain any of the words below


def rebalancing_in(
    service: ResponsePart, events: Sequence[tuple[str, float]], now: Instant, instant: Callable[[float], Instant]
) -> ZoneRebalancing:
    """Return the setting of Availability Zone rebalancing, and the newest event of one in progress."""
    is_enabled = {"ENABLED": True, "DISABLED": False}.get(str(service.body.get("availabilityZoneRebalancing")))
    each = (ServiceEvent(instant(at_s), text) for text, at_s in events)
    return ZoneRebalancing(is_enabled, rebalancing_since(takewhile(lambda one: now - one.at < REBALANCING_S, each)))
