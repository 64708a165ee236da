"""Show the progress of reading a long file, on a line that is removed at the end; only on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from autoscaler.inspection.deciding import JournalLine

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
