"""A scripted AWS on loopback: it speaks the real protocol and says exactly what a test wants to hear."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from aiohttp import web


@dataclass(frozen=True)
class Reply:
    """One HTTP answer. `hangs`: it never comes."""

    body: bytes = b"{}"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    hangs: bool = False


@dataclass(frozen=True)
class Seen:
    """One request as it came over the wire."""

    operation: str
    body: dict[str, Any]
    headers: Mapping[str, str]

    @property
    def region(self) -> str:
        """The Region that the request was signed for."""
        return self.headers["Authorization"].split("/")[2]

    @property
    def key(self) -> str:
        """The id of the access key that it was signed with."""
        return self.headers["Authorization"].partition("Credential=")[2].partition("/")[0]


Script: TypeAlias = Reply | Callable[[dict[str, Any]], Reply]

HANG = Reply(hangs=True)


def ok(body: object) -> Reply:
    """200 with this JSON; NaN and Infinity are written as Python writes them."""
    return Reply(json.dumps(body).encode())


def fault(code: str, message: str = "no", status: int = 400, headers: Mapping[str, str] | None = None) -> Reply:
    """An error as AWS's JSON protocol has it."""
    return Reply(json.dumps({"__type": code, "message": message}).encode(), status, headers or {})


def assumed(key: str, until_s: float, **changed: str) -> Reply:
    """What STS answers to AssumeRole, in XML: credentials of that id, until that wall time."""
    expires = f"{datetime.fromtimestamp(until_s, UTC):%Y-%m-%dT%H:%M:%SZ}"
    told = {"AccessKeyId": key, "SecretAccessKey": f"{key}-secret", "SessionToken": f"{key}-token"}
    told |= {"Expiration": expires} | changed
    inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in told.items())
    return _xml(f"<AssumeRoleResult><Credentials>{inner}</Credentials></AssumeRoleResult>", "AssumeRoleResponse")


def refused(code: str, message: str = "no", status: int = 403) -> Reply:
    """An error as AWS's query protocol has it."""
    inner = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    return _xml(inner, "ErrorResponse", status)


def _xml(inner: str, name: str, status: int = 200) -> Reply:
    namespace = "https://sts.amazonaws.com/doc/2011-06-15/"
    return Reply(f'<{name} xmlns="{namespace}">{inner}</{name}>'.encode(), status, {"Content-Type": "text/xml"})


@dataclass
class Double:
    """What it answers, per operation: each of the replies once, the last for ever."""

    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    connections: set[Any] = field(default_factory=set)
    _script: dict[str, list[Script]] = field(default_factory=dict)
    _closing: asyncio.Event = field(default_factory=asyncio.Event)

    def on(self, operation: str, *replies: Script) -> None:
        self._script[operation] = list(replies)

    def asked(self, operation: str) -> list[Seen]:
        return [request for request in self.seen if request.operation == operation]

    async def _answer(self, request: web.Request) -> web.Response:
        operation, body = await _asked(request)
        self.seen.append(Seen(operation, body, request.headers))
        self.connections.add(request.transport)
        reply = self._next(operation, body)
        if reply.hangs:
            await self._closing.wait()
        return web.Response(body=reply.body, status=reply.status, headers=reply.headers)

    def _next(self, operation: str, body: dict[str, Any]) -> Reply:
        replies = self._script.get(operation, [fault("NotScripted", operation, 500)])
        reply = replies[0] if len(replies) == 1 else replies.pop(0)
        return reply if isinstance(reply, Reply) else reply(body)


async def _asked(request: web.Request) -> tuple[str, dict[str, Any]]:
    """The operation and its parameters, in the JSON or the query protocol."""
    text = await request.text()
    if "X-Amz-Target" in request.headers:
        return request.headers["X-Amz-Target"].rpartition(".")[2], json.loads(text)
    body = dict(parse_qsl(text, strict_parsing=True))
    return body.pop("Action"), body


@asynccontextmanager
async def serving() -> AsyncIterator[Double]:
    """A double on a free loopback port, until the block ends."""
    double, app = Double(), web.Application()
    app.router.add_post("/", double._answer)
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
