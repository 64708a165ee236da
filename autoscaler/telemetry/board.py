"""Where every service stands, for those who ask: its newest tick, and the last decisions that were worth telling.

Bounded: one tick and at most `REMEMBERED` decisions for each service, gone with the service. Written by the loop
only; what it hands out is immutable, so that it may be rendered in another thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from autoscaler.core.model import Instant
from autoscaler.core.policy import Policy
from autoscaler.ports import ServiceRef, Tick
from autoscaler.telemetry.account import Event, Fault, faults_of, is_served, read_at, signals_of

REMEMBERED = 50
"""How many decisions of a service are kept."""


class State(StrEnum):
    """How a service fares: served, not ticked yet, or with something at fault that keeps it from being served."""

    OK = "ok"
    STARTING = "starting"
    FAILING = "failing"


class Told(NamedTuple):
    """A tick that was worth telling, and the wall time (s since the epoch) at which it was recorded."""

    wall: float
    event: Event
    tick: Tick
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one service stands. `at` and `wall` are the record of its newest tick; before the first, of its beginning.

    `read_at` keeps the newest instant of each signal that could be read, also while it cannot.
    """

    service: ServiceRef
    policy: Policy
    at: Instant
    wall: float
    tick: Tick | None = None
    faults: tuple[Fault, ...] = ()
    read_at: Mapping[str, Instant] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def state(self) -> State:
        if self.tick is None:
            return State.STARTING
        return State.OK if is_served(self.tick, self.faults) else State.FAILING

    def after(self, tick: Tick, at: Instant, wall: float) -> Standing:
        """The standing once this tick is known."""
        known = {name: instant for name, instant in self.read_at.items() if name in signals_of(tick.policy)}
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


class Board:
    """The standings of all services. `clock` is monotonic, `wall` the time of day; both in seconds."""

    def __init__(self, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        self.clock = clock
        self.wall = wall
        self._standings: dict[str, Standing] = {}
        self._told: dict[str, deque[Told]] = {}

    def admit(self, service: ServiceRef, policy: Policy) -> None:
        """The service is listed from now on, as starting. Where it is known already, only its settings change."""
        known = self._standings.get(service.key)
        if known is None:
            self._told[service.key] = deque(maxlen=REMEMBERED)
            self._standings[service.key] = Standing(service, policy, self.clock(), self.wall())
        else:
            self._standings[service.key] = replace(known, service=service, policy=policy)

    def dismiss(self, key: str) -> None:
        """The service is gone, and all that was known of it."""
        self._standings.pop(key, None)
        self._told.pop(key, None)

    def note(self, tick: Tick) -> Standing:
        """The tick is the service's newest. A service that was not admitted is."""
        if tick.service.key not in self._standings:
            self.admit(tick.service, tick.policy)
        standing = self._standings[tick.service.key].after(tick, self.clock(), self.wall())
        self._standings[tick.service.key] = standing
        return standing

    def tell(self, standing: Standing, event: Event) -> None:
        """The service's newest tick is kept among its decisions."""
        if standing.tick is not None:
            told = Told(standing.wall, event, standing.tick, standing.faults)
            self._told[standing.service.key].append(told)

    def find(self, key: str) -> Standing | None:
        return self._standings.get(key)

    def standings(self) -> tuple[Standing, ...]:
        """All services, in the order of their admission."""
        return tuple(self._standings.values())

    def told(self, key: str) -> tuple[Told, ...]:
        """The service's decisions that were worth telling, oldest first."""
        return tuple(self._told.get(key, ()))

    def silent(self, limit_s: float) -> dict[str, float]:
        """The services whose loop has not recorded a tick for longer than the limit, and for how long (s)."""
        now = self.clock()
        ages = {key: now - standing.at for key, standing in self._standings.items()}
        return {key: age_s for key, age_s in ages.items() if age_s > limit_s}
