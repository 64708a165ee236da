"""A trace written as a count file, which `read_counts` reads as the same trace."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from autoscaler.sim.workload.lines import COUNTS
from autoscaler.sim.workload.trace import CountTrace, TraceError


def write_counts(trace: CountTrace, path: Path) -> None:
    """The file is there, whole, or it is as it was before: it is written beside its place and moved there.

    Every interval gets a line, the empty ones too. Raises `TraceError` where it cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("x", encoding="utf-8") as file:
            file.writelines(_lines(trace))
        beside.replace(path)
    except OSError as error:
        raise TraceError(str(path), f"cannot be written: {error.strerror or error}") from None
    finally:
        with suppress(OSError):
            beside.unlink()


def _lines(trace: CountTrace) -> Iterator[str]:
    yield f"{COUNTS}\n"
    for at, count in enumerate(trace.counts.tolist()):
        yield f"{_number(at * trace.interval_s)},{_number(count)}\n"


def _number(value: float) -> str:
    """The shortest text that reads as the same number."""
    return str(int(value)) if value.is_integer() else repr(value)
