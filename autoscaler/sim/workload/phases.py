"""A load in phases, to describe workloads that counts cannot: batches of another kind of job, and timers.

Phases can overlap. Each phase has its own random streams, so a change of one phase does not change the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autoscaler.sim.chance import Durations, stream
from autoscaler.sim.model import MINUTE_S, Floats, Workload


@dataclass(frozen=True, slots=True)
class Phase:
    """Messages of one kind in [start_s, end_s): `per_s` messages per second on average.

    `swing` (0 to 1), `period_s`: the rate follows a sine around its mean. `every_s`: the messages of each such interval
    arrive at once, at its beginning, and their number is not random (None: a Poisson process). `burst_s`: of each
    interval of `every_s`, messages arrive in a Poisson process in the first `burst_s` only (0: at once).
    """

    start_s: float
    end_s: float
    per_s: float
    service: Durations
    swing: float = 0.0
    period_s: float = 3 * 3600.0
    every_s: float | None = None
    burst_s: float = 0.0

    @property
    def messages(self) -> float:
        """The expected number of messages."""
        if self.every_s is not None and not self.burst_s:
            return float(round(self.per_s * self.every_s) * self._starts().size)
        return float(self.until(np.array([self.end_s]))[0])

    def until(self, at: Floats) -> Floats:
        """Return the expected number of messages that arrive before each instant."""
        passed = np.clip(at, self.start_s, self.end_s) - self.start_s
        if self.every_s is None:
            wave = self.period_s / (2 * np.pi) * (1 - np.cos(2 * np.pi * passed / self.period_s))
            return np.asarray(self.per_s * (passed + self.swing * wave))
        if not self.burst_s:
            return np.asarray(np.searchsorted(self._starts(), at) * float(round(self.per_s * self.every_s)))
        rounds, within = np.divmod(passed, self.every_s)
        return np.asarray(self.per_s * self.every_s * (rounds + np.minimum(within / self.burst_s, 1.0)))

    def arrivals(self, rng: np.random.Generator) -> Floats:
        """Return ascending instants."""
        if self.every_s is not None and not self.burst_s:
            return np.repeat(self._starts(), round(self.per_s * self.every_s))
        edges = np.append(np.arange(self.start_s, self.end_s, 1.0), self.end_s)
        expected = self.until(edges)
        numbers = np.sort(rng.random(rng.poisson(expected[-1] - expected[0]))) * (expected[-1] - expected[0])
        return np.asarray(np.interp(numbers + expected[0], expected, edges))

    def _starts(self) -> Floats:
        return np.arange(self.start_s, self.end_s, self.every_s)


@dataclass(frozen=True, slots=True)
class Phased:
    """A load of several phases, without a history in CloudWatch."""

    name: str
    length_s: float
    phases: tuple[Phase, ...]

    @property
    def mean_service_s(self) -> float:
        """The mean processing time over all phases."""
        messages = sum(phase.messages for phase in self.phases)
        return sum(phase.messages * phase.service.mean_s for phase in self.phases) / messages

    def draw(self, seed: int) -> Workload:
        """Return the workload of the seed. Equal seeds give equal workloads."""
        arrivals, services = zip(*(_drawn(at, phase, seed) for at, phase in enumerate(self.phases)), strict=True)
        at, service = np.concatenate(arrivals), np.concatenate(services)
        order = np.argsort(at, kind="stable")
        minutes = np.arange(np.ceil(self.length_s / MINUTE_S) + 1) * MINUTE_S
        counts = sum((np.diff(phase.until(minutes)) for phase in self.phases), np.zeros(minutes.size - 1))
        ascending = np.minimum(at[order], np.nextafter(self.length_s, 0.0))
        return Workload(self.name, ascending, service[order], self.length_s, MINUTE_S, counts, np.zeros(0))


def _drawn(number: int, phase: Phase, seed: int) -> tuple[Floats, Floats]:
    """Return the arrivals and the service times of a phase."""
    arrivals = phase.arrivals(stream(seed, f"arrivals {number}"))
    return arrivals, phase.service.sample(stream(seed, f"service {number}"), arrivals.size)
