"""What it costs to ask SQS for a queue's counts: the product's two ways, and the SDK's bare call for comparison.

    python -m bench.asking

The client is this process, and CPU is its own; the server is another process. Paced: 100 calls a second, each at a time
of its own, so that each is a wake-up. Saturated: as many as go, with 64 under way.
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

from autoscaler.aws import connect
from autoscaler.core.model import Backlog
from autoscaler.operating.calling import Uncounted
from autoscaler.ports import Category, QueueRef, Urgency

REGION = "eu-west-1"
RUNS = 3
RATE = 100
PACED, SATURATED, UNDER_WAY = 500, 2000, 64
NAMES = ("", "NotVisible", "Delayed")
ANSWER = {"Attributes": {f"ApproximateNumberOfMessages{name}": "7" for name in NAMES}}

Ask = Callable[[int], Coroutine[Any, Any, None]]


class Cost(NamedTuple):
    """CPU of the client, in milliseconds a call."""

    paced: float
    saturated: float


class Asking(NamedTuple):
    lean: Cost
    sdk: Cost
    bare: Cost


def asking() -> Asking:
    """Medians of several runs, the ways taking turns."""
    with _server() as url, patch.dict(os.environ, _environment(url), clear=True):
        runs = [[uvloop.run(_cost(way)) for way in (_lean, _sdk, _bare)] for _ in range(RUNS)]
    return Asking(*(Cost(*map(statistics.median, zip(*costs, strict=True))) for costs in zip(*runs, strict=True)))


async def _cost(way: Callable[[], AsyncIterator[Ask]]) -> Cost:
    async with asynccontextmanager(way)() as ask:
        await _saturated(ask, UNDER_WAY)  # opens what is to be opened
        return Cost(await _per_call(_paced, ask, PACED), await _per_call(_saturated, ask, SATURATED))


async def _per_call(run: Callable[[Ask, int], Awaitable[None]], ask: Ask, calls: int) -> float:
    began = time.process_time()
    await run(ask, calls)
    return (time.process_time() - began) / calls * 1000


async def _paced(ask: Ask, calls: int) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.TaskGroup() as group:
        for number in range(calls):
            await asyncio.sleep(began + number / RATE - loop.time())
            group.create_task(ask(number))


async def _saturated(ask: Ask, calls: int) -> None:
    numbers = iter(range(calls))

    async def worker() -> None:
        for number in numbers:
            await ask(number)

    async with asyncio.TaskGroup() as group:
        for _ in range(UNDER_WAY):
            group.create_task(worker())


async def _lean() -> AsyncIterator[Ask]:
    async for ask in _ours(lean=True):
        yield ask


async def _sdk() -> AsyncIterator[Ask]:
    async for ask in _ours(lean=False):
        yield ask


async def _ours(*, lean: bool) -> AsyncIterator[Ask]:
    clock = asyncio.get_running_loop().time
    async with connect(_Nobody(), _Nobody(), clock, time.time, lean=lean) as aws:

        async def ask(number: int) -> None:
            reading = await aws.queues.backlog(QueueRef("orders", url=_url_of(number)))
            assert isinstance(reading, Backlog), reading

        yield ask


async def _bare() -> AsyncIterator[Ask]:
    config = AioConfig(max_pool_connections=50, retries={"total_max_attempts": 1, "mode": "standard"})
    async with AioSession().create_client("sqs", region_name=REGION, config=config) as sqs:

        async def ask(number: int) -> None:
            await sqs.get_queue_attributes(QueueUrl=_url_of(number), AttributeNames=list(ANSWER["Attributes"]))

        yield ask


def _url_of(number: int) -> str:
    return f"https://sqs.{REGION}.amazonaws.com/123456789012/orders-{number % 100}"


class _Nobody(Uncounted):
    """Lets everybody pass, and counts nothing."""

    async def turn(
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
    told = {"AWS_ENDPOINT_URL": url, "AWS_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true", "NO_PROXY": "*"}
    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_SESSION_TOKEN": "t" * 1000}
    nowhere = dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), os.devnull)
    return {"PATH": os.environ["PATH"], **told, **keys, **nowhere}


@contextmanager
def _server() -> Iterator[str]:
    """An SQS whose queues all have the same counts, as a process."""
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
        for way, cost in asking()._asdict().items():
            print(f"{way:5} {cost.paced:.2f} ms paced at {RATE}/s, {cost.saturated:.2f} ms saturated")
