"""Find the smallest fixed fleet that is sufficient for the same messages: N tasks, first come, first served.

More tasks never make a message wait longer, so the smallest N can be found by bisection.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from heapq import heapify, heapreplace

from autoscaler.demo.load import Arrival


def waits_s(arrivals: Sequence[Arrival], slots: int) -> list[float]:
    """Return the wait of each message, in seconds, with this number of slots. Arrivals are ordered by time."""
    free_at_s = [0.0] * min(slots, len(arrivals))
    heapify(free_at_s)
    waits = []
    for at_s, work_s in arrivals:
        starts_s = max(at_s, free_at_s[0])
        heapreplace(free_at_s, starts_s + work_s)
        waits.append(starts_s - at_s)
    return waits


def least_tasks(arrivals: Sequence[Arrival], concurrency: int, latency_s: float) -> int:
    """Return the fewest tasks of `concurrency` slots with which no message waits longer than `latency_s`."""
    if not arrivals:
        return 0
    most = -(-len(arrivals) // concurrency)

    def sufficient(tasks: int) -> bool:
        return max(waits_s(arrivals, tasks * concurrency)) <= latency_s

    return 1 + bisect_left(range(1, most), True, key=sufficient)
