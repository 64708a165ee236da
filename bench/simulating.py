"""What a simulated message costs in the world itself: beside it a policy's own thinking is extra."""

from __future__ import annotations

import resource
import statistics
import time
from typing import NamedTuple

import numpy as np

from autoscaler.sim.chance import Distribution, stream
from autoscaler.sim.model import MINUTE_S, Surface, Workload, WorldSettings
from autoscaler.sim.play import play

WEEK_S = 7 * 86_400.0
TASKS, SERVICE_S = 20.0, 5.0
FLEET, RUNS = 25, 3


class Simulated(NamedTuple):
    """`resident_mb`: the most that the process ever held, the workload included."""

    messages: int
    microseconds: float
    resident_mb: float


class _Fleet:
    """A scaler that looks every 10 s, as the product does, and always wants the same count."""

    interval_s = 10.0

    def tick(self, world: Surface) -> None:
        world.counts()
        if world.tasks().desired != FLEET:
            world.scale_to(FLEET)

    def restart(self) -> None:
        """It remembers nothing."""


def simulated_week() -> Simulated:
    """A week at a mean of 20 tasks, messages of 5 s: 2.4 million. The median of several runs, by the CPU's time."""
    load = _week()
    spent_s = []
    for _ in range(RUNS):
        began = time.process_time()
        play(load, WorldSettings(), 1, _Fleet())
        spent_s.append(time.process_time() - began)
    resident_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    messages = len(load.arrivals_s)
    return Simulated(messages, statistics.median(spent_s) / messages * 1e6, resident_mb)


def _week() -> Workload:
    chance = stream(1, "bench")
    minutes = int(WEEK_S / MINUTE_S)
    counts = np.full(minutes, TASKS / SERVICE_S * MINUTE_S)
    arrivals = np.sort(chance.uniform(0.0, WEEK_S, chance.poisson(counts).sum()))
    service = Distribution("lognormal", SERVICE_S, 1.0).sample(chance, len(arrivals))
    return Workload("week", arrivals, service, WEEK_S, MINUTE_S, counts, np.zeros(0))


if __name__ == "__main__":
    print(simulated_week())
