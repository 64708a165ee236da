"""Read a service as ECS shows it, and its stopped tasks, for `diagnose`. Every call only reads.

Texts of ECS are cleaned here: one printable line without anything that resembles a credential.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from autoscaler.aws.answers import ResponsePart
from autoscaler.aws.caller import Caller
from autoscaler.aws.calls import DESCRIBE_SERVICES, DESCRIBE_TASKS, LIST_TASKS, Api, Holder
from autoscaler.aws.ecs import described, newest_first
from autoscaler.aws.faults import clean
from autoscaler.aws.names import service_subject, short_name
from autoscaler.aws.tasks import providers_in
from autoscaler.core.advice import split
from autoscaler.core.figures import several
from autoscaler.diagnosis.reports import NotSeen, Rollout, ServiceEvent, ServiceReport, StoppedTasks
from autoscaler.diagnosis.stops import StoppedContainer, StoppedTask
from autoscaler.errors import AutoscalerError, CredentialsRejected, Denied, NotFound, Unavailable, Unreadable
from autoscaler.ports import Place, ServiceRef, Urgency

PAGE = 100
"""The largest page of ListTasks, and the most tasks of one DescribeTasks."""

MOST_TASKS = 300
"""Stopped tasks that are read: six calls. A cause that stops more tasks in an hour is among them."""

MOST_OF_DAEMON = 30
"""Stopped tasks that the daemon describes, from all parts of the first page of the list: its order is not documented.
Parsing and classifying a hundred takes 100 ms of the event loop, thirty 30 ms. A cause repeats within ten tasks.
"""

WHOLE_S = 20.0
"""The limit for all calls about tasks together. What was read until then is used."""

MOST_REASON, MOST_NAME = 1_024, 255
"""Characters of a reason, as in ECS, and of a name."""


class TaskReader:
    """The calls of `holder`. A command has the credentials of the user who runs it, also for a service with a role; it
    reads up to `MOST_TASKS` stopped tasks, the daemon `MOST_OF_DAEMON`.
    """

    def __init__(self, caller: Caller, holder: Holder = Holder.COMMAND) -> None:
        self._caller = caller
        self._is_command = holder is Holder.COMMAND
        self._pages_read = MOST_TASKS // PAGE if self._is_command else 1

    async def examined(self, service: ServiceRef) -> tuple[ServiceReport | AutoscalerError, StoppedTasks]:
        """Return the service, or why it could not be read, and its stopped tasks."""
        read, stopped = await asyncio.gather(self._service_or_fault(service), self.stopped(service))
        return read, stopped

    async def _service_or_fault(self, service: ServiceRef) -> ServiceReport | AutoscalerError:
        try:
            return await self.service(service)
        except AutoscalerError as fault:
            return fault

    async def service(self, service: ServiceRef) -> ServiceReport:
        """Return the service. Raises `AutoscalerError`; `NotFound` if there is no such service."""
        answer = await self._ask(DESCRIBE_SERVICES, service, services=[service.service])
        found = described(answer, service)
        events = [ServiceEvent(at, clean(text, MOST_REASON)) for text, at in newest_first(found)]
        return ServiceReport(
            clean(found.word("status")),
            found.count("desiredCount"),
            found.count("runningCount"),
            found.count("pendingCount"),
            _definition(found, "taskDefinition"),
            tuple(events),
            tuple(map(_rollout, found.parts_if_any("deployments"))),
            _subnets(found),
            tuple(map(clean, providers_in(found))),
        )

    async def stopped(self, service: ServiceRef) -> StoppedTasks:
        """Return the stopped tasks of the service: ECS keeps them for about an hour. Never raises `AutoscalerError`."""
        pages: list[ResponsePart] = []
        fault: AutoscalerError | None = None
        left_off = False
        try:
            async with asyncio.timeout(WHOLE_S):
                left_off = await self._pages(service, pages)
        except TimeoutError:
            fault = Unavailable(f"{service_subject(service)}: reading its tasks took longer than {WHOLE_S:g} s")
        except AutoscalerError as error:
            fault = error
        found, unreadable = list[StoppedTask](), 0
        for task in _tasks(pages):
            try:
                one = stopped_in(task)
            except Unreadable:
                unreadable += 1
                continue
            if one is not None:
                found.append(one)
        return StoppedTasks(tuple(sorted(found, key=lambda one: -one.at)), fault, left_off, unreadable)

    async def _pages(self, service: ServiceRef, pages: list[ResponsePart]) -> bool:
        """Add the descriptions, page by page. Return whether there are tasks that were not read."""
        more: dict[str, object] = {}
        for _ in range(self._pages_read):
            listed = await self._ask(
                LIST_TASKS,
                service,
                serviceName=short_name(service.service),
                desiredStatus="STOPPED",
                maxResults=PAGE,
                **more,
            )
            arns = list(dict.fromkeys(listed.words("taskArns")))[:PAGE]
            chosen = arns if self._is_command else arns[:: -(-len(arns) // MOST_OF_DAEMON) or 1]
            if chosen:  # ECS rejects an empty list
                pages.append(await self._ask(DESCRIBE_TASKS, service, tasks=chosen))
            if not listed.has("nextToken"):
                return len(chosen) < len(arns)
            more = {"nextToken": listed.word("nextToken")}
        return True

    async def _ask(self, api: Api, service: ServiceRef, /, **parameters: object) -> ResponsePart:
        return await self._caller.ask(
            api.by_command() if self._is_command else api,
            service_subject(service),
            Place(service.region) if self._is_command else service.place,
            Urgency.BACKGROUND,
            cluster=service.cluster,
            **parameters,
        )


def _tasks(pages: list[ResponsePart]) -> Iterator[ResponsePart]:
    """Yield each task once. Entries that are no structures are left out."""
    seen = set[str]()
    for page in pages:
        tasks = page.body.get("tasks")
        for one in tasks if isinstance(tasks, list) else []:
            if isinstance(one, dict) and (arn := str(one.get("taskArn"))) not in seen:
                seen.add(arn)
                yield ResponsePart(page.call, one)


def stopped_in(task: ResponsePart) -> StoppedTask | None:
    """Return the task (None: it is still stopping, and its end is not known). Raises `Unreadable`.

    On Fargate, a task is STOPPED 10 to 30 s after its containers have ended. So they ran until `executionStoppedAt`.
    """
    at = _moment(task, "stoppedAt", "executionStoppedAt", "stoppingAt")
    if at is None:
        return None
    ended = _moment(task, "executionStoppedAt", "stoppedAt", "stoppingAt") or at
    started = _moment(task, "startedAt")
    requested = _moment(task, "createdAt", "startedAt") or at
    return StoppedTask(
        at,
        None if started is None else max(0.0, ended - started),
        max(0.0, ended - requested),
        _text(task, "stopCode", MOST_NAME),
        _text(task, "stoppedReason"),
        _definition(task, "taskDefinitionArn"),
        tuple(map(_container, task.parts_if_any("containers"))),
        short_name(_text(task, "taskArn")),
        _stopping_s(task),
    )


def _stopping_s(task: ResponsePart) -> float | None:
    began, ended = _moment(task, "stoppingAt"), _moment(task, "executionStoppedAt")
    return None if began is None or ended is None else max(0.0, ended - began)


def _container(found: ResponsePart) -> StoppedContainer:
    code = found.body.get("exitCode")
    if code is not None and (not isinstance(code, int) or isinstance(code, bool)):
        raise found.unreadable("exitCode", "a whole number", code)
    unhealthy = found.word_or("healthStatus", "") == "UNHEALTHY"
    name, runtime_id = _text(found, "name", MOST_NAME), _text(found, "runtimeId", MOST_NAME)
    return StoppedContainer(name, code, _text(found, "reason"), unhealthy, runtime_id)


def _subnets(service: ResponsePart) -> tuple[str, ...]:
    """Return the subnets of the service's tasks; empty if they do not use `awsvpc`."""
    network = service.part("networkConfiguration") if service.has("networkConfiguration") else service
    if not network.has("awsvpcConfiguration"):
        return ()
    vpc = network.part("awsvpcConfiguration")
    return vpc.words("subnets") if vpc.has("subnets") else ()


