"""Readings of a service's tasks: their scale-in protection, and the time that ECS gives a container to stop."""

from __future__ import annotations

import asyncio
import re
from typing import NamedTuple

from autoscaler.aws.answers import ResponsePart
from autoscaler.aws.batching import batches
from autoscaler.aws.caller import Caller, within
from autoscaler.aws.calls import DESCRIBE_TASK_DEFINITION, GET_TASK_PROTECTION, LIST_TASKS
from autoscaler.aws.clients import Clocks
from autoscaler.aws.faults import clean
from autoscaler.aws.names import service_subject, short_name
from autoscaler.core.model import Instant, StopTimeout
from autoscaler.core.workers import STOP_TIMEOUT_S
from autoscaler.errors import Denied, Unavailable, Unreadable
from autoscaler.ports import Place, ServiceRef, Urgency
from autoscaler.pricing import FREE_STORAGE_GB, Architecture, TaskSize

# Count the tasks of a service that are protected from scale-in. If the state of any task is unknown, there is no
# count.
#
# A scale-in to fewer tasks than the protected ones cannot complete, and it prevents other busy tasks from protecting
# themselves.

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


# The time that ECS gives a service's tasks to stop: the stopTimeout in their task definitions.
#
# A registered task definition never changes, so each one is read once and cached for the lifetime of the process.

MOST_CACHED = 20_000
"""Maximum number of cached task definitions, about 200 bytes each: twice the number of services in the largest
benchmark. The least recently used one is removed first.
"""

DENIED = f"{DESCRIBE_TASK_DEFINITION.name} was denied less than 5 minutes ago; {DESCRIBE_TASK_DEFINITION.grant}"

DENIED_S = 300.0
"""IAM grants the permission for all task definitions or for none: after a denial none is read in that place for 5
minutes.
"""


FAMILY_S = 300.0
"""Seconds for which the newest revision of a family is cached: services of one family share it."""


class ReadDefinition(NamedTuple):
    """What was read of a task definition. The size is needed for prices only, so its error is a value."""

    stop: StopTimeout
    size: TaskSize | Unreadable


class TaskDefinitions:
    """Task definitions by their ARN and the place that reads them: each is read once, also for two concurrent calls."""

    def __init__(self, caller: Caller, clocks: Clocks) -> None:
        self._caller = caller
        self._clocks = clocks
        self._cached: dict[tuple[Place, str], ReadDefinition] = {}
        self._locks: dict[tuple[Place, str], asyncio.Lock] = {}
        self._denied_until: dict[Place, Instant] = {}
        self._newest: dict[tuple[Place, str], tuple[Instant, str]] = {}

    async def stop_timeout(self, service: ServiceRef, task_definition: str) -> StopTimeout:
        """The shortest of the essential containers. Raises `AutoscalerError`; a denial is repeated for `DENIED_S`."""
        return (await self._of(service, task_definition)).stop

    async def size(self, service: ServiceRef, task_definition: str) -> TaskSize:
        """The size of a task. Raises as `stop_timeout` does, and `Unreadable` if the task has no size of its own."""
        found = (await self._of(service, task_definition)).size
        if isinstance(found, Unreadable):
            raise found
        return found

    async def newest(self, service: ServiceRef, task_definition: str) -> str:
        """The newest ACTIVE revision of the family, which ECS returns for the family's name, such as `web:9`. Raises as
        `stop_timeout` does.
        """
        family = short_name(task_definition).partition(":")[0]
        key = service.place, family
        read_at, known = self._newest.pop(key, (float("-inf"), ""))
        if self._clocks.now() - read_at >= FAMILY_S:
            definition = await self._permitted(service, family)
            read_at, known = self._clocks.now(), f"{definition.word('family')}:{definition.count('revision')}"
        self._newest[key] = read_at, known
        if len(self._newest) > MOST_CACHED:
            del self._newest[next(iter(self._newest))]
        return known

    async def _of(self, service: ServiceRef, task_definition: str) -> ReadDefinition:
        key = service.place, task_definition
        lock = self._locks.setdefault(key, asyncio.Lock())
        try:
            async with lock:
                found = self._cached.pop(key, None) or await self._read(service, task_definition)
                self._cached[key] = found
        finally:
            self._locks.pop(key, None)
        if len(self._cached) > MOST_CACHED:
            del self._cached[next(iter(self._cached))]
        return found

    async def _permitted(self, service: ServiceRef, task_definition: str) -> ResponsePart:
        place = service.place
        if self._clocks.now() < self._denied_until.get(place, float("-inf")):
            raise Denied(f"{service_subject(service)}: {DENIED}")
        try:
            return await self._ask(service, task_definition)
        except Denied:
            self._denied_until[place] = self._clocks.now() + DENIED_S
            raise

    async def _ask(self, service: ServiceRef, task_definition: str) -> ResponsePart:
        answer = await self._caller.ask(
            DESCRIBE_TASK_DEFINITION,
            service_subject(service),
            service.place,
            Urgency.BACKGROUND,
            taskDefinition=task_definition,
        )
        return answer.part("taskDefinition")

    async def _read(self, service: ServiceRef, task_definition: str) -> ReadDefinition:
        definition = await self._permitted(service, task_definition)
        size: TaskSize | Unreadable
        try:
            size = task_size_in(definition, service.region or self._caller.region())
        except Unreadable as error:
            size = error
        return ReadDefinition(stop_timeout_in(definition), size)


