"""The HTTP interface: read only, on one port. It shows the board and the metrics, and changes nothing.

Whatever takes longer than a moment is made in another thread, from values that nobody writes to any more: a scrape
never holds up a tick.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError

from autoscaler.errors import ConfigError, Problem
from autoscaler.telemetry import views
from autoscaler.telemetry.board import Board
from autoscaler.telemetry.logs import as_json
from autoscaler.telemetry.metrics import Form, Metrics, render
from autoscaler.telemetry.page import POLICY, render_page

FRESH_S = 1.0
"""A rendered metrics page is given again for so long: a flood of scrapes costs one rendering a second."""

KEEP_ALIVE_S = 75.0
"""An idle connection is kept for so long: longer than Prometheus's usual minute between scrapes."""

SHUTDOWN_S = 1.0
"""How long a request that is being answered may take to end when we do."""

HEADERS = {
    hdrs.SERVER: "autoscaler",
    hdrs.CACHE_CONTROL: "no-store",
    hdrs.X_CONTENT_TYPE_OPTIONS: "nosniff",
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}

LIMITS: Mapping[str, Any] = {
    "max_line_size": 4096,
    "max_field_size": 8190,
    "max_headers": 64,
    "keepalive_timeout": KEEP_ALIVE_S,
    "lingering_time": 0.0,
}
"""Of a request; and no body is ever waited for."""


@asynccontextmanager
async def serve(board: Board, metrics: Metrics, host: str, port: int, hung_after_s: float) -> AsyncIterator[int]:
    """Serves until the block is left, and gives the port (that the system chose, where `port` is 0).

    `/healthz` fails once a service has not recorded a tick for `hung_after_s`. Raises `ConfigError` where the
    address cannot be had.
    """
    app = application(board, metrics, hung_after_s)
    runner = web.AppRunner(app, access_log=None, logger=_log(), shutdown_timeout=SHUTDOWN_S, **LIMITS)
    await runner.setup()
    try:
        await _bind(runner, host, port)
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


async def _bind(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        raise ConfigError([_problem(error, host, port)]) from error


def _problem(error: OSError, host: str, port: int) -> Problem:
    if error.errno == errno.EADDRINUSE:
        remedy = "stop the other program or set another port"
        return Problem("AUTOSCALER_HTTP_PORT", f"port {port} on {host} is already in use: {remedy}")
    if error.errno == errno.EACCES:
        return Problem(
            "AUTOSCALER_HTTP_PORT", f"port {port} needs more rights than this process has: set one above 1023"
        )
    remedy = "set 127.0.0.1 for this machine only, or 0.0.0.0 for every address of it"
    return Problem(
        "AUTOSCALER_HTTP_HOST", f"{host!r} is not an address of this machine ({error.strerror or error}): {remedy}"
    )


def application(board: Board, metrics: Metrics, hung_after_s: float) -> web.Application:
    """The routes. An unknown path is 404; any method but GET and HEAD is 405."""
    site = _Site(board, metrics, hung_after_s)
    app = web.Application(client_max_size=1024)
    app.add_routes(
        [
            web.get("/", site.page),
            web.get("/metrics", site.metrics),
            web.get("/healthz", site.health),
            web.get("/readyz", site.readiness),
            web.get("/api/v1/services", site.services),
            web.get("/api/v1/services/{key}/decisions", site.decisions),
        ]
    )
    app.on_response_prepare.append(_dress)
    return app


async def _dress(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)


class _Site:
    """The handlers."""

    def __init__(self, board: Board, metrics: Metrics, hung_after_s: float) -> None:
        self._board = board
        self._metrics = MetricsPages(board, metrics)
        self._hung_after_s = hung_after_s

    async def page(self, _request: web.Request) -> web.Response:
        page = await asyncio.to_thread(render_page, self._board.standings())
        return web.Response(body=page.encode(errors="backslashreplace"), content_type="text/html", charset="utf-8")

    async def metrics(self, request: web.Request) -> web.Response:
        form = _form(request.headers.get(hdrs.ACCEPT, ""))
        packed = "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, "")
        headers = {hdrs.CONTENT_TYPE: form.value, hdrs.VARY: "Accept, Accept-Encoding"}
        if packed:
            headers[hdrs.CONTENT_ENCODING] = "gzip"
        return web.Response(body=await self._metrics.get(form, packed=packed), headers=headers)

    async def health(self, _request: web.Request) -> web.Response:
        return _probe(*views.health(self._board, self._hung_after_s))

    async def readiness(self, _request: web.Request) -> web.Response:
        return _probe(*views.readiness(self._board.standings(), self._board.clock()))

    async def services(self, _request: web.Request) -> web.Response:
        return _json(await asyncio.to_thread(views.services, self._board.standings(), self._board.clock()))

    async def decisions(self, request: web.Request) -> web.Response:
        key = request.match_info["key"]
        standing = self._board.find(key)
        if standing is None:
            return _json(
                {"error": "no such service", "services": [s.service.key for s in self._board.standings()]}, 404
            )
        told = self._board.told(key)
        return _json(await asyncio.to_thread(views.decisions, told, standing))


def _log() -> logging.Logger:
    """The server's own logger. What a stranger sends that is not HTTP is answered with 400, and is no event of ours."""
    log = logging.getLogger("autoscaler.http")
    log.addFilter(_is_ours)
    return log


def _is_ours(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


def _form(accept: str) -> Form:
    return Form.OPENMETRICS if "application/openmetrics-text" in accept else Form.TEXT


def _probe(good: bool, body: Mapping[str, Any]) -> web.Response:
    return _json(body, 200 if good else 503)


def _json(body: Mapping[str, Any], status: int = 200) -> web.Response:
    return web.Response(text=as_json(body) + "\n", status=status, content_type="application/json")


class MetricsPages:
    """Rendered metrics, one page per format, each made by one request at a time and off the loop."""

    def __init__(self, board: Board, metrics: Metrics) -> None:
        self._clock = board.clock
        self._metrics = metrics
        self._turn = asyncio.Lock()
        self._pages: dict[tuple[Form, bool], tuple[float, bytes]] = {}

    async def get(self, form: Form, *, packed: bool) -> bytes:
        """The page, at most `FRESH_S` old."""
        async with self._turn:
            at, page = self._pages.get((form, packed), (None, b""))
            now = self._clock()
            if at is None or now - at >= FRESH_S:
                page = await asyncio.to_thread(render, self._metrics.snapshot(), form, by_gzip=packed)
                self._pages[form, packed] = now, page
            return page
