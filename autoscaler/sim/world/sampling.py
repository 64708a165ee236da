"""The message counts that SQS returns: approximate, and delayed."""

from __future__ import annotations

from bisect import bisect_right

from autoscaler.sim.chance import stream
from autoscaler.sim.model import QueueCounts, WorldSettings

SAMPLES_PER_LAG = 10
"""Number of samples per `count_late_s`. Returned counts are therefore `count_late_s` to 1.1 x `count_late_s` old."""


class Sampling:
    """Converts true counts to the counts that SQS returns."""

    def __init__(self, settings: WorldSettings, seed: int) -> None:
        self._late_s = settings.count_late_s
        self._error_ratio = settings.count_error_ratio
        self._rng = stream(seed, "counts")
        self._at_s: list[float] = []
        self._samples: list[QueueCounts] = []

    @property
    def every_s(self) -> float:
        """Seconds between two samples."""
        return self._late_s / SAMPLES_PER_LAG

    def record(self, now: float, counts: QueueCounts) -> None:
        """Record a sample. Samples that are too old to be read are removed."""
        if len(self._at_s) > 4 * SAMPLES_PER_LAG:
            del self._at_s[: 2 * SAMPLES_PER_LAG], self._samples[: 2 * SAMPLES_PER_LAG]
        self._at_s.append(now)
        self._samples.append(counts)

    def returned(self, now: float, counts: QueueCounts) -> QueueCounts:
        """Return the counts that SQS returns now; 0 before the first readable sample. `counts`: the true counts."""
        if self._late_s > 0:
            at = bisect_right(self._at_s, now - self._late_s)
            counts = self._samples[at - 1] if at else QueueCounts(0, 0)
        return QueueCounts(self._with_error(counts.visible), self._with_error(counts.in_flight))

    def _with_error(self, count: int) -> int:
        """Return the count with a relative random error, new for each call. A count of 0 stays 0."""
        if not self._error_ratio:
            return count
        return max(0, round(count * (1 + self._error_ratio * self._rng.standard_normal())))
