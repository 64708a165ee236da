"""The limits of a request head: one below, at and above each limit, with the bytes split in different places."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from autoscaler.telemetry.guard import MOST_BODY, MOST_FIELD, MOST_FIELDS, MOST_HEAD, MOST_LINE, Head, RejectedRequest

START = b"GET / HTTP/1.1\r\n"


def result_of(pieces: Iterable[bytes]) -> tuple[bytes, bytes] | RejectedRequest | None:
    """Return the result of feeding these pieces to a head, up to the first result. None: the head is not complete."""
    head = Head()
    for piece in pieces:
        if (found := head.feed(piece)) is not None:
            return found
    return None


def status(*pieces: bytes) -> int | None:
    """Return the status of the head. 200: accepted. None: not complete."""
    found = result_of(pieces)
    return found if found is None else found.status.value if isinstance(found, RejectedRequest) else 200


def line(size: int) -> bytes:
    return b"GET /" + b"a" * (size - len(b"GET / HTTP/1.1")) + b" HTTP/1.1\r\n"


def field(size: int) -> bytes:
    return b"X: " + b"a" * (size - 3) + b"\r\n"


def filled(size: int) -> bytes:
    """Return a head of `size` bytes. Each of its fields is within the field limit."""
    head = START + 2 * field(6_000) + b"\r\n"
    return head[:-2] + field(size - len(head) - 2) + b"\r\n"


@pytest.mark.parametrize(
    ("head", "most", "status_above"),
    [
        (lambda size: line(size) + b"\r\n", MOST_LINE, 414),
        (lambda size: START + field(size) + b"\r\n", MOST_FIELD, 431),
        (lambda count: START + b"X: a\r\n" * count + b"\r\n", MOST_FIELDS, 431),
        (filled, MOST_HEAD, 431),
        (lambda size: START + b"Content-Length: %d\r\n\r\n" % size, MOST_BODY, 413),
    ],
    ids=["line", "field", "fields", "head", "body"],
)
def test_a_head_at_a_limit_is_accepted_and_one_above_it_is_refused(head: Any, most: int, status_above: int) -> None:
    for size, expected in ((most - 1, 200), (most, 200), (most + 1, status_above)):
        whole = head(size)
        assert status(whole) == expected
        assert status(*(whole[at : at + 1] for at in range(len(whole)))) == expected, "byte by byte"
        for at in (1, len(whole) // 2, len(whole) - 3, len(whole) - 2, len(whole) - 1):
            assert status(whole[:at], whole[at:]) == expected, f"split at {at}"


GOOD = b"\r\nGET /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\nGET /next"


@pytest.mark.parametrize("at", range(len(GOOD)))
def test_a_head_split_at_any_byte_is_the_same_head(at: int) -> None:
    head = Head()
    first = head.feed(GOOD[:at])
    if first is None:
        first = head.feed(GOOD[at:])
        rest = b""
    else:
        rest = GOOD[at:]
    assert isinstance(first, tuple)
    assert (first[0], first[1] + rest) == (GOOD[2 : -len(b"GET /next")], b"GET /next")
    assert not head.has_body


@pytest.mark.parametrize(
    ("endless", "expected"),
    [(b"a", 414), (b"GET / HTTP/1.1\r\nX: " + b"a" * 10_000, 431), (b"\0", 414), (b" ", 414)],
)
def test_a_head_without_an_end_is_refused_and_its_buffer_is_bounded(endless: bytes, expected: int) -> None:
    head, fed_bytes = Head(), 0
    while (found := head.feed(endless * 100 if len(endless) == 1 else endless)) is None:
        fed_bytes += 100
        assert len(head._buffer) <= MOST_HEAD
        assert fed_bytes < 10 * MOST_HEAD
    assert isinstance(found, RejectedRequest)
    assert found.status == expected
    assert b"Connection: close" in found.response({})


def test_empty_lines_before_a_request_are_not_stored() -> None:
    head = Head()
    for _ in range(10_000):
        assert head.feed(b"\r\n") is None
    assert head._buffer == b""


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (b"GET /\rHTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n folded\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: \x00\r\n\r\n", 400),
        (b"GET / / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 505),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\ncontent-length: " + b"9" * 5_000 + b"\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"PUT / HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", 200),
        (b"GET / HTTP/1.0\r\n\r\n", 200),
    ],
)
def test_a_malformed_or_unsupported_head_is_refused_with_its_status(head: bytes, expected: int) -> None:
    assert status(head) == expected
