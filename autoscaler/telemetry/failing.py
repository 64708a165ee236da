"""A diagnosis by the daemon for people: in the API, on the page, and the counters of starts."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Any, NamedTuple

from autoscaler.diagnosis.holding import DiagnosisSummary
from autoscaler.ports import StartedAfter

START_BUCKETS_S = (10, 20, 30, 45, 60, 90, 120, 180, 300, 600)
"""Upper bounds in seconds: tasks usually take 30 to 90 s; a task that has not started after 600 s is followed no more.
"""


class StartHistogram(NamedTuple):
    """Tasks by the time from the decision until they ran, one count per bucket. The last bucket has no upper bound."""

    counts: tuple[int, ...] = (0,) * (len(START_BUCKETS_S) + 1)
    sum_s: float = 0.0

    def after(self, started: Iterable[StartedAfter]) -> StartHistogram:
        """Return the histogram with these tasks added."""
        counts, sum_s = list(self.counts), self.sum_s
        for seconds, tasks in started:
            counts[bisect_left(START_BUCKETS_S, seconds)] += tasks
            sum_s += seconds * tasks
        return StartHistogram(tuple(counts), sum_s)

    def samples(self) -> Iterator[tuple[tuple[str, ...], float]]:
        """Yield the samples of a Prometheus histogram: cumulative counts by upper bound, the sum, and the count."""
        bounds = [*map(str, map(float, START_BUCKETS_S)), "+Inf"]
        for bound, count in zip(bounds, accumulate(self.counts), strict=True):
            yield ("_bucket", bound), count
        yield ("_sum",), self.sum_s
        yield ("_count",), sum(self.counts)


def diagnosis_as_json(summary: DiagnosisSummary | None) -> dict[str, Any] | None:
    """Return the newest diagnosis (None: nothing is known to fail). `at`: seconds since the epoch."""
    if summary is None:
        return None
    return {
        "at": round(summary.at, 3),
        "text": summary.paragraph,
        "findings": [
            {"class": one.kind.value, "cause": one.name, "text": one.text, "remedy": one.remedy, "source": one.source}
            for one in summary.findings
        ],
        "stops": list(summary.stops),
        "not_seen": [{"what": one.what, "why": one.why, "remedy": one.remedy} for one in summary.not_seen],
    }
