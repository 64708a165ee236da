"""The real daemon under the demo's load, with a real Prometheus that watches it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

import aiohttp

from autoscaler.demo import settings, stage
from autoscaler.demo.children import aws_environment, daemon, free_port, region
from autoscaler.demo.entry import DAEMON
from autoscaler.demo.load import Load
from autoscaler.demo.region_client import RegionClient
from autoscaler.demo.screen import Screen
from tests.real.prometheus import Prometheus, prometheus

SCRAPED_WITHIN_S = 60.0


class Silent:
    """A screen on which nobody looks."""

    def say(self, line: str) -> None:
        pass

    def show(self, scene: object) -> None:
        pass


@dataclass(frozen=True)
class Watched:
    """`began`: when the first scrape was, in wall time. `play` ends when the load is over and no task is left."""

    prometheus: Prometheus
    began: float
    play: asyncio.Task[object]


@asynccontextmanager
async def watched(load: Load, wishes: Mapping[str, str] | None = None) -> AsyncIterator[Watched]:
    """The daemon looks after the demo's service, with these settings beside the demo's, and Prometheus has seen it.
    Everything ends with the block.
    """
    connector = aiohttp.TCPConnector(limit=0)
    async with region() as endpoint, aiohttp.ClientSession(connector=connector, trust_env=False) as session:
        wire, port = RegionClient(endpoint, session), free_port()
        queue = await stage.furnish(wire)
        await _publish_age(wire)
        told = aws_environment(endpoint) | settings.settings_of(load, port) | dict(wishes or {})
        async with daemon(told, port, DAEMON) as child, prometheus(f"127.0.0.1:{port}", session) as seen:
            play = asyncio.create_task(stage._play(load, 0, queue, child, cast("Screen", Silent())))
            try:
                await _until_scraped(seen)
                yield Watched(seen, time.time(), play)
            finally:
                play.cancel()
                await asyncio.wait({play})


async def _publish_age(wire: RegionClient) -> None:
    """CloudWatch has the age of an oldest message, which the demo's Region does not count."""
    datum = {
        "MetricName": "ApproximateAgeOfOldestMessage",
        "Dimensions": [{"Name": "QueueName", "Value": settings.QUEUE}],
        "Timestamp": int(time.time()) // 60 * 60 - 60,
        "Value": 7,
        "Unit": "Seconds",
    }
    await wire.call("monitoring", "PutMetricData", Namespace="AWS/SQS", MetricData=[datum])


async def _until_scraped(seen: Prometheus) -> None:
    async with asyncio.timeout(SCRAPED_WITHIN_S):
        while not await seen.now("autoscaler_service_up == 1"):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.2)
