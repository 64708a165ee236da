"""AWS stamps with wall time, we count on a monotonic clock: the one place where the two meet."""

from __future__ import annotations

from collections.abc import Callable

from autoscaler.core.model import Instant

STEP_S = 1.0
"""By so much the clocks must drift apart before they are held against each other anew: else the same minute would be
another instant, by microseconds, each time it is told."""


class Clocks:
    """`now` is the clock of every `Instant`; `wall` is seconds since the epoch."""

    def __init__(self, now: Callable[[], Instant], wall: Callable[[], float]) -> None:
        self.now = now
        self.wall = wall
        self._apart_s = float("-inf")

    def instant(self, wall_s: float) -> Instant:
        """When that wall time was, on the monotonic clock. Never in the future, however far the clocks are apart."""
        now = self.now()
        apart_s = self.wall() - now
        if not abs(apart_s - self._apart_s) < STEP_S:
            self._apart_s = apart_s
        return min(now, wall_s - self._apart_s)
