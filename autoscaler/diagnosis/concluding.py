"""The conclusion from what ECS says about a service and its tasks: what is wrong, since when, what to do. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from autoscaler.core.advice import split
from autoscaler.core.figures import sentence, several, span
from autoscaler.diagnosis.classifying import classify
from autoscaler.diagnosis.events import class_of_event, newest_problem
from autoscaler.diagnosis.groups import StopGroup, grouped, is_over, meaning_of, quoted
from autoscaler.diagnosis.reports import NotSeen, Rollout, ServiceEvent, ServiceReport, StoppedTasks, primary_of
from autoscaler.diagnosis.stops import GENERAL
from autoscaler.diagnosis.table import UNKNOWN, FailureClass
from autoscaler.errors import AutoscalerError, NotFound

KEPT_S = 3600.0
"""ECS keeps a stopped task for at least an hour. Older ones are left out: the counts are always of the last hour."""

STUCK_S = 1800.0
"""A deployment in progress for longer is reported: one of 5,000 tasks, at 500 starts a minute, takes 10 minutes."""


class TaskFinding(NamedTuple):
    """One cause of trouble. `since`: seconds since the epoch (None: not known). `text`: a sentence."""

    kind: FailureClass
    name: str
    text: str
    remedy: str
    source: str = ""
    since: float | None = None
    when: str = ""


class Diagnosis(NamedTuple):
    """`findings`: the main one first; empty if nothing is wrong. `at`: seconds since the epoch. `is_blank`: nothing
    could be read.
    """

    at: float
    paragraph: str
    findings: tuple[TaskFinding, ...]
    groups: tuple[StopGroup, ...]
    state: ServiceReport | None
    not_seen: tuple[NotSeen, ...]
    is_blank: bool = False

    @property
    def events(self) -> tuple[tuple[ServiceEvent, FailureClass], ...]:
        """The events with their classes, newest first."""
        return tuple((one, class_of_event(one.text)) for one in self.state.events) if self.state else ()

    @property
    def primary(self) -> Rollout | None:
        return primary_of(self.state)


def concluded(
    read: ServiceReport | AutoscalerError, stopped: StoppedTasks, not_seen: Sequence[NotSeen], now: float
) -> Diagnosis:
    """Return the result. `read`: the service, or why it could not be read. `now` in seconds since the epoch."""
    state = read if isinstance(read, ServiceReport) else None
    groups = grouped([one for one in stopped.tasks if now - one.at <= KEPT_S], now)
    failing = [one for one in groups if not one.is_expected and not is_over(one, state)]
    findings = tuple(_findings(read, failing, now))
    blank = not findings and state is None and not stopped.tasks and stopped.fault is not None
    lines = _paragraph(findings, groups, state, bool(not_seen), now)
    text = "Nothing could be read." if blank else " ".join(lines)
    return Diagnosis(now, text, findings, groups, state, tuple(not_seen), blank)


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


def _of_event(event: ServiceEvent, now: float) -> TaskFinding:
    row = classify(event.text)
    when = f"ECS reported it {_ago(event.at, now)}."
    return TaskFinding(row.kind, row.name, _upper(meaning_of(row, event.text)), row.remedy, row.source, event.at, when)


def _is_failing(rollout: Rollout, now: float) -> bool:
    in_progress = rollout.state == "IN_PROGRESS"
    return rollout.state == "FAILED" or (in_progress and (rollout.failed > 0 or now - rollout.at >= STUCK_S))


def _of_rollout(rollout: Rollout, now: float) -> TaskFinding:
    row = classify(rollout.reason)
    is_over = rollout.state == "FAILED"
    state = "failed" if is_over else f"has been in progress for {span(max(0.0, now - rollout.at))}"
    failed = f", {several(rollout.failed, 'task')} failed" if rollout.failed else ""
    said = f": {quoted(rollout.reason)}" if rollout.reason else ""
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


def _ago(at: float, now: float) -> str:
    return f"{span(max(0.0, now - at))} ago"


def _utc(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%H:%M}"


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
