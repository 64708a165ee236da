"""What only one service may have: its key, its ECS service and its queues. Two on one would each write for both."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from autoscaler.config.model import Service
from autoscaler.config.names import NOT_YET, folded
from autoscaler.ports import QueueRef, Role, ServiceRef


class Thing(NamedTuple):
    """Something that only one service may have. `region` None: nobody knows, so it may be any.

    `account` None: the daemon's own, whichever that is. `elsewhere`: the account is only known by a role in it, and
    so is another than the daemon's own, which needs no role.
    """

    what: str
    remedy: str = ""
    region: str | None = None
    account: str | None = None
    elsewhere: bool = False

    def may_be(self, other: Thing) -> bool:
        here = None in {self.region, other.region} or self.region == other.region
        own = None in {self.account, other.account} and not (self.elsewhere or other.elsewhere)
        return self.what == other.what and here and (own or self.account == other.account)


class Claim(NamedTuple):
    """A thing, claimed `by` a service's key `at` a setting (empty: by its settings as a whole)."""

    thing: Thing
    by: str
    at: str = ""


class Claims:
    """What is taken so far. `home` is the daemon's own Region, where it is known."""

    def __init__(self, home: str | None, services: Iterable[Service] = ()) -> None:
        self._home = home
        self._taken: defaultdict[str, list[Claim]] = defaultdict(list)
        for service in services:
            self.add(service)

    def add(self, service: Service) -> None:
        for thing in self._things(service):
            self.take(Claim(thing, service.ref.key))

    def take(self, claim: Claim) -> None:
        self._taken[claim.thing.what].append(claim)

    def release(self, service: Service) -> None:
        """Others may have what it had."""
        for thing in self._things(service):
            there = self._taken[thing.what]
            there[:] = [claim for claim in there if claim.by != service.ref.key]

    def rival(self, service: Service, *, but: str | None = None) -> str | None:
        """The key of a service that has what this one wants (None: nobody). `but`: whose things do not count."""
        claims = (self.earlier(thing, but=but) for thing in self._things(service))
        return next((claim.by for claim in claims if claim is not None), None)

    def earlier(self, thing: Thing, *, but: str | None = None) -> Claim | None:
        """The first claim on what may be this thing."""
        there = self._taken.get(thing.what, ())
        return next((claim for claim in there if claim.by != but and thing.may_be(claim.thing)), None)

    def _things(self, service: Service) -> Iterator[Thing]:
        yield Thing(f"the key {folded(service.ref.key)}")
        yield service_thing(service.ref, self._home)
        yield from (queue_thing(queue, self._home) for queue in service.queues)


def service_thing(service: ServiceRef, home: str | None) -> Thing:
    what, account = f"the ECS service {service.service} of the cluster {service.cluster}", _account(service.role)
    return Thing(what, "only one may scale it", service.region or home, account, account is not None)


def queue_thing(queue: QueueRef, home: str | None) -> Thing:
    """A queue whose Region is not given is in the daemon's own."""
    remedy = f"sharing a queue needs queue_share, which {NOT_YET}"
    account, elsewhere = queue.account or _account(queue.role), queue.account is None and queue.role is not None
    return Thing(f"the queue {queue.name}", remedy, queue.region or home, account, elsewhere)


def _account(role: Role | None) -> str | None:
    return None if role is None else role.account
