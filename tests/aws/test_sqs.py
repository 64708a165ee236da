"""Queues: a reading contains the counts that SQS returned; a missing count is never 0."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from autoscaler.aws.connection import Aws
from autoscaler.aws.names import region_in
from autoscaler.config.addresses import queue as parsed
from autoscaler.core.model import Backlog, Missing
from autoscaler.ports import QueueRef
from tests.aws.double import HANG, AwsDouble, AwsReply, fault, ok
from tests.aws.spies import Spies, connected

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


async def test_the_account_of_a_queue_is_known_from_its_settings_or_after_its_url_was_read(
    aws: Aws, double: AwsDouble
) -> None:
    double.on("GetQueueUrl", ok({"QueueUrl": URL.replace("orders", "jobs")}))
    double.on("GetQueueAttributes", counts())
    named = QueueRef("jobs")
    assert aws.account_of(named) is None
    await aws.queues.backlog(named)
    assert aws.account_of(named) == "123456789012"
    assert aws.account_of(ORDERS) == "123456789012"
    assert aws.account_of(QueueRef("jobs", account="210987654321")) == "210987654321"
    assert aws.account_of(QueueRef("jobs", url="http://localhost:4566/queue/jobs")) is None


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
        ("https://queue.amazonaws.com/1/eu-west-1", "us-east-1"),
        ("http://localhost:4566/000000000000/q", None),
        ("not a url", None),
    ],
)
def test_the_region_of_a_url_is_read_from_its_host(url: str, region: str | None) -> None:
    assert region_in(url) == region


ACCOUNT = "123456789012"
VPC = "vpce-0a1b2c-d4.sqs.eu-west-1.vpce.amazonaws.com"


@pytest.fixture
def resolved(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Return the list of the hosts that are resolved. No host is found, so no connection is made."""
    found: list[tuple[str, int]] = []

    def lookup(host: str, port: int, *_: object, **__: object) -> None:
        found.append((host, port))
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    return found


@pytest.mark.parametrize(
    ("host", "called"),
    [
        ("sqs.eu-west-1.amazonaws.com", "sqs.eu-west-1.amazonaws.com"),
        ("eu-west-1.queue.amazonaws.com", "sqs.eu-west-1.amazonaws.com"),
        ("queue.amazonaws.com", "sqs.us-east-1.amazonaws.com"),
        ("sqs-fips.us-east-1.amazonaws.com", "sqs-fips.us-east-1.amazonaws.com"),
        ("sqs.eu-west-1.api.aws", "sqs.eu-west-1.api.aws"),
        ("sqs-fips.us-east-1.api.aws", "sqs-fips.us-east-1.api.aws"),
        (VPC, VPC),
        (VPC.upper(), VPC),
        ("sqs.cn-north-1.amazonaws.com.cn", "sqs.cn-north-1.amazonaws.com.cn"),
        ("cn-north-1.queue.amazonaws.com.cn", "sqs.cn-north-1.amazonaws.com.cn"),
        ("sqs.eusc-de-east-1.amazonaws.eu", "sqs.eusc-de-east-1.amazonaws.eu"),
        ("sqs.us-iso-east-1.c2s.ic.gov", "sqs.us-iso-east-1.c2s.ic.gov"),
    ],
)
@pytest.mark.parametrize("scheme", ["https", "http"])
async def test_an_endpoint_of_aws_in_a_url_is_called_with_https(
    spies: Spies, resolved: list[tuple[str, int]], host: str, called: str, scheme: str
) -> None:
    async with connected(spies) as aws:
        reading = await aws.queues.backlog(parsed(f"{scheme}://{host}/{ACCOUNT}/orders"))
    assert isinstance(reading, Missing)
    assert called in reading.reason
    assert {*resolved} == {(called, 443)}