def stop_timeout_in(definition: ResponsePart) -> StopTimeout:
    """The shortest stopTimeout of the essential containers: when one of them has ended, ECS stops all.

    Raises `Unreadable` if there is no container, or a stopTimeout is not a number of seconds.
    """
    containers = definition.parts("containerDefinitions")
    # a container is essential if the definition does not specify it
    essential = [one for one in containers if not one.has("essential") or one.flag("essential")]
    stops = [StopTimeout(_seconds(one), clean(one.word("name"), 255)) for one in essential or containers]
    if not stops:
        raise definition.unreadable("containerDefinitions", "at least one container", None)
    return min(stops, key=lambda stop: stop.seconds)


def _seconds(container: ResponsePart) -> float:
    return float(container.count("stopTimeout")) if container.has("stopTimeout") else STOP_TIMEOUT_S


# The size of a task, for its price: what the task definition reserves. Fargate requires both values of the task; a
# definition for EC2 may have only those of its containers, and then the size is unknown.

CPU_UNITS, MIB = 1024.0, 1024.0
"""CPU units of a vCPU, and MiB of a GB."""

ARM_64 = "ARM64"
WINDOWS = "WINDOWS"


def task_size_in(definition: ResponsePart, region: str) -> TaskSize:
    """Return the size. Raises `Unreadable` if the task has no CPU or memory of its own."""
    platform = definition.part("runtimePlatform") if definition.has("runtimePlatform") else None
    architecture = "" if platform is None else platform.word_or("cpuArchitecture", "")
    system = "" if platform is None else platform.word_or("operatingSystemFamily", "")
    storage = definition.part("ephemeralStorage") if definition.has("ephemeralStorage") else None
    return TaskSize(
        region,
        _units(definition, "cpu") / CPU_UNITS,
        _units(definition, "memory") / MIB,
        Architecture.ARM if architecture == ARM_64 else Architecture.X86,
        windows=system.startswith(WINDOWS),
        storage_gb=FREE_STORAGE_GB if storage is None else float(storage.count("sizeInGiB")),
    )


_UNITS = re.compile(r"[1-9]\d{0,8}", re.ASCII)


def _units(definition: ResponsePart, name: str) -> float:
    """Return CPU units or MiB. ECS converts other notations (`1 vCPU`, `2GB`) when a definition is registered."""
    text = definition.word_or(name, "")
    if not _UNITS.fullmatch(text):
        raise definition.unreadable(name, "the size of the task as a number", text or None)
    return float(text)


def providers_in(service: ResponsePart) -> dict[str, float]:
    """Return the service's capacity providers with their weights, or its launch type; empty if ECS returned neither."""
    strategy = service.parts_if_any("capacityProviderStrategy")
    if strategy:
        return {
            one.word("capacityProvider"): float(one.count("weight") if one.has("weight") else 0) for one in strategy
        }
    return {service.word("launchType"): 1.0} if service.has("launchType") else {}
