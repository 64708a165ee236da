"""The schedule of CloudWatch reads: all metrics of a place (a Region as one role) in one request a minute, for all
callers.

A metric that is requested for the first time is read at once, together with all that are requested within
`BATCH_WINDOW_S`. From then on it is read with the others of its place, once a minute, while callers request it. Values
are cached until the place's next read. An error is returned only to the callers that waited for it, and affects no
other metric. At the start of a service its first request reads further back (`past`), at the same price: CloudWatch
charges by the metric, not by the datapoint.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from typing import NamedTuple, TypeAlias

from autoscaler.aws.answers import ResponsePart
from autoscaler.aws.batching import BATCH_WINDOW_S, InFlight, batches
from autoscaler.aws.caller import Caller
from autoscaler.aws.calls import GET_METRIC_DATA
from autoscaler.aws.clients import Clocks
from autoscaler.aws.faults import clean
from autoscaler.aws.names import together
from autoscaler.core.model import Instant
from autoscaler.errors import AutoscalerError, ClockSkewed, Denied, NoCredentials, Throttled, Unavailable
from autoscaler.ports import CloudWatchMetric, Place

UNUSED_AFTER_S = 300.0
"""Seconds without a request after which a metric is no longer read: its service is gone."""

SHARED_ERRORS = (Throttled, Unavailable, Denied, NoCredentials, ClockSkewed)
"""Errors that do not depend on the metric. Any other error may belong to one metric: the rest is read without it."""


class _MetricRequest(NamedTuple):
    """The newest request for a metric: its subject, its key, and its time. `past_s`: how far back its next read goes,
    if that is further than `WINDOW_S`. `once`: it is read only once.
    """

    subject: str
    key: str
    at: Instant
    past_s: int = 0
    once: bool = False


class PastRequest(NamedTuple):
    """A request for the past of metrics of one place, by their keys. `once`: the keys that are not read again."""

    subject: str
    place: Place
    metrics: Mapping[str, CloudWatchMetric]
    once: frozenset[str] = frozenset()


Faults: TypeAlias = dict[CloudWatchMetric, AutoscalerError]


@dataclass(slots=True, eq=False)
class _Page:
    """One place. `reading`: the call in flight for a metric. `open_batch`: the batch that other metrics can join.
    `past`: minutes before those in `found`, until they are fetched.
    """

    place: Place
    due: Instant = float("-inf")
    requested: dict[CloudWatchMetric, _MetricRequest] = field(default_factory=dict)
    found: dict[CloudWatchMetric, Minutes] = field(default_factory=dict)
    past: dict[CloudWatchMetric, Minutes] = field(default_factory=dict)
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
        page, now = self._page(place), self._clocks.now()
        page.requested |= {metric: _MetricRequest(subject, key, now) for key, metric in metrics.items()}
        if now >= page.due or not set(metrics.values()) <= page.found.keys():
            faults = await self._read(page, metrics.values())
            for metric in metrics.values():
                if metric in faults:
                    raise faults[metric]
        if any(metric not in page.found for metric in metrics.values()):
            raise _unanswered(subject, page)
        return {key: page.found[metric] for key, metric in metrics.items()}

    async def past(self, requests: Sequence[PastRequest], past_s: int) -> list[dict[str, Minutes] | AutoscalerError]:
        """The complete minutes of the last `past_s` seconds, request by request; an error for a request if one of its
        metrics could not be read. All requests of a place are in one call.
        """
        pages = [self._expect(request, past_s) for request in requests]
        calls = [self._join(page) for page in dict.fromkeys(pages)]
        faults: Faults = {}
        for call in calls:
            faults |= await asyncio.shield(call)
        return [_past(request, page, faults) for request, page in zip(requests, pages, strict=True)]

    def _expect(self, request: PastRequest, past_s: int) -> _Page:
        """Let the next batch of the place read the past of these metrics, also of those that were read before."""
        page = self._page(request.place)
        for key, metric in request.metrics.items():
            page.requested[metric] = _MetricRequest(
                request.subject, key, self._clocks.now(), past_s, key in request.once
            )
            page.found.pop(metric, None)
            page.reading.pop(metric, None)
        return page

    async def close(self) -> None:
        """Cancel all calls in flight."""
        await self._in_flight.close()

    def _page(self, place: Place) -> _Page:
        place = place._replace(region=place.region or self._caller.region())
        return self._pages.setdefault(place, _Page(place))

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
            by_reach = sorted(metrics, key=lambda metric: page.requested[metric].past_s)
            parts = [
                part
                for _, alike in groupby(by_reach, key=lambda metric: page.requested[metric].past_s)
                for part in batches(list(alike), MOST_METRICS)
            ]
            answers = [self._read_batch(page, part) for part in parts]
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
            metric: requested
            for metric, requested in page.requested.items()
            if now - requested.at <= UNUSED_AFTER_S and not (requested.once and metric in page.found)
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
        past_s = page.requested[metrics[0]].past_s
        try:
            answers = await complete_minutes(
                self._caller, self._clocks, subjects, page.place, named, window_s=max(WINDOW_S, past_s)
            )
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
                self._store(page, named[name], answer, past_s)
        return faults

    def _store(self, page: _Page, metric: CloudWatchMetric, minutes: Minutes, past_s: int) -> None:
        """Store the newest minutes, and all of them if the past was requested."""
        if past_s:
            page.past[metric] = minutes
            page.requested[metric] = page.requested[metric]._replace(past_s=0)
            newest = math.floor(self._clocks.wall() / PERIOD_S) * PERIOD_S
            minutes = {end: value for end, value in minutes.items() if end > newest - WINDOW_S}
        page.found[metric] = minutes

    def _failed(self, page: _Page, metrics: Sequence[CloudWatchMetric], fault: AutoscalerError) -> Faults:
        for metric in metrics:
            page.found.pop(metric, None)
        return dict.fromkeys(metrics, fault)


def _past(request: PastRequest, page: _Page, faults: Faults) -> dict[str, Minutes] | AutoscalerError:
    """Return the past of the metrics by their keys, and remove it from the page."""
    found = {key: page.past.pop(metric, None) for key, metric in request.metrics.items()}
    fault = next((faults[metric] for metric in request.metrics.values() if metric in faults), None)
    past = {key: minutes for key, minutes in found.items() if minutes is not None}
    return fault or (past if len(past) == len(found) else _unanswered(request.subject, page))


def _unanswered(subject: str, page: _Page) -> Unavailable:
    return Unavailable(f"{subject} in {page.place.region}: CloudWatch did not answer in time; it is tried again")


def _names(keys: Iterable[str]) -> Iterator[str]:
    """Yield each key, numbered if it occurred before: the ids of one call must differ."""
    seen: dict[str, int] = {}
    for key in keys:
        before = seen[key] = seen.get(key, -1) + 1
        yield f"{key}_{before}" if before else key


# One CloudWatch call for many metrics, minute by minute. Each metric is read completely, or has an error.
#
# It uses no metric math, and only periods of one minute.

PERIOD_S = 60
WINDOW_S = 300
"""The range of the request in seconds. CloudWatch publishes a minute late, sometimes two; older datapoints are not
useful.
"""

MOST_METRICS = 500
"""Maximum number of metrics in one call."""

MOST_PAGES = 5
"""Sixty points of each metric, 30,000 in all, never need a second page of 100,800; the limit ends endless responses."""

Minutes: TypeAlias = dict[float, int | float]
"""Values by the end of their minute, in wall-clock seconds."""


async def complete_minutes(
    caller: Caller,
    clocks: Clocks,
    subjects: Mapping[str, str],
    place: Place,
    metrics: Mapping[str, CloudWatchMetric],
    *,
    window_s: int = WINDOW_S,
) -> dict[str, Minutes | AutoscalerError]:
    """Return the complete minutes of each metric within the last `window_s`, by the metric's key, which is its id in
    the call; an error for a metric that was not read completely. `subjects`: the owners, as their operator knows them.

    A minute without a datapoint is absent. At most `MOST_METRICS`. Raises `AutoscalerError` if there was no response.
    """
    end = math.floor(clocks.wall() / PERIOD_S) * PERIOD_S
    found: dict[str, Minutes | AutoscalerError] = {key: {} for key in metrics}
    unfinished, request = set(metrics), _request(metrics, end, window_s)
    for _ in range(MOST_PAGES):
        answer = await caller.ask(GET_METRIC_DATA, together(subjects.values()), place, **request)
        for result in answer.parts("MetricDataResults"):
            key = result.word("Id")
            if key in unfinished and _take(result.about(subjects[key]), end, found, key):
                unfinished.discard(key)
        if not unfinished or not answer.has("NextToken"):
            break
        request["NextToken"] = answer.word("NextToken")
    for key in unfinished:
        found[key] = Unavailable(
            f"{subjects[key]}: CloudWatch returned only a part of {metrics[key].metric}; it is tried again"
        )
    return found


def _take(result: ResponsePart, end: float, found: dict[str, Minutes | AutoscalerError], key: str) -> bool:
    """Add a result to the metric's minutes. Return whether the metric is complete."""
    before = found[key]
    try:
        if isinstance(before, dict):
            before |= _minutes(result, end)
        return _is_complete(result)
    except AutoscalerError as fault:
        found[key] = fault
        return True


