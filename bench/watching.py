"""Measure the web page: a live update of a thousand services, its blocking of the loop, and a browser's first paint."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from autoscaler.core.engine import decide
from autoscaler.core.model import Backlog
from autoscaler.ports import Category, Poll, ServiceRef
from autoscaler.telemetry import Metrics, StatusStore, serve
from autoscaler.telemetry.page import Rows
from bench.deciding import plain
from tests.browser import BrowserTab, browser, opened

SERVICES, UPDATES, LOADS = 1_000, 20, 5


class PageCost(NamedTuple):
    """`update_s`: CPU time of an update in which all services changed. `held_s`: the longest part of it without a yield
    to the event loop. `kib`: size of the update. `paint_s`, `shown_s`: time from the request of the list to a browser's
    first paint, and to the largest paint, with all rows (None: there is no browser).
    """

    update_s: float
    held_s: float
    kib: float
    paint_s: float | None
    shown_s: float | None


@dataclass
class _Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def watched() -> PageCost:
    """Return the medians of several updates and of several page loads."""
    clock = _Clock()
    store = StatusStore(clock, lambda: 1_800_000_000.0 + clock.now)
    updates = asyncio.run(_updates(store, clock))
    paints = asyncio.run(_paints(store))
    update_s, held_s, kib = (statistics.median(column) for column in zip(*updates, strict=True))
    if not paints:
        return PageCost(update_s, held_s, kib, None, None)
    return PageCost(update_s, held_s, kib, *(statistics.median(column) for column in zip(*paints, strict=True)))


def _poll_all(store: StatusStore, number: int) -> None:
    """Poll every service, with a different result for each."""
    policy, memory, seen = plain(60.0)
    for at in range(SERVICES):
        queues = tuple(
            one._replace(backlog=replace(one.backlog, visible=900 + number + at))
            for one in seen.queues
            if isinstance(one.backlog, Backlog)
        )
        observation = replace(seen, queues=queues)
        named = replace(policy, name=f"service-{at:04}")
        decision = decide(named, memory, observation)
        ref = ServiceRef(named.name, "prod", named.name)
        store.note(Poll(ref, named, observation, memory, decision, "accepted"))


async def _updates(store: StatusStore, clock: _Clock) -> list[tuple[float, float, float]]:
    rows, known, measured = Rows(store, 60.0), "", []
    for number in range(UPDATES):
        clock.now += 10.0
        _poll_all(store, number)
        held = asyncio.create_task(_longest_wait_s())
        await asyncio.sleep(0)
        began = time.process_time()
        update = await rows.news(known)
        took_s = time.process_time() - began
        held.cancel()
        if update is None:
            raise RuntimeError("every service changed, but there is no update")
        known = update.id
        measured.append((took_s, await held, len(update.data) / 1024))
    return measured[1:]


async def _longest_wait_s() -> float:
    longest_s = 0.0
    try:
        while True:
            began = time.process_time()
            await asyncio.sleep(0)
            longest_s = max(longest_s, time.process_time() - began)
    except asyncio.CancelledError:
        return longest_s


async def _paints(store: StatusStore) -> list[tuple[float, float]]:
    program = browser()
    if program is None:
        return []
    metrics = Metrics(store, store.clock, dict[Category, float])
    async with serve(store, metrics, "127.0.0.1", 0, 60.0) as port:
        with tempfile.TemporaryDirectory() as folder:
            async with opened(program, "about:blank", Path(folder)) as tab:
                await tab.size(1280, 900)
                return [await _paint(tab, f"http://127.0.0.1:{port}/") for _ in range(LOADS)]


async def _paint(tab: BrowserTab, address: str) -> tuple[float, float]:
    await tab.call("Page.navigate", url=address)
    await tab.until("document.documentElement?.dataset.drawn")
    await asyncio.sleep(1.0)
    first_ms = await tab.value("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    largest_ms = await tab.value(
        "new Promise(done => new PerformanceObserver(list => done(list.getEntries().at(-1).startTime))"
        ".observe({type: 'largest-contentful-paint', buffered: true}))"
    )
    return first_ms / 1000, largest_ms / 1000


if __name__ == "__main__":
    print(watched())
