"""What a signal source is: one kind of value to scale on, with its settings, permissions, check and reading.

A new source is one file in this package with a subclass of `Source` or `MetricSource`, and one row in
`autoscaler/sources/__init__.py`. CONTRIBUTING.md has the steps; `DiceSource` in tests/sources/test_table.py is a short
example. A source that connects to a server uses `autoscaler/sources/network.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

from autoscaler.aws.arns import Home, Right
from autoscaler.config import ServiceConfig
from autoscaler.config.groups import Group
from autoscaler.core.figures import number
from autoscaler.core.memory import Memory
from autoscaler.core.model import (
    Fleet,
    Flow,
    Instant,
    Measurement,
    MetricReading,
    Missing,
    QueueReading,
    RanTasks,
    Unseen,
    Utilization,
)
from autoscaler.core.policy import Policy
from autoscaler.errors import Denied, NoCredentials
from autoscaler.findings import Finding, good, note, text_and_remedy, unread
from autoscaler.ports import CloudWatchMetric, LiveTasks, MetricPort, MetricRequest, Ports, QueueMinute

MINUTE_S = 60.0

NO_DATA = "no_data"
"""The kind of a reading that has no datapoint. It is not an error: a metric may begin later."""

NOTICED_INTERVALS = 2.0
"""A change of the running count is seen at the next poll, or one poll later if a poll overruns."""


@dataclass(slots=True)
class Readings:
    """The readings of one poll, as the sources add them. `notices`: optional readings that were denied."""

    queues: list[QueueReading] = field(default_factory=list)
    cpu: Utilization | Missing | None = None
    memory: Utilization | Missing | None = None
    metrics: list[MetricReading] = field(default_factory=list)
    flow: Flow | None = None
    unseen: Unseen | None = None
    minutes: dict[str, QueueMinute] = field(default_factory=dict)
    notices: list[Missing] = field(default_factory=list)

    def note(self, gap: Missing) -> None:
        """Add a notice for a denied read. Late or failed reads get none, because they are repeated."""
        if gap.kind in {Denied.kind, NoCredentials.kind} and gap not in self.notices:
            self.notices.append(gap)


@dataclass(frozen=True, slots=True)
class PollContext:
    """What a reader knows about the poll. `still`: readings that cost money are left out, because nothing happens.

    `noticed_s`: after this time, a change of the running count has been seen.
    """

    service: ServiceConfig
    ports: Ports
    fleet: Fleet
    policy: Policy
    memory: Memory | None
    still: bool
    noticed_s: float

    async def ran_in(self, at: Instant, *, late: bool = True) -> RanTasks:
        """Return the tasks that ran in the minute that ended at `at`.

        The counts come from the service's memory; if it does not reach back to that minute and the datapoint is `late`,
        from CloudWatch. A value that is not `late` may be of any instant of the last minute, or a mean over it.
        """
        fleet, memory, start = self.fleet, self.memory, at - MINUTE_S
        present = float(min(fleet.running, fleet.desired))
        known = None if memory is None else memory.tasks_in(start, at, self.noticed_s, fleet)
        ran = known or RanTasks(present, present)
        if memory is not None and memory.running and not late:
            fewest, most = memory.ran_between(start, at + self.noticed_s) or (present, present)
            now = memory.running_now(fleet)
            return ran._replace(fewest=float(min(fewest, now)), most=float(max(most, now)))
        if late and (memory is None or not memory.knows_running_since(start)):
            live = await self._live(at)
            if live is not None and live.sure:
                return RanTasks(live.fewest, live.most)
            if live is not None:
                return RanTasks(min(ran.fewest, live.fewest), max(ran.most, live.most))
        return ran

    async def tasks_at(self, at: Instant, ratio: float | None, *, late: bool = True) -> float | None:
        """Return the number of tasks to which a datapoint of the minute that ended at `at` applies (None: those that
        run now).

        The datapoint requires `ratio` times the tasks that ran in that minute, and must change the count only once. So
        the count comes from the service's memory. If the memory does not reach back to that minute and the datapoint is
        `late`, it comes from CloudWatch. Else it is the first count in the memory, which does not follow the changes
        that the datapoint causes. `ratio` None: no target uses the datapoint.
        """
        fleet, memory = self.fleet, self.memory
        if ratio is None:
            return None if memory is None else memory.running_at(at)
        present: float = min(fleet.running, fleet.desired)
        ran = None if memory is None else memory.ran_between(at - MINUTE_S, at + self.noticed_s)
        fewest, most = (present, present) if ran is None else ran
        if memory is not None and memory.running and fleet.at <= at + self.noticed_s:
            now = memory.running_now(fleet)
            fewest, most = min(fewest, now), max(most, now)
        if late and (memory is None or not memory.knows_running_since(at - MINUTE_S)):
            live = await self._live(at)
            if live is not None and live.sure:
                fewest, most, _ = live
            elif live is not None:
                fewest, most = min(fewest, live.fewest), max(most, live.most)
        return _nearest(fewest, most, fleet.desired, ratio)

    async def _live(self, at: Instant) -> LiveTasks | None:
        """Read the live tasks. A deployment runs both revisions: tasks above the desired count are excluded, as in
        `Memory.running`.
        """
        live, desired = await self.ports.meters.live_tasks(self.service.ref, at), self.fleet.desired
        if live is None or self.fleet.deployment is None:
            return live
        return live._replace(fewest=min(live.fewest, desired), most=min(live.most, desired))


def _nearest(fewest: float, most: float, present: int, ratio: float) -> float:
    """Return the count from `fewest` to `most` for which `ratio` times the count is nearest to the present count.

    A datapoint is the mean of a minute. If the count changed in that minute, the datapoint fits every count in between,
    and the smallest of the resulting changes applies. The mean or the last of the counts would be wrong: the time of a
    change is known only to within a poll, and the same load would require more tasks after each change.
    """
    if not ratio * most > present:
        return most
    return fewest if ratio * fewest >= present else present / ratio


class Reader(ABC):
    """Reads one source for one service, poll after poll."""

    @abstractmethod
    async def read(self, poll: PollContext, into: Readings) -> None:
        """Read and add the readings. A value that cannot be read is `Missing`; never raises `AutoscalerError`."""

    def complete(self, now: Instant, poll: PollContext, into: Readings) -> None:  # noqa: B027 - most need nothing
        """Compute what depends on the time of the decision, after all sources have been read."""

    def keep_from(self, before: Reader) -> None:  # noqa: B027 - most store nothing
        """Take over what the reader for the previous settings has stored, as far as it still applies."""


class ProbeAccess(NamedTuple):
    """What a check may use. `region`: the default Region (None: not known). `account`: the account of the credentials
    (None: not known).
    """

    ports: Ports
    region: str | None = None
    account: str | None = None


class Probe(NamedTuple):
    """A check of `doctor`: its name, and a function that reads once and returns the findings."""

    what: str
    run: Callable[[], Awaitable[list[Finding]]]


class Source(ABC):
    """One kind of signal.

    `settings`: the settings of a service that select it, by their names in `config/fields.py`. `values`: the names of
    its values in a formula, if they are not those of metrics.
    """

    name: str
    settings: tuple[str, ...]
    values: frozenset[str] = frozenset()

    @abstractmethod
    def reader(self, service: ServiceConfig) -> Reader | None:
        """Return the reader for a service (None: the service does not use this source)."""

    def rights(self, service: ServiceConfig, home: Home) -> Iterator[Right]:
        """Yield the permissions that reading requires for this service."""
        yield from ()

    def probes(self, service: ServiceConfig, access: ProbeAccess) -> Iterator[Probe]:
        """Yield the checks of `doctor` for this service."""
        yield from ()

    def cloudwatch_metrics(self, service: ServiceConfig) -> int:
        """Return the number of CloudWatch metrics that are read each minute, which AWS charges for."""
        return 0

    def is_used(self, service: ServiceConfig) -> bool:
        """Whether the settings of the service select this source."""
        return self.reader(service) is not None


Fields = TypeVar("Fields", bound=Group)


class Connection(NamedTuple):
    """What a source may use to connect. `aws`: reads CloudWatch metrics. `clock` is the clock of all instants, `wall`
    returns seconds since the epoch. No request takes longer than `timeout_s`.
    """

    aws: MetricPort[CloudWatchMetric]
    clock: Callable[[], Instant]
    wall: Callable[[], float]
    timeout_s: float


class MetricSource(Source, Generic[Fields]):
    """A source of the metrics that the setting `metrics` names.

    `fields`: its settings in the table of a metric. Those without a default are required. No other source has settings
    of the same names, and a field has no alias. `requests`: the class of its requests.
    """

    settings = ("metrics",)
    fields: ClassVar[type[Group]]
    requests: ClassVar[type[MetricRequest]]

    @abstractmethod
    def request(self, fields: Fields, region: str | None) -> MetricRequest:
        """Return what to read for a metric with these settings. `region`: the Region of the service."""

    @abstractmethod
    def connect(self, connection: Connection) -> AbstractAsyncContextManager[MetricPort[Any]]:
        """Open the source when a request is made first, and close it at the end of the block.

        The port returns a `Measurement`, or `Missing` with the `kind` of a class of `autoscaler/errors.py`, or
        `NO_DATA`: the server answered, but has no value. A server may report 0 for something that does not exist. Then
        ask it whether the thing exists, or state in `fields` that a wrong name reads 0.
        """

    def used(self, service: ServiceConfig) -> list[tuple[str, MetricRequest]]:
        """Return the metrics of the service that this source reads: name and request."""
        return [(name, request) for name, request in service.metrics if isinstance(request, self.requests)]

    def reader(self, service: ServiceConfig) -> Reader | None:
        used = self.used(service)
        return _MetricReader(used) if used else None

    def probes(self, service: ServiceConfig, access: ProbeAccess) -> Iterator[Probe]:
        for name, request in self.used(service):
            what = f"metric {name}"
            read = partial(access.ports.metrics.measure, service.ref, request)
            yield Probe(what, partial(measured_finding, service.ref.key, what, read))


class _MetricReader(Reader):
    def __init__(self, requests: list[tuple[str, MetricRequest]]) -> None:
        self._requests = requests

    async def read(self, poll: PollContext, into: Readings) -> None:
        for name, request in self._requests:
            into.metrics.append(MetricReading(name, await _of_its_time(name, request, poll)))


async def _of_its_time(name: str, request: MetricRequest, poll: PollContext) -> Measurement | Missing:
    """Return the value with the tasks that ran at its time."""
    reading = await poll.ports.metrics.measure(poll.service.ref, request)
    if isinstance(reading, Missing):
        return reading
    if not any(metric.name == name and metric.target_value is not None for metric in poll.policy.metrics):
        return replace(reading, tasks=await poll.tasks_at(reading.at, None))
    ran = await poll.ran_in(reading.at, late=request.is_of_a_past_minute)
    return replace(reading, tasks=ran.mean, ran=ran)


async def measured_finding(
    key: str, what: str, read: Callable[[], Awaitable[Measurement | Utilization | Missing]], unit: str = ""
) -> list[Finding]:
    """Read once and return the finding. A metric without a datapoint is a note."""
    found = await read()
    if not isinstance(found, Missing):
        value = found.value if isinstance(found, Measurement) else found.percent
        return [good(key, what, f"{number(value)}{unit}")]
    return [note(key, what, *text_and_remedy(found)) if found.kind == NO_DATA else unread(key, what, found)]
