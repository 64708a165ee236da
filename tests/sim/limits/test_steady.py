"""No fleet of one size that is never late is cheaper than the clairvoyant, however many messages a task works on."""

from __future__ import annotations

import numpy as np
import pytest

from autoscaler.sim.chance import Distribution, StartUp, stream
from autoscaler.sim.experiment import Experiment, Task, run
from autoscaler.sim.model import Workload, WorldSettings


class Load:
    """Messages at a steady rate for an hour, or in a burst each fifth minute."""

    def __init__(self, per_minute: int, every: int, service: Distribution) -> None:
        self.counts = np.array([per_minute if minute % every == 0 else 0 for minute in range(60)], dtype=np.float64)
        self.service = service

    def draw(self, seed: int) -> Workload:
        chance = stream(seed, "arrivals")
        begins = np.repeat(np.arange(60) * 60.0, chance.poisson(self.counts))
        arrivals = np.sort(begins + chance.random(begins.size) * 60)
        services = self.service.sample(stream(seed, "service"), arrivals.size)
        return Workload("steady", arrivals, services, 3600.0, 60.0, self.counts, np.zeros(0))


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(
    ("load", "concurrency", "start_up", "latency_s", "tasks"),
    [
        (Load(12, 1, Distribution("lognormal", 5.0, 1.0)), 10, StartUp(), 60.0, 1),
        (Load(12, 1, Distribution("exponential", 20.0)), 10, StartUp(0.0, 0.0, 0.0), 5.0, 1),
        (Load(60, 1, Distribution("lognormal", 5.0, 1.0)), 10, StartUp(), 60.0, 1),
        (Load(100, 5, Distribution("constant", 60.0)), 1, StartUp(45.0, 45.0, 45.0), 300.0, 20),
    ],
)
def test_a_fleet_of_one_size_is_never_cheaper(
    load: Load, concurrency: int, start_up: StartUp, latency_s: float, tasks: int, seed: int
) -> None:
    world = WorldSettings(task_concurrency=concurrency, start_up=start_up)
    experiment = Experiment(load, world, latency_s, load.service.mean_s)
    limit = run(experiment, Task("clairvoyant", seed), 1.0)
    assert limit.score.late_fraction == 0
    fleet = run(experiment, Task(f"static:{tasks}", seed), 1.0)
    assert fleet.score.late_fraction > 0 or fleet.score.cost_per_work >= limit.score.cost_per_work
