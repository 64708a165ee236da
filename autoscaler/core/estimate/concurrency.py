"""How many messages a task holds at once: what is in flight by running tasks, while messages wait.

Then every slot is taken. What a worker has prefetched counts: it was received, and that is what the promise is about.
"""

from __future__ import annotations

from autoscaler.core.knowledge import Estimate
from autoscaler.core.model import Instant

PRIOR_READINGS = 30.0
"""The configured number weighs as much as five minutes of readings."""

KEPT = 0.98
"""Of each reading's weight at the next: some eight minutes of ten-second readings are remembered."""


class Concurrency:
    def __init__(self, configured: int, *, fixed: bool = False) -> None:
        self._configured = configured
        self._fixed = fixed
        self._held, self._tasks = PRIOR_READINGS * configured, PRIOR_READINGS
        self._readings = 0.0
        self._at: Instant | None = None

    @property
    def slots(self) -> int:
        """At least one."""
        return self._configured if self._fixed else max(1, round(self._held / self._tasks))

    def estimate(self, now: Instant) -> Estimate:
        age_s = None if self._at is None else now - self._at
        return Estimate(float(self.slots), float("inf") if self._fixed else self._readings, age_s)

    def see(self, in_flight: int, running: int, now: Instant) -> None:
        """One more reading in which messages waited, and as many tasks ran as in the one before. Weighed alike,
        however many tasks there are.
        """
        if running:
            self._held = self._held * KEPT + in_flight / running
            self._tasks = self._tasks * KEPT + 1.0
            self._readings = self._readings * KEPT + 1.0
            self._at = now
