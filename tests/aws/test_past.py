"""The hour before a start: one request for all metrics, which is not repeated, and in which absent is not zero."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from autoscaler.aws.connection import Aws
from autoscaler.core.model import Missing, PastCounts, PastMinute
from autoscaler.ports import PAST_MINUTES, QueueMinute, QueueRef, ServiceRef
from tests.aws.double import AwsDouble, AwsReply, fault, ok
from tests.aws.spies import MINUTE, Spies

REF = ServiceRef("shop", "prod", "orders")
QUEUES = (QueueRef("orders"), QueueRef("mails.fifo"))

VISIBLE, HELD = "ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessagesNotVisible"
RECEIVED, DELETED = "NumberOfMessagesReceived", "NumberOfMessagesDeleted"
Points = Mapping[str, Sequence[tuple[float, object]]]


def script(double: AwsDouble, points: Points, **status: str) -> None:
    """Respond with these points of each metric, for every queue: seconds since the minute's end, and its value."""

    def result(query: dict[str, Any]) -> dict[str, object]:
        stat = query["MetricStat"]
        name = "samples" if stat["Stat"] == "SampleCount" else stat["Metric"]["MetricName"]
        times = [MINUTE - 60 - age for age, _ in points.get(name, [])]
        values = [value for _, value in points.get(name, [])]
        return {"Id": query["Id"], "StatusCode": status.get(name, "Complete"), "Timestamps": times, "Values": values}

    def reply(body: dict[str, Any]) -> AwsReply:
        return ok({"MetricDataResults": [result(query) for query in body["MetricDataQueries"]]})

    double.on("GetMetricData", reply)


async def past(aws: Aws) -> tuple[PastMinute, ...]:
    found = await aws.meters.past(REF, QUEUES)
    assert not isinstance(found, Missing), found
    return found


HOUR: Points = {
    VISIBLE: [(0, 40), (1800, 30.0)],
    HELD: [(0, 4), (1800, 3)],
    RECEIVED: [(0, 50), (1800, 20)],
    DELETED: [(0, 48)],
    "LiveTaskCount": [(0, 4.5)],
    "samples": [(0, 5), (1800, 3)],
}


async def test_one_request_gives_all_minutes_of_the_last_hour(aws: Aws, double: AwsDouble, spies: Spies) -> None:
    script(double, HOUR)
    older, newest = await past(aws)
    assert newest.at - older.at == 1800
    assert newest.at == spies.now_s - 30
    assert (newest.tasks, newest.samples, older.tasks, older.samples) == (4.5, 5.0, None, 3.0)
    assert newest.queues == dict.fromkeys(("orders", "mails.fifo"), PastCounts(40, 4, 50, 48))
    assert older.queues["orders"] == PastCounts(30, 3, 20, None)
    [request] = double.requests("GetMetricData")
    assert len(request.body["MetricDataQueries"]) == 2 + 6 + 7
    start, end = (datetime.fromtimestamp(request.body[key], UTC) for key in ("StartTime", "EndTime"))
    assert (end - start).total_seconds() == PAST_MINUTES * 60


async def test_the_same_request_gives_the_newest_minutes_of_the_queues(aws: Aws, double: AwsDouble) -> None:
    script(double, HOUR)
    await past(aws)
    for queue in QUEUES:
        minute = await aws.meters.minute(queue)
        assert isinstance(minute, QueueMinute)
        assert (minute.received, minute.deleted) == (50, 48)
    assert len(double.requests("GetMetricData")) == 1


async def test_what_is_needed_once_is_not_read_again(aws: Aws, double: AwsDouble, spies: Spies) -> None:
    script(double, HOUR)
    await past(aws)
    spies.pass_s(60)
    await aws.meters.minute(QUEUES[0])
    names = [
        query["MetricStat"]["Metric"]["MetricName"]
        for query in double.requests("GetMetricData")[1].body["MetricDataQueries"]
    ]
    assert not {VISIBLE, HELD, "LiveTaskCount", "CPUUtilization"} & set(names)
    body = double.requests("GetMetricData")[1].body
    assert body["EndTime"] - body["StartTime"] == 300


async def test_an_old_datapoint_is_not_the_newest_minute(aws: Aws, double: AwsDouble) -> None:
    script(double, {RECEIVED: [(1800, 20)], VISIBLE: [(1800, 3)], HELD: [(1800, 3)]})
    assert len(await past(aws)) == 1
    assert isinstance(await aws.meters.minute(QUEUES[0]), Missing)


async def test_the_past_is_read_again_on_request(aws: Aws, double: AwsDouble) -> None:
    script(double, HOUR)
    assert await past(aws) == await past(aws)
    assert len(double.requests("GetMetricData")) == 2


@pytest.mark.parametrize("nonsense", [math.nan, math.inf, -1, 2.5])
async def test_an_impossible_value_is_missing(aws: Aws, double: AwsDouble, nonsense: float) -> None:
    script(
        double,
        {VISIBLE: [(0, nonsense)], HELD: [(0, 4)], "LiveTaskCount": [(0, -1.0 if nonsense == 2.5 else nonsense)]},
    )
    [minute] = await past(aws)
    assert minute.queues["orders"] == PastCounts(None, 4)
    assert minute.tasks is None


async def test_without_the_tasks_the_counts_are_left(aws: Aws, double: AwsDouble) -> None:
    script(double, HOUR, LiveTaskCount="Forbidden")
    assert {minute.tasks for minute in await past(aws)} == {None}


@pytest.mark.parametrize("reply", [AwsReply(b"{"), fault("ThrottlingException"), fault("AccessDeniedException")])
async def test_an_unreadable_past_is_missing(aws: Aws, double: AwsDouble, reply: AwsReply) -> None:
    double.on("GetMetricData", reply)
    assert isinstance(await aws.meters.past(REF, QUEUES), Missing)
