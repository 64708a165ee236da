"""What a real queue was sent, from CloudWatch: `NumberOfMessagesSent`, the Sum of each period.

CloudWatch keeps periods of 60 s for 15 days and of 300 s for 63: the older part of a long history is asked for in
fives of minutes. Where both are known the minutes are believed, and what a five has beyond its known minutes is
spread evenly over its others: the total of a five is kept.

A minute without a datapoint is taken for empty. SQS sends no metrics of a queue that nobody used for six hours, and
a load has no place for what is not known; `absent` says how many there were, for people to judge.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from autoscaler.sim.model import MINUTE_S, Floats
from autoscaler.sim.workload.choosing import MOST_DAYS
from autoscaler.sim.workload.trace import DAY_S, CountTrace, TraceError

METRIC = "NumberOfMessagesSent"

MINUTES_KEPT_S = 15 * DAY_S
"""For how long CloudWatch keeps periods of 60 s."""

FIVES_KEPT_S = 63 * DAY_S
"""For how long CloudWatch keeps periods of 300 s."""


class Sum(NamedTuple):
    """One datapoint: the Sum of the period of `period_s` seconds that begins at `at`, in seconds since 1970."""

    at: float
    period_s: int
    value: float


class Asked(NamedTuple):
    """What to ask GetMetricData for: from `start` up to `end` (seconds since 1970), by periods of `period_s`."""

    start: float
    end: float
    period_s: int


def questions(now: float, back_s: float) -> tuple[Asked, ...]:
    """The periods that hold the last `back_s`, up to the last whole minute before `now`: at most 63 days of them.

    Both ends are whole periods, as GetMetricData wants them; the older part comes first, if there is one.
    """
    end = math.floor(now / MINUTE_S) * MINUTE_S
    start = math.ceil((end - min(back_s, FIVES_KEPT_S)) / MINUTE_S) * MINUTE_S
    finer = math.ceil((now - MINUTES_KEPT_S) / 300) * 300.0
    if start >= finer:
        return (Asked(start, end, 60),)
    return (Asked(math.floor(start / 300) * 300.0, finer, 300), Asked(finer, end, 60))


def counts_from_minutes(name: str, sums: Iterable[Sum], start: float, end: float) -> CountTrace:
    """The trace by the minute from the first datapoint in [start, end) on up to `end`: what the queue was before its
    first datapoint nobody knows, and it may not have been there. The sums may come in any order.

    What is no count (negative, or not finite) is as if absent. Raises `TraceError` where there is nothing at all.
    """
    size = math.ceil((end - start) / MINUTE_S)
    if not 0 < size <= MOST_DAYS * DAY_S / MINUTE_S:
        raise TraceError(name, f"from {start:.0f} to {end:.0f} is no time that CloudWatch remembers: ask for some days")
    counts, known = _placed([each for each in sums if 0 <= each.value < math.inf], start, size)
    if not known.any():
        what = f"CloudWatch has no {METRIC} of it in that time"
        raise TraceError(name, f"{what}: check its name and its Region, or look further back")
    first = int(np.argmax(known))
    return CountTrace(name, MINUTE_S, counts[first:], absent=int((~known[first:]).sum()))


def _placed(sums: Sequence[Sum], start: float, size: int) -> tuple[Floats, NDArray[np.bool_]]:
    """The count of each minute, and whether it is known: the finest periods first, so that they are believed."""
    counts, known = np.zeros(size), np.zeros(size, dtype=bool)
    for each in sorted(sums, key=lambda each: each.period_s):
        begin, minutes = math.floor((each.at - start) / MINUTE_S), max(1, round(each.period_s / MINUTE_S))
        mine = np.arange(max(0, begin), min(size, begin + minutes))
        others = mine[~known[mine]]
        if others.size:
            rest = max(0.0, each.value - float(counts[mine].sum()))
            outside = minutes - mine.size
            counts[others] = rest / (others.size + outside)
            known[others] = True
    return counts, known
