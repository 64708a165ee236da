"""The number of messages that a task holds at once: messages in flight divided by running tasks, while messages wait.

All slots are occupied then. Prefetched messages count: they were received, and the latency target ends at the receive.
Some messages in flight may belong to a second consumer or to dead workers. A value above the configured one is
therefore used only as far as the messages in flight follow the number of the service's tasks.
"""

from __future__ import annotations

from autoscaler.core.knowledge import Estimate
from autoscaler.core.model import Instant

PRIOR_READINGS = 30.0
"""The weight of the configured number, in readings: the same as five minutes of readings."""

DECAY = 0.98
"""The decay of a reading's weight per reading: about eight minutes of ten-second readings are remembered."""

VARIED = 0.1
"""Minimum coefficient of variation of the task count. Below it, the dependence on the task count cannot be measured."""


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
        """Add a reading in which messages waited and the number of running tasks had not changed. Each reading has the
        same weight, independent of the number of tasks.
        """
        if not running:
            return
        self._held = self._held * DECAY + in_flight / running
        self._tasks = self._tasks * DECAY + 1.0
        self._readings = self._readings * DECAY + 1.0
        self._at = now
        self._follow(float(in_flight), float(running))
        if not self._fixed:
            believed = min(self._held / self._tasks, max(self._configured, self._followed))
            self.slots = max(1, round(believed))

    def _follow(self, in_flight: float, running: float) -> None:
        """Update the slope of the messages in flight over the tasks, by least squares over the remembered readings."""
        tasks, held, squares, products = self._sums
        tasks, held = tasks * DECAY + running, held * DECAY + in_flight
        squares, products = squares * DECAY + running * running, products * DECAY + running * in_flight
        self._sums = (tasks, held, squares, products)
        mean = tasks / self._readings
        spread = squares / self._readings - mean * mean
        if spread > (VARIED * mean) ** 2:
            self._followed = (products / self._readings - mean * held / self._readings) / spread
