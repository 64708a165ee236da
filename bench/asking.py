"""Measure the CPU of reading a queue's counts: the product's two clients, and the SDK's call for comparison.

    python -m bench.asking

The CPU is that of this process, the client; the server is another process. Paced: 100 calls per second at separate
times, so that each wakes the process up. Saturated: as many as possible, with 64 in flight.
"""

from __future__ import annotations

import asyncio
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch

import uvloop
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from aiohttp import web

from autoscaler.aws.connection import connect
from autoscaler.core.model import Backlog
from autoscaler.operating.status import Uncounted
from autoscaler.ports import Category, QueueRef, Urgency

REGION = "eu-west-1"
RUNS = 3
RATE = 100
PACED, SATURATED, IN_FLIGHT = 500, 2000, 64
NAMES = ("", "NotVisible", "Delayed")
ANSWER = {"Attributes": {f"ApproximateNumberOfMessages{name}": "7" for name in NAMES}}

ReadCounts = Callable[[int], Coroutine[Any, Any, None]]


class Cost(NamedTuple):
    """CPU of the client, in milliseconds per call."""

    paced: float
    saturated: float


class Asking(NamedTuple):
    fast_sqs: Cost
    sdk: Cost
    bare: Cost


def asking() -> Asking:
    """Return the medians of several runs, in which the clients alternate."""
    with _server() as url, patch.dict(os.environ, _environment(url), clear=True):
        runs = [[uvloop.run(_cost(client)) for client in (_fast_sqs, _sdk, _bare)] for _ in range(RUNS)]
    return Asking(*(Cost(*map(statistics.median, zip(*costs, strict=True))) for costs in zip(*runs, strict=True)))


async def _cost(client: Callable[[], AsyncIterator[ReadCounts]]) -> Cost:
    async with asynccontextmanager(client)() as read_counts:
        await _saturated(read_counts, IN_FLIGHT)  # opens the connections
        return Cost(await _per_call(_paced, read_counts, PACED), await _per_call(_saturated, read_counts, SATURATED))


async def _per_call(run: Callable[[ReadCounts, int], Awaitable[None]], read_counts: ReadCounts, calls: int) -> float:
    began = time.process_time()
    await run(read_counts, calls)
    return (time.process_time() - began) / calls * 1000


async def _paced(read_counts: ReadCounts, calls: int) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.TaskGroup() as group:
        for number in range(calls):
            await asyncio.sleep(began + number / RATE - loop.time())
            group.create_task(read_counts(number))


async def _saturated(read_counts: ReadCounts, calls: int) -> None:
    numbers = iter(range(calls))

    async def worker() -> None:
        for number in numbers:
            await read_counts(number)

    async with asyncio.TaskGroup() as group:
        for _ in range(IN_FLIGHT):
            group.create_task(worker())


async def _fast_sqs() -> AsyncIterator[ReadCounts]:
    async for read_counts in _ours(fast_sqs=True):
        yield read_counts


async def _sdk() -> AsyncIterator[ReadCounts]:
    async for read_counts in _ours(fast_sqs=False):
        yield read_counts


async def _ours(*, fast_sqs: bool) -> AsyncIterator[ReadCounts]:
    clock = asyncio.get_running_loop().time
    async with connect(_NoLimit(), _NoLimit(), clock, time.time, fast_sqs=fast_sqs) as aws:

        async def read_counts(number: int) -> None:
            reading = await aws.queues.backlog(QueueRef("orders", url=_url_of(number)))
            assert isinstance(reading, Backlog), reading

        yield read_counts


async def _bare() -> AsyncIterator[ReadCounts]:
    config = AioConfig(max_pool_connections=50, retries={"total_max_attempts": 1, "mode": "standard"})
    async with AioSession().create_client("sqs", region_name=REGION, config=config) as sqs:

        async def read_counts(number: int) -> None:
            await sqs.get_queue_attributes(QueueUrl=_url_of(number), AttributeNames=list(ANSWER["Attributes"]))

        yield read_counts


def _url_of(number: int) -> str:
    return f"https://sqs.{REGION}.amazonaws.com/123456789012/orders-{number % 100}"


class _NoLimit(Uncounted):
    """A rate limiter without limits and counters."""

    async def acquire(
        self,
        category: Category,
        area: str,
        who: str,
        urgency: Urgency,
        more: int = 0,
    ) -> float:
        return 0.0

    def throttled(self, category: Category, area: str) -> None: ...

    def succeeded(self, category: Category, area: str) -> None: ...


def _environment(url: str) -> dict[str, str]:
    settings = {"AWS_ENDPOINT_URL": url, "AWS_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true", "NO_PROXY": "*"}
    credentials = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_SESSION_TOKEN": "t" * 1000}
    no_files = dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), os.devnull)
    return {"PATH": os.environ["PATH"], **settings, **credentials, **no_files}


@contextmanager
def _server() -> Iterator[str]:
    """Run a process that answers as SQS, with the same counts for all queues, and yield its URL."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(256)
        number = listening.fileno()
        command = (sys.executable, "-m", "bench.asking", "serve", str(number))
        child = subprocess.Popen(command, pass_fds=[number])
        try:
            yield "http://{}:{}".format(*listening.getsockname())
        finally:
            child.terminate()
            child.wait(10)


def _serve(number: int) -> None:
    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return web.json_response(ANSWER, content_type="application/x-amz-json-1.0")

    app = web.Application()
    app.router.add_post("/", answer)
    web.run_app(app, sock=socket.socket(fileno=number), print=None)


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        _serve(int(sys.argv[2]))
    else:
        for client, cost in asking()._asdict().items():
            print(f"{client:8} {cost.paced:.2f} ms paced at {RATE}/s, {cost.saturated:.2f} ms saturated")
