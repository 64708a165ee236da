"""The daemon's own metrics: what it asks of AWS, what that costs, and how it keeps its time."""

from __future__ import annotations

from collections.abc import Iterator
from platform import python_version

from autoscaler import __version__
from autoscaler.ports import Category
from autoscaler.telemetry.families import Family, Kind, Stability
from autoscaler.telemetry.samples import Samples
from autoscaler.telemetry.snapshot import OUTCOMES, Snapshot


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


def build(_: Snapshot) -> Samples:
    return [((__version__, python_version()), 1.0)]


def _families() -> Iterator[Family[Snapshot]]:
    yield from _calls()
    yield from _time()


def _calls() -> Iterator[Family[Snapshot]]:
    yield Family(
        "autoscaler_aws_requests_total",
        "Requests to AWS, by API and outcome.",
        "requests",
        ("api", "outcome"),
        requests,
        Kind.COUNTER,
    )
    yield Family(
        "autoscaler_aws_throttles_total",
        "Requests that AWS throttled, by throttle category.",
        "requests",
        ("category",),
        throttles,
        Kind.COUNTER,
    )
    yield Family(
        "autoscaler_rate_limiter_tokens",
        "Calls that could be made at once, by throttle category, in the Region where that is fewest.",
        "requests",
        ("category",),
        tokens,
    )
    yield Family(
        "autoscaler_rate_limiter_wait_seconds",
        "How long a request to AWS waited for its turn.",
        "seconds",
        (),
        lambda snapshot: snapshot.waits.samples(),
        Kind.HISTOGRAM,
    )
    yield Family(
        "autoscaler_aws_cost_dollars_total",
        "What they cost by AWS's list prices, free tier aside: SQS by the request, GetMetricData by the metric.",
        "US dollars",
        ("api",),
        cost,
        Kind.COUNTER,
        Stability.BETA,
    )
    yield Family(
        "autoscaler_aws_cost_dollars_per_month",
        "The same for a month, at the pace of the last ten minutes.",
        "US dollars a month",
        (),
        cost_per_month,
        stability=Stability.BETA,
    )


def _time() -> Iterator[Family[Snapshot]]:
    yield Family(
        "autoscaler_tick_seconds",
        "How long a service's tick took.",
        "seconds",
        (),
        lambda snapshot: snapshot.ticks.samples(),
        Kind.HISTOGRAM,
    )
    yield Family(
        "autoscaler_tick_lag_seconds",
        "How long after its time a tick began.",
        "seconds",
        (),
        lambda snapshot: snapshot.lags.samples(),
        Kind.HISTOGRAM,
    )
    yield Family(
        "autoscaler_settings_problems",
        "What is wrong with the settings that were read last while the daemon runs, or missing in them: those before "
        "stay in force.",
        "problems",
        ("source",),
        problems,
    )
    yield Family(
        "autoscaler_build_info",
        "1, with the versions as labels.",
        "1",
        ("version", "python_version"),
        build,
    )


OWN = tuple(_families())
