"""Limit one connection of the HTTP interface: the time for a request and a response, and the size of a request.

Invariant: a connection with an unfinished request head, or one whose client does not read the response, is closed
within a bounded time. (The server itself closes connections that are idle between requests.) `http_connections.py`
limits the number of connections.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import cast

from autoscaler.telemetry.http_connections import Deadline, HttpConnection, RefusalReason, Stage

HEALTH = "/healthz"
"""The path of the health check."""

UNREAD_S = 10.0
"""Seconds that the client may read nothing after the write buffers are full."""

REQUESTS_AT_ONCE = 4
"""Requests that are begun in one cycle of the event loop, and as many health checks: about 3 ms together."""

READ_BYTES = 16_384
"""Bytes of one read from a connection."""

LINGER_S = 1.0
"""Seconds that a refused connection stays open for the client to read the response."""

LINGER_BYTES = 4 * 2**20
"""Bytes of a refused request, or of a body, that are discarded before the connection is aborted."""


class Guard:
    """Makes guarded protocols. `headers`: those of the responses that no handler makes. Requests are passed on a few at
    a time, so that a burst of them does not delay a poll.
    """

    def __init__(self, handlers: Callable[[], asyncio.Protocol], headers: Mapping[str, str]) -> None:
        self._handlers = handlers
        self._headers = headers
        self._guarded: dict[asyncio.BaseTransport, Guarded] = {}
        self._due: tuple[deque[Callable[[], None]], ...] = deque(), deque()
        """Requests that are not begun yet: health checks, and others."""

    @property
    def full(self) -> bytes:
        """The response to a client for which there is no connection."""
        return FULL.response(self._headers)

    def protocol(self, connection: HttpConnection) -> asyncio.BaseProtocol:
        """Return the protocol of an accepted connection, with a handler behind it."""
        return Guarded(self._handlers(), self, connection)

    def response_sent(self, transport: asyncio.BaseTransport | None) -> None:
        """Record that the request on this connection is answered."""
        if transport in self._guarded:
            self._guarded[transport].response_sent()

    def is_for_health(self, transport: asyncio.BaseTransport | None) -> bool:
        """Return whether the connection is reserved for one health check."""
        return transport in self._guarded and self._guarded[transport].connection.is_for_health

    def add(self, transport: asyncio.BaseTransport, one: Guarded) -> None:
        self._guarded[transport] = one

    def remove(self, transport: asyncio.BaseTransport) -> None:
        self._guarded.pop(transport, None)

    def schedule(self, begin: Callable[[], None], *, is_health_check: bool) -> None:
        """Begin a request in one of the next cycles of the event loop. Health checks do not wait for other requests."""
        if not any(self._due):
            asyncio.get_running_loop().call_soon(self._begin_some)
        self._due[0 if is_health_check else 1].append(begin)

    def _begin_some(self) -> None:
        for due in self._due:
            for _ in range(min(REQUESTS_AT_ONCE, len(due))):
                due.popleft()()
        if any(self._due):
            asyncio.get_running_loop().call_soon(self._begin_some)

    def rejection(self, refusal: RejectedRequest) -> bytes:
        """Return the whole response."""
        return refusal.response(self._headers)


class Guarded(asyncio.BufferedProtocol):
    """The protocol of a connection, with limits of time and size.

    The handler behind it gets one complete request head at a time, and the next one after its response. Further data
    from the client is not read. So a connection holds at most one head and one buffer of `READ_BYTES`.
    """

    def __init__(self, inner: asyncio.Protocol, guard: Guard, connection: HttpConnection) -> None:
        self._inner = inner
        self._guard = guard
        self.connection = connection
        self._write_deadline = Deadline(UNREAD_S)
        self._close_deadline = Deadline(LINGER_S)
        self._buffer = memoryview(b"")
        self._head = Head()
        self._held = b""
        self._is_lost = False
        self._discards = False
        self._discarded = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.connection.abort = self._transport.abort
        self.connection.become(Stage.OPEN)
        self._guard.add(transport, self)
        self._inner.connection_made(transport)

    def response_sent(self) -> None:
        """The request is answered. The next one may follow."""
        self.connection.become(Stage.IDLE)
        if self._held:
            asyncio.get_running_loop().call_soon(self._resume)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 # asyncio's own name
        """Return a memoryview: asyncio's TLS reads several records into slices of it. A bytearray slice is a copy."""
        if not self._buffer:
            self._buffer = memoryview(bytearray(READ_BYTES))
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._take(bytes(self._buffer[:nbytes]))

    def _resume(self) -> None:
        if self._is_lost or self.connection.has_request:
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
        if self.connection.has_request:
            self._hold(data)
            return
        self.connection.expect_head()
        match self._head.feed(data):
            case RejectedRequest() as refusal:
                self._refuse(refusal, len(data))
            case head, rest:
                self._pass_on(head, rest)

    def _pass_on(self, head: bytes, rest: bytes) -> None:
        has_body, self._head = self._head.has_body, Head()
        is_health_check = _is_health_check(head)
        if self.connection.is_for_health and not is_health_check:
            self._refuse(FULL, len(rest))
            return
        self.connection.become(Stage.BUSY)
        self._discards = has_body
        if has_body:
            self._discard(len(rest))
        elif rest:
            self._hold(rest)
        self._guard.schedule(partial(self._handle, head), is_health_check=is_health_check)

    def _handle(self, head: bytes) -> None:
        if not self._is_lost:
            self._inner.data_received(head)
            _break_cycle(self._inner)

    def _hold(self, data: bytes) -> None:
        """Store data that arrived early, and pause reading. A transport that still delivers data is aborted."""
        self._held += data
        self._transport.pause_reading()
        if len(self._held) > 2 * READ_BYTES:
            self._transport.abort()

    def _discard(self, size: int) -> None:
        self._discarded += size
        if self._discarded > LINGER_BYTES:
            self._transport.abort()

    def _refuse(self, refusal: RejectedRequest, size: int) -> None:
        """Send the refusal and close. Until then, further data is discarded: an immediate close would reset the
        connection, and most clients would not receive the response.
        """
        self._discards, self._head = True, Head()
        self.connection.refuse(RefusalReason.NO_ROOM if refusal is FULL else RefusalReason.BAD_REQUEST)
        self.connection.become(Stage.REFUSED)
        self._close_deadline.begin(self._transport.abort)
        self._transport.write(self._guard.rejection(refusal))
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._discard(size)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        self._write_deadline.begin(self._give_up)
        if self.connection.stage is Stage.BUSY:
            self.connection.become(Stage.STALLED)
        self._inner.pause_writing()

    def _give_up(self) -> None:
        self.connection.refuse(RefusalReason.NOT_READ)
        self._transport.abort()

    def resume_writing(self) -> None:
        self._write_deadline.end()
        if self.connection.stage is Stage.STALLED:
            self.connection.become(Stage.BUSY)
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self.connection.release()
        self._guard.remove(self._transport)
        self._write_deadline.end()
        self._close_deadline.end()
        self._held, self._is_lost = b"", True
        self._inner.connection_lost(exc)
        # A TLS connection of uvloop still refers to this protocol. With the transport left here, that is a reference
        # cycle, which holds the buffers of the connection until a garbage collection.
        del self._transport


