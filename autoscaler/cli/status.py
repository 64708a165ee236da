"""`status`: one row per service, once or refreshed."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import accumulate
from typing import TYPE_CHECKING

import click

from autoscaler.cli.kinds import Address, Duration
from autoscaler.cli.output import (
    FINDINGS,
    USAGE,
    code_of_kinds,
    daemon_url,
    is_terminal,
    leave,
    piped,
    say,
    sourced_settings_or_exit,
    table,
    terminal_columns,
)
from autoscaler.config.loading import config_of
from autoscaler.config.locating import located_in
from autoscaler.core.advice import Advice, split
from autoscaler.core.figures import number, several
from autoscaler.inspection.columns import INDENT, width_of, wrapped
from autoscaler.pricing import dollars

if TYPE_CHECKING:
    from autoscaler.operating.status import Statuses, StatusRow


# The status table: one row per service, and on a terminal the decision below it.

HEADS = ("service", "slo", "tasks", "backlog", "oldest", "last decision")
NO_DECISION = "no decision"
"""The beginning of the sentence of a service that could not be read. Its cause follows, which has its own line."""
COLOURS = {"missed": "red", "at_risk": "yellow", "unknown": "magenta", "met": "green"}


def page(found: Statuses) -> Iterator[str]:
    """Yield the table's lines; on a terminal, the first line has the number of services that miss their target."""
    if is_terminal():
        yield from _summary(found)
    yield from table(HEADS, [_cells(row) for row in found.worst_first], _styled, below=INDENT)


def _summary(found: Statuses) -> Iterator[str]:
    source = "AWS (read once, no history)" if found.url is None else f"daemon at {found.url}"
    word = _met(found)
    shown = f"{word}, {source}, {datetime.now().astimezone():%H:%M:%S}{_spent(found)}"
    first, *more = wrapped(shown, terminal_columns())
    part, colour = first[: len(word)], "red" if found.bad else "green"
    yield from (f"{click.style(part, fg=colour)}{first[len(word) :]}", *more)


def _met(found: Statuses) -> str:
    """Return the number of services with each status, the worst first, unless all latency targets are met. If more
    services are unknown than missed, that is an outage, and the cause comes first.
    """
    if found.good:
        return "all latency targets met"
    from autoscaler.operating.status import NOT_POLLED  # noqa: PLC0415 - most commands do not need it

    unknown = [row for row in found.rows if row.slo.value == "unknown" and row.sentence != NOT_POLLED]
    unread = Counter(split(row.reason).cause for row in unknown)
    if unread.total() > sum(row.slo.value == "missed" for row in found.rows):
        causes = next(iter(unread)) if len(unread) == 1 else f"{len(unread)} causes"
        return f"{unread.total():,} of {several(len(found.rows), 'service')} cannot be read: {causes}"
    counts = Counter(row.slo.value.replace("_", " ") for row in found.worst_first if row.slo.value != "none")
    return f"latency targets: {', '.join(f'{count:,} {status}' for status, count in counts.items())}"


def _spent(found: Statuses) -> str:
    """Return the cost of the tasks today, and of how many services it is known, if not of all."""
    spent = found.cost_today_dollars
    if spent is None or found.url is None:
        return ""
    known = sum(row.cost_today_dollars is not None for row in found.rows)
    of = "" if known == len(found.rows) else f" ({known} of {len(found.rows)} services)"
    return f", tasks today {dollars(spent)}{of}"


def _cells(row: StatusRow) -> tuple[str, ...]:
    return row.key, row.slo.value, _tasks(row), _backlog(row), _oldest(row), *_paragraphs(row)


def _tasks(row: StatusRow) -> str:
    return f"{_count(row.desired)}/{_count(row.running)} ({_count(row.min_tasks)}-{_count(row.max_tasks)})"


def _backlog(row: StatusRow) -> str:
    return "-" if row.visible is None else f"{row.visible:,} + {_count(row.in_flight)}"


def _oldest(row: StatusRow) -> str:
    if row.acceptable_latency_s is None:
        return "-"
    waited = "?" if row.oldest_age_s is None else f"{row.oldest_age_s:,.0f}s"
    return f"{waited} of {number(row.acceptable_latency_s)}s"