@pytest.mark.parametrize(
    "host",
    [
        "localhost:4566",
        "sqs.us-east-1.localhost.localstack.cloud:4566",
        "sqs.eu-west-1.amazonaws.com.example.org",
        "amazonaws.com",
        "orders.elb.amazonaws.com",
        "vpce-1.vpce-svc-2.eu-west-1.vpce.amazonaws.com",
        "ec2-1-2-3-4.eu-west-1.compute.amazonaws.com",
        "[::1]:4566",
        "169.254.169.254",
    ],
)
async def test_no_signed_request_is_sent_to_another_server_in_a_url(
    spies: Spies, resolved: list[tuple[str, int]], host: str
) -> None:
    async with connected(spies) as aws:
        reading = await aws.queues.backlog(parsed(f"http://{host}/{ACCOUNT}/orders"))
    assert isinstance(reading, Missing)
    assert reading.kind == "refused"
    assert f"set AWS_ENDPOINT_URL_SQS=http://{host}" in reading.reason
    assert resolved == []


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SQS"])
@pytest.mark.parametrize("host", [VPC, "localhost:4566", "sqs.eu-west-1.amazonaws.com", "sqs.eu-west-1.api.aws"])
async def test_an_endpoint_that_is_configured_for_the_sdk_applies_to_every_url(
    monkeypatch: pytest.MonkeyPatch, double: AwsDouble, spies: Spies, name: str, host: str
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv(name, double.url)
    double.on("GetQueueAttributes", counts())
    async with connected(spies) as aws:
        readings = [await aws.queues.backlog(parsed(f"https://{host}/{ACCOUNT}/orders")) for _ in range(2)]
    assert [type(reading) for reading in readings] == [Backlog, Backlog]
    assert len(double.seen) == 2


@pytest.mark.parametrize("fast_sqs", [True, False])
async def test_a_call_to_a_configured_endpoint_that_hangs_is_reported_as_sent(
    double: AwsDouble, spies: Spies, fast_sqs: bool
) -> None:
    """The URL names another host than the one that was called."""
    spies.fast_sqs = fast_sqs
    double.on("GetQueueAttributes", counts(), HANG)
    async with connected(spies, call_timeout_s=2.0) as aws:
        queue = parsed(f"http://localhost:4566/{ACCOUNT}/orders")
        assert isinstance(await aws.queues.backlog(queue), Backlog)
        reading = await aws.queues.backlog(queue)
    assert isinstance(reading, Missing)
    assert "had no answer within 2 s" in reading.reason


async def test_an_ignored_endpoint_does_not_permit_another_server(
    monkeypatch: pytest.MonkeyPatch, double: AwsDouble, spies: Spies, resolved: list[tuple[str, int]]
) -> None:
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    async with connected(spies) as aws:
        reading = await aws.queues.backlog(parsed(f"{double.url}/{ACCOUNT}/orders"))
    assert isinstance(reading, Missing)
    assert reading.kind == "refused"
    assert (double.seen, resolved) == ([], [])


async def test_an_endpoint_in_the_profile_is_used(
    monkeypatch: pytest.MonkeyPatch, double: AwsDouble, spies: Spies, tmp_path: Path
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    (tmp_path / "config").write_text(
        f"[default]\nservices = local\n[services local]\nsqs =\n  endpoint_url = {double.url}\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    double.on("GetQueueAttributes", counts())
    async with connected(spies) as aws:
        assert isinstance(await aws.queues.backlog(parsed(f"http://localhost:4566/{ACCOUNT}/orders")), Backlog)


async def test_the_host_in_the_answer_to_get_queue_url_is_never_called(aws: Aws, double: AwsDouble) -> None:
    double.on("GetQueueUrl", ok({"QueueUrl": f"https://{VPC}/{ACCOUNT}/orders"}))
    double.on("GetQueueAttributes", counts())
    assert isinstance(await aws.queues.backlog(QueueRef("orders")), Backlog)


async def test_an_unknown_region_is_the_first_suspect_if_there_is_no_answer(
    spies: Spies, resolved: list[tuple[str, int]]
) -> None:
    async with connected(spies) as aws:
        wrong = await aws.queues.backlog(QueueRef("orders", "eu-wst-1"))
        right = await aws.queues.backlog(QueueRef("orders", "eu-west-3"))
    assert isinstance(wrong, Missing)
    assert isinstance(right, Missing)
    assert "does not know the Region eu-wst-1; did you mean eu-west-1? Otherwise check" in wrong.reason
    assert "does not know" not in right.reason


async def test_an_unknown_region_is_no_suspect_if_aws_answers(aws: Aws, double: AwsDouble) -> None:
    double.on("GetQueueAttributes", fault("AccessDenied", status=403))
    reading = await aws.queues.backlog(QueueRef("orders", "eu-wst-1", f"{double.url}/1/orders"))
    assert isinstance(reading, Missing)
    assert "does not know" not in reading.reason
