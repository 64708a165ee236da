"""The real daemon under the load of the demo, scraped by a real Prometheus."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

import aiohttp

from autoscaler.demo import play
from autoscaler.demo.children import aws_environment, daemon, free_port, region
from autoscaler.demo.entry import DAEMON
from autoscaler.demo.load import DemoLoad
from autoscaler.demo.region_client import RegionClient
from autoscaler.demo.screen import Screen
from tests.real.prometheus import Prometheus, prometheus

SCRAPED_WITHIN_S = 60.0


class NoScreen:
    """A screen that shows nothing."""

    def say(self, line: str) -> None:
        pass

    def show(self, scene: object) -> None:
        pass


@dataclass(frozen=True)
class WatchedDemo:
    """A running demo. `began`: wall time of the first scrape. `play` ends when the load is over and no task is left."""

    prometheus: Prometheus
    began: float
    play: asyncio.Task[object]


@asynccontextmanager
async def watched(load: DemoLoad, more_settings: Mapping[str, str] | None = None) -> AsyncIterator[WatchedDemo]:
    """Run the daemon for the demo's service, with these settings in addition to the demo's, and Prometheus.

    Yields after the first scrape. All processes end with the block.
    """
    connector = aiohttp.TCPConnector(limit=0)
    async with region() as endpoint, aiohttp.ClientSession(connector=connector, trust_env=False) as session:
        client, port = RegionClient(endpoint, session), free_port()
        queue = await play.create_resources(client)
        await _publish_age(client)
        variables = aws_environment(endpoint) | play.settings_of(load, port) | dict(more_settings or {})
        async with daemon(variables, port, DAEMON) as child, prometheus(f"127.0.0.1:{port}", session) as scraper:
            playing = asyncio.create_task(play._play(load, 0, queue, child, cast("Screen", NoScreen())))
            try:
                await _until_scraped(scraper)
                yield WatchedDemo(scraper, time.time(), playing)
            finally:
                playing.cancel()
                await asyncio.wait({playing})


async def _publish_age(client: RegionClient) -> None:
    """Publish the age of the oldest message to CloudWatch, because the demo's Region does not."""
    datum = {
        "MetricName": "ApproximateAgeOfOldestMessage",
        "Dimensions": [{"Name": "QueueName", "Value": play.QUEUE}],
        "Timestamp": int(time.time()) // 60 * 60 - 60,
        "Value": 7,
        "Unit": "Seconds",
    }
    await client.call("monitoring", "PutMetricData", Namespace="AWS/SQS", MetricData=[datum])


async def _until_scraped(scraper: Prometheus) -> None:
    async with asyncio.timeout(SCRAPED_WITHIN_S):
        while not await scraper.now("autoscaler_service_up == 1"):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.2)
