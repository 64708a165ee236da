"""How many whole tasks, when: along the string, which knows fractions of tasks.

Launches are what costs. So a count is kept for as long as the tube allows, and left only for the whole number next to
the string's slope: one more launch per rise of the string at most, and none where its slope crosses no whole number.
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

KEPT_AWAY = 0.25
"""How far from the tube's walls a count is left, as a share of the way to the string: a step's surprises fit in."""


@dataclass(frozen=True, slots=True)
class Staffing:
    """So many tasks from each of the ascending instants on; and the work that they will have done until then."""

    at_s: Floats
    tasks: Counts
    work: Floats


def staff(within: Tube, string: String, tasks_at_start: int, gap_s: float) -> Staffing:
    """Tasks along the string. Where they would be stopped for less than `gap_s`, they stay."""
    tasks = _bridged(_along(within, string, tasks_at_start), round(gap_s / within.step_s))
    work = np.zeros(len(within.at_s))
    done, step_s = 0.0, within.step_s
    for row, (count, most) in enumerate(zip(tasks.tolist(), within.most[1:].tolist(), strict=True), start=1):
        work[row] = done = min(done + count * step_s, most)
    return Staffing(within.at_s[:-1], tasks, work[:-1])


def _along(within: Tube, string: String, tasks: int) -> Counts:
    """A count per step of the tube. `tasks`: how many there are before the first."""
    step_s, slopes = within.step_s, string.slopes
    segment = np.clip(np.searchsorted(string.at_s, within.at_s, side="right") - 1, 0, len(slopes) - 1)
    taut = np.interp(within.at_s, string.at_s, string.work)
    least = within.least + KEPT_AWAY * (taut - within.least)
    most = within.most - KEPT_AWAY * (within.most - taut)
    bends = np.append(np.sign(np.diff(slopes)), -1.0)  # 1: held from above, so that no more may be done by then
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


def _bridged(tasks: Counts, steps: int) -> Counts:
    """Dips of at most so many steps are filled, each count by itself: a closing, in the terms of morphology."""
    if steps < 1 or len(tasks) <= steps:
        return tasks
    edge = np.zeros(steps, dtype=np.int64)
    highest = _of_windows(np.maximum, np.concatenate([edge, tasks, edge]), steps + 1)
    return _of_windows(np.minimum, highest, steps + 1)


def _of_windows(extreme: np.ufunc, tasks: Counts, width: int) -> Counts:
    """The extreme of each window of so many steps, from windows half as wide."""
    done = 1
    while done < width:
        more = min(done, width - done)
        tasks = extreme(tasks[:-more], tasks[more:])
        done += more
    return tasks
