"""Choose the days of a trace to simulate, and the mean load to rescale them to.

The choice applies before messages are drawn, so every seed and every policy has the same days at the same load.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from autoscaler.sim.model import Floats
from autoscaler.sim.workload.trace import DAY_S, LONGEST_S, TraceError

PEAK_RATIO = 5.0
"""A load that is rescaled to a mean of X tasks has no interval above 5 x X tasks."""

MOST_MESSAGES = 50_000_000
"""Limit for one simulation. The arrivals and service times of this number of messages take 800 MB."""

MOST_DAYS = int(LONGEST_S / DAY_S)


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen days and load of a trace.

    `from_day` counts from 0. `days`: number of days (None: to the end of the trace); a shorter trace gives fewer.
    `mean_tasks`: the mean number of busy tasks to rescale to (None: unchanged).

    Raise `TraceError` for a day below 0, less than one day, or a mean that is not above 0.
    """

    from_day: int = 0
    days: int | None = None
    mean_tasks: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.from_day < MOST_DAYS:
            raise TraceError("--from-day", f"the value is {self.from_day}, but must be from 0 to {MOST_DAYS - 1}")
        if self.days is not None and not 1 <= self.days <= MOST_DAYS:
            raise TraceError("--days", f"the value is {self.days}, but must be from 1 to {MOST_DAYS}")
        if self.mean_tasks is not None and not 0 < self.mean_tasks < math.inf:
            raise TraceError("--mean-tasks", f"the value is {self.mean_tasks:g}, but must be above 0")


class TracePart(NamedTuple):
    """The chosen intervals, half-open: from `first` up to `end`. Those before `first` are history."""

    first: int
    end: int


class LoadSize(NamedTuple):
    """The size of a load: expected messages, busy tasks on average, and busy tasks in the busiest interval."""

    messages: float
    mean_tasks: float
    peak_tasks: float


def part(choice: Choice, name: str, intervals: int, interval_s: float) -> TracePart:
    """Return the intervals that begin in the chosen days. Raise `TraceError` if the trace does not have them."""
    first = math.ceil(choice.from_day * DAY_S / interval_s)
    if first >= intervals:
        newest = math.ceil(intervals * interval_s / DAY_S) - 1
        days = "day 0 only" if newest == 0 else f"days 0 to {newest}"
        raise TraceError(name, f"the load has no day {choice.from_day}; it has {days}")
    if choice.days is None:
        return TracePart(first, intervals)
    return TracePart(first, min(intervals, math.ceil((choice.from_day + choice.days) * DAY_S / interval_s)))


def load(counts: Floats, interval_s: float, service_s: float, task_concurrency: int = 1) -> LoadSize:
    """Return the load's size. Busy tasks of an interval: count x mean service time / interval / task concurrency."""
    tasks = service_s / interval_s / task_concurrency
    return LoadSize(float(counts.sum()), float(counts.mean()) * tasks, float(counts.max()) * tasks)


def factor(choice: Choice, name: str, unscaled: LoadSize) -> float:
    """Return the factor for every count: the smaller of two factors: to a mean of `mean_tasks`, and to a busiest
    interval of five times `mean_tasks`. Without a chosen mean it is 1.

    Raise `TraceError` if there is no work to rescale, or if the result has more than `MOST_MESSAGES` messages.
    """
    ratio = 1.0
    if choice.mean_tasks is not None:
        if unscaled.mean_tasks == 0:
            raise TraceError(
                name, "the load has no work in the chosen days, so it cannot be rescaled. Choose other days"
            )
        ratio = min(choice.mean_tasks / unscaled.mean_tasks, PEAK_RATIO * choice.mean_tasks / unscaled.peak_tasks)
    if not unscaled.messages * ratio <= MOST_MESSAGES:
        size = f"{unscaled.messages * ratio:,.0f} messages in the chosen days, more than {MOST_MESSAGES:,}"
        raise TraceError(name, f"{size}. Choose fewer days or a smaller mean")
    return ratio
