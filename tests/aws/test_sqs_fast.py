"""The faster implementation of GetQueueAttributes: it equals the SDK's, and is not used if a setting needs the SDK."""

from __future__ import annotations

import asyncio
import json
import ssl
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.aws.calls import GET_QUEUE_ATTRIBUTES, GET_QUEUE_URL, Call
from autoscaler.aws.clients import Clients, Clocks
from autoscaler.aws.connection import Aws
from autoscaler.aws.faults import CODES
from autoscaler.aws.sqs_fast import FastSqs, _session, signed
from autoscaler.core.model import Backlog, Missing
from autoscaler.ports import QueueRef
from tests.aws.double import AwsDouble, AwsReply, fault, ok, serving
from tests.aws.spies import REGION, Spies, connected

ORDERS = QueueRef("orders", url="https://sqs.eu-west-1.amazonaws.com/123456789012/orders")
COUNTS = {
    "ApproximateNumberOfMessages": "7",
    "ApproximateNumberOfMessagesNotVisible": "2",
    "ApproximateNumberOfMessagesDelayed": "1",
}
GOOD = ok({"Attributes": COUNTS})
OLDER = {"x-amzn-query-error": "AWS.SimpleQueueService.NonExistentQueue;Sender"}
SKEWED = fault("InvalidSignatureException", "Signature expired: 1 is now earlier than 2", status=403)

STATUSES = [201, 300, 301, 302, 304, 400, 403, 404, 408, 413, 429, 500, 502, 503, 504, 599]
BODIES = [b"", b"{}", b"null", b"[1]", b"3", b'"x"', b"{", b"<html>", b"\xff\xfe", b"[" * 10_000, b'{"__type": 5}']
BODIES += [b'{"__type": null, "message": 5}', b'{"code": "Odd", "Message": "m"}', b'{"Attributes": []}']
ODD = [AwsReply(body, status) for status in (200, *STATUSES) for body in BODIES]
FAULTS = [fault(code, "in AWS words", status) for code in CODES for status in (400, 403, 500)]
FAULTS += [fault(f"com.amazonaws.sqs#{code}", headers=OLDER) for code in ("QueueDoesNotExist", "Odd")]
FAULTS += [fault("QueueDoesNotExist", headers={"X-Amzn-Query-Error": "AWS.SimpleQueueService.Odd;Sender"})]
FAULTS += [fault("Odd", status=status, headers=headers) for status in STATUSES for headers in ({}, OLDER)]


async def both(double: AwsDouble, spies: Spies, replies: list[AwsReply]) -> list[tuple[object, object]]:
    """Return the readings of both implementations for each reply."""
    readings = []
    for fast_sqs in (True, False):
        double.on("GetQueueAttributes", *replies)
        async with connected(replace(spies, fast_sqs=fast_sqs)) as aws:
            readings.append([await aws.queues.backlog(ORDERS) for _ in replies])
    return list(zip(*readings, strict=True))


@pytest.mark.parametrize("replies", [[GOOD, SKEWED], ODD, FAULTS], ids=["good", "odd", "faults"])
async def test_both_implementations_return_the_same_reading(
    double: AwsDouble, spies: Spies, replies: list[AwsReply]
) -> None:
    for reply, (fast_sqs, sdk) in zip(replies, await both(double, spies, replies), strict=True):
        if isinstance(sdk, Missing) and reply in ODD and reply.status <= 300:
            assert isinstance(fast_sqs, Missing)  # each implementation has its own text for an unreadable body
            assert {fast_sqs.kind, sdk.kind} <= {"unreadable", "unavailable"}
        else:
            assert fast_sqs == sdk, reply


async def test_both_implementations_report_the_same_outcomes_and_throttles(double: AwsDouble, spies: Spies) -> None:
    replies = [GOOD, fault("ThrottlingException"), fault("AccessDenied"), fault("InternalFailure", status=500)]
    recorded = []
    for fast_sqs in (True, False):
        double.on("GetQueueAttributes", *replies)
        own_spies = Spies(fast_sqs=fast_sqs)
        async with connected(own_spies) as aws:
            for _ in replies:
                await aws.queues.backlog(ORDERS)
        recorded.append((own_spies.limiter_calls, own_spies.calls))
    assert recorded[0] == recorded[1]


