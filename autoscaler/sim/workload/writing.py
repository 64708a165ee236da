"""Write a trace as a count file, which `read_counts` reads as the same trace."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from autoscaler.sim.workload.lines import COUNTS
from autoscaler.sim.workload.trace import CountTrace, TraceError


def write_counts(trace: CountTrace, path: Path) -> None:
    """Write the file atomically: write a temporary file in the same directory, then rename it.

    Every interval has a line, including empty ones. Raise `TraceError` if the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("x", encoding="utf-8") as file:
            file.writelines(_lines(trace))
        temporary.replace(path)
    except OSError as error:
        raise TraceError(str(path), f"cannot be written: {error.strerror or error}") from None
    finally:
        with suppress(OSError):
            temporary.unlink()


def _lines(trace: CountTrace) -> Iterator[str]:
    yield f"{COUNTS}\n"
    for at, count in enumerate(trace.counts.tolist()):
        yield f"{_number(at * trace.interval_s)},{_number(count)}\n"


def _number(value: float) -> str:
    """Return the shortest text that reads as the same number."""
    return str(int(value)) if value.is_integer() else repr(value)
