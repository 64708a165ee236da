"""The cheapest never-late run of a few messages, by exhaustive search over tasks, processing order and launch order.

This code shares nothing with the code under test. A row of messages costs least if its task comes up as late as the
deadlines allow. So the search covers only the partitions into ordered rows, and the order of the launches.
"""

from __future__ import annotations

from itertools import combinations, permutations
from math import inf
from typing import Any

LEAST_BILLED_S = 60.0


def optimum_s(arrivals: list[float], service: list[float], latency_s: float, start_up_s: list[float]) -> float:
    """Return the lowest billed task-seconds, with one initial task and at most one launch per message."""
    rows = _rows(arrivals, service, latency_s)
    all_messages = (1 << len(arrivals)) - 1
    return min(
        _at_start(rows, chosen) + _launched(rows, all_messages ^ chosen, launches, inf, start_up_s)
        for chosen in range(all_messages + 1)
        for launches in range(len(arrivals) + 1)
    )


def _rows(arrivals: list[float], service: list[float], latency_s: float) -> dict[int, tuple[float, list[Any]]]:
    """Return, for each set of messages that one task can process in time, the work and its best orders.

    An order is a pair: the latest time at which the task must be up, and the end of the work if the task is up long
    before. Orders that are worse than another one in both are left out.
    """
    found = {}
    for size in range(1, len(arrivals) + 1):
        for chosen in combinations(range(len(arrivals)), size):
            ends = [end for order in permutations(chosen) if (end := _walk(order, arrivals, service, latency_s))]
            best = [one for one in ends if not any(b[0] >= one[0] and b[1] <= one[1] and b != one for b in ends)]
            if best:
                found[sum(1 << message for message in chosen)] = (sum(service[m] for m in chosen), sorted(set(best)))
    return found


def _walk(order: tuple[int, ...], arrivals: list[float], service: list[float], latency_s: float) -> Any:
    now, latest = -inf, inf
    for message in order:
        now = max(now, arrivals[message])
        if now > arrivals[message] + latency_s:
            return None
        now += service[message]
    for message in reversed(order):
        latest = min(arrivals[message] + latency_s, latest - service[message])
    return latest, now


def _at_start(rows: dict[int, tuple[float, list[Any]]], chosen: int) -> float:
    if not chosen:
        return LEAST_BILLED_S
    work, ends = rows.get(chosen, (0.0, []))
    return min((max(LEAST_BILLED_S, done, work) for up_by, done in ends if up_by >= 0), default=inf)


def _launched(
    rows: dict[int, tuple[float, list[Any]]], chosen: int, launches: int, before_s: float, start_up_s: list[float]
) -> float:
    """Return the lowest cost of `launches` launches. The search begins with the last one, at `before_s` or earlier."""
    if not chosen or not launches:
        return inf if chosen or launches else 0.0
    least, last = inf, chosen
    while last:
        work, ends = rows.get(last, (0.0, []))
        for up_by, done in ends:
            launch = min(before_s, up_by - start_up_s[launches - 1])
            stopped = max(done, launch + start_up_s[launches - 1] + work)
            cost = max(LEAST_BILLED_S, stopped - launch)
            if cost < least:
                least = min(least, cost + _launched(rows, chosen ^ last, launches - 1, launch, start_up_s))
        last = (last - 1) & chosen
    return least
