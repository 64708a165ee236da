"""Workloads, scalers and worlds for the tests of the simulated world."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autoscaler.sim.chance import Distribution, StartUp, stream
from autoscaler.sim.model import Outcome, Surface, Victims, Workload, WorldSettings
from autoscaler.sim.play import play
from autoscaler.sim.world import World

NONE = np.zeros(0)
AT_ONCE = StartUp(10.0, 10.0, 10.0)


def workload(arrivals_s: Sequence[float], service_s: Sequence[float] | float, length_s: float = 600.0) -> Workload:
    """Just these messages."""
    arrivals = np.array(arrivals_s, dtype=np.float64)
    service = np.full(len(arrivals), service_s) if isinstance(service_s, int | float) else np.array(service_s)
    return Workload("made", arrivals, service, length_s, 60.0, NONE, NONE)


def poisson(seed: int, per_s: float, length_s: float, service: str = "exponential:5") -> Workload:
    chance = stream(seed, "test")
    arrivals = np.sort(chance.uniform(0.0, length_s, chance.poisson(per_s * length_s)))
    drawn = Distribution.parse(service).sample(chance, len(arrivals))
    return Workload("poisson", arrivals, drawn, length_s, 60.0, NONE, NONE)


class Script:
    """A scaler that asks for counts at instants: at the first tick at or after each."""

    def __init__(self, wanted: dict[float, int] | None = None, interval_s: float = 10.0) -> None:
        self.interval_s = interval_s
        self.ticks: list[float] = []
        self.restarts: list[float] = []
        self.seen: list[Any] = []
        self._wanted = sorted((wanted or {}).items())
        self._look: Callable[[Surface], Any] | None = None

    def looking(self, look: Callable[[Surface], Any]) -> Script:
        """It also keeps, in `seen`, what it sees at each tick, before it asks for anything."""
        self._look = look
        return self

    def tick(self, world: Surface) -> None:
        self.ticks.append(world.now)
        if self._look is not None:
            self.seen.append(self._look(world))
        while self._wanted and self._wanted[0][0] <= world.now:
            world.scale_to(self._wanted.pop(0)[1])

    def restart(self) -> None:
        self.restarts.append(len(self.ticks))


class Restless:
    """A scaler that asks for any count, by chance, at each tick."""

    interval_s = 7.0

    def __init__(self, seed: int, most: int) -> None:
        self._chance = stream(seed, "restless")
        self._most = most

    def tick(self, world: Surface) -> None:
        least = 0 if world.now < 1e4 else 1  # none for ever would not drain
        world.scale_to(int(self._chance.integers(least, self._most + 1)))

    def restart(self) -> None:
        """It remembers nothing."""


def settings(**changed: Any) -> WorldSettings:
    """One task at the start, start-ups of exactly 10 s, and otherwise the defaults."""
    return WorldSettings(**{"start_up": AT_ONCE, **changed})


def played(load: Workload, wanted: dict[float, int] | None = None, **changed: Any) -> Outcome:
    return play(load, settings(**changed), 1, Script(wanted))


def world(load: Workload, **changed: Any) -> World:
    return World(load, settings(**changed), 1)


BOTH = tuple(Victims)
