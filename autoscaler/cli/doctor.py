"""`doctor`: find present and future problems of an installation."""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from autoscaler.cli.kinds import Address, Duration, RoleArn
from autoscaler.cli.output import CLEAR, USAGE, daemon_url, leave, listed, piped, refuse, table, terminal_columns
from autoscaler.config.loading import LoadedSettings, settle
from autoscaler.core.figures import several
from autoscaler.errors import ConfigError
from autoscaler.inspection.columns import INDENT, wrapped

if TYPE_CHECKING:
    from autoscaler.operating.doctor import Finding

HEADS = ("", "subject", "check", "result and remedy")
COLOURS = {"ok": "green", "note": "cyan", "unknown": "magenta", "fix": "red"}
WORDS = {"finding": "fix", "unknown": "unknown", "note": "note", "good": "ok"}
"""The levels in text. JSON has the keys."""

LEAST_S = 5.0


@click.command(short_help="Find problems in an installation. Read-only.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.option("--all", "show_all", is_flag=True, help="Print every check; otherwise those that are ok are counted.")
@click.option("--quiet", is_flag=True, help="Do not print checks that are ok, also in JSON.")
@click.option(
    "--timeout", "limit_s", type=Duration(), default="60s", show_default=True, help="Time limit for all checks."
)
@click.option("--role", type=RoleArn(), help="ARN of the daemon's role, if the command runs with other credentials.")
@click.option("--url", type=Address(), help="Address of a running daemon.  [default: from the settings]")
def doctor(*, as_json: bool, show_all: bool, quiet: bool, limit_s: float, role: str | None, url: str | None) -> None:
    """Find problems in an installation. Read-only.

    \b
    It checks:
      settings, credentials, Region and endpoints
      every service, also those discovered by tag: bounds, task starts, pause,
        conflicting scalers
      the tags of discovered services
      every queue, and its Region
      the IAM permissions for all of these, with the daemon's own read calls
      the latency of the first message
      call rates, quotas, and cost per month
      the price of a task, and what the running tasks cost in a month

    \b
    Results of a check, with the JSON value if it differs:
      ok (good)      no problem
      note           for information
      unknown        could not be checked; does not count as a finding
      fix (finding)  must be fixed

    ECS has no dry run for UpdateService, so `doctor` checks this permission with the IAM policy simulator. Without
    permission for iam:SimulatePrincipalPolicy, the result is `unknown`.

    Exit codes: 0 ok, 1 findings, 2 settings, 3 access denied by AWS or no credentials, 4 AWS unreachable.

    \b
    Examples:
      autoscaler doctor
      autoscaler doctor --quiet --role arn:aws:iam::123456789012:role/autoscaler
      autoscaler doctor --json | jq '.findings[] | select(.level == "finding")'
    """
    if limit_s < LEAST_S:
        leave(f"doctor: --timeout must be at least {LEAST_S:g}s, because one AWS call can take that long.", USAGE)
    settings = _settings(as_json)
    from autoscaler.operating.doctor import code_of, examine  # noqa: PLC0415 - the AWS SDK takes half a second

    with _progress() as report:
        findings = examine(settings, url or daemon_url(), limit_s, report, role)
    shown = [one for one in findings if not quiet or one.level.word != "good"]
    code = code_of(findings)
    with piped():
        if as_json:
            click.echo(json.dumps(_as_json(shown, findings, code), indent=2))
        else:
            click.echo("\n".join(_page(findings, show_all and not quiet)))
    raise SystemExit(code)


def _settings(as_json: bool) -> LoadedSettings:
    try:
        return settle(os.environ)
    except ConfigError as error:
        if not as_json:
            refuse(error)
        document = {"ok": False, "exit": USAGE, "problems": listed(error), "findings": []}
        click.echo(json.dumps(document, indent=2))
        raise SystemExit(USAGE) from None


def _as_json(shown: Sequence[Finding], findings: Sequence[Finding], code: int) -> dict[str, object]:
    counts = {level: _counted(findings)[level] for level in reversed(WORDS)}
    return {"ok": code == 0, "exit": code, "counts": counts, "findings": [one.as_json() for one in shown]}


def _page(findings: Sequence[Finding], show_all: bool) -> Iterator[str]:
    """Yield the findings, the worst first, then how many checks of each kind are ok, unless these are shown."""
    good = [one for one in findings if one.level.word == "good"]
    shown = sorted((one for one in findings if show_all or one.level.word != "good"), key=lambda one: -one.level)
    if shown:
        rows = [(WORDS[one.level.word], one.subject, one.what, _sentence(one)) for one in shown]
        yield from table(HEADS, rows, _styled, below=INDENT)
        yield ""
    if good and not show_all:
        yield from wrapped(_passed(good), terminal_columns())
    counts = _counted(findings)
    yield ", ".join(f"{word}: {counts[level]}" for level, word in WORDS.items() if counts[level])


def _passed(good: Sequence[Finding]) -> str:
    """Return the number of checks that are ok, in total and of each kind."""
    kinds = Counter(DETAIL.sub(r"\1", one.what) for one in good)
    named = ", ".join(f"{count} x {kind}" if count > 1 else kind for kind, count in kinds.most_common())
    return f"{several(len(good), 'check')} passed (`--all` shows them): {named}"


DETAIL = re.compile(r"(calls|\b(?:queue|cluster)) .+")
"""What checks of one kind differ in: the service of AWS, the queue, the cluster."""


def _sentence(one: Finding) -> str:
    """Return the finding and its remedy, in the form of the error messages."""
    return f"{one.text}; {one.remedy}" if one.remedy else one.text


def _counted(findings: Sequence[Finding]) -> Counter[str]:
    return Counter(one.level.word for one in findings)


def _styled(column: int, cell: str) -> str:
    return click.style(cell, fg=COLOURS.get(cell.strip())) if column == 0 else cell


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """Show the number of finished checks on a line of stderr that is removed at the end; only on a terminal."""
    if not sys.stderr.isatty():
        yield lambda _done, _all: None
        return
    try:
        yield lambda done, every: click.echo(f"{CLEAR}{done} of {every} checks", err=True, nl=False, color=True)
    finally:
        click.echo(CLEAR, err=True, nl=False, color=True)
