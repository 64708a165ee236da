"""Tables: on a terminal with colours and a wrapped last column; otherwise one plain line per row."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence

import click

from autoscaler.config.quoting import printable

GAP = "  "
LEAST_WIDTH = 24
"""Minimum width of the last column; on a narrower terminal it is not wrapped."""


def is_terminal() -> bool:
    return sys.stdout.isatty()


def table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], style: Callable[[int, str], str] = lambda _, cell: cell
) -> Iterator[str]:
    """Yield the lines of the table. `style` colours a padded cell by its column, counted from 0; click removes colours
    if the output is not a terminal.
    """
    shown = [tuple(cell and printable(cell) for cell in row) for row in rows]
    widths = [max(map(len, column)) for column in zip(heads, *shown, strict=True)][:-1]
    room = _room(widths)
    yield click.style(_line(heads, widths), bold=True)
    for row in shown:
        first, *more = _wrapped(row[-1], room)
        yield _line([*row[:-1], first], widths, style)
        yield from (" " * (sum(widths) + len(GAP) * len(widths)) + style(len(widths), line) for line in more)


def _room(widths: Sequence[int]) -> int | None:
    """Return the maximum width of the last column (None: unlimited)."""
    if not is_terminal():
        return None
    left = shutil.get_terminal_size().columns - sum(widths) - len(GAP) * len(widths)
    return left if left >= LEAST_WIDTH else None


def _wrapped(text: str, room: int | None) -> list[str]:
    return [text] if room is None else textwrap.wrap(text, room) or [""]


def _line(cells: Sequence[str], widths: Sequence[int], style: Callable[[int, str], str] = lambda _, cell: cell) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=False)]
    return GAP.join(style(column, cell) for column, cell in enumerate([*padded, cells[-1]])).rstrip()
