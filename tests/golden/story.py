"""The text of a story, read and written: a title, what happened and must be true, the policy, and a row per tick.

    [ticks]
    time       | desired | waiting | happened     => demand | target | rules
    0:00       | 8       | 80      |              => 8      | 8      |
    0:10..0:50 |         |         | drift to 2   => 8      | 8      |

What was seen stands left of the arrow, what was decided right of it. A blank cell or a `.` is as it was, and
`0:10..0:50` a tick every ten seconds, both ends included, all with the same outcome; what `happened` did so at the
first of them. Lines that begin with `#` are notes to the row below them.

Law: `read(write(story)) == story`, so that rewriting what was decided loses nothing else.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

TICK_S = 10
"""The daemon's default interval: from one tick of a range to the next."""

DECIDED = ("demand", "target", "rules")
POLICY, TICKS, ARROW = "[policy]", "[ticks]", "=>"


class StoryError(ValueError):
    """A story that cannot be read; the text says where and why."""


class Outcome(NamedTuple):
    """What was decided at a tick, as it stands in the table. `demand` is `-` where nobody could state one."""

    demand: str
    target: str
    rules: str


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `cells` are what is new of what was seen, by column; `happened` in that order."""

    ticks: tuple[int, ...]
    cells: Mapping[str, str]
    happened: tuple[str, ...]
    outcome: Outcome
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Story:
    """`head` is everything above the table, as it was written; `policy` the settings in it."""

    name: str
    title: str
    head: str
    policy: Mapping[str, object]
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def read(path: Path) -> Story:
    """The story in a file. Raises `StoryError` with the file's name."""
    try:
        return parse(path.stem, path.read_text(encoding="utf-8"))
    except (StoryError, tomllib.TOMLDecodeError) as error:
        raise StoryError(f"{path.name}: {error}") from None


def parse(name: str, text: str) -> Story:
    """Raises `StoryError`, or TOML's own error, where it is no story."""
    head, found, table = text.partition(f"\n{TICKS}\n")
    prose, said, policy = head.partition(f"\n{POLICY}\n")
    title = prose.split("\n", 1)[0].strip()
    if not (found and said and title and prose.strip() != title):
        raise StoryError(f"a story has a title, a sentence, {POLICY} and {TICKS}")
    columns, rows = _table([line.strip() for line in table.splitlines() if line.strip()])
    return Story(name, title, head, tomllib.loads(policy), columns, rows)


def _table(lines: Sequence[str]) -> tuple[tuple[str, ...], tuple[Row, ...]]:
    if not lines:
        raise StoryError("the table has no header")
    seen, decided = _halves(lines[0])
    if seen[0] != "time" or seen[-1] != "happened" or decided != DECIDED:
        raise StoryError(f"the header goes from time to happened, and after {ARROW} {', '.join(DECIDED)}")
    rows: list[Row] = []
    notes: list[str] = []
    for line in lines[1:]:
        if line.startswith("#"):
            notes.append(line)
            continue
        rows.append(_row(seen[1:-1], line, tuple(notes)))
        notes = []
        if len(rows) > 1 and rows[-1].ticks[0] <= rows[-2].ticks[-1]:
            raise StoryError(f"time goes back: {line}")
    if notes or not rows:
        raise StoryError("a note needs a row below it, and a story at least one row")
    return seen[1:-1], tuple(rows)


def _row(columns: Sequence[str], line: str, notes: tuple[str, ...]) -> Row:
    seen, decided = _halves(line)
    if len(seen) != len(columns) + 2 or len(decided) != len(DECIDED):
        raise StoryError(f"more or fewer cells than the header has: {line}")
    cells = {column: cell for column, cell in zip(columns, seen[1:-1], strict=True) if cell not in {"", "."}}
    happened = tuple(word.strip() for word in seen[-1].split(";") if word.strip() not in {"", "."})
    return Row(_ticks(seen[0]), cells, happened, Outcome(*decided), notes)


def _halves(line: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    seen, arrow, decided = line.partition(ARROW)
    if not arrow:
        raise StoryError(f"no {ARROW} between what was seen and what was decided: {line}")
    return tuple(map(str.strip, seen.split("|"))), tuple(map(str.strip, decided.split("|")))


def _ticks(cell: str) -> tuple[int, ...]:
    first, _, last = cell.partition("..")
    start, end = seconds(first), seconds(last or first)
    if end < start or (end - start) % TICK_S:
        raise StoryError(f"{cell} is no range of ticks every {TICK_S} s")
    return tuple(range(start, end + 1, TICK_S))


def seconds(clock: str) -> int:
    """Of `m:ss`: 75 of `1:15`. Raises `StoryError`."""
    minutes, _, rest = clock.partition(":")
    if not (minutes.isdecimal() and rest.isdecimal() and len(rest) == 2 and int(rest) < 60):
        raise StoryError(f"{clock!r} is no time, such as 1:30")
    return int(minutes) * 60 + int(rest)


def clock(instant: int) -> str:
    """`m:ss`: `1:15` of 75."""
    return f"{instant // 60}:{instant % 60:02}"


def write(story: Story) -> str:
    """The story's text, its table aligned."""
    lines = iter(aligned([header(story.columns), *(cells_of(story.columns, row) for row in story.rows)]))
    body = [next(lines)]
    for row in story.rows:
        body += [*row.notes, next(lines)]
    return "\n".join([story.head, TICKS, *body]) + "\n"


def header(columns: Iterable[str]) -> list[str]:
    return ["time", *columns, "happened", *DECIDED]


def cells_of(columns: Iterable[str], row: Row) -> list[str]:
    """The row's cells, in the order of the header."""
    first, last = row.ticks[0], row.ticks[-1]
    time = clock(first) if first == last else f"{clock(first)}..{clock(last)}"
    return [time, *(row.cells.get(column, "") for column in columns), "; ".join(row.happened), *row.outcome]


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """A line per row, with the cells of a column under one another."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
    split = -len(DECIDED)
    return [f"{' | '.join(row[:split])} {ARROW} {' | '.join(row[split:])}".rstrip() for row in padded]
