"""The door: too many, too slow, too deaf."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from autoscaler.telemetry import guard, serve
from tests.telemetry.test_web import HUNG_AFTER_S, desk_with
from tests.telemetry.ticks import holding

ASK = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def connected(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port)


async def status(reader: asyncio.StreamReader) -> bytes:
    return (await reader.readline()).split(b" ")[1]


@asynccontextmanager
async def visitor() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to a daemon that serves, for twenty seconds at most."""
    desk = desk_with(holding())
    async with serve(desk.store, desk.metrics, "127.0.0.1", 0, HUNG_AFTER_S) as port, asyncio.timeout(20):
        reader, writer = await connected(port)
        yield reader, writer
        writer.close()


async def is_cut_off(reader: asyncio.StreamReader) -> None:
    """Nothing comes any more, and no answer came."""
    with suppress(ConnectionResetError):
        assert await reader.read() == b""


async def test_beyond_so_many_connections_one_hears_503_until_another_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "MOST_CONNECTIONS", 3)
    desk = desk_with(holding())
    async with serve(desk.store, desk.metrics, "127.0.0.1", 0, HUNG_AFTER_S) as port, asyncio.timeout(20):
        held = [await connected(port) for _ in range(3)]
        for reader, writer in held:
            writer.write(ASK)
            assert await status(reader) == b"200"
        reader, refused = await connected(port)
        refusal = await reader.read()
        refused.close()
        assert refusal.startswith(b"HTTP/1.1 503 ")
        head, _, body = refusal.partition(b"\r\n\r\n")
        assert b"Content-Length: %d" % len(body) in head
        held[0][1].close()
        answered = b"503"
        while answered == b"503":
            reader, writer = await connected(port)
            writer.write(ASK)
            answered = await status(reader)
            writer.close()
        for _, writer in held:
            writer.close()


@pytest.mark.parametrize("begun", [b"", ASK[:20]], ids=["nothing", "half a head"])
async def test_whoever_does_not_end_his_request_is_cut_off(monkeypatch: pytest.MonkeyPatch, begun: bytes) -> None:
    monkeypatch.setattr(guard, "HEAD_S", 0.05)
    async with visitor() as (reader, writer):
        writer.write(begun)
        await is_cut_off(reader)


async def test_whoever_drips_is_cut_off_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte is in time, the head is not."""
    monkeypatch.setattr(guard, "HEAD_S", 0.2)
    async with visitor() as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nX-Drip: ")
        while not reader.at_eof() and reader.exception() is None:
            writer.write(b"x")
            await asyncio.sleep(0.02)


async def test_whoever_does_not_end_his_second_request_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "HEAD_S", 0.05)
    async with visitor() as (reader, writer):
        writer.write(ASK)
        await reader.readuntil(b"}\n")
        writer.write(ASK[:20])
        await is_cut_off(reader)


async def test_one_that_is_idle_between_requests_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "HEAD_S", 0.05)
    async with visitor() as (reader, writer):
        for _ in range(2):
            writer.write(ASK)
            assert await status(reader) == b"200"
            await reader.readuntil(b"}\n")
            await asyncio.sleep(0.2)


def come(door: guard.Door, peer: str, *, speaks: bool = False) -> _Transport:
    """A connection from there, which asks for something or is silent."""
    transport = _Transport(peer)
    door.before(_Recorder)().connection_made(transport)
    if speaks:
        door.heard(transport)
    return transport


async def test_however_many_come_from_elsewhere_the_own_health_check_is_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "MOST_OF_ONE", 300)
    door = guard.Door()
    held = [come(door, f"10.0.{number // 200}.{number % 200}", speaks=True) for number in range(300)]
    most = guard.MOST_CONNECTIONS - guard.KEPT_FREE
    assert [one.refused for one in held] == [False] * most + [True] * (300 - most)
    for near in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
        assert not come(door, near, speaks=True).refused


async def test_with_every_place_taken_by_the_silent_the_own_health_check_is_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guard, "MOST_CONNECTIONS", 3)
    desk = desk_with(holding())
    async with serve(desk.store, desk.metrics, "127.0.0.1", 0, HUNG_AFTER_S) as port, asyncio.timeout(20):
        idle = [await connected(port) for _ in range(6)]
        reader, writer = await connected(port)
        writer.write(ASK)
        assert await status(reader) == b"200"
        for _, one in [*idle, (reader, writer)]:
            one.close()


async def test_where_all_is_full_the_oldest_that_asked_for_nothing_yet_makes_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guard, "MOST_CONNECTIONS", guard.KEPT_FREE + 4)
    door = guard.Door()
    near = come(door, "127.0.0.1")
    asked = come(door, "10.0.0.1", speaks=True)
    older, newer = come(door, "10.0.0.2"), come(door, "10.0.0.3")
    assert not come(door, "10.0.0.4", speaks=True).refused
    assert [one.aborted for one in (near, asked, older, newer)] == [False, False, True, False]
    assert not come(door, "10.0.0.5", speaks=True).refused
    assert newer.aborted
    assert come(door, "10.0.0.6").refused, "nobody elsewhere drives out one that is near, or one that has asked"
    assert not near.aborted
    assert not asked.aborted


async def test_no_single_address_takes_all_places_unless_it_is_loopback() -> None:
    door = guard.Door()
    held = [come(door, "10.0.0.1", speaks=True) for _ in range(guard.MOST_OF_ONE)]
    assert not any(one.refused for one in held)
    assert come(door, "10.0.0.1").refused
    assert not come(door, "10.0.0.2").refused
    assert not any(come(door, "127.0.0.1", speaks=True).refused for _ in range(guard.MOST_OF_ONE + 1))


async def test_whoever_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "STALLED_S", 0.05)
    door = guard.Door()
    inner = _Recorder()
    protocol, transport = door.before(lambda: inner)(), _Transport()
    protocol.connection_made(transport)
    door.heard(transport)
    protocol.pause_writing()
    protocol.resume_writing()
    await asyncio.sleep(0.1)
    assert not transport.aborted
    protocol.pause_writing()
    async with asyncio.timeout(20):
        await transport.ended.wait()
    protocol.connection_lost(None)
    assert inner.heard == ["made", "pause", "resume", "pause", "lost"]
    assert not door._open


class _Recorder(asyncio.Protocol):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.heard.append("made")

    def pause_writing(self) -> None:
        self.heard.append("pause")

    def resume_writing(self) -> None:
        self.heard.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.heard.append("lost")


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


async def test_a_request_in_several_records_of_tls_is_whole() -> None:
    """asyncio's own TLS reads the second record into a slice of the buffer; uvloop's does not."""
    protocol = guard.Door().before(_Recorder)()
    assert isinstance(protocol, asyncio.BufferedProtocol)
    buffer = memoryview(protocol.get_buffer(-1))
    buffer[5:][:3] = b"abc"
    assert bytes(buffer[5:8]) == b"abc"
