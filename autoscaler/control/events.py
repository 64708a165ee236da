"""The events of ECS that EventBridge sends to a queue: an accelerator. Polling stays the base.

The queue is read in a task of its own, so no fault of it delays a poll. Each event becomes evidence about its service,
which the diagnosis uses in addition to what ECS returns. An urgent one also makes the next poll earlier.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from autoscaler.config import ServiceConfig
from autoscaler.config.claims import Claims, queue_resource
from autoscaler.core.model import Instant
from autoscaler.diagnosis.delivered import KEPT_S, DeliveredEvents, DeliveredEvidence, EcsEvent, EventOutcome, EventType
from autoscaler.errors import AutoscalerError
from autoscaler.ports import Delivery, EventPort, QueueRef, ServiceRef

PAUSE_S = 0.1
"""Seconds between two receives: at most 100 messages a second, of at most 64 KiB each."""

EMPTY_PAUSE_S = 2.0
"""Seconds after a receive without messages that returned at once. SQS waits up to 20 s; an emulator may not."""

LONGEST_BACKOFF_S = 300.0
"""The longest time between two attempts while the queue cannot be used."""

SHARED_PAUSE_S = 60.0
"""Seconds until the settings are checked again while a service has the same queue."""

RECENT_S = 300.0
"""The maximum age of an event that makes a poll earlier. After a restart, the queue may contain old ones."""

FAILURES = 2
"""Failed attempts in a row from which on the queue counts as failing. A single one is usual."""

FOREIGN = (
    "the queue contains messages that are not events of ECS. They stay in the queue. Check that event_queue names the "
    "queue of the EventBridge rule, that the rule has no input transformer, and that nothing else sends to the queue"
)


class EventReporter(Protocol):
    """Receives what became of the events, and the state of the queue."""

    def event(self, type_: EventType, outcome: EventOutcome, count: int = 1) -> None:
        """Count events."""

    def event_queue(self, problem: str | None) -> None:
        """Report why no events are received (None: they are)."""


class ServicePlace(NamedTuple):
    """What identifies a service in all accounts and Regions."""

    account: str
    region: str
    cluster: str
    service: str


class EventListener:
    """Reads the queue, and stores the evidence: the `DeliveredPort`. `home`: the daemon's own Region. `draw` returns a
    random number from 0 to 1.
    """

    def __init__(
        self,
        queue: QueueRef,
        port: EventPort,
        reporter: EventReporter,
        *,
        home: str,
        clock: Callable[[], Instant],
        wall: Callable[[], float],
        draw: Callable[[], float],
    ) -> None:
        self._queue = queue
        self._port = port
        self._reporter = reporter
        self._home = home
        self._clock = clock
        self._wall = wall
        self._draw = draw
        self._services: dict[tuple[str, str, str], list[ServiceRef]] | None = None
        self._shared_with: str | None = None
        self._evidence = DeliveredEvents()
        self._failures = 0

    def follow(self, services: Iterable[ServiceConfig]) -> None:
        """Use the events of these services from now on. Before the first call, nothing is received."""
        known = defaultdict[tuple[str, str, str], list[ServiceRef]](list)
        claims = Claims(self._home)
        for service in services:
            ref = service.ref
            known[ref.region or self._home, ref.cluster, ref.service].append(ref)
            claims.add(service)
        self._services = dict(known)
        claim = claims.earlier(queue_resource(self._queue, self._home))
        self._shared_with = None if claim is None else claim.by

    async def run(self, wake: Callable[[str], None]) -> None:
        """Receive until the task is cancelled. `wake` gets the key of each service that should be polled sooner."""
        while True:
            pause_s = await self.receive(wake)
            await asyncio.sleep(pause_s)

    async def receive(self, wake: Callable[[str], None]) -> float:
        """Receive once, and return the seconds until the next time. Errors of AWS and the network are reported."""
        if self._services is None:
            return EMPTY_PAUSE_S
        if self._shared_with is not None:
            what = f"event_queue is also a queue of the service {self._shared_with}: nothing is received from it"
            self._reporter.event_queue(f"{what}. Use another queue for the events")
            return SHARED_PAUSE_S
        began = self._clock()
        try:
            delivery = await self._port.receive()
            self._use(delivery, wake)
            await self._port.delete(delivery)
        except AutoscalerError as error:
            return self._failed(str(error), at_once=error.permanent)
        if delivery.foreign and not delivery.receipts:
            return self._failed(FOREIGN, at_once=True)
        self._failures = 0
        self._reporter.event_queue(None)
        if delivery.receipts:
            return PAUSE_S
        return max(PAUSE_S, EMPTY_PAUSE_S - (self._clock() - began))

    def evidence(self, service: ServiceRef, identity: str | None, since: float) -> DeliveredEvidence:
        """Return what was delivered about the service, newest first. See `DeliveredPort`."""
        account = _account_of(service, identity)
        if account is None:
            return DeliveredEvidence()
        place = ServicePlace(account, service.region or self._home, service.cluster, service.service)
        return self._evidence.of(place, max(since, self._wall() - KEPT_S))

    def _failed(self, problem: str, *, at_once: bool) -> float:
        """Report the problem if it lasts, and return the seconds of a backoff with jitter."""
        self._failures += 1
        if at_once or self._failures >= FAILURES:
            self._reporter.event_queue(problem)
        longest_s = min(LONGEST_BACKOFF_S, 2.0 ** min(self._failures, 20))
        return longest_s * (1 + self._draw()) / 2

    def _use(self, delivery: Delivery, wake: Callable[[str], None]) -> None:
        if delivery.malformed:
            self._reporter.event(EventType.OTHER, EventOutcome.MALFORMED, delivery.malformed)
        if delivery.foreign:
            self._reporter.event(EventType.OTHER, EventOutcome.FOREIGN, delivery.foreign)
        for event in delivery.events:
            self._reporter.event(event.type, self._outcome(event, wake))

    def _outcome(self, event: EcsEvent, wake: Callable[[str], None]) -> EventOutcome:
        """Store the evidence of the event, and return what became of it."""
        if event.type is EventType.OTHER:
            return EventOutcome.IGNORED
        service = self._service_of(event)
        if service is None:
            return EventOutcome.UNKNOWN_SERVICE
        place = ServicePlace(event.account, event.region, event.cluster, event.service)
        outcome = self._evidence.add(place, event)
        if event.is_urgent and outcome is EventOutcome.USED and self._wall() - event.at < RECENT_S:
            wake(service.key)
        return outcome

    def _service_of(self, event: EcsEvent) -> ServiceRef | None:
        """Return the service that the event is about (None: it is not scaled here). The number of the daemon's own
        account is unknown, so a service without a role may be in any account that no role is in.
        """
        found = (self._services or {}).get((event.region, event.cluster, event.service), ())
        named = next((one for one in found if one.role is not None and one.role.account == event.account), None)
        return named or next((one for one in found if one.role is None), None)


def _account_of(service: ServiceRef, identity: str | None) -> str | None:
    """Return the account of the service, from its ARN in `Fleet.identity` or from its role (None: unknown)."""
    parts = (identity or "").split(":", 5)
    if len(parts) > 5:
        return parts[4]
    return None if service.role is None else service.role.account
