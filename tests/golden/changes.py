"""The differences in a story: the rows of the file, and below them the rows as decided now."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.golden.story import Story, StoryOutcome, StoryRow, aligned, cells_of, header

STORIES = Path(__file__).parent

MOST_ROWS = 8
"""Number of differing rows to print: after the first one the task count differs, so later rows explain little."""


def changes(story: Story, played: Sequence[StoryRow]) -> str:
    """Return the differing rows, `-` as in the file and `+` as decided now; empty if there is no difference."""
    lines = [("  ", header(story.columns))]
    differing = 0
    for row in story.rows:
        now = [other for other in played if row.polls[0] <= other.polls[0] <= row.polls[-1]]
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


def _marked(cells: list[str], was: StoryOutcome, now: StoryOutcome) -> list[str]:
    """Return the cells with each changed decision between asterisks."""
    decided = [f"*{new}*" if new != old else new for old, new in zip(was, now, strict=True)]
    return [*cells[: -len(decided)], *decided]
