"""Which days of a trace are simulated, and how heavy they are made.

A choice is made once, before anything is drawn: the same days at the same weight for every seed and every policy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from autoscaler.sim.model import Floats
from autoscaler.sim.workload.trace import DAY_S, LONGEST_S, TraceError

PEAK_RATIO = 5.0
"""A load rescaled to a mean of X tasks has no interval above five times X."""

MOST_MESSAGES = 50_000_000
"""In one simulation: their arrivals and service times alone are 800 MB."""

MOST_DAYS = int(LONGEST_S / DAY_S)


@dataclass(frozen=True, slots=True)
class Choice:
    """`days` from `from_day` on, counted from 0 (`days` None: to the trace's end), as heavy as `mean_tasks` tasks
    would be kept busy by (None: as it is). A trace that ends earlier gives what it has.

    Raises `TraceError` for a day below 0, less than one day, or a mean that is not above 0.
    """

    from_day: int = 0
    days: int | None = None
    mean_tasks: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.from_day < MOST_DAYS:
            raise TraceError("from day", f"{self.from_day}: days count from 0, up to {MOST_DAYS - 1}")
        if self.days is not None and not 1 <= self.days <= MOST_DAYS:
            raise TraceError("days", f"{self.days}: choose 1 to {MOST_DAYS}")
        if self.mean_tasks is not None and not 0 < self.mean_tasks < math.inf:
            raise TraceError("mean tasks", f"{self.mean_tasks:g}: choose more than 0")


class Part(NamedTuple):
    """The chosen intervals, half-open: from `first` up to `end`. Those before `first` are history."""

    first: int
    end: int


class Load(NamedTuple):
    """How heavy a load is: in messages expected, and in tasks kept busy on average, and in its busiest interval."""

    messages: float
    mean_tasks: float
    peak_tasks: float


def part(choice: Choice, name: str, intervals: int, interval_s: float) -> Part:
    """The intervals that begin in the chosen days. Raises `TraceError` where the trace has none of them."""
    first = math.ceil(choice.from_day * DAY_S / interval_s)
    if first >= intervals:
        newest = math.ceil(intervals * interval_s / DAY_S) - 1
        has = "day 0 only" if newest == 0 else f"days 0 to {newest}"
        raise TraceError(name, f"has no day {choice.from_day}: it has {has}")
    if choice.days is None:
        return Part(first, intervals)
    return Part(first, min(intervals, math.ceil((choice.from_day + choice.days) * DAY_S / interval_s)))


def load(counts: Floats, interval_s: float, service_s: float, task_concurrency: int = 1) -> Load:
    """An interval's load in tasks is its count x the mean service time / the interval / a task's concurrency."""
    tasks = service_s / interval_s / task_concurrency
    return Load(float(counts.sum()), float(counts.mean()) * tasks, float(counts.max()) * tasks)


def factor(choice: Choice, name: str, as_it_is: Load) -> float:
    """By what every count is multiplied: to a mean of `mean_tasks`, or to a busiest interval of five times that,
    whichever is less. 1 where no mean is chosen.

    Raises `TraceError` where there is nothing to rescale, or where more than `MOST_MESSAGES` would come.
    """
    ratio = 1.0
    if choice.mean_tasks is not None:
        if as_it_is.mean_tasks == 0:
            raise TraceError(name, "no work comes in the chosen days: nothing can be rescaled; choose others")
        ratio = min(choice.mean_tasks / as_it_is.mean_tasks, PEAK_RATIO * choice.mean_tasks / as_it_is.peak_tasks)
    if not as_it_is.messages * ratio <= MOST_MESSAGES:
        much = f"{as_it_is.messages * ratio:,.0f} messages in the chosen days, more than {MOST_MESSAGES:,}"
        raise TraceError(name, f"{much}: choose fewer days or a smaller mean")
    return ratio
