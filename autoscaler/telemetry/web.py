"""The HTTP interface: read only, on one port. It shows the board and the metrics, and changes nothing.

Every answer forbids a browser to run, fetch or frame anything but our own files. Whatever takes longer than a moment
is made in another thread, from values that nobody writes to any more: a scrape never holds up a tick.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, cast

from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler, Middleware

from autoscaler.errors import ConfigError, Problem
from autoscaler.telemetry import views
from autoscaler.telemetry.access import CHALLENGE, Access
from autoscaler.telemetry.guard import HEAD_S, Door
from autoscaler.telemetry.heads import MOST_FIELD, MOST_FIELDS, MOST_LINE
from autoscaler.telemetry.hosts import Hosts
from autoscaler.telemetry.logs import as_json
from autoscaler.telemetry.metrics import Form, Metrics, render
from autoscaler.telemetry.page import MOST_LISTENERS, POLICY, Listeners, Looks, News, Rows, assets, whole
from autoscaler.telemetry.status_store import StatusStore

FRESH_S = 1.0
"""A rendered metrics page is given again for so long: a flood of scrapes costs one rendering a second."""

KEEP_ALIVE_S = 75.0
"""An idle connection is kept for so long: longer than Prometheus's usual minute between scrapes."""

SHUTDOWN_S = 1.0
"""How long a request that is being answered may take to end when we do."""

HEADERS = {
    hdrs.SERVER: "autoscaler",
    hdrs.X_CONTENT_TYPE_OPTIONS: "nosniff",
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}

LIMITS: Mapping[str, Any] = {
    "max_line_size": MOST_LINE,
    "max_field_size": MOST_FIELD,
    "max_headers": MOST_FIELDS,
    "keepalive_timeout": KEEP_ALIVE_S,
    "lingering_time": 0.0,
}
"""Of a request, checked by the door before aiohttp parses anything; and no body is ever waited for."""


@asynccontextmanager
async def serve(
    store: StatusStore, metrics: Metrics, host: str, port: int, hung_after_s: float, *, access: Access | None = None
) -> AsyncIterator[int]:
    """Serves until the block is left, and gives the port (that the system chose, where `port` is 0).

    `access` None: to everybody. `/healthz` fails once a service has not recorded a tick for `hung_after_s`. Raises
    `ConfigError` where the address cannot be had.
    """
    door, access = Door(), access or Access()
    app = application(store, metrics, hung_after_s, _admitted(door, Hosts(host), access))
    runner = web.AppRunner(app, access_log=None, logger=_log(), shutdown_timeout=SHUTDOWN_S, **LIMITS)
    await runner.setup()
    try:
        listening = await _listen(door.before(cast("web.Server", runner.server)), host, port, access)
        try:
            yield int(listening.sockets[0].getsockname()[1])
        finally:
            listening.close()
    finally:
        await runner.cleanup()


async def _listen(
    protocols: Callable[[], asyncio.BaseProtocol], host: str, port: int, access: Access
) -> asyncio.Server:
    handshake_s = HEAD_S if access.tls else None
    try:
        return await asyncio.get_running_loop().create_server(
            protocols, host, port, ssl=access.tls, ssl_handshake_timeout=handshake_s
        )
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


def application(store: StatusStore, metrics: Metrics, hung_after_s: float, admitted: Middleware) -> web.Application:
    """The routes, for whom `admitted` lets in. An unknown path is 404; any method but GET and HEAD is 405."""
    site = _Site(store, metrics, hung_after_s)
    app = web.Application(client_max_size=1024, middlewares=[admitted])
    app.add_routes(
        [
            web.get("/", partial(_file, "list.html")),
            web.get("/services/{key}", site.service_page),
            web.get("/static/{name}", _static),
            web.get("/metrics", site.metrics),
            web.get("/healthz", site.health),
            web.get("/readyz", site.readiness),
            web.get("/api/v1/events", site.events),
            web.get("/api/v1/services", site.services),
            web.get("/api/v1/services/{key}", site.service),
            web.get("/api/v1/services/{key}/decisions", site.decisions),
            web.get("/api/v1/services/{key}/events", site.looks),
        ]
    )
    app.on_response_prepare.append(_dress)
    app.on_shutdown.append(site.close)
    return app


