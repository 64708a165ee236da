"""An answer that is too large is an error with a remedy: it is counted, tried again, and does not fill the memory.

A server on loopback sends an endless answer, or a small one that decompresses to a large one.
"""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from autoscaler.aws.caller import Caller
from autoscaler.aws.calls import DESCRIBE_SERVICES, GET_METRIC_DATA, GET_QUEUE_ATTRIBUTES, LIST_TASKS, Api
from autoscaler.aws.clients import Clocks
from autoscaler.aws.sdk_http import CREDENTIALS_BYTES
from autoscaler.errors import AutoscalerError, Garbled, NoCredentials, Unavailable
from autoscaler.ports import Place, Role
from tests.aws.double import AwsDouble, AwsReply
from tests.aws.spies import REGION, Spies
from tests.aws.test_redirects import EVERY, parameters

MB = 2**20
PART = b" " * 65_536
BUFFERED = 24 * MB
"""More than the socket buffers of both sides hold."""


HERE = Place(REGION)


class LargeServer:
    """Sends `head`, and then an endless body, or `body` if it is set. `sent`: the bytes of the endless bodies."""

    def __init__(self) -> None:
        self.url = ""
        self.head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        self.body: bytes | None = None
        self.sent = 0
        self.requests = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            self.requests += 1
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    await reader.readexactly(int(line.split(b":")[1]))
            chunked = "chunked" in self.head
            writer.write(f"{self.head}Connection: close\r\n\r\n".encode())
            if self.body is not None:
                writer.write(self.body)
                await writer.drain()
            while self.body is None:
                writer.write(b"%x\r\n%s\r\n" % (len(PART), PART) if chunked else PART)
                await writer.drain()
                self.sent += len(PART)
        writer.close()


@pytest_asyncio.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LargeServer]:
    large = LargeServer()
    async with await asyncio.start_server(large.answer, "127.0.0.1", 0) as listening:
        large.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        monkeypatch.setenv("AWS_ENDPOINT_URL", large.url)
        yield large


@pytest_asyncio.fixture(params=[True, False], ids=["fast", "sdk"])
async def ours(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Caller, Spies]]:
    async with connected(fast_sqs=request.param) as both:
        yield both


def connected(*, fast_sqs: bool = True) -> Any:
    class Connected(AsyncExitStack):
        async def __aenter__(self) -> Any:
            spies = Spies()
            clocks = Clocks(lambda: spies.now_s, lambda: spies.wall_s)
            return Caller(self, spies, spies, clocks, 60.0, fast_sqs=fast_sqs, once=False), spies

    return Connected()


async def error_of(caller: Caller, api: Api, place: Place = HERE) -> AutoscalerError:
    with pytest.raises(AutoscalerError) as error:
        await caller.ask(api, "it", place, **parameters(api))
    return error.value


@pytest.mark.parametrize("api", EVERY, ids=lambda api: api.name)
async def test_an_endless_answer_of_any_call_is_an_error(
    server: LargeServer, ours: tuple[Caller, Spies], api: Api
) -> None:
    caller, spies = ours
    error = await error_of(caller, api)
    assert type(error) is Garbled
    assert f"more than {api.most_bytes:,} bytes" in str(error)
    assert "check AWS_ENDPOINT_URL, the proxy" in str(error)
    assert spies.calls == [(api.name, api.category, "unavailable")]
    assert server.sent < api.most_bytes + BUFFERED


@pytest.mark.parametrize("status", ["200 OK", "400 Bad Request", "500 Internal Server Error", "503 Slow Down"])
@pytest.mark.parametrize("framing", ["", "Transfer-Encoding: chunked\r\n", "Content-Length: 1000000000\r\n"])
@pytest.mark.parametrize("api", [GET_QUEUE_ATTRIBUTES, DESCRIBE_SERVICES, GET_METRIC_DATA], ids=lambda api: api.name)
async def test_the_status_and_the_framing_make_no_difference(
    server: LargeServer, ours: tuple[Caller, Spies], api: Api, status: str, framing: str
) -> None:
    server.head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{framing}"
    error = await error_of(ours[0], api)
    assert type(error) is Garbled
    assert f"more than {api.most_bytes:,} bytes" in str(error)
    assert server.sent < api.most_bytes + BUFFERED


