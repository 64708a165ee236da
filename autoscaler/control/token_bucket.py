"""An adaptive token bucket: a throttle cuts the rate to below the throttled pace, and it recovers within a minute.

Invariant: in any time `t` no more than `burst + rate * t` tokens are taken.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import exp, log2

from autoscaler.core.model import Instant

CUT = 0.5
"""New rate after a throttle, as a ratio of the throttled pace: at 100 calls a second 50, even if the configured rate is
1,000.
"""

LEAST_PER_S = 0.1
"""The lowest rate: some calls must be made to find out that AWS no longer throttles."""

MEASURED_S = 4.0
"""Time constant of the measured pace, in seconds."""

LEAST_PACE = 2.0
"""Calls a second. One throttle at a lower pace is weak evidence: other callers may have emptied AWS's bucket."""

NEAR = 0.8, 1.25
"""Ratios of the throttled pace. Between them the rate grows slowly."""

QUICK_S, SLOW_S, QUICKER_S = 4.5, 35.0, 2.5
"""Seconds in which the rate doubles below, near and above the throttled pace. While AWS throttles, about one call in
twenty is throttled. After the last throttle the lowest rate becomes 1,000 a second within a minute: 4.5 + 23 + 13 times
2.5 s.
"""


@dataclass(slots=True)
class TokenBucket:
    """Holds at most `burst` tokens and gains `rate` tokens per second while nothing is throttled. Full at `at`."""

    rate: float
    burst: float
    at: Instant
    share: float = 1.0
    """The share of `rate` and `burst` that is in force."""
    tokens: float = field(init=False)
    _made: float = 0.0
    """Recent calls, with exponential decay."""
    _too_much: float = 1.0
    """The share at which AWS last throttled."""

    def __post_init__(self) -> None:
        self.tokens = self.burst

    def left(self, now: Instant) -> float:
        """Return the tokens that are available now."""
        self._refill(now)
        return self.tokens

    def wait_s(self, tokens: float, now: Instant) -> float:
        """Return the seconds until `tokens` tokens are available at the present rate."""
        return max(0.0, (tokens - self.left(now)) / (self.rate * self.share))

    def take(self, now: Instant) -> None:
        """Take one token. The caller has checked that it is available."""
        self._refill(now)
        self.tokens -= 1.0
        self._made += 1.0

    def throttled(self, now: Instant) -> None:
        """Cut the rate: AWS's own bucket is empty, because of other callers or a lower quota."""
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
        """Let the share grow exponentially: below, near and above the throttled pace at different speeds."""
        bounds = (NEAR[0] * self._too_much, NEAR[1] * self._too_much, 1.0)
        for bound, double_s in zip(bounds, (QUICK_S, SLOW_S, QUICKER_S), strict=True):
            if self.share < bound and elapsed_s > 0:
                needed_s = double_s * log2(bound / self.share)
                self.share = bound if elapsed_s >= needed_s else self.share * 2.0 ** (elapsed_s / double_s)
                elapsed_s -= needed_s
        self.share = min(1.0, self.share)
