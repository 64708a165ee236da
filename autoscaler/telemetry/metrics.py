"""Collect the metrics and render them for Prometheus: a snapshot is taken on the event loop and rendered in a thread.

There is no global registry: two daemons in one process have separate metrics.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client import exposition as text
from prometheus_client.openmetrics import exposition as openmetrics

from autoscaler.ports import Category, ServiceRef
from autoscaler.telemetry.exposition import Form, encoded, labels_text, lines_of, packed
from autoscaler.telemetry.families import FAMILIES
from autoscaler.telemetry.own import OWN
from autoscaler.telemetry.samples import ScrapeView
from autoscaler.telemetry.snapshot import OUTCOMES, Histogram, Snapshot
from autoscaler.telemetry.spending import Spending
from autoscaler.telemetry.status_store import ServiceStatus, StatusStore
from autoscaler.telemetry.tally import CALL_FAILURES, ServiceTally

__all__ = ["Form", "Metrics", "Snapshot", "labels_of", "render"]


SOURCES = ("file", "tags")
"""The sources of settings that are read while the daemon runs."""


class Metrics:
    """The counters; implements the port `Calls`. Written on the event loop only. `clock`: the clock of the readings."""

    def __init__(
        self, store: StatusStore, clock: Callable[[], float], tokens: Callable[[], Mapping[Category, float]]
    ) -> None:
        self._store = store
        self._clock = clock
        self._tokens = tokens
        self._tallies: dict[str, ServiceTally] = {}
        self._requests: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._throttles: Counter[Category] = Counter()
        self._spending = Spending(clock())
        self._polls = Histogram()
        self._lags = Histogram()
        self._waits = Histogram()
        self._problems = dict.fromkeys(SOURCES, 0)

    def made(self, api: str, category: Category, outcome: str, units: int = 1) -> None:
        """Count a completed request to AWS. An outcome outside the closed set counts as `failed`."""
        self._requests[api][outcome if outcome in OUTCOMES else CALL_FAILURES[0]] += 1
        self._spending.add(api, units, self._clock())
        if outcome == "throttled":
            self._throttles[category] += 1

    def waited(self, seconds: float) -> None:
        """Record the time that a request to AWS waited for a rate-limit token."""
        self._waits.add(seconds)

    def set_problems(self, source: str, problems: int) -> None:
        """Set the number of problems at the last read of this source, one of `SOURCES`."""
        self._problems[source] = problems

    def count(self, status: ServiceStatus) -> None:
        """Count the newest poll of the service."""
        poll = status.poll
        if poll is None:
            return
        known = self._tallies.get(status.service.key, NOTHING)
        self._tallies[status.service.key] = known.after(poll, status.faults)
        self._polls.add(poll.took_s)
        self._lags.add(poll.lag_s)

    def forget(self, key: str) -> None:
        """Remove the service and its series."""
        self._tallies.pop(key, None)

    def snapshot(self) -> Snapshot:
        """Return the present values. The values of services are immutable and not copied."""
        now, tallies = self._clock(), self._tallies
        return Snapshot(
            now=now,
            services=tuple([(status, tallies.get(status.service.key, NOTHING)) for status in self._store.statuses()]),
            requests={api: outcomes.copy() for api, outcomes in self._requests.items()},
            throttles=self._throttles.copy(),
            polls=self._polls.copied(),
            lags=self._lags.copied(),
            waits=self._waits.copied(),
            tokens=self._tokens(),
            cost=self._spending.dollars.copy(),
            cost_per_month=self._spending.per_month(now),
            problems=self._problems.copy(),
        )


NOTHING = ServiceTally()


def labels_of(services: Iterable[ServiceRef]) -> dict[str, tuple[str, str]]:
    """Return `ecs_cluster` and `ecs_service` of each key. Equal names in two Regions or accounts would be a duplicate
    series, and Prometheus would reject the whole page. Then the cluster has a prefix: the Region, and the account of
    the role.
    """
    refs = list(services)
    used = Counter((ref.cluster, ref.service) for ref in refs)
    return {ref.key: (_cluster(ref, unique=used[ref.cluster, ref.service] == 1), ref.service) for ref in refs}


def _cluster(ref: ServiceRef, *, unique: bool) -> str:
    if unique:
        return ref.cluster
    account = "" if ref.role is None else f"{ref.role.account}/"
    return f"{account}{ref.region or 'default'}/{ref.cluster}"


def render(snapshot: Snapshot, form: Form, *, by_gzip: bool = False) -> bytes:
    """Return the page for Prometheus. Takes about 0.25 ms per service: do not call it on the event loop."""
    return (packed if by_gzip else encoded)(_lines(snapshot, form), _of_process(form))


def _lines(snapshot: Snapshot, form: Form) -> Iterator[str]:
    names = labels_of([status.service for status, _ in snapshot.services])
    views = [
        (
            labels_text(zip(("ecs_cluster", "ecs_service"), names[status.service.key], strict=True)),
            ScrapeView(status, tally, snapshot.now),
        )
        for status, tally in snapshot.services
    ]
    for family in FAMILIES:
        yield from lines_of(family, views, form)
    for own in OWN:
        yield from lines_of(own, (("", snapshot),), form)


def _of_process(form: Form) -> bytes:
    """Return CPU, memory and files of the process, by the client library. In OpenMetrics it has the final `# EOF`."""
    registry = CollectorRegistry()
    registry.register(ProcessCollector(registry=None))
    return _ENCODERS[form](registry)


_ENCODERS: Mapping[Form, Callable[[CollectorRegistry], bytes]] = {
    Form.TEXT: text.generate_latest,
    Form.OPENMETRICS: openmetrics.generate_latest,
}
