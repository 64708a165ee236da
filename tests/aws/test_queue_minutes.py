"""A queue's minute and any other metric: one request a minute; an impossible value is never a reading."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from autoscaler.aws.connection import Aws
from autoscaler.core.model import Measurement, Missing
from autoscaler.ports import CloudWatchMetric, QueueMinute, QueueRef, ServiceRef
from tests.aws.double import AwsDouble, AwsReply, fault, ok
from tests.aws.spies import MINUTE, Spies

ORDERS = QueueRef("orders")
FIFO = QueueRef("orders.fifo")
REF = ServiceRef("shop", "prod", "orders")
CARTS = CloudWatchMetric("Shop", "Carts", (("Stage", "prod"),), "p99")

RECEIVED = "NumberOfMessagesReceived"
DELETED = "NumberOfMessagesDeleted"
SENT = "NumberOfMessagesSent"
OLDEST = "ApproximateAgeOfOldestMessage"
GROUPS = "ApproximateNumberOfGroupsWithInflightMessages"


def script(double: AwsDouble, points: Mapping[str, Sequence[tuple[float, object]]], **changed: str) -> None:
    """Respond with these points of each metric: seconds before `MINUTE` at which the minute began, and its value."""

    def result(query: dict[str, Any]) -> dict[str, object]:
        name = query["MetricStat"]["Metric"]["MetricName"]
        times, values = [MINUTE - age for age, _ in points.get(name, [])], [value for _, value in points.get(name, [])]
        status = changed.get(name, "Complete")
        return {"Id": query["Id"], "StatusCode": status, "Timestamps": times, "Values": values}

    double.on(
        "GetMetricData", lambda body: ok({"MetricDataResults": [result(one) for one in body["MetricDataQueries"]]})
    )


def requested(double: AwsDouble) -> list[tuple[str, str, str, object]]:
    [seen] = double.seen
    stats = [query["MetricStat"] for query in seen.body["MetricDataQueries"]]
    return [
        (stat["Metric"]["Namespace"], stat["Metric"]["MetricName"], stat["Stat"], stat["Metric"]["Dimensions"])
        for stat in stats
    ]


async def minute(aws: Aws, queue: QueueRef = ORDERS) -> QueueMinute:
    reading = await aws.meters.minute(queue)
    assert isinstance(reading, QueueMinute), reading
    return reading


async def missing(aws: Aws, queue: QueueRef = ORDERS) -> Missing:
    reading = await aws.meters.minute(queue)
    assert isinstance(reading, Missing), reading
    assert f"queue {queue.name}" in reading.reason
    return reading


async def test_a_minute_is_one_request(aws: Aws, double: AwsDouble, spies: Spies) -> None:
    script(
        double,
        {
            RECEIVED: [(60, 120.0)],
            DELETED: [(60, 118.0)],
            OLDEST: [(60, 41.0)],
            GROUPS: [(60, 3.0)],
            SENT: [(60, 99.0)],
        },
    )
    assert await minute(aws, FIFO) == QueueMinute(spies.now_s - 30, 120, 118, 41.0, 3, 99)
    own = [{"Name": "QueueName", "Value": "orders.fifo"}]
    assert requested(double) == [
        ("AWS/SQS", RECEIVED, "Sum", own),
        ("AWS/SQS", DELETED, "Sum", own),
        ("AWS/SQS", SENT, "Sum", own),
        ("AWS/SQS", OLDEST, "Maximum", own),
        ("AWS/SQS", GROUPS, "Maximum", own),
    ]
    assert spies.outcomes == [("cloudwatch:GetMetricData", "ok")]


async def test_only_a_fifo_queue_has_groups(aws: Aws, double: AwsDouble) -> None:
    script(double, {RECEIVED: [(60, 1.0)], GROUPS: [(60, 3.0)]})
    assert (await minute(aws)).groups_in_flight is None
    assert GROUPS not in [name for _, name, _, _ in requested(double)]


@pytest.mark.parametrize("left_out", [RECEIVED, DELETED, SENT, OLDEST, GROUPS])
async def test_a_field_without_a_datapoint_is_unknown(aws: Aws, double: AwsDouble, spies: Spies, left_out: str) -> None:
    fields = {
        RECEIVED: "received",
        DELETED: "deleted",
        SENT: "sent",
        OLDEST: "oldest_age_s",
        GROUPS: "groups_in_flight",
    }
    script(double, {name: [(60, 0.0)] for name in fields if name != left_out})
    expected: dict[str, Any] = {field: None if name == left_out else 0 for name, field in fields.items()}
    assert await minute(aws, FIFO) == QueueMinute(spies.now_s - 30, **expected)


async def test_the_newest_complete_minute_with_a_datapoint_is_read(aws: Aws, double: AwsDouble, spies: Spies) -> None:
    # The wall clock is 30 s after `MINUTE`: the minute that began at `MINUTE` is not complete.
    script(double, {RECEIVED: [(120, 5.0), (180, 6.0)], DELETED: [(180, 7.0)], OLDEST: [(0, 9.0), (180, 8.0)]})
    assert await minute(aws) == QueueMinute(spies.now_s - 90, received=5)


async def test_values_of_different_minutes_are_not_mixed(aws: Aws, double: AwsDouble, spies: Spies) -> None:
    script(double, {RECEIVED: [(60, 5.0)], DELETED: [(120, 7.0)]})
    assert await minute(aws) == QueueMinute(spies.now_s - 30, received=5, deleted=None)


async def test_a_queue_without_datapoints_is_missing(aws: Aws, double: AwsDouble) -> None:
    script(double, {RECEIVED: [(0, 5.0)]})
    reading = await missing(aws)
    assert reading.kind == "no_data"
    assert "check its name" in reading.reason


@pytest.mark.parametrize("nonsense", [math.nan, math.inf, -1.0, 0.5, 2.0**54, 10**400])
@pytest.mark.parametrize("name", [RECEIVED, DELETED, SENT, GROUPS])
async def test_an_invalid_count_makes_the_minute_missing(
    aws: Aws, double: AwsDouble, name: str, nonsense: object
) -> None:
    script(double, {RECEIVED: [(60, 1.0)], DELETED: [(60, 1.0)]} | {name: [(60, nonsense)]})
    assert (await missing(aws, FIFO)).kind in {"unreadable", "unavailable"}


@pytest.mark.parametrize(("age_s", "is_valid"), [(0, True), (0.5, True), (2_592_000, True), (2_592_001, False)])
async def test_an_age_of_more_than_30_days_is_impossible(
    aws: Aws, double: AwsDouble, age_s: float, is_valid: bool
) -> None:
    script(double, {OLDEST: [(60, age_s)]})
    assert isinstance(await aws.meters.minute(ORDERS), QueueMinute) is is_valid


@pytest.mark.parametrize("nonsense", [math.nan, math.inf, -math.inf, -1.0])
async def test_an_invalid_age_makes_the_minute_missing(aws: Aws, double: AwsDouble, nonsense: float) -> None:
    script(double, {RECEIVED: [(60, 1.0)], OLDEST: [(60, nonsense)]})
    assert OLDEST in (await missing(aws)).reason


@pytest.mark.parametrize(("status", "kind"), [("Forbidden", "denied"), ("InternalError", "unavailable")])
@pytest.mark.parametrize("name", [RECEIVED, DELETED, OLDEST])
async def test_a_failed_metric_makes_the_minute_missing(
    aws: Aws, double: AwsDouble, name: str, status: str, kind: str
) -> None:
    script(double, {RECEIVED: [(60, 1.0)]}, **{name: status})
    assert (await missing(aws)).kind == kind


async def test_an_absent_result_makes_the_minute_missing(aws: Aws, double: AwsDouble) -> None:
    only = {"Id": "received", "StatusCode": "Complete", "Timestamps": [MINUTE - 60], "Values": [1.0]}
    double.on("GetMetricData", ok({"MetricDataResults": [only]}))
    reading = await missing(aws)
    assert reading.kind == "unavailable"
    assert DELETED in reading.reason
    assert RECEIVED not in reading.reason


async def test_a_result_that_was_not_requested_is_ignored(aws: Aws, double: AwsDouble) -> None:
    results = [
        {"Id": key, "StatusCode": "Complete", "Timestamps": [MINUTE - 60], "Values": [1.0]}
        for key in ("received", "deleted", "sent", "oldest_age_s", "groups_in_flight", "odd")
    ]
    double.on("GetMetricData", ok({"MetricDataResults": results}))
    assert (await minute(aws)).groups_in_flight is None


async def test_pages_are_combined(aws: Aws, double: AwsDouble) -> None:
    def part(key: str, status: str, *points: tuple[float, float]) -> dict[str, object]:
        times, values = [MINUTE - age for age, _ in points], [value for _, value in points]
        return {"Id": key, "StatusCode": status, "Timestamps": times, "Values": values}

    first = [part("received", "Complete", (60, 5.0)), part("deleted", "PartialData", (120, 1.0))]
    last = [part("deleted", "Complete", (60, 4.0)), part("oldest_age_s", "Complete"), part("sent", "Complete")]
    pages = [ok({"MetricDataResults": first, "NextToken": "more"}), ok({"MetricDataResults": last})]
    double.on("GetMetricData", *pages)
    reading = await minute(aws)
    assert (reading.received, reading.deleted) == (5, 4)
    assert [seen.body.get("NextToken") for seen in double.seen] == [None, "more"]


async def test_a_queue_is_read_once_a_minute_in_its_region(aws: Aws, double: AwsDouble, spies: Spies) -> None:
    queue = QueueRef("orders", url="https://sqs.us-west-2.amazonaws.com/123456789012/orders")
    script(double, {RECEIVED: [(60, 1.0)]})
    for _ in range(6):
        await aws.meters.minute(queue)
        spies.pass_s(10)
    assert [seen.region for seen in double.seen] == ["us-west-2"]
    await aws.meters.minute(queue)
    assert len(double.seen) == 2


async def test_a_queue_with_contradictory_regions_is_refused(aws: Aws, double: AwsDouble) -> None:
    queue = QueueRef("orders", "eu-west-1", "https://sqs.us-west-2.amazonaws.com/123456789012/orders")
    assert (await missing(aws, queue)).kind == "refused"
    assert double.seen == []


async def test_an_error_is_not_cached(aws: Aws, double: AwsDouble) -> None:
    double.on("GetMetricData", fault("Throttling"))
    assert (await missing(aws)).kind == "throttled"
    script(double, {RECEIVED: [(60, 1.0)]})
    assert (await minute(aws)).received == 1


async def measure(aws: Aws, double: AwsDouble, *points: tuple[float, object]) -> Measurement | Missing:
    script(double, {"Carts": list(points)})
    return await aws.meters.measure(REF, CARTS)


async def test_a_metric_is_requested_with_its_dimensions_and_statistic(
    aws: Aws, double: AwsDouble, spies: Spies
) -> None:
    assert await measure(aws, double, (60, 12.5), (120, 99.0)) == Measurement(12.5, spies.now_s - 30)
    assert requested(double) == [("Shop", "Carts", "p99", [{"Name": "Stage", "Value": "prod"}])]
    body = double.seen[0].body
    assert (body["StartTime"], body["EndTime"]) == (MINUTE - 300, MINUTE)
    assert body["MetricDataQueries"][0]["MetricStat"]["Period"] == 60


@pytest.mark.parametrize(("value", "is_valid"), [(0, True), (0.25, True), (1e15, True), (1.1e15, False)])
async def test_values_from_0_to_1e15_are_accepted(aws: Aws, double: AwsDouble, value: float, is_valid: bool) -> None:
    reading = await measure(aws, double, (60, value))
    assert isinstance(reading, Measurement) is is_valid
    assert isinstance(reading, Missing) or reading.value == value


@pytest.mark.parametrize("nonsense", [math.nan, math.inf, -math.inf, -0.001, 10**400])
async def test_an_invalid_value_is_missing(aws: Aws, double: AwsDouble, nonsense: object) -> None:
    reading = await measure(aws, double, (60, nonsense))
    assert isinstance(reading, Missing)
    assert reading.kind in {"unreadable", "unavailable"}


async def test_a_metric_without_a_datapoint_is_missing(aws: Aws, double: AwsDouble) -> None:
    reading = await measure(aws, double, (0, 5.0))
    assert isinstance(reading, Missing)
    assert reading.kind == "no_data"
    assert reading.reason.startswith("metric Shop/Carts: CloudWatch has no Carts for the last 5 minutes; check its")


@pytest.mark.parametrize(
    ("reply", "kind"),
    [(fault("AccessDenied", status=403), "denied"), (fault("InvalidParameterValue"), "refused"), (AwsReply(b""), None)],
)
async def test_an_unreadable_metric_is_missing(aws: Aws, double: AwsDouble, reply: AwsReply, kind: str | None) -> None:
    double.on("GetMetricData", reply)
    reading = await aws.meters.measure(REF, CARTS)
    assert isinstance(reading, Missing)
    assert reading.kind == kind or kind is None


async def test_services_share_a_metric_but_statistics_do_not(aws: Aws, double: AwsDouble, spies: Spies) -> None:
    script(double, {"Carts": [(60, 5.0)]})
    other = ServiceRef("invoices", "prod", "invoices")
    for service in (REF, other, REF):
        await aws.meters.measure(service, CARTS)
        spies.pass_s(15)
    assert len(double.seen) == 1
    for statistic in ("Average", "Sum"):
        await aws.meters.measure(REF, CloudWatchMetric("Shop", "Carts", CARTS.dimensions, statistic))
    assert len(double.seen) == 3
    spies.pass_s(15)
    await aws.meters.measure(REF, CARTS)
    assert len(double.seen) == 4


@pytest.mark.parametrize(
    ("own", "service_s", "expected"),
    [(None, None, "eu-west-1"), (None, "us-east-1", "us-east-1"), ("us-west-2", "us-east-1", "us-west-2")],
)
async def test_a_metric_s_region_is_its_own_or_the_service_s(
    aws: Aws, double: AwsDouble, own: str | None, service_s: str | None, expected: str
) -> None:
    script(double, {"Carts": [(60, 5.0)]})
    metric = CloudWatchMetric("Shop", "Carts", region=own)
    await aws.meters.measure(ServiceRef("shop", "prod", "orders", service_s), metric)
    assert [seen.region for seen in double.seen] == [expected]
