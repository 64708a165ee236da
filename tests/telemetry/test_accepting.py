"""Accepting over real sockets on loopback: silent, slow and wrong clients are bounded before their first request."""

from __future__ import annotations

import asyncio
import errno
import inspect
import os
import select
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, cast

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.telemetry import accepting, http_connections
from autoscaler.telemetry.accepting import Acceptor, Greeting, Progress, listening_sockets
from autoscaler.telemetry.http_connections import (
    ConnectionLimits,
    HttpConnection,
    OpenConnections,
    RefusalReason,
    Stage,
)
from tests.telemetry.certificates import write_certificate
from tests.telemetry.polls import Lines

LIMITS = ConnectionLimits(8)
LOOPBACK = "127.0.0.1"


def on_both_loops(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run the test on the event loop of the tests and on that of the daemon."""

    def run(loop: Callable[[], asyncio.AbstractEventLoop], **fixtures: Any) -> None:
        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(test(**fixtures))

    run.__name__, signature = test.__name__, inspect.signature(test)
    added = inspect.Parameter("loop", inspect.Parameter.KEYWORD_ONLY)
    vars(run)["__signature__"] = signature.replace(parameters=[*signature.parameters.values(), added])
    vars(run)["pytestmark"] = vars(test).get("pytestmark", [])
    loops = [asyncio.new_event_loop, uvloop.new_event_loop]
    on_both: Callable[..., None] = pytest.mark.parametrize("loop", loops, ids=["asyncio", "uvloop"])(run)
    return on_both


class Echo(asyncio.Protocol):
    """Sends back what it receives."""

    def __init__(self, connection: HttpConnection) -> None:
        self._connection = connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._connection.abort = self._transport.abort
        self._connection.become(Stage.OPEN)

    def data_received(self, data: bytes) -> None:
        self._connection.become(Stage.BUSY)
        self._transport.write(data)

    def connection_lost(self, _: Exception | None) -> None:
        self._connection.release()


@asynccontextmanager
async def accepted(
    tls: ssl.SSLContext | None = None, sockets: list[socket.socket] | None = None
) -> AsyncIterator[tuple[int, OpenConnections]]:
    """Yield the port of an echo server, and its connections. Times out after 30 s."""
    connections = OpenConnections(LIMITS)
    sockets = sockets or await listening_sockets(LOOPBACK, 0)
    port = sockets[0].getsockname()[1]
    acceptor = Acceptor(sockets, connections, Echo, tls, b"refused")
    try:
        async with asyncio.timeout(30):
            yield port, connections
    finally:
        await acceptor.close()


@pytest.fixture
def contexts(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The contexts of the server and of a client that trusts it."""
    certificate = write_certificate(tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, tmp_path / "key.pem")
    return server, ssl.create_default_context(cafile=certificate)


def client(port: int) -> socket.socket:
    one = socket.create_connection((LOOPBACK, port), 20)
    one.setblocking(False)
    return one


async def until(stages: dict[Stage, int], connections: OpenConnections) -> None:
    """Wait until the connections are in these stages."""
    while Counter(one.stage for one in connections) != stages:  # noqa: ASYNC110 - no event reports a stage
        await asyncio.sleep(0)


async def is_closed(one: socket.socket) -> bool:
    with suppress(ConnectionError):
        return await asyncio.get_running_loop().sock_recv(one, 100) == b""
    return True


async def echoed(port: int, tls: ssl.SSLContext | None) -> bool:
    reader, writer = await asyncio.open_connection(
        LOOPBACK, port, ssl=tls, server_hostname="localhost" if tls else None
    )
    writer.write(b"hello\n")
    answer = await reader.readline()
    writer.transport.abort()
    return answer == b"hello\n"


@on_both_loops
@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
async def test_silent_clients_are_bounded_and_others_are_served(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], is_tls: bool
) -> None:
    server, trusting = contexts if is_tls else (None, None)
    async with accepted(server) as (port, connections):
        silent = [client(port) for _ in range(5 * LIMITS.most)]
        dropped = silent[: len(silent) - LIMITS.ordinary]
        for one in dropped:
            assert await is_closed(one), "the oldest ones make room"
        assert len(connections) == LIMITS.ordinary
        assert await echoed(port, trusting)
        for one in silent:
            one.close()
        await until({}, connections)


