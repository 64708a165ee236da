"""CPU and memory: the newest complete minute, read once a minute; a missing datapoint is never 0."""

from __future__ import annotations

import math

import pytest

from autoscaler.aws.connection import Aws
from autoscaler.core.model import Missing, Utilization
from autoscaler.ports import LiveTasks, ServiceRef
from tests.aws.double import AwsDouble, AwsReply, fault, ok
from tests.aws.spies import MINUTE, Spies

REF = ServiceRef("shop", "arn:aws:ecs:eu-west-1:123456789012:cluster/prod", "orders")


def data(*points: tuple[float, object], status: str = "Complete", token: str | None = None) -> AwsReply:
    """A response with these minutes. A point: the seconds before `MINUTE` at which the minute began, and its value."""
    result = {
        "Id": "newest",
        "StatusCode": status,
        "Timestamps": [MINUTE - age for age, _ in points],
        "Values": [value for _, value in points],
    }
    return ok({"MetricDataResults": [result]} | ({"NextToken": token} if token else {}))


async def read(aws: Aws, double: AwsDouble, *replies: AwsReply) -> Utilization | Missing:
    double.on("GetMetricData", *replies)
    return await aws.meters.cpu(REF)


async def test_the_request_names_the_metric_and_the_last_five_minutes(aws: Aws, double: AwsDouble) -> None:
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
async def test_the_newest_complete_minute_is_read(
    aws: Aws, double: AwsDouble, spies: Spies, points: list[tuple[float, float]]
) -> None:
    # The wall clock is 30 s after `MINUTE`, when the datapoint's minute ended.
    assert await read(aws, double, data(*points)) == Utilization(70.5, at=spies.now_s - 30)


@pytest.mark.parametrize("percent", [0, 0.0, 250.0, 1_000_000])
async def test_percentages_from_0_to_a_million_are_accepted(aws: Aws, double: AwsDouble, percent: float) -> None:
    reading = await read(aws, double, data((60, percent)))
    assert isinstance(reading, Utilization)
    assert reading.percent == percent


async def test_a_metric_without_a_datapoint_is_missing(aws: Aws, double: AwsDouble) -> None:
    reading = await read(aws, double, data())
    assert isinstance(reading, Missing)
    assert reading.kind == "no_data"
    assert "shop (prod/orders)" in reading.reason


@pytest.mark.parametrize(
    "nonsense", [math.nan, math.inf, -math.inf, -0.1, 1_000_000.5, 1e300, 10**400, "50", None, True, []]
)
async def test_an_invalid_percentage_is_missing(aws: Aws, double: AwsDouble, nonsense: object) -> None:
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
async def test_an_incomplete_response_is_missing(aws: Aws, double: AwsDouble, result: dict[str, object]) -> None:
    reading = await read(aws, double, ok({"MetricDataResults": [result]}))
    assert isinstance(reading, Missing)
    assert reading.kind in {"unreadable", "unavailable"}


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"[]", b"{", b'{"MetricDataResults": 1}'])
async def test_a_malformed_response_is_missing(aws: Aws, double: AwsDouble, body: bytes) -> None:
    reading = await read(aws, double, AwsReply(body))
    assert isinstance(reading, Missing)
    assert reading.kind in {"unreadable", "unavailable"}


@pytest.mark.parametrize(
    ("status", "kind"), [("InternalError", "unavailable"), ("Forbidden", "denied"), ("?", "unavailable")]
)
async def test_a_failed_result_is_missing(aws: Aws, double: AwsDouble, status: str, kind: str) -> None:
    reading = await read(aws, double, data((60, 50.0), status=status))
    assert isinstance(reading, Missing)
    assert reading.kind == kind


async def test_partial_data_is_read_to_the_last_page(aws: Aws, double: AwsDouble) -> None:
    first, last = data((120, 10.0), status="PartialData", token="more"), data((60, 70.0))
    reading = await read(aws, double, first, last)
    assert isinstance(reading, Utilization)
    assert reading.percent == 70.0
    assert [seen.body.get("NextToken") for seen in double.seen] == [None, "more"]


async def test_partial_data_without_a_next_page_is_missing(aws: Aws, double: AwsDouble) -> None:
    reading = await read(aws, double, data((60, 50.0), status="PartialData"))
    assert isinstance(reading, Missing)
    assert reading.kind == "unavailable"


async def test_endless_pages_are_stopped(aws: Aws, double: AwsDouble) -> None:
    reading = await read(aws, double, data((60, 50.0), status="PartialData", token="more"))
    assert isinstance(reading, Missing)
    assert len(double.seen) == 5


async def test_a_metric_is_read_once_a_minute(aws: Aws, double: AwsDouble, spies: Spies) -> None:
    first = await read(aws, double, data((60, 50.0)), data((0, 60.0)))
    for _ in range(5):
        spies.pass_s(10)
        assert await aws.meters.cpu(REF) == first
    spies.pass_s(10)
    assert await aws.meters.cpu(REF) == Utilization(60.0, at=spies.now_s - 30)
    assert len(double.seen) == 2


