"""Count files: `t_seconds,arrivals`, how many messages came in the interval that begins then.

An interval without a line is empty: who counts what came has nothing to write where nothing came. So a file with its
zeros left out says the same as one that has them. How many are missing is kept, for people to see.
"""

from __future__ import annotations

from array import array
from pathlib import Path

import numpy as np

from autoscaler.sim.model import Floats
from autoscaler.sim.workload.lines import COUNTS, place, rows
from autoscaler.sim.workload.trace import DAY_S, CountTrace, Progress, TraceError, silent

MOST_COUNTED = 1e12
"""In the whole file. Thirty thousand messages a second for a year; above, it is a broken number."""

MOST_INTERVALS = 10_000_000

LEAST_INTERVAL_S = 1.0

OFF = 1e-6
"""In intervals: what a time written in decimals may be beside a whole multiple."""


def read_counts(path: Path, on_progress: Progress = silent) -> CountTrace:
    """The trace of a count file; its interval is the smallest step between two lines.

    Raises `TraceError`, with the line: what `rows` refuses; a time that repeats or goes back, or that is no multiple
    of the interval; an interval shorter than a second or longer than a day; more than `MOST_COUNTED` messages, or
    `MOST_INTERVALS` intervals.
    """
    times, counts = _read(path, on_progress)
    interval_s = _interval(path, times)
    at = np.rint(times / interval_s).astype(np.int64)
    if at[-1] >= MOST_INTERVALS:
        line = 2 + int(np.argmax(at >= MOST_INTERVALS))
        much = f"{interval_s:g} s apart, the file spans more than {MOST_INTERVALS:,} intervals"
        raise TraceError(place(path, line), f"{much}: cut it, or count by the minute")
    filled = np.zeros(int(at[-1]) + 1)
    filled[at] = counts
    return CountTrace(path.name, interval_s, filled, absent=filled.size - at.size)


def _read(path: Path, on_progress: Progress) -> tuple[Floats, Floats]:
    times, counts = array("d"), array("d")
    last, total = -1.0, 0.0
    for line, at, count in rows(path, COUNTS, on_progress):
        if at <= last:
            order = "again" if at == last else f"after {last:.15g}"
            raise TraceError(
                place(path, line), f"t_seconds is {at:.15g} {order}: sort the lines, one for each interval"
            )
        last, total = at, total + count
        if total > MOST_COUNTED:
            raise TraceError(
                place(path, line), f"more than {MOST_COUNTED:,.0f} arrivals up to here: correct the counts"
            )
        times.append(at)
        counts.append(count)
    return np.frombuffer(times), np.frombuffer(counts)


def _interval(path: Path, times: Floats) -> float:
    if times.size < 2:
        raise TraceError(place(path, 2), "one line does not tell how long an interval is: add the next interval's")
    steps = np.diff(times)
    smallest = float(steps.min())
    if smallest < LEAST_INTERVAL_S:
        line = 3 + int(np.argmin(steps))
        raise TraceError(place(path, line), "is less than a second after the line before: count by the second, or more")
    if smallest > DAY_S:
        raise TraceError(place(path, 3), "is more than a day after the line before: count by the minute, or the hour")
    if _off(times, smallest) is not None:
        line, interval_s = _blamed(times, steps, smallest)
        raise TraceError(
            place(path, line),
            f"t_seconds is {times[line - 2]:.15g}, no multiple of the interval of {interval_s:.15g} s: correct it",
        )
    return smallest


def _blamed(times: Floats, steps: Floats, smallest: float) -> tuple[int, float]:
    """The line that does not fit, and the interval that it does not fit: the commonest step, so that one mistyped time
    (0, 60, 119, 180) is blamed itself, and not all lines beside it.
    """
    values, numbers = np.unique(steps, return_counts=True)
    commonest = float(values[np.argmax(numbers)])
    for interval_s in (commonest, smallest):
        if (off := _off(times, interval_s)) is not None:
            return off + 2, interval_s
    raise AssertionError("no time is off the smallest step")


def _off(times: Floats, interval_s: float) -> int | None:
    """The first time that is no multiple of the interval."""
    ratio = times / interval_s
    off = np.abs(ratio - np.rint(ratio)) > OFF
    return int(np.argmax(off)) if off.any() else None