def _break_cycle(handler: asyncio.Protocol) -> None:
    """Break a reference cycle in aiohttp: it queues the error of a request that it cannot parse, and the traceback of
    the error refers to the queue. The cycle holds the request until a garbage collection, which is rare here.
    """
    for message, _ in getattr(handler, "_messages", ()):
        error = getattr(message, "exc", None)
        if isinstance(error, BaseException):
            error.__traceback__ = None


def _is_health_check(head: bytes) -> bool:
    return head.startswith((f"GET {HEALTH} ".encode(), f"HEAD {HEALTH} ".encode()))


# The limits of one request, checked before it is parsed.
#
# `Head` collects the bytes of one request head: the request line and the header fields. It stores at most `MOST_HEAD`
# bytes and checks each byte once. A request that is too large or is not HTTP/1.1 returns a `RejectedRequest` at the
# first invalid byte, so the parser receives no part of it. A body is never stored: no request here needs one.

MOST_LINE = 4_096
"""Bytes of the request line, without its line end."""

MOST_FIELD = 8_190
"""Bytes of one header field, name and value, without its line end. Browsers send all cookies of a host in one."""

MOST_FIELDS = 64
"""Header fields of one request."""

MOST_HEAD = 16_384
"""Bytes of the whole head, line ends included."""

MOST_BODY = 1_024
"""Bytes of a declared body that is discarded. A request that declares more is refused."""

