"""A quantity that accumulates over time, stored as far back as queries need, in bounded memory.

Invariant: the amount within a time span is the sum at its end minus the sum at its start; between two notes the sum is
interpolated linearly.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from autoscaler.core.model import Instant

NOTES = 128
"""The default number of notes; with their instants 2 KiB."""

CLOUDWATCH_REACH_S, FEW_NOTES = 420.0, 56
"""For data that is compared with CloudWatch's minutes, which are available some minutes late: a note every ten seconds.
"""


class Track:
    """At most `notes` notes of a sum, at ascending instants. `reach_s`: how far back queries can go; the notes are
    spaced so that three quarters of them cover it.
    """

    __slots__ = ("_apart_s", "_instants", "_notes", "_sums")

    def __init__(self, reach_s: float, at: Instant, notes: int = NOTES) -> None:
        self._apart_s = reach_s / (0.75 * notes)
        self._notes = notes
        self._instants = array("d", [at])
        self._sums = array("d", [0.0])

    @property
    def since(self) -> Instant:
        """The oldest stored instant."""
        return self._instants[0]

    @property
    def newest_at(self) -> Instant:
        """The newest noted instant."""
        return self._instants[-1]

    @property
    def total(self) -> float:
        return self._sums[-1]

    def add(self, at: Instant, amount: float) -> None:
        """Add `amount`, which accumulated since the last note."""
        instants, sums = self._instants, self._sums
        total = sums[-1] + amount
        if len(instants) > 1 and at - instants[-2] <= self._apart_s:
            instants[-1], sums[-1] = at, total
            return
        if len(instants) == self._notes:
            del instants[: self._notes // 8], sums[: self._notes // 8]
        instants.append(at)
        sums.append(total)

    def until(self, instant: Instant) -> float:
        """The sum at that instant; before the oldest note, the sum of that note."""
        instants, sums = self._instants, self._sums
        after = bisect_right(instants, instant)
        if after == 0:
            return sums[0]
        if after == len(instants):
            return sums[-1]
        start, begun = instants[after - 1], sums[after - 1]
        return begun + (sums[after] - begun) * (instant - start) / (instants[after] - start)

    def within(self, seconds: float) -> float:
        """The amount within the last `seconds` before the newest note."""
        return self._sums[-1] - self.until(self._instants[-1] - seconds)

    def within_each(self, spans_s: Sequence[float]) -> list[float]:
        """The same for several ascending spans in one pass, for spans that cover few notes."""
        instants, sums = self._instants, self._sums
        index, now, total = len(instants) - 1, instants[-1], sums[-1]
        first = bisect_right(instants, now - spans_s[-1]) - 1
        if first >= 0 and sums[first] == total and sums[first:].count(total) == len(sums) - first:
            return [0.0] * len(spans_s)
        found = []
        for span_s in spans_s:
            since = now - span_s
            while index >= 0 and instants[index] > since:
                index -= 1
            if index < 0:
                found.append(total - sums[0])
                continue
            begun = sums[index]
            if index + 1 < len(sums):
                start = instants[index]
                begun += (sums[index + 1] - begun) * (since - start) / (instants[index + 1] - start)
            found.append(total - begun)
        return found

    def between(self, start: Instant, end: Instant) -> float:
        """The amount from `start` to `end`."""
        return self.until(end) - self.until(start)

    def newest(self, amount: float) -> Iterator[tuple[Instant, float]]:
        """Yield the newest parts of the sum up to `amount`, newest first: (the middle between two notes, the amount
        there). The last pair is the oldest instant with the amount before it: 0 if the notes cover everything.
        """
        instants, sums = self._instants, self._sums
        for last in range(len(instants) - 1, 0, -1):
            here = min(amount, sums[last] - sums[last - 1])
            if here > 0:
                amount -= here
                yield (instants[last] + instants[last - 1]) / 2, here
            if amount <= 0:
                break
        yield instants[0], amount

    def correct(self, start: Instant, end: Instant, amount: float) -> None:
        """Correct the amount from `start` to `end`: each note in between changes in proportion to what it added, or
        evenly if nothing was noted.
        """
        begun, noted = self.until(start), self.between(start, end)
        error = amount - noted
        if not error or start < self.since:
            return
        instants, sums = self._instants, self._sums
        for index in range(bisect_right(instants, start), len(instants)):
            at = instants[index]
            if at >= end:
                sums[index] += error
            elif noted > 0:
                sums[index] = begun + (sums[index] - begun) * amount / noted
            else:
                sums[index] += error * (at - start) / (end - start)
