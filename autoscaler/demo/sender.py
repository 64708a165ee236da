"""Send the messages of the load at their times, ten per call."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from time import monotonic

from autoscaler.demo.ledger import Ledger
from autoscaler.demo.load import Arrival, DemoLoad
from autoscaler.demo.workers import DemoQueue

BATCH = 10
SEND_EVERY_S = 0.2
"""Interval between sends of the messages that are due."""


async def send(load: DemoLoad, queue: DemoQueue, ledger: Ledger) -> None:
    """Send every arrival, not before its time. Returns when the duration of the load is over."""
    starts = monotonic()
    sent = 0
    while (elapsed := monotonic() - starts) < load.duration_s:
        due = _due(load.arrivals, sent, elapsed)
        await _send_all(load.arrivals[sent:due], sent, queue, ledger)
        sent = due
        await asyncio.sleep(SEND_EVERY_S)
    await _send_all(load.arrivals[sent:], sent, queue, ledger)


def _due(arrivals: Sequence[Arrival], sent: int, elapsed: float) -> int:
    """Return how many arrivals are due at `elapsed`. The first `sent` ones are sent already."""
    while sent < len(arrivals) and arrivals[sent].at_s <= elapsed:
        sent += 1
    return sent


async def _send_all(arrivals: Sequence[Arrival], first: int, queue: DemoQueue, ledger: Ledger) -> None:
    """Send in batches. The ledger is updated first: a worker can receive a message before the call returns."""
    for start in range(0, len(arrivals), BATCH):
        batch = arrivals[start : start + BATCH]
        ledger.note_sent([monotonic()] * len(batch))
        numbered = enumerate(batch, first + start)
        await queue.send([json.dumps({"number": number, "work_s": round(a.work_s, 3)}) for number, a in numbered])
