"""Queues: a reading contains the counts that SQS returned; a missing count is never 0."""

from __future__ import annotations

import json

import pytest

from autoscaler.aws.connection import Aws
from autoscaler.aws.names import region_in
from autoscaler.core.model import Backlog, Missing
from autoscaler.ports import QueueRef
from tests.aws.double import AwsDouble, AwsReply, fault, ok
from tests.aws.spies import Spies

URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"
ORDERS = QueueRef("orders", url=URL)
COUNTS = {
    "ApproximateNumberOfMessages": "7",
    "ApproximateNumberOfMessagesNotVisible": "2",
    "ApproximateNumberOfMessagesDelayed": "1",
}


@pytest.fixture(params=[True, False], ids=["fast", "sdk"])
def fast_sqs(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def counts(**changed: object) -> AwsReply:
    return ok({"Attributes": {**COUNTS, **changed}})


async def test_each_count_is_read_from_its_attribute(aws: Aws, double: AwsDouble, spies: Spies) -> None:
    double.on("GetQueueAttributes", counts())
    assert await aws.queues.backlog(ORDERS) == Backlog(visible=7, in_flight=2, delayed=1, at=spies.now_s)
    assert double.seen[0].body == {"QueueUrl": URL, "AttributeNames": list(COUNTS)}


async def test_a_reading_has_the_time_of_its_request(aws: Aws, double: AwsDouble, spies: Spies) -> None:
    def later(_: object) -> AwsReply:
        spies.pass_s(3)
        return counts()

    requested_at = spies.now_s
    double.on("GetQueueAttributes", later)
    reading = await aws.queues.backlog(ORDERS)
    assert isinstance(reading, Backlog)
    assert reading.at == requested_at


@pytest.mark.parametrize("most", [0, 2**53])
async def test_the_limits_of_a_count_are_valid(aws: Aws, double: AwsDouble, most: int) -> None:
    double.on("GetQueueAttributes", counts(ApproximateNumberOfMessages=str(most)))
    reading = await aws.queues.backlog(ORDERS)
    assert isinstance(reading, Backlog)
    assert reading.visible == most


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize(
    "nonsense",
    [None, "", "-1", "+1", "1.0", "1e3", " 1", "1_0", "٣", "NaN", "many", 5, True, [], {}, str(2**53 + 1), "9" * 5000],
)
async def test_an_invalid_count_is_missing(aws: Aws, double: AwsDouble, name: str, nonsense: object) -> None:
    double.on("GetQueueAttributes", counts(**{name: nonsense}))
    reading = await aws.queues.backlog(ORDERS)
    assert isinstance(reading, Missing)
    assert reading.kind in {"unreadable", "unavailable"}
    assert "queue orders in eu-west-1" in reading.reason


@pytest.mark.parametrize("name", COUNTS)
async def test_an_absent_count_is_missing(aws: Aws, double: AwsDouble, name: str) -> None:
    double.on("GetQueueAttributes", ok({"Attributes": {k: v for k, v in COUNTS.items() if k != name}}))
    reading = await aws.queues.backlog(ORDERS)
    assert isinstance(reading, Missing)
    assert reading.kind == "unreadable"
    assert name in reading.reason


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"null",
        b"[]",
        b"3",
        b'"x"',
        b"{",
        b"<html>",
        b"\xff\xfe",
        b'{"Attributes": null}',
        b'{"Attributes": []}',
        b'{"Attributes": "x"}',
        b"[" * 100_000,
        json.dumps({"Attributes": {}}).encode(),
    ],
)
async def test_a_malformed_response_is_missing(aws: Aws, double: AwsDouble, body: bytes) -> None:
    double.on("GetQueueAttributes", AwsReply(body))
    reading = await aws.queues.backlog(ORDERS)
    assert isinstance(reading, Missing)
    assert reading.kind in {"unreadable", "unavailable"}


async def test_the_queue_url_is_read_once(aws: Aws, double: AwsDouble) -> None:
    double.on("GetQueueUrl", ok({"QueueUrl": URL}))
    double.on("GetQueueAttributes", counts())
    queue = QueueRef("orders", account="210987654321")
    await aws.queues.backlog(queue)
    await aws.queues.backlog(queue)
    assert [seen.body for seen in double.requests("GetQueueUrl")] == [
        {"QueueName": "orders", "QueueOwnerAWSAccountId": "210987654321"}
    ]
    assert [seen.body["QueueUrl"] for seen in double.requests("GetQueueAttributes")] == [URL, URL]


