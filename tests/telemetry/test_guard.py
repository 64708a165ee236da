"""The guard of the connections: limits of their number, of the time for a head, and of a client that does not read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

import pytest
from aiohttp import web

from autoscaler.telemetry import guard, http_connections, serve
from autoscaler.telemetry.http_connections import (
    ConnectionLimits,
    HttpConnection,
    OpenConnections,
    RefusalReason,
    Stage,
)
from autoscaler.telemetry.metrics import Form, render
from autoscaler.telemetry.web import GuardedHandler
from tests.telemetry.polls import holding
from tests.telemetry.test_web import HUNG_AFTER_S, desk_with

REQUEST = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def connected(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port)


async def status(reader: asyncio.StreamReader) -> bytes:
    return (await reader.readline()).split(b" ")[1]


@asynccontextmanager
async def connection() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Yield a connection to a running server. Times out after 20 s."""
    desk = desk_with(holding())
    async with serve(desk.store, desk.metrics, "127.0.0.1", 0, HUNG_AFTER_S) as port, asyncio.timeout(20):
        reader, writer = await connected(port)
        yield reader, writer
        writer.close()


async def assert_aborted(reader: asyncio.StreamReader) -> None:
    """Fail unless the connection ends without a response."""
    with suppress(ConnectionResetError):
        assert await reader.read() == b""


STREAM = b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n"
"""A request whose response does not end."""


async def test_above_the_limit_only_a_health_check_is_answered_until_a_connection_closes() -> None:
    desk, limits = desk_with(holding()), ConnectionLimits(5)
    async with (
        serve(desk.store, desk.metrics, "127.0.0.1", 0, HUNG_AFTER_S, limits=limits) as port,
        asyncio.timeout(20),
    ):
        held = [await connected(port) for _ in range(limits.ordinary)]
        for reader, writer in held:
            writer.write(STREAM)
            assert await status(reader) == b"200"
        for _ in range(3):
            reader, checking = await connected(port)
            checking.write(REQUEST + REQUEST)
            answer = await reader.read()
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert b"Connection: close" in answer
            assert answer.count(b"HTTP/1.1") == 1, "it is for one request"
            checking.close()
        reader, refused = await connected(port)
        refused.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        refusal = await reader.read()
        refused.close()
        assert refusal.startswith(b"HTTP/1.1 503 ")
        head, _, body = refusal.partition(b"\r\n\r\n")
        assert b"Content-Length: %d" % len(body) in head
        assert b"Retry-After: 10" in head
        held[0][1].close()
        code = b"503"
        while code == b"503":
            reader, writer = await connected(port)
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
            code = await status(reader)
            writer.close()
        for _, writer in held:
            writer.close()


async def test_a_request_that_is_not_served_is_counted_by_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_connections, "HEAD_S", 0.05)
    desk = desk_with(holding())
    async with (
        serve(desk.store, desk.metrics, "127.0.0.1", 0, HUNG_AFTER_S) as port,
        asyncio.timeout(20),
    ):
        for sends in (b"", b"NONSENSE\r\n\r\n", b"GET /" + b"x" * 5_000):
            reader, writer = await connected(port)
            writer.write(sends)
            await reader.read()
            writer.close()
        reader, writer = await connected(port)
        writer.write(REQUEST)
        assert await status(reader) == b"200"
        writer.close()
    assert desk.metrics.refusals == {RefusalReason.NO_REQUEST: 1, RefusalReason.BAD_REQUEST: 2}
    page = render(desk.metrics.snapshot(), Form.TEXT).decode()
    assert 'autoscaler_http_refusals_total{reason="bad_request"} 2' in page
    assert 'autoscaler_http_refusals_total{reason="not_read"} 0' in page, "a reason that did not occur is 0"


