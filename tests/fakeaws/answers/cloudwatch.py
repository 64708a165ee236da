"""CloudWatch: many metrics in one answer, in pages, each with its own status."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from tests.fakeaws.asks import AnswerPart, Ask, Operation
from tests.fakeaws.cbor import Stamp
from tests.fakeaws.replies import FakeRefusal
from tests.fakeaws.world.minutes import STATISTICS, Metric, metric


def metric_data(ask: Ask) -> dict[str, Any]:
    """Return a page of the published datapoints of each metric; a metric without any is `Complete` and empty."""
    most = min(int(ask.body.get("MaxDatapoints") or ask.world.minutes.page), ask.world.minutes.page)
    start, results, before = _start(ask), [], 0
    for query in ask.body["MetricDataQueries"]:
        points = _points(ask, query)
        first, last = before, before + len(points)
        if last > start or (start == 0 and first == last):
            shown = points[max(0, start - first) : start + most - first] if first < start + most else []
            results.append(_result(ask, query, shown, is_complete=last <= start + most))
        before = last
    more = {"NextToken": str(start + most)} if before > start + most else {}
    return {"MetricDataResults": results, "Messages": []} | more


def _start(ask: Ask) -> int:
    try:
        return int(ask.body.get("NextToken") or 0)
    except ValueError:
        raise FakeRefusal("InvalidNextToken", "The next token specified is invalid.") from None


def _points(ask: Ask, query: dict[str, Any]) -> list[tuple[float, float]]:
    stat = query["MetricStat"]
    if stat["Stat"] not in STATISTICS:
        raise FakeRefusal("ValidationError", f"{stat['Stat']} is not a statistic of the fake CloudWatch")
    if metric_of(query).subject in ask.world.minutes.statuses:
        return []
    span = (seconds(ask.body["StartTime"]), seconds(ask.body["EndTime"]), int(stat["Period"]))
    points = ask.world.minutes.points(metric_of(query), stat["Stat"], span, ask.now)
    return points if ask.body.get("ScanBy") == "TimestampAscending" else points[::-1]


def _result(ask: Ask, query: dict[str, Any], shown: list[tuple[float, float]], is_complete: bool) -> dict[str, Any]:
    own = metric_of(query)
    status = ask.world.minutes.statuses.get(own.subject, "Complete" if is_complete else "PartialData")
    return {
        "Id": query["Id"],
        "Label": own.name,
        "Timestamps": [Stamp(at) for at, _ in shown],
        "Values": [float(value) for _, value in shown],
        "StatusCode": status,
    }


def metric_of(query: dict[str, Any]) -> Metric:
    """Return the metric of a query. Raises `FakeRefusal` for metric math, which is not supported."""
    if "MetricStat" not in query:
        raise FakeRefusal("ValidationError", "the fake CloudWatch does not support metric math")
    own = query["MetricStat"]["Metric"]
    dimensions = {one["Name"]: one["Value"] for one in own.get("Dimensions", [])}
    return metric(own["Namespace"], own["MetricName"], dimensions)


def seconds(found: Any) -> float:
    """Return a time of a request in seconds since the epoch. JSON has a number or text, CBOR a tagged number."""
    return datetime.fromisoformat(found).timestamp() if isinstance(found, str) else float(found)


def _subjects(ask: Ask) -> list[str]:
    return list(dict.fromkeys(metric_of(query).subject for query in ask.body["MetricDataQueries"]))


def _own_results(ask: Ask, answer: dict[str, Any], subject: str) -> Iterator[AnswerPart]:
    own = {query["Id"] for query in ask.body["MetricDataQueries"] if metric_of(query).subject == subject}
    for at, result in enumerate(answer["MetricDataResults"]):
        if result["Id"] in own:
            yield AnswerPart(answer["MetricDataResults"], at)


OPERATIONS = [
    Operation("cloudwatch", "GetMetricData", "metric_read", "Throttling", metric_data, _subjects, _own_results)
]
