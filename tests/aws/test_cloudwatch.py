"""CPU and memory: the newest complete minute, once a minute, and never a zero for what is not there."""

from __future__ import annotations

import math

import pytest

from autoscaler.aws import Aws
from autoscaler.core.model import Missing, Utilization
from autoscaler.ports import LiveTasks, ServiceRef
from tests.aws.double import Double, Reply, fault, ok
from tests.aws.spies import MINUTE, Spies

REF = ServiceRef("shop", "arn:aws:ecs:eu-west-1:123456789012:cluster/prod", "orders")


def data(*points: tuple[float, object], status: str = "Complete", token: str | None = None) -> Reply:
    """An answer with these minutes: how many seconds before `MINUTE` each began, and its value."""
    result = {
        "Id": "newest",
        "StatusCode": status,
        "Timestamps": [MINUTE - age for age, _ in points],
        "Values": [value for _, value in points],
    }
    return ok({"MetricDataResults": [result]} | ({"NextToken": token} if token else {}))


async def read(aws: Aws, double: Double, *replies: Reply) -> Utilization | Missing:
    double.on("GetMetricData", *replies)
    return await aws.meters.cpu(REF)


async def test_what_is_asked_for(aws: Aws, double: Double) -> None:
    await read(aws, double, data((60, 50.0)))
    await aws.meters.memory(REF)
    cpu, memory = (seen.body for seen in double.seen)
    assert cpu["StartTime"] == MINUTE - 300
    assert cpu["EndTime"] == MINUTE
    [query] = cpu["MetricDataQueries"]
    assert (query["MetricStat"]["Period"], query["MetricStat"]["Stat"]) == (60, "Average")
    assert query["MetricStat"]["Metric"] == {
        "Namespace": "AWS/ECS",
        "MetricName": "CPUUtilization",
        "Dimensions": [{"Name": "ClusterName", "Value": "prod"}, {"Name": "ServiceName", "Value": "orders"}],
    }
    assert memory["MetricDataQueries"][0]["MetricStat"]["Metric"]["MetricName"] == "MemoryUtilization"


@pytest.mark.parametrize("points", [[(60, 70.5), (120, 10.0)], [(120, 10.0), (60, 70.5)], [(0, 99.0), (60, 70.5)]])
async def test_the_newest_complete_minute_wins(
    aws: Aws, double: Double, spies: Spies, points: list[tuple[float, float]]
) -> None:
    # It is half past the minute: the datapoint's minute ended 30 s ago.
    assert await read(aws, double, data(*points)) == Utilization(70.5, at=spies.now_s - 30)


@pytest.mark.parametrize("percent", [0, 0.0, 250.0, 1_000_000])
async def test_any_true_percentage_is_taken(aws: Aws, double: Double, percent: float) -> None:
    reading = await read(aws, double, data((60, percent)))
    assert isinstance(reading, Utilization)
    assert reading.percent == percent


async def test_no_point_is_missing(aws: Aws, double: Double) -> None:
    reading = await read(aws, double, data())
    assert isinstance(reading, Missing)
    assert reading.kind == "no_data"
    assert "shop (prod/orders)" in reading.reason


@pytest.mark.parametrize(
    "nonsense", [math.nan, math.inf, -math.inf, -0.1, 1_000_000.5, 1e300, 10**400, "50", None, True, []]
)
async def test_a_value_that_is_no_percentage_is_missing(aws: Aws, double: Double, nonsense: object) -> None:
    reading = await read(aws, double, data((60, nonsense)))
    assert isinstance(reading, Missing)
    assert reading.kind in {"unreadable", "unavailable"}


