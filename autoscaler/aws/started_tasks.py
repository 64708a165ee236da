"""Read the start-up times of a service's running tasks. Each start is read once; the calls only read."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from autoscaler.aws.answers import ResponsePart
from autoscaler.aws.caller import Caller, within
from autoscaler.aws.calls import DESCRIBE_TASKS, LIST_TASKS
from autoscaler.aws.faults import clean, missing
from autoscaler.aws.names import service_subject, short_name
from autoscaler.core.model import Missing
from autoscaler.core.start_phases import StartedTask, task_number
from autoscaler.errors import AutoscalerError, Unreadable
from autoscaler.ports import ServiceRef, StartReading, Urgency

PAGE = 100
"""The largest page of ListTasks, and the most tasks of one DescribeTasks."""

MOST_PAGES, ENOUGH = 5, 20
"""Further pages are listed until this many tasks are new: most services need one. The order of ListTasks is not
documented, so the new tasks of a large service can be on any page.
"""

WHOLE_S = 30.0
"""The limit for all calls together. They have the lowest priority, and wait for rate-limit tokens."""

HEALTH = {"HEALTHY": True, "UNHEALTHY": False}


class EcsStarts:
    """The `StartPort` over ECS."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def started(self, service: ServiceRef, known: AbstractSet[int]) -> StartReading | Missing:
        """Return the tasks that have started and are not `known`. Never raises `AutoscalerError`."""
        try:
            async with within(WHOLE_S, service_subject(service), "reading its tasks' start-up times"):
                arns = await self._listed(service, known)
                new = [arn for arn in arns if _number(arn) not in known][:PAGE]
                found = await self._described(service, new) if new else _Described()  # ECS rejects an empty list
        except AutoscalerError as fault:
            return missing(fault)
        running, unusable = frozenset(map(_number, arns)), frozenset(found.unusable)
        return StartReading(tuple(found.started), running, found.dropped, unusable)

    async def _listed(self, service: ServiceRef, known: AbstractSet[int]) -> list[str]:
        arns: list[str] = []
        more: dict[str, object] = {}
        for _ in range(MOST_PAGES):
            answer = await self._caller.ask(
                LIST_TASKS,
                service_subject(service),
                service.place,
                Urgency.BACKGROUND,
                cluster=service.cluster,
                serviceName=short_name(service.service),
                desiredStatus="RUNNING",
                maxResults=PAGE,
                **more,
            )
            arns += answer.words("taskArns")
            if not answer.has("nextToken") or sum(_number(arn) not in known for arn in arns) >= ENOUGH:
                break
            more = {"nextToken": answer.word("nextToken")}
        return list(dict.fromkeys(arns))

    async def _described(self, service: ServiceRef, arns: list[str]) -> _Described:
        answer = await self._caller.ask(
            DESCRIBE_TASKS,
            service_subject(service),
            service.place,
            Urgency.BACKGROUND,
            cluster=service.cluster,
            tasks=arns,
        )
        found = _Described()
        for one in answer.parts("tasks"):
            found.add(one)
        return found


class _Described:
    """The tasks that have started, and those whose times cannot be used: a time is missing or malformed, or contradicts
    another. `unusable`: their numbers; one whose ARN is missing has none, and is counted only.
    """

    def __init__(self) -> None:
        self.started: list[StartedTask] = []
        self.dropped = 0
        self.unusable: list[int] = []

    def add(self, one: ResponsePart) -> None:
        if not one.has("startedAt"):
            return
        try:
            task = _started(one)
        except Unreadable:
            task = None
        if task is not None and task.is_consistent:
            self.started.append(task)
            return
        self.dropped += 1
        arn = one.body.get("taskArn")
        self.unusable += [_number(arn)] if isinstance(arn, str) else []


def _number(arn: str) -> int:
    return task_number(short_name(arn))


def _started(found: ResponsePart) -> StartedTask:
    """Return a task that has started. Raises `Unreadable` if a time that every start has is missing."""
    return StartedTask(
        _number(found.word("taskArn")),
        clean(short_name(found.word("taskDefinitionArn"))),
        found.moment("createdAt"),
        found.moment("startedAt"),
        _moment(found, "pullStartedAt"),
        _moment(found, "pullStoppedAt"),
        HEALTH.get(found.word_or("healthStatus", "UNKNOWN")),
    )


def _moment(found: ResponsePart, name: str) -> float | None:
    return found.moment(name) if found.has(name) else None