@pytest.mark.parametrize("api", [GET_QUEUE_ATTRIBUTES, LIST_TASKS], ids=lambda api: api.name)
@pytest.mark.parametrize("extra", [0, 1])
@pytest.mark.parametrize("announced", [True, False])
async def test_an_answer_of_exactly_the_most_bytes_is_read(
    server: LargeServer, ours: tuple[Caller, Spies], api: Api, extra: int, announced: bool
) -> None:
    content = json.dumps({"Attributes": {}, "taskArns": []}).encode()
    server.body = content + b" " * (api.most_bytes + extra - len(content))
    if announced:
        server.head += f"Content-Length: {len(server.body)}\r\n"
    asked = ours[0].ask(api, "it", Place(REGION), **parameters(api))
    if extra:
        with pytest.raises(Garbled):
            await asked
    else:
        assert (await asked).body.get("taskArns", []) == []


async def test_an_error_that_is_stored_does_not_store_the_answer(
    server: LargeServer, ours: tuple[Caller, Spies]
) -> None:
    await error_of(ours[0], LIST_TASKS)  # opens the client
    tracemalloc.start()
    try:
        errors = [await error_of(ours[0], LIST_TASKS) for _ in range(4)]
        assert tracemalloc.get_traced_memory()[0] < 2 * MB
    finally:
        tracemalloc.stop()
    assert len(errors) == 4


async def test_after_a_large_answer_the_next_call_works(server: LargeServer, ours: tuple[Caller, Spies]) -> None:
    await error_of(ours[0], LIST_TASKS)
    server.body = b'{"taskArns": ["a"]}'
    answer = await ours[0].ask(LIST_TASKS, "it", Place(REGION), cluster="c")
    assert answer.words("taskArns") == ("a",)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
@pytest.mark.parametrize("api", [GET_QUEUE_ATTRIBUTES, DESCRIBE_SERVICES, GET_METRIC_DATA], ids=lambda api: api.name)
async def test_a_compressed_answer_is_not_decompressed(
    server: LargeServer, ours: tuple[Caller, Spies], api: Api, coding: str
) -> None:
    plain = b'{"taskArns": []}' + b" " * (64 * MB)
    server.body = gzip.compress(plain, 1) if coding == "gzip" else zlib.compress(plain, 1)
    server.head += f"Content-Encoding: {coding}\r\n"
    await error_of(ours[0], api)  # opens the client
    tracemalloc.start()
    try:
        error = await error_of(ours[0], api)
        assert tracemalloc.get_traced_memory()[1] < 16 * MB
    finally:
        tracemalloc.stop()
    assert isinstance(error, Unavailable)


async def test_a_large_answer_of_sts_is_an_error_of_the_call(server: LargeServer) -> None:
    async with connected() as (caller, _):
        error = await error_of(caller, LIST_TASKS, Place(REGION, Role("arn:aws:iam::123456789012:role/r")))
    assert "sts:AssumeRole" in str(error)
    assert "more than" in str(error)


async def error_with(server: LargeServer, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the error of a call whose credentials come from the source that these variables configure."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    async with connected() as (caller, _):
        error = await error_of(caller, LIST_TASKS)
    assert server.requests, "no request was sent"
    assert server.sent < server.requests * BUFFERED
    assert isinstance(error, Unavailable | NoCredentials)
    return str(error)


async def test_large_container_credentials_are_an_error(server: LargeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    text = await error_with(server, {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{server.url}/keys"}, monkeypatch)
    assert f"more than {CREDENTIALS_BYTES:,} bytes" in text
    assert f"{server.url}/keys" in text
    assert "check AWS_ENDPOINT_URL, the proxy and the address of the credentials" in text


async def test_large_instance_metadata_are_an_error(server: LargeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": server.url}
    assert f"more than {CREDENTIALS_BYTES:,} bytes" in await error_with(server, variables, monkeypatch)


async def test_large_answers_of_sts_to_the_sdk_are_an_error(
    server: LargeServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("a-web-identity")
    web = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(token), "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/r"}
    assert f"more than {CREDENTIALS_BYTES:,} bytes" in await error_with(server, web, monkeypatch)


@pytest.mark.parametrize("api", [GET_QUEUE_ATTRIBUTES, LIST_TASKS], ids=lambda api: api.name)
async def test_cookies_are_neither_collected_nor_sent(
    double: AwsDouble, ours: tuple[Caller, Spies], monkeypatch: pytest.MonkeyPatch, api: Api
) -> None:
    """Four cookies of 3 kB would be more than most servers accept in one request."""
    names = itertools.count()
    double.on(api.sent_as, lambda _: AwsReply(headers={"Set-Cookie": f"c{next(names)}={'x' * 3000}; Path=/"}))
    # aiohttp stores no cookies of a host that is an IP address
    monkeypatch.setenv("AWS_ENDPOINT_URL", double.url.replace("127.0.0.1", "localhost"))
    for _ in range(6):
        await ours[0].ask(api, "it", HERE, **parameters(api))
    assert len(double.seen) == 6
    assert all("Cookie" not in request.headers for request in double.seen)
