"""Standard input and output as bytes, line by line, and the handling of closed streams."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from autoscaler.cli.exits import FINDINGS, USAGE, leave
from autoscaler.config import load
from autoscaler.errors import ConfigError

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
