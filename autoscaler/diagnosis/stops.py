"""Why a task stopped: the cause, and the container to blame, from the codes and texts of DescribeTasks. Pure.

ECS gives no time at which a container ended, so the order of their ends is not known. When an essential container ends,
ECS ends the others: they then have an exit code of a signal, or 0. So an error of its own counts more than a signal.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from autoscaler.diagnosis.classifying import classify
from autoscaler.diagnosis.definitions import STOP_TIMEOUT_S, TaskDefinition
from autoscaler.diagnosis.table import UNKNOWN, Failure, FailureClass, failures


class StoppedContainer(NamedTuple):
    """`exit_code` None: it never ran, or ended with its host. `reason`: empty if ECS gives none. `runtime_id`: of the
    container runtime.
    """

    name: str
    exit_code: int | None
    reason: str
    unhealthy: bool = False
    runtime_id: str = ""


class StoppedTask(NamedTuple):
    """A task that ECS has stopped. Times are in seconds, `at` since the epoch.

    `ran_s`: from the start of its containers to their end (None: they never started). `waited_s`: from the request to
    the end. `definition`: family and revision. `code`: stopCode, empty if ECS gives none. `name`: its ID.
    `stopping_s`: from the beginning of its stop to the end of all containers (None: not known).
    """

    at: float
    ran_s: float | None
    waited_s: float
    code: str
    reason: str
    definition: str
    containers: tuple[StoppedContainer, ...] = ()
    name: str = ""
    stopping_s: float | None = None


class Cause(NamedTuple):
    """`container`: the name of the one whose end is the cause, or the names if it may be one of several (empty: none).
    `exit_code`: of that container, if it has one. `text`: what ECS says about it. `role`: the container in words, with
    its part in the task. `memory_mib`: its limit, if the memory is the cause.
    """

    row: Failure
    container: str = ""
    exit_code: int | None = None
    text: str = ""
    role: str = ""
    memory_mib: int | None = None


BY_OTHERS = frozenset({"SpotInterruption", "UserInitiated", "InfrastructureHealth"})
"""Values of stopCode that are the cause, whatever the texts say: those of UserInitiated are the words of a user."""

BY_SCHEDULER = "ServiceSchedulerInitiated"

EXPECTED = frozenset({"spot_interruption", "retirement", "rebalancing", "scaling", "by_a_user"})
"""Normal stops of a whole task. The exit codes of its containers are a consequence."""

ESSENTIAL = "essential_container_exited"
GENERAL = frozenset({ESSENTIAL, "failed_to_start"})
"""Causes that say only at which step the task ended. A more precise one comes first."""

LARGEST_EXIT_CODE = 255
"""Of Linux. Windows has larger ones: `classify` would read 1370 as 137."""


UNASKED_KILL = "exit code 137 without a request to stop"
"""The text of a container that got SIGKILL, and not from ECS."""

OF_MEMORY = frozenset({"out_of_memory", "out_of_memory_likely"})


def cause_of(task: StoppedTask, definition: TaskDefinition | None = None) -> Cause:
    """Return the cause. Its row is `UNKNOWN` if no text is in the table. `definition`: of the task (None: not known,
    so that every container may be the essential one that ended).
    """
    texts = dict.fromkeys([task.reason, *(one.reason for one in task.containers)])
    text = " / ".join(one for one in texts if one) or task.code
    if task.code in BY_OTHERS:
        return Cause(classify(task.code), text=text)
    row = classify(task.reason)
    if row is UNKNOWN:
        row = classify(task.code)
    if task.code == BY_SCHEDULER or row.name in EXPECTED:
        unhealthy = [one.name for one in task.containers if one.unhealthy and row.name == "health_check"]
        return Cause(row, ", ".join(unhealthy), text=text)
    found = [*_of_containers(task, row, definition), Cause(row)]
    best = min(found, key=_weight)
    tied = [one for one in found if _weight(one) == _weight(best) and one.container]
    names, codes = dict.fromkeys(one.container for one in tied), {one.exit_code for one in tied}
    cause = Cause(best.row, ", ".join(names), codes.pop() if len(codes) == 1 else None, text)
    return cause if definition is None else _with_definition(cause, task, definition)


def _with_definition(cause: Cause, task: StoppedTask, definition: TaskDefinition) -> Cause:
    """Name the only container whose end can have stopped the task, the part of the container, and its memory."""
    ran = [one for one in task.containers if one.exit_code is not None and _is_essential(one.name, definition)]
    if cause.row.name == ESSENTIAL and not cause.container and len(ran) == 1:
        cause = cause._replace(container=ran[0].name, exit_code=ran[0].exit_code)
    found = definition.of(cause.container)
    if found is None:
        return cause
    memory_mib = definition.memory_of(cause.container) if cause.row.name in OF_MEMORY else None
    role = f"container {cause.container}"
    if len(definition.containers) > 1:
        role = f"the {'essential' if found.is_essential else 'non-essential'} {role}"
    if definition.program not in {"", cause.container}:
        role += ", not the container with your program"
    return cause._replace(role=role, memory_mib=memory_mib)


def _is_essential(container: str, definition: TaskDefinition | None) -> bool:
    """Whether the end of the container ends the task. It is assumed if it is not known."""
    found = None if definition is None else definition.of(container)
    return found is None or found.is_essential


def _of_containers(task: StoppedTask, row: Failure, definition: TaskDefinition | None) -> Iterator[Cause]:
    never_ran = {one.name for one in task.containers if one.exit_code is None}
    for one in task.containers:
        if row.name == ESSENTIAL and not _can_end_the_task(one, task, definition, never_ran):
            continue
        if one.exit_code == 0 and not one.reason:
            if row.name == ESSENTIAL:
                yield Cause(row, one.name, 0)
        elif one.exit_code is not None or one.reason:
            yield Cause(classify(f"{one.reason} {_code_in_words(one, task, definition)}"), one.name, one.exit_code)


def _can_end_the_task(
    one: StoppedContainer, task: StoppedTask, definition: TaskDefinition | None, never_ran: set[str]
) -> bool:
    """Whether the end of this container can be why an essential container ended. Another container that waited for it
    never starts if it ends with an error. What ECS killed only after stopTimeout did not end first.
    """
    if definition is None:
        return True
    if not _is_essential(one.name, definition):
        return one.exit_code != 0 and bool(never_ran.intersection(definition.needed_by(one.name)))
    others = [each for each in task.containers if each.exit_code is not None and each.name != one.name]
    is_alone = not any(_is_essential(each.name, definition) for each in others)
    return is_alone or not (one.exit_code == SIGKILL and _stopped_by_ecs(one, task, definition))


def _code_in_words(one: StoppedContainer, task: StoppedTask, definition: TaskDefinition | None) -> str:
    if one.exit_code is None:
        return ""
    if one.exit_code == SIGKILL and not one.reason and not _may_be_killed_by_ecs(one, task, definition):
        return UNASKED_KILL
    return f"exit code {one.exit_code}" if one.exit_code <= LARGEST_EXIT_CODE else "exited"


SIGKILL = 137


def _may_be_killed_by_ecs(one: StoppedContainer, task: StoppedTask, definition: TaskDefinition | None) -> bool:
    """Whether ECS may have sent SIGKILL: it does that only `stopTimeout` after it began to stop the task. So a task
    whose containers all ended sooner was not killed by ECS.
    """
    return task.stopping_s is None or _stopped_by_ecs(one, task, definition)


def _stopped_by_ecs(one: StoppedContainer, task: StoppedTask, definition: TaskDefinition | None) -> bool:
    found = None if definition is None else definition.of(one.name)
    timeout_s = STOP_TIMEOUT_S if found is None else found.stop_timeout_s
    return task.stopping_s is not None and task.stopping_s >= timeout_s - MARGIN_S


MARGIN_S = 2.0
"""ECS's times are rounded, and the containers' runtime needs some time."""


def _weight(cause: Cause) -> tuple[int, int]:
    """Return the order of causes of one task; the least is the cause. Of equal ones it is the first of the table."""
    return _rank(cause), 0 if cause.row is UNKNOWN else failures().index(cause.row)


def _rank(cause: Cause) -> int:
    if cause.row is UNKNOWN:
        return 6
    if cause.row.kind is FailureClass.NORMAL:
        return 5  # ended by a signal that ECS sends to the others
    if cause.row.name in GENERAL:
        return 4
    return {"killed": 3, "exited": 2}.get(cause.row.name, 1)
