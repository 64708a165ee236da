"""Accept the connections of the HTTP interface, and begin their TLS handshakes, a few at a time.

A client without a complete TLS greeting (ClientHello) costs a socket and a timer: nothing is computed for it. The
server of asyncio would create a TLS connection of 110 KB at once, and report nothing before the handshake has ended.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import Enum, auto

from autoscaler.telemetry.http_connections import HEAD_S, HttpConnection, OpenConnections, RefusalReason
from autoscaler.telemetry.logs import logger

BACKLOG = 1_024
"""Connections that wait in the kernel. Above that the kernel drops them, and a client repeats its attempt after 1 s."""

ACCEPTED_AT_ONCE = 16
"""Connections that are accepted in one cycle of the event loop: about 2 ms. However many clients connect, a new one of
the 224 ordinary connections stays for 14 cycles. A request that was sent immediately is read after about four.
"""

STARTED_AT_ONCE = 4
"""TLS handshakes that are begun in one cycle of the event loop: about 2 ms each with an RSA key of 2,048 bits."""

PAUSE_S = 1.0
"""Seconds without accepting after an error of the process, such as that it has no file descriptors left."""

WARN_S = 60.0
"""Seconds until an error of the process is logged again."""

SHUTDOWN_S = 2.0
"""Seconds that a client may take to confirm the end of TLS. The default is 30."""

FAILED_CONNECTION = frozenset(
    {
        errno.ECONNABORTED, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH, errno.ENONET,
        errno.ENOPROTOOPT, errno.EOPNOTSUPP, errno.EPERM, errno.EPROTO, errno.ETIMEDOUT,
    }
)  # fmt: skip
"""Errors of one connection that accept(2) of Linux reports: of its network, or because a firewall forbids it."""


class Acceptor:
    """Accepts connections on the sockets until `close`. `protocols` returns the protocol of a connection; `tls` None:
    plain TCP. `refusal`: sent to a client for whose connection there is no room, without TLS.
    """

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        connections: OpenConnections,
        protocols: Callable[[HttpConnection], asyncio.BaseProtocol],
        tls: ssl.SSLContext | None,
        refusal: bytes,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._sockets = sockets
        self._connections = connections
        self._protocols = protocols
        self._tls = tls
        self._refusal = refusal
        self._ready: dict[HttpConnection, socket.socket] = {}
        """Connections whose TLS greeting is complete, in their order."""
        self._tasks: dict[asyncio.Task[None], HttpConnection] = {}
        self._arrived: dict[HttpConnection, socket.socket] = {}
        self._is_closed = False
        self._warn_after = float("-inf")
        self._resume()

    async def close(self) -> None:
        """Stop accepting, and abort the connections that have no protocol yet."""
        self._is_closed = True
        for listening in self._sockets:
            self._loop.remove_reader(listening)
            listening.close()
        for one in [*self._arrived, *self._ready, *self._tasks.values()]:
            one.drop()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _resume(self) -> None:
        if not self._is_closed:
            for listening in self._sockets:
                self._loop.add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        # The reserved connections are few: more than these in one cycle would replace each other before they are read.
        for _ in range(min(ACCEPTED_AT_ONCE, self._connections.limits.reserved)):
            try:
                accepted, address = listening.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno not in FAILED_CONNECTION:
                    self._pause(error)
                return
            self._admit(accepted, str(address[0]))

    def _pause(self, error: OSError) -> None:
        """Stop accepting for a while: without a free file descriptor or memory, or with an error that stays, the event
        loop would do nothing else. It is logged at most once in `WARN_S`.
        """
        if self._loop.time() >= self._warn_after:
            self._warn_after = self._loop.time() + WARN_S
            cause = error.strerror or type(error).__name__
            sentence = f"the HTTP server cannot accept connections ({cause}); it tries again every {PAUSE_S:g} s"
            logger("http").warning("http_not_accepting", error=cause, sentence=sentence)
        for listening in self._sockets:
            self._loop.remove_reader(listening)
        self._loop.call_later(PAUSE_S, self._resume)

    def _admit(self, accepted: socket.socket, host: str) -> None:
        accepted.setblocking(False)
        one = self._connections.admit(host)
        if one is None:
            _refuse(accepted, self._refusal if self._tls is None else b"")
            return
        if self._tls is None:
            self._begin(one, accepted)
            return
        self._arrived[one] = accepted
        one.abort = lambda: self._forget(one, accepted)
        greeting = Greeting()
        self._loop.add_reader(accepted, self._readable, one, accepted, greeting)
        self._readable(one, accepted, greeting)  # most greetings are received together with the connection

    def _forget(self, one: HttpConnection, accepted: socket.socket) -> None:
        """Close a connection whose handshake has not begun."""
        if self._arrived.pop(one, None) is not None:
            self._loop.remove_reader(accepted)
        self._ready.pop(one, None)
        accepted.close()

    def _readable(self, one: HttpConnection, accepted: socket.socket, greeting: Greeting) -> None:
        progress = greeting.progress(accepted)
        if progress is Progress.FAILED:
            one.drop(RefusalReason.TLS_FAILED)
        elif progress is Progress.COMPLETE:
            self._loop.remove_reader(accepted)
            self._ready[one] = self._arrived.pop(one)
            if len(self._ready) == 1:
                self._loop.call_soon(self._begin_handshakes)

    def _begin_handshakes(self) -> None:
        """Begin some of the handshakes that are due, and the others in the next cycles of the event loop."""
        for one in list(self._ready)[:STARTED_AT_ONCE]:
            accepted = self._ready.pop(one)
            self._connections.begin_handshake(one)
            self._begin(one, accepted)
        if self._ready:
            self._loop.call_soon(self._begin_handshakes)

    def _begin(self, one: HttpConnection, accepted: socket.socket) -> None:
        one.abort = lambda: _shut(accepted)
        task = self._loop.create_task(self._connect(one, accepted))
        self._tasks[task] = one
        task.add_done_callback(self._tasks.pop)

    async def _connect(self, one: HttpConnection, accepted: socket.socket) -> None:
        """Give the connection its protocol, after the TLS handshake if there is one. Its deadline is that of the first
        request.
        """
        tls = self._tls
        handshake_s, shutdown_s = (None, None) if tls is None else (HEAD_S, SHUTDOWN_S)
        try:
            await self._loop.connect_accepted_socket(
                lambda: self._protocols(one),
                accepted,
                ssl=tls,
                ssl_handshake_timeout=handshake_s,
                ssl_shutdown_timeout=shutdown_s,
            )
        except OSError:  # the handshake failed, or the connection was dropped
            one.refuse(RefusalReason.TLS_FAILED)
            one.release()


class Progress(Enum):
    """The progress of a TLS greeting."""

    INCOMPLETE = auto()
    COMPLETE = auto()
    FAILED = auto()


class Greeting:
    """The first record of a TLS client, its ClientHello. Until it is complete, it stays in the kernel, and nothing is
    computed for it: a handshake takes 110 KB, a socket none.
    """

    RECORD, HANDSHAKE_TYPE = 5, 22
    """The bytes before a record's content: type, version, length. The type of a handshake (RFC 8446, 5.1)."""

    MOST_BYTES = 16_384

    def __init__(self) -> None:
        self._needed = 1

    def progress(self, accepted: socket.socket) -> Progress:
        """Check the received bytes. If some are missing, the socket is not readable until they are received."""
        try:
            received = accepted.recv(self.RECORD + self.MOST_BYTES, socket.MSG_PEEK)
            if len(received) < self._needed or received[0] != self.HANDSHAKE_TYPE:
                return Progress.FAILED  # the client has closed the connection, or does not speak TLS
            self._needed = self.RECORD
            if len(received) >= self.RECORD:
                content = int.from_bytes(received[3 : self.RECORD])
                if not 0 < content <= self.MOST_BYTES:
                    return Progress.FAILED
                self._needed += content
            is_complete = len(received) >= self._needed > self.RECORD
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1 if is_complete else self._needed)
        except BlockingIOError:
            return Progress.INCOMPLETE
        except OSError:
            return Progress.FAILED
        return Progress.COMPLETE if is_complete else Progress.INCOMPLETE


