"""Exit codes, tables, standard streams and progress of the commands."""

from __future__ import annotations

import difflib
import io
import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NoReturn

import click

from autoscaler.config import Config, load
from autoscaler.config.quoting import printable
from autoscaler.errors import AutoscalerError, ConfigError, Unavailable
from autoscaler.inspection.deciding import JournalLine

# Exit codes, and the functions that end a command with an error.

FINDINGS, USAGE, REFUSED, UNREACHABLE = 1, 2, 3, 4


def settings_or_exit() -> Config:
    """Return the settings of the environment. If they are invalid, print all problems and exit with code 2."""
    try:
        return load(os.environ)
    except ConfigError as error:
        refuse(error)


def refuse(error: ConfigError) -> NoReturn:
    """Print all problems of the settings on stderr, and exit with code 2."""
    count = len(error.problems)
    click.echo(f"{count} problem{'s' if count > 1 else ''} in the settings:", err=True)
    for problem in error.problems:
        click.echo(f"  {problem}", err=True)
    click.echo("`autoscaler settings` lists every setting; `autoscaler check` validates them.", err=True)
    raise SystemExit(USAGE)


def listed(error: ConfigError) -> list[dict[str, str]]:
    """Return all problems for JSON."""
    return [{"where": problem.where, "what": problem.what} for problem in error.problems]


def unknown_service(key: str, keys: Sequence[str], where: str) -> NoReturn:
    """Print that the key is unknown, the most similar key, and all keys, and exit with code 2."""
    near = difflib.get_close_matches(key[:100].lower(), keys, n=1)
    meant = f" Did you mean {near[0]}?" if near else ""
    click.echo(f"There is no service {key!r} {where}.{meant}", err=True)
    click.echo(f"Known services: {', '.join(keys) or 'none'}", err=True)
    raise SystemExit(USAGE)


def code_of_kinds(kinds: Set[str]) -> int:
    """Return the exit code for the kinds of missing readings: 4 if AWS was unreachable, 3 if it denied access or there
    are no credentials, else 0.
    """
    from autoscaler.inspection import explaining  # noqa: PLC0415 - most commands do not need it

    return UNREACHABLE if kinds & explaining.UNREACHABLE else REFUSED if kinds & explaining.REFUSALS else 0


def failed(fault: AutoscalerError) -> NoReturn:
    """Print the error of a failed AWS call on stderr, and exit with code 4 if AWS was unreachable, else 3."""
    leave(str(fault), UNREACHABLE if isinstance(fault, Unavailable) else REFUSED)


def leave(message: str, code: int) -> NoReturn:
    """Print the message on stderr, and exit with the code."""
    click.echo(message, err=True)
    raise SystemExit(code)


def meant_key(key: str, keys: Iterable[str]) -> str | None:
    """Return the known key that matches, with any case and with `-` equal to `_` (None: no such key)."""
    from autoscaler.config.names import folded  # noqa: PLC0415 - only here

    return next((known for known in keys if folded(known) == folded(key)), None)


# Tables: on a terminal with colours and a wrapped last column; otherwise one plain line per row.

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


# Standard input and output as bytes, line by line, and the handling of closed streams.

DAEMON = "http://127.0.0.1:9108"
EVERYWHERE = {"0.0.0.0", "::"}  # noqa: S104 - the daemon listens there, not this command


def daemon_url() -> str:
    """Return the daemon's URL on this machine from the settings; with invalid settings, the default."""
    try:
        config = load(os.environ)
    except ConfigError:
        return DAEMON
    host = "127.0.0.1" if config.http_host in EVERYWHERE else config.http_host
    return f"http://{f'[{host}]' if ':' in host else host}:{config.http_port}" if config.http_port else DAEMON


def standard_input() -> IO[bytes]:
    """Return standard input. If it is closed, exit with code 2."""
    if sys.stdin is None:
        leave("Standard input is closed, so the command cannot read its input.", USAGE)
    return sys.stdin.buffer


class _FlushingInput(io.RawIOBase):
    """A raw stream that calls `before` before each read."""

    def __init__(self, raw: io.RawIOBase, before: Callable[[], None]) -> None:
        self._raw = raw
        self._before = before

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._before()
        return self._raw.readinto(buffer)


def conversing() -> tuple[IO[bytes], IO[bytes]]:
    """Return standard input and output; the output is flushed before each wait for more input.

    A client that sends single lines gets each answer at once, and a file of many lines does not need a write per line.
    """
    questions, answers = standard_input(), sys.stdout.buffer
    raw = getattr(questions, "raw", None)
    return (questions if raw is None else io.BufferedReader(_FlushingInput(raw, answers.flush))), answers


@contextmanager
def piped() -> Iterator[None]:
    """End without a message if the reader of the output closes it, as filters do; print other I/O errors."""
    if sys.stdout is None:
        leave("Standard output is closed, so the command cannot write its result.", USAGE)
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()
        raise SystemExit(FINDINGS) from None
    except OSError as error:
        _drop_output()  # else the flush at exit fails again, and the exit code is 120
        leave(f"Reading the input or writing the output failed: {error.strerror or error}", USAGE)


def _drop_output() -> None:
    """Discard the buffered output: the interpreter's flush at exit would fail again."""
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


# Show the progress of reading a long file, on a line that is removed at the end; only on a terminal.

EVERY = 2_000
"""Lines between two updates: about one second."""

CLEAR = "\r\x1b[K"


@contextmanager
def progress(file: Path) -> Iterator[Callable[[Iterable[JournalLine]], Iterable[JournalLine]]]:
    """Yield a function that passes lines on and shows progress on stderr, if stderr is a terminal and stdout is not."""
    if sys.stderr is None or not sys.stderr.isatty() or sys.stdout.isatty():
        yield lambda lines: lines
        return
    try:
        yield lambda lines: _counted(lines, file.stat().st_size if file.is_file() else None)
    finally:
        sys.stderr.write(CLEAR)


def _counted(lines: Iterable[JournalLine], size: int | None) -> Iterator[JournalLine]:
    for line in lines:
        if line.number % EVERY == 0:
            share = f", {line.end / size:.0%}" if size else ""
            sys.stderr.write(f"{CLEAR}{line.number:,} lines{share}")
            sys.stderr.flush()
        yield line
