"""At the door: so many connections and no more, and none for whoever does not speak or does not listen.

Law: a connection that has begun a request and not ended its head, or that takes nothing of what is written to it, is
cut off in a bounded time. (The server itself ends those that are idle between requests.) And nobody elsewhere takes the
last places: what asks from this machine, as a container's health check does, is let in however many hold the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import cast

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

FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 10\r\nContent-Type: text/plain\r\n"
    b"Content-Length: 21\r\n\r\ntoo many connections\n"
)


class Door:
    """Where everybody comes in."""

    def __init__(self) -> None:
        self._open: dict[asyncio.BaseTransport, _Guarded] = {}

    def before(self, handlers: Callable[[], asyncio.Protocol]) -> Callable[[], asyncio.Protocol]:
        """Makes the protocol of each new connection: what `handlers` makes, guarded."""
        return lambda: _Guarded(handlers, self)

    def heard(self, transport: asyncio.BaseTransport | None) -> None:
        """The head of a request has come in whole on that connection."""
        if transport in self._open:
            self._open[transport].heard()

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


class _Guarded(asyncio.Protocol):
    """A connection's protocol, with an eye on the time. `peer`: its address; empty where the system knows none."""

    def __init__(self, handlers: Callable[[], asyncio.Protocol], door: Door) -> None:
        self._handlers = handlers
        self._door = door
        self._speaking = _Deadline(HEAD_S)
        self._listening = _Deadline(STALLED_S)
        self.has_spoken = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)
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

    def data_received(self, data: bytes) -> None:
        self._speaking.begin(self._transport)
        self._inner.data_received(data)

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
        self._inner.connection_lost(exc)


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
