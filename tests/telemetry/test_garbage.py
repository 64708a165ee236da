"""No request leaves a reference cycle: garbage collection is rare, and until then a cycle holds the request's bytes."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Iterator

import pytest
import uvloop

from autoscaler.telemetry import serve
from tests.telemetry.polls import holding
from tests.telemetry.test_web import HUNG_AFTER_S, desk_with

REQUESTS = 30
FEW = 10
"""Maximum objects left per request: aiohttp's own route for an unknown path leaves some, of a few bytes each."""

CLOSE = b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
KINDS = {
    "good": b"GET /healthz" + CLOSE + b"\r\n",
    "unknown": b"GET /nowhere" + CLOSE + b"\r\n",
    "method": b"PUT /" + CLOSE + b"\r\n",
    "too long": b"GET /" + b"a" * 100_000 + CLOSE + b"\r\n",
    "not for the parser": b"FOO /" + CLOSE + b"\r\n",
    "two hosts": b"GET /" + CLOSE + b"Host: other\r\n\r\n",
    "body": b"GET /healthz" + CLOSE + b"Content-Length: 9\r\n\r\n123456789",
    "chunks": b"GET /healthz" + CLOSE + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
    "garbage": b"\0\1\2\r\n",
}


@pytest.fixture(autouse=True)
def without_automatic_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def send(port: int, request: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        connection.sendall(request)
        while connection.recv(65_536):
            pass


async def left_by(request: bytes) -> int:
    """Return the number of objects per request that only a garbage collection frees."""
    desk = desk_with(holding())
    async with serve(desk.store, desk.metrics, "127.0.0.1", 0, HUNG_AFTER_S) as port:
        for number in range(2 * REQUESTS):
            if number == REQUESTS:  # objects that are created once are not counted
                gc.collect()
            await asyncio.to_thread(send, port, request)
        return gc.collect() // REQUESTS


@pytest.mark.parametrize("request_", KINDS.values(), ids=KINDS.keys())
def test_no_request_leaves_a_reference_cycle(request_: bytes) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(left_by(request_)) < FEW
