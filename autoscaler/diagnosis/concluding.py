"""The conclusion from what ECS says about a service and its tasks: what is wrong, since when, what to do. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from autoscaler.core.advice import split
from autoscaler.core.figures import sentence, several, shortened, span
from autoscaler.diagnosis.classifying import classify
from autoscaler.diagnosis.events import FRESH_S, class_of_event, newest_problem
from autoscaler.diagnosis.evidence import NO_EVIDENCE, Hook, ReadEvidence, ServiceDeployment
from autoscaler.diagnosis.groups import StopGroup, meaning_of, present, quoted, recent_groups
from autoscaler.diagnosis.reports import NotSeen, Rollout, ServiceEvent, ServiceReport, StoppedTasks, primary_of
from autoscaler.diagnosis.stops import GENERAL
from autoscaler.diagnosis.table import UNKNOWN, FailureClass
from autoscaler.errors import AutoscalerError, NotFound

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
    could be read. `is_partial`: the service or its stopped tasks could not be read, so that a cause may be missing.
    """

    at: float
    paragraph: str
    findings: tuple[TaskFinding, ...]
    groups: tuple[StopGroup, ...]
    state: ServiceReport | None
    not_seen: tuple[NotSeen, ...]
    is_blank: bool = False
    evidence: ReadEvidence = NO_EVIDENCE
    is_partial: bool = False

    @property
    def events(self) -> tuple[tuple[ServiceEvent, FailureClass], ...]:
        """The events with their classes, newest first."""
        return tuple((one, class_of_event(one.text)) for one in self.state.events) if self.state else ()

    @property
    def primary(self) -> Rollout | None:
        return primary_of(self.state)


def concluded(
    read: ServiceReport | AutoscalerError,
    stopped: StoppedTasks,
    not_seen: Sequence[NotSeen],
    now: float,
    evidence: ReadEvidence = NO_EVIDENCE,
) -> Diagnosis:
    """Return the result. `read`: the service, or why it could not be read. `now` in seconds since the epoch."""
    state = read if isinstance(read, ServiceReport) else None
    groups = recent_groups(stopped.tasks, now, evidence.definitions)
    failing = present(groups, state)
    findings = tuple(_findings(read, failing, evidence, now))
    blank = not findings and state is None and not stopped.tasks and stopped.fault is not None
    gaps = (*not_seen, *evidence.not_seen)
    details = list(_details(failing, evidence))
    lines = _paragraph(findings, groups, state, now, is_partial=bool(gaps), details=details)
    text = "Nothing could be read." if blank else " ".join(lines)
    is_partial = stopped.fault is not None or (state is None and not isinstance(read, NotFound))
    return Diagnosis(now, text, findings, groups, state, gaps, blank, evidence, is_partial)


# Findings, in the order of what explains most: the service is gone, stopped tasks, an event, a deployment.


def _findings(
    read: ServiceReport | AutoscalerError, groups: Sequence[StopGroup], evidence: ReadEvidence, now: float
) -> Iterator[TaskFinding]:
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
        hooks = list(_of_hooks(evidence.deployments, now))
        yield from hooks
        yield from (_of_rollout(one, now) for one in read.rollouts if _is_failing(one, now, waits=bool(hooks)))
        yield from _of_rollbacks(evidence.deployments, now)


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


def _is_failing(rollout: Rollout, now: float, *, waits: bool) -> bool:
    """Whether the deployment failed, or takes too long. `waits`: at a hook, which is why."""
    is_slow = now - rollout.at >= STUCK_S and not waits
    return rollout.state == "FAILED" or (rollout.state == "IN_PROGRESS" and (rollout.failed > 0 or is_slow))


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


WAITING = frozenset({"AWAITING_ACTION", "IN_PROGRESS"})
"""The status of a hook that a deployment waits for."""


def _of_hooks(deployments: Sequence[ServiceDeployment], now: float) -> Iterator[TaskFinding]:
    for one in deployments:
        waiting = [hook for hook in one.hooks if hook.status in WAITING]
        if one.ended is None and waiting:
            yield _of_hook(one, waiting[0], now)


