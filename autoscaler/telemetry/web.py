"""The HTTP interface: read only, on one port. It serves the status store and the metrics, and changes nothing.

Every response permits the browser to run and fetch only the page's own files, and forbids frames. Long work is done in
another thread, on immutable values: a scrape never delays a poll.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any, cast

from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler, Middleware

from autoscaler.errors import ConfigError, Problem
from autoscaler.telemetry import views
from autoscaler.telemetry.accepting import Acceptor, listening_sockets
from autoscaler.telemetry.access import Access
from autoscaler.telemetry.guard import MOST_FIELD, MOST_FIELDS, MOST_LINE, Guard
from autoscaler.telemetry.http_connections import (
    ConnectionLimits,
    OpenConnections,
    client_of,
    is_loopback,
    limits_within_files,
)
from autoscaler.telemetry.logs import as_json
from autoscaler.telemetry.metrics import Form, Metrics, render
from autoscaler.telemetry.page import POLICY, EventStream, Listeners, News, Rows, assets, console_links, whole
from autoscaler.telemetry.pages import PIECES_AT_ONCE, Page, Pages, Pieces, paced_json
from autoscaler.telemetry.status_store import ServiceStatus, StatusStore

KEEP_ALIVE_S = 75.0
"""Seconds that an idle connection stays open: longer than the usual minute between scrapes of Prometheus."""

SHUTDOWN_S = 1.0
"""Seconds that open requests may take at shutdown."""

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
    "access_log": None,
}
"""Limits of a request. `guard` checks them before aiohttp parses anything. The server never waits for a body."""


@asynccontextmanager
async def serve(
    store: StatusStore,
    metrics: Metrics,
    host: str,
    port: int,
    hung_after_s: float,
    *,
    access: Access | None = None,
    limits: ConnectionLimits | None = None,
) -> AsyncIterator[int]:
    """Serve until the block is left, and return the port (chosen by the system if `port` is 0).

    `access` None: every client may read. `limits` None: those of the process's file descriptors. `/healthz` fails if a
    service has not been polled for `hung_after_s`. Raises `ConfigError` if the address cannot be used.
    """
    access = access or Access()
    headers = {**access.headers, **HEADERS}
    app = application(store, metrics, hung_after_s, _admitted(Hosts(host), access), headers)
    runner = web.AppRunner(app, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    connections = OpenConnections(limits or limits_within_files(), metrics.refusals)
    guard = Guard(lambda: GuardedHandler(cast("web.Server", runner.server), guard, headers), headers)
    try:
        sockets = await _listening(host, port)
        listener = Acceptor(sockets, connections, guard.protocol, access.tls, guard.full)
        try:
            yield int(sockets[0].getsockname()[1])
        finally:
            await listener.close()
    finally:
        await runner.cleanup()


class GuardedHandler(web.RequestHandler):
    """The handler of a connection behind its guard. It notifies the guard when a response is complete."""

    def __init__(self, server: web.Server, guard: Guard, headers: Mapping[str, str]) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), logger=_log(), **LIMITS)
        self._guard = guard
        self._headers = headers

    async def finish_response(self, request: Any, resp: Any, start_time: Any) -> tuple[web.StreamResponse, bool]:
        transport = self.transport
        if self._guard.is_for_health(transport) and not resp.prepared:
            resp.force_close()
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            self._guard.response_sent(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Discard a request that was not begun: aiohttp would begin it with an error, which is logged."""
        if self._messages and self._task_handler is not None:
            self._task_handler.cancel()
        super().connection_lost(exc)

    def handle_error(self, *arguments: Any, **options: Any) -> web.StreamResponse:
        """Return the response to a request that cannot be parsed. The hooks of the application do not apply to it."""
        response = super().handle_error(*arguments, **options)
        response.headers.update(self._headers)
        return response


async def _listening(host: str, port: int) -> list[socket.socket]:
    try:
        return await listening_sockets(host, port)
    except OSError as error:
        raise ConfigError([_problem(error, host, port)]) from error


def _problem(error: OSError, host: str, port: int) -> Problem:
    if error.errno == errno.EADDRINUSE:
        remedy = "stop the other program or set another port"
        return Problem("AUTOSCALER_HTTP_PORT", f"port {port} on {host} is already in use: {remedy}")
    if error.errno == errno.EACCES:
        return Problem(
            "AUTOSCALER_HTTP_PORT",
            f"port {port} requires more permissions than this process has: set a port above 1023",
        )
    remedy = "set 127.0.0.1 for this machine only, or 0.0.0.0 for all of its addresses"
    return Problem(
        "AUTOSCALER_HTTP_HOST", f"{host!r} is not an address of this machine ({error.strerror or error}): {remedy}"
    )


