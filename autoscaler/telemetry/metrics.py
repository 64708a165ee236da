"""Everything measured, as Prometheus reads it: a snapshot is taken on the loop and rendered off it.

No global registry: two daemons in one process do not see each other's numbers.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import accumulate
from platform import python_version

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client import exposition as text
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from autoscaler import __version__
from autoscaler.ports import Category, ServiceRef
from autoscaler.telemetry.board import Board, Standing
from autoscaler.telemetry.families import CALL_FAILURES, FAMILIES, Family, Tally, View

OUTCOMES = ("ok", *CALL_FAILURES)
"""How a request to AWS may end: a closed set."""

BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds, in seconds: a tick against a quick endpoint up to one in which every call times out."""


class Form(StrEnum):
    """The two text formats, by their content type."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


@dataclass(slots=True)
class Distribution:
    """Durations in seconds, counted by bucket. The last bucket has no upper bound."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))
    sum_s: float = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS_S, seconds)] += 1
        self.sum_s += seconds

    def copied(self) -> Distribution:
        return Distribution(self.counts.copy(), self.sum_s)

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative, as Prometheus has them: how many lasted at most so long."""
        bounds = [*map(str, BUCKETS_S), "+Inf"]
        return [(bound, float(count)) for bound, count in zip(bounds, accumulate(self.counts), strict=True)]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a scrape shows. Nobody writes to it any more, so any thread may read it."""

    views: tuple[View, ...]
    requests: Mapping[str, Counter[str]]
    throttles: Counter[Category]
    ticks: Distribution
    lags: Distribution
    waits: Distribution
    tokens: Mapping[Category, float]


class Metrics:
    """Counts what happens, and is the port `Calls`. Written by the loop only. `clock` is that of the readings."""

    def __init__(
        self, board: Board, clock: Callable[[], float], tokens: Callable[[], Mapping[Category, float]]
    ) -> None:
        self._board = board
        self._clock = clock
        self._tokens = tokens
        self._tallies: dict[str, Tally] = {}
        self._requests: dict[str, Counter[str]] = {}
        self._throttles: Counter[Category] = Counter()
        self._ticks = Distribution()
        self._lags = Distribution()
        self._waits = Distribution()

    def made(self, api: str, category: Category, outcome: str) -> None:
        """One request to AWS ended. An outcome outside the closed set counts as `failed`."""
        self._requests.setdefault(api, Counter())[outcome if outcome in OUTCOMES else CALL_FAILURES[0]] += 1
        if outcome == "throttled":
            self._throttles[category] += 1

    def waited(self, seconds: float) -> None:
        """A request to AWS waited so long for its turn."""
        self._waits.add(seconds)

    def count(self, standing: Standing) -> None:
        """The service's newest tick is counted."""
        self._tallies.setdefault(standing.service.key, Tally()).count(standing)
        if standing.tick is not None:
            self._ticks.add(standing.tick.took_s)
            self._lags.add(standing.tick.lag_s)

    def forget(self, key: str) -> None:
        """The service is gone, and its series with it."""
        self._tallies.pop(key, None)

    def snapshot(self) -> Snapshot:
        """Everything as of now."""
        standings, now = self._board.standings(), self._clock()
        names = labels_of([standing.service for standing in standings])
        return Snapshot(
            views=tuple(
                View(names[standing.service.key], standing, self._tally(standing.service.key), now)
                for standing in standings
            ),
            requests={api: outcomes.copy() for api, outcomes in self._requests.items()},
            throttles=self._throttles.copy(),
            ticks=self._ticks.copied(),
            lags=self._lags.copied(),
            waits=self._waits.copied(),
            tokens=self._tokens(),
        )

    def _tally(self, key: str) -> Tally:
        known = self._tallies.get(key)
        return Tally() if known is None else known.copied()


def labels_of(services: Iterable[ServiceRef]) -> dict[str, tuple[str, str]]:
    """`ecs_cluster` and `ecs_service` of each key. The same names in two Regions or accounts would be one series twice,
    and make Prometheus refuse the whole page: there the cluster carries its Region, and its account where a role says.
    """
    refs = list(services)
    used = Counter((ref.cluster, ref.service) for ref in refs)
    return {ref.key: (_cluster(ref, unique=used[ref.cluster, ref.service] == 1), ref.service) for ref in refs}


def _cluster(ref: ServiceRef, *, unique: bool) -> str:
    if unique:
        return ref.cluster
    account = "" if ref.role is None else f"{ref.role.account}/"
    return f"{account}{ref.region or 'default'}/{ref.cluster}"


def render(snapshot: Snapshot, form: Form) -> bytes:
    """The page that Prometheus reads. About half a millisecond for each service: not for the loop."""
    registry = CollectorRegistry()
    registry.register(_Page(snapshot))
    registry.register(ProcessCollector(registry=None))
    return _ENCODERS[form](registry)


_ENCODERS: Mapping[Form, Callable[[CollectorRegistry], bytes]] = {
    Form.TEXT: text.generate_latest,
    Form.OPENMETRICS: openmetrics.generate_latest,
}


class _Page(Collector):
    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        for family in FAMILIES:
            yield _of_services(family, self._snapshot.views)
        yield from _of_daemon(self._snapshot)


def _of_services(family: Family, views: tuple[View, ...]) -> Metric:
    shape = CounterMetricFamily if family.counts else GaugeMetricFamily
    metric = shape(family.name, family.help, labels=("ecs_cluster", "ecs_service", *family.labels))
    for view in views:
        for values, sample in family.read(view):
            metric.add_metric([_encodable(value) for value in (*view.labels, *values)], float(sample))
    return metric


def _encodable(label: str) -> str:
    """A label that UTF-8 can carry: a lone surrogate, from a broken variable, would make the whole page fail."""
    return label if label.isascii() else label.encode("utf-8", "backslashreplace").decode()


def _of_daemon(snapshot: Snapshot) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "autoscaler_aws_requests_total", "Requests to AWS, by API and outcome.", labels=("api", "outcome")
    )
    for api, outcomes in snapshot.requests.items():
        for outcome in OUTCOMES:
            requests.add_metric((_encodable(api), outcome), outcomes[outcome])
    yield requests
    throttles = CounterMetricFamily(
        "autoscaler_aws_throttles_total", "Requests that AWS throttled, by throttle category.", labels=("category",)
    )
    for category in Category:
        throttles.add_metric((category.value,), snapshot.throttles[category])
    yield throttles
    tokens = GaugeMetricFamily(
        "autoscaler_pacer_tokens", "Calls that could be made at once, by throttle category.", labels=("category",)
    )
    for category, left in snapshot.tokens.items():
        tokens.add_metric((category.value,), left)
    yield tokens
    yield _histogram("autoscaler_pacer_wait_seconds", "How long a request to AWS waited for its turn.", snapshot.waits)
    yield _histogram("autoscaler_tick_seconds", "How long a service's tick took.", snapshot.ticks)
    yield _histogram("autoscaler_tick_lag_seconds", "How long after its time a tick began.", snapshot.lags)
    build = GaugeMetricFamily(
        "autoscaler_build_info", "1, with the versions as labels.", labels=("version", "python_version")
    )
    build.add_metric((__version__, python_version()), 1.0)
    yield build


def _histogram(name: str, what: str, seen: Distribution) -> Metric:
    metric = HistogramMetricFamily(name, what)
    metric.add_metric((), buckets=seen.buckets(), sum_value=seen.sum_s)
    return metric