@pytest.mark.parametrize(
    "result",
    [
        {},
        {"Id": "other", "StatusCode": "Complete", "Timestamps": [MINUTE - 60], "Values": [1.0]},
        {"Id": "newest", "Timestamps": [MINUTE - 60], "Values": [1.0]},
        {"Id": "newest", "StatusCode": "Complete", "Timestamps": [MINUTE - 60], "Values": []},
        {"Id": "newest", "StatusCode": "Complete", "Timestamps": [], "Values": [1.0]},
        {"Id": "newest", "StatusCode": "Complete", "Timestamps": ["x"], "Values": [1.0]},
        {"Id": "newest", "StatusCode": "Complete", "Values": [1.0]},
        {"Id": "newest", "StatusCode": "Complete", "Timestamps": 5, "Values": 5},
    ],
)
async def test_an_answer_without_what_it_should_have_is_missing(
    aws: Aws, double: Double, result: dict[str, object]
) -> None:
    reading = await read(aws, double, ok({"MetricDataResults": [result]}))
    assert isinstance(reading, Missing)
    assert reading.kind in {"unreadable", "unavailable"}


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"[]", b"{", b'{"MetricDataResults": 1}'])
async def test_garbage_is_missing(aws: Aws, double: Double, body: bytes) -> None:
    reading = await read(aws, double, Reply(body))
    assert isinstance(reading, Missing)
    assert reading.kind in {"unreadable", "unavailable"}


@pytest.mark.parametrize(
    ("status", "kind"), [("InternalError", "unavailable"), ("Forbidden", "denied"), ("?", "unavailable")]
)
async def test_a_result_that_failed_is_missing(aws: Aws, double: Double, status: str, kind: str) -> None:
    reading = await read(aws, double, data((60, 50.0), status=status))
    assert isinstance(reading, Missing)
    assert reading.kind == kind


async def test_partial_data_is_read_to_its_end(aws: Aws, double: Double) -> None:
    first, last = data((120, 10.0), status="PartialData", token="more"), data((60, 70.0))
    reading = await read(aws, double, first, last)
    assert isinstance(reading, Utilization)
    assert reading.percent == 70.0
    assert [seen.body.get("NextToken") for seen in double.seen] == [None, "more"]


async def test_partial_data_without_more_is_missing(aws: Aws, double: Double) -> None:
    reading = await read(aws, double, data((60, 50.0), status="PartialData"))
    assert isinstance(reading, Missing)
    assert reading.kind == "unavailable"


async def test_partial_data_without_end_is_given_up(aws: Aws, double: Double) -> None:
    reading = await read(aws, double, data((60, 50.0), status="PartialData", token="more"))
    assert isinstance(reading, Missing)
    assert len(double.seen) == 5


async def test_a_metric_is_asked_for_once_a_minute(aws: Aws, double: Double, spies: Spies) -> None:
    first = await read(aws, double, data((60, 50.0)), data((0, 60.0)))
    for _ in range(5):
        spies.pass_s(10)
        assert await aws.meters.cpu(REF) == first
    spies.pass_s(10)
    assert await aws.meters.cpu(REF) == Utilization(60.0, at=spies.now_s - 30)
    assert len(double.seen) == 2


@pytest.mark.parametrize("tick_s", [9.98, 10.0, 10.02])
async def test_an_hour_of_ticks_is_sixty_questions(aws: Aws, double: Double, spies: Spies, tick_s: float) -> None:
    double.on("GetMetricData", data((60, 50.0)))
    start = spies.now_s
    while spies.now_s - start < 3600:
        await aws.meters.cpu(REF)
        spies.pass_s(tick_s)
    assert 59 <= len(double.seen) <= 60


async def test_nothing_is_news_too_for_a_minute(aws: Aws, double: Double, spies: Spies) -> None:
    await read(aws, double, data())
    spies.pass_s(59)
    assert isinstance(await aws.meters.cpu(REF), Missing)
    assert len(double.seen) == 1


@pytest.mark.parametrize(
    "failure", [fault("Throttling"), fault("InternalFailure", status=500), data(status="InternalError")]
)
async def test_an_error_is_not_kept(aws: Aws, double: Double, failure: Reply) -> None:
    assert isinstance(await read(aws, double, failure, data((60, 50.0))), Missing)
    assert isinstance(await aws.meters.cpu(REF), Utilization)


