"""A scripted AWS on loopback. It uses the real protocols and returns the replies that a test defines."""

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
class AwsReply:
    """One HTTP response. `hangs`: it is not sent before the double closes."""

    body: bytes = b"{}"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    hangs: bool = False


@dataclass(frozen=True)
class AwsRequest:
    """One request that the double received."""

    operation: str
    body: dict[str, Any]
    headers: Mapping[str, str]

    @property
    def region(self) -> str:
        """The Region of the signature."""
        return self.headers["Authorization"].split("/")[2]

    @property
    def key(self) -> str:
        """The access key ID of the signature."""
        return self.headers["Authorization"].partition("Credential=")[2].partition("/")[0]


Script: TypeAlias = AwsReply | Callable[[dict[str, Any]], AwsReply]

HANG = AwsReply(hangs=True)


def ok(body: object) -> AwsReply:
    """200 with this JSON. NaN and Infinity are written as Python writes them."""
    return AwsReply(json.dumps(body).encode())


def fault(code: str, message: str = "no", status: int = 400, headers: Mapping[str, str] | None = None) -> AwsReply:
    """An error in AWS's JSON protocol."""
    return AwsReply(json.dumps({"__type": code, "message": message}).encode(), status, headers or {})


def assumed(key: str, until_s: float, **changed: str) -> AwsReply:
    """The XML response of STS to AssumeRole: credentials with this access key ID, valid until this wall-clock time."""
    expires = f"{datetime.fromtimestamp(until_s, UTC):%Y-%m-%dT%H:%M:%SZ}"
    values = {"AccessKeyId": key, "SecretAccessKey": f"{key}-secret", "SessionToken": f"{key}-token"}
    values |= {"Expiration": expires} | changed
    inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in values.items())
    return _xml(f"<AssumeRoleResult><Credentials>{inner}</Credentials></AssumeRoleResult>", "AssumeRoleResponse")


def refused(code: str, message: str = "no", status: int = 403) -> AwsReply:
    """An error in AWS's query protocol."""
    inner = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    return _xml(inner, "ErrorResponse", status)


def _xml(inner: str, name: str, status: int = 200) -> AwsReply:
    namespace = "https://sts.amazonaws.com/doc/2011-06-15/"
    return AwsReply(f'<{name} xmlns="{namespace}">{inner}</{name}>'.encode(), status, {"Content-Type": "text/xml"})


@dataclass
class AwsDouble:
    """Sends the scripted replies of each operation: each reply once, the last one repeatedly."""

    url: str = ""
    seen: list[AwsRequest] = field(default_factory=list)
    connections: set[Any] = field(default_factory=set)
    _script: dict[str, list[Script]] = field(default_factory=dict)
    _closing: asyncio.Event = field(default_factory=asyncio.Event)

    def on(self, operation: str, *replies: Script) -> None:
        self._script[operation] = list(replies)

    def requests(self, operation: str) -> list[AwsRequest]:
        return [request for request in self.seen if request.operation == operation]

    async def _answer(self, request: web.Request) -> web.Response:
        operation, body = await _parsed(request)
        self.seen.append(AwsRequest(operation, body, request.headers))
        self.connections.add(request.transport)
        reply = self._next(operation, body)
        if reply.hangs:
            await self._closing.wait()
        return web.Response(body=reply.body, status=reply.status, headers=reply.headers)

    def _next(self, operation: str, body: dict[str, Any]) -> AwsReply:
        replies = self._script.get(operation, [fault("NotScripted", operation, 500)])
        reply = replies[0] if len(replies) == 1 else replies.pop(0)
        return reply if isinstance(reply, AwsReply) else reply(body)


async def _parsed(request: web.Request) -> tuple[str, dict[str, Any]]:
    """Return the operation and its parameters, from the JSON or the query protocol."""
    text = await request.text()
    if "X-Amz-Target" in request.headers:
        return request.headers["X-Amz-Target"].rpartition(".")[2], json.loads(text)
    body = dict(parse_qsl(text, strict_parsing=True))
    return body.pop("Action"), body


@asynccontextmanager
async def serving() -> AsyncIterator[AwsDouble]:
    """Yield a double on a free loopback port. It stops when the block ends."""
    double, app = AwsDouble(), web.Application()
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
