"""The history of a queue in CloudWatch: the Sum per period of the messages sent, or of the receives.

Invariant: a period without a datapoint, or with an impossible sum, is left out; it is never a zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeAlias

from autoscaler.aws.answers import ResponsePart
from autoscaler.aws.caller import Caller
from autoscaler.aws.calls import GET_METRIC_DATA
from autoscaler.aws.faults import clean
from autoscaler.aws.names import queue_subject
from autoscaler.aws.sqs import MOST_MESSAGES, place_of
from autoscaler.errors import Denied, NotFound, Unavailable
from autoscaler.ports import PeriodSum, QueueRef, Span

METRIC = "NumberOfMessagesSent"

Metrics: TypeAlias = Mapping[str, str]
"""The metrics of one call, by their id in it. Their values are added."""

_SENT: Metrics = {"sent": METRIC}

_RECEIVED: Metrics = {"received": "NumberOfMessagesReceived", "empty": "NumberOfEmptyReceives"}

MOST_PAGES = 100
"""Per span. A page holds up to 100,800 points, and the 15 days that CloudWatch stores by the minute are 21,600 points:
one page. With pages of 500 points it would be 44.
"""


class CloudWatchHistory:
    """The `History` port over CloudWatch. Nothing is cached: a history is read once."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def sent(self, queue: QueueRef, spans: Sequence[Span]) -> tuple[PeriodSum, ...]:
        """The sums of all periods with a datapoint, span after span, oldest first."""
        return await self._read(queue, spans, _SENT)

    async def received(self, queue: QueueRef, spans: Sequence[Span]) -> tuple[PeriodSum, ...]:
        """The same for messages received plus empty receives: a period counts if either has a datapoint."""
        return await self._read(queue, spans, _RECEIVED)

    async def _read(self, queue: QueueRef, spans: Sequence[Span], metrics: Metrics) -> tuple[PeriodSum, ...]:
        found = tuple([each for span in spans for each in await self._read_span(queue, span, metrics)])
        if not found:
            # CloudWatch does not distinguish a queue that never existed from an unused one
            where = f"{queue_subject(queue)} in {place_of(queue).region or self._caller.region()}"
            raise NotFound(
                f"{where}: CloudWatch has no {_names(metrics)} for that time;"
                " check its name, its account and its Region, or use an earlier start"
            )
        return found

    async def _read_span(self, queue: QueueRef, span: Span, metrics: Metrics) -> list[PeriodSum]:
        subject, place, request = queue_subject(queue), place_of(queue), _request(queue, span, metrics)
        sums: dict[str, dict[float, float]] = {each: {} for each in metrics}
        complete = set[str]()
        for _ in range(MOST_PAGES):
            answer = await self._caller.ask(GET_METRIC_DATA.by_command(), subject, place, **request)
            for result in answer.parts("MetricDataResults"):
                name = result.word("Id")
                if name in metrics:
                    if is_complete(result, metrics[name]):
                        complete.add(name)
                    sums[name].update(points(result, MOST_MESSAGES))
            if len(complete) == len(metrics):
                times = sorted({at for each in sums.values() for at in each})
                return [(at, span[2], sum(each.get(at, 0.0) for each in sums.values())) for at in times]
            if not answer.has("NextToken"):
                break
            request["NextToken"] = answer.word("NextToken")
        raise Unavailable(
            f"{subject}: CloudWatch returned only a part of its {_names(metrics)}; try again, or with a shorter time"
        )


def _names(metrics: Metrics) -> str:
    return " and ".join(metrics.values())


def _request(queue: QueueRef, span: Span, metrics: Metrics) -> dict[str, object]:
    start, end, period_s = span
    return {
        "MetricDataQueries": [_query(queue, name, metric, period_s) for name, metric in metrics.items()],
        "StartTime": datetime.fromtimestamp(start, UTC),
        "EndTime": datetime.fromtimestamp(end, UTC),
        "ScanBy": "TimestampAscending",
    }


def _query(queue: QueueRef, name: str, metric: str, period_s: int) -> dict[str, object]:
    named = {
        "Namespace": "AWS/SQS",
        "MetricName": metric,
        "Dimensions": [{"Name": "QueueName", "Value": queue.name}],
    }
    return {"Id": name, "MetricStat": {"Metric": named, "Period": period_s, "Stat": "Sum"}, "ReturnData": True}


def is_complete(result: ResponsePart, metric: str) -> bool:
    """Whether all points are present; False: there are more pages. Raises if CloudWatch returned none."""
    match result.word("StatusCode"):
        case "Complete":
            return True
        case "PartialData":
            return False
        case "Forbidden":
            raise Denied(f"{result.call.where}: CloudWatch denied access to {metric}; {result.call.api.grant}")
        case status:
            raise Unavailable(f"{result.call.where}: CloudWatch could not read {metric} ({clean(status)}); try again")


def points(result: ResponsePart, most: float) -> Iterator[tuple[float, float]]:
    """Yield the start of each period, in seconds since the epoch, and its value. Values that are negative or above
    `most` are left out.
    """
    times, values = result.values("Timestamps"), result.values("Values")
    if len(times) != len(values):
        raise result.unreadable("Values", "one for each timestamp", values)
    for time, value in zip(times, values, strict=True):
        if not isinstance(time, datetime):
            raise result.unreadable("Timestamps", "a timestamp", time)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise result.unreadable("Values", "a number", value)
        if 0 <= value <= most:  # false for NaN, too
            yield time.timestamp(), float(value)
