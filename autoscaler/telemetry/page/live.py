"""News by server-sent events (WHATWG HTML, 9.2), for a bounded number of listeners.

A listener is a request that looks for news once a second and writes what it has not written yet: there is no queue
that a slow one could fill. One that does not read is cut off by the connection's own guard (`guard.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from aiohttp import ClientConnectionError, hdrs, web

from autoscaler.telemetry.page.rows import News

MOST_LISTENERS = 64

PACE_S = 1.0
"""News is looked for so often."""

QUIET_S = 15.0
"""After so long without news a comment is sent: proxies and browsers see that the line is open."""

RETRY_MS = 3_000
"""A browser that lost the line comes back after so long."""


class Listeners:
    """Everybody who listens."""

    def __init__(self) -> None:
        self._count = 0
        self._closing = asyncio.Event()

    def close(self) -> None:
        """Every stream ends within a moment."""
        self._closing.set()

    @property
    def is_full(self) -> bool:
        return self._count >= MOST_LISTENERS

    async def stream(self, request: web.Request, news: Callable[[str], Awaitable[News | None]]) -> web.StreamResponse:
        """The request is answered with news until either side ends it."""
        response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: "text/event-stream"})
        self._count += 1
        try:
            await response.prepare(request)
            await response.write(f"retry: {RETRY_MS}\n\n".encode())
            await self._tell(request, response, news)
        except ClientConnectionError:
            pass  # the listener is gone
        finally:
            self._count -= 1
        return response

    async def _tell(
        self, request: web.Request, response: web.StreamResponse, news: Callable[[str], Awaitable[News | None]]
    ) -> None:
        known, quiet_s = _known(request), 0.0
        while not self._closing.is_set() and request.transport is not None and not request.transport.is_closing():
            newer = await news(known)
            if newer is not None:
                known, quiet_s = newer.id, 0.0
                await response.write(f"id: {newer.id}\ndata: {newer.data}\n\n".encode())
            elif quiet_s >= QUIET_S:
                quiet_s = 0.0
                await response.write(b":\n\n")
            await self._pause()
            quiet_s += PACE_S

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(PACE_S):
                await self._closing.wait()


def _known(request: web.Request) -> str:
    """What the listener has: of a line that was lost, of the page that he read before, or nothing."""
    return request.headers.get("Last-Event-ID") or request.query.get("since", "")
