"""Stopped tasks in groups with the same cause. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from types import MappingProxyType
from typing import NamedTuple

from autoscaler.core.figures import span
from autoscaler.diagnosis.definitions import TaskDefinition
from autoscaler.diagnosis.reports import ServiceReport, primary_of
from autoscaler.diagnosis.stops import Cause, StoppedTask, cause_of
from autoscaler.diagnosis.table import UNKNOWN, Failure, FailureClass

KEPT_S = 3600.0
"""ECS keeps a stopped task for at least an hour. Older ones are left out: the counts are always of the last hour."""

NONE: Mapping[str, TaskDefinition] = MappingProxyType({})

RECENT_S = 900.0
"""A group with a stop within this time comes before a larger one that is older."""


class StopGroup(NamedTuple):
    """Stopped tasks with the same stopCode, cause and container, newest first. `of`: all tasks that were read."""

    cause: Cause
    tasks: tuple[StoppedTask, ...]
    of: int

    @property
    def is_expected(self) -> bool:
        return self.cause.row.kind is FailureClass.NORMAL

    @property
    def share(self) -> str:
        """`11 of the last 12 tasks`."""
        count = len(self.tasks)
        if count < self.of:
            return f"{count} of the last {self.of} tasks"
        return "The last task" if count == 1 else f"All of the last {count} tasks"

    @property
    def ran_s(self) -> float | None:
        """The median time from the start to the end (None: most tasks of the group never started)."""
        ran = [one.ran_s for one in self.tasks if one.ran_s is not None]
        return median(ran) if 2 * len(ran) >= len(self.tasks) else None

    @property
    def waited_s(self) -> float:
        """The median time from the request to the end."""
        return median(one.waited_s for one in self.tasks)

    @property
    def how(self) -> str:
        if self.ran_s is None:
            return f"never started, {span(self.waited_s)} after the request"
        return f"stopped {span(self.ran_s)} after start"

    @property
    def what(self) -> str:
        """The meaning, with the container to blame. A text that is not known is quoted."""
        meaning = meaning_of(self.cause.row, self.cause.text)
        if not self.cause.container:
            return meaning
        code = "" if self.cause.exit_code is None else f", exit code {self.cause.exit_code}"
        memory = "" if self.cause.memory_mib is None else f", memory limit {self.cause.memory_mib} MiB"
        return f"{meaning} ({self.cause.role or f'container {self.cause.container}'}{code}{memory})"

    @property
    def exit_codes(self) -> dict[str, dict[int, int]]:
        """How many containers of each name ended with each exit code."""
        found: dict[str, dict[int, int]] = {}
        for container in (one for task in self.tasks for one in task.containers):
            if container.exit_code is not None:
                codes = found.setdefault(container.name, {})
                codes[container.exit_code] = codes.get(container.exit_code, 0) + 1
        return found

    @property
    def definitions(self) -> list[str]:
        return list(dict.fromkeys(one.definition for one in self.tasks if one.definition))


_VARIABLE = re.compile(r"[0-9a-f-]{8,}|\d+")
"""Parts of a text that differ from task to task: ids and numbers."""


def grouped(
    tasks: Sequence[StoppedTask], now: float, definitions: Mapping[str, TaskDefinition] = NONE
) -> tuple[StopGroup, ...]:
    """Return the groups: trouble before expected stops, new before old, large before small. `definitions`: those that
    are known, by family and revision.
    """
    return tuple(sorted(_groups(tasks, definitions), key=lambda one: _order(one, now)))


def _groups(tasks: Sequence[StoppedTask], definitions: Mapping[str, TaskDefinition]) -> Iterator[StopGroup]:
    found: dict[tuple[str, ...], list[tuple[Cause, StoppedTask]]] = {}
    for task in tasks:
        cause = cause_of(task, definitions.get(task.definition))
        text = _VARIABLE.sub("#", cause.text) if cause.row is UNKNOWN else ""
        found.setdefault((task.code, cause.row.name, cause.container, text), []).append((cause, task))
    for members in found.values():
        newest, _ = members[0]
        if any(cause.exit_code != newest.exit_code for cause, _ in members):
            newest = newest._replace(exit_code=None)
        yield StopGroup(newest, tuple(task for _, task in members), len(tasks))


def _order(group: StopGroup, now: float) -> tuple[bool, bool, int, float]:
    newest = group.tasks[0].at
    return group.is_expected, now - newest > RECENT_S, -len(group.tasks), -newest


def recent_groups(
    tasks: Sequence[StoppedTask], now: float, definitions: Mapping[str, TaskDefinition]
) -> tuple[StopGroup, ...]:
    """Return the groups of the tasks that stopped within `KEPT_S`, expected stops included."""
    return grouped([one for one in tasks if now - one.at <= KEPT_S], now, definitions)


def present(groups: Sequence[StopGroup], state: ServiceReport | None) -> list[StopGroup]:
    """Return the groups that are a problem now, the most important first."""
    return [one for one in groups if not one.is_expected and not is_over(one, state)]


def is_over(group: StopGroup, state: ServiceReport | None) -> bool:
    """Whether all tasks of the group stopped before the present deployment, with which all desired tasks run."""
    primary = primary_of(state)
    if state is None or primary is None or state.running < state.desired:
        return False
    return group.tasks[0].at < primary.at


def meaning_of(row: Failure, text: str) -> str:
    """Return what the text means. A text that is not known is quoted."""
    return f"ECS gives a reason that is not known: {quoted(text)}" if row is UNKNOWN else row.meaning


def quoted(text: str) -> str:
    """Return the text in quotation marks, without a full stop."""
    return f'"{text.rstrip(" .")}"'