def _paragraphs(row: StatusRow) -> Iterator[str]:
    """Yield the cause of a problem, what to do, how the target is missed, and the decision with mode and pause, without
    the service's name, which is the first column. The reason of an unknown status is its cause.
    """
    bad = row.slo.value in {"missed", "at_risk", "unknown"}
    cause = row.cause or (row.reason if bad else None)
    if cause is not None:
        yield f"{'Cause' if bad else 'Limit'}: {cause.rstrip('.')}."
    if row.remedy:
        yield f"To do: {row.remedy.rstrip('.')}."
    said = row.cause and Advice(row.cause, row.remedy or "").text == row.reason
    if bad and row.cause and not said and row.slo.value != "unknown":
        yield f"{row.slo.value.replace('_', ' ').capitalize()}: {row.reason}."
    if bad and row.clearing:
        yield f"Backlog: {row.clearing}."
    if row.ecs:
        yield f"ECS: {row.ecs}."
    marks = [row.mode] if row.mode != "active" else []
    marks += [] if row.paused is None else [f"paused: {row.paused}"]
    mark = f"({', '.join(marks)}) " if marks else ""
    sentence = row.sentence.removeprefix(f"{row.key}: ")
    repeated = cause is not None and sentence.startswith(NO_DECISION) and cause in sentence
    yield f"{mark}{NO_DECISION if repeated else sentence}"


def _count(count: int | None) -> str:
    return "?" if count is None else f"{count:,}"


def _styled(column: int, cell: str) -> str:
    if column == 0:
        return click.style(cell, bold=True)
    colour = COLOURS.get(cell.strip()) if column == 1 else None
    return click.style(cell, fg=colour) if colour else cell


# Print a refreshed view: in place on a terminal, otherwise one view after the other.
#
# It uses ANSI escapes that all terminals support instead of a library, because the container image has no such
# library.

ENTER, LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
"""Switch to the terminal's alternate screen without a cursor, and back."""

HOME, CLEAR_LINE, CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"


def redraw(picture: Callable[[], Sequence[str]], every_s: float, as_lines: bool) -> None:
    """Draw until Ctrl-C, SIGTERM or a closed output. `as_lines`: one view after the other even on a terminal."""
    in_place = is_terminal() and not as_lines
    with piped(), suppress(KeyboardInterrupt), _stoppable(), _screen(in_place):
        while True:
            lines = picture()
            if in_place:
                _draw(lines)
            else:
                click.echo("\n".join(lines))
            time.sleep(every_s)


@contextmanager
def _stoppable() -> Iterator[None]:
    """Handle SIGTERM like Ctrl-C, so that the terminal is restored."""
    hears = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, signal.default_int_handler) if hears else None
    try:
        yield
    finally:
        if hears:
            signal.signal(signal.SIGTERM, before)


@contextmanager
def _screen(in_place: bool) -> Iterator[None]:
    if not in_place:
        yield
        return
    click.echo(ENTER, nl=False, color=True)
    try:
        yield
    finally:
        click.echo(LEAVE, nl=False, color=True)


def fitting(lines: Sequence[str], width: int, height: int) -> list[str]:
    """Return the lines that fit above the cursor, and the number of the other lines. Lines wider than the terminal are
    cut: wrapped lines would scroll the first lines, with the worst service, off the screen.
    """
    cut = [_cut(line, width) for line in lines]
    most = max(height - 2, 0)
    return cut if len(cut) < height else [*cut[:most], _cut(f"... and {len(cut) - most} more lines", width)]


def _cut(line: str, width: int) -> str:
    """Return the line within `width` columns. What remains keeps its colours."""
    if width_of(click.unstyle(line)) <= width:
        return line
    shown, left = "", width - 1
    for piece in ESCAPE.split(line):
        if ESCAPE.fullmatch(piece):
            shown += piece
            continue
        fits = _first(piece, left)
        shown += fits
        left = left - width_of(fits) if fits == piece else 0
    return shown + "…"


ESCAPE = re.compile(r"(\x1b\[[0-9;]*m)")
"""The colours that `click.style` writes."""


def _first(text: str, width: int) -> str:
    """Return the longest prefix of the text within `width` columns."""
    ends = accumulate(map(width_of, text))
    return "".join(letter for letter, end in zip(text, ends, strict=True) if end <= width)