def application(
    store: StatusStore,
    metrics: Metrics,
    hung_after_s: float,
    admitted: Middleware,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> web.Application:
    """Return the application; `admitted` checks requests; `headers` are added to responses. An unknown path is 404; any
    method other than GET and HEAD 405.
    """
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
            web.get("/api/v1/services/{key}/events", site.service_events),
        ]
    )
    app.on_response_prepare.append(partial(_add_headers, headers))
    app.on_shutdown.append(site.close)
    return app


def _admitted(hosts: Hosts, access: Access) -> Middleware:
    @web.middleware
    async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Pass the request on if its host name is accepted and its password, if one is required, is correct."""
        try:
            return await _permitted(request, handler, hosts, access)
        except web.HTTPException as refused:
            return _as_value(refused)

    return admit


async def _permitted(request: web.Request, handler: Handler, hosts: Hosts, access: Access) -> web.StreamResponse:
    if not hosts.allows(request.headers.get(hdrs.HOST)):
        return web.Response(text=hosts.refusal, status=421)
    authorization = request.headers.get(hdrs.AUTHORIZATION, "")
    denial = await access.denial(request.path, authorization, client_of(request.remote or ""))
    if denial is not None:
        refused = web.Response(text=f"{denial.reason}\n", status=denial.status, headers=denial.headers)
        refused.force_close()
        return refused
    return await handler(request)


def _as_value(refused: web.HTTPException) -> web.Response:
    """Return the response of the exception: aiohttp would hold the exception, its traceback and the request in a
    reference cycle until a garbage collection, which is rare here.
    """
    refused.__traceback__ = None
    headers = {name: value for name, value in refused.headers.items() if name != hdrs.CONTENT_TYPE}
    return web.Response(text=refused.text, status=refused.status, headers=headers)


async def _add_headers(headers: Mapping[str, str], _request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(headers)
    response.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")


async def _static(request: web.Request) -> web.Response:
    return await _file(request.match_info["name"], request)


async def _file(name: str, request: web.Request, status: int = 200) -> web.Response:
    """Return a file of the page, or 304 if the browser has it already."""
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
    """The request handlers."""

    def __init__(self, store: StatusStore, metrics: Metrics, hung_after_s: float) -> None:
        self._store = store
        self._metrics = metrics
        self._scrapes, self._overviews, self._details = (Pages(store.clock) for _ in range(3))
        self._turns = asyncio.Semaphore(PIECES_AT_ONCE)
        self._hung_after_s = hung_after_s
        self._listeners = Listeners()
        self._rows = Rows(store, hung_after_s)
        self._service_events = EventStream(store)

    async def close(self, _app: web.Application) -> None:
        self._listeners.close()

    async def service_page(self, request: web.Request) -> web.Response:
        known = self._store.find(request.match_info["key"]) is not None
        return await _file("service.html", request, 200 if known else 404)

    async def metrics(self, request: web.Request) -> web.Response:
        form = _form(request.headers.get(hdrs.ACCEPT, ""))
        packed = _takes_gzip(request)
        headers = {hdrs.VARY: "Accept, Accept-Encoding"}
        if packed:
            headers[hdrs.CONTENT_ENCODING] = "gzip"
        page = await self._scrapes.get(form, lambda: metrics_page(self._metrics, form))
        return web.Response(body=Pieces(page, self._turns, form.value, packed=packed), headers=headers)

    async def health(self, _request: web.Request) -> web.Response:
        good, body = views.health(self._store, self._hung_after_s)
        return _json(body, 200 if good else 503)

    async def readiness(self, _request: web.Request) -> web.Response:
        return self._page(await self._overviews.get("readiness", self._readiness))

    def _readiness(self) -> Callable[[], Page]:
        statuses, now = self._store.statuses(), self._store.clock()

        def rendered() -> Page:
            ready, body = views.readiness(statuses, now)
            return _json_page(body, 200 if ready else 503)

        return rendered

    async def services(self, _request: web.Request) -> web.Response:
        return self._page(await self._overviews.get("services", self._services))

    def _services(self) -> Callable[[], Page]:
        store = self._store
        statuses, now, silent = store.statuses(), store.clock(), store.silent(self._hung_after_s)
        return lambda: _json_page(views.services(statuses, now, silent))

    async def service(self, request: web.Request) -> web.Response:
        return await self._detail(request, self._service)

    def _service(self, status: ServiceStatus) -> Callable[[], Page]:
        key, keeps_history = status.service.key, self._store.keeps_history
        recorded, past = self._store.recorded(key), self._store.past(key)
        queues = [replace(queue, account=self._store.account_of(queue)) for queue in status.queues]
        console = console_links(status.service, queues, self._metrics.region) if self._store.is_aws else None
        return lambda: _json_page(whole(status, recorded, past, console, keeps_history=keeps_history))

    async def decisions(self, request: web.Request) -> web.Response:
        return await self._detail(request, self._decisions)

    def _decisions(self, status: ServiceStatus) -> Callable[[], Page]:
        recorded = self._store.recorded(status.service.key)
        return lambda: _json_page(views.decisions(recorded, status))

    async def _detail(
        self, request: web.Request, prepare: Callable[[ServiceStatus], Callable[[], Page]]
    ) -> web.Response:
        status = self._store.find(request.match_info["key"])
        if status is None:
            return await self._no_such_service()
        return self._page(await self._details.get((prepare.__name__, status.service.key), partial(prepare, status)))

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Stream the changes of all services."""
        return await self._stream(request, self._rows.news)

    async def service_events(self, request: web.Request) -> web.StreamResponse:
        """Stream the changes of one service."""
        key = request.match_info["key"]
        if self._store.find(key) is None:
            return await self._no_such_service()
        return await self._stream(request, partial(self._service_events.news, key))

    async def _stream(self, request: web.Request, news: Callable[[str], Awaitable[News | None]]) -> web.StreamResponse:
        if not self._listeners.has_room(request):
            return _json({"error": "too many event streams are open already: try again later"}, 503)
        if request.method == hdrs.METH_HEAD:
            return web.Response(content_type="text/event-stream")
        return await self._listeners.stream(request, news)

    def _page(self, page: Page) -> web.Response:
        return web.Response(body=Pieces(page, self._turns, "application/json; charset=utf-8"), status=page.status)

    async def _no_such_service(self) -> web.Response:
        return self._page(await self._overviews.get("unknown", self._unknown))

    def _unknown(self) -> Callable[[], Page]:
        statuses = self._store.statuses()
        return lambda: _json_page(
            {"error": "no such service", "services": [status.service.key for status in statuses]}, 404
        )