async def test_both_implementations_send_the_same_request(double: AwsDouble, spies: Spies) -> None:
    await both(double, spies, [GOOD])
    fast_sqs, sdk = double.seen
    assert (fast_sqs.operation, fast_sqs.body) == (sdk.operation, sdk.body)
    assert (fast_sqs.region, fast_sqs.key) == (sdk.region, sdk.key)
    for name in ("Host", "Content-Type", "X-Amz-Target", "Accept-Encoding"):
        assert fast_sqs.headers[name] == sdk.headers[name], name
    words = set(fast_sqs.headers["User-Agent"].split())
    assert {word for word in words if not word.startswith("m/")} <= set(sdk.headers["User-Agent"].split())
    assert any(word.startswith("ecs-queue-autoscaler/") for word in words)


KEYS = st.builds(ReadOnlyCredentials, st.text("ABC", min_size=1), st.text(min_size=1, max_size=50), st.text("xyz/+="))


@given(KEYS, st.binary(max_size=300), st.sampled_from(["eu-west-1", "cn-north-1"]), st.integers(0, 4 * 10**9))
@settings(max_examples=200)
def test_a_signature_equals_that_of_the_sdk_s_signer(
    keys: ReadOnlyCredentials, body: bytes, region: str, at: int
) -> None:
    url, headers = (
        "https://sqs.example:8443/",
        {"Host": "sqs.example:8443", "X-Amz-Target": "A  b", "Content-Type": "c"},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.auth.get_current_datetime", lambda: datetime.fromtimestamp(at, UTC))
        request = AWSRequest("POST", url, headers=headers, data=body)
        SigV4Auth(keys, "sqs", region).add_auth(request)
        assert signed(headers, url, body, keys, region) == dict(request.headers.items())


async def test_a_redirect_is_not_followed(aws: Aws, double: AwsDouble) -> None:
    async with serving() as elsewhere:
        elsewhere.on("GetQueueAttributes", GOOD)
        for status in (301, 302, 303, 307, 308):
            double.on("GetQueueAttributes", AwsReply(b"", status, {"Location": elsewhere.url}))
            reading = await aws.queues.backlog(ORDERS)
            assert isinstance(reading, Missing)
            assert reading.kind == "unavailable"
        assert elsewhere.seen == []


async def test_a_response_is_limited_in_length(aws: Aws, double: AwsDouble) -> None:
    for extra, kind in ((0, Backlog), (1, Missing)):
        body = json.dumps({"Attributes": COUNTS}).encode()
        double.on("GetQueueAttributes", AwsReply(body + b" " * (GET_QUEUE_ATTRIBUTES.most_bytes - len(body) + extra)))
        reading = await aws.queues.backlog(ORDERS)
        assert isinstance(reading, kind)
    assert isinstance(reading, Missing)
    assert reading.kind == "unavailable"
    assert "queue orders in eu-west-1" in reading.reason
    double.on("GetQueueAttributes", GOOD)
    assert isinstance(await aws.queues.backlog(ORDERS), Backlog)


@pytest.mark.parametrize(
    "response",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    ],
)
@pytest.mark.parametrize("fast_sqs", [True, False], ids=["fast", "sdk"])
async def test_an_invalid_http_response_is_unavailable(
    monkeypatch: pytest.MonkeyPatch, spies: Spies, fast_sqs: bool, response: bytes
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(response)
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()[:2]
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        async with connected(spies) as aws:
            reading = await aws.queues.backlog(ORDERS)
    assert isinstance(reading, Missing)
    assert reading.kind == "unavailable"
    assert "queue orders in eu-west-1" in reading.reason


@pytest.mark.parametrize("fast_sqs", [True, False], ids=["fast", "sdk"])
async def test_a_server_with_an_untrusted_certificate_receives_nothing(
    monkeypatch: pytest.MonkeyPatch, spies: Spies, tmp_path: Path
) -> None:
    received: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.read(10))
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=self_signed(tmp_path)) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "https://localhost:{1}".format(*server.sockets[0].getsockname()))
        async with connected(spies) as aws:
            reading = await aws.queues.backlog(ORDERS)
    assert isinstance(reading, Missing)
    assert reading.kind == "unavailable"
    assert "certificate" in reading.reason
    assert received == []


