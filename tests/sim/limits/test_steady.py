"""No fixed fleet that is never late is cheaper than the clairvoyant, at any task concurrency."""

from __future__ import annotations

import numpy as np
import pytest

from autoscaler.sim.chance import DurationDistribution, StartUp, stream
from autoscaler.sim.experiment import Experiment, RunRequest, run
from autoscaler.sim.model import Workload, WorldSettings


class SteadyLoad:
    """Poisson arrivals for one hour, `per_minute` on average, in every `every`-th minute only."""

    def __init__(self, per_minute: int, every: int, service: DurationDistribution) -> None:
        self.counts = np.array([per_minute if minute % every == 0 else 0 for minute in range(60)], dtype=np.float64)
        self.service = service

    def draw(self, seed: int) -> Workload:
        rng = stream(seed, "arrivals")
        minutes_s = np.repeat(np.arange(60) * 60.0, rng.poisson(self.counts))
        arrivals = np.sort(minutes_s + rng.random(minutes_s.size) * 60)
        services = self.service.sample(stream(seed, "service"), arrivals.size)
        return Workload("steady", arrivals, services, 3600.0, 60.0, self.counts, np.zeros(0))


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(
    ("load", "concurrency", "start_up", "latency_s", "tasks"),
    [
        (SteadyLoad(12, 1, DurationDistribution("lognormal", 5.0, 1.0)), 10, StartUp(), 60.0, 1),
        (SteadyLoad(12, 1, DurationDistribution("exponential", 20.0)), 10, StartUp(0.0, 0.0, 0.0), 5.0, 1),
        (SteadyLoad(60, 1, DurationDistribution("lognormal", 5.0, 1.0)), 10, StartUp(), 60.0, 1),
        (SteadyLoad(100, 5, DurationDistribution("constant", 60.0)), 1, StartUp(45.0, 45.0, 45.0), 300.0, 20),
    ],
)
def test_a_fixed_fleet_that_is_never_late_is_not_cheaper_than_the_clairvoyant(
    load: SteadyLoad, concurrency: int, start_up: StartUp, latency_s: float, tasks: int, seed: int
) -> None:
    world = WorldSettings(task_concurrency=concurrency, start_up=start_up)
    experiment = Experiment(load, world, latency_s, load.service.mean_s)
    limit = run(experiment, RunRequest("clairvoyant", seed), 1.0)
    assert limit.score.late_fraction == 0
    fleet = run(experiment, RunRequest(f"static:{tasks}", seed), 1.0)
    assert fleet.score.late_fraction > 0 or fleet.score.cost_per_work >= limit.score.cost_per_work
