"""Count the tasks of a service that are protected from scale-in. If the state of any task is unknown, there is no
count.

A scale-in to fewer tasks than the protected ones cannot complete, and it prevents other busy tasks from protecting
themselves.
"""

from __future__ import annotations

from autoscaler.aws.answers import ResponsePart
from autoscaler.aws.apis import GET_TASK_PROTECTION, LIST_TASKS
from autoscaler.aws.batches import batches
from autoscaler.aws.caller import Caller, within
from autoscaler.aws.clocks import Clocks
from autoscaler.aws.faults import clean
from autoscaler.aws.names import service_subject, short_name
from autoscaler.errors import Unavailable
from autoscaler.ports import ServiceRef

PAGE = 100
"""The largest page of ListTasks and the largest input of GetTaskProtection."""

MOST_PAGES = 100
"""10,000 tasks: twice the maximum of an ECS service, as during a blue/green deployment."""

WHOLE_S = 10.0
"""The limit for all calls together: 5,000 tasks are 100 calls, which take 2 s at 20 ms each, and 5 s for rate-limit
tokens at a quarter of AWS's rates.
"""


async def protected_tasks(caller: Caller, clocks: Clocks, service: ServiceRef) -> int:
    """Return the number of protected tasks with desired status RUNNING. Raises `AutoscalerError` if a task's state is
    unknown.
    """
    async with within(WHOLE_S, service_subject(service), "reading its tasks' protection"):
        tasks = await _tasks(caller, service)
        return sum([await _protected(caller, clocks, service, batch) for batch in batches(tasks, PAGE)])


async def _tasks(caller: Caller, service: ServiceRef) -> list[str]:
    """The ARNs of the tasks with desired status RUNNING, each once."""
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
    raise Unavailable(f"{service_subject(service)}: the ECS list of its tasks has more than {MOST_PAGES} pages")


async def _protected(caller: Caller, clocks: Clocks, service: ServiceRef, tasks: list[str]) -> int:
    answer = await caller.ask(
        GET_TASK_PROTECTION, service_subject(service), service.place, cluster=service.cluster, tasks=tasks
    )
    protection = {short_name(one.word("taskArn")): one for one in answer.parts("protectedTasks")}
    unknown = {short_name(task) for task in tasks} - protection.keys() - _stopped(answer)
    if unknown:
        raise Unavailable(f"{answer.call.where}: ECS did not return the protection of {len(unknown)} tasks")
    return sum(_is_protected(one, clocks.wall()) for one in protection.values())


def _stopped(answer: ResponsePart) -> set[str]:
    """The tasks that stopped since they were listed. Raises `Unavailable` for any other failure."""
    for failure in answer.parts_if_any("failures"):
        if failure.word_or("reason", "no reason given") != "TASK_NOT_VALID":
            raise _failed(failure)
    return {short_name(failure.word("arn")) for failure in answer.parts_if_any("failures")}


def _failed(failure: ResponsePart) -> Unavailable:
    task = clean(short_name(failure.word_or("arn", "a task")), 40)
    reason, detail = clean(failure.word_or("reason", "no reason given")), clean(failure.word_or("detail", ""))
    return Unavailable(
        f"{failure.call.where}: ECS did not return the protection of {task}"
        f" ({reason}{': ' + detail if detail else ''}); it is tried again"
    )


def _is_protected(task: ResponsePart, wall_s: float) -> bool:
    """Protection without an expiration date is valid. It ends exactly at its expiration date."""
    if not task.flag("protectionEnabled"):
        return False
    return not task.has("expirationDate") or task.moment("expirationDate") > wall_s
