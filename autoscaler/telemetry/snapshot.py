"""The values of a scrape, immutable: created on the event loop, read in any thread."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate

from autoscaler.core.model import Instant
from autoscaler.ports import Category
from autoscaler.telemetry.samples import Samples
from autoscaler.telemetry.status_store import ServiceStatus
from autoscaler.telemetry.tally import CALL_FAILURES, ServiceTally

OUTCOMES = ("ok", *CALL_FAILURES)
"""The outcomes of a request to AWS: a closed set."""

BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds in seconds: from a poll of a fast endpoint to a poll in which every call times out."""


@dataclass(slots=True)
class Histogram:
    """Durations in seconds, counted by bucket. The last bucket has no upper bound."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))
    sum_s: float = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS_S, seconds)] += 1
        self.sum_s += seconds

    def copied(self) -> Histogram:
        return Histogram(self.counts.copy(), self.sum_s)

    def samples(self) -> Samples:
        """Return the samples of a Prometheus histogram: cumulative counts by upper bound, the sum, and the count."""
        bounds = [*map(str, BUCKETS_S), "+Inf"]
        for bound, count in zip(bounds, accumulate(self.counts), strict=True):
            yield ("_bucket", bound), count
        yield ("_sum",), self.sum_s
        yield ("_count",), sum(self.counts)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All values at `now`. `cost`: US dollars by API. `cost_per_month`: at the present rate. `problems`: the number of
    problems at the last read of the settings, by source.
    """

    now: Instant
    services: tuple[tuple[ServiceStatus, ServiceTally], ...]
    requests: Mapping[str, Counter[str]]
    throttles: Counter[Category]
    polls: Histogram
    lags: Histogram
    waits: Histogram
    tokens: Mapping[Category, float]
    cost: Mapping[str, float]
    cost_per_month: float
    problems: Mapping[str, int]
