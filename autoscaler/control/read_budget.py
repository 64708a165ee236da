"""How often ECS may be asked about each service, so that the rounds of all fit into our share of its rate.

Ten services of a cluster that are looked at together are one call. At 5 calls a second, 400 services of one cluster
are read every 10 s; ten thousand every 250 s, and those on the move at each look all the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from typing import TypeAlias

from autoscaler.ports import ServiceRef

USED_RATIO = 0.8
"""Of the rate. The rest is for those on the move, and for readings before a write."""

Party: TypeAlias = Hashable
"""Those that are asked about together: of one cluster, and looked at together."""


class ReadBudget:
    """`rate` gives the calls per second that are ours, `at_once` how many services one call is about."""

    def __init__(self, rate: Callable[[], float], at_once: int) -> None:
        self._rate = rate
        self._at_once = at_once
        self._parties: dict[Party, Counter[Party]] = {}
        self._calls: Counter[Party] = Counter()

    def join(self, service: ServiceRef, group: int) -> None:
        self._count(service, group, 1)

    def leave(self, service: ServiceRef, group: int) -> None:
        self._count(service, group, -1)

    def every_s(self, service: ServiceRef) -> float:
        """How long one round of all services takes that share the rate with this one, in seconds."""
        return self._calls[_place(service)] / (self._rate() * USED_RATIO)

    def _count(self, service: ServiceRef, group: int, more: int) -> None:
        place, party = _place(service), (service.cluster, group)
        members = self._parties.setdefault(place, Counter())
        before = -(-members[party] // self._at_once)
        members[party] += more
        self._calls[place] += -(-members[party] // self._at_once) - before


def _place(service: ServiceRef) -> Party:
    """Who shares a rate: the services of one account and Region."""
    return service.region, service.role and service.role.account
