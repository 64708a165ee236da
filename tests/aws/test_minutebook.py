"""One CloudWatch request a minute and Region for all callers; an error of one metric affects no other."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from autoscaler.aws.connection import Aws
from autoscaler.core.model import Missing
from autoscaler.ports import CloudWatchMetric, QueueMinute, QueueRef, ServiceRef
from tests.aws.double import HANG, AwsDouble, AwsReply, fault, ok
from tests.aws.spies import MINUTE, Spies

SHOP = ServiceRef("shop", "prod", "orders")
QUEUES = [QueueRef(f"queue-{number}") for number in range(3)]


def metric(name: str) -> CloudWatchMetric:
    return CloudWatchMetric("Ours", name, ())


def seven_each(body: dict[str, Any]) -> AwsReply:
    """Every metric is 7 in the newest complete minute. Access to a metric named `forbidden` is denied."""
    results = [
        {"Id": query["Id"], "StatusCode": _status(query), "Timestamps": [MINUTE - 60], "Values": [7]}
        for query in body["MetricDataQueries"]
    ]
    return ok({"MetricDataResults": results})


def _status(query: dict[str, Any]) -> str:
    return "Forbidden" if query["MetricStat"]["Metric"]["MetricName"] == "forbidden" else "Complete"


def strict(body: dict[str, Any]) -> AwsReply:
    """The whole request is refused if one of its metrics is named `wrong`."""
    names = [query["MetricStat"]["Metric"]["MetricName"] for query in body["MetricDataQueries"]]
    return fault("ValidationError", "wrong dimension") if "wrong" in names else seven_each(body)


def sizes(double: AwsDouble) -> list[int]:
    return [len(seen.body["MetricDataQueries"]) for seen in double.requests("GetMetricData")]


async def test_concurrent_callers_share_one_request(aws: Aws, double: AwsDouble) -> None:
    double.on("GetMetricData", seven_each)
    minutes = await asyncio.gather(aws.meters.cpu(SHOP), *(aws.meters.minute(queue) for queue in QUEUES))
    assert all(isinstance(minute, QueueMinute) and minute.sent == 7 for minute in minutes[1:])
    [request] = double.requests("GetMetricData")
    names = [query["Id"] for query in request.body["MetricDataQueries"]]
    assert len(names) == len(set(names)) == 1 + 4 * len(QUEUES)


async def test_a_call_is_counted_with_its_number_of_metrics(aws: Aws, double: AwsDouble, spies: Spies) -> None:
    double.on("GetMetricData", seven_each)
    await asyncio.gather(aws.meters.cpu(SHOP), *(aws.meters.minute(queue) for queue in QUEUES))
    assert spies.units == [1 + 4 * len(QUEUES)]


async def test_metrics_of_different_times_share_a_request_from_the_next_minute_on(
    aws: Aws, double: AwsDouble, spies: Spies
) -> None:
    double.on("GetMetricData", seven_each)
    for queue in QUEUES:
        await aws.meters.minute(queue)
        spies.pass_s(10)
    assert sizes(double) == [4, 4, 4]
    for _ in range(30):
        spies.pass_s(10)
        await asyncio.gather(*(aws.meters.minute(queue) for queue in QUEUES))
    assert sizes(double)[3:] == [12] * 5


async def test_a_metric_without_callers_is_no_longer_read(aws: Aws, double: AwsDouble, spies: Spies) -> None:
    double.on("GetMetricData", seven_each)
    await asyncio.gather(*(aws.meters.minute(queue) for queue in QUEUES))
    for _ in range(6):
        spies.pass_s(60)
        await aws.meters.minute(QUEUES[0])
    assert sizes(double) == [12] * 6 + [4]


async def test_a_request_contains_at_most_500_metrics(aws: Aws, double: AwsDouble) -> None:
    double.on("GetMetricData", seven_each)
    readings = await asyncio.gather(*(aws.meters.measure(SHOP, metric(f"m{number}")) for number in range(501)))
    assert not any(isinstance(reading, Missing) for reading in readings)
    assert sorted(sizes(double)) == [1, 500]


async def test_a_denied_metric_does_not_affect_the_others(aws: Aws, double: AwsDouble, spies: Spies) -> None:
    double.on("GetMetricData", seven_each)
    bad, good = await asyncio.gather(aws.meters.measure(SHOP, metric("forbidden")), aws.meters.minute(QUEUES[0]))
    assert isinstance(bad, Missing)
    assert bad.kind == "denied"
    assert isinstance(good, QueueMinute)
    spies.pass_s(10)
    await asyncio.gather(aws.meters.measure(SHOP, metric("forbidden")), aws.meters.minute(QUEUES[0]))
    assert sizes(double) == [5, 1], "an error is not cached, a value is"


async def test_a_metric_that_fails_the_whole_request_is_found_and_left_out(aws: Aws, double: AwsDouble) -> None:
    double.on("GetMetricData", strict)
    names = [f"m{number}" for number in range(9)] + ["wrong"]
    readings = await asyncio.gather(*(aws.meters.measure(SHOP, metric(name)) for name in names))
    assert [isinstance(reading, Missing) for reading in readings] == [False] * 9 + [True]


@pytest.mark.parametrize("refusal", [fault("AccessDeniedException"), fault("Throttling"), fault("X", status=500)])
async def test_a_shared_error_is_not_retried_in_halves(aws: Aws, double: AwsDouble, refusal: AwsReply) -> None:
    double.on("GetMetricData", refusal)
    readings = await asyncio.gather(*(aws.meters.minute(queue) for queue in QUEUES))
    assert all(isinstance(reading, Missing) for reading in readings)
    assert sizes(double) == [12]


async def test_a_cancelled_caller_does_not_cancel_the_request(aws: Aws, double: AwsDouble) -> None:
    double.on("GetMetricData", seven_each)
    cancelled = asyncio.create_task(aws.meters.minute(QUEUES[0]))
    waiting = asyncio.create_task(aws.meters.minute(QUEUES[1]))
    await asyncio.sleep(0)
    cancelled.cancel()
    assert isinstance(await waiting, QueueMinute)
    with pytest.raises(asyncio.CancelledError):
        await cancelled


async def test_a_caller_waits_for_a_request_in_flight(aws: Aws, double: AwsDouble) -> None:
    double.on("GetMetricData", HANG)
    first = asyncio.create_task(aws.meters.minute(QUEUES[0]))
    async with asyncio.timeout(10):
        while not double.requests("GetMetricData"):  # noqa: ASYNC110 - the double has no event for a received request
            await asyncio.sleep(0.01)
    second = asyncio.create_task(aws.meters.minute(QUEUES[0]))
    other = asyncio.create_task(aws.meters.minute(QUEUES[1]))
    assert all(isinstance(reading, Missing) for reading in await asyncio.gather(first, second, other))
    assert sizes(double) == [4, 4]
