"""A token bucket that believes what it is told: halved by a throttle, and back to its whole rate within a minute.

Law: in any time `t` no more than `burst + rate * t` tokens are taken.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from autoscaler.core.model import Instant

CUT = 0.5
LEAST = 1 / 32
"""However often it is throttled, some calls are made: else nobody would notice that it is over."""

REGROWN_PER_S = 1 / 60
"""Of the whole rate, each second: a budget is back within a minute of the last throttle."""


@dataclass(slots=True)
class Bucket:
    """Of `burst` tokens at most, `rate` more each second while nothing is throttled. Full at `at`."""

    rate: float
    burst: float
    at: Instant
    share: float = 1.0
    """Of its rate that is in force: additive increase, multiplicative decrease."""
    tokens: float = field(init=False)

    def __post_init__(self) -> None:
        self.tokens = self.burst

    def left(self, now: Instant) -> float:
        """How many may be taken at once."""
        self._refill(now)
        return self.tokens

    def wait_s(self, tokens: float, now: Instant) -> float:
        """How long from now until so many could be taken one after the other, at the rate of now."""
        return max(0.0, (tokens - self.left(now)) / (self.rate * self.share))

    def take(self, now: Instant) -> None:
        """One token, which is there."""
        self._refill(now)
        self.tokens -= 1.0

    def throttled(self, now: Instant) -> None:
        """AWS's own bucket is empty: others drain it, too."""
        self._refill(now)
        self.tokens = min(self.tokens, 0.0)
        self.share = max(LEAST, self.share * CUT)

    def _refill(self, now: Instant) -> None:
        elapsed_s = max(0.0, now - self.at)
        self.at = max(self.at, now)
        self.tokens = min(self.burst, self.tokens + elapsed_s * self.rate * self.share)
        self.share = min(1.0, self.share + elapsed_s * REGROWN_PER_S)
