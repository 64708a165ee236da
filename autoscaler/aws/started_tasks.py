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
                tasks, dropped = await self._described(service, new) if new else ((), 0)  # ECS rejects an empty list
        except AutoscalerError as fault:
            return missing(fault)
        return StartReading(tasks, frozenset(map(_number, arns)), dropped)

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

    async def _described(self, service: ServiceRef, arns: list[str]) -> tuple[tuple[StartedTask, ...], int]:
        """Return the tasks that have started, and the number of those whose times cannot be used: a time is missing or
        malformed, or contradicts another.
        """
        answer = await self._caller.ask(
            DESCRIBE_TASKS,
            service_subject(service),
            service.place,
            Urgency.BACKGROUND,
            cluster=service.cluster,
            tasks=arns,
        )
        started, dropped = list[StartedTask](), 0
        for one in answer.parts("tasks"):
            try:
                task = _started(one) if one.has("startedAt") else None
            except Unreadable:
                dropped += 1
                continue
            if task is not None and task.is_consistent:
                started.append(task)
            else:
                dropped += task is not None
        return tuple(started), dropped


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
