"""Read a whole cluster for `assess`: its services, their task definitions, and days of CloudWatch metrics.

Every call only reads, with the credentials of the user. All calls share the rate limiter, and their number is bounded.
Metrics are requested together, up to a full page of datapoints per call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from autoscaler.aws.answers import ResponsePart
from autoscaler.aws.batching import batches
from autoscaler.aws.caller import Caller
from autoscaler.aws.calls import DESCRIBE_SERVICES, DESCRIBE_TASK_DEFINITION, GET_METRIC_DATA, LIST_SERVICES, Api
from autoscaler.aws.directory import active_in, tags_of
from autoscaler.aws.history import is_complete, points
from autoscaler.aws.names import short_name
from autoscaler.aws.tasks import providers_in, task_size_in
from autoscaler.errors import Throttled, Unavailable, Unreadable
from autoscaler.ports import CloudWatchMetric, Place, Urgency
from autoscaler.pricing import TaskSize

SERVICES_A_CALL, SERVICES_A_PAGE = 10, 100

MOST_SERVICES = 1_000
"""Maximum number of services of one assessment: their metrics alone are about 1,000 calls."""

QUERIES_A_CALL, POINTS_A_CALL = 500, 100_800
"""AWS's limits for one page of GetMetricData. A larger request would need more pages, and so more calls."""

MOST_PAGES = 10
"""Maximum number of pages of one request. A request is made so that it fits into one page."""

TRIES, AGAIN_S = 10, 3.0
"""A throttled call is repeated: there is no next poll."""

MOST_POINT = 1e15
"""A larger value is not a count, an age or a number of tasks."""


@dataclass(frozen=True, slots=True)
class FoundService:
    """A service as ECS describes it. `providers` as for `list_price`; `is_daemon`: one task per instance, not
    scalable. `created`: seconds since the epoch (None: unknown).
    """

    name: str
    desired: int
    running: int
    task_definition: str
    providers: Mapping[str, float]
    tags: Mapping[str, str]
    is_daemon: bool = False
    created: float | None = None


@dataclass(frozen=True, slots=True)
class FoundDefinition:
    """What a task definition says: the size of a task (None, with the reason: unknown), and the environment of its
    containers without values from secrets, which the definition does not contain.
    """

    size: TaskSize | None
    gap: str | None = None
    environment: tuple[tuple[str, str], ...] = field(default=(), repr=False)


class SeriesRequest(NamedTuple):
    """One metric over a time, in periods of `period_s` seconds."""

    metric: CloudWatchMetric
    period_s: int


class Span(NamedTuple):
    """Start and end in seconds since the epoch; both are multiples of the longest period."""

    start: float
    end: float


Points = Mapping[float, float]
"""The value of each period by its start, in seconds since the epoch. A period without a datapoint is left out."""

Progress = Callable[[float], None]


