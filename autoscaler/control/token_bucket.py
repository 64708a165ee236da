"""A token bucket that believes what it is told: cut by a throttle to below the pace that was too much, and back to its
whole rate within a minute.

Law: in any time `t` no more than `burst + rate * t` tokens are taken.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import exp, log2

from autoscaler.core.model import Instant

CUT = 0.5
"""Of the pace at which calls were made when AWS throttled them: half of 100 a second, where 1,000 would be ours."""

LEAST_PER_S = 0.1
"""However often it is throttled, some calls are made: else nobody would notice that it is over."""

MEASURED_S = 4.0
"""The pace is that of about the last so many seconds."""

LEAST_PACE = 2.0
"""Calls a second: one throttle says little of a pace that is lower, as somebody else may have drained AWS's bucket."""

NEAR = 0.8, 1.25
"""Of the pace that was too much: in between it is felt for, and not hurried through."""

QUICK_S, SLOW_S, QUICKER_S = 4.5, 35.0, 2.5
"""To double below, near and above it. A try that fails comes after some twenty calls that are answered; once nothing is
throttled any more, the least becomes 1,000 a second within a minute: 4.5 + 23 + 13 times 2.5 s.
"""


@dataclass(slots=True)
class TokenBucket:
    """Of `burst` tokens at most, `rate` more each second while nothing is throttled. Full at `at`."""

    rate: float
    burst: float
    at: Instant
    share: float = 1.0
    """Of its rate and its burst that is in force."""
    tokens: float = field(init=False)
    _made: float = 0.0
    """Calls of late, each counting less as it grows old."""
    _too_much: float = 1.0
    """The share at which AWS throttled last."""

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
        self._made += 1.0

    def throttled(self, now: Instant) -> None:
        """AWS's own bucket is empty: others drain it, too, or it is smaller than was thought."""
        self._refill(now)
        pace = max(LEAST_PACE, self._made / MEASURED_S)
        self.tokens = min(self.tokens, 0.0)
        self._too_much = max(LEAST_PER_S / self.rate, min(self.share, pace / self.rate))
        self.share = max(LEAST_PER_S / self.rate, CUT * self._too_much)

    def _refill(self, now: Instant) -> None:
        elapsed_s = max(0.0, now - self.at)
        self.at = max(self.at, now)
        self._made *= exp(-elapsed_s / MEASURED_S)
        more = self.tokens + elapsed_s * self.rate * self.share
        self._regrow(elapsed_s)
        self.tokens = min(max(1.0, self.burst * self.share), more)

    def _regrow(self, elapsed_s: float) -> None:
        """The share grows, ever by a part of itself: up to near what was too much, through there, and beyond."""
        bounds = (NEAR[0] * self._too_much, NEAR[1] * self._too_much, 1.0)
        for bound, double_s in zip(bounds, (QUICK_S, SLOW_S, QUICKER_S), strict=True):
            if self.share < bound and elapsed_s > 0:
                needed_s = double_s * log2(bound / self.share)
                self.share = bound if elapsed_s >= needed_s else self.share * 2.0 ** (elapsed_s / double_s)
                elapsed_s -= needed_s
        self.share = min(1.0, self.share)
