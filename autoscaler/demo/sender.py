"""Sends the load: every message at its time, ten to a call."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from time import monotonic

from autoscaler.demo.ledger import Ledger
from autoscaler.demo.load import Arrival, Load
from autoscaler.demo.workers import Queue

BATCH = 10
BEAT_S = 0.2
"""How often messages that have become due are sent, in batches."""


async def send(load: Load, queue: Queue, ledger: Ledger) -> None:
    """Every arrival is in the queue, no earlier than its time. Ends when the load's duration is over."""
    starts = monotonic()
    sent = 0
    while (elapsed := monotonic() - starts) < load.duration_s:
        due = _due(load.arrivals, sent, elapsed)
        await _send_all(load.arrivals[sent:due], sent, queue, ledger)
        sent = due
        await asyncio.sleep(BEAT_S)
    await _send_all(load.arrivals[sent:], sent, queue, ledger)


def _due(arrivals: Sequence[Arrival], sent: int, elapsed: float) -> int:
    """How many have arrived by then, of which so many were sent already."""
    while sent < len(arrivals) and arrivals[sent].at_s <= elapsed:
        sent += 1
    return sent


async def _send_all(arrivals: Sequence[Arrival], first: int, queue: Queue, ledger: Ledger) -> None:
    """Known to the ledger before the call: a worker may receive a message before the sender has its answer."""
    for start in range(0, len(arrivals), BATCH):
        batch = arrivals[start : start + BATCH]
        ledger.note_sent([monotonic()] * len(batch))
        numbered = enumerate(batch, first + start)
        await queue.send([json.dumps({"number": number, "work_s": round(a.work_s, 3)}) for number, a in numbered])