def _log() -> logging.Logger:
    """Return the logger of the server. A client that does not send HTTP gets a 400 response and no log line."""
    log = logging.getLogger("autoscaler.http")
    log.addFilter(_is_ours)
    return log


def _is_ours(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


def _form(accept: str) -> Form:
    return Form.OPENMETRICS if "application/openmetrics-text" in accept else Form.TEXT


def _json(body: Mapping[str, Any], status: int = 200) -> web.Response:
    return web.Response(text=as_json(body) + "\n", status=status, content_type="application/json")


def _json_page(body: Mapping[str, Any], status: int = 200) -> Page:
    return Page.of(f"{paced_json(body)}\n".encode(), status)


def metrics_page(metrics: Metrics, form: Form) -> Callable[[], Page]:
    """Take the present values, and return the rendering of the metrics. Their plain text is never complete in memory:
    a thousand services have 16 MB.
    """
    snapshot = metrics.snapshot()
    return lambda: Page(render(snapshot, form, by_gzip=True))


# The `Host` names that the HTTP interface accepts: protection against DNS rebinding, where a foreign name resolves to
# loopback.
#
# A browser lets a foreign page read only responses of the page's own host name. So a daemon that listens on loopback
# only accepts no foreign names. IP addresses are accepted: DNS cannot redirect them.

LOCALHOST = "localhost"

HOST = re.compile(r"(?:\[(?P<six>[^\[\]]+)\]|(?P<name>[^:\[\]]+))(?::\d*)?")
"""A `Host` header (RFC 9110, 7.2): a name or an address, IPv6 in brackets, with an optional port."""


class Hosts:
    """The accepted names of a daemon that listens on `listening`: any name, unless it is loopback."""

    def __init__(self, listening: str) -> None:
        self._own = listening.lower()
        self._is_strict = self._own == LOCALHOST or is_loopback(self._own)

    def allows(self, header: str | None) -> bool:
        """Return whether a request with this `Host` is accepted (None: no header; browsers always send one)."""
        if header is None or not self._is_strict:
            return True
        found = HOST.fullmatch(header.strip())
        name = "" if found is None else (found["six"] or found["name"]).lower().removesuffix(".")
        return name in {LOCALHOST, self._own} or _is_address(name)

    @property
    def refusal(self) -> str:
        """The response to a request with another name, with the remedy."""
        return (
            f"this daemon listens on {self._own} only and accepts no other host name: use its address or localhost, "
            "configure the proxy to send that Host header, or set AUTOSCALER_HTTP_HOST to a reachable address\n"
        )


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