class Survey:
    """Every method raises `AutoscalerError`. `place`: the Region; the credentials are those of the user."""

    def __init__(self, caller: Caller, place: Place) -> None:
        self._caller = caller
        self._place = place

    @property
    def region(self) -> str:
        return self._place.region or self._caller.region()

    async def services(self, cluster: str) -> tuple[FoundService, ...]:
        """Return the active services of the cluster, by name."""
        names = await self._names(cluster)
        found: list[FoundService] = []
        for batch in batches(names, SERVICES_A_CALL):
            answer = await self._ask(DESCRIBE_SERVICES, cluster, cluster=cluster, services=batch, include=["TAGS"])
            found += map(_service, active_in(answer, batch))
        return tuple(sorted(found, key=lambda service: service.name))

    async def _names(self, cluster: str) -> list[str]:
        names, more = list[str](), dict[str, str]()
        while len(names) <= MOST_SERVICES:
            answer = await self._ask(LIST_SERVICES, cluster, cluster=cluster, maxResults=SERVICES_A_PAGE, **more)
            names += (short_name(arn) for arn in answer.words("serviceArns"))
            if not answer.has("nextToken"):
                return list(dict.fromkeys(names))
            more = {"nextToken": answer.word("nextToken")}
        raise Unavailable(f"cluster {cluster} has more than {MOST_SERVICES:,} services; assess a smaller cluster")

    async def definition(self, arn: str) -> FoundDefinition:
        """Return the task definition's size and environment."""
        answer = await self._ask(DESCRIBE_TASK_DEFINITION, short_name(arn), taskDefinition=arn)
        definition = answer.part("taskDefinition")
        environment = tuple(_environment(definition))
        try:
            return FoundDefinition(task_size_in(definition, self.region), None, environment)
        except Unreadable:
            return FoundDefinition(None, "the task definition has no CPU and memory of the task", environment)

    async def series(
        self, cluster: str, requests: Sequence[SeriesRequest], span: Span, progress: Progress = lambda _: None
    ) -> dict[SeriesRequest, Points]:
        """Return the datapoints of each request. A metric that CloudWatch has never seen has none."""
        found: dict[SeriesRequest, dict[float, float]] = {request: {} for request in requests}
        groups = list(packed(requests, span))
        for done, group in enumerate(groups):
            await self._read(cluster, group, span, found)
            progress((done + 1) / len(groups))
        return dict(found)

    async def _read(
        self,
        cluster: str,
        group: Sequence[SeriesRequest],
        span: Span,
        found: Mapping[SeriesRequest, dict[float, float]],
    ) -> None:
        ids = {f"m{number}": request for number, request in enumerate(group)}
        parameters: dict[str, object] = {
            "MetricDataQueries": [_query(name, request) for name, request in ids.items()],
            "StartTime": datetime.fromtimestamp(span.start, UTC),
            "EndTime": datetime.fromtimestamp(span.end, UTC),
            "ScanBy": "TimestampAscending",
        }
        complete = set[str]()
        for _ in range(MOST_PAGES):
            answer = await self._ask(GET_METRIC_DATA, cluster, **parameters)
            for result in answer.parts("MetricDataResults"):
                name = result.word("Id")
                if name in ids:
                    if is_complete(result, ids[name].metric.metric):
                        complete.add(name)
                    found[ids[name]].update(points(result, MOST_POINT))
            if not answer.has("NextToken"):
                break
            parameters["NextToken"] = answer.word("NextToken")
        else:
            raise Unavailable(f"cluster {cluster}: CloudWatch returned more than {MOST_PAGES} pages; use fewer --days")
        for name, request in ids.items():
            if name not in complete:  # a gap would count as no task or no message
                part = f"CloudWatch returned only a part of {request.metric.metric}"
                raise Unavailable(f"cluster {cluster}: {part}; try again, or use fewer --days")

    async def _ask(self, api: Api, subject: str, /, **parameters: object) -> ResponsePart:
        for _ in range(TRIES - 1):
            try:
                return await self._once(api, subject, parameters)
            except Throttled:
                await asyncio.sleep(AGAIN_S)
        return await self._once(api, subject, parameters)

    async def _once(self, api: Api, subject: str, parameters: dict[str, object]) -> ResponsePart:
        return await self._caller.ask(api.by_command(), subject, self._place, Urgency.BACKGROUND, **parameters)


def packed(requests: Sequence[SeriesRequest], span: Span) -> Iterator[list[SeriesRequest]]:
    """Yield the requests of each call, each once and in their order: as many as fit into one page."""
    group, points = list[SeriesRequest](), 0.0
    for request in dict.fromkeys(requests):
        own = (span.end - span.start) / request.period_s
        if group and (points + own > POINTS_A_CALL or len(group) == QUERIES_A_CALL):
            yield group
            group, points = [], 0.0
        group.append(request)
        points += own
    if group:
        yield group


def _service(found: ResponsePart) -> FoundService:
    return FoundService(
        found.word("serviceName"),
        found.count("desiredCount"),
        found.count("runningCount"),
        found.word_or("taskDefinition", ""),
        providers_in(found),
        tags_of(found),
        is_daemon=found.word_or("schedulingStrategy", "REPLICA") == "DAEMON",
        created=found.moment("createdAt") if found.has("createdAt") else None,
    )


def _environment(definition: ResponsePart) -> Iterator[tuple[str, str]]:
    for container in definition.parts_if_any("containerDefinitions"):
        for variable in container.parts_if_any("environment"):
            yield variable.word_or("name", ""), variable.word_or("value", "")


def _query(name: str, request: SeriesRequest) -> dict[str, object]:
    metric = request.metric
    named = {
        "Namespace": metric.namespace,
        "MetricName": metric.metric,
        "Dimensions": [{"Name": key, "Value": value} for key, value in metric.dimensions],
    }
    stat = {"Metric": named, "Period": request.period_s, "Stat": metric.statistic}
    return {"Id": name, "MetricStat": stat, "ReturnData": True}
