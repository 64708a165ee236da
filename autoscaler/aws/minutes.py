"""One CloudWatch call for many metrics, minute by minute. Each metric is read completely, or has an error.

It uses no metric math, and only periods of one minute.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypeAlias

from autoscaler.aws.answers import ResponsePart
from autoscaler.aws.apis import GET_METRIC_DATA
from autoscaler.aws.caller import Caller
from autoscaler.aws.clocks import Clocks
from autoscaler.aws.faults import clean
from autoscaler.aws.names import together
from autoscaler.errors import AutoscalerError, Denied, Unavailable
from autoscaler.ports import CloudWatchMetric, Place

PERIOD_S = 60
WINDOW_S = 300
"""The range of the request in seconds. CloudWatch publishes a minute late, sometimes two; older datapoints are not
useful.
"""

MOST_METRICS = 500
"""Maximum number of metrics in one call."""

MOST_PAGES = 5
"""Five points of each metric never need a second page; the limit ends endless responses."""

Minutes: TypeAlias = dict[float, int | float]
"""Values by the end of their minute, in wall-clock seconds."""


async def complete_minutes(
    caller: Caller, clocks: Clocks, subjects: Mapping[str, str], place: Place, metrics: Mapping[str, CloudWatchMetric]
) -> dict[str, Minutes | AutoscalerError]:
    """Return the complete minutes of each metric within the last `WINDOW_S`, by the metric's key, which is its id in
    the call; an error for a metric that was not read completely. `subjects`: the owners, as their operator knows them.

    A minute without a datapoint is absent. At most `MOST_METRICS`. Raises `AutoscalerError` if there was no response.
    """
    end = math.floor(clocks.wall() / PERIOD_S) * PERIOD_S
    found: dict[str, Minutes | AutoscalerError] = {key: {} for key in metrics}
    unfinished, request = set(metrics), _request(metrics, end)
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


def _request(metrics: Mapping[str, CloudWatchMetric], end: float) -> dict[str, object]:
    return {
        "MetricDataQueries": [_query(key, metric) for key, metric in metrics.items()],
        "StartTime": datetime.fromtimestamp(end - WINDOW_S, UTC),
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
            raise Denied(
                f"{result.call.where}: CloudWatch denied access to the metric; "
                f"grant the task role {GET_METRIC_DATA.name} on *"
            )
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