def _admitted(door: Door, hosts: Hosts, access: Access) -> Middleware:
    @web.middleware
    async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Whoever got his request out in time, and calls us by our name, may go on, with a password if there is one."""
        transport = request.transport  # aiohttp forgets it once the connection is lost
        door.heard(transport)
        try:
            return await _permitted(request, handler, hosts, access)
        except web.HTTPException as refused:
            return _as_value(refused)
        finally:
            door.answered(transport)

    return admit


async def _permitted(request: web.Request, handler: Handler, hosts: Hosts, access: Access) -> web.StreamResponse:
    if not hosts.answer_to(request.headers.get(hdrs.HOST)):
        return web.Response(text=hosts.refusal, status=421)
    if not await access.permits(request.path, request.headers.get(hdrs.AUTHORIZATION, "")):
        return web.Response(text="a user and a password, please\n", status=401, headers=CHALLENGE)
    return await handler(request)


def _as_value(refused: web.HTTPException) -> web.Response:
    """The same answer, not as an exception: aiohttp would keep the exception, its traceback and so the request in a
    reference cycle until a garbage collection, which this process rarely runs.
    """
    refused.__traceback__ = None
    headers = {name: value for name, value in refused.headers.items() if name != hdrs.CONTENT_TYPE}
    return web.Response(text=refused.text, status=refused.status, headers=headers)


async def _dress(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
    response.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")


async def _static(request: web.Request) -> web.Response:
    return await _file(request.match_info["name"], request)


async def _file(name: str, request: web.Request, status: int = 200) -> web.Response:
    """One of the page's own files; a browser that has it already is told so."""
    asset = assets().get(name)
    if asset is None:
        raise web.HTTPNotFound
    headers = {hdrs.ETAG: asset.tag, hdrs.CACHE_CONTROL: "no-cache", hdrs.VARY: hdrs.ACCEPT_ENCODING}
    if request.headers.get(hdrs.IF_NONE_MATCH) == asset.tag:
        return web.Response(status=304, headers=headers)
    packed = _takes_gzip(request)
    if packed:
        headers[hdrs.CONTENT_ENCODING] = "gzip"
    body = asset.packed if packed else asset.plain
    return web.Response(body=body, status=status, headers=headers, content_type=asset.kind, charset="utf-8")


def _takes_gzip(request: web.Request) -> bool:
    return "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, "")


class _Site:
    """The handlers."""

    def __init__(self, store: StatusStore, metrics: Metrics, hung_after_s: float) -> None:
        self._store = store
        self._metrics = MetricsPages(store, metrics)
        self._hung_after_s = hung_after_s
        self._listeners = Listeners()
        self._rows = Rows(store, hung_after_s)
        self._looks = Looks(store)

    async def close(self, _app: web.Application) -> None:
        self._listeners.close()

    async def service_page(self, request: web.Request) -> web.Response:
        known = self._store.find(request.match_info["key"]) is not None
        return await _file("service.html", request, 200 if known else 404)

    async def metrics(self, request: web.Request) -> web.Response:
        form = _form(request.headers.get(hdrs.ACCEPT, ""))
        packed = _takes_gzip(request)
        headers = {hdrs.CONTENT_TYPE: form.value, hdrs.VARY: "Accept, Accept-Encoding"}
        if packed:
            headers[hdrs.CONTENT_ENCODING] = "gzip"
        return web.Response(body=await self._metrics.get(form, packed=packed), headers=headers)

    async def health(self, _request: web.Request) -> web.Response:
        return _probe(*views.health(self._store, self._hung_after_s))

    async def readiness(self, _request: web.Request) -> web.Response:
        return _probe(*views.readiness(self._store.statuses(), self._store.clock()))

    async def services(self, _request: web.Request) -> web.Response:
        store = self._store
        silent = store.silent(self._hung_after_s)
        return _json(await asyncio.to_thread(views.services, store.statuses(), store.clock(), silent))

    async def service(self, request: web.Request) -> web.Response:
        key = request.match_info["key"]
        status = self._store.find(key)
        if status is None:
            return self._no_such_service()
        told, past = self._store.told(key), self._store.past(key)
        return _json(await asyncio.to_thread(whole, status, told, past, remembers=self._store.remembers))

    async def decisions(self, request: web.Request) -> web.Response:
        key = request.match_info["key"]
        status = self._store.find(key)
        if status is None:
            return self._no_such_service()
        told = self._store.told(key)
        return _json(await asyncio.to_thread(views.decisions, told, status))

    async def events(self, request: web.Request) -> web.StreamResponse:
        """News of all services."""
        return await self._stream(request, self._rows.news)

    async def looks(self, request: web.Request) -> web.StreamResponse:
        """News of one service."""
        key = request.match_info["key"]
        if self._store.find(key) is None:
            return self._no_such_service()
        return await self._stream(request, partial(self._looks.news, key))

    async def _stream(self, request: web.Request, news: Callable[[str], Awaitable[News | None]]) -> web.StreamResponse:
        if self._listeners.is_full:
            return _json({"error": f"{MOST_LISTENERS} others listen already: try again later"}, 503)
        if request.method == hdrs.METH_HEAD:
            return web.Response(content_type="text/event-stream")
        return await self._listeners.stream(request, news)

    def _no_such_service(self) -> web.Response:
        known = [status.service.key for status in self._store.statuses()]
        return _json({"error": "no such service", "services": known}, 404)


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

    def __init__(self, store: StatusStore, metrics: Metrics) -> None:
        self._clock = store.clock
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
