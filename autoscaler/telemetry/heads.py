"""The bounds of one request, checked before anything parses it.

`Head` collects the bytes of one request head: the request line and the header fields. It keeps at most `MOST_HEAD`
bytes and looks at each byte once. A request that is too large or is not HTTP/1.1 is a `Refusal` at the first byte that
shows it, so nothing of it reaches the parser. A body is never kept: no request here needs one.
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
"""What the name of a header field, and a method, may contain (RFC 9110, 5.6.2)."""

_CONTROLS = bytes(code for code in range(32) if code != ord("\t")) + b"\x7f"
_VERSIONS = (b"HTTP/1.1", b"HTTP/1.0")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not parsed. `reason` is one sentence for the client and names the limit."""

    status: HTTPStatus
    reason: str

    @property
    def response(self) -> bytes:
        """The whole HTTP response. The connection is closed after it."""
        body = f"{self.reason}\n".encode()
        head = (
            f"HTTP/1.1 {self.status.value} {self.status.phrase}\r\nConnection: close\r\n"
            f"Content-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


class Head:
    """One request head while it arrives. Once `feed` has returned a head or a refusal, it is used up."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._line_at = 0
        """Where the line begins that has not ended yet."""
        self._lines = 0
        self._length: bytes | None = None
        self.has_body = False
        """The head declares a body, of at most `MOST_BODY` bytes."""

    def feed(self, data: bytes) -> tuple[bytes, bytes] | Refusal | None:
        """Take the next bytes. Return the complete head and the bytes after it, a refusal, or None: more is needed."""
        searched = len(self._kept)
        self._kept += data
        while (end := self._kept.find(b"\n", searched)) >= 0:
            line, searched = bytes(self._kept[self._line_at : end]), end + 1
            if line == b"\r" and not self._lines:  # an empty line before the request is skipped (RFC 9112, 2.2)
                del self._kept[:searched]
                searched = 0
            elif refusal := self._too_large(len(line.removesuffix(b"\r")), searched) or self._wrong(line):
                return refusal
            elif line == b"\r":
                return bytes(self._kept[:searched]), bytes(self._kept[searched:])
            self._line_at = searched
        unfinished = len(self._kept) - self._line_at - self._kept.endswith(b"\r")
        return self._too_large(unfinished, len(self._kept))

    def _too_large(self, line: int, head: int) -> Refusal | None:
        """`line` and `head` are the bytes so far of the newest line, without its end, and of the head."""
        if not self._lines:
            return _TOO_LONG if line > MOST_LINE else None
        fields = self._lines if line else self._lines - 1
        for size, most, what in (
            (line, MOST_FIELD, "bytes in one header field"),
            (fields, MOST_FIELDS, "header fields"),
            (head, MOST_HEAD, "bytes in the request head"),
        ):
            if size > most:
                return Refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"more than {most} {what}")
        return None

    def _wrong(self, line: bytes) -> Refusal | None:
        """What is wrong with a line that has ended, apart from its size. `line` is without its line feed."""
        text, is_first = line.removesuffix(b"\r"), not self._lines
        if text == line or text.translate(None, _CONTROLS) != text:
            return _bad("a line of the request head contains a control character or does not end with CR LF")
        if not text:
            return None
        self._lines += 1
        return _of_request_line(text) if is_first else self._of_field(text)

    def _of_field(self, line: bytes) -> Refusal | None:
        name, colon, value = line.partition(b":")
        if not colon or not name or name.translate(None, _TOKEN):
            return _bad("a header field is not `name: value`")
        match name.lower():
            case b"transfer-encoding":
                return _NO_BODY
            case b"content-length":
                return self._of_length(value.strip())
        return None

    def _of_length(self, value: bytes) -> Refusal | None:
        if not value.isdigit() or self._length not in {None, value}:
            return _bad("Content-Length is not one whole number")
        self._length = value
        digits = value.lstrip(b"0")
        if len(digits) > len(str(MOST_BODY)) or int(digits or b"0") > MOST_BODY:
            return _NO_BODY
        self.has_body = bool(digits)
        return None


_TOO_LONG = Refusal(HTTPStatus.REQUEST_URI_TOO_LONG, f"more than {MOST_LINE} bytes in the request line")
_NO_BODY = Refusal(
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {MOST_BODY} bytes in the request body, or a body of unknown length"
)


def _bad(reason: str) -> Refusal:
    return Refusal(HTTPStatus.BAD_REQUEST, reason)


def _of_request_line(line: bytes) -> Refusal | None:
    method, _, rest = line.partition(b" ")
    target, _, version = rest.rpartition(b" ")
    if not method or method.translate(None, _TOKEN) or not target or b" " in target:
        return _bad("the request line is not `METHOD target HTTP/1.1`")
    if version not in _VERSIONS:
        return Refusal(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "only HTTP/1.1 and HTTP/1.0 are supported")
    return None
