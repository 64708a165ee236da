"""At the door: so many connections and no more, and none for whoever does not speak or does not listen.

Law: a connection that has begun a request and not ended its head, or that takes nothing of what is written to it, is
cut off in a bounded time. (The server itself ends those that are idle between requests.)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

MOST_CONNECTIONS = 256
"""Beyond that one hears 503 and nothing more: files that the process may open are needed for AWS."""

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

        def protocol() -> asyncio.Protocol:
            return _Refusal() if len(self._open) >= MOST_CONNECTIONS else _Guarded(handlers(), self._open)

        return protocol

    def heard(self, transport: asyncio.BaseTransport | None) -> None:
        """The head of a request has come in whole on that connection."""
        if transport in self._open:
            self._open[transport].heard()


class _Refusal(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        speaking = cast("asyncio.WriteTransport", transport)
        speaking.write(FULL)
        speaking.close()


class _Guarded(asyncio.Protocol):
    """A connection's protocol, with an eye on the time."""

    def __init__(self, inner: asyncio.Protocol, everyone: dict[asyncio.BaseTransport, _Guarded]) -> None:
        self._inner = inner
        self._everyone = everyone
        self._speaking = _Deadline(HEAD_S)
        self._listening = _Deadline(STALLED_S)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)
        self._everyone[transport] = self
        self._speaking.begin(self._transport)
        self._inner.connection_made(transport)

    def heard(self) -> None:
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
        self._everyone.pop(self._transport, None)
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
