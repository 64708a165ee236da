"""`diagnose`: why tasks of a service do not start, or stop; or what a text of ECS means."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from autoscaler.cli.kinds import Address, Key
from autoscaler.cli.output import USAGE, daemon_url, leave, piped, table, terminal_columns
from autoscaler.cli.pausing import service_or_exit
from autoscaler.config.quoting import printable
from autoscaler.core.figures import sentence, several, span
from autoscaler.diagnosis import UNKNOWN, Failure, classify
from autoscaler.diagnosis.classifying import MOST_READ
from autoscaler.inspection.columns import laid_out, reflowed, widths_of, wrapped

if TYPE_CHECKING:
    from autoscaler.diagnosis.concluding import Diagnosis
    from autoscaler.diagnosis.evidence import LogTail, ServiceDeployment
    from autoscaler.diagnosis.groups import StopGroup
    from autoscaler.diagnosis.reports import Rollout
    from autoscaler.ports import ServiceRef

MOST_SHOWN = 5
"""Events in the text. JSON has all of the newest 100 that ECS returns."""


@click.command(short_help="Say why tasks do not start, or what a text of ECS means.")
@click.argument("key", type=Key(), required=False)
@click.option("--reason", "text", metavar="TEXT", help="A text of ECS instead of KEY; - reads it from standard input.")
@click.option(
    "--url", type=Address(), help="Address of a daemon, for discovered services.  [default: from the settings]"
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, and nothing else on stdout.")
def diagnose(key: str | None, text: str | None, url: str | None, as_json: bool) -> None:
    """Say why tasks of the service KEY do not start or do not stay up, and what to do. Read-only.

    It reads the service's events and deployments, and the tasks that stopped in the last hour (at most 300), with your
    credentials; role_arn is not used. Each permission is optional: what could not be seen is listed, with the
    permission that shows it (`autoscaler iam-policy --for diagnose`). If tasks fail, it also reads their task
    definitions and the last lines of the container's log (CloudWatch Logs), and where the cause calls for it the
    service's deployments, the free addresses of the subnets, and the quota. Secrets in texts and log lines are masked.

    With --reason, it says what a text of ECS means: an event of the service, a task's stopCode or stoppedReason, a
    container's reason or exit code, or a reason of RunTask's failures. It then needs no settings and calls no AWS API.

    \b
    The class says what helps:
      wait            it passes
      capacity        another zone, another capacity provider, a smaller task
      quota           a limit of the account
      fix             settings of the service, its task definition or its network
      application     the container's program; read its log
      infrastructure  the host is replaced
      normal          an expected stop
      unknown         the text is not known; it is shown as it is

    Exit codes: 0 nothing wrong found, and for every --reason; 1 findings; 2 usage, settings or unknown key; 3 access
    denied by AWS or no credentials, so that nothing could be read; 4 AWS unreachable.

    \b
    Examples:
      autoscaler diagnose orders-worker
      autoscaler diagnose orders-worker --json | jq -r .paragraph
      autoscaler diagnose --reason RESOURCE:ENI
      aws ecs describe-tasks ... | jq -r '.tasks[0].stoppedReason' \\
        | autoscaler diagnose --reason - --json
    """
    if key is not None and text is not None:
        leave("diagnose: KEY and --reason exclude each other. Pass a service's key or a text of ECS.", USAGE)
    if key is not None:
        _service(key, url, as_json)
    elif text is not None:
        _reason(text, as_json)
    else:
        leave("diagnose: pass a service's KEY, or --reason with a text of ECS.", USAGE)


def _reason(text: str, as_json: bool) -> None:
    given = (sys.stdin.read(MOST_READ) if text == "-" else text).strip()
    if not given:
        leave("diagnose: --reason is empty. Pass a text of ECS, such as a task's stoppedReason.", USAGE)
    row = classify(given)
    with piped():
        if as_json:
            found = {"class": row.kind.value, "name": row.name, "meaning": row.meaning, "remedy": row.remedy}
            click.echo(json.dumps(found | {"source": row.source}, indent=2))
        else:
            click.echo("\n".join(_lines(row, given)))


def _lines(row: Failure, text: str) -> list[str]:
    rows = [("text", printable(text)), ("class", row.kind.value), ("meaning", row.meaning), ("to do", row.remedy)]
    rows += [("source", row.source)] if row.source else []
    columns = terminal_columns()
    widths = widths_of(rows, columns)
    return [line for each in rows for line in laid_out(each, widths, columns)]


# The diagnosis of a service.


def _service(key: str, url: str | None, as_json: bool) -> None:
    service = service_or_exit(key, url or daemon_url()).ref
    from autoscaler.operating.diagnosing import examine  # noqa: PLC0415 - the AWS SDK takes half a second to import

    examined = examine(service)
    found = examined.diagnosis
    with piped():
        click.echo(json.dumps(_document(service, found), indent=2) if as_json else "\n".join(_page(service, found)))
    raise SystemExit(examined.code)


def _page(ref: ServiceRef, found: Diagnosis) -> Iterator[str]:
    state, columns = found.state, terminal_columns()
    counts = "" if state is None else f": {state.running} running, {state.pending} pending, {state.desired} desired"
    yield from reflowed(f"{click.style(ref.key, bold=True)} ({ref.cluster}/{ref.service}){counts}", columns)
    yield ""
    yield from wrapped(found.paragraph, columns)
    if found.groups:
        yield ""
        groups = [
            (f"{len(one.tasks)} of {one.of}", one.cause.row.kind.value, _evidence(one, found.at))
            for one in found.groups
        ]
        yield from table(("stopped", "class", "cause"), groups)
    if found.events:
        yield ""
        shown = found.events[:MOST_SHOWN]
        events = [(f"{_age(one.at, found.at)} ago", kind.value, one.text) for one, kind in shown]
        yield from table(("event", "class", f"text (newest {len(shown)} of {len(found.events)})"), events)
    if state is not None and state.rollouts:
        yield ""
        rollouts = [(one.status.lower(), one.state.lower() or "-", text) for one, text in _rollouts(found)]
        yield from table(("deployment", "state", "tasks"), rollouts)
    for heading, lines in _logs(found):
        yield ""
        yield from wrapped(heading, columns)
        yield from (part for line in lines for part in wrapped(line, columns))
    for text in _remarks(found):
        yield ""
        yield from wrapped(text, columns)


def _evidence(group: StopGroup, now: float) -> str:
    """Return the evidence of a group, in one line."""
    codes = ", ".join(
        f"{name} {code}" + (f" x {count}" if count > 1 else "")
        for name, each in group.exit_codes.items()
        for code, count in each.items()
    )
    parts = [group.what, group.how, f"newest {_age(group.tasks[0].at, now)} ago"]
    parts += [f"exit codes: {codes}"] if codes else []
    parts += [f"of {', '.join(group.definitions)}"] if group.definitions else []
    parts += [f'"{group.cause.text}"'] if group.cause.text and group.cause.row is not UNKNOWN else []
    return "; ".join(parts)


def _rollouts(found: Diagnosis) -> Iterator[tuple[Rollout, str]]:
    for one in found.state.rollouts if found.state else ():
        counts = f"{one.running} of {several(one.desired, 'task')} run"
        failed = f", {one.failed} failed" if one.failed else ""
        reason = f": {one.reason}" if one.reason else ""
        yield one, f"{one.definition}, {_age(one.at, found.at)} old, {counts}{failed}{reason}"


def _logs(found: Diagnosis) -> Iterator[tuple[str, list[str]]]:
    """Yield a heading and the lines of each log."""
    for tail in found.evidence.logs:
        request = tail.request
        heading = f"Log of container {request.container}, task {request.task}"
        if request.place.group:
            heading += f" (log group {printable(request.place.group)}, {tail.region})"
        heading += f": {tail.note}" if tail.note else ""
        yield sentence(heading), [f"  {_clock(one.at)}  {one.text}" for one in tail.lines]


def _clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%S}"


def _remarks(found: Diagnosis) -> Iterator[str]:
    """Yield what else is to know: another task definition, and what could not be read."""
    primary, state = found.primary, found.state
    if primary is not None and state is not None and state.definition != primary.definition:
        yield f"The service has the task definition {state.definition}, its primary deployment {primary.definition}."
    for gap in found.not_seen:
        remedy = f"; {gap.remedy}" if gap.remedy else ""
        yield sentence(f"Not seen: {gap.what}: {gap.why}{remedy}")


def _age(at: float, now: float) -> str:
    return span(max(0.0, now - at))


def _document(ref: ServiceRef, found: Diagnosis) -> dict[str, object]:
    main = found.findings[0] if found.findings else None
    state, primary, now = found.state, found.primary, found.at
    return {
        "service": ref.key,
        "cluster": ref.cluster,
        "ecs_service": ref.service,
        "paragraph": found.paragraph,
        "class": main.kind.value if main else None,
        "name": main.name if main else None,
        "cause": main.text if main else None,
        "remedy": main.remedy if main else None,
        "source": main.source if main else None,
        "since_s": None if main is None or main.since is None else round(max(0.0, now - main.since), 1),
        "also": [{"class": one.kind.value, "cause": one.text, "remedy": one.remedy} for one in found.findings[1:]],
        "counts": state and {"desired": state.desired, "running": state.running, "pending": state.pending},
        "task_definition": state and state.definition,
        "primary_task_definition": primary and primary.definition,
        "stopped": [_group_document(one, now) for one in found.groups],
        "events": [
            {"age_s": round(now - one.at, 1), "class": kind.value, "text": one.text}
            for one, kind in found.events
        ],
        "deployments": [
            {"status": one.status, "rollout_state": one.state or None, "reason": one.reason or None,
             "task_definition": one.definition, "age_s": round(now - one.at, 1), "desired": one.desired,
             "running": one.running, "failed_tasks": one.failed}
            for one in (state.rollouts if state else ())
        ],
        "service_deployments": [_deployment_document(one, now) for one in found.evidence.deployments],
        "logs": [_log_document(one, now) for one in found.evidence.logs],
        "subnets": [one._asdict() for one in found.evidence.subnets],
        "quotas": [one._asdict() for one in found.evidence.quotas],
        "not_seen": [one._asdict() for one in found.not_seen],
    }  # fmt: skip


def _deployment_document(one: ServiceDeployment, now: float) -> dict[str, object]:
    return {
        "id": one.name,
        "status": one.status or None,
        "reason": one.reason or None,
        "stage": one.stage or None,
        "age_s": None if one.began is None else round(now - one.began, 1),
        "circuit_breaker": one.breaker or None,
        "failed_tasks": one.failures,
        "threshold": one.threshold or None,
        "rollback_reason": one.rollback or None,
        "alarms": list(one.alarms),
        "hooks": [
            {
                "kind": hook.kind or None,
                "status": hook.status or None,
                "waiting_s": None if hook.since is None else round(max(0.0, now - hook.since), 1),
                "expires_in_s": None if hook.expires is None else round(hook.expires - now, 1),
                "then": hook.action or None,
            }
            for hook in one.hooks
        ],
    }


def _log_document(tail: LogTail, now: float) -> dict[str, object]:
    request = tail.request
    return {
        "container": request.container,
        "task": request.task,
        "driver": request.place.driver or None,
        "group": request.place.group or None,
        "region": tail.region,
        "stream": request.stream or None,
        "note": tail.note or None,
        "lines": [{"age_s": round(now - one.at, 1), "text": one.text} for one in tail.lines],
    }


def _group_document(group: StopGroup, now: float) -> dict[str, object]:
    row, ran_s = group.cause.row, group.ran_s
    return {
        "count": len(group.tasks),
        "of": group.of,
        "class": row.kind.value,
        "name": row.name,
        "meaning": row.meaning,
        "remedy": row.remedy,
        "stop_code": group.tasks[0].code or None,
        "container": group.cause.container or None,
        "container_role": group.cause.role or None,
        "memory_limit_mib": group.cause.memory_mib,
        "exit_codes": group.exit_codes,
        "after_start_s": None if ran_s is None else round(ran_s, 1),
        "after_request_s": round(group.waited_s, 1),
        "newest_age_s": round(now - group.tasks[0].at, 1),
        "oldest_age_s": round(now - group.tasks[-1].at, 1),
        "task_definitions": group.definitions,
        "text": group.cause.text,
    }
