"""SQS's counts as it tells them: approximate, and some time ago."""

from __future__ import annotations

from bisect import bisect_right

from autoscaler.sim.chance import stream
from autoscaler.sim.model import Counts, WorldSettings

SAMPLES_PER_LAG = 10
"""Late counts are samples: they lag by between `count_late_s` and a tenth more."""


class Sampling:
    """Turns counts into what is told of them."""

    def __init__(self, settings: WorldSettings, seed: int) -> None:
        self._late_s = settings.count_late_s
        self._error_ratio = settings.count_error_ratio
        self._chance = stream(seed, "counts")
        self._at_s: list[float] = []
        self._kept: list[Counts] = []

    @property
    def every_s(self) -> float:
        """How often to keep what the counts are."""
        return self._late_s / SAMPLES_PER_LAG

    def keep(self, now: float, counts: Counts) -> None:
        """Those older than is ever asked for are forgotten."""
        if len(self._at_s) > 4 * SAMPLES_PER_LAG:
            del self._at_s[: 2 * SAMPLES_PER_LAG], self._kept[: 2 * SAMPLES_PER_LAG]
        self._at_s.append(now)
        self._kept.append(counts)

    def told(self, now: float, counts: Counts) -> Counts:
        """What SQS answers now; `counts` are the true ones. Before its first sample it knows of nothing."""
        if self._late_s > 0:
            at = bisect_right(self._at_s, now - self._late_s)
            counts = self._kept[at - 1] if at else Counts(0, 0)
        return Counts(self._wrong(counts.visible), self._wrong(counts.in_flight))

    def _wrong(self, count: int) -> int:
        """Off by a share that is drawn anew for each answer. None stays none."""
        if not self._error_ratio:
            return count
        return max(0, round(count * (1 + self._error_ratio * self._chance.standard_normal())))
