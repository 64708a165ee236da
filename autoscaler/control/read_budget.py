"""The interval at which each service is read from ECS, so that the reads of all services fit the daemon's share of the
rate.

Ten services of a cluster that are polled together are one call. At 5 calls a second, 400 services of one cluster are
read every 10 s, and ten thousand every 250 s. Services that are changing are read at each poll in any case.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from typing import TypeAlias

from autoscaler.ports import ServiceRef

USED_RATIO = 0.8
"""The used share of the rate. The rest is for services that are changing, and for reads before a write."""

PollGroup: TypeAlias = Hashable
"""Services of one cluster that are polled together, or the services of one account and Region."""


class ReadBudget:
    """Computes the read interval. `rate` returns the permitted calls per second. `per_call` is the number of services
    of one call.
    """

    def __init__(self, rate: Callable[[], float], per_call: int) -> None:
        self._rate = rate
        self._per_call = per_call
        self._groups: dict[PollGroup, Counter[PollGroup]] = {}
        self._calls: Counter[PollGroup] = Counter()

    def join(self, service: ServiceRef, group: int) -> None:
        self._count(service, group, 1)

    def leave(self, service: ServiceRef, group: int) -> None:
        self._count(service, group, -1)

    def every_s(self, service: ServiceRef) -> float:
        """Return the seconds that one read of all services of the same account and Region takes."""
        return self._calls[_rate_scope(service)] / (self._rate() * USED_RATIO)

    def _count(self, service: ServiceRef, group: int, change: int) -> None:
        scope, key = _rate_scope(service), (service.cluster, group)
        members = self._groups.setdefault(scope, Counter())
        before = -(-members[key] // self._per_call)
        members[key] += change
        self._calls[scope] += -(-members[key] // self._per_call) - before


def _rate_scope(service: ServiceRef) -> PollGroup:
    """Return the account and Region: their services share a rate."""
    return service.region, service.role and service.role.account
