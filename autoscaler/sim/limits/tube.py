"""The tube: lower and upper bounds of the cumulative work of every run that is in time; and the taut string in it.

No run can do more work than an unlimited fleet. If no message waits longer than the latency, no run does less work
than that fleet had done one latency earlier. The work of a constant number of tasks is a straight line, and each
launch makes the line steeper. The path with the fewest launches and no idle task is therefore a taut string.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from autoscaler.sim.limits.episode import Episode
from autoscaler.sim.model import Floats


class Tube(NamedTuple):
    """Bounds of the cumulative work, in task-seconds, at the ascending, evenly spaced instants `at_s`. `least` is never
    above `most`, and they are equal at both ends.
    """

    at_s: Floats
    least: Floats
    most: Floats

    @property
    def step_s(self) -> float:
        return float(self.at_s[1] - self.at_s[0])


class String(NamedTuple):
    """A path through a tube: straight between the knots."""

    at_s: Floats
    work: Floats

    @property
    def slopes(self) -> Floats:
        """The number of busy tasks between each knot and the next."""
        return np.asarray(np.diff(self.work) / np.diff(self.at_s))


def tube(episode: Episode, latency_s: float, step_s: float) -> Tube:
    """Return the tube of the runs in which no message waits longer than `latency_s`.

    `least` is stricter than necessary for long messages: when a message must begin, it includes all work of the
    messages before it, although their last parts can still be in progress. So first in, first out is in time for every
    number of tasks whose line stays in the tube: while a message waits, every task is busy, so the work before it is
    not complete.
    """
    arrivals, service = episode.arrivals_s, episode.service_s
    ends = arrivals + service
    at_s = np.arange(0.0, float(ends.max()) + latency_s + 3 * step_s, step_s)
    most = _unlimited(arrivals, ends, at_s)
    due = np.searchsorted(arrivals + latency_s, at_s, side="right")
    ahead = np.concatenate([np.zeros(2), np.cumsum(service)])[due]
    least = np.maximum(_unlimited(arrivals, ends, at_s - latency_s), ahead)
    least[-1] = most[-1]
    return Tube(at_s, np.minimum(least, most) / episode.task_concurrency, most / episode.task_concurrency)


def _unlimited(arrivals: Floats, ends: Floats, at_s: Floats) -> Floats:
    """Return the work of an unlimited fleet until each instant: the integral of begun minus ended messages."""
    return np.asarray(_elapsed(arrivals, at_s) - _elapsed(np.sort(ends), at_s))


def _elapsed(instants: Floats, at_s: Floats) -> Floats:
    """Return, for each `at_s`, the sum of the time since each of the ascending `instants` before it."""
    passed = np.searchsorted(instants, at_s, side="right")
    sums = np.concatenate([np.zeros(1), np.cumsum(instants)])
    return np.asarray(at_s * passed - sums[passed])


Point = tuple[float, float]


def taut(within: Tube) -> String:
    """Return the shortest path through the tube. Of all paths, its slope varies least and has the lowest maximum."""
    knots: list[Point] = [(float(within.at_s[0]), float(within.least[0]))]
    below, above = [knots[0]], [knots[0]]
    low, high = 0, 0  # the first point of each chain that is still relevant: the last knot
    rows = zip(within.at_s[1:].tolist(), within.least[1:].tolist(), within.most[1:].tolist(), strict=True)
    for at, least, most in rows:
        _extend(above, high, (at, most), 1)
        _extend(below, low, (at, least), -1)
        if len(above) - high == 2:
            low = _cross(below, low, above[-1], 1, knots)
            above[high] = knots[-1]
        if len(below) - low == 2:
            high = _cross(above, high, below[-1], -1, knots)
            below[low] = knots[-1]
    knots += below[low + 1 :]
    at_s, work = np.array(knots).T
    return String(at_s, work)


def _extend(chain: list[Point], held: int, to: Point, side: int) -> None:
    """Extend the chain to one more point, around the obstacles on its side only. Slopes rise along the upper chain
    (side 1) and fall along the lower chain (side -1).
    """
    while len(chain) - held > 1 and side * _bend(chain[-2], chain[-1], to) <= 0:
        chain.pop()
    chain.append(to)


def _cross(chain: list[Point], held: int, to: Point, side: int, knots: list[Point]) -> int:
    """Add a knot for each corner of the chain that the straight line from the last knot to `to` crosses."""
    while len(chain) - held > 2 and side * _bend(chain[held], chain[held + 1], to) < 0:
        held += 1
        knots.append(chain[held])
    return held


def _bend(a: Point, b: Point, c: Point) -> float:
    """Return a value above 0 if the path `a`, `b`, `c` bends to the left, which is upwards."""
    return (b[0] - a[0]) * (c[1] - b[1]) - (b[1] - a[1]) * (c[0] - b[0])
