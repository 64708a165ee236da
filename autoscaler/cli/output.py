"""Exit codes, tables, standard streams and progress of the commands."""

from __future__ import annotations

import difflib
import io
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NoReturn

import click

from autoscaler.config import Config, load
from autoscaler.config.loading import LoadedSettings, config_of, settle
from autoscaler.config.quoting import printable
from autoscaler.errors import AutoscalerError, ConfigError, Unavailable
from autoscaler.inspection.columns import Style, indented, laid_out, reflowed, widths_of
from autoscaler.inspection.deciding import JournalLine

# Exit codes, and the functions that end a command with an error.

FINDINGS, USAGE, REFUSED, UNREACHABLE = 1, 2, 3, 4


def settings_or_exit() -> Config:
    """Return the settings of the environment. If they are invalid, print all problems and exit with code 2."""
    return config_of(sourced_settings_or_exit())


def sourced_settings_or_exit() -> LoadedSettings:
    """Return the settings with their origins, as `settings_or_exit` does."""
    try:
        return settle(os.environ)
    except ConfigError as error:
        refuse(error)


def refuse(error: ConfigError) -> NoReturn:
    """Print all problems of the settings on stderr, and exit with code 2."""
    count = len(error.problems)
    say(f"{count} problem{'s' if count > 1 else ''} in the settings:")
    for problem in error.problems:
        say(f"  {problem}")
    say("`autoscaler settings` lists every setting; `autoscaler check` validates them.")
    raise SystemExit(USAGE)


def listed(error: ConfigError) -> list[dict[str, str]]:
    """Return all problems for JSON."""
    return [{"where": problem.where, "what": problem.what} for problem in error.problems]


def unknown_service(key: str, keys: Sequence[str], where: str) -> NoReturn:
    """Print that the key is unknown, the most similar key, and all keys, and exit with code 2."""
    near = difflib.get_close_matches(key[:100].lower(), keys, n=1)
    meant = f" Did you mean {near[0]}?" if near else ""
    say(f"There is no service {key!r} {where}.{meant}")
    say(f"Known services: {', '.join(keys) or 'none'}")
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
    say(message)
    raise SystemExit(code)


def meant_key(key: str, keys: Iterable[str]) -> str | None:
    """Return the known key that matches, with any case and with `-` equal to `_` (None: no such key)."""
    from autoscaler.config.names import folded  # noqa: PLC0415 - only here

    return next((known for known in keys if folded(known) == folded(key)), None)


# Tables and texts: on a terminal coloured and wrapped; otherwise one plain line per row.


def is_terminal() -> bool:
    return sys.stdout.isatty()


def terminal_columns() -> int | None:
    """Return the width of the terminal to which stdout goes (None: no terminal, so nothing is wrapped)."""
    return shutil.get_terminal_size().columns if is_terminal() else None


def table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], style: Style = lambda _, cell: cell, below: int | None = None
) -> Iterator[str]:
    """Yield the lines of the table. click removes the colours of `style` if the output is not a terminal.

    `below`: on a terminal, the cells from the last head on are below their row, a paragraph each, after this number of
    spaces, and have no head. Otherwise they are one cell.
    """
    columns, last = terminal_columns(), len(heads) - 1
    every = [tuple(cell and printable(cell) for cell in row) for row in rows]
    shown = [(*row[:last], " ".join(row[last:])) for row in every]
    widths = widths_of([heads, *shown], columns)
    if below is None or columns is None:
        yield from (click.style(line, bold=True) for line in laid_out(heads, widths, columns))
        yield from (line for row in shown for line in laid_out(row, widths, columns, style))
        return
    yield from (click.style(line, bold=True) for line in laid_out([*heads[:-1], ""], widths, columns))
    for row in every:
        yield from laid_out([*row[:last], ""], widths, columns, style)
        for text in row[last:]:
            yield from (style(last, line) for line in indented(" " * below, text, columns))


def say(message: str) -> None:
    """Print a note on stderr, wrapped if stderr is a terminal."""
    columns = shutil.get_terminal_size().columns if sys.stderr is not None and sys.stderr.isatty() else None
    for line in reflowed(message, columns):
        click.echo(line, err=True)


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
