"""Workloads, scalers and worlds for the tests of the simulated world."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autoscaler.sim.chance import DurationDistribution, StartUp, stream
from autoscaler.sim.model import SimulationOutcome, Surface, Victims, Workload, WorldSettings
from autoscaler.sim.play import play
from autoscaler.sim.world import World

EMPTY = np.zeros(0)
TEN_SECONDS = StartUp(10.0, 10.0, 10.0)


def workload(arrivals_s: Sequence[float], service_s: Sequence[float] | float, length_s: float = 600.0) -> Workload:
    """Return a workload of exactly these messages."""
    arrivals = np.array(arrivals_s, dtype=np.float64)
    service = np.full(len(arrivals), service_s) if isinstance(service_s, int | float) else np.array(service_s)
    return Workload("made", arrivals, service, length_s, 60.0, EMPTY, EMPTY)


def poisson(seed: int, per_s: float, length_s: float, service: str = "exponential:5") -> Workload:
    rng = stream(seed, "test")
    arrivals = np.sort(rng.uniform(0.0, length_s, rng.poisson(per_s * length_s)))
    drawn = DurationDistribution.parse(service).sample(rng, len(arrivals))
    return Workload("poisson", arrivals, drawn, length_s, 60.0, EMPTY, EMPTY)


class ScriptedScaler:
    """A scaler that sets each count at the first poll at or after its instant."""

    def __init__(self, desired: dict[float, int] | None = None, interval_s: float = 10.0) -> None:
        self.interval_s = interval_s
        self.polls: list[float] = []
        self.restarts: list[float] = []
        self.seen: list[Any] = []
        self._desired = sorted((desired or {}).items())
        self._read: Callable[[Surface], Any] | None = None

    def recording(self, read: Callable[[Surface], Any]) -> ScriptedScaler:
        """Also store the result of `read` at each poll in `seen`, before any count is set."""
        self._read = read
        return self

    def poll(self, world: Surface) -> None:
        self.polls.append(world.now)
        if self._read is not None:
            self.seen.append(self._read(world))
        while self._desired and self._desired[0][0] <= world.now:
            world.scale_to(self._desired.pop(0)[1])

    def restart(self) -> None:
        self.restarts.append(len(self.polls))


class RandomScaler:
    """A scaler that sets a random count at each poll."""

    interval_s = 7.0

    def __init__(self, seed: int, most: int) -> None:
        self._rng = stream(seed, "restless")
        self._most = most

    def poll(self, world: Surface) -> None:
        least = 0 if world.now < 1e4 else 1  # a queue without tasks would never drain
        world.scale_to(int(self._rng.integers(least, self._most + 1)))

    def restart(self) -> None:
        """Do nothing: there is no memory."""


def settings(**changed: Any) -> WorldSettings:
    """Return the default settings with one initial task and start-up times of exactly 10 s."""
    return WorldSettings(**{"start_up": TEN_SECONDS, **changed})


def played(load: Workload, desired: dict[float, int] | None = None, **changed: Any) -> SimulationOutcome:
    return play(load, settings(**changed), 1, ScriptedScaler(desired))


def world(load: Workload, **changed: Any) -> World:
    return World(load, settings(**changed), 1)


BOTH = tuple(Victims)
