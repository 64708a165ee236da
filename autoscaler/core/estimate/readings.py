"""What the readings of the queues showed of one CloudWatch minute."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from typing import NamedTuple

from autoscaler.core.estimate.arrivals import CLOUDWATCH_REACH_S
from autoscaler.core.model import Instant

OVERFULL_S = 15.0
"""Seconds of a minute in which more messages were in flight than the tasks can hold, although none waited."""


class Minute(NamedTuple):
    """What the readings showed of one CloudWatch minute. `taken_s`, `slots_s`: slot-seconds that held a message, and
    that the tasks had. `fewest`: the fewest visible messages of any reading. `overfull`: see `OVERFULL_S`. `gained`: by
    how many the messages in flight rose.
    """

    taken_s: float
    slots_s: float
    fewest: int
    overfull: bool
    gained: int

    @property
    def saturated(self) -> bool:
        """Whether messages waited at every reading."""
        return self.fewest > 0


class RecentReadings:
    """The messages of the readings within `CLOUDWATCH_REACH_S`, and whether each reading was overfull."""

    __slots__ = ("_in_flight", "_instants", "_overfull", "_visible")

    def __init__(self) -> None:
        self._instants, self._overfull = array("d"), array("b")
        self._visible, self._in_flight = array("q"), array("q")

    def add(self, at: Instant, visible: int, in_flight: int, *, overfull: bool) -> None:
        old = bisect_left(self._instants, at - CLOUDWATCH_REACH_S)
        del self._instants[:old], self._visible[:old], self._in_flight[:old], self._overfull[:old]
        self._instants.append(at)
        self._visible.append(visible)
        self._in_flight.append(in_flight)
        self._overfull.append(overfull)

    def gained(self, start: Instant, end: Instant) -> int:
        """Return by how many the messages in flight rose, at the newest readings until both instants, otherwise at the
        oldest one. At least one reading must exist.
        """
        first, last = bisect_right(self._instants, start) - 1, bisect_right(self._instants, end) - 1
        return self._in_flight[max(0, last)] - self._in_flight[max(0, first)]

    def fewest(self, start: Instant, end: Instant) -> int:
        """Return the fewest visible messages of the readings from `start` to `end`, and of the one before; 0 without a
        reading.
        """
        first, last = bisect_left(self._instants, start), bisect_right(self._instants, end)
        return min(self._visible[max(0, first - 1) : last], default=0)

    def overfull_s(self, start: Instant, end: Instant) -> float:
        """Return the share of the time whose readings were overfull, in seconds."""
        here = self._overfull[bisect_left(self._instants, start) : bisect_right(self._instants, end)]
        return sum(here) / len(here) * (end - start) if here else 0.0
