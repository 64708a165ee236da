"""What a fleet of fixed size would have needed for the same messages: first come, first served by N tasks.

Law: more tasks never make a message wait longer, so the least sufficient N can be bisected.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from heapq import heapify, heapreplace

from autoscaler.demo.load import Arrival


def waits_s(arrivals: Sequence[Arrival], slots: int) -> list[float]:
    """How long each message waits for one of so many slots. Arrivals in the order of their times."""
    free_at_s = [0.0] * min(slots, len(arrivals))
    heapify(free_at_s)
    waits = []
    for at_s, work_s in arrivals:
        starts_s = max(at_s, free_at_s[0])
        heapreplace(free_at_s, starts_s + work_s)
        waits.append(starts_s - at_s)
    return waits


def least_tasks(arrivals: Sequence[Arrival], concurrency: int, latency_s: float) -> int:
    """The fewest tasks, each working on `concurrency` messages at once, with which none waits longer than that."""
    if not arrivals:
        return 0
    most = -(-len(arrivals) // concurrency)

    def sufficient(tasks: int) -> bool:
        return max(waits_s(arrivals, tasks * concurrency)) <= latency_s

    return 1 + bisect_left(range(1, most), True, key=sufficient)
