"""The load of a service whose signal is a mean over its tasks: CPU, memory, or a metric with a target value.

A period's mean, times the tasks that ran in it, is the load of that period: 90 % on 4 tasks is 3.6 tasks' worth of CPU,
and requires 3.6 / 0.6 = 6 tasks at a target of 60 %, however many tasks run by the time the datapoint is published.
The count in a period is known only to within a poll, and a task that has just started may use no CPU or all of it. So
the load of a period is a range, from `low` to `high`: only `low` can require more tasks, and only `high` fewer.

- **More tasks** are required when the newest periods are all above the present count by more than their noise: one
  period by 2.5 standard deviations, `k` periods by 2.5 / sqrt(k), twelve by nothing. Noise alone puts twelve
  above it once in 4,096 times.
- **A rising load** is met early: the slope of the last two minutes is continued for the time that a datapoint is late
  and a task needs to start, by at most a tenth. While all tasks are busy the load is unknown, but not less than
  measured: the count grows to a tenth more than that requires.
- **Fewer tasks** are required when the highest load of the scale-in window requires fewer, with its slope and noise:
  after the scale-in, the utilization stays at or below its target. A small scale-in waits for twice the window, with
  twice the margin.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, sqrt
from statistics import median
from typing import NamedTuple

from autoscaler.core.model import Instant, RanTasks

SAME_PERIOD_S = 55.0
"""Readings closer than this are of one period: a source that is read at each poll does not count six times."""

NOISE_DEVIATIONS = 2.5
"""One period is above the count if it exceeds the count by this multiple of the noise."""

RUN = 12
"""Periods that are all above the count are above it, however little."""

ASSUMED_NOISE, MOST_NOISE = 0.02, 0.04
"""The noise of a period relative to its load, until there are enough periods to measure it, and at most. More than that
is the load itself, which varies. Above a count, both count half: a measurement of 14 periods is uncertain by a third.
"""

MEASURED_AFTER = 6
"""The fewest periods from which the noise is measured."""

MARGIN_DEVIATIONS = 2.0
"""The margin of a new count, as a multiple of the noise: about one period in 40 is higher."""

SECOND_DIFFERENCE = 0.6745 * sqrt(6.0)
"""The median of |a - 2b + c| over independent normal values with a standard deviation of 1. A slope cancels out."""

SMALL_STEP_RATIO, SMALL_STEP_TIMES = 0.05, 2.0
"""A scale-in by less than this share, or by less than a task more, needs this multiple of the window and of the margin:
it saves little, and with a constant load the highest period differs from window to window by as much.
"""

AHEAD_S = 180.0
"""How far the slope of a rising load is continued: half a minute from the middle of a minute to its end, a minute until
it is published, a minute until a task has started, and half a minute between reads.
"""

MOST_AHEAD = 0.1
"""The most that a count may exceed what was measured, as a share."""

SLOPE_PERIODS = 2
"""A rise counts if it is seen over one and over two periods: a single high period is not a slope."""

VAGUE_RATIO = 0.2
"""A period in which tasks start, and whose load is known only to within more than this share, is above the count only
if it is above it by as much. The next period knows more, and then one change is enough.
"""

SATURATED_PERCENT = 97.0
"""From here on all tasks are busy, and the load may be any amount above the measured one."""

ROUNDING = 1e-9
"""Float rounding: 0.9 x 4 / 0.6 is 6.000000000000001."""


class LoadPeriod(NamedTuple):
    """The load of the period that ended at `at`, in tasks times the unit of the signal. `saturated`: it may be more.
    `starting`: tasks started in it or just before it.
    """

    at: Instant
    low: float
    high: float
    saturated: bool = False
    starting: bool = False

    @property
    def vagueness(self) -> float:
        """The share to within which the load is known, if the next period will know more."""
        ratio = (self.high - self.low) / self.high if self.starting and self.high > 0.0 else 0.0
        return ratio if ratio > VAGUE_RATIO else 0.0


def load_of(value: float, at: Instant, ran: RanTasks, full: float | None = None) -> LoadPeriod:
    """Return the load of a period with this mean. `full`: the value of a task that can do no more (None: unknown).

    A starting task may have any value up to `full`; without that limit, up to the mean. While all tasks are busy, a
    task that starts within the period cannot show more load than the others: it counts from the next period on.
    """
    saturated = full is not None and value >= full * SATURATED_PERCENT / 100.0
    unknown = (ran.started if saturated else ran.starting) * (value if full is None else max(value, full))
    return LoadPeriod(at, max(0.0, value * ran.fewest - unknown), value * ran.most, saturated, ran.started > 0)


def joined(known: Sequence[LoadPeriod], newest: LoadPeriod, for_s: float) -> tuple[LoadPeriod, ...]:
    """Return the periods with the newest one: each once, oldest first, those of the last `for_s` seconds.

    A later reading of the same period replaces the earlier one, but its highest load stays.
    """
    earlier = tuple(each for each in known if newest.at - for_s < each.at <= newest.at - SAME_PERIOD_S)
    same = [each for each in known if newest.at - SAME_PERIOD_S < each.at < newest.at]
    if not same:
        return (*earlier, newest)
    return (*earlier, newest._replace(at=same[0].at, high=max(newest.high, *(each.high for each in same))))


class LoadRequirement(NamedTuple):
    """What a load requires, in tasks with fractions. `measured`: by the newest period; `planned`: with its slope and
    noise. `held`: by the highest period, with the same. `rises`: more than the present count is required. `falls`:
    fewer are.
    """

    measured: float
    planned: float
    held: float
    rises: bool
    falls: bool


def reach_s(window_s: float) -> float:
    """Return for how long periods are needed, with a scale-in window of `window_s`."""
    return SMALL_STEP_TIMES * window_s


def follow(
    periods: Sequence[LoadPeriod], target: float, current: int, window_s: float = inf, least: float = 0.0
) -> LoadRequirement:
    """Return what the periods require at this target per task, at least `least` tasks. `periods`: at least one, those
    of `reach_s(window_s)`.
    """
    lows, highs = [period.low / target for period in periods], [period.high / target for period in periods]
    measured = noise_of(highs[:-1])
    margin = MARGIN_DEVIATIONS * (measured or 0.0)
    noise = ASSUMED_NOISE if measured is None else sqrt((measured**2 + ASSUMED_NOISE**2) / 2)
    ahead = [_ahead(periods, highs, at, measured or 0.0) for at in range(len(periods))]
    sure = [low / (1.0 + period.vagueness) for low, period in zip(lows, periods, strict=True)]
    planned = lows[-1] * (1.0 + max(ahead[-1], margin))
    expected = [high * (1.0 + more) for high, more in zip(highs, ahead, strict=True)]
    lately = [load for load, each in zip(expected, periods, strict=True) if each.at > periods[-1].at - window_s]
    held = max(least, max([expected[-1], *lately]) * (1.0 + margin))
    if current - held < SMALL_STEP_RATIO * current + 1.0:
        held = max(least, max(expected) * (1.0 + SMALL_STEP_TIMES * margin))
    return LoadRequirement(
        lows[-1], planned, held, _is_above(sure, current, noise), held <= current - 1 + ROUNDING * current
    )


def noise_of(loads: Sequence[float]) -> float | None:
    """Return the relative standard deviation of a period's load around a straight line, 0 to `MOST_NOISE` (None: there
    are too few periods, or no load).
    """
    if len(loads) < MEASURED_AFTER or not any(loads):
        return None
    mean = sum(loads) / len(loads)
    bends = [abs(a - 2 * b + c) for a, b, c in zip(loads, loads[1:], loads[2:], strict=False)]
    return min(MOST_NOISE, median(bends) / (SECOND_DIFFERENCE * mean))


def _is_above(lows: Sequence[float], current: int, noise: float) -> bool:
    """Whether the newest periods are all above the present count, by more than their noise."""
    lowest = inf
    for number, low in enumerate(reversed(lows), 1):
        lowest = min(lowest, low)
        if lowest <= current * (1.0 + ROUNDING):
            return False
        if number >= RUN or lowest > current * (1.0 + NOISE_DEVIATIONS * noise / sqrt(number)) * (1.0 + ROUNDING):
            return True
    return False


def _ahead(periods: Sequence[LoadPeriod], loads: Sequence[float], at: int, noise: float) -> float:
    """Return by which share the load may rise until a task that is requested now has started, at most `MOST_AHEAD`. A
    rise within the noise is none.
    """
    if periods[at].saturated and at > 0:
        return MOST_AHEAD
    if at < SLOPE_PERIODS or loads[at] <= 0.0:
        return 0.0
    rise = min(
        (loads[at] * (1.0 - noise) - loads[at - back]) / max(periods[at].at - periods[at - back].at, SAME_PERIOD_S)
        for back in range(1, SLOPE_PERIODS + 1)
    )
    return min(MOST_AHEAD, max(0.0, rise) * AHEAD_S / loads[at])
