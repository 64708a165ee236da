"""Collect the metrics and render them for Prometheus: a snapshot is taken on the event loop and rendered in a thread.

There is no global registry: two daemons in one process have separate metrics.
"""

from __future__ import annotations

import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from functools import lru_cache
from itertools import chain, islice

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client import exposition as text
from prometheus_client.openmetrics import exposition as openmetrics

from autoscaler.diagnosis.delivered import EventOutcome, EventType
from autoscaler.ports import Category, ServiceRef
from autoscaler.telemetry.families import FAMILIES, SERVICE_LABELS, Family, MetricKind, Source
from autoscaler.telemetry.http_connections import RefusalReason
from autoscaler.telemetry.own import OUTCOMES, OWN, Histogram, Snapshot
from autoscaler.telemetry.pages import GZIP, NAP_S
from autoscaler.telemetry.samples import ScrapeView
from autoscaler.telemetry.status_store import ServiceStatus, StatusStore
from autoscaler.telemetry.tally import CALL_FAILURES, ServiceTally, Spending

# Write the two text formats of Prometheus, 1,000 lines at a time, with a pause so that other threads can run.
#
# The encoder of the client library takes 8 microseconds per line, and a thousand services have 120,000 lines. This one
# takes about one microsecond. The tests parse its output with the client library.

LINES = 1_000
"""Lines after which the thread sleeps for `NAP_S`: about a millisecond of work."""

SPECIAL = {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}


class Form(StrEnum):
    """The two text formats, with their content types."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def lines_of(family: Family[Source], sources: Iterable[tuple[str, Source]], form: Form) -> Iterator[str]:
    """Yield the help, the type and the samples of the family, one line each. Each source has the labels for its
    samples, as returned by `labels_text`.
    """
    base = family.name.removesuffix("_total") if form is Form.OPENMETRICS else family.name
    yield f"# HELP {base} {family.help}\n# TYPE {base} {family.kind}\n"
    if family.kind is MetricKind.HISTOGRAM:
        yield from _of_histogram(family, sources)
        return
    for own, source in sources:
        for values, sample in family.read(source):
            labels = own + _of_family(family.labels, values)
            yield f"{family.name}{_in_braces(labels)} {number(sample)}\n"


def _of_histogram(family: Family[Source], sources: Iterable[tuple[str, Source]]) -> Iterator[str]:
    """Each sample has the name of its part: `_bucket` with its bound, `_sum` or `_count`."""
    for own, source in sources:
        for (part, *bound), sample in family.read(source):
            labels = own + labels_text(zip(("le",), bound, strict=False))
            yield f"{family.name}{part}{_in_braces(labels)} {number(sample)}\n"


@lru_cache(maxsize=4096)
def _of_family(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    return labels_text(zip(names, values, strict=True))


def _in_braces(labels: str) -> str:
    """Return the labels in braces. Empty without labels: not every parser accepts empty braces."""
    return f"{{{labels[1:]}}}" if labels else ""


def labels_text(pairs: Iterable[tuple[str, str]]) -> str:
    """Return the labels and values, with a comma before each."""
    return "".join(f',{name}="{_escaped(value)}"' for name, value in pairs)


def _escaped(value: str) -> str:
    """Escape the value. A lone surrogate, from an invalid variable, is escaped too: it cannot be encoded as UTF-8."""
    text = value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def number(value: float) -> str:
    """Return the number as text, as both formats require it."""
    text = repr(float(value))
    return SPECIAL.get(text, text)


def encoded(lines: Iterable[str], last: bytes) -> bytes:
    """Return all lines as UTF-8, followed by `last`. One join of 16 MB lets other threads run; adding two such byte
    strings does not.
    """
    return b"".join([*_parts(lines), last])


def packed(lines: Iterable[str], last: bytes) -> bytes:
    """Return the same with gzip. The plain text (160 MB for ten thousand services) is never complete in memory."""
    packer = zlib.compressobj(level=1, wbits=GZIP)
    return b"".join([*map(packer.compress, chain(_parts(lines), (last,))), packer.flush()])


def _parts(lines: Iterable[str]) -> Iterator[bytes]:
    """Yield the lines in parts, and block other threads for at most a few milliseconds."""
    rest = iter(lines)
    while part := list(islice(rest, LINES)):
        yield "".join(part).encode()
        time.sleep(NAP_S)


SOURCES = ("file", "tags")
"""The sources of settings that are read while the daemon runs."""


class Metrics:
    """The counters; implements the port `Calls`. Written on the event loop only. `clock`: the clock of the readings.
    `lost_lines` returns the number of log lines that were not written. The HTTP server counts in `refusals`.
    """

    def __init__(
        self,
        store: StatusStore,
        clock: Callable[[], float],
        tokens: Callable[[], Mapping[Category, float]],
        lost_lines: Callable[[], int] = lambda: 0,
    ) -> None:
        self._store = store
        self._clock = clock
        self._tokens = tokens
        self._lost_lines = lost_lines
        self._tallies: dict[str, ServiceTally] = {}
        self._requests: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._throttles: Counter[Category] = Counter()
        self._spending = Spending(clock())
        self._polls = Histogram()
        self._lags = Histogram()
        self._waits = Histogram()
        self._problems = dict.fromkeys(SOURCES, 0)
        self.refusals: Counter[RefusalReason] = Counter()
        self.events: Counter[tuple[EventType, EventOutcome]] = Counter()
        self.event_queue_works: bool | None = None
        """Whether the queue of events can be used (None: there is none, or it is not known)."""
        self.region = ""
        """The daemon's own Region, for services that name none. Empty: unknown."""

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
            lost_lines=self._lost_lines(),
            refusals=self.refusals.copy(),
            events=self.events.copy(),
            event_queue_works=self.event_queue_works,
            region=self.region,
        )


NOTHING = ServiceTally()


def labels_of(service: ServiceRef, home: str) -> dict[str, str]:
    """Return the labels of a service. `home`: the daemon's own Region (empty: unknown). The daemon's own account is
    unknown, so `account` is empty without a role; an empty label is none to Prometheus.
    """
    account = "" if service.role is None else service.role.account
    values = (account, service.region or home, service.cluster, service.service)
    return dict(zip(SERVICE_LABELS, values, strict=True))


def render(snapshot: Snapshot, form: Form, *, by_gzip: bool = False) -> bytes:
    """Return the page for Prometheus. Takes about 0.25 ms per service: do not call it on the event loop."""
    return (packed if by_gzip else encoded)(_lines(snapshot, form), _of_process(form))


def _lines(snapshot: Snapshot, form: Form) -> Iterator[str]:
    views = [
        (labels_text(labels_of(status.service, snapshot.region).items()), ScrapeView(status, tally, snapshot.now))
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


__all__ = ["Form", "Metrics", "Snapshot", "labels_of", "render"]
