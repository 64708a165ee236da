"""`make soak`: run the daemon with 50 services for 30 minutes behind a proxy that damages a tenth of AWS's answers.

    python -m bench.enduring [SERVICES] [MINUTES] [SEED]

Prints the daemon's file descriptors, resident memory, lag and log volume each minute, and exits with 1 if file
descriptors or memory grow, or if a health check fails. Memory is compared from a third of the time on, when every
connection, cache and buffer was used.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from random import Random
from typing import Any, NamedTuple, TypeAlias

import aiohttp
from aiohttp import web

from bench.fleet import TwoProcesses, stage
from bench.scenarios import LAG, POLLS, changing, employ, percentile

DAMAGED_RATIO = 0.1
"""The share of the requests with a fault."""

OUTAGE_S, OUTAGE_EVERY_S = 20.0, 300.0
"""An outage refuses all requests. It begins in the middle of each period, so a run of three minutes has one."""

HANGS_FOR_S = 30.0
"""Longer than the daemon's time limit of a call."""

SAMPLE_S = 60.0
MOST_GROWTH_MB = 8.0
"""The history of the page takes 35 KB a service from its first poll on: 1.8 MB for 50 services."""
MOST_MORE_FILES = 8
"""Connections to AWS that are open at the time of a sample."""


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


Damage: TypeAlias = Callable[[web.Request, Answer], Coroutine[Any, Any, web.StreamResponse]]


async def slow(_: web.Request, answer: Answer) -> web.StreamResponse:
    await asyncio.sleep(2.0)
    return whole(answer)


async def hanging(request: web.Request, answer: Answer) -> web.StreamResponse:
    await asyncio.sleep(HANGS_FOR_S)
    return await cut(request, answer)


