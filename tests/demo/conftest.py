"""One real embedded Region for all tests. Each test starts with an empty queue and a service without tasks."""

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from autoscaler.demo.children import environment
from autoscaler.demo.fleet import DemoQueue
from autoscaler.demo.play import create_resources
from autoscaler.demo.region_client import RegionClient


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    """Yield the URL of the Region."""
    with subprocess.Popen(
        [sys.executable, "-m", "autoscaler.demo.region"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment({}),
    ) as child:
        assert child.stdout is not None
        yield f"http://127.0.0.1:{int(child.stdout.readline())}"
        child.kill()


@pytest.fixture
async def queue(endpoint: str) -> AsyncIterator[DemoQueue]:
    """Yield the empty queue of the demo. The demo's service has no desired, running or pending task."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        queue = await create_resources(RegionClient(endpoint, session))
        await queue.client.report(running=0, pending=0)
        yield queue
        await queue.client.call("sqs", "DeleteQueue", QueueUrl=queue.url)
