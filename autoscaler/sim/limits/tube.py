"""Between what must have been worked and what can have been: the tube that every run in time stays in, and the
straightest way through it.

Work piles up over time. No run can have done more of it than a fleet without limits; and if nothing may wait longer
than the latency, none may have done less than that fleet had, a latency ago. What a fixed number of tasks does is a
straight line; each task launched makes the line steeper. The way with the fewest launches and no idle task is
therefore the one a string takes when it is pulled taut.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from autoscaler.sim.limits.episode import Episode
from autoscaler.sim.model import Floats


class Tube(NamedTuple):
    """Bounds of the cumulative work, in task-seconds, at the ascending instants `at_s`, evenly spaced; `least` is
    nowhere above `most`, and they meet at both ends.
    """

    at_s: Floats
    least: Floats
    most: Floats

    @property
    def step_s(self) -> float:
        return float(self.at_s[1] - self.at_s[0])


class String(NamedTuple):
    """A way through a tube: straight between the knots."""

    at_s: Floats
    work: Floats

    @property
    def slopes(self) -> Floats:
        """Tasks busy between each knot and the next."""
        return np.asarray(np.diff(self.work) / np.diff(self.at_s))


def tube(episode: Episode, latency_s: float, step_s: float) -> Tube:
    """The tube of a run in which nothing waits longer than `latency_s`.

    `least` is stricter than necessary where a message takes long: it has all the work of the messages ahead of one
    that must be begun now, whose tails might still be at work. Then first in, first out is in time, on any count
    of tasks whose line stays in the tube: a message that still waits finds no task without work, so that the work
    of those ahead of it cannot all be done.
    """
    arrivals, service = episode.arrivals_s, episode.service_s
    ends = arrivals + service
    at_s = np.arange(0.0, float(ends.max()) + latency_s + 3 * step_s, step_s)
    most = _endless(arrivals, ends, at_s)
    due = np.searchsorted(arrivals + latency_s, at_s, side="right")
    ahead = np.concatenate([np.zeros(2), np.cumsum(service)])[due]
    least = np.maximum(_endless(arrivals, ends, at_s - latency_s), ahead)
    least[-1] = most[-1]
    return Tube(at_s, np.minimum(least, most) / episode.task_concurrency, most / episode.task_concurrency)


def _endless(arrivals: Floats, ends: Floats, at_s: Floats) -> Floats:
    """The work that a fleet without limits has done until each instant: what began less what ended, integrated."""
    return np.asarray(_elapsed(arrivals, at_s) - _elapsed(np.sort(ends), at_s))


def _elapsed(instants: Floats, at_s: Floats) -> Floats:
    """The sum, over the ascending instants that have passed, of how long ago they are."""
    passed = np.searchsorted(instants, at_s, side="right")
    sums = np.concatenate([np.zeros(1), np.cumsum(instants)])
    return np.asarray(at_s * passed - sums[passed])


Point = tuple[float, float]


def taut(within: Tube) -> String:
    """The shortest way through the tube: of all ways its slope varies least, and its greatest slope is the least."""
    knots: list[Point] = [(float(within.at_s[0]), float(within.least[0]))]
    below, above = [knots[0]], [knots[0]]
    low, high = 0, 0  # the first point of each chain that still counts: where the string is held
    rows = zip(within.at_s[1:].tolist(), within.least[1:].tolist(), within.most[1:].tolist(), strict=True)
    for at, least, most in rows:
        _stretch(above, high, (at, most), 1)
        _stretch(below, low, (at, least), -1)
        if len(above) - high == 2:
            low = _give_way(below, low, above[-1], 1, knots)
            above[high] = knots[-1]
        if len(below) - low == 2:
            high = _give_way(above, high, below[-1], -1, knots)
            below[low] = knots[-1]
    knots += below[low + 1 :]
    at_s, work = np.array(knots).T
    return String(at_s, work)


def _stretch(chain: list[Point], held: int, to: Point, side: int) -> None:
    """Leads the chain to one more point, around the obstacles on its side only: slopes rise along the upper chain
    (side 1), and fall along the lower one (side -1).
    """
    while len(chain) - held > 1 and side * _turn(chain[-2], chain[-1], to) <= 0:
        chain.pop()
    chain.append(to)


def _give_way(chain: list[Point], held: int, to: Point, side: int, knots: list[Point]) -> int:
    """The straight way from the last knot to `to` may cross the chain: each corner crossed becomes a knot."""
    while len(chain) - held > 2 and side * _turn(chain[held], chain[held + 1], to) < 0:
        held += 1
        knots.append(chain[held])
    return held


def _turn(a: Point, b: Point, c: Point) -> float:
    """Above 0 where the way from `a` over `b` to `c` turns to the left, which is upwards."""
    return (b[0] - a[0]) * (c[1] - b[1]) - (b[1] - a[1]) * (c[0] - b[0])
