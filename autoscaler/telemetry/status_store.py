"""Where every service stands, for those who ask: its newest tick, and the last decisions that were worth telling.

Bounded: one tick, at most `REMEMBERED` decisions and six hours of numbers for each service, gone with the service;
of more than `MOST_REMEMBERED` services only the newest tick of each. Written by the loop only; what it hands out is
immutable or a copy, so that it may be rendered in another thread.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from autoscaler.config import Chosen
from autoscaler.core.model import Instant
from autoscaler.core.policy import Mode, Policy
from autoscaler.ports import ServiceRef, Tick
from autoscaler.telemetry.account import Event, Fault, faults_of, is_served, read_at, signals_of
from autoscaler.telemetry.past import Past, sample_of
from autoscaler.telemetry.slo import Slo, oldest_waits_s, slo_of

MOST_DECISIONS = 50
"""How many decisions of a service are kept. Half of the room is for more than "nothing changed", which is told every
minute and would else drive out what happened before.
"""

MOST_SERVICES_WITH_HISTORY = 1_000
"""Of more services no past is kept: 23 KB of numbers each, and decisions with all that they rested on."""


class ServiceState(StrEnum):
    """How a service fares: served, not ticked yet, or with something at fault that keeps it from being served."""

    OK = "ok"
    STARTING = "starting"
    FAILING = "failing"


class RecordedTick(NamedTuple):
    """A tick that was worth telling, and the wall time (s since the epoch) at which it was recorded."""

    wall: float
    event: Event
    tick: Tick
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """Where one service stands. `at` and `wall` are the record of its newest tick; before the first, of its beginning.

    `settings` are those that were made, each with where. `activate` says how to make the service active (None: it is
    not known). `read_at` keeps the newest instant of each signal that could
    be read, also while it cannot.
    """

    service: ServiceRef
    policy: Policy
    at: Instant
    wall: float
    tick: Tick | None = None
    faults: tuple[Fault, ...] = ()
    settings: tuple[Chosen, ...] = ()
    silent_after_s: float | None = None
    activate: str | None = None
    read_at: Mapping[str, Instant] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def state(self) -> ServiceState:
        if self.tick is None:
            return ServiceState.STARTING
        return ServiceState.OK if is_served(self.tick, self.faults) else ServiceState.FAILING

    @property
    def activation(self) -> str | None:
        """How to make the service active, if it is in shadow (None: it is not, or it is not known)."""
        return self.activate if self.policy.mode is Mode.SHADOW else None

    @property
    def slo(self) -> Slo:
        """Whether the latency target is met, by the newest poll."""
        return slo_of(self.tick, self.faults)

    @property
    def oldest_s(self) -> float | None:
        """For how long the oldest message of all queues waits (None: not known)."""
        return None if self.tick is None else max(oldest_waits_s(self.tick).values(), default=None)

    def untold(self, told: Sequence[RecordedTick]) -> Tick | None:
        """The newest tick, where it is not the last of these (None: it is, or there was none yet)."""
        return None if told and told[-1].tick is self.tick else self.tick

    def after(self, tick: Tick, at: Instant, wall: float) -> ServiceStatus:
        """The standing once this tick is known."""
        signals = signals_of(tick.policy)
        known = {name: instant for name, instant in self.read_at.items() if name in signals}
        return replace(
            self,
            service=tick.service,
            policy=tick.policy,
            at=at,
            wall=wall,
            tick=tick,
            faults=faults_of(tick),
            read_at=MappingProxyType(known | read_at(tick)),
        )


class StatusStore:
    """The standings of all services. `clock` is monotonic, `wall` the time of day; both in seconds."""

    def __init__(self, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        self.clock = clock
        self.wall = wall
        self._standings: dict[str, ServiceStatus] = {}
        self._told: defaultdict[str, list[RecordedTick]] = defaultdict(list)
        self._pasts: defaultdict[str, Past] = defaultdict(Past)

    @property
    def remembers(self) -> bool:
        """Whether decisions and the last hours are kept: not of more than `MOST_REMEMBERED` services."""
        return len(self._standings) <= MOST_SERVICES_WITH_HISTORY

    def admit(
        self,
        service: ServiceRef,
        policy: Policy,
        settings: tuple[Chosen, ...] = (),
        silent_after_s: float | None = None,
        activate: str | None = None,
    ) -> None:
        """The service is listed from now on, as starting. Where it is known already, only its settings change.

        `silent_after_s`: what is silent for longer is hung (None: as long as everybody may be). `activate`: how to make
        the service active.
        """
        known = self._standings.get(service.key)
        fresh = known or ServiceStatus(service, policy, self.clock(), self.wall())
        self._standings[service.key] = replace(
            fresh,
            service=service,
            policy=policy,
            settings=settings,
            silent_after_s=silent_after_s,
            activate=activate,
        )
        if not self.remembers:
            self._told.clear()
            self._pasts.clear()

    def dismiss(self, key: str) -> None:
        """The service is gone, and all that was known of it."""
        for known in (self._standings, self._told, self._pasts):
            known.pop(key, None)

    def note(self, tick: Tick) -> ServiceStatus:
        """The tick is the service's newest. A service that was not admitted is."""
        key = tick.service.key
        if key not in self._standings:
            self.admit(tick.service, tick.policy)
        status = self._standings[key].after(tick, self.clock(), self.wall())
        self._standings[key] = status
        if self.remembers:
            self._pasts[key].note(status.wall, sample_of(tick, status.oldest_s))
        return status

    def tell(self, status: ServiceStatus, event: Event) -> None:
        """The service's newest tick is kept among its decisions."""
        if status.tick is not None and self.remembers:
            told = RecordedTick(status.wall, event, status.tick, status.faults)
            kept = self._told[status.service.key]
            kept.append(told)
            if len(kept) > MOST_DECISIONS:
                del kept[_least_wanted(kept)]

    def find(self, key: str) -> ServiceStatus | None:
        return self._standings.get(key)

    def statuses(self) -> tuple[ServiceStatus, ...]:
        """All services, in the order of their admission."""
        return tuple(self._standings.values())

    def told(self, key: str) -> tuple[RecordedTick, ...]:
        """The service's decisions that were worth telling, oldest first."""
        return tuple(self._told.get(key, ()))

    def past(self, key: str) -> Past | None:
        """The service's last hours, a copy (None: nothing is kept)."""
        known = self._pasts.get(key)
        return None if known is None else known.copied()

    def silent(self, limit_s: float) -> dict[str, float]:
        """The services whose loop has not recorded a tick for longer than it may, and for how long (s). `limit_s` is
        for those of which nothing else is known.
        """
        now, found = self.clock(), dict[str, float]()
        for key, status in self._standings.items():
            age_s = now - status.at
            if age_s > (status.silent_after_s or limit_s):
                found[key] = age_s
        return found


def _least_wanted(told: Sequence[RecordedTick]) -> int:
    """Which makes room: the oldest look that only held, while more than half are such; else the oldest of all."""
    held = [at for at, one in enumerate(told) if one.event is Event.HOLDING]
    return held[0] if len(held) > MOST_DECISIONS // 2 else 0
