"""CPU and memory: the newest complete minute of a service, asked for once a minute at most, as each answer costs."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from autoscaler.aws.answers import Answer
from autoscaler.aws.apis import GET_METRIC_DATA
from autoscaler.aws.clocks import Clocks
from autoscaler.aws.faults import clean, missing
from autoscaler.aws.names import service_subject, short_name
from autoscaler.aws.wire import Wire
from autoscaler.core.model import Instant, Missing, Utilization
from autoscaler.errors import AutoscalerError, Denied, Unavailable
from autoscaler.ports import ServiceRef

PERIOD_S = 60
WINDOW_S = 300
"""How far back is asked. CloudWatch publishes a minute late, sometimes two; older than this is of no use."""

MOST_PAGES = 5
"""Five points never need a second page; an answer that goes on and on is cut off."""

MOST_PERCENT = 1_000_000.0
QUERY_ID = "utilization"


@dataclass(frozen=True, slots=True)
class Kept:
    """A reading, and until when it stands for a question."""

    reading: Utilization | Missing
    until: Instant


class CloudWatchMeters:
    """The `Meters` port over CloudWatch. An answer is kept for a minute, an error is not."""

    def __init__(self, wire: Wire, clocks: Clocks) -> None:
        self._wire = wire
        self._clocks = clocks
        self._kept: dict[tuple[ServiceRef, str], Kept] = {}

    async def cpu(self, service: ServiceRef) -> Utilization | Missing:
        """The newest complete minute's average CPU, in percent of what the tasks reserved."""
        return await self._read(service, "CPUUtilization")

    async def memory(self, service: ServiceRef) -> Utilization | Missing:
        """The newest complete minute's average memory, in percent of what the tasks reserved."""
        return await self._read(service, "MemoryUtilization")

    async def _read(self, service: ServiceRef, metric: str) -> Utilization | Missing:
        now, kept = self._clocks.now(), self._kept.get((service, metric))
        if kept is not None and now < kept.until:
            return kept.reading
        try:
            reading = await self._newest(service, metric)
        except AutoscalerError as fault:
            return missing(fault)
        self._kept[service, metric] = Kept(reading, _next_due(kept, now))
        return reading

    async def _newest(self, service: ServiceRef, metric: str) -> Utilization | Missing:
        end = math.floor(self._clocks.wall() / PERIOD_S) * PERIOD_S
        results = await self._results(service, metric, end)
        points = [point for result in results for point in _points(result) if point[0] + PERIOD_S <= end]
        if not points:
            return _no_data(service, f"CloudWatch has no {metric} of the last {WINDOW_S // 60} minutes")
        started, percent = max(points, key=lambda point: point[0])
        if not 0 <= percent <= MOST_PERCENT:  # false for NaN, too
            return _no_data(service, f"CloudWatch's {metric} is {clean(str(percent), 20)} percent, which cannot be")
        return Utilization(float(percent), self._clocks.instant(started + PERIOD_S))

    async def _results(self, service: ServiceRef, metric: str, end: float) -> list[Answer]:
        """All pages' results, the last of them complete."""
        results: list[Answer] = []
        more: dict[str, object] = {}
        for _ in range(MOST_PAGES):
            answer = await self._ask(service, metric, end, more)
            result = _result_in(answer)
            results.append(result)
            if _is_complete(result):
                return results
            if not answer.has("NextToken"):
                break
            more = {"NextToken": answer.word("NextToken")}
        raise Unavailable(f"{service_subject(service)}: CloudWatch gave a part of {metric} only; it is tried again")

    async def _ask(self, service: ServiceRef, metric: str, end: float, more: dict[str, object]) -> Answer:
        return await self._wire.ask(
            GET_METRIC_DATA,
            service_subject(service),
            service.region,
            MetricDataQueries=[_query(service, metric)],
            StartTime=datetime.fromtimestamp(end - WINDOW_S, UTC),
            EndTime=datetime.fromtimestamp(end, UTC),
            ScanBy="TimestampDescending",
            **more,
        )


def _next_due(kept: Kept | None, now: Instant) -> Instant:
    """A minute after the last time it was due, not after it was asked: else ticks that jitter make 70 s of 60."""
    due = now if kept is None else kept.until
    return (due if now - due < PERIOD_S else now) + PERIOD_S


def _query(service: ServiceRef, metric: str) -> dict[str, object]:
    dimensions = {"ClusterName": short_name(service.cluster), "ServiceName": short_name(service.service)}
    return {
        "Id": QUERY_ID,
        "MetricStat": {
            "Metric": {
                "Namespace": "AWS/ECS",
                "MetricName": metric,
                "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
            },
            "Period": PERIOD_S,
            "Stat": "Average",
        },
        "ReturnData": True,
    }


def _result_in(answer: Answer) -> Answer:
    for result in answer.parts("MetricDataResults"):
        if result.word("Id") == QUERY_ID:
            return result
    raise answer.unreadable("MetricDataResults", "a result of our query", None)


def _is_complete(result: Answer) -> bool:
    """All points are there; False: there are more pages. Raises where CloudWatch gave none."""
    match result.word("StatusCode"):
        case "Complete":
            return True
        case "PartialData":
            return False
        case "Forbidden":
            raise Denied(
                f"{result.call.where}: CloudWatch keeps the metric back; give the task role {GET_METRIC_DATA.name} on *"
            )
        case status:
            raise Unavailable(
                f"{result.call.where}: CloudWatch could not read the metric ({clean(status)}); it is tried again"
            )


def _points(result: Answer) -> Iterable[tuple[float, int | float]]:
    """When each minute began, in wall seconds, and its value."""
    times, values = result.values("Timestamps"), result.values("Values")
    if len(times) != len(values):
        raise result.unreadable("Values", "one for each timestamp", values)
    return [(_moment(result, time), _number(result, value)) for time, value in zip(times, values, strict=True)]


def _moment(result: Answer, found: object) -> float:
    if isinstance(found, datetime):
        return found.timestamp()
    raise result.unreadable("Timestamps", "a timestamp", found)


def _number(result: Answer, found: object) -> int | float:
    if isinstance(found, int | float) and not isinstance(found, bool):
        return found  # as it is: a whole number may be too large for a float
    raise result.unreadable("Values", "a number", found)


def _no_data(service: ServiceRef, what: str) -> Missing:
    return Missing(
        f"{service_subject(service)}: {what}; normal while no task runs, else check cluster and service", "no_data"
    )
