"""Lay out plain text on a terminal: aligned columns, and texts that are wrapped between words.

No word is broken: what is wider than the terminal stays on one line, so that it can be searched for and copied.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias
from unicodedata import combining, east_asian_width

GAP = "  "
INDENT = 4
"""Columns before a text that is below its row."""

LEAST_WIDTH = 24
"""Minimum width of the last column; a text with less room is below its row."""

QUOTED = re.compile(r"[^\s`]*`[^`]*`\S*|\S+")
"""A word, or a command in backticks with what is next to it."""

Style: TypeAlias = Callable[[int, str], str]
"""Colours a padded cell by its column, counted from 0."""


def width_of(text: str) -> int:
    """Return the width on a terminal: East Asian wide letters take two columns, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(letter) else 1 + (east_asian_width(letter) in "WF") for letter in text)


def wrapped(text: str, room: int | None) -> list[str]:
    """Return the text as lines of at most `room` columns (None: one line). A wider word has a line of its own.

    A command in backticks is one word if it fits a line.
    """
    return [text] if room is None or width_of(text) <= room else filled(_words(text, room), room)


def filled(words: Iterable[str], room: int) -> list[str]:
    """Return the words as lines of at most `room` columns, at least one. A wider word has a line of its own."""
    lines = [""]
    for word in words:
        longer = f"{lines[-1]} {word}".lstrip()
        if lines[-1] and width_of(longer) > room:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _words(text: str, room: int) -> Iterator[str]:
    for part in QUOTED.findall(text):
        yield from [part] if width_of(part) <= room else part.split()


def indented(first: str, text: str, columns: int | None) -> Iterator[str]:
    """Yield the text wrapped to `columns` (None: one line), after `first`; further lines are indented as far."""
    before = width_of(first)
    for number, line in enumerate(wrapped(text, None if columns is None else columns - before)):
        yield f"{' ' * before if number else first}{line}"


def reflowed(text: str, columns: int | None, hang: int = 2) -> Iterator[str]:
    """Yield the lines of the text, each wrapped to `columns` with its own indentation; the rest of a line is indented
    by `hang` more columns.
    """
    for line in text.splitlines():
        start = line[: len(line) - len(line.lstrip())]
        room = None if columns is None else columns - len(start) - hang
        for number, part in enumerate(wrapped(line.lstrip(), room)):
            yield f"{start}{' ' * hang if number else ''}{part}"


def widths_of(rows: Sequence[Sequence[str]], columns: int | None = None) -> list[int]:
    """Return the widths of all columns except the last. If they are together wider than `columns`, the widest one is
    as narrow as necessary: `laid_out` continues below a cell that is wider.
    """
    widths = [max(map(width_of, cells)) for cells in zip(*rows, strict=True)][:-1]
    if columns is not None and widths:
        widest = widths.index(max(widths))
        excess = sum(widths) + len(GAP) * (len(widths) - 1) - columns
        widths[widest] = max(min(widths[widest], LEAST_WIDTH), widths[widest] - max(0, excess))
    return widths


def laid_out(
    row: Sequence[str], widths: Sequence[int], columns: int | None, style: Style = lambda _, cell: cell
) -> Iterator[str]:
    """Yield the lines of one row. The last cell is wrapped to `columns` in its column, or below the row if there is
    less room than `LEAST_WIDTH`. `columns` None: the row is one line.
    """
    before = sum(widths) + len(GAP) * len(widths)
    *cells, text = row
    *above, head = _cells(cells, widths if columns is not None else [*map(max, widths, map(width_of, cells))], style)
    yield from above
    if columns is None or columns - before >= LEAST_WIDTH:
        first, *more = wrapped(text, None if columns is None else columns - before)
        yield f"{head}{style(len(cells), first)}".rstrip()
    else:
        yield head.rstrip()
        before, more = INDENT, wrapped(text, columns - INDENT) if text else []
    yield from (" " * before + style(len(cells), line) for line in more)


def _cells(cells: Sequence[str], widths: Sequence[int], style: Style) -> Iterator[str]:
    """Yield the padded cells as lines: after a cell that is wider than its column, the next line continues."""
    line, at = "", 0
    for column, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        line += style(column, cell + " " * (width - width_of(cell)))
        at += width + len(GAP)
        if width_of(cell) > width:
            yield line
            line = " " * at
        else:
            line += GAP
    yield line
