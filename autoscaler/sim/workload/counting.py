"""Count files: `t_seconds,arrivals`, the number of messages that arrive in the interval that begins at that time.

An interval without a line has 0 messages, so a file can omit its zeros. The trace records the number of omitted
intervals.
"""

from __future__ import annotations

from array import array
from pathlib import Path

import numpy as np

from autoscaler.sim.model import Floats
from autoscaler.sim.workload.lines import COUNTS, place, rows
from autoscaler.sim.workload.trace import DAY_S, CountTrace, Progress, TraceError, silent

MOST_COUNTED = 1e12
"""Messages in the whole file: 30,000 per second for a year. A larger number is an error."""

MOST_INTERVALS = 10_000_000

LEAST_INTERVAL_S = 1.0

TOLERANCE = 1e-6
"""In intervals: permitted difference between a time written in decimals and a whole multiple of the interval."""


def read_counts(path: Path, on_progress: Progress = silent) -> CountTrace:
    """Return the trace of a count file. Its interval is the smallest step between two lines.

    Raise `TraceError`, with the line, for: every error of `rows`; a time that repeats, goes back or is not a multiple
    of the interval; an interval shorter than a second or longer than a day; more than `MOST_COUNTED` messages or
    `MOST_INTERVALS` intervals.
    """
    times, counts = _read(path, on_progress)
    interval_s = _interval(path, times)
    at = np.rint(times / interval_s).astype(np.int64)
    if at[-1] >= MOST_INTERVALS:
        line = 2 + int(np.argmax(at >= MOST_INTERVALS))
        span = f"{interval_s:g} s apart, the file spans more than {MOST_INTERVALS:,} intervals"
        raise TraceError(place(path, line), f"{span}. Use fewer days, or count by the minute")
    filled = np.zeros(int(at[-1]) + 1)
    filled[at] = counts
    return CountTrace(path.name, interval_s, filled, missing=filled.size - at.size)


def _read(path: Path, on_progress: Progress) -> tuple[Floats, Floats]:
    times, counts = array("d"), array("d")
    last, total = -1.0, 0.0
    for line, at, count in rows(path, COUNTS, on_progress):
        if at <= last:
            order = "again" if at == last else f"after {last:.15g}"
            raise TraceError(
                place(path, line), f"t_seconds is {at:.15g} {order}. Sort the lines, one for each interval"
            )
        last, total = at, total + count
        if total > MOST_COUNTED:
            raise TraceError(
                place(path, line),
                f"there are more than {MOST_COUNTED:,.0f} arrivals up to this line. Correct the counts",
            )
        times.append(at)
        counts.append(count)
    return np.frombuffer(times), np.frombuffer(counts)


def _interval(path: Path, times: Floats) -> float:
    if times.size < 2:
        raise TraceError(place(path, 2), "one line does not define the interval. Add the line of the next interval")
    steps = np.diff(times)
    smallest = float(steps.min())
    if smallest < LEAST_INTERVAL_S:
        line = 3 + int(np.argmin(steps))
        raise TraceError(place(path, line), "the line is less than a second after the line before. Use at least 1 s")
    if smallest > DAY_S:
        raise TraceError(
            place(path, 3), "the line is more than a day after the line before. Count by the minute or the hour"
        )
    if _first_off(times, smallest) is not None:
        line, interval_s = _wrong_line(times, steps, smallest)
        raise TraceError(
            place(path, line),
            f"t_seconds is {times[line - 2]:.15g}, not a multiple of the interval of {interval_s:.15g} s. Correct it",
        )
    return smallest


def _wrong_line(times: Floats, steps: Floats, smallest: float) -> tuple[int, float]:
    """Return the line whose time is not a multiple of the interval, and this interval. It is the most frequent step, so
    that for one mistyped time (0, 60, 119, 180) the error names its line and not another one.
    """
    values, numbers = np.unique(steps, return_counts=True)
    most_frequent = float(values[np.argmax(numbers)])
    for interval_s in (most_frequent, smallest):
        if (off := _first_off(times, interval_s)) is not None:
            return off + 2, interval_s
    raise AssertionError("no time is off the smallest step")


def _first_off(times: Floats, interval_s: float) -> int | None:
    """Return the index of the first time that is not a multiple of the interval; None if all are."""
    ratio = times / interval_s
    off = np.abs(ratio - np.rint(ratio)) > TOLERANCE
    return int(np.argmax(off)) if off.any() else None
