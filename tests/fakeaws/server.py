"""The fake AWS on a loopback port: a small HTTP server that can also hang, drip and cut connections."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from tests.fakeaws.aws import FakeAws
from tests.fakeaws.control import CONTROL, controlled
from tests.fakeaws.replies import FakeReply, Manner

MOST_REQUEST = 4 * 2**20


class Server:
    """Serves one fake AWS. `closing` ends the hanging requests."""

    def __init__(self, aws: FakeAws) -> None:
        self._aws = aws
        self.closing = asyncio.Event()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        raw = await request.read()
        if request.path.startswith(CONTROL):
            return _controlled(self._aws, request.path.removeprefix(CONTROL), raw)
        reply = self._aws.answer(request.headers, request.path, raw)
        if reply.after_s and reply.manner is Manner.WHOLE:
            await self._wait(reply.after_s)
        if reply.manner is Manner.WHOLE:
            return web.Response(body=reply.body, status=reply.status, headers=reply.headers)
        return await self._badly(request, reply)

    async def _badly(self, request: web.BaseRequest, reply: FakeReply) -> web.StreamResponse:
        match reply.manner:
            case Manner.HANG:
                await self.closing.wait()
            case Manner.DRIP | Manner.CUT:
                return await self._streamed(request, reply)
        _cut(request)
        return web.Response()

    async def _streamed(self, request: web.BaseRequest, reply: FakeReply) -> web.StreamResponse:
        response = web.StreamResponse(status=reply.status, headers=reply.headers)
        response.content_length = len(reply.body)
        await response.prepare(request)
        if reply.manner is Manner.CUT:
            await response.write(reply.body[: len(reply.body) // 2])
            _cut(request)
            return response
        for at in range(len(reply.body)):
            await self._wait(reply.after_s)
            if self.closing.is_set():
                break
            await response.write(reply.body[at : at + 1])
        return response

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.closing.wait()
        except TimeoutError:
            pass


def _cut(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.abort()


def _controlled(aws: FakeAws, verb: str, raw: bytes) -> web.Response:
    try:
        answer, status = controlled(aws, verb, json.loads(raw or b"{}")), 200
    except (LookupError, TypeError, ValueError) as error:
        answer, status = {"error": f"{verb}: {type(error).__name__}: {error}"}, 400
    return web.Response(body=json.dumps(answer).encode(), status=status, content_type="application/json")


@asynccontextmanager
async def serving(aws: FakeAws, port: int = 0) -> AsyncIterator[FakeAws]:
    """Serve the fake AWS on a loopback port (0: a free one) until the block ends; its address is `aws.url`."""
    server = Server(aws)
    runner = web.ServerRunner(
        web.Server(server.handle, access_log=None, keepalive_timeout=75.0, auto_decompress=False), shutdown_timeout=1.0
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
        host, bound = runner.addresses[0][:2]
        aws.url = f"http://{host}:{bound}"
        yield aws
    finally:
        server.closing.set()
        await runner.cleanup()