async def cut(request: web.Request, answer: Answer) -> web.StreamResponse:
    """Send half of the answer, and close the connection."""
    headers = answer.headers | {"Content-Length": str(len(answer.body))}
    begun = web.StreamResponse(status=answer.status, headers=headers)
    await begun.prepare(request)
    await begun.write(answer.body[: len(answer.body) // 2])
    if request.transport is not None:
        request.transport.abort()
    return begun


async def dropped(request: web.Request, _: Answer) -> web.StreamResponse:
    """Close the connection without an answer: the call was made."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=502)


async def garbled(_: web.Request, answer: Answer) -> web.StreamResponse:
    return web.Response(body=b"\xff{" + answer.body[::-1], headers=answer.headers)


async def unavailable(_: web.Request, __: Answer) -> web.StreamResponse:
    return web.Response(status=503, text="<html>Service Unavailable</html>", content_type="text/html")


async def empty(_: web.Request, answer: Answer) -> web.StreamResponse:
    return web.Response(status=answer.status)


DAMAGES: tuple[Damage, ...] = (slow, hanging, cut, dropped, garbled, unavailable, empty)


def whole(answer: Answer) -> web.Response:
    return web.Response(status=answer.status, headers=answer.headers, body=answer.body)


class FaultProxy:
    """Forwards each request to the test double, and damages some answers. `damaged`: the number of each kind."""

    def __init__(self, url: str, seed: int) -> None:
        self._url, self._random = url, Random(seed)
        self._began = asyncio.get_running_loop().time()
        self.damaged = Counter[str]()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Yield the URL of the proxy, on loopback."""
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(aiohttp.ClientSession(auto_decompress=False))
            app = web.Application()
            app.router.add_route("*", "/{path:.*}", partial(self._answer, http))
            runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"

    async def _answer(self, http: aiohttp.ClientSession, request: web.Request) -> web.StreamResponse:
        into_s = (asyncio.get_running_loop().time() - self._began) % OUTAGE_EVERY_S
        if 0.0 <= into_s - OUTAGE_EVERY_S / 2 < OUTAGE_S:
            return await self._damage(unavailable, request, Answer(503, {}, b""))
        body = await request.read()
        async with http.request(
            request.method, self._url + request.raw_path, headers=request.headers, data=body
        ) as got:
            kept = {name: value for name, value in got.headers.items() if name.lower() not in HOP_BY_HOP}
            answer = Answer(got.status, kept, await got.read())
        if self._random.random() < DAMAGED_RATIO:
            return await self._damage(self._random.choice(DAMAGES), request, answer)
        return whole(answer)

    async def _damage(self, damage: Damage, request: web.Request, answer: Answer) -> web.StreamResponse:
        self.damaged[damage.__name__] += 1
        return await damage(request, answer)


HOP_BY_HOP = {"connection", "content-length", "date", "keep-alive", "server", "transfer-encoding"}


class Sample(NamedTuple):
    """One minute of the daemon. `health_s`: the slowest health check; infinity if one failed."""

    minute: int
    files: int
    resident_mb: float
    lag_s: float
    health_s: float
    polls: float
    log_bytes: int


async def endure(services: int, minutes: int, seed: int) -> tuple[list[Sample], Counter[str]]:
    """Return a sample for each minute, and the number of damaged answers by kind."""
    proxy: FaultProxy | None = None

    @asynccontextmanager
    async def through(url: str) -> AsyncIterator[str]:
        nonlocal proxy
        proxy = FaultProxy(url, seed)
        async with proxy.serving() as proxied:
            yield proxied

    defaults = {"acceptable_latency": "60s", "min_tasks": 0, "workers": "draining"}
    async with stage(services, {}, defaults, ("--desired", "1"), through) as on:
        if proxy is None:
            raise RuntimeError("the proxy was not started")
        await employ(on.control, services)
        async with changing(on.control, services):
            samples = [await _sample(on, minute) for minute in range(1, minutes + 1)]
        return samples, proxy.damaged


async def _sample(on: TwoProcesses, minute: int) -> Sample:
    before, logged, healths = await on.metrics(), on.log.stat().st_size, list[float]()
    for _ in range(int(SAMPLE_S)):
        await asyncio.sleep(1.0)
        healths.append(await _health_s(on))
    after = await on.metrics()
    files = len(os.listdir(f"/proc/{on.daemon.pid}/fd"))
    found = Sample(
        minute, files, on.used().resident_mb, percentile(after, before, LAG, 0.99), max(healths),
        after[POLLS] - before[POLLS], on.log.stat().st_size - logged,
    )  # fmt: skip
    print(_line(found), file=sys.stderr, flush=True)
    return found


async def _health_s(on: TwoProcesses) -> float:
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with on.http.get(f"{on.url}/healthz") as answer:
        await answer.read()
        return loop.time() - began if answer.status == 200 else float("inf")


def _line(one: Sample) -> str:
    return (
        f"minute {one.minute}: {one.files} files, {one.resident_mb:.1f} MB, lag p99 {one.lag_s:.3f} s,"
        f" health {one.health_s:.3f} s, {one.polls:,.0f} polls, {one.log_bytes / 1000:,.0f} kB logged"
    )


def findings(samples: list[Sample]) -> list[str]:
    """Return what is wrong; empty if nothing is."""
    third = len(samples) // 3
    early, late = samples[third : 2 * third], samples[2 * third :]
    files = max(one.files for one in late) - max(one.files for one in early)
    grown = max(one.resident_mb for one in late) - max(one.resident_mb for one in early)
    found = []
    if files > MOST_MORE_FILES:
        found.append(f"{files} more files are open in the last third than in the second")
    if grown > MOST_GROWTH_MB:
        found.append(f"{grown:.1f} MB more are resident in the last third than in the second")
    if any(one.health_s == float("inf") for one in samples):
        found.append("a health check failed")
    if any(one.polls == 0 for one in samples):
        found.append("a minute passed without a poll")
    return found


def main(services: int = 50, minutes: int = 30, seed: int = 0) -> int:
    if minutes < 3:
        raise SystemExit("MINUTES: at least 3, because the last third is compared with the second")
    samples, damaged = asyncio.run(endure(services, minutes, seed))
    print("damaged answers: " + ", ".join(f"{count:,} {name}" for name, count in sorted(damaged.items())))
    print(_line(samples[len(samples) // 3]), _line(samples[-1]), *findings(samples), sep="\n")
    return 1 if findings(samples) else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
