"""Measure the web page with a thousand services and six hours of history: the first response, a live update, its
blocking of the loop, and a browser's first paint.
"""

from __future__ import annotations

import asyncio
import random
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
from autoscaler.telemetry.past import PastSample
from bench.deciding import plain
from tests.browser import BrowserTab, browser, opened

SERVICES, UPDATES, LOADS = 1_000, 20, 5
MINUTES, START = 360, 1_800_000_000.0


class PageCost(NamedTuple):
    """`first_s`, `first_kib`: CPU time and size of the first response after the start of the daemon. `update_s`, `kib`:
    of an update in which all services changed; `held_s`: the longest part of it without a yield to the event loop.
    `paint_s`, `shown_s`: time from the request of the list to a browser's first paint, and to the paint of the rows
    (None: there is no browser).
    """

    first_s: float
    first_kib: float
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
    store = StatusStore(clock, lambda: START + clock.now)
    clock.now = -MINUTES * 60.0
    _poll_all(store, 0)
    _remember(store)
    clock.now = 0.0
    first_s, first_kib, updates = asyncio.run(_updates(store, clock))
    paints = asyncio.run(_paints(store))
    update_s, held_s, kib = (statistics.median(column) for column in zip(*updates, strict=True))
    medians = [statistics.median(column) for column in zip(*paints, strict=True)] or [None, None]
    return PageCost(first_s, first_kib, update_s, held_s, kib, *medians)


def _remember(store: StatusStore) -> None:
    """Give every service six hours of history, as if it had been polled once a minute."""
    histories = [past for one in store.statuses() if (past := store.present(one.service.key)) is not None]
    rng = random.Random(1)
    for minute in range(MINUTES, 0, -1):
        tasks, age_s = float(rng.randrange(5, 60)), rng.uniform(0.0, 90.0)
        sample = PastSample(900.0, tasks, tasks, tasks, tasks, age_s, 300.0, 3.0 if age_s > 80.0 else 0.0)
        for past in histories:  # 3 s: faster than 360,000 polls
            past.note(START - minute * 60.0, sample, 60.0)


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


async def _updates(store: StatusStore, clock: _Clock) -> tuple[float, float, list[tuple[float, float, float]]]:
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
    first_s, _, first_kib = measured[0]
    return first_s, first_kib, measured[1:]


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
    await tab.until("performance.getEntriesByName('rows').length")
    first_ms = await tab.value("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    rows_ms = await tab.value("performance.getEntriesByName('rows')[0].startTime")
    return first_ms / 1000, rows_ms / 1000


if __name__ == "__main__":
    print(watched())
