"""A queue's history: every period that CloudWatch has, or an error; periods without a datapoint are not filled."""

from __future__ import annotations

import json
import math
import time

import pytest

from autoscaler.aws.connection import Aws
from autoscaler.aws.history import METRIC, MOST_PAGES
from autoscaler.errors import AutoscalerError, CredentialsRejected, Denied, NotFound, Refused, Throttled, Unavailable
from autoscaler.ports import CloudWatchMetric, PeriodSum, QueueRef, Span
from tests.aws.double import HANG, AwsDouble, AwsReply, fault, ok
from tests.aws.spies import MINUTE, Spies, connected
from tests.aws.worlds import MotoWorld

ORDERS = QueueRef("orders")
HOUR: Span = (MINUTE - 3600.0, MINUTE + 0.0, 60)
FIVES: Span = (MINUTE - 7200.0, MINUTE - 3600.0, 300)


def page(*points: tuple[float, object], status: str = "Complete", token: str | None = None) -> AwsReply:
    """A response with these periods. A point: the seconds before `MINUTE` at which the period began, and its sum."""
    times, values = [MINUTE - age for age, _ in points], [value for _, value in points]
    result = {"Id": "sent", "StatusCode": status, "Timestamps": times, "Values": values}
    return ok({"MetricDataResults": [result]} | ({"NextToken": token} if token else {}))


async def read(
    aws: Aws, double: AwsDouble, *replies: AwsReply, spans: tuple[Span, ...] = (HOUR,)
) -> tuple[PeriodSum, ...]:
    double.on("GetMetricData", *replies)
    return await aws.history.sent(ORDERS, spans)


async def refusal(aws: Aws, double: AwsDouble, *replies: AwsReply, queue: QueueRef = ORDERS) -> AutoscalerError:
    double.on("GetMetricData", *replies)
    with pytest.raises(AutoscalerError) as raised:
        await aws.history.sent(queue, (HOUR,))
    assert "queue orders" in str(raised.value)
    return raised.value


async def test_each_span_is_one_request_for_the_sum_of_sent_messages(aws: Aws, double: AwsDouble, spies: Spies) -> None:
    await read(aws, double, page((60, 1.0)), spans=(FIVES, HOUR))
    for seen, (start, end, period_s) in zip(double.seen, (FIVES, HOUR), strict=True):
        assert (seen.body["StartTime"], seen.body["EndTime"]) == (start, end)
        assert seen.body["ScanBy"] == "TimestampAscending"
        [query] = seen.body["MetricDataQueries"]
        assert (query["MetricStat"]["Period"], query["MetricStat"]["Stat"]) == (period_s, "Sum")
        assert query["MetricStat"]["Metric"] == {
            "Namespace": "AWS/SQS",
            "MetricName": "NumberOfMessagesSent",
            "Dimensions": [{"Name": "QueueName", "Value": "orders"}],
        }
    assert spies.outcomes == [("cloudwatch:GetMetricData", "ok")] * 2


async def test_periods_have_their_length_and_are_sorted_and_gaps_are_not_filled(aws: Aws, double: AwsDouble) -> None:
    fives, minutes = page((7200, 40)), page((60, 3.0), (180, 0.0), (3600, 12.0))
    assert await read(aws, double, fives, minutes, spans=(FIVES, HOUR)) == (
        (MINUTE - 7200, 300, 40),
        (MINUTE - 3600, 60, 12),
        (MINUTE - 180, 60, 0),
        (MINUTE - 60, 60, 3),
    )


def polled(received: AwsReply, empty: AwsReply, token: str | None = None) -> AwsReply:
    """A response with the results of both metrics. Each argument is from `page`."""
    results = []
    for name, reply in (("received", received), ("empty", empty)):
        [result] = json.loads(reply.body)["MetricDataResults"]
        results.append(result | {"Id": name})
    return ok({"MetricDataResults": results} | ({"NextToken": token} if token else {}))


async def test_polls_are_one_request_for_both_metrics(aws: Aws, double: AwsDouble) -> None:
    double.on("GetMetricData", polled(page((60, 1.0)), page()))
    await aws.history.received(ORDERS, (HOUR,))
    [seen] = double.seen
    requested = {query["Id"]: query["MetricStat"] for query in seen.body["MetricDataQueries"]}
    assert {name: stat["Metric"]["MetricName"] for name, stat in requested.items()} == {
        "received": "NumberOfMessagesReceived",
        "empty": "NumberOfEmptyReceives",
    }
    assert {(stat["Period"], stat["Stat"]) for stat in requested.values()} == {(60, "Sum")}