def self_signed(folder: Path) -> ssl.SSLContext:
    """A server with a self-signed certificate for localhost."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    signing = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    own = signing.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    certificate = own.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "server.pem").write_bytes(secret + certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context


async def test_unreadable_certificate_authorities_are_reported(
    monkeypatch: pytest.MonkeyPatch, double: AwsDouble, spies: Spies
) -> None:
    monkeypatch.setattr("autoscaler.aws.sqs_fast.get_cert_path", lambda _: "/nowhere.pem")
    async with connected(spies) as aws:
        reading = await aws.queues.backlog(ORDERS)
    assert isinstance(reading, Missing)
    assert reading.kind == "unavailable"


async def has_route(call: Call) -> bool:
    async with AsyncExitStack() as stack:
        fast_sqs = FastSqs(stack, Clients(stack, Clocks(lambda: 0.0, lambda: 0.0), 5.0))
        return await fast_sqs.route(call) is not None


@pytest.mark.parametrize(
    ("variables", "is_used"),
    [
        ({}, True),
        ({"HTTP_PROXY": "http://127.0.0.1:9"}, True),  # NO_PROXY is *
        ({"HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": ""}, False),
        ({"https_proxy": "http://127.0.0.1:9", "NO_PROXY": "", "AWS_ENDPOINT_URL": ""}, False),
        ({"AWS_ENDPOINT_URL": ""}, True),
        ({"AWS_ENDPOINT_URL": "", "AWS_USE_FIPS_ENDPOINT": "true"}, True),
        ({"AWS_ENDPOINT_URL_SQS": "http://127.0.0.1:9/path"}, False),
        ({"AWS_CA_BUNDLE": "/nowhere.pem"}, False),
        ({"REQUESTS_CA_BUNDLE": "/nowhere.pem"}, False),
    ],
)
async def test_the_fast_route_is_used_unless_a_setting_needs_the_sdk(
    monkeypatch: pytest.MonkeyPatch, double: AwsDouble, variables: dict[str, str], is_used: bool
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name, raising=False)
    assert await has_route(Call(GET_QUEUE_ATTRIBUTES, "queue orders", REGION)) is is_used


async def test_the_fast_route_is_used_for_get_queue_attributes_only(double: AwsDouble) -> None:
    assert not await has_route(Call(GET_QUEUE_URL, "queue orders", REGION))


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({}, "https://sqs.eu-west-1.amazonaws.com/"),
        ({"AWS_USE_FIPS_ENDPOINT": "true"}, "https://sqs-fips.eu-west-1.amazonaws.com/"),
        ({"AWS_USE_DUALSTACK_ENDPOINT": "true"}, "https://sqs.eu-west-1.api.aws/"),
        ({"AWS_ENDPOINT_URL_SQS": "http://127.0.0.1:9324"}, "http://127.0.0.1:9324/"),
    ],
)
async def test_the_fast_route_uses_the_endpoint_that_the_sdk_resolves(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], url: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    async with AsyncExitStack() as stack:
        fast_sqs = FastSqs(stack, Clients(stack, Clocks(lambda: 0.0, lambda: 0.0), 5.0))
        route = await fast_sqs.route(Call(GET_QUEUE_ATTRIBUTES, "queue orders", REGION))
        assert route is not None
        assert str(route._url) == url


async def test_the_fast_route_verifies_certificates_with_the_well_known_authorities() -> None:
    async with await _session() as http:
        connector: Any = http.connector
        trust = connector._ssl
        assert isinstance(trust, ssl.SSLContext)
        assert (trust.verify_mode, trust.check_hostname) == (ssl.CERT_REQUIRED, True)
        assert len(trust.get_ca_certs()) > 50


async def test_all_regions_share_connections(aws: Aws, double: AwsDouble) -> None:
    double.on("GetQueueAttributes", GOOD)
    for region in ("eu-west-1", "us-east-1", "ap-south-1"):
        await aws.queues.backlog(QueueRef("orders", region, "http://sqs.example/1/orders"))
    assert len(double.connections) == 1
