"""The cheapest never-late run of a few messages, by looking at every one: who does what, in which order, launched when.

Written apart from the code it judges. A row of messages costs least if its task comes up as late as the deadlines
allow, so that only partitions into ordered rows and the order of launch are left to look at.
"""

from __future__ import annotations

from itertools import combinations, permutations
from math import inf
from typing import Any

LEAST_BILLED_S = 60.0


def optimum_s(arrivals: list[float], service: list[float], latency_s: float, start_up_s: list[float]) -> float:
    """Billed task-seconds, with one task at the start, and as many launches as there are messages at most."""
    rows = _rows(arrivals, service, latency_s)
    every = (1 << len(arrivals)) - 1
    return min(
        _at_start(rows, some) + _launched(rows, every ^ some, launches, inf, start_up_s)
        for some in range(every + 1)
        for launches in range(len(arrivals) + 1)
    )


def _rows(arrivals: list[float], service: list[float], latency_s: float) -> dict[int, tuple[float, list[Any]]]:
    """Of each set of messages that one task can do: the work, and for each order that is not worse than another in
    both, by when the task must be up, and when it is done if it was up long before.
    """
    found = {}
    for size in range(1, len(arrivals) + 1):
        for some in combinations(range(len(arrivals)), size):
            ends = [end for order in permutations(some) if (end := _walk(order, arrivals, service, latency_s))]
            best = [one for one in ends if not any(b[0] >= one[0] and b[1] <= one[1] and b != one for b in ends)]
            if best:
                found[sum(1 << message for message in some)] = (sum(service[m] for m in some), sorted(set(best)))
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


def _at_start(rows: dict[int, tuple[float, list[Any]]], some: int) -> float:
    if not some:
        return LEAST_BILLED_S
    work, ends = rows.get(some, (0.0, []))
    return min((max(LEAST_BILLED_S, done, work) for up_by, done in ends if up_by >= 0), default=inf)


def _launched(
    rows: dict[int, tuple[float, list[Any]]], some: int, launches: int, before_s: float, start_up_s: list[float]
) -> float:
    """The last launch first: none may be later than the one after it, at `before_s`."""
    if not some or not launches:
        return inf if some or launches else 0.0
    least, last = inf, some
    while last:
        work, ends = rows.get(last, (0.0, []))
        for up_by, done in ends:
            launch = min(before_s, up_by - start_up_s[launches - 1])
            stopped = max(done, launch + start_up_s[launches - 1] + work)
            cost = max(LEAST_BILLED_S, stopped - launch)
            if cost < least:
                least = min(least, cost + _launched(rows, some ^ last, launches - 1, launch, start_up_s))
        last = (last - 1) & some
    return least
