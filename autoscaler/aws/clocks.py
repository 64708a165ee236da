"""AWS stamps with wall time, we count on a monotonic clock: the one place where the two meet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from autoscaler.core.model import Instant


@dataclass(frozen=True, slots=True)
class Clocks:
    """`now` is the clock of every `Instant`; `wall` is seconds since the epoch."""

    now: Callable[[], Instant]
    wall: Callable[[], float]

    def instant(self, wall_s: float) -> Instant:
        """When that wall time was, on the monotonic clock. Never in the future, however far the clocks are apart."""
        now = self.now()
        return min(now, now - (self.wall() - wall_s))
