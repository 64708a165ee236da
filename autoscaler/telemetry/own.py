"""The daemon's own metrics: AWS requests and their cost, poll times, settings problems, and versions."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from platform import python_version

from autoscaler import __version__
from autoscaler.core.model import Instant
from autoscaler.diagnosis.delivered import EventOutcome, EventType
from autoscaler.ports import Category
from autoscaler.telemetry.families import Family, MetricKind, Stability
from autoscaler.telemetry.http_connections import RefusalReason
from autoscaler.telemetry.samples import Samples
from autoscaler.telemetry.status_store import ServiceStatus
from autoscaler.telemetry.tally import CALL_FAILURES, ServiceTally

# The values of a scrape, immutable: created on the event loop, read in any thread.

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
    problems at the last read of the settings, by source. `lost_lines`: the log lines that were not written.
    `refusals`: the HTTP connections that were not served. `events`: the events of ECS by type and outcome;
    `event_queue_works` None: there is no queue of events, or its state is not known.
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
    lost_lines: int
    refusals: Counter[RefusalReason]
    region: str
    events: Mapping[tuple[EventType, EventOutcome], int]
    event_queue_works: bool | None


def requests(snapshot: Snapshot) -> Samples:
    for api, outcomes in snapshot.requests.items():
        for outcome in OUTCOMES:
            yield (api, outcome), outcomes[outcome]


def throttles(snapshot: Snapshot) -> Samples:
    return [((category.value,), snapshot.throttles[category]) for category in Category]


def tokens(snapshot: Snapshot) -> Samples:
    return [((category.value,), left) for category, left in snapshot.tokens.items()]


def cost(snapshot: Snapshot) -> Samples:
    return [((api,), dollars) for api, dollars in snapshot.cost.items()]


def cost_per_month(snapshot: Snapshot) -> Samples:
    return [((), snapshot.cost_per_month)]


def problems(snapshot: Snapshot) -> Samples:
    return [((source,), count) for source, count in snapshot.problems.items()]


def lost_lines(snapshot: Snapshot) -> Samples:
    return [((), snapshot.lost_lines)]


def refusals(snapshot: Snapshot) -> Samples:
    return [((reason.value,), snapshot.refusals[reason]) for reason in RefusalReason]


def events(snapshot: Snapshot) -> Samples:
    if snapshot.event_queue_works is None:
        return []
    return [((type_, outcome), count) for (type_, outcome), count in sorted(snapshot.events.items())]


def event_queue(snapshot: Snapshot) -> Samples:
    works = snapshot.event_queue_works
    return [] if works is None else [((), float(works))]


def build(_: Snapshot) -> Samples:
    return [((__version__, python_version()), 1.0)]


def _families() -> Iterator[Family[Snapshot]]:
    yield from _calls()
    yield from _events()
    yield from _time()


def _calls() -> Iterator[Family[Snapshot]]:
    yield Family(
        "autoscaler_aws_requests_total",
        "Requests to AWS, by API and outcome.",
        "requests",
        ("api", "outcome"),
        requests,
        MetricKind.COUNTER,
    )
    yield Family(
        "autoscaler_aws_throttles_total",
        "Requests that AWS throttled, by throttle category.",
        "requests",
        ("category",),
        throttles,
        MetricKind.COUNTER,
    )
    yield Family(
        "autoscaler_rate_limiter_tokens",
        "Rate-limit tokens left, by throttle category. With several Regions or accounts, the lowest value.",
        "requests",
        ("category",),
        tokens,
    )
    yield Family(
        "autoscaler_rate_limiter_wait_seconds",
        "Time that a request to AWS waited for a rate-limit token.",
        "seconds",
        (),
        lambda snapshot: snapshot.waits.samples(),
        MetricKind.HISTOGRAM,
    )
    yield Family(
        "autoscaler_aws_cost_dollars_total",
        "Cost of the requests at AWS list prices, without the free tier. SQS is charged per request, GetMetricData per "
        "metric.",
        "US dollars",
        ("api",),
        cost,
        MetricKind.COUNTER,
        Stability.BETA,
    )
    yield Family(
        "autoscaler_aws_cost_dollars_per_month",
        "Cost of the AWS requests per month, at the rate of the last ten minutes.",
        "US dollars per month",
        (),
        cost_per_month,
        stability=Stability.BETA,
    )


def _events() -> Iterator[Family[Snapshot]]:
    yield Family(
        "autoscaler_events_total",
        "Messages of the queue of ECS events, by type and outcome. Only with event_queue.",
        "messages",
        ("type", "outcome"),
        events,
        MetricKind.COUNTER,
        Stability.BETA,
    )
    yield Family(
        "autoscaler_event_queue_up",
        "1 if the queue of ECS events can be read and its messages deleted, otherwise 0. Polling is not affected. Only "
        "with event_queue.",
        "1",
        (),
        event_queue,
        stability=Stability.BETA,
    )


def _time() -> Iterator[Family[Snapshot]]:
    yield Family(
        "autoscaler_tick_seconds",
        "Duration of a poll of a service.",
        "seconds",
        (),
        lambda snapshot: snapshot.polls.samples(),
        MetricKind.HISTOGRAM,
    )
    yield Family(
        "autoscaler_tick_lag_seconds",
        "Delay between the scheduled and the actual start of a poll.",
        "seconds",
        (),
        lambda snapshot: snapshot.lags.samples(),
        MetricKind.HISTOGRAM,
    )
    yield Family(
        "autoscaler_settings_problems",
        "Number of problems at the last read of the settings (file or tags), including missing settings. The previous "
        "values stay in force.",
        "problems",
        ("source",),
        problems,
    )
    yield Family(
        "autoscaler_log_lines_lost_total",
        "Log lines that were not written, because standard output was not read, or a write failed (disk full).",
        "lines",
        (),
        lost_lines,
        MetricKind.COUNTER,
        Stability.BETA,
    )
    yield Family(
        "autoscaler_http_refusals_total",
        "HTTP connections that were closed without serving a request, by reason: all connections in use, replaced by "
        "a newer one, TLS, no request in time, a wrong request, or a response that was not read.",
        "connections",
        ("reason",),
        refusals,
        MetricKind.COUNTER,
        Stability.BETA,
    )
    yield Family(
        "autoscaler_build_info",
        "Always 1. The labels contain the versions.",
        "1",
        ("version", "python_version"),
        build,
    )


OWN = tuple(_families())
