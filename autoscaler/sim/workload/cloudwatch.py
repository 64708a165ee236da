"""The messages sent to a real queue, from CloudWatch: `NumberOfMessagesSent`, the Sum of each period.

CloudWatch retains periods of 60 s for 15 days and periods of 300 s for 63 days. So the older part of a long history is
read in 5-minute periods. If both are known, the 1-minute values apply. The rest of the 5-minute value is spread evenly
over its other minutes, so its total is unchanged.

A minute without a datapoint counts as empty, because a load cannot contain unknown counts. SQS sends no metrics for a
queue that has been unused for six hours. `missing` is the number of these minutes, for the operator to judge.
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

RETENTION_60_S = 15 * DAY_S
"""Retention of CloudWatch periods of 60 s."""

RETENTION_300_S = 63 * DAY_S
"""Retention of CloudWatch periods of 300 s."""


class Sum(NamedTuple):
    """One datapoint: the Sum of the period of `period_s` seconds that begins at `at`, in seconds since 1970."""

    at: float
    period_s: int
    value: float


class MetricRange(NamedTuple):
    """A time range for GetMetricData: [start, end) in seconds since 1970, in periods of `period_s` seconds."""

    start: float
    end: float
    period_s: int


def metric_ranges(now: float, back_s: float) -> tuple[MetricRange, ...]:
    """Return the ranges for the last `back_s` seconds, up to the last whole minute before `now`; at most 63 days.

    Both ends are multiples of the period, as GetMetricData requires. If there are two ranges, the older one is first.
    """
    end = math.floor(now / MINUTE_S) * MINUTE_S
    start = math.ceil((end - min(back_s, RETENTION_300_S)) / MINUTE_S) * MINUTE_S
    finer = math.ceil((now - RETENTION_60_S) / 300) * 300.0
    if start >= finer:
        return (MetricRange(start, end, 60),)
    return (MetricRange(math.floor(start / 300) * 300.0, finer, 300), MetricRange(finer, end, 60))


def counts_from_minutes(name: str, sums: Iterable[Sum], start: float, end: float) -> CountTrace:
    """Return the trace, by the minute, from the first datapoint in [start, end) up to `end`. Earlier minutes are left
    out, because the queue may not have existed. The sums can be in any order.

    A value that is not a count (negative or not finite) counts as missing. Raise `TraceError` without any datapoint.
    """
    size = math.ceil((end - start) / MINUTE_S)
    if not 0 < size <= MOST_DAYS * DAY_S / MINUTE_S:
        raise TraceError(name, f"from {start:.0f} to {end:.0f} is not a valid time range. Request 1 to 63 days")
    counts, known = _placed([each for each in sums if 0 <= each.value < math.inf], start, size)
    if not known.any():
        what = f"CloudWatch has no {METRIC} of this queue in the requested time"
        raise TraceError(name, f"{what}. Check the name and the Region of the queue, or request a longer time")
    first = int(np.argmax(known))
    return CountTrace(name, MINUTE_S, counts[first:], missing=int((~known[first:]).sum()))


def _placed(sums: Sequence[Sum], start: float, size: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the count of each minute, and whether it is known. Shorter periods have priority, so they come first."""
    counts, known = np.zeros(size), np.zeros(size, dtype=bool)
    for each in sorted(sums, key=lambda each: each.period_s):
        begin, minutes = math.floor((each.at - start) / MINUTE_S), max(1, round(each.period_s / MINUTE_S))
        covered = np.arange(max(0, begin), min(size, begin + minutes))
        others = covered[~known[covered]]
        if others.size:
            rest = max(0.0, each.value - float(counts[covered].sum()))
            outside = minutes - covered.size
            counts[others] = rest / (others.size + outside)
            known[others] = True
    return counts, known