async def test_polls_are_messages_received_plus_empty_receives(aws: Aws, double: AwsDouble) -> None:
    """A period with a datapoint of either metric is returned, also if the sum is 0. Any other period is left out."""
    received, empty = page((60, 1.0), (180, 5.0), (240, 0.0)), page((60, 2.0), (120, 7.0), (240, 0.0))
    double.on("GetMetricData", polled(received, empty))
    assert await aws.history.received(ORDERS, (HOUR,)) == tuple(
        (MINUTE - age, 60, value) for age, value in ((240, 0), (180, 5), (120, 7), (60, 3))
    )


async def test_polls_are_complete_only_when_both_metrics_are(aws: Aws, double: AwsDouble) -> None:
    """One metric can be complete some pages before the other."""
    first = polled(page((120, 1.0)), page((120, 2.0), status="PartialData"), token="two")
    double.on("GetMetricData", first, polled(page(), page((60, 4.0))))
    assert await aws.history.received(ORDERS, (HOUR,)) == ((MINUTE - 120, 60, 3), (MINUTE - 60, 60, 4))
    double.on("GetMetricData", polled(page((120, 1.0)), page((120, 2.0), status="PartialData")))
    with pytest.raises(Unavailable, match="only a part of its NumberOfMessagesReceived and NumberOfEmptyReceives"):
        await aws.history.received(ORDERS, (HOUR,))


async def test_polls_of_an_unknown_queue_are_not_found(aws: Aws, double: AwsDouble) -> None:
    double.on("GetMetricData", polled(page(), page()))
    with pytest.raises(NotFound, match="queue orders in eu-west-1: CloudWatch has no NumberOfMessagesReceived and"):
        await aws.history.received(ORDERS, (HOUR,))


async def test_denied_polls_are_reported_with_the_metric(aws: Aws, double: AwsDouble) -> None:
    double.on("GetMetricData", polled(page((60, 1.0)), page(status="Forbidden")))
    with pytest.raises(Denied, match="denied access to NumberOfEmptyReceives"):
        await aws.history.received(ORDERS, (HOUR,))


async def test_all_pages_are_read(aws: Aws, double: AwsDouble) -> None:
    first = page((180, 1.0), status="PartialData", token="two")
    second = page((120, 2.0), (180, 1.0), status="PartialData", token="three")
    found = await read(aws, double, first, second, page((60, 3.0)))
    assert [(at - MINUTE, value) for at, _, value in found] == [(-180, 1), (-120, 2), (-60, 3)], (
        "no period occurs twice"
    )
    assert [seen.body.get("NextToken") for seen in double.seen] == [None, "two", "three"]
    assert len({str(seen.body | {"NextToken": None}) for seen in double.seen}) == 1, "only the token changes"


async def test_a_page_token_is_not_used_for_the_next_span(aws: Aws, double: AwsDouble) -> None:
    first = page((7200, 1.0), status="PartialData", token="two")
    await read(aws, double, first, page((6900, 1.0)), page((60, 1.0)), spans=(FIVES, HOUR))
    assert [seen.body.get("NextToken") for seen in double.seen] == [None, "two", None]


async def test_fifteen_days_of_minutes_are_one_page(aws: Aws, double: AwsDouble) -> None:
    found = await read(aws, double, page(*((60 * age, 5) for age in range(21_600, 0, -1))))
    assert (len(found), sum(value for *_, value in found), len(double.seen)) == (21_600, 108_000, 1)


async def test_a_part_of_a_history_is_an_error(aws: Aws, double: AwsDouble) -> None:
    failure = await refusal(aws, double, page((60, 1.0), status="PartialData"))
    assert isinstance(failure, Unavailable)
    assert "only a part of its NumberOfMessagesSent" in str(failure)


async def test_endless_pages_are_stopped(aws: Aws, double: AwsDouble) -> None:
    failure = await refusal(aws, double, page((60, 1.0), status="PartialData", token="more"))
    assert isinstance(failure, Unavailable)
    assert len(double.seen) == MOST_PAGES


async def test_an_error_after_a_successful_page_is_an_error(aws: Aws, double: AwsDouble) -> None:
    first = page((60, 1.0), status="PartialData", token="two")
    assert isinstance(await refusal(aws, double, first, fault("Throttling", "Rate exceeded")), Throttled)


async def test_an_unknown_queue_is_reported_with_its_region(aws: Aws, double: AwsDouble) -> None:
    assert isinstance(failure := await refusal(aws, double, page()), NotFound)
    assert "queue orders in eu-west-1: CloudWatch has no NumberOfMessagesSent" in str(failure)
    assert "check its name" in str(failure)
    elsewhere = await refusal(aws, double, page(), queue=QueueRef("orders", region="us-east-2"))
    assert "in us-east-2" in str(elsewhere)
    assert double.seen[-1].region == "us-east-2"


async def test_one_span_with_datapoints_is_enough(aws: Aws, double: AwsDouble) -> None:
    found = await read(aws, double, page(), page((60, 0.0)), spans=(FIVES, HOUR))
    assert found == ((MINUTE - 60, 60, 0),)