def _draw(lines: Sequence[str]) -> None:
    """Draw the lines that fit. Each line is cleared as it is written, which avoids flicker."""
    shown = fitting(lines, *shutil.get_terminal_size())
    if click.get_current_context().color is False:
        shown = [click.unstyle(line) for line in shown]
    click.echo(HOME + "".join(f"{line}{CLEAR_LINE}\n" for line in shown) + CLEAR_BELOW, nl=False, color=True)


LEAST_EVERY_S = 0.2


@click.command(short_help="Show every service: SLO status, tasks, backlog, last decision.")
@click.option("--watch", is_flag=True, help="Refresh every few seconds, until Ctrl-C.")
@click.option(
    "--every", "every_s", type=Duration(), default="2s", show_default=True, help="Refresh interval of --watch."
)
@click.option("--url", type=Address(), help="Address of the running daemon.  [default: from the settings]")
@click.option("--json", "as_json", is_flag=True, help="Print the rows as JSON; with --watch, one line per refresh.")
def status(watch: bool, every_s: float, url: str | None, as_json: bool) -> None:
    """Show every service: whether its latency target is met, its tasks, its backlog, and the last decision.

    The data comes from the running daemon. If none answers, AWS is read once, with the settings of the environment,
    and the output says so. --watch requires a daemon, to avoid repeated AWS calls.

    \b
    slo       SLO status: met; at_risk (expected to be missed); missed; unknown;
              none (the service has no queue)
    tasks     desired/running, and (min_tasks-max_tasks)
    backlog   visible messages + messages in flight
    oldest    age of the oldest message, and the latency target

    Exit codes: 0 ok, 1 a latency target is missed, at risk or unknown, 2 usage or settings, 3 access denied by AWS or
    no credentials, 4 AWS unreachable.

    \b
    Examples:
      autoscaler status
      autoscaler status --watch --every 5s
      autoscaler status --json | jq '.services[] | select(.slo != "met") | .key'
    """
    if every_s < LEAST_EVERY_S:
        leave(f"status: --every must be at least {LEAST_EVERY_S:g}s, to limit the load of the daemon.", USAGE)
    url = url or daemon_url()
    if watch:
        redraw(lambda: _lines(_from_daemon(url), as_json), every_s, as_json)
        return
    heard = _from_daemon(url)
    found = _from_aws(heard) if isinstance(heard, str) else heard
    with piped():
        if as_json:
            click.echo(json.dumps(found.as_json(), indent=2))
        else:
            click.echo("\n".join(page(found)))
    raise SystemExit(_code(found))


def _from_daemon(url: str) -> Statuses | str:
    """Return the status of the daemon's services, or the reason why the daemon does not answer."""
    from autoscaler.inspection.asking import ServiceList, fetch_services  # noqa: PLC0415 - it speaks HTTP
    from autoscaler.operating.status import Statuses  # noqa: PLC0415 - most commands do not need it

    heard = asyncio.run(fetch_services(url))
    return Statuses.of(heard.services, url) if isinstance(heard, ServiceList) else heard.reason


def _from_aws(reason: str) -> Statuses:
    say(reason)
    settings = sourced_settings_or_exit()
    say("Reading AWS once instead, without history.")
    from autoscaler.one_shot import services_once  # noqa: PLC0415 - the AWS SDK takes half a second to import
    from autoscaler.operating.status import Statuses  # noqa: PLC0415

    services = services_once(config_of(settings))["services"]
    return Statuses.of([located_in(service, settings, service["key"]) for service in services], None)


def _lines(heard: Statuses | str, as_json: bool) -> list[str]:
    """Return the lines of one refresh."""
    if not isinstance(heard, str):
        return [json.dumps(heard.as_json())] if as_json else list(page(heard))
    if as_json:
        return [json.dumps({"source": None, "error": heard, "services": []})]
    return wrapped(heard, terminal_columns())


def _code(found: Statuses) -> int:
    """Return the exit code. Missing readings count only without a daemon; a daemon logs them itself."""
    unread = code_of_kinds(found.kinds) if found.url is None else 0
    return unread or (0 if found.good else FINDINGS)
