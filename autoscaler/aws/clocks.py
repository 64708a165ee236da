"""Convert AWS's wall-clock timestamps to the monotonic clock of this process."""

from __future__ import annotations

from collections.abc import Callable

from autoscaler.core.model import Instant

STEP_S = 1.0
"""If the clocks drift by more than this, the offset is measured again. Otherwise the same minute would be a different
instant, by microseconds, at each reading.
"""


class Clocks:
    """The two clocks. `now` is the clock of every `Instant`; `wall` returns seconds since the epoch."""

    def __init__(self, now: Callable[[], Instant], wall: Callable[[], float]) -> None:
        self.now = now
        self.wall = wall
        self._offset_s = float("-inf")

    def instant(self, wall_s: float) -> Instant:
        """Return the instant of a wall-clock time. It is never in the future, even if the clocks differ."""
        now = self.now()
        offset_s = self.wall() - now
        if not abs(offset_s - self._offset_s) < STEP_S:
            self._offset_s = offset_s
        return min(now, wall_s - self._offset_s)
