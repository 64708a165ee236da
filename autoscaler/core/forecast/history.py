"""A week of minutes in eleven KiB, by the square roots of their counts.

The root of a Poisson count has the standard deviation 1/2 at any load, so in roots one error weighs what another does.
A complete hour is kept as 60 bytes and its largest root: 255 steps, so a minute beside the hour's peak is told to 0.4 %
of its count where chance alone moves a thousand messages by 3 %. The newest two hours are kept as they came.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from autoscaler.core.forecast.arrays import Floats, Whole

HOUR: Final = 60
DAY: Final = 1440
HOURS: Final = 170
"""A week and two hours: the same minute a week ago with the hour before it, whatever is not coded yet."""

SPAN: Final = HOURS * HOUR
RECENT: Final = 128
"""Minutes kept as they came: the longest lag of today's is 119, and the hour that is not complete has at most 60."""

HELD: Final = 10
"""So many unknown minutes in a row stand at the last value that was known, all further ones at yesterday's."""

_STEPS = 255.0

_SILENT: Final = np.zeros(SPAN, np.uint8)
"""What queues share that never had a message, as long as they have none: 10 of their 12 KiB."""


class History:
    """The roots of the newest week's minutes, without holes: what was unknown is filled as it is written."""

    __slots__ = ("_codes", "_peaks", "_recent", "began", "first_root", "newest")

    def __init__(self) -> None:
        self.began: int | None = None
        """The first minute that was known; None before it."""
        self.newest = 0
        self.first_root = 0.0
        self._recent = np.zeros(RECENT)
        self._codes = _SILENT
        self._peaks = np.zeros(HOURS, np.float32)

    @property
    def age(self) -> int:
        """Minutes since the first one that was known, both counted."""
        return 0 if self.began is None else self.newest - self.began + 1

    @property
    def start(self) -> int:
        """The first minute that was known; before it: the next minute."""
        return self.newest + 1 if self.began is None else self.began

    @property
    def coded_until(self) -> int:
        """The first minute that is not coded: the begin of the newest one's hour, or the next hour when it is over."""
        return (self.newest + 1) // HOUR * HOUR

    @property
    def nbytes(self) -> int:
        return self._recent.nbytes + self._codes.nbytes + self._peaks.nbytes

    def begin(self, minute: int, root: float) -> None:
        """Forgets all, and knows one minute; all before it is taken for the same."""
        self.began = self.newest = minute
        self.first_root = root
        self._recent[:] = root
        self._code()

    def append(self, roots: Floats) -> None:
        """The minutes after the newest."""
        while len(roots):
            until_hour = HOUR - (self.newest + 1) % HOUR
            piece, roots = roots[:until_hour], roots[until_hour:]
            self._recent[np.arange(self.newest + 1, self.newest + 1 + len(piece)) % RECENT] = piece
            self.newest += len(piece)
            self._code()

    def recent(self, minutes: Whole) -> Floats:
        """The roots of some of the newest `RECENT` minutes, as they came."""
        return self._recent[minutes % RECENT]

    def coded(self, minutes: Whole) -> Floats:
        """The roots of minutes in complete hours, as they are kept."""
        places = minutes % SPAN
        roots = self._codes.take(places) * (self._peaks.astype(np.float64) / _STEPS).take(places // HOUR)
        return np.where(minutes < self.start, self.first_root, roots)

    def _code(self) -> None:
        """Keeps an hour as bytes when its last minute is there."""
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