@pytest.mark.parametrize(
    ("reply", "kind", "says"),
    [
        (fault("Throttling", "Rate exceeded"), Throttled, "was throttled"),
        (
            fault("AccessDenied", "not authorized"),
            Denied,
            "grant the user or role that runs this command cloudwatch:GetMetricData",
        ),
        (fault("ExpiredToken"), CredentialsRejected, "check the credentials"),
        (fault("InternalFailure", status=500), Unavailable, "failed"),
        (fault("InvalidNextToken"), Refused, "was refused"),
        (
            page((60, 1.0), status="Forbidden"),
            Denied,
            "grant the user or role that runs this command cloudwatch:GetMetricData",
        ),
        (page((60, 1.0), status="InternalError"), Unavailable, "(InternalError)"),
        (page((60, 1.0), status="\x1b[2J"), Unavailable, "([2J)"),
    ],
)
async def test_every_error_has_its_kind_and_one_attempt(
    aws: Aws, double: AwsDouble, reply: AwsReply, kind: type[AutoscalerError], says: str
) -> None:
    failure = await refusal(aws, double, reply)
    assert type(failure) is kind
    assert says in str(failure)
    assert len(double.seen) == 1


async def test_a_hanging_call_times_out(double: AwsDouble, spies: Spies) -> None:
    async with connected(spies, call_timeout_s=0.2) as aws:
        assert isinstance(await refusal(aws, double, HANG), Unavailable)


@pytest.mark.parametrize("nonsense", [math.nan, math.inf, -math.inf, -1.0, 2.0**54, 10**400])
async def test_an_impossible_sum_is_left_out(aws: Aws, double: AwsDouble, nonsense: object) -> None:
    assert await read(aws, double, page((120, nonsense), (60, 7))) == ((MINUTE - 60, 60, 7),)


@pytest.mark.parametrize(
    "changed",
    [
        {"StatusCode": None},
        {"Id": None},
        {"Id": "other"},
        {"Values": []},
        {"Timestamps": []},
        {"Timestamps": ["x"]},
        {"Timestamps": [None]},
        {"Values": ["50"]},
        {"Values": [True]},
        {"Values": [None]},
        {"Values": [[]]},
        {"Values": 5, "Timestamps": 5},
    ],
)
async def test_an_incomplete_response_is_an_error(aws: Aws, double: AwsDouble, changed: dict[str, str]) -> None:
    good = {"Id": "sent", "StatusCode": "Complete", "Timestamps": [MINUTE - 60], "Values": [1.0]}
    failure = await refusal(aws, double, ok({"MetricDataResults": [good | changed]}))
    assert failure.kind in {"unreadable", "unavailable"}


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"[]", b"{", b'{"MetricDataResults": 1}'])
async def test_a_malformed_response_is_an_error(aws: Aws, double: AwsDouble, body: bytes) -> None:
    assert (await refusal(aws, double, AwsReply(body))).kind in {"unreadable", "unavailable"}


async def test_sums_match_the_datapoints_in_moto(monkeypatch: pytest.MonkeyPatch, moto_url: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_url)
    moto, now = MotoWorld(moto_url), math.floor(time.time() / 300) * 300.0
    sent = CloudWatchMetric("AWS/SQS", METRIC, (("QueueName", "orders-history"),))
    for age_s, value in ((1200, 2.0), (1140, 3.0), (120, 4.0), (90, 5.0)):
        await moto.put_metric(sent, value, now - age_s)
    spans: tuple[Span, ...] = ((now - 1800, now - 600, 300), (now - 600, now, 60))
    async with connected(Spies()) as aws:
        found = await aws.history.sent(QueueRef("orders-history"), spans)
        with pytest.raises(NotFound):
            await aws.history.sent(QueueRef("misspelt-history"), spans)
    assert found == ((now - 1200, 300, 5), (now - 120, 60, 9))


async def test_polls_match_the_datapoints_in_moto(monkeypatch: pytest.MonkeyPatch, moto_url: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_url)
    moto, now = MotoWorld(moto_url), math.floor(time.time() / 300) * 300.0
    named = (("QueueName", "orders-polls"),)
    for metric, value in (("NumberOfMessagesReceived", 2.0), ("NumberOfEmptyReceives", 5.0)):
        await moto.put_metric(CloudWatchMetric("AWS/SQS", metric, named), value, now - 600)
    async with connected(Spies()) as aws:
        found = await aws.history.received(QueueRef("orders-polls"), ((now - 1200, now, 300),))
        with pytest.raises(NotFound):
            await aws.history.received(QueueRef("misspelt-polls"), ((now - 1200, now, 300),))
    assert found == ((now - 600, 300, 7),)
