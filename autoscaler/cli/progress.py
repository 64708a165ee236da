"""How far a long file has been read, on a line of its own that vanishes; on a terminal only."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from autoscaler.inspection.lines import Line

EVERY = 2_000
"""Lines between two words of progress: about a second."""

CLEAR = "\r\x1b[K"


@contextmanager
def progress(file: Path) -> Iterator[Callable[[Iterable[Line]], Iterable[Line]]]:
    """Gives what passes lines on and tells of them on stderr: nothing where that is no terminal, or stdout is one."""
    if sys.stderr is None or not sys.stderr.isatty() or sys.stdout.isatty():
        yield lambda lines: lines
        return
    try:
        yield lambda lines: _told(lines, file.stat().st_size if file.is_file() else None)
    finally:
        sys.stderr.write(CLEAR)


def _told(lines: Iterable[Line], size: int | None) -> Iterator[Line]:
    for line in lines:
        if line.number % EVERY == 0:
            share = f", {line.end / size:.0%}" if size else ""
            sys.stderr.write(f"{CLEAR}{line.number:,} lines{share}")
            sys.stderr.flush()
        yield line
