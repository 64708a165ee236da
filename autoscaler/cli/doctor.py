"""`doctor`: what is wrong with an installation, or will be."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from autoscaler.cli.exits import USAGE, leave, listed, refuse
from autoscaler.cli.kinds import Address, Duration, Role
from autoscaler.cli.progress import CLEAR
from autoscaler.cli.streams import daemon_url, piped
from autoscaler.cli.tables import table
from autoscaler.config import Config, load
from autoscaler.errors import ConfigError

if TYPE_CHECKING:
    from autoscaler.operating.doctor import Finding

HEADS = ("", "subject", "looked at", "found, and what to do")
COLOURS = {"good": "green", "note": "cyan", "unknown": "magenta", "finding": "red"}
WORDS = {"finding": "to mend", "unknown": "unknown", "note": "to know", "good": "good"}
LEAST_S = 5.0


@click.command(short_help="Look for all that is wrong with an installation, and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.option("--quiet", is_flag=True, help="Only what is worth knowing: not what is good.")
@click.option("--timeout", "limit_s", type=Duration(), default="60s", show_default=True, help="For all looks together.")
@click.option("--role", type=Role(), help="The daemon's role, where you are not it: its right to scale is looked at.")
@click.option("--url", type=Address(), help="Where a running daemon answers.  [default: from the settings]")
def doctor(as_json: bool, quiet: bool, limit_s: float, role: str | None, url: str | None) -> None:
    """Look for all that is wrong with an installation, or will be. Nothing is changed by it.

    \b
    It looks at   settings, credentials, Region and endpoints; every service, its bounds, starts, pause and rivals;
                  every queue, and in which Region it is; the rights for each, by reading what the daemon reads;
                  what the first message waits; call rates, quotas, and dollars a month.

    The right to set a count cannot be tried without setting one, as ECS has no dry run. IAM is asked to simulate it;
    where it may not be asked, that is said (unknown), and is no finding.

    Exit codes: 0 good, 1 findings, 2 settings, 3 AWS refused what is needed or there are no credentials,
    4 AWS did not answer in time.

    \b
    Examples:
      autoscaler doctor
      autoscaler doctor --quiet --role arn:aws:iam::123456789012:role/autoscaler
      autoscaler doctor --json | jq '.findings[] | select(.level == "finding")'
    """
    if limit_s < LEAST_S:
        leave(f"doctor: --timeout is at least {LEAST_S:g}s: one call may take as long", USAGE)
    config = _settings(as_json)
    from autoscaler.operating.doctor import code_of, examine  # noqa: PLC0415 - the AWS SDK takes half a second

    with _progress() as told:
        findings = examine(config, url or daemon_url(), limit_s, told, role)
    shown = [one for one in findings if not quiet or one.level.word != "good"]
    code = code_of(findings)
    with piped():
        if as_json:
            click.echo(json.dumps(_as_json(shown, findings, code), indent=2))
        else:
            click.echo("\n".join(_page(shown, findings)))
    raise SystemExit(code)


def _settings(as_json: bool) -> Config:
    try:
        return load(os.environ)
    except ConfigError as error:
        if not as_json:
            refuse(error)
        told = {"ok": False, "exit": USAGE, "problems": listed(error), "findings": []}
        click.echo(json.dumps(told, indent=2))
        raise SystemExit(USAGE) from None


def _as_json(shown: Sequence[Finding], findings: Sequence[Finding], code: int) -> dict[str, object]:
    counts = {level: _counted(findings)[level] for level in COLOURS}
    return {"ok": code == 0, "exit": code, "counts": counts, "findings": [one.as_json() for one in shown]}


def _page(shown: Sequence[Finding], findings: Sequence[Finding]) -> Iterator[str]:
    if shown:
        rows = [(one.level.word, one.subject, one.what, _sentence(one)) for one in shown]
        yield from table(HEADS, rows, _styled)
        yield ""
    counts = _counted(findings)
    yield ", ".join(f"{counts[level]} {word}" for level, word in WORDS.items() if counts[level])


def _sentence(one: Finding) -> str:
    """As our errors have it: what is so, and what to do."""
    return f"{one.text}; {one.remedy}" if one.remedy else one.text


def _counted(findings: Sequence[Finding]) -> Counter[str]:
    return Counter(one.level.word for one in findings)


def _styled(column: int, cell: str) -> str:
    return click.style(cell, fg=COLOURS.get(cell.strip())) if column == 0 else cell


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """How many looks are done, on a line of stderr that vanishes; on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda _done, _all: None
        return
    try:
        yield lambda done, every: click.echo(f"{CLEAR}{done} of {every} looks", err=True, nl=False, color=True)
    finally:
        click.echo(CLEAR, err=True, nl=False, color=True)
