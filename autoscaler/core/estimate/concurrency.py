"""The number of messages that a task holds at once: messages in flight divided by running tasks, while messages wait.

All slots are occupied then. Prefetched messages count: they were received, and the latency target ends at the receive.
Some messages in flight may belong to a second consumer or to dead workers. A value above the configured one is
therefore used only as far as the messages in flight follow the number of the service's tasks.

Messages that failed also stay in flight until their visibility timeout ends, although no slot holds them. CloudWatch
shows it a minute later: messages were received and neither deleted nor in flight. So a reading counts at once, and is
taken back if the minute it falls into shows failures.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import NamedTuple

from autoscaler.core.knowledge import Estimate
from autoscaler.core.model import Instant

PRIOR_READINGS = 30.0
"""The weight of the configured number, in readings: the same as five minutes of readings."""

DECAY = 0.98
"""The decay of a reading's weight per reading: about eight minutes of ten-second readings are remembered."""

VARIED = 0.1
"""Minimum coefficient of variation of the task count. Below it, the dependence on the task count cannot be measured."""

MOST_PENDING = 24
"""The readings that wait for CloudWatch's minute. Beyond that, the oldest count: CloudWatch has no minutes then."""


class _HeldSums(NamedTuple):
    """Decayed sums over the readings. `ratios`: of messages in flight per task, with the prior; `weight`: of that."""

    ratios: float
    weight: float
    readings: float = 0.0
    tasks: float = 0.0
    held: float = 0.0
    squares: float = 0.0
    products: float = 0.0

    def plus(self, in_flight: float, running: float) -> _HeldSums:
        """Add a reading. Each has the same weight, independent of the number of tasks."""
        return _HeldSums(
            self.ratios * DECAY + in_flight / running,
            self.weight * DECAY + 1.0,
            self.readings * DECAY + 1.0,
            self.tasks * DECAY + running,
            self.held * DECAY + in_flight,
            self.squares * DECAY + running * running,
            self.products * DECAY + running * in_flight,
        )

    def slope(self) -> float | None:
        """Return the messages in flight per additional task, by least squares (None: the tasks hardly varied)."""
        if not self.readings:
            return None
        mean = self.tasks / self.readings
        spread = self.squares / self.readings - mean * mean
        if spread <= (VARIED * mean) ** 2:
            return None
        return (self.products / self.readings - mean * self.held / self.readings) / spread


class Concurrency:
    """`slots`: the messages that a task holds at once, at least one."""

    __slots__ = ("_at", "_configured", "_fails", "_fixed", "_followed", "_pending", "_proven", "_sums", "slots")

    def __init__(self, configured: int, *, fixed: bool = False) -> None:
        self._configured = configured
        self._fixed = fixed
        self._proven = self._sums = _HeldSums(PRIOR_READINGS * configured, PRIOR_READINGS)
        self._pending = array("d")
        self._fails = False
        self._at: Instant | None = None
        self._followed = float(configured)
        self.slots = configured

    def estimate(self, now: Instant) -> Estimate:
        age_s = None if self._at is None else now - self._at
        return Estimate(float(self.slots), float("inf") if self._fixed else self._sums.readings, age_s)

    def see(self, in_flight: int, running: int, now: Instant) -> None:
        """Add a reading in which messages waited and the number of running tasks had not changed."""
        if not running:
            return
        if len(self._pending) >= 3 * MOST_PENDING:
            self._prove(self._pending[0])
        self._pending.extend((now, float(in_flight), float(running)))
        if not self._fails:
            self._at = now
            self._sums = self._sums.plus(float(in_flight), float(running))
            self._sum_up()

    def confirm(self, until: Instant, *, fails: bool) -> None:
        """Take the readings until that instant back if messages failed in the minute that ended then. Readings after it
        count again when a minute without failures has ended.
        """
        kept, self._fails = self._sums, fails
        if fails:
            del self._pending[: 3 * bisect_right(self._pending[::3], until)]
        else:
            self._prove(until)
        self._sums = self._proven
        if not fails:
            for index in range(0, len(self._pending), 3):
                self._sums = self._sums.plus(self._pending[index + 1], self._pending[index + 2])
        if self._sums != kept:
            self._sum_up()

    def _prove(self, until: Instant) -> None:
        ended = 3 * bisect_right(self._pending[::3], until)
        for index in range(0, ended, 3):
            self._proven = self._proven.plus(self._pending[index + 1], self._pending[index + 2])
        del self._pending[:ended]

    def _sum_up(self) -> None:
        slope = self._sums.slope()
        self._followed = self._followed if slope is None else slope
        if not self._fixed:
            believed = min(self._sums.ratios / self._sums.weight, max(self._configured, self._followed))
            self.slots = max(1, round(believed))
