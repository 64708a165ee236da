"""`diagnose KEY`: what is wrong with the tasks of a service, since when, and what to do.

`examine` reads ECS; `concluded` makes the result from what was read, and is pure.
"""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import Awaitable, Iterator, Sequence
from datetime import UTC, datetime
from statistics import median
from typing import NamedTuple

from autoscaler.aws.calls import DESCRIBE_SERVICES, LIST_TASKS, Api
from autoscaler.aws.ecs import FRESH_S, PREVENTS_STARTS, REFUSAL, STEADY, is_problem
from autoscaler.aws.operator.tasks import (
    DESCRIBE_TASKS,
    MOST_TASKS,
    Rollout,
    ServiceEvent,
    ServiceReport,
    StoppedTasks,
)
from autoscaler.config.quoting import sentence
from autoscaler.core.advice import split
from autoscaler.core.figures import several, span
from autoscaler.diagnosis import UNKNOWN, Failure, FailureClass, classify, without_names
from autoscaler.diagnosis.stops import GENERAL, Cause, StoppedTask, cause_of
from autoscaler.errors import AutoscalerError, CredentialsRejected, Denied, NotFound, Throttled, Unavailable
from autoscaler.findings import FINDINGS, REFUSED, UNREACHABLE
from autoscaler.operating.status import operator
from autoscaler.ports import ServiceRef

KEPT_S = 3600.0
"""ECS keeps a stopped task for at least an hour. Older ones are left out: the counts are always of the last hour."""

RECENT_S = 900.0
"""A group with a stop within this time comes before a larger one that is older."""

STUCK_S = 1800.0
"""A deployment in progress for longer is reported: one of 5,000 tasks, at 500 starts a minute, takes 10 minutes."""

POLICY = "`autoscaler iam-policy --for diagnose` prints the policy"


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
        meaning = _meaning(self.cause.row, self.cause.text)
        code = "" if self.cause.exit_code is None else f", exit code {self.cause.exit_code}"
        return f"{meaning} (container {self.cause.container}{code})" if self.cause.container else meaning

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


class TaskFinding(NamedTuple):
    """One cause of trouble. `since`: seconds since the epoch (None: not known). `text`: a sentence."""

    kind: FailureClass
    name: str
    text: str
    remedy: str
    source: str = ""
    since: float | None = None
    when: str = ""


class NotSeen(NamedTuple):
    """What could not be read, why, and what would show it. `rights`: the calls that read it."""

    what: str
    why: str
    remedy: str
    rights: tuple[str, ...]


class Diagnosis(NamedTuple):
    """`findings`: the main one first; empty if nothing is wrong. `code`: the exit code."""

    service: ServiceRef
    at: float
    paragraph: str
    findings: tuple[TaskFinding, ...]
    groups: tuple[StopGroup, ...]
    state: ServiceReport | None
    not_seen: tuple[NotSeen, ...]
    code: int

    @property
    def events(self) -> tuple[tuple[ServiceEvent, FailureClass], ...]:
        """The events with their classes, newest first."""
        return tuple((one, class_of_event(one.text)) for one in self.state.events) if self.state else ()

    @property
    def primary(self) -> Rollout | None:
        return primary_of(self.state)


def examine(service: ServiceRef) -> Diagnosis:
    """Read the service and its stopped tasks, and return the result. Raises no `AutoscalerError`."""
    return asyncio.run(_examined(service))


async def _examined(service: ServiceRef) -> Diagnosis:
    async with operator() as aws:
        state, stopped = await asyncio.gather(_state(aws.tasks.service(service)), aws.tasks.stopped(service))
    return concluded(service, state, stopped, time.time())


async def _state(reading: Awaitable[ServiceReport]) -> ServiceReport | AutoscalerError:
    try:
        return await reading
    except AutoscalerError as fault:
        return fault


