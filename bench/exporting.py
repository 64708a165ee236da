"""Measure a scrape of a thousand services: its duration, and how long it delays the event loop."""

from __future__ import annotations

import asyncio
import gzip
import statistics
import time
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple
from unittest import mock

import uvloop

from autoscaler.core.engine import decide
from autoscaler.core.estimate import Estimator
from autoscaler.ports import Poll, ServiceRef
from autoscaler.telemetry import LoggedJournal, Metrics, StatusStore
from autoscaler.telemetry.metrics import Form, render
from autoscaler.telemetry.pages import FRESH_S, Page, Pages
from autoscaler.telemetry.web import metrics_page
from bench.deciding import world

SERVICES, RUNS = 1_000, 7
WAKE_UP_S = 0.001
"""The event loop is woken up every millisecond; the longest delay is the effect of a scrape on a poll."""


class Exported(NamedTuple):
    """Medians of several scrapes. `stretch_ms`: the longest CPU time of the page's thread without a yield to the event
    loop, independent of other load on the machine. `late_ms`: the longest delay of a wake-up of the loop during a
    scrape; `idle_ms`: the same without a scrape.
    """

    seconds: float
    snapshot_ms: float
    stretch_ms: float
    late_ms: float
    idle_ms: float
    megabytes: float
    series: int


class Nowhere:
    """A log that discards everything."""

    def info(self, event: str, **fields: Any) -> None: ...

    def warning(self, event: str, **fields: Any) -> None: ...


def exported(services: int = SERVICES) -> Exported:
    """Measure on the daemon's event loop, with pages rendered as for HTTP: in a thread, and compressed."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_exported(services))


async def _exported(services: int) -> Exported:
    _, metrics = filled_store(services)
    page = gzip.decompress((await _page(metrics)).packed)
    runs = [await _scrape(metrics) for _ in range(RUNS)]
    seconds, snapshot_ms, late_ms, idle_ms = (statistics.median(column) for column in zip(*runs, strict=True))
    stretch_ms = statistics.median(_longest_stretch_ms(metrics) for _ in range(RUNS))
    series = page.count(b"\nautoscaler_")
    return Exported(seconds, snapshot_ms, stretch_ms, late_ms, idle_ms, len(page) / 1e6, series)


def filled_store(services: int) -> tuple[StatusStore, Metrics]:
    """Return busy services, each with two queues, learned estimates and one decision."""
    policy, memory, seen = world(60.0)
    seen = replace(seen, knowledge=Estimator(policy, seen, 10.0).see(policy, seen))
    store = StatusStore(time.monotonic, time.time)
    metrics = Metrics(store, time.monotonic, dict)
    journal = LoggedJournal(store, metrics, Nowhere())
    decision = decide(policy, memory, seen)
    for number in range(services):
        ref = ServiceRef(f"orders-{number}", "production", f"orders-worker-{number}")
        journal.record(Poll(ref, replace(policy, name=ref.key), seen, memory, decision, "accepted", took_s=0.01))
    return store, metrics


async def _page(metrics: Metrics) -> Page:
    return await Pages(time.monotonic).get("metrics", lambda: metrics_page(metrics, Form.TEXT))


async def _scrape(metrics: Metrics) -> tuple[float, float, float, float]:
    began = time.perf_counter()
    metrics.snapshot()
    snapshot_ms = 1_000 * (time.perf_counter() - began)
    idle_ms, _ = await _longest_delay(asyncio.sleep(FRESH_S / 4))
    late_ms, seconds = await _longest_delay(_page(metrics))
    return seconds, snapshot_ms, late_ms, idle_ms


def _longest_stretch_ms(metrics: Metrics) -> float:
    """Return the longest CPU time between two sleeps. The final join of the text releases the lock by itself."""
    snapshot, at = metrics.snapshot(), [time.thread_time()]

    def sleep(_: float) -> None:
        at.append(time.thread_time())

    with mock.patch("autoscaler.telemetry.metrics.time.sleep", sleep):
        render(snapshot, Form.TEXT)
    return 1_000 * max(after - before for before, after in pairwise(at))


async def _longest_delay(work: Any) -> tuple[float, float]:
    """Return the longest delay of a wake-up during the work in milliseconds, and the time of the work in seconds."""
    began, worst_s = time.perf_counter(), 0.0
    task = asyncio.ensure_future(work)
    while not task.done():
        before = time.perf_counter()
        await asyncio.sleep(WAKE_UP_S)
        worst_s = max(worst_s, time.perf_counter() - before - WAKE_UP_S)
    return 1_000 * worst_s, time.perf_counter() - began


if __name__ == "__main__":
    print(exported())