@pytest.mark.parametrize("poll_s", [9.98, 10.0, 10.02])
async def test_polls_of_an_hour_make_sixty_calls(aws: Aws, double: AwsDouble, spies: Spies, poll_s: float) -> None:
    double.on("GetMetricData", data((60, 50.0)))
    start = spies.now_s
    while spies.now_s - start < 3600:
        await aws.meters.cpu(REF)
        spies.pass_s(poll_s)
    assert 59 <= len(double.seen) <= 60


async def test_a_missing_datapoint_is_cached_for_a_minute(aws: Aws, double: AwsDouble, spies: Spies) -> None:
    await read(aws, double, data())
    spies.pass_s(59)
    assert isinstance(await aws.meters.cpu(REF), Missing)
    assert len(double.seen) == 1


@pytest.mark.parametrize(
    "failure", [fault("Throttling"), fault("InternalFailure", status=500), data(status="InternalError")]
)
async def test_an_error_is_not_cached(aws: Aws, double: AwsDouble, failure: AwsReply) -> None:
    assert isinstance(await read(aws, double, failure, data((60, 50.0))), Missing)
    assert isinstance(await aws.meters.cpu(REF), Utilization)


async def test_services_and_metrics_do_not_share_a_reading(aws: Aws, double: AwsDouble) -> None:
    double.on("GetMetricData", data((60, 1.0)), data((60, 2.0)), data((60, 3.0)))
    other = ServiceRef("shop", "prod", "invoices")
    readings = [await aws.meters.cpu(REF), await aws.meters.memory(REF), await aws.meters.cpu(other)]
    assert [reading.percent for reading in readings if isinstance(reading, Utilization)] == [1.0, 2.0, 3.0]


def counted(*points: tuple[float, object], status: str = "Complete") -> AwsReply:
    """As `data`, for `LiveTaskCount` or sample counts."""
    minutes = [MINUTE - age for age, _ in points]
    values = [value for _, value in points]
    return ok({"MetricDataResults": [{"Id": "live", "StatusCode": status, "Timestamps": minutes, "Values": values}]})


async def test_the_task_count_is_read_from_the_free_metric(aws: Aws, double: AwsDouble, spies: Spies) -> None:
    double.on("GetMetricData", counted((60, 4.0), (120, 5.5), (180, 9.0), (240, 20.0)))
    assert await aws.meters.live_tasks(REF, spies.now_s - 90) == LiveTasks(4.0, 9.0)
    [query] = double.seen[0].body["MetricDataQueries"]
    assert query["MetricStat"]["Metric"]["MetricName"] == "LiveTaskCount"
    assert query["MetricStat"]["Stat"] == "Average"


async def test_the_newest_published_minute_is_used_if_the_minute_is_absent(
    aws: Aws, double: AwsDouble, spies: Spies
) -> None:
    double.on("GetMetricData", counted((180, 4.0), (240, 5.0)))
    assert await aws.meters.live_tasks(REF, spies.now_s - 30) == LiveTasks(4.0, 4.0)


async def test_without_the_metric_tasks_are_counted_by_cpu_samples(aws: Aws, double: AwsDouble, spies: Spies) -> None:
    double.on("GetMetricData", counted(), counted((60, 12.0)))
    assert await aws.meters.live_tasks(REF, spies.now_s - 30) == LiveTasks(12.0, 12.0, sure=False)
    stat = double.seen[-1].body["MetricDataQueries"][-1]["MetricStat"]
    assert (stat["Metric"]["MetricName"], stat["Stat"]) == ("CPUUtilization", "SampleCount")


@pytest.mark.parametrize("nonsense", [math.nan, math.inf, -1.0, 1e12])
async def test_an_impossible_task_count_is_unknown(aws: Aws, double: AwsDouble, spies: Spies, nonsense: float) -> None:
    double.on("GetMetricData", counted((60, nonsense)))
    assert await aws.meters.live_tasks(REF, spies.now_s - 30) is None


async def test_a_single_sample_is_no_task_count(aws: Aws, double: AwsDouble, spies: Spies) -> None:
    double.on("GetMetricData", counted(), counted((60, 1.0), (120, 1.0)))
    assert await aws.meters.live_tasks(REF, spies.now_s - 30) is None


@pytest.mark.parametrize(
    "reply", [AwsReply(b"{"), counted((60, 4.0), status="Forbidden"), fault("ThrottlingException")]
)
async def test_an_unreadable_task_count_is_unknown_and_does_not_affect_cpu(
    aws: Aws, double: AwsDouble, spies: Spies, reply: AwsReply
) -> None:
    double.on("GetMetricData", data((60, 50.0)), reply)
    assert await aws.meters.cpu(REF) == Utilization(50.0, at=spies.now_s - 30)
    assert await aws.meters.live_tasks(REF, spies.now_s - 30) is None
    assert await aws.meters.cpu(REF) == Utilization(50.0, at=spies.now_s - 30)