def concluded(
    service: ServiceRef, read: ServiceReport | AutoscalerError, stopped: StoppedTasks, now: float
) -> Diagnosis:
    """Return the result. `read`: the service, or why it could not be read. Pure; `now` in seconds since the epoch."""
    state = read if isinstance(read, ServiceReport) else None
    tasks = [one for one in stopped.tasks if now - one.at <= KEPT_S]
    groups = tuple(sorted(_groups(tasks), key=lambda one: _order(one, now)))
    failing = [one for one in groups if not one.is_expected and not _is_over(one, state)]
    findings = tuple(_findings(read, failing, now))
    not_seen = tuple(_not_seen(read, stopped))
    faults = [fault for fault in (read, stopped.fault) if isinstance(fault, AutoscalerError)]
    if not findings and state is None and not stopped.tasks and stopped.fault is not None:
        gone = any(isinstance(fault, Unavailable | Throttled) for fault in faults)
        text, code = "Nothing could be read.", UNREACHABLE if gone else REFUSED
    else:
        text, code = " ".join(_paragraph(findings, groups, state, bool(not_seen), now)), FINDINGS if findings else 0
    return Diagnosis(service, now, text, findings, groups, state, not_seen, code)


# Groups of stopped tasks.

_VARIABLE = re.compile(r"[0-9a-f-]{8,}|\d+")
"""Parts of a text that differ from task to task: ids and numbers."""


def _groups(tasks: Sequence[StoppedTask]) -> Iterator[StopGroup]:
    found: dict[tuple[str, ...], list[tuple[Cause, StoppedTask]]] = {}
    for task in tasks:
        cause = cause_of(task)
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


def _is_over(group: StopGroup, state: ServiceReport | None) -> bool:
    """Whether all tasks of the group stopped before the present deployment, with which all desired tasks run."""
    primary = primary_of(state)
    if state is None or primary is None or state.running < state.desired:
        return False
    return group.tasks[0].at < primary.at


def primary_of(state: ServiceReport | None) -> Rollout | None:
    """Return the present deployment (None: not known, or another controller than ECS)."""
    return None if state is None else next((one for one in state.rollouts if one.status == "PRIMARY"), None)


# Findings, in the order of what explains most: the service is gone, stopped tasks, an event, a deployment.


def _findings(read: ServiceReport | AutoscalerError, groups: Sequence[StopGroup], now: float) -> Iterator[TaskFinding]:
    if isinstance(read, NotFound):
        cause, remedy = split(str(read))
        yield TaskFinding(FailureClass.FIX, "no_service", cause, remedy)
        return
    if isinstance(read, ServiceReport) and read.status != "ACTIVE":
        text, remedy = f"The service is {read.status}", "create it again, or remove it from the settings"
        yield TaskFinding(FailureClass.FIX, "service_not_active", text, remedy)
    yield from (_of_group(one, now) for one in groups)
    if isinstance(read, ServiceReport):
        event = newest_problem(read.events, now)
        if event is not None:
            yield _of_event(event, now)
        yield from (_of_rollout(one, now) for one in read.rollouts if _is_failing(one, now))


def _of_group(group: StopGroup, now: float) -> TaskFinding:
    row, newest, oldest = group.cause.row, group.tasks[0].at, group.tasks[-1].at
    when = f"It stopped {_ago(newest, now)}."
    if len(group.tasks) > 1:
        when = f"It began at {_utc(oldest)} UTC or earlier; the newest stop was {_ago(newest, now)}."
    return TaskFinding(
        row.kind, row.name, f"{group.share} {group.how}: {group.what}", row.remedy, row.source, oldest, when
    )


def newest_problem(events: Sequence[ServiceEvent], now: float) -> ServiceEvent | None:
    """Return the newest event about a problem since the last steady state. `events`: newest first."""
    steady_at = max((one.at for one in events if STEADY.search(one.text)), default=-math.inf)
    recent = [one for one in events if one.at > steady_at and now - one.at < FRESH_S]
    return next((one for one in recent if _is_trouble(one.text)), None)


def _is_trouble(text: str) -> bool:
    return is_problem(text) or class_of_event(text) in _PROBLEMS


def class_of_event(text: str) -> FailureClass:
    """Return the class of an event, as the daemon reads it. Without a word of a refusal, the usual work of the
    scheduler is normal, and so is an event about room or time ("attached the volume within 12 s"). Names do not count.
    """
    kind = classify(text).kind
    if kind in PREVENTS_STARTS and not is_problem(text):
        return FailureClass.NORMAL
    plain = without_names(text)
    is_routine = STEADY.search(plain) or (_ROUTINE.search(plain) and not REFUSAL.search(plain))
    return FailureClass.NORMAL if is_routine else kind


_PROBLEMS = frozenset(FailureClass) - {FailureClass.NORMAL, FailureClass.UNKNOWN}

_ROUTINE = re.compile(
    r"has (?:started|stopped) \d+|registered \d+|has begun draining|deployment completed", re.IGNORECASE
)


