"""Server-sent events (WHATWG HTML, 9.2) for a bounded number of listeners.

A listener is a request that checks for changes once a second and writes the new ones: there is no queue that a slow
client could fill. The guard of the connection (`guard.py`) aborts a client that does not read.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import NamedTuple

from aiohttp import ClientConnectionError, hdrs, web

from autoscaler.telemetry.http_connections import client_of, is_loopback
from autoscaler.telemetry.logs import as_json
from autoscaler.telemetry.page.detail import update
from autoscaler.telemetry.page.rows import News
from autoscaler.telemetry.pages import PIECE_BYTES, cut
from autoscaler.telemetry.past import StatusHistory
from autoscaler.telemetry.status_store import RecordedPoll, ServiceStatus, StatusStore

MOST_LISTENERS = 64

MOST_LISTENERS_PER_ADDRESS = 16
"""Event streams to one address, except loopback."""

PACE_S = 1.0
"""Seconds between checks for changes."""

QUIET_S = 15.0
"""Seconds without an event after which a comment is sent, so that proxies and browsers keep the connection open."""

RETRY_MS = 3_000
"""Milliseconds after which a browser reconnects."""


class Gone(Exception):
    """The service of a stream was removed: its events have ended."""


class Listeners:
    """The open event streams."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()
        """The open event streams by client."""
        self._closing = asyncio.Event()
        self._newest: tuple[News, bytes] | None = None

    def close(self) -> None:
        """End every stream, without a delay."""
        self._closing.set()

    def has_room(self, request: web.Request) -> bool:
        """Return whether one more stream may be opened to the client of this request."""
        host = request.remote or ""
        is_limited = not is_loopback(host) and self._open[client_of(host)] >= MOST_LISTENERS_PER_ADDRESS
        return not is_limited and self._open.total() < MOST_LISTENERS

    async def stream(self, request: web.Request, news: Callable[[str], Awaitable[News | None]]) -> web.StreamResponse:
        """Answer the request with events until either side ends it."""
        response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: "text/event-stream"})
        client = client_of(request.remote or "")
        self._open[client] += 1
        try:
            await response.prepare(request)
            await response.write(f"retry: {RETRY_MS}\n\n".encode())
            await self._send(request, response, news)
        except ClientConnectionError:
            pass  # the client has disconnected
        except Gone:
            pass  # it connects again, and gets 404
        finally:
            self._open[client] -= 1
            self._open += Counter()  # removes the clients without a stream
        return response

    async def _send(
        self, request: web.Request, response: web.StreamResponse, news: Callable[[str], Awaitable[News | None]]
    ) -> None:
        known, quiet_s = _known(request), 0.0
        while not self._closing.is_set() and request.transport is not None and not request.transport.is_closing():
            newer = await news(known)
            if newer is not None:
                known, quiet_s = newer.id, 0.0
                await _write(response, self._encoded(newer))
            elif quiet_s >= QUIET_S:
                quiet_s = 0.0
                await response.write(b":\n\n")
            await self._pause()
            quiet_s += PACE_S

    def _encoded(self, news: News) -> bytes:
        """Return the bytes of the event. All listeners of the same event share them."""
        if self._newest is None or self._newest[0] != news:
            self._newest = news, f"id: {news.id}\ndata: {news.data}\n\n".encode()
        return self._newest[1]

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(PACE_S):
                await self._closing.wait()


async def _write(response: web.StreamResponse, event: bytes) -> None:
    """Send the event in pieces: a client that does not read holds one of them."""
    for piece in cut(memoryview(event), PIECE_BYTES):
        await response.write(piece)


def _known(request: web.Request) -> str:
    """Return the last event that the client has, from a lost connection or from the page. Empty: none."""
    return request.headers.get("Last-Event-ID") or request.query.get("since", "")


# The server-sent events of one service. Each event is rendered once for all its listeners.


class _Made(NamedTuple):
    status: ServiceStatus
    text: str


class EventStream:
    """Renders the changes of the watched services. At most `MOST_LISTENERS` rendered events are cached."""

    def __init__(self, store: StatusStore) -> None:
        self._store = store
        self._lock = asyncio.Lock()
        self._made: OrderedDict[tuple[str, str], _Made] = OrderedDict()

    async def news(self, key: str, since: str) -> News | None:
        """Return the changes after `since` (seconds since the epoch, from the page or the last event). None: there is
        no newer poll. Raises `Gone` if the service was removed: its page would show the last values as live.
        """
        status = self._store.find(key)
        if status is None:
            raise Gone(key)
        if status.poll is None or status.wall == _seconds(since):
            return None
        async with self._lock:  # one is rendered at a time
            known = self._made.get((key, since))
            if known is None or known.status is not status:
                recorded, past = self._store.recorded(key), self._store.past(key)
                known = _Made(status, await asyncio.to_thread(_text, status, recorded, past, _seconds(since)))
                self._made[key, since] = known
                if len(self._made) > MOST_LISTENERS:
                    self._made.popitem(last=False)
        return News(f"{status.wall}", known.text)


def _text(status: ServiceStatus, recorded: tuple[RecordedPoll, ...], past: StatusHistory | None, since: float) -> str:
    return as_json(update(status, recorded, past, since))


def _seconds(text: str) -> float:
    """Return the number. Any other text is 0: before everything."""
    try:
        return float(text)
    except ValueError:
        return 0.0
