"""Standard input and output as bytes, a line at a time, and their sudden end."""

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
EVERYWHERE = {"0.0.0.0", "::"}  # noqa: S104 - where the daemon listens, not we


def daemon_url() -> str:
    """Where the settings have the daemon listen, as this machine reaches it; without good settings the default."""
    try:
        config = load(os.environ)
    except ConfigError:
        return DAEMON
    host = "127.0.0.1" if config.http_host in EVERYWHERE else config.http_host
    return f"http://{f'[{host}]' if ':' in host else host}:{config.http_port}" if config.http_port else DAEMON


def standard_input() -> IO[bytes]:
    """Standard input; where it is closed, the exit code is 2."""
    if sys.stdin is None:
        leave("standard input is closed: there is nothing to read", USAGE)
    return sys.stdin.buffer


class _Asking(io.RawIOBase):
    """A raw stream that calls `before` each time that more is asked of it."""

    def __init__(self, raw: io.RawIOBase, before: Callable[[], None]) -> None:
        self._raw = raw
        self._before = before

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._before()
        return self._raw.readinto(buffer)


def conversing() -> tuple[IO[bytes], IO[bytes]]:
    """Standard input and output, such that all that was written is out before more input is waited for.

    Whoever asks line by line is answered line by line, and a file of many lines does not cost a write for each.
    """
    asked, answers = standard_input(), sys.stdout.buffer
    raw = getattr(asked, "raw", None)
    return (asked if raw is None else io.BufferedReader(_Asking(raw, answers.flush))), answers


@contextmanager
def piped() -> Iterator[None]:
    """A reader that goes away ends us in silence, as it does every filter; what cannot be read or written is said."""
    if sys.stdout is None:
        leave("standard output is closed: there is nowhere to write", USAGE)
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()
        raise SystemExit(FINDINGS) from None
    except OSError as error:
        _drop_output()  # what is still to be written cannot be: else it fails once more at exit, which then is 120
        leave(f"reading or writing failed: {error.strerror or error}", USAGE)


def _drop_output() -> None:
    """What is still buffered would be written at the interpreter's end, and fail once more."""
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
