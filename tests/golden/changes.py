"""What changed in a story: the rows as they were and as they are now, under one another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.golden.story import Outcome, Row, Story, aligned, cells_of, header

STORIES = Path(__file__).parent

MOST_ROWS = 8
"""After the first row that differs the fleet is another one, and what follows explains little."""


def changes(story: Story, told: Sequence[Row]) -> str:
    """The rows that differ, `-` as told in the file and `+` as decided now. Empty: none does."""
    lines = [("  ", header(story.columns))]
    differing = 0
    for row in story.rows:
        now = [other for other in told if row.ticks[0] <= other.ticks[0] <= row.ticks[-1]]
        if len(now) == 1 and now[0].outcome == row.outcome:
            continue
        differing += 1
        if differing <= MOST_ROWS:
            lines.append(("- ", cells_of(story.columns, row)))
            lines += [("+ ", _marked(cells_of(story.columns, other), row.outcome, other.outcome)) for other in now]
    if not differing:
        return ""
    table = [sign + line for (sign, _), line in zip(lines, aligned([cells for _, cells in lines]), strict=True)]
    hidden = [f"  ... and {differing - MOST_ROWS} rows more"] if differing > MOST_ROWS else []
    return "\n".join([f"{story.name}.story ({story.title}): {differing} of {len(story.rows)} rows", *table, *hidden])


def _marked(cells: list[str], was: Outcome, now: Outcome) -> list[str]:
    """What is decided otherwise stands between asterisks."""
    decided = [f"*{new}*" if new != old else new for old, new in zip(was, now, strict=True)]
    return [*cells[: -len(decided)], *decided]
