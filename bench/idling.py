"""Measure an idle daemon process against an embedded Region: time from start to ready, and resident memory."""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from typing import NamedTuple

import aiohttp

from autoscaler.demo.children import aws_environment, daemon, free_port, region
from autoscaler.demo.region_client import RegionClient
from bench.resident import resident_mb

RUNS = 5
IDLE_S = 15.0


class Idle(NamedTuple):
    ready_s: float
    resident_mb: float


async def idle_daemon() -> Idle:
    """Return the medians of several starts."""
    async with region() as url, aiohttp.ClientSession() as session:
        await create_resources(RegionClient(url, session))
        runs = [await _run(url, session) for _ in range(RUNS)]
    return Idle(*(statistics.median(column) for column in zip(*runs, strict=True)))


async def create_resources(client: RegionClient) -> None:
    """Create a queue, and a service without tasks."""
    await client.call("sqs", "CreateQueue", QueueName="orders")
    await client.call("ecs", "CreateCluster", clusterName="prod")
    container = {"name": "worker", "image": "worker", "memory": 128}
    await client.call("ecs", "RegisterTaskDefinition", family="worker", containerDefinitions=[container])
    await client.call(
        "ecs", "CreateService", cluster="prod", serviceName="orders", taskDefinition="worker", desiredCount=0
    )


async def _run(url: str, session: aiohttp.ClientSession) -> Idle:
    port = free_port()
    settings = aws_environment(url) | {
        "AUTOSCALER_CLUSTER": "prod",
        "AUTOSCALER_SERVICE": "orders",
        "AUTOSCALER_QUEUES": "orders",
        "AUTOSCALER_MAX_TASKS": "10",
        "AUTOSCALER_MODE": "active",
        "AUTOSCALER_INTERVAL": "1s",
        "AUTOSCALER_HTTP_HOST": "127.0.0.1",
        "AUTOSCALER_HTTP_PORT": str(port),
    }
    began = time.monotonic()
    async with daemon(settings, port, (sys.executable, "-m", "autoscaler", "run")) as running:
        while not await _is_ready(session, running.url):  # noqa: ASYNC110 - another process has no event to wait for
            await asyncio.sleep(0.02)
        ready_s = time.monotonic() - began
        await asyncio.sleep(IDLE_S)
        return Idle(ready_s, resident_mb(running.process.pid))


async def _is_ready(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(f"{url}/readyz") as answer:
            return answer.status == 200
    except aiohttp.ClientConnectionError:
        return False
