"""Resources that only one service may use: a key, an ECS service, queues. Two services on one would both scale it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from autoscaler.config.model import ServiceConfig
from autoscaler.config.names import folded
from autoscaler.ports import QueueRef, Role, ServiceRef


class ExclusiveResource(NamedTuple):
    """A resource that only one service may use. `region` None: unknown, so it may be any Region.

    `account` None: the daemon's own account, whose number is unknown. `elsewhere`: the account is known only from a
    role in it, so it is not the daemon's own account, which needs no role.
    """

    what: str
    remedy: str = ""
    region: str | None = None
    account: str | None = None
    elsewhere: bool = False

    def may_be(self, other: ExclusiveResource) -> bool:
        """Whether both may be the same resource in AWS."""
        here = None in {self.region, other.region} or self.region == other.region
        own = None in {self.account, other.account} and not (self.elsewhere or other.elsewhere)
        return self.what == other.what and here and (own or self.account == other.account)


EVENT_QUEUE = "event_queue"
"""The daemon's own claim. It is a setting, so no service has this key with the same resource."""


class Claim(NamedTuple):
    """A claim of the service with the key `by`, made at the setting `at` (empty: by its settings as a whole)."""

    resource: ExclusiveResource
    by: str
    at: str = ""


class Claims:
    """The claims so far. `home`: the daemon's own Region (None: unknown). `events`: the queue of the events of ECS,
    whose messages the daemon deletes (None: there is none).
    """

    def __init__(
        self, home: str | None, services: Iterable[ServiceConfig] = (), events: QueueRef | None = None
    ) -> None:
        self._home = home
        self._taken: defaultdict[str, list[Claim]] = defaultdict(list)
        if events is not None:
            self.take(Claim(queue_resource(events, home), EVENT_QUEUE))
        for service in services:
            self.add(service)

    def add(self, service: ServiceConfig) -> None:
        for resource in self._resources(service):
            self.take(Claim(resource, service.ref.key))

    def take(self, claim: Claim) -> None:
        self._taken[claim.resource.what].append(claim)

    def release(self, service: ServiceConfig) -> None:
        """Remove the claims of the service, so that other services may use its resources."""
        for resource in self._resources(service):
            there = self._taken[resource.what]
            there[:] = [claim for claim in there if claim.by != service.ref.key]

    def conflicting_key(self, service: ServiceConfig, *, but: str | None = None) -> str | None:
        """Return the key of a service that already has a resource of this one (None: none). `but`: a key to ignore."""
        claims = (self.earlier(resource, but=but) for resource in self._resources(service))
        return next((claim.by for claim in claims if claim is not None), None)

    def earlier(self, resource: ExclusiveResource, *, but: str | None = None) -> Claim | None:
        """Return the first claim on a resource that may be the same. `but`: a key to ignore."""
        there = self._taken.get(resource.what, ())
        return next((claim for claim in there if claim.by != but and resource.may_be(claim.resource)), None)

    def _resources(self, service: ServiceConfig) -> Iterator[ExclusiveResource]:
        yield ExclusiveResource(f"the key {folded(service.ref.key)}")
        yield service_resource(service.ref, self._home)
        yield from (queue_resource(queue, self._home) for queue in service.queues)


def service_resource(service: ServiceRef, home: str | None) -> ExclusiveResource:
    what, account = f"the ECS service {service.service} in the cluster {service.cluster}", _account(service.role)
    return ExclusiveResource(
        what, "Remove it from one of the two services", service.region or home, account, account is not None
    )


def queue_resource(queue: QueueRef, home: str | None) -> ExclusiveResource:
    """Return the queue as a resource. Without a Region it is in the daemon's own."""
    remedy = "Remove it from one of the two services: a queue cannot be shared in this version"
    account, elsewhere = queue.account or _account(queue.role), queue.account is None and queue.role is not None
    return ExclusiveResource(f"the queue {queue.name}", remedy, queue.region or home, account, elsewhere)


def _account(role: Role | None) -> str | None:
    return None if role is None else role.account
