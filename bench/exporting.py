"""What a scrape of a thousand services takes, and for how long it keeps the loop from a tick that is due."""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple
from unittest import mock

import uvloop

from autoscaler.core.engine import decide
from autoscaler.core.estimate import Estimator
from autoscaler.ports import ServiceRef, Tick
from autoscaler.telemetry import LoggedJournal, Metrics, StatusStore
from autoscaler.telemetry.metrics import Form, render
from autoscaler.telemetry.web import FRESH_S, MetricsPages
from bench.deciding import world

SERVICES, RUNS = 1_000, 7
BEAT_S = 0.001
"""A tick is due every millisecond: the longest that one comes late is what a scrape can do to any."""


class Exported(NamedTuple):
    """Medians over several scrapes. `stretch_ms`: the most CPU time for which the page's thread does not let the loop
    in, whatever else the machine does. `late_ms`: the most that a beat of the loop came late during one; `idle_ms`: the
    same while nobody scrapes.
    """

    seconds: float
    snapshot_ms: float
    stretch_ms: float
    late_ms: float
    idle_ms: float
    megabytes: float
    series: int


class Nowhere:
    """A log that keeps nothing."""

    def info(self, event: str, **fields: Any) -> None: ...

    def warning(self, event: str, **fields: Any) -> None: ...


def exported(services: int = SERVICES) -> Exported:
    """Measured on the daemon's own event loop, with pages as the HTTP interface makes them: in a thread, packed."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_exported(services))


async def _exported(services: int) -> Exported:
    store, metrics = _furnished(services)
    page = await MetricsPages(store, metrics).get(Form.TEXT, packed=False)
    runs = [await _scrape(store, metrics) for _ in range(RUNS)]
    seconds, snapshot_ms, late_ms, idle_ms = (statistics.median(column) for column in zip(*runs, strict=True))
    stretch_ms = statistics.median(_longest_stretch_ms(metrics) for _ in range(RUNS))
    series = page.count(b"\nautoscaler_")
    return Exported(seconds, snapshot_ms, stretch_ms, late_ms, idle_ms, len(page) / 1e6, series)


def _furnished(services: int) -> tuple[StatusStore, Metrics]:
    """Busy services, each with two queues, everything learned and some decisions behind it."""
    policy, memory, seen = world(60.0)
    seen = replace(seen, knowledge=Estimator(policy, seen, 10.0).see(policy, seen))
    store = StatusStore(time.monotonic, time.time)
    metrics = Metrics(store, time.monotonic, dict)
    journal = LoggedJournal(store, metrics, Nowhere())
    decision = decide(policy, memory, seen)
    for number in range(services):
        ref = ServiceRef(f"orders-{number}", "production", f"orders-worker-{number}")
        journal.record(Tick(ref, replace(policy, name=ref.key), seen, memory, decision, "accepted", took_s=0.01))
    return store, metrics


async def _scrape(store: StatusStore, metrics: Metrics) -> tuple[float, float, float, float]:
    began = time.perf_counter()
    metrics.snapshot()
    snapshot_ms = 1_000 * (time.perf_counter() - began)
    idle_ms, _ = await _worst_beat(asyncio.sleep(FRESH_S / 4))
    late_ms, seconds = await _worst_beat(MetricsPages(store, metrics).get(Form.TEXT, packed=True))
    return seconds, snapshot_ms, late_ms, idle_ms


def _longest_stretch_ms(metrics: Metrics) -> float:
    """Between two naps. The text's last joining lets others in by itself."""
    snapshot, at = metrics.snapshot(), [time.thread_time()]

    def nap(_: float) -> None:
        at.append(time.thread_time())

    with mock.patch("autoscaler.telemetry.exposition.time.sleep", nap):
        render(snapshot, Form.TEXT)
    return 1_000 * max(after - before for before, after in pairwise(at))


async def _worst_beat(work: Any) -> tuple[float, float]:
    """The most that a beat came late while this was done, in milliseconds, and for how many seconds it was done."""
    began, worst_s = time.perf_counter(), 0.0
    task = asyncio.ensure_future(work)
    while not task.done():
        before = time.perf_counter()
        await asyncio.sleep(BEAT_S)
        worst_s = max(worst_s, time.perf_counter() - before - BEAT_S)
    return 1_000 * worst_s, time.perf_counter() - began


if __name__ == "__main__":
    print(exported())