def _refuse(accepted: socket.socket, refusal: bytes) -> None:
    """Send the refusal and close. Received bytes are read: otherwise the close would reset the connection, and most
    clients would not receive the response.
    """
    with suppress(OSError), accepted:
        accepted.send(refusal)
        accepted.recv(16_384)


def _shut(accepted: socket.socket) -> None:
    """End a connection that a transport owns: its reads end immediately."""
    with suppress(OSError):
        accepted.shutdown(socket.SHUT_RDWR)


async def listening_sockets(host: str, port: int) -> list[socket.socket]:
    """Return a listening socket for each address of the host (empty: all addresses). Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    sockets: list[socket.socket] = []
    try:
        for family, kind, protocol, _, address in dict.fromkeys(found):
            sockets += _listening(family, kind, protocol, address)
    except OSError:
        for one in sockets:
            one.close()
        raise
    if not sockets:
        raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
    return sockets


def _listening(family: int, kind: int, protocol: int, address: tuple[object, ...]) -> list[socket.socket]:
    """Return the listening socket. Empty: this machine does not have the address, or no such family."""
    try:
        one = socket.socket(family, kind, protocol)
    except OSError:
        return []
    try:
        one.setblocking(False)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(address)
        one.listen(BACKLOG)
    except OSError as error:
        one.close()
        if error.errno == errno.EADDRNOTAVAIL:
            return []
        raise
    return [one]