def _request(metrics: Mapping[str, CloudWatchMetric], end: float, window_s: int) -> dict[str, object]:
    return {
        "MetricDataQueries": [_query(key, metric) for key, metric in metrics.items()],
        "StartTime": datetime.fromtimestamp(end - window_s, UTC),
        "EndTime": datetime.fromtimestamp(end, UTC),
        "ScanBy": "TimestampDescending",
    }


def _query(key: str, metric: CloudWatchMetric) -> dict[str, object]:
    return {
        "Id": key,
        "MetricStat": {
            "Metric": {
                "Namespace": metric.namespace,
                "MetricName": metric.metric,
                "Dimensions": [{"Name": name, "Value": value} for name, value in metric.dimensions],
            },
            "Period": PERIOD_S,
            "Stat": metric.statistic,
        },
        "ReturnData": True,
    }


def _is_complete(result: ResponsePart) -> bool:
    """Whether all points are present; False: there are more pages. Raises if CloudWatch returned none."""
    match result.word("StatusCode"):
        case "Complete":
            return True
        case "PartialData":
            return False
        case "Forbidden":
            raise Denied(f"{result.call.where}: CloudWatch denied access to the metric; {GET_METRIC_DATA.grant}")
        case status:
            raise Unavailable(
                f"{result.call.where}: CloudWatch could not read the metric ({clean(status)}); it is tried again"
            )


def _minutes(result: ResponsePart, end: float) -> Minutes:
    """The minutes of this result that were complete at `end`."""
    times, values = result.values("Timestamps"), result.values("Values")
    if len(times) != len(values):
        raise result.unreadable("Values", "one for each timestamp", values)
    ends = [_moment(result, time) + PERIOD_S for time in times]
    return {
        minute_end: _number(result, value) for minute_end, value in zip(ends, values, strict=True) if minute_end <= end
    }


def _moment(result: ResponsePart, found: object) -> float:
    if isinstance(found, datetime):
        return found.timestamp()
    raise result.unreadable("Timestamps", "a timestamp", found)


def _number(result: ResponsePart, found: object) -> int | float:
    if isinstance(found, int | float) and not isinstance(found, bool):
        return found  # unchanged: an integer may be too large for a float
    raise result.unreadable("Values", "a number", found)
