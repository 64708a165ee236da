"""Turn the string, whose slope is a fraction of tasks, into a whole number of tasks over time.

Launches cost most. So a count stays while the tube allows it, and changes only to the whole number next to the string's
slope. A rise of the string causes at most one launch more than necessary, and no launch if the slope crosses no whole
number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from autoscaler.sim.limits.tube import String, Tube
from autoscaler.sim.model import Floats

Counts: TypeAlias = NDArray[np.int64]

BOUND_MARGIN = 0.25
"""Distance from the tube's bounds at which a count changes, as a share of the way to the string: room for one step."""


@dataclass(frozen=True, slots=True)
class Staffing:
    """The number of tasks from each of the ascending instants on, and the work done until then."""

    at_s: Floats
    tasks: Counts
    work: Floats


def staff(within: Tube, string: String, tasks_at_start: int, gap_s: float) -> Staffing:
    """Return the tasks along the string. Tasks that would be stopped for less than `gap_s` stay."""
    tasks = _filled(_along(within, string, tasks_at_start), round(gap_s / within.step_s))
    work = np.zeros(len(within.at_s))
    done, step_s = 0.0, within.step_s
    for row, (count, most) in enumerate(zip(tasks.tolist(), within.most[1:].tolist(), strict=True), start=1):
        work[row] = done = min(done + count * step_s, most)
    return Staffing(within.at_s[:-1], tasks, work[:-1])


def _along(within: Tube, string: String, tasks: int) -> Counts:
    """Return the count at each step of the tube. `tasks`: the count before the first step."""
    step_s, slopes = within.step_s, string.slopes
    segment = np.clip(np.searchsorted(string.at_s, within.at_s, side="right") - 1, 0, len(slopes) - 1)
    taut = np.interp(within.at_s, string.at_s, string.work)
    least = within.least + BOUND_MARGIN * (taut - within.least)
    most = within.most - BOUND_MARGIN * (within.most - taut)
    bends = np.append(np.sign(np.diff(slopes)), -1.0)  # 1: held by the upper bound
    rows = zip(
        slopes[segment].tolist(),
        (string.at_s[segment + 1] - within.at_s).tolist(),
        string.work[segment + 1].tolist(),
        bends[segment].tolist(),
        least[1:].tolist(),
        most[1:].tolist(),
        strict=False,
    )
    counts, done = [], 0.0
    for slope, left_s, knot, bend, low, high in rows:
        after = done + tasks * step_s
        if tasks < slope - 1e-9:
            more = math.ceil(slope - 1e-9)
            if after < low or (bend < 0 and after + more * (left_s - step_s) < knot):
                tasks = more
        elif tasks > slope + 1e-9:
            fewer = math.floor(slope + 1e-9)
            if after > high or (bend > 0 and after + fewer * (left_s - step_s) > knot):
                tasks = fewer
        done = min(done + tasks * step_s, high)
        counts.append(tasks)
    return np.array(counts, dtype=np.int64)


def _filled(tasks: Counts, steps: int) -> Counts:
    """Fill dips of at most `steps` steps: a morphological closing of each count."""
    if steps < 1 or len(tasks) <= steps:
        return tasks
    edge = np.zeros(steps, dtype=np.int64)
    highest = _window_extremes(np.maximum, np.concatenate([edge, tasks, edge]), steps + 1)
    return _window_extremes(np.minimum, highest, steps + 1)


def _window_extremes(extreme: np.ufunc, tasks: Counts, width: int) -> Counts:
    """Return the extreme of each window of `width` steps, from windows half as wide."""
    done = 1
    while done < width:
        more = min(done, width - done)
        tasks = extreme(tasks[:-more], tasks[more:])
        done += more
    return tasks
