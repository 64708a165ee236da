"""Everything measured, as Prometheus reads it: a snapshot is taken on the loop and rendered off it.

No global registry: two daemons in one process do not see each other's numbers.
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
from autoscaler.telemetry.samples import View
from autoscaler.telemetry.snapshot import OUTCOMES, Distribution, Snapshot
from autoscaler.telemetry.spending import Spending
from autoscaler.telemetry.status_store import ServiceStatus, StatusStore
from autoscaler.telemetry.tally import CALL_FAILURES, Tally

__all__ = ["Form", "Metrics", "Snapshot", "labels_of", "render"]


SOURCES = ("file", "tags")
"""Where settings come from while the daemon runs."""


class Metrics:
    """Counts what happens, and is the port `Calls`. Written by the loop only. `clock` is that of the readings."""

    def __init__(
        self, store: StatusStore, clock: Callable[[], float], tokens: Callable[[], Mapping[Category, float]]
    ) -> None:
        self._store = store
        self._clock = clock
        self._tokens = tokens
        self._tallies: dict[str, Tally] = {}
        self._requests: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._throttles: Counter[Category] = Counter()
        self._spending = Spending(clock())
        self._ticks = Distribution()
        self._lags = Distribution()
        self._waits = Distribution()
        self._problems = dict.fromkeys(SOURCES, 0)

    def made(self, api: str, category: Category, outcome: str, units: int = 1) -> None:
        """One request to AWS ended. An outcome outside the closed set counts as `failed`."""
        self._requests[api][outcome if outcome in OUTCOMES else CALL_FAILURES[0]] += 1
        self._spending.add(api, units, self._clock())
        if outcome == "throttled":
            self._throttles[category] += 1

    def waited(self, seconds: float) -> None:
        """A request to AWS waited so long for its turn."""
        self._waits.add(seconds)

    def wrong(self, source: str, problems: int) -> None:
        """So many things are wrong with what was read last from this one of `SOURCES`."""
        self._problems[source] = problems

    def count(self, status: ServiceStatus) -> None:
        """The service's newest tick is counted."""
        tick = status.tick
        if tick is None:
            return
        known = self._tallies.get(status.service.key, NOTHING)
        self._tallies[status.service.key] = known.after(tick, status.faults)
        self._ticks.add(tick.took_s)
        self._lags.add(tick.lag_s)

    def forget(self, key: str) -> None:
        """The service is gone, and its series with it."""
        self._tallies.pop(key, None)

    def snapshot(self) -> Snapshot:
        """Everything as of now. What there is of a service is a value already, and is not copied."""
        now, tallies = self._clock(), self._tallies
        return Snapshot(
            now=now,
            services=tuple([(status, tallies.get(status.service.key, NOTHING)) for status in self._store.statuses()]),
            requests={api: outcomes.copy() for api, outcomes in self._requests.items()},
            throttles=self._throttles.copy(),
            ticks=self._ticks.copied(),
            lags=self._lags.copied(),
            waits=self._waits.copied(),
            tokens=self._tokens(),
            cost=self._spending.dollars.copy(),
            cost_per_month=self._spending.per_month(now),
            problems=self._problems.copy(),
        )


NOTHING = Tally()


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


def render(snapshot: Snapshot, form: Form, *, by_gzip: bool = False) -> bytes:
    """The page that Prometheus reads. About a quarter of a millisecond for each service: not for the loop."""
    return (packed if by_gzip else encoded)(_lines(snapshot, form), _of_process(form))


def _lines(snapshot: Snapshot, form: Form) -> Iterator[str]:
    names = labels_of([status.service for status, _ in snapshot.services])
    views = [
        (
            labels_text(zip(("ecs_cluster", "ecs_service"), names[status.service.key], strict=True)),
            View(status, tally, snapshot.now),
        )
        for status, tally in snapshot.services
    ]
    for family in FAMILIES:
        yield from lines_of(family, views, form)
    for own in OWN:
        yield from lines_of(own, (("", snapshot),), form)


def _of_process(form: Form) -> bytes:
    """CPU, memory and files of the process, by the client library; with OpenMetrics' last line, where that is asked."""
    registry = CollectorRegistry()
    registry.register(ProcessCollector(registry=None))
    return _ENCODERS[form](registry)


_ENCODERS: Mapping[Form, Callable[[CollectorRegistry], bytes]] = {
    Form.TEXT: text.generate_latest,
    Form.OPENMETRICS: openmetrics.generate_latest,
}
