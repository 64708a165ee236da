"""AWS's own token buckets: one per account, Region and category; every call of the category takes one token.

Law: in any time `t`, at most `burst + rate * t` calls of a category are admitted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class FakeLimit(NamedTuple):
    """`burst`: the size of the bucket in calls. `rate`: the refill in calls per second."""

    burst: float
    rate: float


PUBLISHED = {
    "service_modify": FakeLimit(50, 5),
    "service_read": FakeLimit(100, 20),
    "cluster_resource_read": FakeLimit(100, 20),
    "task_protection": FakeLimit(200, 80),
    "task_definition_read": FakeLimit(50, 20),
    "metric_read": FakeLimit(500, 500),
    "queue_read": FakeLimit(4000, 4000),
    "queue_receive": FakeLimit(3000, 3000),
    "scaling_read": FakeLimit(20, 10),
    "roles": FakeLimit(600, 600),
}
"""ECS: from its API reference. CloudWatch: its quota for GetMetricData. AWS publishes no limit for SQS
and for Application Auto Scaling: the same assumptions as in the daemon. STS: assumed, generous."""


@dataclass(slots=True)
class FakeBucket:
    """A token bucket: `tokens` is its content at time `at`."""

    tokens: float
    at: float

    def take(self, limit: FakeLimit, now: float) -> bool:
        """Take one token; return whether one was available."""
        self.tokens = min(limit.burst, self.tokens + max(0.0, now - self.at) * limit.rate)
        self.at = now
        if self.tokens < 1.0 - 1e-9:
            return False
        self.tokens -= 1.0
        return True


@dataclass
class Buckets:
    """The buckets of all accounts. `factor` scales every burst and rate; `limited` False: every call is admitted."""

    factor: float = 1.0
    limited: bool = True
    limits: dict[str, FakeLimit] = field(default_factory=lambda: dict(PUBLISHED))
    _buckets: dict[tuple[str, str, str], FakeBucket] = field(default_factory=dict)

    def take(self, account: str, region: str, category: str, now: float) -> bool:
        """Return whether a call of that category is admitted. A bucket holds at least one call, at every factor."""
        if not self.limited or category not in self.limits:
            return True
        burst, rate = self.limits[category]
        limit, key = FakeLimit(max(1.0, burst * self.factor), rate * self.factor), (account, region, category)
        if key not in self._buckets:
            self._buckets[key] = FakeBucket(limit.burst, now)
        return self._buckets[key].take(limit, now)
