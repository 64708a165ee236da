"""When messages arrive, and how long each takes to work on: all known before anything starts.

The load that the demo makes up swells, pauses, bursts and falls to nothing. It is a Poisson process whose rate
follows that curve, so the same seed gives the same load.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from math import pi, sin
from random import Random
from statistics import fmean
from typing import NamedTuple

MEAN_WORK_S = 1.75
"""A message's mean time in a worker's hands, where no file says otherwise; drawn from half a second around it."""

CELL_S = 5.0
MOST_PER_CELL = 300
"""What the embedded Region carries beside the workers' own calls, with room: 60 messages a second over 5 s."""


class Arrival(NamedTuple):
    """A message: when it is sent, in seconds from the start of the load, and how long it is worked on."""

    at_s: float
    work_s: float


@dataclass(frozen=True, slots=True)
class Load:
    """All arrivals in order, over `duration_s`. `notes`: what people should know about them, a sentence each.

    `thinned_by` k: only one of k messages is played. `work_divided_by`: by how much service times were shortened.
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
    """A smooth rise and fall between two shares of the duration, `peak` messages a second at its top."""

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
    """Messages a second when so much of the duration has passed; nothing before 0 and from 0.9 on."""
    return sum(hump.rate(share) for hump in CURVE)


def draw_work_s(random: Random) -> float:
    return MEAN_WORK_S + random.uniform(-0.5, 0.5)


def made_up(duration_s: float, seed: int) -> Load:
    """The demo's own load. Arrivals are drawn at the peak rate and kept in proportion to the curve."""
    random = Random(seed)  # noqa: S311  # a repeatable load, no secret
    arrivals, at_s = [], 0.0
    while (at_s := at_s + random.expovariate(PEAK_RATE)) < duration_s:
        if random.random() * PEAK_RATE < rate_at(at_s / duration_s):
            arrivals.append(Arrival(at_s, draw_work_s(random)))
    arrivals = arrivals or [Arrival(0.0, MEAN_WORK_S)]
    return Load(tuple(arrivals), duration_s, (f"{len(arrivals):,} messages: a swell, a burst, then nothing",))


class Bin(NamedTuple):
    """So many messages somewhere in [begins_s, ends_s), in wall time. A point in time where both are equal."""

    begins_s: float
    ends_s: float
    messages: float


def thinning(bins: list[Bin]) -> int:
    """The least whole k with which no cell of `CELL_S` holds more than `MOST_PER_CELL` of every k-th message."""
    cells: dict[int, float] = {}
    for bin_ in bins:
        for cell, share in _cells_of(bin_):
            cells[cell] = cells.get(cell, 0.0) + bin_.messages * share
    return max(1, -int(-max(cells.values(), default=0.0) // MOST_PER_CELL))


def _cells_of(bin_: Bin) -> list[tuple[int, float]]:
    """The cells that a bin reaches into, with the share of the bin that lies in each."""
    first, width = int(bin_.begins_s // CELL_S), bin_.ends_s - bin_.begins_s
    if width <= 0:
        return [(first, 1.0)]
    return [
        (cell, max(0.0, min(bin_.ends_s, (cell + 1) * CELL_S) - max(bin_.begins_s, cell * CELL_S)) / width)
        for cell in range(first, int(bin_.ends_s // CELL_S) + 1)
    ]


def thin(bins: list[Bin], by: int) -> list[int]:
    """How many messages each bin keeps of every `by`-th: the same ones always, and in all the total over `by`."""
    kept = [int(round(total, 6) // by) for total in accumulate(bin_.messages for bin_ in bins)]
    return [now - before for before, now in zip([0, *kept], kept, strict=False)]


def place(bins: list[Bin], counts: list[int], random: Random) -> list[float]:
    """Instants in order: each bin's messages uniformly within it."""
    placed = zip(bins, counts, strict=True)
    return sorted(random.uniform(bin_.begins_s, bin_.ends_s) for bin_, count in placed for _ in range(count))
