"""A quantity that accumulates over time, remembered as far back as somebody will ask, in bounded memory.

Law: what came within a time is what the whole is now, less what it was then; between two notes it grew evenly.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from autoscaler.core.model import Instant

NOTES = 128
"""So many notes are kept where nobody says otherwise: with their instants 2 KiB."""

TOLD_WITHIN_S, FEW_NOTES = 420.0, 56
"""For what is compared with CloudWatch's minutes only, which are told some minutes late: a note every ten seconds."""


class Track:
    """Notes of a sum at ascending instants, at most so many. `reach_s`: how far back it can be asked; notes lie so
    close together that three quarters of them reach that far.
    """

    __slots__ = ("_apart_s", "_instants", "_notes", "_sums")

    def __init__(self, reach_s: float, at: Instant, notes: int = NOTES) -> None:
        self._apart_s = reach_s / (0.75 * notes)
        self._notes = notes
        self._instants = array("d", [at])
        self._sums = array("d", [0.0])

    @property
    def since(self) -> Instant:
        """The oldest instant that is remembered."""
        return self._instants[0]

    @property
    def newest_at(self) -> Instant:
        """The newest instant that was noted."""
        return self._instants[-1]

    @property
    def total(self) -> float:
        return self._sums[-1]

    def add(self, at: Instant, amount: float) -> None:
        """`amount` more, come since the last note."""
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
        """The sum at that instant; before what is remembered, the oldest that is."""
        instants, sums = self._instants, self._sums
        after = bisect_right(instants, instant)
        if after == 0:
            return sums[0]
        if after == len(instants):
            return sums[-1]
        start, begun = instants[after - 1], sums[after - 1]
        return begun + (sums[after] - begun) * (instant - start) / (instants[after] - start)

    def within(self, seconds: float) -> float:
        """What came within the last so many seconds before the newest note."""
        return self._sums[-1] - self.until(self._instants[-1] - seconds)

    def within_each(self, spans_s: Sequence[float]) -> list[float]:
        """The same for several spans, ascending, in one walk: for those that reach few notes back."""
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
        """What came from `start` to `end`."""
        return self.until(end) - self.until(start)

    def newest(self, amount: float) -> Iterator[tuple[Instant, float]]:
        """The last so much of the sum, newest first: (the middle between two notes, how much came there). The last one
        is the oldest instant, with what came before it: 0 where memory reaches back far enough.
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
        """What came from `start` to `end` is now known to have been `amount`: each note in between takes its share of
        the difference, by what it added; evenly where nothing was noted.
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
