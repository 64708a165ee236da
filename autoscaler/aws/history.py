"""What a queue was sent, as CloudWatch remembers it: `NumberOfMessagesSent`, the Sum of each period, to its end.

Law: a period without a datapoint is left out, never a zero; so is one whose sum no queue could have had.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from autoscaler.aws.answers import Answer
from autoscaler.aws.apis import GET_METRIC_DATA, YOU
from autoscaler.aws.faults import clean
from autoscaler.aws.names import queue_subject
from autoscaler.aws.sqs import MOST_MESSAGES, place_of
from autoscaler.aws.wire import Wire
from autoscaler.errors import Denied, NotFound, Unavailable
from autoscaler.ports import PeriodSum, QueueRef, Span

METRIC = "NumberOfMessagesSent"

MOST_PAGES = 100
"""Of one span. A page holds up to 100,800 points, and the 15 days that CloudWatch keeps by the minute are 21,600: one
page. Were pages of 500 points only, it would be 44.
"""

_ID = "sent"


class CloudWatchHistory:
    """The `History` port over CloudWatch. Nothing is kept: a history is asked for once."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def sent(self, queue: QueueRef, spans: Sequence[Span]) -> tuple[PeriodSum, ...]:
        """The sums of all periods of which CloudWatch has one, span after span, each from its oldest on."""
        found = tuple([each for span in spans for each in await self._read(queue, span)])
        if not found:
            # CloudWatch does not tell a queue that never was from one that nobody used
            where = f"{queue_subject(queue)} in {place_of(queue).region or self._wire.region()}"
            raise NotFound(
                f"{where}: CloudWatch has no {METRIC} of it in that time;"
                " check its name, its account and its Region, or look further back"
            )
        return found

    async def _read(self, queue: QueueRef, span: Span) -> list[PeriodSum]:
        subject, place, question = queue_subject(queue), place_of(queue), _question(queue, span)
        sums: dict[float, float] = {}
        for _ in range(MOST_PAGES):
            answer = await self._wire.ask(GET_METRIC_DATA._replace(holder=YOU), subject, place, **question)
            complete = False
            for result in answer.parts("MetricDataResults"):
                if result.word("Id") == _ID:
                    complete |= _is_complete(result)
                    sums.update(_sums(result))
            if complete:
                return [(at, span[2], value) for at, value in sorted(sums.items())]
            if not answer.has("NextToken"):
                break
            question["NextToken"] = answer.word("NextToken")
        raise Unavailable(f"{subject}: CloudWatch gave a part of its {METRIC} only; ask again, or for less")


def _question(queue: QueueRef, span: Span) -> dict[str, object]:
    start, end, period_s = span
    metric = {
        "Namespace": "AWS/SQS",
        "MetricName": METRIC,
        "Dimensions": [{"Name": "QueueName", "Value": queue.name}],
    }
    stat = {"Metric": metric, "Period": period_s, "Stat": "Sum"}
    return {
        "MetricDataQueries": [{"Id": _ID, "MetricStat": stat, "ReturnData": True}],
        "StartTime": datetime.fromtimestamp(start, UTC),
        "EndTime": datetime.fromtimestamp(end, UTC),
        "ScanBy": "TimestampAscending",
    }


def _is_complete(result: Answer) -> bool:
    """All points are there; False: there are more pages. Raises where CloudWatch gave none."""
    match result.word("StatusCode"):
        case "Complete":
            return True
        case "PartialData":
            return False
        case "Forbidden":
            raise Denied(f"{result.call.where}: CloudWatch keeps {METRIC} back; allow {GET_METRIC_DATA.name} on *")
        case status:
            raise Unavailable(f"{result.call.where}: CloudWatch could not read {METRIC} ({clean(status)}); ask again")


def _sums(result: Answer) -> Iterator[tuple[float, float]]:
    """When each period began, in seconds since the epoch, and its sum."""
    times, values = result.values("Timestamps"), result.values("Values")
    if len(times) != len(values):
        raise result.unreadable("Values", "one for each timestamp", values)
    for time, value in zip(times, values, strict=True):
        if not isinstance(time, datetime):
            raise result.unreadable("Timestamps", "a timestamp", time)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise result.unreadable("Values", "a number", value)
        if 0 <= value <= MOST_MESSAGES:  # false for NaN, too
            yield time.timestamp(), float(value)
