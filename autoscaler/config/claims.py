"""What only one service may have: its key, its ECS service and its queues. Two on one would each write for both."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from autoscaler.config.model import Service
from autoscaler.config.names import folded


class _Thing(NamedTuple):
    """Something of a kind, by its name. `region` and `account` None: nobody knows, so it may be any."""

    kind: str
    name: str
    region: str | None = None
    account: str | None = None

    def may_be(self, other: _Thing) -> bool:
        pairs = (self.region, other.region), (self.account, other.account)
        return all(mine is None or theirs is None or mine == theirs for mine, theirs in pairs)


class Claims:
    """What the services that were added have. `home` is the daemon's own Region, where it is known."""

    def __init__(self, home: str | None, services: Iterable[Service] = ()) -> None:
        self._home = home
        self._taken: defaultdict[tuple[str, str], list[tuple[_Thing, str]]] = defaultdict(list)
        for service in services:
            self.add(service)

    def add(self, service: Service) -> None:
        for thing in self._things(service):
            self._taken[thing.kind, thing.name].append((thing, service.ref.key))

    def release(self, service: Service) -> None:
        """Others may have what it had."""
        for thing in self._things(service):
            there = self._taken[thing.kind, thing.name]
            there[:] = [one for one in there if one[1] != service.ref.key]

    def rival(self, service: Service, *, but: str | None = None) -> str | None:
        """The key of a service that has what this one wants (None: nobody). `but`: whose things do not count."""
        for thing in self._things(service):
            for other, by in self._taken.get((thing.kind, thing.name), ()):
                if by != but and thing.may_be(other):
                    return by
        return None

    def _things(self, service: Service) -> Iterator[_Thing]:
        ref = service.ref
        account = None if ref.role is None else ref.role.account
        yield _Thing("key", folded(ref.key))
        yield _Thing("service", f"{ref.cluster}/{ref.service}", ref.region or self._home, account)
        for queue in service.queues:
            yield _Thing("queue", queue.name, queue.region or self._home, queue.account or account)
