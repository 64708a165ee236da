"""A small AWS with one service and one queue, and a fake daemon with the answers of a test."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from tests.e2e.region import MotoProxy, region

WORLD = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_REGION": "eu-west-1",
    "AUTOSCALER_CLUSTER": "prod",
    "AUTOSCALER_SERVICE": "orders",
    "AUTOSCALER_QUEUES": "orders",
    "AUTOSCALER_MAX_TASKS": "7",
    "AUTOSCALER_MODE": "active",
    "AUTOSCALER_BACKLOG_PER_TASK": "10",
    "AUTOSCALER_QUEUE_MINUTES": "false",
}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@asynccontextmanager
async def fake_daemon(status: int, body: Any) -> AsyncIterator[tuple[str, list[str]]]:
    """Serve `body` on every path, or per path if `body` maps paths. Yield the URL and the list of requests."""
    requests: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        requests.append(f"{request.method} {request.path}")
        found = body.get(request.path, {}) if isinstance(body, Mapping) and "/" in "".join(body) else body
        return web.Response(
            status=status if found is body else 200 if "decisions" in found else 404,
            text=found if isinstance(found, str) else json.dumps(found),
        )

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", requests
    finally:
        await runner.cleanup()


@asynccontextmanager
async def world(messages: int = 40) -> AsyncIterator[MotoProxy]:
    async with region(free_port()) as observer:
        call = observer.moto.call
        url = (await call("sqs", "CreateQueue", QueueName="orders"))["QueueUrl"]
        entries = [{"Id": str(number), "MessageBody": "x"} for number in range(10)]
        for _ in range(messages // 10):
            await call("sqs", "SendMessageBatch", QueueUrl=url, Entries=entries)
        await call("ecs", "CreateCluster", clusterName="prod")
        container = {"name": "worker", "image": "worker", "memory": 128}
        await call("ecs", "RegisterTaskDefinition", family="worker", containerDefinitions=[container])
        await call(
            "ecs", "CreateService", cluster="prod", serviceName="orders", taskDefinition="worker", desiredCount=2
        )
        yield observer
