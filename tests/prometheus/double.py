"""A Prometheus on loopback that says exactly what a test wants to hear."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

SAMPLE_S = 4990.0
"""The wall time that the double's samples bear, where a test does not say otherwise."""


@dataclass(frozen=True)
class Reply:
    """One HTTP answer. `hangs`: neither it nor its end ever comes. `late`: its head does, its body does not."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    hangs: bool = False
    late: bool = False


def ok(kind: str, result: object, **more: object) -> Reply:
    data = {"resultType": kind, "result": result}
    return Reply(json.dumps({"status": "success", "data": data, **more}).encode())


def vector(*values: object) -> Reply:
    """One series for each value."""
    return ok("vector", [{"metric": {"at": str(at)}, "value": [SAMPLE_S, value]} for at, value in enumerate(values)])


def scalar(value: object, at_s: object = SAMPLE_S) -> Reply:
    return ok("scalar", [at_s, value])


def error(kind: str, text: str, status: int) -> Reply:
    return Reply(json.dumps({"status": "error", "errorType": kind, "error": text}).encode(), status)


@dataclass(frozen=True)
class Seen:
    """One request as it came over the wire."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]


@dataclass
class Double:
    """Gives `reply` to every request. `transports` are the connections over which some came."""

    url: str = ""
    reply: Reply = field(default_factory=lambda: scalar("1"))
    seen: list[Seen] = field(default_factory=list)
    transports: set[Any] = field(default_factory=set)
    _closing: asyncio.Event = field(default_factory=asyncio.Event)
    _asked: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def until_asked(self, times: int) -> None:
        """So many requests have come."""
        async with self._asked:
            await self._asked.wait_for(lambda: len(self.seen) >= times)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(Seen(request.method, request.path, dict(request.query), request.headers))
        self.transports.add(request.transport)
        async with self._asked:
            self._asked.notify_all()
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
async def serving() -> AsyncIterator[Double]:
    """A double on a free loopback port, until the block ends."""
    double, app = Double(), web.Application()
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
async def saying(raw: bytes) -> AsyncIterator[str]:
    """The address of a server that answers anything with these bytes, and hangs up."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(raw)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield "http://{}:{}".format(*server.sockets[0].getsockname())
