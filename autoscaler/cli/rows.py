"""The status table: one line per service."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

import click

from autoscaler.cli.tables import is_terminal, table
from autoscaler.core.figures import number

if TYPE_CHECKING:
    from autoscaler.operating.status import Statuses, StatusRow

HEADS = ("service", "slo", "tasks", "backlog", "oldest", "last decision")
COLOURS = {"missed": "red", "at_risk": "yellow", "unknown": "magenta", "met": "green"}


def page(found: Statuses) -> Iterator[str]:
    """Yield the table's lines; on a terminal, the first line has the number of services that miss their target."""
    if is_terminal():
        yield _summary(found)
    yield from table(HEADS, [_cells(row) for row in found.worst_first], _styled)


def _summary(found: Statuses) -> str:
    source = "AWS (read once, no history)" if found.url is None else f"daemon at {found.url}"
    word = (
        f"{len(found.bad)} of {len(found.rows)} services do not meet their latency target"
        if found.bad
        else "all latency targets met"
    )
    return f"{click.style(word, fg='red' if found.bad else 'green')}, {source}, {datetime.now().astimezone():%H:%M:%S}"


def _cells(row: StatusRow) -> tuple[str, ...]:
    return row.key, row.slo.value, _tasks(row), _backlog(row), _oldest(row), _sentence(row)


def _tasks(row: StatusRow) -> str:
    return f"{_count(row.desired)}/{_count(row.running)} ({_count(row.min_tasks)}-{_count(row.max_tasks)})"


def _backlog(row: StatusRow) -> str:
    return "-" if row.visible is None else f"{row.visible:,} + {_count(row.in_flight)}"


def _oldest(row: StatusRow) -> str:
    if row.acceptable_latency_s is None:
        return "-"
    waited = "?" if row.oldest_age_s is None else f"{row.oldest_age_s:,.0f}s"
    return f"{waited} of {number(row.acceptable_latency_s)}s"


def _sentence(row: StatusRow) -> str:
    """Return the decision without the service's name, which is the first column, with mode, pause and SLO reason."""
    marks = [row.mode] if row.mode != "active" else []
    marks += [] if row.paused is None else [f"paused: {row.paused}"]
    mark = f"({', '.join(marks)}) " if marks else ""
    reason = f" [{row.reason}]" if row.slo.value in {"missed", "at_risk"} else ""
    return f"{mark}{row.sentence.removeprefix(f'{row.key}: ')}{reason}"


def _count(count: int | None) -> str:
    return "?" if count is None else f"{count:,}"


def _styled(column: int, cell: str) -> str:
    if column == 0:
        return click.style(cell, bold=True)
    colour = COLOURS.get(cell.strip()) if column == 1 else None
    return click.style(cell, fg=colour) if colour else cell
