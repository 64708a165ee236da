"""The assessment on a terminal: the result in one sentence, one table sorted by dollars, and the notes of each service.

It fits 80 columns: long names are shortened in the table, and written in full above their notes.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from autoscaler.assess.assessment import Amount, Assessed, Assessment
from autoscaler.assess.document import headline
from autoscaler.assess.notes import percent
from autoscaler.core.figures import seconds, several, shortened
from autoscaler.inspection.columns import reflowed, wrapped

MOST_WIDTH = 100
"""Notes are wrapped at this width at most: longer lines are hard to read."""

MOST_NAME, MOST_QUEUE = 20, 15

UNKNOWN = "-"


def lines(found: Assessment, width: int = 80) -> Iterator[str]:
    """Yield the lines; `width`: of the terminal. The first line is the headline."""
    room = max(60, min(width, MOST_WIDTH))
    yield from wrapped(headline(found), room)
    yield from wrapped(_scope(found), room)
    yield ""
    yield from _table(found)
    yield ""
    yield from wrapped(EXPLANATION, room)
    for one in found.services:
        yield ""
        yield one.name
        for note in one.notes:
            yield from reflowed(f"  {note}", room)
    yield ""
    unknown = f"Not in this cluster: {', '.join(found.read.unknown)}. " if found.read.unknown else ""
    yield from wrapped(f"{unknown}{several(found.read.calls, 'AWS call')}, all of them read only.", room)


EXPLANATION = (
    "now: as CloudWatch recorded it. with: the same arrivals with this autoscaler, simulated. A month has 30 days. "
    "late: share of the messages that waited longer than the target; now is estimated from one value per minute, so "
    "waits near the target are uncertain. A service without amounts has no known queue with messages."
)


def _scope(found: Assessment) -> str:
    read = found.read
    first, last = (f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}" for at in read.span)
    target = f"latency target {seconds(found.latency_s)}"
    where = f"Cluster {read.cluster} in {read.region}: {several(len(found.services), 'service')}"
    return f"{where}, {first} to {last} UTC, {target}."


HEADS = ("service", "queue", "now", "with", "saves", "late now", "late with")


def _table(found: Assessment) -> Iterator[str]:
    rows = [HEADS, *(_cells(one) for one in found.services)]
    if len(found.services) > 1:
        rows.append(("total", "", _month(found.total_now), "", _month(found.total_saving, signed=True), "", ""))
    widths = [max(len(row[at]) for row in rows) for at in range(len(HEADS))]
    yield " " * (widths[0] + widths[1] + 4) + _over(found, sum(widths[2:5]) + 4)
    for row in rows:
        left = [cell.ljust(width) for cell, width in zip(row[:2], widths[:2], strict=True)]
        right = [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
        yield "  ".join([*left, *right]).rstrip()


def _over(found: Assessment, width: int) -> str:
    """Return the heading over the amounts."""
    priced = any(one.now is not None and one.now.dollars is not None for one in found.services)
    return ("dollars a month" if priced else "task-hours a month").center(width).rstrip()


def _cells(one: Assessed) -> tuple[str, ...]:
    return (
        shortened(one.name, MOST_NAME),
        shortened(one.service.chosen.name or UNKNOWN, MOST_QUEUE),
        _month(one.now),
        _month(one.then),
        _month(one.saving, signed=True),
        percent(one.late_now),
        percent(one.late_then),
    )


def _month(amount: Amount | None, *, signed: bool = False) -> str:
    """Format the dollars of a month without their sign; task-hours with an `h` if the price is not known."""
    if amount is None:
        return UNKNOWN
    value, unit = (amount.task_hours, " h") if amount.dollars is None else (amount.dollars, "")
    text = f"{value:z,.2f}" if not unit and abs(value) < 99.995 else f"{value:z,.0f}"
    return f"{'+' if signed and value > 0 and text.strip('0.,') else ''}{text}{unit}"
