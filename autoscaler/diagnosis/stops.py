"""Why a task stopped: the cause, and the container to blame, from the codes and texts of DescribeTasks. Pure.

ECS gives no time at which a container ended, so the order of their ends is not known. When an essential container ends,
ECS ends the others: they then have an exit code of a signal, or 0. So an error of its own counts more than a signal.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from autoscaler.diagnosis.classifying import classify
from autoscaler.diagnosis.table import UNKNOWN, Failure, FailureClass, failures


class StoppedContainer(NamedTuple):
    """`exit_code` None: it never ran, or ended with its host. `reason`: empty if ECS gives none."""

    name: str
    exit_code: int | None
    reason: str
    unhealthy: bool = False


class StoppedTask(NamedTuple):
    """A task that ECS has stopped. Times are in seconds, `at` since the epoch.

    `ran_s`: from the start of its containers to their end (None: they never started). `waited_s`: from the request to
    the end. `definition`: family and revision. `code`: stopCode, empty if ECS gives none.
    """

    at: float
    ran_s: float | None
    waited_s: float
    code: str
    reason: str
    definition: str
    containers: tuple[StoppedContainer, ...] = ()


class Cause(NamedTuple):
    """`container`: the name of the one whose end is the cause, or the names if it may be one of several (empty: none).
    `exit_code`: of that container, if it has one. `text`: what ECS says about it.
    """

    row: Failure
    container: str = ""
    exit_code: int | None = None
    text: str = ""


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


def cause_of(task: StoppedTask) -> Cause:
    """Return the cause. Its row is `UNKNOWN` if no text is in the table."""
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
    found = [*_of_containers(task, row), Cause(row)]
    best = min(found, key=_weight)
    tied = [one for one in found if _weight(one) == _weight(best) and one.container]
    names, codes = dict.fromkeys(one.container for one in tied), {one.exit_code for one in tied}
    return Cause(best.row, ", ".join(names), codes.pop() if len(codes) == 1 else None, text)


def _of_containers(task: StoppedTask, row: Failure) -> Iterator[Cause]:
    for one in task.containers:
        if one.exit_code == 0 and not one.reason:
            if row.name == ESSENTIAL:
                yield Cause(row, one.name, 0)
        elif one.exit_code is not None or one.reason:
            plain = one.exit_code is not None and one.exit_code <= LARGEST_EXIT_CODE
            code = f"exit code {one.exit_code}" if plain else "" if one.exit_code is None else "exited"
            yield Cause(classify(f"{one.reason} {code}"), one.name, one.exit_code)


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