def _of_event(event: ServiceEvent, now: float) -> TaskFinding:
    row = classify(event.text)
    when = f"ECS reported it {_ago(event.at, now)}."
    return TaskFinding(row.kind, row.name, _upper(_meaning(row, event.text)), row.remedy, row.source, event.at, when)


def _is_failing(rollout: Rollout, now: float) -> bool:
    in_progress = rollout.state == "IN_PROGRESS"
    return rollout.state == "FAILED" or (in_progress and (rollout.failed > 0 or now - rollout.at >= STUCK_S))


def _of_rollout(rollout: Rollout, now: float) -> TaskFinding:
    row = classify(rollout.reason)
    is_over = rollout.state == "FAILED"
    state = "failed" if is_over else f"has been in progress for {span(max(0.0, now - rollout.at))}"
    failed = f", {several(rollout.failed, 'task')} failed" if rollout.failed else ""
    said = f": {_quoted(rollout.reason)}" if rollout.reason else ""
    text = f"The deployment of {rollout.definition} {state}{failed}{said}"
    remedy = "fix what stops its tasks, then deploy again"
    known = row is not UNKNOWN and row.name not in GENERAL
    kind, remedy = (row.kind, row.remedy) if known else (FailureClass.FIX, remedy)
    when = f"It began {_ago(rollout.at, now)}."
    return TaskFinding(kind, row.name if known else "deployment", text, remedy, row.source, rollout.at, when)


# The paragraph: what is wrong, since when, what to do.


def _paragraph(
    findings: Sequence[TaskFinding],
    groups: Sequence[StopGroup],
    state: ServiceReport | None,
    is_partial: bool,
    now: float,
) -> Iterator[str]:
    running = "" if state is None else f"{state.running} of {several(state.desired, 'task')} run"
    if findings:
        main, *others = findings
        yield sentence(main.text)
        yield from (part for part in (main.when, sentence(running)) if part.strip("."))
        yield f"What to do: {sentence(main.remedy)}"
        also = list(dict.fromkeys(one.text for one in others if one.name != main.name and one.name not in GENERAL))
        if also:
            yield f"Also: {' '.join(map(sentence, also))}"
        return
    found = "No problem was found in what could be read" if is_partial else "ECS reports no problem"
    yield sentence(f"{found}: {running}" if running else found)
    for one in groups:
        if one.is_expected:
            stopped = f"{several(len(one.tasks), 'task')} stopped as expected in the last hour"
            yield sentence(f"{stopped}: {one.what}")
    primary = primary_of(state)
    for one in (one for one in groups if not one.is_expected):
        since = "" if primary is None else f" (begun {_ago(primary.at, now)})"
        yield sentence(f"Before the present deployment{since}, {several(len(one.tasks), 'task')} failed: {one.what}")


def _meaning(row: Failure, text: str) -> str:
    return f"ECS gives a reason that is not known: {_quoted(text)}" if row is UNKNOWN else row.meaning


def _quoted(text: str) -> str:
    return f'"{text.rstrip(" .")}"'


def _ago(at: float, now: float) -> str:
    return f"{span(max(0.0, now - at))} ago"


def _utc(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%H:%M}"


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


# What could not be read.


def _not_seen(read: ServiceReport | AutoscalerError, stopped: StoppedTasks) -> Iterator[NotSeen]:
    if isinstance(read, NotFound):
        return
    if isinstance(read, AutoscalerError):
        yield _gap("events and deployments", read, DESCRIBE_SERVICES)
    if stopped.fault is not None:
        what = "some stopped tasks" if stopped.tasks else "stopped tasks"
        yield _gap(what, stopped.fault, LIST_TASKS, DESCRIBE_TASKS)
    if stopped.left_off:
        yield NotSeen("some stopped tasks", f"more than {MOST_TASKS} tasks stopped", "none is needed", ())
    if stopped.unreadable:
        many = several(stopped.unreadable, "task")
        yield NotSeen(f"{many} of the stopped ones", "the response differs from AWS's documentation", "", ())


def _gap(what: str, fault: AutoscalerError, *calls: Api) -> NotSeen:
    rights = tuple(api.name for api in calls)
    why, remedy = split(str(fault))
    if isinstance(fault, Denied) and not isinstance(fault, CredentialsRejected):
        holder = calls[0].by_command().holder
        remedy = f"grant {holder} {', '.join(rights)} ({POLICY})"
    return NotSeen(what, why, remedy, rights)