def _of_hook(deployment: ServiceDeployment, hook: Hook, now: float) -> TaskFinding:
    is_pause = hook.kind == "PAUSE"
    since = "" if hook.since is None else f" since {_utc(hook.since)} UTC"
    stage = f" (stage {deployment.stage})" if deployment.stage else ""
    end = ""
    if hook.expires is not None:
        what = "rolls it back" if hook.action == "ROLLBACK" else "continues it"
        end = f"; ECS {what} {f'in {span(hook.expires - now)}' if hook.expires > now else 'now'}"
    text = f"The deployment waits at a {'pause hook' if is_pause else 'life-cycle hook'}{since}{stage}{end}"
    remedy = "read the log of the hook's function"
    if is_pause:
        remedy = "continue the deployment or roll it back (`aws ecs continue-service-deployment`)"
    return TaskFinding(FailureClass.WAIT, "deployment_hook", text, remedy, "", hook.since)


def _of_rollbacks(deployments: Sequence[ServiceDeployment], now: float) -> Iterator[TaskFinding]:
    for one in deployments:
        at = one.rolled_back_at or one.ended or one.began
        if not one.status.startswith("ROLLBACK") or at is None or now - at >= FRESH_S:
            continue
        row = classify(f"{one.rollback} {one.reason}")
        known = row is not UNKNOWN and row.name not in GENERAL
        state = {"ROLLBACK_SUCCESSFUL": "was rolled back", "ROLLBACK_FAILED": "could not be rolled back"}
        why = one.rollback or one.reason
        breaker = f" (circuit breaker: {one.failures} of {one.threshold} failed tasks)" if one.threshold else ""
        alarms = f" (alarms: {', '.join(one.alarms)})" if one.alarms else ""
        text = f"A deployment {state.get(one.status, 'is being rolled back')}{breaker}{alarms}"
        text += f": {quoted(why)}" if why else ""
        remedy = row.remedy if known else "fix what stops its tasks, then deploy again"
        kind, name = (row.kind, row.name) if known else (FailureClass.FIX, "deployment_rolled_back")
        yield TaskFinding(kind, name, text, remedy, row.source, at, f"It began {_ago(at, now)}.")


def _details(groups: Sequence[StopGroup], evidence: ReadEvidence) -> Iterator[str]:
    """Yield what the evidence adds to the main finding: the last line of the log, free addresses, a quota."""
    newest = groups[0].tasks[0].name if groups else ""
    for tail in evidence.logs:
        if newest and tail.request.task == newest and tail.lines:
            last = shortened(tail.lines[-1].text.strip(), MOST_QUOTED)
            yield f"The log of {tail.request.container} ends with {quoted(last)}"
    main = evidence.definitions.get(groups[0].tasks[0].definition) if groups else None
    if main is not None and groups[0].cause.row.name == ARCHITECTURE:
        yield f"The task definition {main.name} is for {main.architecture or 'X86_64 (the default)'}"
    if evidence.subnets:
        free = ", ".join(f"{one.free_addresses} in {one.name} ({one.zone})" for one in evidence.subnets)
        yield f"Free addresses: {free}"
    for quota in evidence.quotas:
        yield f"The quota {quota.name} is {quota.value:g}"


ARCHITECTURE = "image_platform"
"""The cause for which the architecture of the task definition is shown."""

MOST_QUOTED = 200
"""Characters of a log line in the paragraph."""


# The paragraph: what is wrong, since when, what to do.


def _paragraph(
    findings: Sequence[TaskFinding],
    groups: Sequence[StopGroup],
    state: ServiceReport | None,
    now: float,
    *,
    is_partial: bool,
    details: Sequence[str],
) -> Iterator[str]:
    running = "" if state is None else f"{state.running} of {several(state.desired, 'task')} run"
    if findings:
        main, *others = findings
        yield sentence(main.text)
        yield from (part for part in (main.when, sentence(running)) if part.strip("."))
        yield from map(sentence, details)
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
