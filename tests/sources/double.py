"""A Prometheus server on loopback that returns the responses of the test."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

SAMPLE_S = 4990.0
"""The default wall time of the double's samples, in seconds since the epoch."""


@dataclass(frozen=True)
class PrometheusReply:
    """One HTTP response. `hangs`: it is never sent. `late`: its head and `body` are sent, and it never ends."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    hangs: bool = False
    late: bool = False


def ok(kind: str, result: object, **more: object) -> PrometheusReply:
    data = {"resultType": kind, "result": result}
    return PrometheusReply(json.dumps({"status": "success", "data": data, **more}).encode())


def vector(*values: object) -> PrometheusReply:
    """Return a vector with one series for each value."""
    return ok("vector", [{"metric": {"at": str(at)}, "value": [SAMPLE_S, value]} for at, value in enumerate(values)])


def scalar(value: object, at_s: object = SAMPLE_S) -> PrometheusReply:
    return ok("scalar", [at_s, value])


def error(kind: str, text: str, status: int) -> PrometheusReply:
    return PrometheusReply(json.dumps({"status": "error", "errorType": kind, "error": text}).encode(), status)


@dataclass(frozen=True)
class HttpRequest:
    """One received request."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]


@dataclass
class PrometheusDouble:
    """A server that returns `reply` to every request. `transports`: the connections with requests."""

    url: str = ""
    reply: PrometheusReply = field(default_factory=lambda: scalar("1"))
    requests: list[HttpRequest] = field(default_factory=list)
    transports: set[Any] = field(default_factory=set)
    _closing: asyncio.Event = field(default_factory=asyncio.Event)
    _arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def until_requested(self, times: int) -> None:
        """Wait until this number of requests has arrived."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.requests) >= times)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(HttpRequest(request.method, request.path, dict(request.query), request.headers))
        self.transports.add(request.transport)
        async with self._arrived:
            self._arrived.notify_all()
        reply = self.reply
        if reply.hangs:
            await self._closing.wait()
        if not reply.late:
            return web.Response(body=reply.body, status=reply.status, headers=reply.headers)
        response = web.StreamResponse(status=reply.status, headers=reply.headers)
        await response.prepare(request)
        await response.write(reply.body)
        await self._closing.wait()
        return response


@asynccontextmanager
async def serving() -> AsyncIterator[PrometheusDouble]:
    """Run a double on a free loopback port until the block ends."""
    double, app = PrometheusDouble(), web.Application()
    app.router.add_route("*", "/{path:.*}", double._answer)
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        double.url = f"http://{host}:{port}"
        yield double
    finally:
        double._closing.set()
        await runner.cleanup()


@asynccontextmanager
async def raw_server(raw: bytes) -> AsyncIterator[str]:
    """Yield the URL of a server that responds to each request with these bytes and closes the connection."""

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(raw)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(respond, "127.0.0.1", 0)
    async with server:
        yield "http://{}:{}".format(*server.sockets[0].getsockname())
