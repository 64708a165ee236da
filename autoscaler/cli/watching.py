"""The same picture again and again: in place on a terminal, one below the other elsewhere.

Drawn with the four escapes that every terminal of the last forty years knows, and not with a library: so it is the same
in the image, which has none.
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
"""To the terminal's other screen, without a cursor; and back to what was there."""

HOME, CLEAR_LINE, CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"


def watch(picture: Callable[[], Sequence[str]], every_s: float, as_lines: bool) -> None:
    """Draws until Ctrl-C, SIGTERM or the reader's end. `as_lines`: below each other even on a terminal."""
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
    """SIGTERM is as Ctrl-C: the terminal is given back as it was."""
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
    """As much of the picture as fits above the cursor, and how many lines do not. What is wider than the terminal is
    cut: the terminal would wrap it, and the first lines, with the worst service, would scroll out of sight.
    """
    cut = [_cut(line, width) for line in lines]
    most = max(height - 2, 0)
    return cut if len(cut) < height else [*cut[:most], _cut(f"... and {len(cut) - most} more lines", width)]


def _cut(line: str, width: int) -> str:
    """The line in that many columns, in its colours where all of it fits."""
    plain = click.unstyle(line)
    return line if columns(plain) <= width else _first(plain, width - 1) + "…"


def _first(text: str, width: int) -> str:
    """The longest beginning of the text within that many columns."""
    ends = accumulate(map(columns, text))
    return "".join(letter for letter, end in zip(text, ends, strict=True) if end <= width)


def columns(text: str) -> int:
    """How wide a terminal draws it: letters of East Asia take two columns, combining marks none."""
    return sum(0 if combining(letter) else 1 + (east_asian_width(letter) in "WF") for letter in text)


def _draw(lines: Sequence[str]) -> None:
    """What does not fit is counted; lines are cleared as they are written, so that nothing flickers."""
    shown = fitting(lines, *shutil.get_terminal_size())
    if click.get_current_context().color is False:
        shown = [click.unstyle(line) for line in shown]
    click.echo(HOME + "".join(f"{line}{CLEAR_LINE}\n" for line in shown) + CLEAR_BELOW, nl=False, color=True)
