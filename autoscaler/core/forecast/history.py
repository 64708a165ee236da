"""A week of minutes in eleven KiB, stored as the square roots of their counts.

The root of a Poisson count has the standard deviation 1/2 at any load, so errors in roots have equal weights. A
complete hour is stored as 60 bytes and its largest root: 255 steps, so a minute near the hour's peak is stored to 0.4 %
of its count, where random variation alone moves a thousand messages by 3 %. The newest two hours are stored exactly.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

# Names of the array types of this package, for the type checker.

Floats: TypeAlias = NDArray[np.float64]
Singles: TypeAlias = NDArray[np.float32]
Whole: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]


HOUR: Final = 60
DAY: Final = 1440
HOURS: Final = 170
"""A week and two hours: the same minute a week ago and the hour before it, even if the newest minutes are not encoded
yet.
"""

SPAN: Final = HOURS * HOUR
RECENT: Final = 128
"""The minutes that are stored exactly: the longest lag of today's line is 119, and an incomplete hour has at most 60.
"""

HELD: Final = 10
"""Maximum number of consecutive unknown minutes that get the last known value. Further ones get yesterday's value."""

_STEPS = 255.0

_SILENT: Final = np.zeros(SPAN, np.uint8)
"""Shared by queues that never had a message: 10 of their 12 KiB."""


class WeekHistory:
    """The roots of the newest week's minutes, without gaps: unknown minutes are filled when they are written."""

    __slots__ = ("_codes", "_peaks", "_recent", "_usual", "began", "first_root", "newest")

    def __init__(self) -> None:
        self.began: int | None = None
        """The first known minute; None before it."""
        self.newest = 0
        self.first_root = 0.0
        self._recent = np.zeros(RECENT)
        self._codes = _SILENT
        self._peaks = np.zeros(HOURS, np.float32)
        self._usual: tuple[int, float] | None = None

    @property
    def age(self) -> int:
        """The minutes since the first known one, both inclusive."""
        return 0 if self.began is None else self.newest - self.began + 1

    @property
    def start(self) -> int:
        """The first known minute; before it, the next minute."""
        return self.newest + 1 if self.began is None else self.began

    @property
    def coded_until(self) -> int:
        """The first minute that is not encoded: the start of the newest minute's hour, or the next hour once it is
        complete.
        """
        return (self.newest + 1) // HOUR * HOUR

    @property
    def nbytes(self) -> int:
        return self._recent.nbytes + self._codes.nbytes + self._peaks.nbytes

    def begin(self, minute: int, root: float) -> None:
        """Reset the history to one known minute; all minutes before it get the same value."""
        self.began = self.newest = minute
        self.first_root = root
        self._usual = None
        self._recent[:] = root
        self._code()

    def append(self, roots: Floats) -> None:
        """Add the minutes after the newest."""
        while len(roots):
            until_hour = HOUR - (self.newest + 1) % HOUR
            piece, roots = roots[:until_hour], roots[until_hour:]
            self._recent[np.arange(self.newest + 1, self.newest + 1 + len(piece)) % RECENT] = piece
            self.newest += len(piece)
            self._code()

    def recent(self, minutes: Whole) -> Floats:
        """The roots of some of the newest `RECENT` minutes, exactly."""
        return self._recent[minutes % RECENT]

    def coded(self, minutes: Whole) -> Floats:
        """The roots of minutes in complete hours, as encoded. Before the first known minute it is that minute's."""
        return np.where(minutes < self.start, self.first_root, self.decoded(minutes))

    def decoded(self, minutes: Whole) -> Floats:
        """The same for minutes that are all known."""
        positions = minutes % SPAN
        roots: Floats = self._codes.take(positions) * (self._peaks.astype(np.float64) / _STEPS).take(positions // HOUR)
        return roots

    def usual(self) -> float:
        """The mean count of the newest day of complete hours, computed once an hour. Before the first known minute it
        is that minute's.
        """
        if self._usual is None or self._usual[0] != self.coded_until:
            roots = self.coded(self.coded_until - DAY + np.arange(DAY))
            self._usual = self.coded_until, float(np.mean(roots * roots))
        return self._usual[1]

    def _code(self) -> None:
        """Encode an hour as bytes when its last minute is there."""
        if (self.newest + 1) % HOUR:
            return
        hour = self.newest // HOUR % HOURS
        roots = self._recent[np.arange(self.newest - HOUR + 1, self.newest + 1) % RECENT]
        peak = np.float32(roots.max())
        self._peaks[hour] = peak
        if peak > 0.0 and self._codes is _SILENT:
            self._codes = np.zeros(SPAN, np.uint8)
        if self._codes is not _SILENT:
            codes = self._codes[hour * HOUR : (hour + 1) * HOUR]
            codes[:] = np.minimum(np.rint(roots * (_STEPS / peak)), _STEPS) if peak > 0.0 else 0
