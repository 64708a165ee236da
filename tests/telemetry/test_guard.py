"""The guard of the connections: limits of their number, of the time for a head, and of a client that does not read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from autoscaler.telemetry import guard, serve
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


async def test_a_connection_above_the_limit_gets_503_until_another_one_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "MOST_CONNECTIONS", 3)
    desk = desk_with(holding())
    async with serve(desk.store, desk.metrics, "127.0.0.1", 0, HUNG_AFTER_S) as port, asyncio.timeout(20):
        held = [await connected(port) for _ in range(3)]
        for reader, writer in held:
            writer.write(REQUEST)
            assert await status(reader) == b"200"
        reader, refused = await connected(port)
        refusal = await reader.read()
        refused.close()
        assert refusal.startswith(b"HTTP/1.1 503 ")
        head, _, body = refusal.partition(b"\r\n\r\n")
        assert b"Content-Length: %d" % len(body) in head
        held[0][1].close()
        code = b"503"
        while code == b"503":
            reader, writer = await connected(port)
            writer.write(REQUEST)
            code = await status(reader)
            writer.close()
        for _, writer in held:
            writer.close()


@pytest.mark.parametrize("begun", [b"", REQUEST[:20]], ids=["nothing", "half a head"])
async def test_a_connection_with_an_incomplete_request_is_aborted(
    monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(guard, "HEAD_S", 0.05)
    async with connection() as (reader, writer):
        writer.write(begun)
        await assert_aborted(reader)


async def test_a_connection_that_sends_its_head_too_slowly_is_aborted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte arrives in time, the complete head does not."""
    monkeypatch.setattr(guard, "HEAD_S", 0.2)
    async with connection() as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nX-Drip: ")
        while not reader.at_eof() and reader.exception() is None:
            writer.write(b"x")
            await asyncio.sleep(0.02)


async def test_a_connection_with_an_incomplete_second_request_is_aborted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "HEAD_S", 0.05)
    async with connection() as (reader, writer):
        writer.write(REQUEST)
        await reader.readuntil(b"}\n")
        writer.write(REQUEST[:20])
        await assert_aborted(reader)


async def test_the_head_timeout_does_not_close_a_connection_that_is_idle_between_requests(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guard, "HEAD_S", 0.05)
    async with connection() as (reader, writer):
        for _ in range(2):
            writer.write(REQUEST)
            assert await status(reader) == b"200"
            await reader.readuntil(b"}\n")
            await asyncio.sleep(0.2)


def opened(connections: guard.ConnectionGuard, peer: str, *, has_request: bool = False) -> _Transport:
    """Return a new connection from `peer`. `has_request`: it has sent a request head."""
    transport = _Transport(peer)
    connections.guarded(_Recorder)().connection_made(transport)
    if has_request:
        connections.head_received(transport)
    return transport


async def test_a_loopback_connection_is_accepted_when_remote_clients_use_all_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guard, "MOST_PER_ADDRESS", 300)
    connections = guard.ConnectionGuard()
    held = [opened(connections, f"10.0.{number // 200}.{number % 200}", has_request=True) for number in range(300)]
    most = guard.MOST_CONNECTIONS - guard.RESERVED_FOR_LOOPBACK
    assert [one.refused for one in held] == [False] * most + [True] * (300 - most)
    for local in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
        assert not opened(connections, local, has_request=True).refused


async def test_a_loopback_health_check_is_answered_when_silent_connections_reach_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guard, "MOST_CONNECTIONS", 3)
    desk = desk_with(holding())
    async with serve(desk.store, desk.metrics, "127.0.0.1", 0, HUNG_AFTER_S) as port, asyncio.timeout(20):
        idle = [await connected(port) for _ in range(6)]
        reader, writer = await connected(port)
        writer.write(REQUEST)
        assert await status(reader) == b"200"
        for _, one in [*idle, (reader, writer)]:
            one.close()


async def test_at_the_limit_the_oldest_connection_without_a_request_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guard, "MOST_CONNECTIONS", guard.RESERVED_FOR_LOOPBACK + 4)
    connections = guard.ConnectionGuard()
    local = opened(connections, "127.0.0.1")
    requested = opened(connections, "10.0.0.1", has_request=True)
    older, newer = opened(connections, "10.0.0.2"), opened(connections, "10.0.0.3")
    assert not opened(connections, "10.0.0.4", has_request=True).refused
    assert [one.aborted for one in (local, requested, older, newer)] == [False, False, True, False]
    assert not opened(connections, "10.0.0.5", has_request=True).refused
    assert newer.aborted
    assert opened(connections, "10.0.0.6").refused, "it replaces neither a local connection nor one with a request"
    assert not local.aborted
    assert not requested.aborted


async def test_the_connections_of_one_address_are_limited_unless_it_is_loopback() -> None:
    connections = guard.ConnectionGuard()
    held = [opened(connections, "10.0.0.1", has_request=True) for _ in range(guard.MOST_PER_ADDRESS)]
    assert not any(one.refused for one in held)
    assert opened(connections, "10.0.0.1").refused
    assert not opened(connections, "10.0.0.2").refused
    assert not any(
        opened(connections, "127.0.0.1", has_request=True).refused for _ in range(guard.MOST_PER_ADDRESS + 1)
    )


async def test_a_connection_whose_client_does_not_read_is_aborted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "STALLED_S", 0.05)
    connections = guard.ConnectionGuard()
    inner = _Recorder()
    protocol, transport = connections.guarded(lambda: inner)(), _Transport()
    protocol.connection_made(transport)
    connections.head_received(transport)
    protocol.pause_writing()
    protocol.resume_writing()
    await asyncio.sleep(0.1)
    assert not transport.aborted
    protocol.pause_writing()
    async with asyncio.timeout(20):
        await transport.ended.wait()
    protocol.connection_lost(None)
    assert inner.calls == ["made", "pause", "resume", "pause", "lost"]
    assert not connections._open


class _Recorder(asyncio.Protocol):
    def __init__(self) -> None:
        self.calls: list[str] = []

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
        self.refused = False

    def write(self, data: object) -> None:
        self.refused = data == guard.FULL

    def close(self) -> None:
        pass

    @property
    def aborted(self) -> bool:
        return self.ended.is_set()

    def abort(self) -> None:
        self.ended.set()


async def test_tls_records_can_be_read_into_slices_of_the_buffer() -> None:
    """The TLS of asyncio reads the second record into a slice of the buffer. That of uvloop does not."""
    protocol = guard.ConnectionGuard().guarded(_Recorder)()
    assert isinstance(protocol, asyncio.BufferedProtocol)
    buffer = memoryview(protocol.get_buffer(-1))
    buffer[5:][:3] = b"abc"
    assert bytes(buffer[5:8]) == b"abc"
