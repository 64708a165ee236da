"""Convert AWS's wall-clock timestamps to the monotonic clock of this process."""

from __future__ import annotations

from collections.abc import Callable

from autoscaler.core.model import Instant

STEP_S = 1.0
"""The drift between the clocks from which the offset is measured again. Otherwise the same minute would be a different
instant, by microseconds, at each reading.
"""


class Clocks:
    """`now` is the clock of every `Instant`; `wall` is seconds since the epoch."""

    def __init__(self, now: Callable[[], Instant], wall: Callable[[], float]) -> None:
        self.now = now
        self.wall = wall
        self._offset_s = float("-inf")

    def instant(self, wall_s: float) -> Instant:
        """Return the instant of a wall-clock time. It is never in the future, however far the clocks differ."""
        now = self.now()
        offset_s = self.wall() - now
        if not abs(offset_s - self._offset_s) < STEP_S:
            self._offset_s = offset_s
        return min(now, wall_s - self._offset_s)