async def test_the_daemon_s_own_account_is_not_sent(aws: Aws, double: AwsDouble) -> None:
    double.on("GetQueueUrl", ok({"QueueUrl": URL}))
    double.on("GetQueueAttributes", counts())
    await aws.queues.backlog(QueueRef("orders"))
    assert double.requests("GetQueueUrl")[0].body == {"QueueName": "orders"}


async def test_the_url_of_a_missing_queue_is_read_again(aws: Aws, double: AwsDouble) -> None:
    double.on("GetQueueUrl", ok({"QueueUrl": URL}), ok({"QueueUrl": URL + "-2"}))
    double.on("GetQueueAttributes", counts(), fault("QueueDoesNotExist"), counts())
    readings = [await aws.queues.backlog(QueueRef("orders")) for _ in range(3)]
    assert [type(reading) for reading in readings] == [Backlog, Missing, Backlog]
    assert double.requests("GetQueueAttributes")[-1].body["QueueUrl"] == URL + "-2"


async def test_another_error_does_not_remove_the_queue_url(aws: Aws, double: AwsDouble) -> None:
    double.on("GetQueueUrl", ok({"QueueUrl": URL}))
    double.on("GetQueueAttributes", fault("InternalError", status=500), counts())
    readings = [await aws.queues.backlog(QueueRef("orders")) for _ in range(2)]
    assert [type(reading) for reading in readings] == [Missing, Backlog]
    assert len(double.requests("GetQueueUrl")) == 1


async def test_an_absent_queue_url_is_missing_and_not_cached(aws: Aws, double: AwsDouble) -> None:
    double.on("GetQueueUrl", ok({}), ok({"QueueUrl": URL}))
    double.on("GetQueueAttributes", counts())
    readings = [await aws.queues.backlog(QueueRef("orders")) for _ in range(2)]
    assert [type(reading) for reading in readings] == [Missing, Backlog]


@pytest.mark.parametrize(
    ("queue", "region"),
    [
        (QueueRef("q", url=URL), "eu-west-1"),
        (QueueRef("q", url=URL.replace("eu-west-1", "us-east-2")), "us-east-2"),
        (QueueRef("q", region="us-east-2", url=URL.replace("eu-west-1", "us-east-2")), "us-east-2"),
        (QueueRef("q", region="ap-south-1", url="http://127.0.0.1:9324/000000000000/q"), "ap-south-1"),
        (QueueRef("q", url="http://127.0.0.1:9324/000000000000/q"), "eu-west-1"),
    ],
)
async def test_a_queue_is_read_in_its_own_region(aws: Aws, double: AwsDouble, queue: QueueRef, region: str) -> None:
    double.on("GetQueueAttributes", counts())
    assert isinstance(await aws.queues.backlog(queue), Backlog)
    assert double.seen[0].region == region


async def test_a_url_that_contradicts_the_region_is_refused_without_a_call(aws: Aws, double: AwsDouble) -> None:
    reading = await aws.queues.backlog(QueueRef("orders", region="us-east-1", url=URL))
    assert isinstance(reading, Missing)
    assert reading.kind == "refused"
    assert "eu-west-1" in reading.reason
    assert "us-east-1" in reading.reason
    assert double.seen == []


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://sqs.us-gov-west-1.amazonaws.com/1/q", "us-gov-west-1"),
        ("https://sqs.cn-north-1.amazonaws.com.cn/1/q", "cn-north-1"),
        ("https://ap-southeast-2.queue.amazonaws.com/1/q", "ap-southeast-2"),
        ("https://vpce-0a1b2c-d4.sqs.eu-central-1.vpce.amazonaws.com/1/q", "eu-central-1"),
        ("https://queue.amazonaws.com/1/eu-west-1", None),
        ("http://localhost:4566/000000000000/q", None),
        ("not a url", None),
    ],
)
def test_the_region_of_a_url_is_read_from_its_host(url: str, region: str | None) -> None:
    assert region_in(url) == region
