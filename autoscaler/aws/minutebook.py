"""The schedule of CloudWatch reads: all metrics of a place (a Region as one role) in one request a minute, for all
callers.

A metric that is requested for the first time is read at once, together with all that are requested within
`BATCH_WINDOW_S`. From then on it is read with the others of its place, once a minute, while callers request it. Values
are cached until the place's next read. An error is returned only to the callers that waited for it, and affects no
other metric.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from autoscaler.aws.batches import batches
from autoscaler.aws.caller import Caller
from autoscaler.aws.clocks import Clocks
from autoscaler.aws.in_flight import BATCH_WINDOW_S, InFlight
from autoscaler.aws.minutes import MOST_METRICS, PERIOD_S, Minutes, complete_minutes
from autoscaler.core.model import Instant
from autoscaler.errors import AutoscalerError, ClockSkewed, Denied, NoCredentials, Throttled, Unavailable
from autoscaler.ports import CloudWatchMetric, Place

UNUSED_AFTER_S = 300.0
"""Seconds without a request after which a metric is no longer read: its service is gone."""

SHARED_ERRORS = (Throttled, Unavailable, Denied, NoCredentials, ClockSkewed)
"""Errors that do not depend on the metric. Any other error may belong to one metric: the rest is read without it."""


class _MetricRequest(NamedTuple):
    """The newest request for a metric: its subject, its key, and its time."""

    subject: str
    key: str
    at: Instant


Faults: TypeAlias = dict[CloudWatchMetric, AutoscalerError]


@dataclass(slots=True)
class _Page:
    """One place. `reading`: the call in flight for a metric. `open_batch`: the batch that other metrics can join."""

    place: Place
    due: Instant = float("-inf")
    requested: dict[CloudWatchMetric, _MetricRequest] = field(default_factory=dict)
    found: dict[CloudWatchMetric, Minutes] = field(default_factory=dict)
    reading: dict[CloudWatchMetric, asyncio.Task[Faults]] = field(default_factory=dict)
    open_batch: asyncio.Task[Faults] | None = None


class MinuteBook:
    """The newest minutes in CloudWatch, by metric. Must be closed: calls may be in flight."""

    def __init__(self, caller: Caller, clocks: Clocks) -> None:
        self._caller = caller
        self._clocks = clocks
        self._pages: dict[Place, _Page] = {}
        self._in_flight = InFlight[Faults]()

    async def minutes(self, subject: str, place: Place, metrics: Mapping[str, CloudWatchMetric]) -> dict[str, Minutes]:
        """The complete minutes of each metric, by its key. Raises `AutoscalerError` if any metric could not be read."""
        place = place._replace(region=place.region or self._caller.region())
        page = self._pages.setdefault(place, _Page(place))
        now = self._clocks.now()
        page.requested |= {metric: _MetricRequest(subject, key, now) for key, metric in metrics.items()}
        if now >= page.due or not set(metrics.values()) <= page.found.keys():
            faults = await self._read(page, metrics.values())
            for metric in metrics.values():
                if metric in faults:
                    raise faults[metric]
        if any(metric not in page.found for metric in metrics.values()):
            raise Unavailable(f"{subject} in {place.region}: CloudWatch did not answer in time; it is tried again")
        return {key: page.found[metric] for key, metric in metrics.items()}

    async def close(self) -> None:
        """Cancel all calls in flight."""
        await self._in_flight.close()

    async def _read(self, page: _Page, metrics: Iterable[CloudWatchMetric]) -> Faults:
        """A cancelled caller does not cancel a call that others wait for."""
        calls = {page.reading.get(metric) or self._join(page) for metric in metrics}
        faults: Faults = {}
        for call in calls:
            faults |= await asyncio.shield(call)
        return faults

    def _join(self, page: _Page) -> asyncio.Task[Faults]:
        if page.open_batch is None:
            page.open_batch = self._in_flight.begin(self._run_batch(page))
        return page.open_batch

    async def _run_batch(self, page: _Page) -> Faults:
        await asyncio.sleep(BATCH_WINDOW_S)
        metrics = self._due(page)
        if page.open_batch is not None:
            page.reading |= dict.fromkeys(metrics, page.open_batch)
        page.open_batch = None
        try:
            answers = [self._read_batch(page, part) for part in batches(metrics, MOST_METRICS)]
            return {metric: fault for faults in await asyncio.gather(*answers) for metric, fault in faults.items()}
        finally:
            own = asyncio.current_task()
            for metric in metrics:
                if page.reading.get(metric) is own:
                    del page.reading[metric]

    def _due(self, page: _Page) -> list[CloudWatchMetric]:
        """Return all metrics that are in use, once a minute; in between only the new ones. The minute counts from the
        due time, not from the read: otherwise jitter of the polls would turn 60 s into 70 s.
        """
        now = self._clocks.now()
        if now < page.due:
            return [metric for metric in page.requested if metric not in page.found and metric not in page.reading]
        page.due = (page.due if now - page.due < PERIOD_S else now) + PERIOD_S
        page.requested = {
            metric: requested for metric, requested in page.requested.items() if now - requested.at <= UNUSED_AFTER_S
        }
        page.found = {metric: minutes for metric, minutes in page.found.items() if metric in page.requested}
        return list(page.requested)

    async def _read_batch(self, page: _Page, metrics: Sequence[CloudWatchMetric]) -> Faults:
        """Read the metrics into the page. Metrics that could not be read are removed from it and returned with their
        errors.
        """
        metrics = [metric for metric in metrics if metric in page.requested]
        if not metrics:
            return {}
        named = dict(zip(_names(page.requested[metric].key for metric in metrics), metrics, strict=True))
        subjects = {name: page.requested[metric].subject for name, metric in named.items()}
        try:
            answers = await complete_minutes(self._caller, self._clocks, subjects, page.place, named)
        except SHARED_ERRORS as fault:
            return self._failed(page, metrics, fault)
        except AutoscalerError as fault:
            if len(metrics) == 1:
                return self._failed(page, metrics, fault)
            half = len(metrics) // 2
            return await self._read_batch(page, metrics[:half]) | await self._read_batch(page, metrics[half:])
        faults: Faults = {}
        for name, answer in answers.items():
            if isinstance(answer, AutoscalerError):
                faults |= self._failed(page, [named[name]], answer)
            else:
                page.found[named[name]] = answer
        return faults

    def _failed(self, page: _Page, metrics: Sequence[CloudWatchMetric], fault: AutoscalerError) -> Faults:
        for metric in metrics:
            page.found.pop(metric, None)
        return dict.fromkeys(metrics, fault)


def _names(keys: Iterable[str]) -> Iterator[str]:
    """Yield each key, numbered if it occurred before: the ids of one call must differ."""
    seen: dict[str, int] = {}
    for key in keys:
        before = seen[key] = seen.get(key, -1) + 1
        yield f"{key}_{before}" if before else key
