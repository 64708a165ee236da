"""Read and write stories: a title, a description, the policy, and rows of polls.

    [polls]
    time       | desired | visible | happened     => demand | target | rules
    0:00       | 8       | 80      |              => 8      | 8      |
    0:10..0:50 |         |         | drift to 2   => 8      | 8      |

Readings are left of the arrow, decisions right of it. A blank cell or a `.` means unchanged. `0:10..0:50` is a poll
every ten seconds, both ends included, all with the same outcome; the events in `happened` occur at the first of them.
A line that begins with `#` is a note on the row below it.

Law: `read(write(story)) == story`, so rewriting the decisions changes nothing else.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

POLL_S = 10
"""The daemon's default interval: seconds between two polls of a range."""

DECIDED = ("demand", "target", "rules")
POLICY, POLLS, ARROW = "[policy]", "[polls]", "=>"


class StoryError(ValueError):
    """A story that cannot be read. The text contains the place and the reason."""


class StoryOutcome(NamedTuple):
    """The decision of a poll, as in the table. `demand` is `-` if it is unknown."""

    demand: str
    target: str
    rules: str


@dataclass(frozen=True, slots=True)
class StoryRow:
    """One line of the table. `cells` are the changed readings by column; `happened` are the events in order."""

    polls: tuple[int, ...]
    cells: Mapping[str, str]
    happened: tuple[str, ...]
    outcome: StoryOutcome
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Story:
    """A story. `head` is the text above the table; `policy` are its settings."""

    name: str
    title: str
    head: str
    policy: Mapping[str, object]
    columns: tuple[str, ...]
    rows: tuple[StoryRow, ...]


def read(path: Path) -> Story:
    """Return the story in a file. Raises `StoryError` with the file's name."""
    try:
        return parse(path.stem, path.read_text(encoding="utf-8"))
    except (StoryError, tomllib.TOMLDecodeError) as error:
        raise StoryError(f"{path.name}: {error}") from None


def parse(name: str, text: str) -> Story:
    """Return the story in a text. Raises `StoryError`, or a TOML error, if the text is invalid."""
    head, has_table, table = text.partition(f"\n{POLLS}\n")
    prose, has_policy, policy = head.partition(f"\n{POLICY}\n")
    title = prose.split("\n", 1)[0].strip()
    if not (has_table and has_policy and title and prose.strip() != title):
        raise StoryError(f"a story must have a title, a description, {POLICY} and {POLLS}")
    columns, rows = _table([line.strip() for line in table.splitlines() if line.strip()])
    return Story(name, title, head, tomllib.loads(policy), columns, rows)


def _table(lines: Sequence[str]) -> tuple[tuple[str, ...], tuple[StoryRow, ...]]:
    if not lines:
        raise StoryError("the table has no header")
    seen, decided = _halves(lines[0])
    if seen[0] != "time" or seen[-1] != "happened" or decided != DECIDED:
        raise StoryError(f"the header must be time, ..., happened {ARROW} {', '.join(DECIDED)}")
    rows: list[StoryRow] = []
    notes: list[str] = []
    for line in lines[1:]:
        if line.startswith("#"):
            notes.append(line)
            continue
        rows.append(_row(seen[1:-1], line, tuple(notes)))
        notes = []
        if len(rows) > 1 and rows[-1].polls[0] <= rows[-2].polls[-1]:
            raise StoryError(f"time goes back: {line}")
    if notes or not rows:
        raise StoryError("a note must have a row below it, and a story at least one row")
    return seen[1:-1], tuple(rows)


def _row(columns: Sequence[str], line: str, notes: tuple[str, ...]) -> StoryRow:
    seen, decided = _halves(line)
    if len(seen) != len(columns) + 2 or len(decided) != len(DECIDED):
        raise StoryError(f"the row and the header have different numbers of cells: {line}")
    cells = {column: cell for column, cell in zip(columns, seen[1:-1], strict=True) if cell not in {"", "."}}
    happened = tuple(word.strip() for word in seen[-1].split(";") if word.strip() not in {"", "."})
    return StoryRow(_polls(seen[0]), cells, happened, StoryOutcome(*decided), notes)


def _halves(line: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    seen, arrow, decided = line.partition(ARROW)
    if not arrow:
        raise StoryError(f"no {ARROW} between readings and decisions: {line}")
    return tuple(map(str.strip, seen.split("|"))), tuple(map(str.strip, decided.split("|")))


def _polls(cell: str) -> tuple[int, ...]:
    first, _, last = cell.partition("..")
    start, end = seconds(first), seconds(last or first)
    if end < start or (end - start) % POLL_S:
        raise StoryError(f"{cell} is not a range of polls every {POLL_S} s")
    return tuple(range(start, end + 1, POLL_S))


def seconds(clock: str) -> int:
    """Return the seconds of `m:ss`: 75 for `1:15`. Raises `StoryError`."""
    minutes, _, rest = clock.partition(":")
    if not (minutes.isdecimal() and rest.isdecimal() and len(rest) == 2 and int(rest) < 60):
        raise StoryError(f"{clock!r} is not a time such as 1:30")
    return int(minutes) * 60 + int(rest)


def clock(instant: int) -> str:
    """Return `m:ss`: `1:15` for 75."""
    return f"{instant // 60}:{instant % 60:02}"


def write(story: Story) -> str:
    """Return the story's text with an aligned table."""
    lines = iter(aligned([header(story.columns), *(cells_of(story.columns, row) for row in story.rows)]))
    body = [next(lines)]
    for row in story.rows:
        body += [*row.notes, next(lines)]
    return "\n".join([story.head, POLLS, *body]) + "\n"


def header(columns: Iterable[str]) -> list[str]:
    return ["time", *columns, "happened", *DECIDED]


def cells_of(columns: Iterable[str], row: StoryRow) -> list[str]:
    """Return the row's cells, in the order of the header."""
    first, last = row.polls[0], row.polls[-1]
    time = clock(first) if first == last else f"{clock(first)}..{clock(last)}"
    return [time, *(row.cells.get(column, "") for column in columns), "; ".join(row.happened), *row.outcome]


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return one line per row, with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
    split = -len(DECIDED)
    return [f"{' | '.join(row[:split])} {ARROW} {' | '.join(row[split:])}".rstrip() for row in padded]
