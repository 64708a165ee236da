"""A local AWS (moto) behind a proxy that records every request of the daemon."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

TARGETS = {"sqs": "AmazonSQS", "ecs": "AmazonEC2ContainerServiceV20141113"}
START_S = 30.0
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Request:
    """One request of the daemon: its time, action and parameters."""

    at: float
    action: str
    parameters: dict[str, Any]


class MotoProcess:
    """moto in its own process, which can be killed and started again on the same port."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._port = port
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.e2e.moto_process", str(self._port), cwd=ROOT,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        async with asyncio.timeout(START_S):
            while not await self._answers():  # noqa: ASYNC110 - another process has no event to wait for
                await asyncio.sleep(0.1)

    async def _answers(self) -> bool:
        try:
            await self.call("sqs", "ListQueues")
        except aiohttp.ClientConnectionError:
            return False
        return True

    async def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
            self._process = None

    async def call(self, service: str, action: str, /, **parameters: Any) -> dict[str, Any]:
        """Call moto directly, so that the calls of the test are not recorded as the daemon's."""
        headers = {
            "X-Amz-Target": f"{TARGETS[service]}.{action}",
            "Content-Type": "application/x-amz-json-1.0",
            "Authorization": f"AWS4-HMAC-SHA256 Credential=t/20260101/eu-west-1/{service}/aws4_request",
        }
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.url, data=json.dumps(parameters), headers=headers) as answer,
        ):
            body: dict[str, Any] = await answer.json(content_type=None)
            assert answer.status == 200, (action, body)
            return body


@dataclass
class MotoProxy:
    """A proxy in front of moto. An action in `held` is answered after its event is set; an action in `scripted` is
    answered by the proxy, because moto does not support it.
    """

    moto: MotoProcess
    url: str = ""
    requests: list[Request] = field(default_factory=list)
    held: dict[str, asyncio.Event] = field(default_factory=dict)
    scripted: dict[str, dict[str, Any]] = field(default_factory=dict)

    def writes(self) -> list[int]:
        """Return the desired counts of all UpdateService calls, in order."""
        return [request.parameters["desiredCount"] for request in self.requests if request.action == "UpdateService"]

    async def answer(self, request: web.Request) -> web.Response:
        action = request.headers.get("X-Amz-Target", ".").split(".")[1]
        body = await request.read()
        self.requests.append(Request(asyncio.get_running_loop().time(), action, json.loads(body or b"{}")))
        if action in self.held:
            await self.held[action].wait()
        if action in self.scripted:
            return web.json_response(self.scripted[action], content_type="application/x-amz-json-1.1")
        return await self._forward(request, body)

    async def _forward(self, request: web.Request, body: bytes) -> web.Response:
        headers = {k: v for k, v in request.headers.items() if k.lower() not in {"host", "content-length"}}
        try:
            async with (
                aiohttp.ClientSession(auto_decompress=False) as session,
                session.request(request.method, self.moto.url + request.path_qs, data=body, headers=headers) as answer,
            ):
                passed = {k: v for k, v in answer.headers.items() if k.lower() in {"content-type", "x-amzn-requestid"}}
                return web.Response(status=answer.status, body=await answer.read(), headers=passed)
        except aiohttp.ClientConnectionError:
            if request.transport is not None:
                request.transport.abort()  # as if the server had stopped
            return web.Response(status=502)


@asynccontextmanager
async def region(port: int) -> AsyncIterator[MotoProxy]:
    """Run moto on that port behind a recording proxy; yield the proxy."""
    observer = MotoProxy(MotoProcess(port))
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", observer.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await observer.moto.start()
    try:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        observer.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield observer
    finally:
        for event in observer.held.values():
            event.set()
        await runner.cleanup()
        await observer.moto.stop()
