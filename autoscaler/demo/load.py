"""The arrivals and processing times of a demo, all computed before the start.

The synthetic load rises and falls, bursts, and ends. It is a Poisson process whose rate follows `CURVE`; the same seed
gives the same load.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from math import pi, sin
from random import Random
from statistics import fmean
from typing import NamedTuple

MEAN_WORK_S = 1.75
"""Mean processing time of a message without a trace of jobs; times are uniform within half a second of it."""

CELL_S = 5.0
MOST_PER_CELL = 300
"""Messages per cell that the embedded Region supports in addition to the workers' calls: 60 per second over 5 s."""


class Arrival(NamedTuple):
    """A message: when it is sent, in seconds from the start of the load, and its processing time."""

    at_s: float
    work_s: float


@dataclass(frozen=True, slots=True)
class DemoLoad:
    """All arrivals in order, over `duration_s`. `notes`: messages to the user about the load.

    `thinned_by` k: only one of k messages is sent. `work_divided_by`: the divisor of the service times.
    """

    arrivals: tuple[Arrival, ...]
    duration_s: float
    notes: tuple[str, ...] = ()
    thinned_by: int = 1
    work_divided_by: float = 1.0

    @property
    def mean_work_s(self) -> float:
        return fmean(arrival.work_s for arrival in self.arrivals)


class Hump(NamedTuple):
    """A smooth rise and fall between two shares of the duration, with a maximum of `peak` messages per second."""

    begins: float
    ends: float
    peak: float

    def rate(self, share: float) -> float:
        if not self.begins <= share < self.ends:
            return 0.0
        return self.peak * sin(pi * (share - self.begins) / (self.ends - self.begins)) ** 2


CURVE = (Hump(0.0, 0.42, 12.0), Hump(0.1, 0.8, 3.0), Hump(0.5, 0.78, 55.0), Hump(0.66, 0.9, 6.0))
PEAK_RATE = sum(hump.peak for hump in CURVE)


def rate_at(share: float) -> float:
    """Return messages per second at this share of the duration; 0 before 0 and from 0.9 on."""
    return sum(hump.rate(share) for hump in CURVE)


def draw_work_s(random: Random) -> float:
    return MEAN_WORK_S + random.uniform(-0.5, 0.5)


def synthetic_load(duration_s: float, seed: int) -> DemoLoad:
    """Return the synthetic load: arrivals are drawn at the peak rate and thinned to the curve."""
    random = Random(seed)  # noqa: S311  # a repeatable load, no secret
    arrivals, at_s = [], 0.0
    while (at_s := at_s + random.expovariate(PEAK_RATE)) < duration_s:
        if random.random() * PEAK_RATE < rate_at(at_s / duration_s):
            arrivals.append(Arrival(at_s, draw_work_s(random)))
    arrivals = arrivals or [Arrival(0.0, MEAN_WORK_S)]
    return DemoLoad(
        tuple(arrivals), duration_s, (f"{len(arrivals):,} messages: a slow rise and fall, a burst, then none",)
    )


class Bin(NamedTuple):
    """A number of messages in [begins_s, ends_s), in wall time; an instant if both are equal."""

    begins_s: float
    ends_s: float
    messages: float


def thinning(bins: list[Bin]) -> int:
    """Return the least k with which every k-th message gives at most `MOST_PER_CELL` messages per cell of `CELL_S`."""
    cells: dict[int, float] = {}
    for bin_ in bins:
        for cell, share in _cells_of(bin_):
            cells[cell] = cells.get(cell, 0.0) + bin_.messages * share
    return max(1, -int(-max(cells.values(), default=0.0) // MOST_PER_CELL))


def _cells_of(bin_: Bin) -> list[tuple[int, float]]:
    """Return the cells that a bin overlaps, with the share of the bin in each."""
    first, width = int(bin_.begins_s // CELL_S), bin_.ends_s - bin_.begins_s
    if width <= 0:
        return [(first, 1.0)]
    return [
        (cell, max(0.0, min(bin_.ends_s, (cell + 1) * CELL_S) - max(bin_.begins_s, cell * CELL_S)) / width)
        for cell in range(first, int(bin_.ends_s // CELL_S) + 1)
    ]


def thin(bins: list[Bin], by: int) -> list[int]:
    """Return the number of messages in each bin after thinning; the sum is the total divided by `by`, rounded down."""
    totals = [int(round(total, 6) // by) for total in accumulate(bin_.messages for bin_ in bins)]
    return [now - before for before, now in zip([0, *totals], totals, strict=False)]


def place(bins: list[Bin], counts: list[int], random: Random) -> list[float]:
    """Return ascending instants, uniform within each bin."""
    pairs = zip(bins, counts, strict=True)
    return sorted(random.uniform(bin_.begins_s, bin_.ends_s) for bin_, count in pairs for _ in range(count))
