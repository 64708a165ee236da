"""Measure the CPU of the simulated world per message, without the CPU of a policy."""

from __future__ import annotations

import resource
import statistics
import time
from typing import NamedTuple

import numpy as np

from autoscaler.sim.chance import DurationDistribution, stream
from autoscaler.sim.model import MINUTE_S, Surface, Workload, WorldSettings
from autoscaler.sim.play import play

WEEK_S = 7 * 86_400.0
TASKS, SERVICE_S = 20.0, 5.0
FLEET, RUNS = 25, 3


class Simulated(NamedTuple):
    """`resident_mb`: peak resident memory of the process, the workload included."""

    messages: int
    microseconds: float
    resident_mb: float


class _ConstantScaler:
    """A scaler that polls every 10 s, as the product does, and always sets the same count."""

    interval_s = 10.0

    def poll(self, world: Surface) -> None:
        world.counts()
        if world.tasks().desired != FLEET:
            world.scale_to(FLEET)

    def restart(self) -> None:
        """Do nothing: there is no state."""


def simulated_week() -> Simulated:
    """Simulate a week at a mean of 20 tasks, 2.4 million messages of 5 s. Return the median CPU of several runs."""
    load = _week()
    spent_s = []
    for _ in range(RUNS):
        began = time.process_time()
        play(load, WorldSettings(), 1, _ConstantScaler())
        spent_s.append(time.process_time() - began)
    resident_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    messages = len(load.arrivals_s)
    return Simulated(messages, statistics.median(spent_s) / messages * 1e6, resident_mb)


def _week() -> Workload:
    rng = stream(1, "bench")
    minutes = int(WEEK_S / MINUTE_S)
    counts = np.full(minutes, TASKS / SERVICE_S * MINUTE_S)
    arrivals = np.sort(rng.uniform(0.0, WEEK_S, rng.poisson(counts).sum()))
    service = DurationDistribution("lognormal", SERVICE_S, 1.0).sample(rng, len(arrivals))
    return Workload("week", arrivals, service, WEEK_S, MINUTE_S, counts, np.zeros(0))


if __name__ == "__main__":
    print(simulated_week())
