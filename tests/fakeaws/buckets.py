"""AWS's own token buckets: one per account, Region and category, drained by every call of the category.

Law: in any time `t` no more than `burst + rate * t` calls of a category are let through.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class Limit(NamedTuple):
    """So many calls at once, and so many more each second."""

    burst: float
    rate: float


PUBLISHED = {
    "service_modify": Limit(50, 5),
    "service_read": Limit(100, 20),
    "cluster_resource_read": Limit(100, 20),
    "task_protection": Limit(200, 80),
    "task_definition_read": Limit(50, 20),
    "metric_read": Limit(500, 500),
    "queue_read": Limit(4000, 4000),
    "scaling_read": Limit(20, 10),
    "roles": Limit(600, 600),
}
"""ECS's are those of its API reference, CloudWatch's is its quota for GetMetricData. AWS publishes none for SQS's
attributes and for Application Auto Scaling: there it is what the daemon supposes. STS's is a guess, and generous."""


@dataclass(slots=True)
class Bucket:
    """Full at `at`."""

    tokens: float
    at: float

    def take(self, limit: Limit, now: float) -> bool:
        """Whether there was a token; it is gone then."""
        self.tokens = min(limit.burst, self.tokens + max(0.0, now - self.at) * limit.rate)
        self.at = now
        if self.tokens < 1.0 - 1e-9:
            return False
        self.tokens -= 1.0
        return True


@dataclass
class Buckets:
    """`factor` scales every burst and rate; `limited` False: everything is let through."""

    factor: float = 1.0
    limited: bool = True
    limits: dict[str, Limit] = field(default_factory=lambda: dict(PUBLISHED))
    _buckets: dict[tuple[str, str, str], Bucket] = field(default_factory=dict)

    def take(self, account: str, region: str, category: str, now: float) -> bool:
        """Whether a call of that category is let through. At least one call fits into a bucket, however small."""
        if not self.limited or category not in self.limits:
            return True
        burst, rate = self.limits[category]
        limit, key = Limit(max(1.0, burst * self.factor), rate * self.factor), (account, region, category)
        if key not in self._buckets:
            self._buckets[key] = Bucket(limit.burst, now)
        return self._buckets[key].take(limit, now)
