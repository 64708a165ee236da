"""Print a refreshed view: in place on a terminal, otherwise one view after the other.

It uses ANSI escapes that all terminals support instead of a library, because the container image has no such library.
"""

from __future__ import annotations

import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import accumulate
from unicodedata import combining, east_asian_width

import click

from autoscaler.cli.streams import piped
from autoscaler.cli.tables import is_terminal

ENTER, LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
"""Switch to the terminal's alternate screen without a cursor, and back."""

HOME, CLEAR_LINE, CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"


def watch(picture: Callable[[], Sequence[str]], every_s: float, as_lines: bool) -> None:
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
    """Return the line within `width` columns; a cut line loses its colours."""
    plain = click.unstyle(line)
    return line if columns(plain) <= width else _first(plain, width - 1) + "…"


def _first(text: str, width: int) -> str:
    """Return the longest prefix of the text within `width` columns."""
    ends = accumulate(map(columns, text))
    return "".join(letter for letter, end in zip(text, ends, strict=True) if end <= width)


def columns(text: str) -> int:
    """Return the width on a terminal: East Asian wide letters take two columns, combining marks none."""
    return sum(0 if combining(letter) else 1 + (east_asian_width(letter) in "WF") for letter in text)


def _draw(lines: Sequence[str]) -> None:
    """Draw the lines that fit. Each line is cleared as it is written, which avoids flicker."""
    shown = fitting(lines, *shutil.get_terminal_size())
    if click.get_current_context().color is False:
        shown = [click.unstyle(line) for line in shown]
    click.echo(HOME + "".join(f"{line}{CLEAR_LINE}\n" for line in shown) + CLEAR_BELOW, nl=False, color=True)
