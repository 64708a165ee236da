"""One question a minute and Region for everybody; one member's error is nobody else's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from autoscaler.aws import Aws
from autoscaler.core.model import Missing
from autoscaler.ports import CloudWatchMetric, QueueMinute, QueueRef, ServiceRef
from tests.aws.double import HANG, Double, Reply, fault, ok
from tests.aws.spies import MINUTE, Spies

SHOP = ServiceRef("shop", "prod", "orders")
QUEUES = [QueueRef(f"queue-{number}") for number in range(3)]


def metric(name: str) -> CloudWatchMetric:
    return CloudWatchMetric("Ours", name, ())


def seven_each(body: dict[str, Any]) -> Reply:
    """Every metric was 7 in the newest complete minute; those named `forbidden` are kept back."""
    results = [
        {"Id": query["Id"], "StatusCode": _status(query), "Timestamps": [MINUTE - 60], "Values": [7]}
        for query in body["MetricDataQueries"]
    ]
    return ok({"MetricDataResults": results})


def _status(query: dict[str, Any]) -> str:
    return "Forbidden" if query["MetricStat"]["Metric"]["MetricName"] == "forbidden" else "Complete"


def strict(body: dict[str, Any]) -> Reply:
    """The whole question is refused where one metric of it is named `wrong`."""
    names = [query["MetricStat"]["Metric"]["MetricName"] for query in body["MetricDataQueries"]]
    return fault("ValidationError", "wrong dimension") if "wrong" in names else seven_each(body)


def sizes(double: Double) -> list[int]:
    return [len(seen.body["MetricDataQueries"]) for seen in double.asked("GetMetricData")]


async def test_who_asks_together_asks_one_question(aws: Aws, double: Double) -> None:
    double.on("GetMetricData", seven_each)
    minutes = await asyncio.gather(aws.meters.cpu(SHOP), *(aws.meters.minute(queue) for queue in QUEUES))
    assert all(isinstance(minute, QueueMinute) and minute.sent == 7 for minute in minutes[1:])
    [question] = double.asked("GetMetricData")
    names = [query["Id"] for query in question.body["MetricDataQueries"]]
    assert len(names) == len(set(names)) == 1 + 4 * len(QUEUES)


async def test_what_is_paid_for_is_counted_by_the_metric(aws: Aws, double: Double, spies: Spies) -> None:
    double.on("GetMetricData", seven_each)
    await asyncio.gather(aws.meters.cpu(SHOP), *(aws.meters.minute(queue) for queue in QUEUES))
    assert spies.units == [1 + 4 * len(QUEUES)]


async def test_who_came_at_other_times_is_asked_for_together_from_the_next_minute_on(
    aws: Aws, double: Double, spies: Spies
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


async def test_what_nobody_wants_any_more_is_not_asked_for(aws: Aws, double: Double, spies: Spies) -> None:
    double.on("GetMetricData", seven_each)
    await asyncio.gather(*(aws.meters.minute(queue) for queue in QUEUES))
    for _ in range(6):
        spies.pass_s(60)
        await aws.meters.minute(QUEUES[0])
    assert sizes(double) == [12] * 6 + [4]


async def test_more_than_five_hundred_are_asked_for_in_parts(aws: Aws, double: Double) -> None:
    double.on("GetMetricData", seven_each)
    readings = await asyncio.gather(*(aws.meters.measure(SHOP, metric(f"m{number}")) for number in range(501)))
    assert not any(isinstance(reading, Missing) for reading in readings)
    assert sorted(sizes(double)) == [1, 500]


async def test_a_metric_that_is_kept_back_is_missing_alone(aws: Aws, double: Double, spies: Spies) -> None:
    double.on("GetMetricData", seven_each)
    bad, good = await asyncio.gather(aws.meters.measure(SHOP, metric("forbidden")), aws.meters.minute(QUEUES[0]))
    assert isinstance(bad, Missing)
    assert bad.kind == "denied"
    assert isinstance(good, QueueMinute)
    spies.pass_s(10)
    await asyncio.gather(aws.meters.measure(SHOP, metric("forbidden")), aws.meters.minute(QUEUES[0]))
    assert sizes(double) == [5, 1], "an error is not kept, an answer is"


async def test_a_metric_for_which_all_is_refused_is_found_and_left_out(aws: Aws, double: Double) -> None:
    double.on("GetMetricData", strict)
    names = [f"m{number}" for number in range(9)] + ["wrong"]
    readings = await asyncio.gather(*(aws.meters.measure(SHOP, metric(name)) for name in names))
    assert [isinstance(reading, Missing) for reading in readings] == [False] * 9 + [True]


@pytest.mark.parametrize("refusal", [fault("AccessDeniedException"), fault("Throttling"), fault("X", status=500)])
async def test_what_is_nobodys_own_fault_is_not_asked_again_in_halves(aws: Aws, double: Double, refusal: Reply) -> None:
    double.on("GetMetricData", refusal)
    readings = await asyncio.gather(*(aws.meters.minute(queue) for queue in QUEUES))
    assert all(isinstance(reading, Missing) for reading in readings)
    assert sizes(double) == [12]


async def test_who_gives_up_waiting_does_not_end_the_question(aws: Aws, double: Double) -> None:
    double.on("GetMetricData", seven_each)
    impatient = asyncio.create_task(aws.meters.minute(QUEUES[0]))
    patient = asyncio.create_task(aws.meters.minute(QUEUES[1]))
    await asyncio.sleep(0)
    impatient.cancel()
    assert isinstance(await patient, QueueMinute)
    with pytest.raises(asyncio.CancelledError):
        await impatient


async def test_who_asks_for_what_is_under_way_waits_for_that_answer(aws: Aws, double: Double) -> None:
    double.on("GetMetricData", HANG)
    first = asyncio.create_task(aws.meters.minute(QUEUES[0]))
    async with asyncio.timeout(10):
        while not double.asked("GetMetricData"):  # noqa: ASYNC110 - it is seen by a server, which has no event for us
            await asyncio.sleep(0.01)
    second = asyncio.create_task(aws.meters.minute(QUEUES[0]))
    other = asyncio.create_task(aws.meters.minute(QUEUES[1]))
    assert all(isinstance(reading, Missing) for reading in await asyncio.gather(first, second, other))
    assert sizes(double) == [4, 4]