async def test_services_and_metrics_do_not_share_a_reading(aws: Aws, double: Double) -> None:
    double.on("GetMetricData", data((60, 1.0)), data((60, 2.0)), data((60, 3.0)))
    other = ServiceRef("shop", "prod", "invoices")
    readings = [await aws.meters.cpu(REF), await aws.meters.memory(REF), await aws.meters.cpu(other)]
    assert [reading.percent for reading in readings if isinstance(reading, Utilization)] == [1.0, 2.0, 3.0]


def counted(*points: tuple[float, object], status: str = "Complete") -> Reply:
    """As `data`, of `LiveTaskCount` or of samples."""
    minutes = [MINUTE - age for age, _ in points]
    values = [value for _, value in points]
    return ok({"MetricDataResults": [{"Id": "live", "StatusCode": status, "Timestamps": minutes, "Values": values}]})


async def test_the_tasks_of_a_minute_are_asked_for_by_their_free_metric(aws: Aws, double: Double, spies: Spies) -> None:
    double.on("GetMetricData", counted((60, 4.0), (120, 5.5), (180, 9.0), (240, 20.0)))
    assert await aws.meters.live_tasks(REF, spies.now_s - 90) == LiveTasks(4.0, 9.0)
    [query] = double.seen[0].body["MetricDataQueries"]
    assert query["MetricStat"]["Metric"]["MetricName"] == "LiveTaskCount"
    assert query["MetricStat"]["Stat"] == "Average"


async def test_where_the_minute_is_not_published_yet_the_newest_before_it_counts(
    aws: Aws, double: Double, spies: Spies
) -> None:
    double.on("GetMetricData", counted((180, 4.0), (240, 5.0)))
    assert await aws.meters.live_tasks(REF, spies.now_s - 30) == LiveTasks(4.0, 4.0)


async def test_a_service_without_that_metric_is_counted_by_its_samples(aws: Aws, double: Double, spies: Spies) -> None:
    double.on("GetMetricData", counted(), counted((60, 12.0)))
    assert await aws.meters.live_tasks(REF, spies.now_s - 30) == LiveTasks(12.0, 12.0, sure=False)
    stat = double.seen[-1].body["MetricDataQueries"][-1]["MetricStat"]
    assert (stat["Metric"]["MetricName"], stat["Stat"]) == ("CPUUtilization", "SampleCount")


@pytest.mark.parametrize("nonsense", [math.nan, math.inf, -1.0, 1e12])
async def test_a_count_that_no_service_has_is_none(aws: Aws, double: Double, spies: Spies, nonsense: float) -> None:
    double.on("GetMetricData", counted((60, nonsense)))
    assert await aws.meters.live_tasks(REF, spies.now_s - 30) is None


async def test_a_lone_sample_tells_nothing_of_the_tasks(aws: Aws, double: Double, spies: Spies) -> None:
    double.on("GetMetricData", counted(), counted((60, 1.0), (120, 1.0)))
    assert await aws.meters.live_tasks(REF, spies.now_s - 30) is None


@pytest.mark.parametrize("reply", [Reply(b"{"), counted((60, 4.0), status="Forbidden"), fault("ThrottlingException")])
async def test_tasks_that_cannot_be_read_are_unknown_and_spoil_nothing(
    aws: Aws, double: Double, spies: Spies, reply: Reply
) -> None:
    double.on("GetMetricData", data((60, 50.0)), reply)
    assert await aws.meters.cpu(REF) == Utilization(50.0, at=spies.now_s - 30)
    assert await aws.meters.live_tasks(REF, spies.now_s - 30) is None
    assert await aws.meters.cpu(REF) == Utilization(50.0, at=spies.now_s - 30)
