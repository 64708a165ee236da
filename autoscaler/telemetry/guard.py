"""At the door: so many connections and no more, none for whoever does not speak or does not listen, and no request
that is too large.

Law: a connection that has begun a request and not ended its head, or that takes nothing of what is written to it, is
cut off in a bounded time. (The server itself ends those that are idle between requests.) And nobody elsewhere takes the
last places: what asks from this machine, as a container's health check does, is let in however many hold the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import cast

from autoscaler.telemetry.heads import Head, Refusal

MOST_CONNECTIONS = 256
"""Beyond that one hears 503 and nothing more: files that the process may open are needed for AWS."""

KEPT_FREE = 16
"""Of these, so many are for loopback peers alone: orchestrators end a container whose health check is refused."""

MOST_OF_ONE = 64
"""So many may come from one address that is not loopback: four such are needed to take what is not kept free."""

HEAD_S = 10.0
"""So long the head of a request may take, from its first byte; the first one, and a TLS handshake, from the start."""

STALLED_S = 10.0
"""So long nobody may take what is written, once the buffers are full."""

READ_BYTES = 16_384
"""Bytes that are read from one connection at a time."""

LINGER_S = 1.0
"""Seconds that a refused connection stays open for the client to read the answer."""

LINGER_BYTES = 4 * 2**20
"""Bytes of a refused request, or of a body, that are discarded before the connection is cut off."""

FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 10\r\nContent-Type: text/plain\r\n"
    b"Content-Length: 21\r\n\r\ntoo many connections\n"
)


class Door:
    """Where everybody comes in."""

    def __init__(self) -> None:
        self._open: dict[asyncio.BaseTransport, _Guarded] = {}

    def before(self, handlers: Callable[[], asyncio.Protocol]) -> Callable[[], asyncio.BaseProtocol]:
        """Makes the protocol of each new connection: what `handlers` makes, guarded."""
        return lambda: _Guarded(handlers, self)

    def heard(self, transport: asyncio.BaseTransport | None) -> None:
        """The head of a request has come in whole on that connection."""
        if transport in self._open:
            self._open[transport].heard()

    def answered(self, transport: asyncio.BaseTransport | None) -> None:
        """The request that was heard there is answered."""
        if transport in self._open:
            self._open[transport].answered()

    def admits(self, transport: asyncio.BaseTransport, one: _Guarded) -> bool:
        """Whether there is a place for it, which it then has until it leaves."""
        admitted = self._has_room(one)
        if admitted:
            self._open[transport] = one
        return admitted

    def leave(self, transport: asyncio.BaseTransport) -> None:
        """Its place is free."""
        self._open.pop(transport, None)

    def _has_room(self, one: _Guarded) -> bool:
        """Where there is none, whoever came first and has asked for nothing yet makes some."""
        others = self._open.values()
        if one.is_near:
            return len(others) < MOST_CONNECTIONS or self._drop(others)
        same = [other for other in others if other.peer == one.peer]
        if len(same) >= MOST_OF_ONE:
            return self._drop(same)
        return len(others) < MOST_CONNECTIONS - KEPT_FREE or self._drop(each for each in others if not each.is_near)

    def _drop(self, among: Iterable[_Guarded]) -> bool:
        silent = next((one for one in among if not one.has_spoken), None)
        if silent is not None:
            silent.drop()
        return silent is not None


class _Refusal(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        speaking = cast("asyncio.WriteTransport", transport)
        speaking.write(FULL)
        speaking.close()


class _Guarded(asyncio.BufferedProtocol):
    """A connection's protocol, with an eye on the time and on the size. `peer`: its address; empty where the system
    knows none.

    The handler behind it gets one complete request head at a time, and the next one after it has answered. What a
    client sends beyond that is not read. So one connection keeps at most one head and one buffer, `READ_BYTES`.
    """

    def __init__(self, handlers: Callable[[], asyncio.Protocol], door: Door) -> None:
        self._handlers = handlers
        self._door = door
        self._speaking = _Deadline(HEAD_S)
        self._listening = _Deadline(STALLED_S)
        self._leaving = _Deadline(LINGER_S)
        self._buffer = memoryview(b"")
        self._head = Head()
        self._held = b""
        self._is_busy = False
        self._is_lost = False
        self._discards = False
        self._discarded = 0
        self.has_spoken = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.peer = str((transport.get_extra_info("peername") or [""])[0])
        self.is_near = is_loopback(self.peer)
        self._inner = self._handlers() if self._door.admits(transport, self) else _Refusal()
        self._speaking.begin(self._transport)
        self._inner.connection_made(transport)

    def drop(self) -> None:
        """Its place is free at once, and the connection is cut off."""
        self._door.leave(self._transport)
        self._transport.abort()

    def heard(self) -> None:
        self.has_spoken = True
        self._speaking.end()

    def answered(self) -> None:
        """The request that was passed on is answered; the next one may follow."""
        self._is_busy = False
        if self._held:
            asyncio.get_running_loop().call_soon(self._go_on)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 # asyncio's own name
        """A view, since asyncio's TLS reads several records into slices of it: a slice of a bytearray were a copy."""
        if not self._buffer:
            self._buffer = memoryview(bytearray(READ_BYTES))
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._take(bytes(self._buffer[:nbytes]))

    def _go_on(self) -> None:
        if self._is_lost or self._is_busy:
            return
        held, self._held = self._held, b""
        self._transport.resume_reading()
        self._take(held)

    def _take(self, data: bytes) -> None:
        if self._transport.is_closing():
            return
        if self._discards:
            self._discard(len(data))
            return
        if self._is_busy:
            self._hold(data)
            return
        self._speaking.begin(self._transport)
        match self._head.feed(data):
            case Refusal() as refusal:
                self._refuse(refusal, len(data))
            case head, rest:
                self._pass_on(head, rest)

    def _pass_on(self, head: bytes, rest: bytes) -> None:
        self._is_busy, self._discards = True, self._head.has_body
        self._head = Head()
        if self._discards:
            self._discard(len(rest))
        elif rest:
            self._hold(rest)
        self._inner.data_received(head)
        _untie(self._inner)

    def _hold(self, data: bytes) -> None:
        """Keep what came too early, and read no more. A transport that delivers all the same is cut off."""
        self._held += data
        self._transport.pause_reading()
        if len(self._held) > 2 * READ_BYTES:
            self._transport.abort()

    def _discard(self, size: int) -> None:
        self._discarded += size
        if self._discarded > LINGER_BYTES:
            self._transport.abort()

    def _refuse(self, refusal: Refusal, size: int) -> None:
        """Answer and close. Until then, what still arrives is discarded: closing at once would reset the connection,
        and most clients would not see the answer.
        """
        self._discards, self._head = True, Head()
        self._speaking.end()
        self._leaving.begin(self._transport)
        self._transport.write(refusal.response)
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._discard(size)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        self._listening.begin(self._transport)
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._listening.end()
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._door.leave(self._transport)
        self._speaking.end()
        self._listening.end()
        self._leaving.end()
        self._held, self._is_lost = b"", True
        self._inner.connection_lost(exc)
        # A TLS connection of uvloop refers to this protocol even now: with the transport left here that were a
        # reference cycle, which would keep the connection's buffers until a garbage collection.
        del self._transport


def _untie(handler: asyncio.Protocol) -> None:
    """aiohttp queues the error of a request that it cannot parse, and the error's traceback refers to the queue: a
    reference cycle that would keep the request until a garbage collection, which this process rarely runs.
    """
    for message, _ in getattr(handler, "_messages", ()):
        error = getattr(message, "exc", None)
        if isinstance(error, BaseException):
            error.__traceback__ = None


class _Deadline:
    """Once begun, and not ended in time, it aborts the connection."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, transport: asyncio.WriteTransport) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, transport.abort)

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def is_loopback(host: str) -> bool:
    """Whether that address is this machine's loopback, also where IPv6 wraps IPv4. A name is none."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