@pytest.mark.parametrize("begun", [b"", REQUEST[:20]], ids=["nothing", "half a head"])
async def test_a_connection_with_an_incomplete_request_is_aborted(
    monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(http_connections, "HEAD_S", 0.05)
    async with connection() as (reader, writer):
        writer.write(begun)
        await assert_aborted(reader)


async def test_a_connection_that_sends_its_head_too_slowly_is_aborted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte arrives in time, the complete head does not."""
    monkeypatch.setattr(http_connections, "HEAD_S", 0.2)
    async with connection() as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nX-Drip: ")
        while not reader.at_eof() and reader.exception() is None:
            writer.write(b"x")
            await asyncio.sleep(0.02)


async def test_a_connection_with_an_incomplete_second_request_is_aborted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_connections, "HEAD_S", 0.5)
    async with connection() as (reader, writer):
        writer.write(REQUEST)
        await reader.readuntil(b"}\n")
        writer.write(REQUEST[:20])
        await assert_aborted(reader)


async def test_the_head_timeout_does_not_close_a_connection_that_is_idle_between_requests(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_connections, "HEAD_S", 0.5)
    async with connection() as (reader, writer):
        for idle_s in (0.6, 0.0):
            writer.write(REQUEST)
            assert await status(reader) == b"200"
            await reader.readuntil(b"}\n")
            await asyncio.sleep(idle_s)


async def test_a_health_check_is_answered_when_silent_connections_reach_the_limit() -> None:
    desk = desk_with(holding())
    async with (
        serve(desk.store, desk.metrics, "127.0.0.1", 0, HUNG_AFTER_S, limits=ConnectionLimits(4)) as port,
        asyncio.timeout(20),
    ):
        idle = [await connected(port) for _ in range(6)]
        reader, writer = await connected(port)
        writer.write(REQUEST)
        assert await status(reader) == b"200"
        for _, one in [*idle, (reader, writer)]:
            one.close()


async def test_a_burst_of_requests_is_begun_a_few_at_a_time_and_health_checks_do_not_wait_for_it() -> None:
    begun: list[str] = []
    guarding = guard.Guard(_Recorder, {})
    for number in range(3 * guard.REQUESTS_AT_ONCE):
        guarding.schedule(partial(begun.append, f"request {number}"), is_health_check=False)
    guarding.schedule(partial(begun.append, "check"), is_health_check=True)
    await asyncio.sleep(0)
    assert begun == ["check", *(f"request {number}" for number in range(guard.REQUESTS_AT_ONCE))]
    for _ in range(2):
        guarding.schedule(partial(begun.append, "check"), is_health_check=True)
        await asyncio.sleep(0)
    assert begun.count("check") == 3
    assert len(begun) == 3 + 3 * guard.REQUESTS_AT_ONCE, "many health checks do not keep requests from being begun"


async def test_a_connection_whose_client_does_not_read_is_aborted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "UNREAD_S", 0.05)
    connections, inner, transport = OpenConnections(ConnectionLimits()), _Recorder(), _Transport()
    protocol = guard.Guard(lambda: inner, {}).protocol(admitted(connections))
    assert isinstance(protocol, guard.Guarded)
    protocol.connection_made(transport)
    protocol.connection.become(Stage.BUSY)
    protocol.pause_writing()
    stages = [protocol.connection.stage]
    protocol.resume_writing()
    stages.append(protocol.connection.stage)
    assert stages == [Stage.STALLED, Stage.BUSY]
    await asyncio.sleep(0.1)
    assert not transport.aborted
    protocol.pause_writing()
    async with asyncio.timeout(20):
        await transport.ended.wait()
    protocol.connection_lost(None)
    assert inner.calls == ["made", "pause", "resume", "pause", "lost"]
    assert connections.refusals == {RefusalReason.NOT_READ: 1}
    assert not len(connections)


async def test_the_next_request_begins_after_the_response_also_while_the_client_does_not_read_it() -> None:
    inner, transport = _Recorder(), _Transport()
    protocol = guard.Guard(lambda: inner, {}).protocol(admitted(OpenConnections(ConnectionLimits())))
    assert isinstance(protocol, guard.Guarded)
    protocol.connection_made(transport)
    first, second, third = (b"GET /%d HTTP/1.1\r\n\r\n" % number for number in range(3))

    async def receive(data: bytes) -> None:
        protocol.get_buffer(-1)[: len(data)] = data
        protocol.buffer_updated(len(data))
        await asyncio.sleep(0)

    await receive(first + second[:10])
    protocol.pause_writing()
    assert not transport.is_reading()
    await receive(second[10:] + third)
    assert inner.received == [first]
    for number in (2, 3):
        protocol.response_sent()
        await asyncio.sleep(0)  # takes the next request
        await asyncio.sleep(0)  # begins it
        assert inner.received == [first, second, third][:number]


def admitted(connections: OpenConnections) -> HttpConnection:
    one = connections.admit("127.0.0.1")
    assert one is not None
    return one


class _Recorder(asyncio.Protocol):
    def __init__(self) -> None:
        self.calls: list[str] = []
        self.received: list[bytes] = []

    def data_received(self, data: bytes) -> None:
        self.received.append(data)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.calls.append("made")

    def pause_writing(self) -> None:
        self.calls.append("pause")

    def resume_writing(self) -> None:
        self.calls.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.calls.append("lost")


class _Transport(asyncio.Transport):
    def __init__(self, peer: str = "127.0.0.1") -> None:
        super().__init__({"peername": (peer, 1)})
        self.ended = asyncio.Event()
        self._is_reading = True

    def close(self) -> None: ...

    def is_closing(self) -> bool:
        return self.aborted

    def is_reading(self) -> bool:
        return self._is_reading

    def pause_reading(self) -> None:
        self._is_reading = False

    def resume_reading(self) -> None:
        self._is_reading = True

    @property
    def aborted(self) -> bool:
        return self.ended.is_set()

    def abort(self) -> None:
        self.ended.set()


async def test_a_request_whose_connection_is_lost_before_it_is_begun_ends_without_an_error() -> None:
    async def respond(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response()

    handler = GuardedHandler(web.Server(respond), guard.Guard(_Recorder, {}), {})
    handler.connection_made(_Transport())
    await asyncio.sleep(0)
    handling = handler._task_handler
    assert handling is not None
    handler.data_received(REQUEST)
    handler.connection_lost(None)
    await asyncio.wait([handling], timeout=20)
    assert handling.cancelled()


async def test_tls_records_can_be_read_into_slices_of_the_buffer() -> None:
    """The TLS of asyncio reads the second record into a slice of the buffer. That of uvloop does not."""
    protocol = guard.Guard(_Recorder, {}).protocol(admitted(OpenConnections(ConnectionLimits())))
    assert isinstance(protocol, asyncio.BufferedProtocol)
    buffer = memoryview(protocol.get_buffer(-1))
    buffer[5:][:3] = b"abc"
    assert bytes(buffer[5:8]) == b"abc"