def _rollout(found: ResponsePart) -> Rollout:
    return Rollout(
        _text(found, "status", MOST_NAME),
        _text(found, "rolloutState", MOST_NAME),
        _text(found, "rolloutStateReason"),
        _definition(found, "taskDefinition"),
        found.moment("createdAt"),
        found.count("desiredCount"),
        found.count("runningCount"),
        found.count("failedTasks") if found.has("failedTasks") else 0,
    )


def _text(part: ResponsePart, name: str, most: int = MOST_REASON) -> str:
    """Return a text of ECS, cleaned; empty if it is absent or empty. Raises `Unreadable` if it is no text."""
    return clean(part.word(name), most) if part.body.get(name) else ""


def _definition(part: ResponsePart, name: str) -> str:
    return short_name(_text(part, name))


def _moment(part: ResponsePart, *names: str) -> float | None:
    """Return the first of the times that is present."""
    return next((part.moment(name) for name in names if part.has(name)), None)


# What could not be read.

POLICY = {
    Holder.COMMAND: "`autoscaler iam-policy --for diagnose` prints the policy",
    Holder.DAEMON: "`autoscaler iam-policy` prints the policy",
}


def not_seen(
    read: ServiceReport | AutoscalerError, stopped: StoppedTasks, holder: Holder = Holder.COMMAND
) -> Iterator[NotSeen]:
    """Yield each part that could not be read, with the permission that shows it and who needs it."""
    if isinstance(read, NotFound):
        return
    if isinstance(read, AutoscalerError):
        yield gap("events and deployments", read, DESCRIBE_SERVICES, holder=holder)
    if stopped.fault is not None:
        what = "some stopped tasks" if stopped.tasks else "stopped tasks"
        yield gap(what, stopped.fault, LIST_TASKS, DESCRIBE_TASKS, holder=holder)
    if stopped.left_off:
        yield NotSeen("some stopped tasks", f"more than {len(stopped.tasks)} tasks stopped", "none is needed", ())
    if stopped.unreadable:
        many = several(stopped.unreadable, "task")
        yield NotSeen(f"{many} of the stopped ones", "the response differs from AWS's documentation", "", ())


def gap(what: str, fault: AutoscalerError, *calls: Api, holder: Holder = Holder.COMMAND) -> NotSeen:
    """Return what could not be read, with the remedy. `calls`: those that read it; `holder`: who needs the rights."""
    rights = tuple(api.name for api in calls)
    why, remedy = split(str(fault))
    if isinstance(fault, Denied) and not isinstance(fault, CredentialsRejected):
        remedy = f"grant {holder} {', '.join(rights)} ({POLICY[holder]})"
    return NotSeen(what, why, remedy, rights)
