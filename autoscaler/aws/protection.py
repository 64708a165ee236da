"""How many tasks of a service are protected from scale-in: every task is accounted for, or there is no count.

A scale-in to fewer tasks than are protected cannot be finished, and keeps busy tasks from protecting themselves.
"""

from __future__ import annotations

from autoscaler.aws.answers import Answer
from autoscaler.aws.apis import GET_TASK_PROTECTION, LIST_TASKS
from autoscaler.aws.batches import batches
from autoscaler.aws.caller import Caller, within
from autoscaler.aws.clocks import Clocks
from autoscaler.aws.faults import clean
from autoscaler.aws.names import service_subject, short_name
from autoscaler.errors import Unavailable
from autoscaler.ports import ServiceRef

PAGE = 100
"""The most that ListTasks gives and GetTaskProtection takes."""

MOST_PAGES = 100
"""10,000 tasks: twice what ECS lets a service have, as during a blue/green deployment."""

WHOLE_S = 10.0
"""For all the calls together: 5,000 tasks are 100 calls, 2 s of them at 20 ms each, and 5 s of turns at a quarter of
AWS's rates.
"""


async def protected_tasks(caller: Caller, clocks: Clocks, service: ServiceRef) -> int:
    """The tasks that should run and are protected now. Raises `AutoscalerError` where one of them is unknown."""
    async with within(WHOLE_S, service_subject(service), "reading its tasks' protection"):
        tasks = await _tasks(caller, service)
        return sum([await _protected(caller, clocks, service, batch) for batch in batches(tasks, PAGE)])


async def _tasks(caller: Caller, service: ServiceRef) -> list[str]:
    """The ARNs of the tasks that should run, each once."""
    tasks: list[str] = []
    more: dict[str, object] = {}
    for _ in range(MOST_PAGES):
        answer = await caller.ask(
            LIST_TASKS,
            service_subject(service),
            service.place,
            cluster=service.cluster,
            serviceName=short_name(service.service),
            desiredStatus="RUNNING",
            maxResults=PAGE,
            **more,
        )
        tasks += answer.words("taskArns")
        if not answer.has("nextToken"):
            return list(dict.fromkeys(tasks))
        more = {"nextToken": answer.word("nextToken")}
    raise Unavailable(f"{service_subject(service)}: ECS's list of its tasks does not end after {MOST_PAGES} pages")


async def _protected(caller: Caller, clocks: Clocks, service: ServiceRef, tasks: list[str]) -> int:
    answer = await caller.ask(
        GET_TASK_PROTECTION, service_subject(service), service.place, cluster=service.cluster, tasks=tasks
    )
    protection = {short_name(one.word("taskArn")): one for one in answer.parts("protectedTasks")}
    unknown = {short_name(task) for task in tasks} - protection.keys() - _stopped(answer)
    if unknown:
        raise Unavailable(f"{answer.call.where}: ECS did not say of {len(unknown)} tasks whether they are protected")
    return sum(_is_protected(one, clocks.wall()) for one in protection.values())


def _stopped(answer: Answer) -> set[str]:
    """The tasks that stopped since they were listed. Raises `Unavailable` for those that ECS failed to tell about."""
    for failure in answer.parts_if_any("failures"):
        if failure.word_or("reason", "no reason given") != "TASK_NOT_VALID":
            raise _failed(failure)
    return {short_name(failure.word("arn")) for failure in answer.parts_if_any("failures")}


def _failed(failure: Answer) -> Unavailable:
    task = clean(short_name(failure.word_or("arn", "a task")), 40)
    reason, detail = clean(failure.word_or("reason", "no reason given")), clean(failure.word_or("detail", ""))
    return Unavailable(
        f"{failure.call.where}: ECS did not say whether {task} is protected"
        f" ({reason}{': ' + detail if detail else ''}); it is tried again"
    )


def _is_protected(task: Answer, wall_s: float) -> bool:
    """Protection without an expiration is protection; from the moment on at which it expires it is none."""
    if not task.flag("protectionEnabled"):
        return False
    return not task.has("expirationDate") or task.moment("expirationDate") > wall_s