_TOKEN = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""The characters of a header field name and of a method (RFC 9110, 5.6.2)."""

_CONTROLS = bytes(code for code in range(32) if code != ord("\t")) + b"\x7f"
_VERSIONS = (b"HTTP/1.1", b"HTTP/1.0")


@dataclass(frozen=True, slots=True)
class RejectedRequest:
    """A request that is not parsed. `reason`: one sentence for the client, with the limit."""

    status: HTTPStatus
    reason: str
    retry_after_s: int | None = None

    def response(self, headers: Mapping[str, str]) -> bytes:
        """Return the complete HTTP response, with these headers. The connection is closed after it."""
        body = f"{self.reason}\n".encode()
        own = {"Connection": "close", "Content-Type": "text/plain", "Content-Length": str(len(body))}
        own |= {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}
        lines = [f"HTTP/1.1 {self.status.value} {self.status.phrase}"]
        lines += [f"{name}: {value}" for name, value in {**headers, **own}.items()]
        return "\r\n".join([*lines, "", ""]).encode() + body


class Head:
    """One request head while it arrives. After `feed` has returned a head or a refusal, use a new `Head`."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._line_at = 0
        """The start of the line that is not complete yet."""
        self._lines = 0
        self._length: bytes | None = None
        self.has_body = False
        """The head declares a body, of at most `MOST_BODY` bytes."""

    def feed(self, data: bytes) -> tuple[bytes, bytes] | RejectedRequest | None:
        """Add bytes. Return the complete head and the bytes after it, a refusal, or None: the head is not complete."""
        searched = len(self._buffer)
        self._buffer += data
        while (end := self._buffer.find(b"\n", searched)) >= 0:
            line, searched = bytes(self._buffer[self._line_at : end]), end + 1
            if line == b"\r" and not self._lines:  # an empty line before the request is skipped (RFC 9112, 2.2)
                del self._buffer[:searched]
                searched = 0
            elif refusal := self._too_large(len(line.removesuffix(b"\r")), searched) or self._wrong(line):
                return refusal
            elif line == b"\r":
                return bytes(self._buffer[:searched]), bytes(self._buffer[searched:])
            self._line_at = searched
        unfinished = len(self._buffer) - self._line_at - self._buffer.endswith(b"\r")
        return self._too_large(unfinished, len(self._buffer))

    def _too_large(self, line: int, head: int) -> RejectedRequest | None:
        """Check the sizes so far. `line`: bytes of the newest line, without its end. `head`: bytes of the head."""
        if not self._lines:
            return _TOO_LONG if line > MOST_LINE else None
        fields = self._lines if line else self._lines - 1
        for size, most, what in (
            (line, MOST_FIELD, "bytes in one header field"),
            (fields, MOST_FIELDS, "header fields"),
            (head, MOST_HEAD, "bytes in the request head"),
        ):
            if size > most:
                return RejectedRequest(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"more than {most} {what}")
        return None

    def _wrong(self, line: bytes) -> RejectedRequest | None:
        """Check a complete line, except for its size. `line`: without its line feed."""
        text, is_first = line.removesuffix(b"\r"), not self._lines
        if text == line or text.translate(None, _CONTROLS) != text:
            return _bad("a line of the request head contains a control character or does not end with CR LF")
        if not text:
            return None
        self._lines += 1
        return _of_request_line(text) if is_first else self._of_field(text)

    def _of_field(self, line: bytes) -> RejectedRequest | None:
        name, colon, value = line.partition(b":")
        if not colon or not name or name.translate(None, _TOKEN):
            return _bad("a header field is not `name: value`")
        match name.lower():
            case b"transfer-encoding":
                return _NO_BODY
            case b"content-length":
                return self._of_length(value.strip())
        return None

    def _of_length(self, value: bytes) -> RejectedRequest | None:
        if not value.isdigit() or self._length not in {None, value}:
            return _bad("Content-Length is not one whole number")
        self._length = value
        digits = value.lstrip(b"0")
        if len(digits) > len(str(MOST_BODY)) or int(digits or b"0") > MOST_BODY:
            return _NO_BODY
        self.has_body = bool(digits)
        return None


_TOO_LONG = RejectedRequest(HTTPStatus.REQUEST_URI_TOO_LONG, f"more than {MOST_LINE} bytes in the request line")
_NO_BODY = RejectedRequest(
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {MOST_BODY} bytes in the request body, or a body of unknown length"
)


FULL = RejectedRequest(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections: try again later", 10)


def _bad(reason: str) -> RejectedRequest:
    return RejectedRequest(HTTPStatus.BAD_REQUEST, reason)


def _of_request_line(line: bytes) -> RejectedRequest | None:
    method, _, rest = line.partition(b" ")
    target, _, version = rest.rpartition(b" ")
    if not method or method.translate(None, _TOKEN) or not target or b" " in target:
        return _bad("the request line is not `METHOD target HTTP/1.1`")
    if version not in _VERSIONS:
        return RejectedRequest(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "only HTTP/1.1 and HTTP/1.0 are supported")
    return None
