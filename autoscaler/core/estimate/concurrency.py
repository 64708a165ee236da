"""How many messages a task holds at once: what is in flight by running tasks, while messages wait.

Then every slot is taken. What a worker has prefetched counts: it was received, and that is what the promise is about.
What is in flight may also be others': a second consumer's, or that of workers which died. So more than was configured
is believed only as far as what is in flight follows the number of our tasks.
"""

from __future__ import annotations

from autoscaler.core.knowledge import Estimate
from autoscaler.core.model import Instant

PRIOR_READINGS = 30.0
"""The configured number weighs as much as five minutes of readings."""

KEPT = 0.98
"""Of each reading's weight at the next: some eight minutes of ten-second readings are remembered."""

VARIED = 0.1
"""The tasks' standard deviation, by their mean, from which on it can be seen what follows them."""


class Concurrency:
    __slots__ = ("_at", "_configured", "_fixed", "_followed", "_held", "_readings", "_sums", "_tasks", "slots")

    def __init__(self, configured: int, *, fixed: bool = False) -> None:
        self._configured = configured
        self._fixed = fixed
        self._held, self._tasks = PRIOR_READINGS * configured, PRIOR_READINGS
        self._readings = 0.0
        self._at: Instant | None = None
        self._sums = (0.0, 0.0, 0.0, 0.0)
        self._followed = float(configured)
        self.slots = configured
        """At least one."""

    def estimate(self, now: Instant) -> Estimate:
        age_s = None if self._at is None else now - self._at
        return Estimate(float(self.slots), float("inf") if self._fixed else self._readings, age_s)

    def see(self, in_flight: int, running: int, now: Instant) -> None:
        """One more reading in which messages waited, and as many tasks ran as in the one before. Weighed alike,
        however many tasks there are.
        """
        if not running:
            return
        self._held = self._held * KEPT + in_flight / running
        self._tasks = self._tasks * KEPT + 1.0
        self._readings = self._readings * KEPT + 1.0
        self._at = now
        self._follow(float(in_flight), float(running))
        if not self._fixed:
            believed = min(self._held / self._tasks, max(self._configured, self._followed))
            self.slots = max(1, round(believed))

    def _follow(self, in_flight: float, running: float) -> None:
        """The slope of what is in flight over the tasks, by least squares over the readings that are remembered."""
        tasks, held, squares, products = self._sums
        tasks, held = tasks * KEPT + running, held * KEPT + in_flight
        squares, products = squares * KEPT + running * running, products * KEPT + running * in_flight
        self._sums = (tasks, held, squares, products)
        mean = tasks / self._readings
        spread = squares / self._readings - mean * mean
        if spread > (VARIED * mean) ** 2:
            self._followed = (products / self._readings - mean * held / self._readings) / spread
