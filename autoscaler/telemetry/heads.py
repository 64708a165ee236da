"""The limits of one request, checked before it is parsed.

`Head` collects the bytes of one request head: the request line and the header fields. It stores at most `MOST_HEAD`
bytes and checks each byte once. A request that is too large or is not HTTP/1.1 returns a `RejectedRequest` at the first
invalid byte, so the parser receives no part of it. A body is never stored: no request here needs one.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

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

    @property
    def response(self) -> bytes:
        """The complete HTTP response. The connection is closed after it."""
        body = f"{self.reason}\n".encode()
        head = (
            f"HTTP/1.1 {self.status.value} {self.status.phrase}\r\nConnection: close\r\n"
            f"Content-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


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