@on_both_loops
async def test_an_incomplete_tls_greeting_begins_no_handshake(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    server, trusting = contexts
    async with accepted(server) as (port, connections):
        hello = greeting_of(trusting)
        one = client(port)
        for part in (hello[:1], hello[1:4], hello[4:60], hello[60:-1]):
            await asyncio.get_running_loop().sock_sendall(one, part)
            await echo_twice(port, trusting, connections)
            assert [other.stage for other in connections] == [Stage.ARRIVED]
        await asyncio.get_running_loop().sock_sendall(one, hello[-1:])
        await until({Stage.HANDSHAKE: 1}, connections)
        assert (await asyncio.get_running_loop().sock_recv(one, 1)) == b"\x16", "the server's greeting"
        one.close()
        await until({}, connections)


async def echo_twice(port: int, tls: ssl.SSLContext, connections: OpenConnections) -> None:
    """Use two other connections: the server has seen everything that was sent before."""
    for _ in range(2):
        assert await echoed(port, tls)
        await until({Stage.ARRIVED: 1}, connections)


def greeting_of(context: ssl.SSLContext) -> bytes:
    """Return the first bytes of a TLS client."""
    sent = ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname="localhost")
    with suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return sent.read()


@on_both_loops
async def test_handshakes_that_do_not_end_are_bounded_and_others_are_served(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    server, trusting = contexts
    hello = greeting_of(trusting)
    async with accepted(server) as (port, connections):
        started = []
        for _ in range(3 * LIMITS.handshakes):
            started.append(client(port))
            await asyncio.get_running_loop().sock_sendall(started[-1], hello)
            assert (await asyncio.get_running_loop().sock_recv(started[-1], 1)) == b"\x16"
            assert len(connections) <= LIMITS.handshakes
        assert await echoed(port, trusting)
        for one in started:
            one.close()
        await until({}, connections)


@on_both_loops
@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x00", b"\x16\x03\x01\xff\xff", b""])
async def test_a_client_that_does_not_speak_tls_is_closed(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_connections, "HEAD_S", 1_000.0)  # at once, not at the deadline
    async with accepted(contexts[0]) as (port, connections):
        one = client(port)
        await asyncio.get_running_loop().sock_sendall(one, sent)
        if not sent:
            one.shutdown(socket.SHUT_WR)
        assert await is_closed(one)
        await until({}, connections)
        assert connections.refusals == {RefusalReason.TLS_FAILED: 1}
        one.close()


@on_both_loops
async def test_a_handshake_that_fails_leaves_no_connection(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async with accepted(contexts[0]) as (port, connections):
        with pytest.raises(ssl.SSLError):
            await echoed(port, ssl.create_default_context())
        await until({}, connections)
        assert connections.refusals == {RefusalReason.TLS_FAILED: 1}


@on_both_loops
async def test_a_client_without_room_gets_a_refusal_without_tls() -> None:
    async with accepted() as (port, connections):
        held = []
        for _ in range(LIMITS.ordinary + LIMITS.reserved):
            held.append(await asyncio.open_connection(LOOPBACK, port))
            held[-1][1].write(b"hello\n")
            assert await held[-1][0].readline() == b"hello\n"
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        assert await reader.read() == b"refused"
        assert len(connections) == len(held)
        for _, one in [*held, (reader, writer)]:
            one.close()


@on_both_loops
async def test_closing_the_acceptor_closes_silent_and_half_open_connections(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    async with accepted(contexts[0]) as (port, connections):
        silent, begun = client(port), client(port)
        await asyncio.get_running_loop().sock_sendall(begun, greeting_of(contexts[1]))
        await until({Stage.ARRIVED: 1, Stage.HANDSHAKE: 1}, connections)
    assert not list(connections)
    for one in (silent, begun):
        while not await is_closed(one):
            pass  # the server's greeting
        one.close()


class _Failing(socket.socket):
    """A listening socket. Accepting reports the error `code` three times."""

    def __init__(self, code: int) -> None:
        super().__init__()
        self.code, self.failed = code, 0
        self.setblocking(False)
        self.bind((LOOPBACK, 0))
        self.listen()

    def accept(self) -> tuple[socket.socket, Any]:
        if self.failed < 3:
            self.failed += 1
            raise OSError(self.code, os.strerror(self.code))
        return super().accept()


@on_both_loops
async def test_without_a_file_descriptor_accepting_pauses_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accepting, "PAUSE_S", 0.05)
    listening = _Failing(errno.EMFILE)
    async with accepted(sockets=[listening]) as (port, _):
        begun = asyncio.get_running_loop().time()
        assert await echoed(port, None)
        assert asyncio.get_running_loop().time() - begun >= 3 * 0.05, "it does not try again at once"
    assert listening.failed == 3


@pytest.mark.parametrize("code", ["ENETDOWN", "EPROTO", "EHOSTUNREACH", "EPERM", "ETIMEDOUT", "ENOBUFS", "EINVAL"])
@on_both_loops
async def test_an_error_of_a_connection_is_not_an_error_of_the_server(
    monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    monkeypatch.setattr(accepting, "PAUSE_S", 0.01)
    logged = Lines()
    monkeypatch.setattr(accepting, "logger", lambda _: logged)
    errors: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    listening = _Failing(getattr(errno, code))
    async with accepted(sockets=[listening]) as (port, _):
        assert await echoed(port, None)
    assert listening.failed == 3
    assert errors == []
    is_of_process = code in {"ENOBUFS", "EINVAL"}
    assert logged.events == ["http_not_accepting"] * is_of_process, "once, not thrice"


async def test_of_many_handshakes_a_few_begin_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []
    connections = OpenConnections(ConnectionLimits())
    acceptor = Acceptor([], connections, Echo, None, b"")
    monkeypatch.setattr(acceptor, "_begin", lambda *_: begun.append(1))
    for number in range(2 * accepting.STARTED_AT_ONCE + 1):
        one = connections.admit(f"10.0.0.{number}")
        assert one is not None
        acceptor._ready[one] = socket.socket()
    waiting = list(acceptor._ready.values())
    acceptor._begin_handshakes()
    counts = [len(begun)]
    while acceptor._ready:
        await asyncio.sleep(0)
        counts.append(len(begun))
    assert counts == [accepting.STARTED_AT_ONCE, 2 * accepting.STARTED_AT_ONCE, 2 * accepting.STARTED_AT_ONCE + 1]
    for each in waiting:
        each.close()


# The greeting: the first record of a TLS client.


@asynccontextmanager
async def pair() -> AsyncIterator[tuple[socket.socket, socket.socket]]:
    """Yield both ends of a TCP connection."""
    with socket.create_server((LOOPBACK, 0)) as listening:
        sending, receiving = socket.create_connection(listening.getsockname(), 20), listening.accept()[0]
    with sending, receiving:
        receiving.setblocking(False)
        yield sending, receiving


def readable(one: socket.socket, seconds: float) -> bool:
    return bool(select.select([one], [], [], seconds)[0])


@given(content=st.integers(1, 3_000), cuts=st.sets(st.integers(1, 3_004), max_size=4))
def test_a_greeting_is_complete_with_its_last_byte_and_until_then_the_socket_is_not_readable(
    content: int, cuts: set[int]
) -> None:
    record = b"\x16\x03\x01" + content.to_bytes(2) + b"x" * content
    ends = [*sorted(cut for cut in cuts if cut < len(record)), len(record)]

    async def play() -> None:
        async with pair() as (sending, receiving):
            greeting, begin = Greeting(), 0
            for end in ends:
                sending.sendall(record[begin:end])
                begin = end
                if end < len(record):
                    while readable(receiving, 0):
                        assert greeting.progress(receiving) is Progress.INCOMPLETE
            assert readable(receiving, 20)
            while (progress := greeting.progress(receiving)) is Progress.INCOMPLETE:
                assert readable(receiving, 20)
            assert progress is Progress.COMPLETE
            sending.sendall(b"x")
            assert receiving.recv(5_000).startswith(record), "nothing was taken"

    asyncio.run(play())
