"""The simulated world compared with queueing theory and with a simple recursion for several servers."""

from __future__ import annotations

import math
from heapq import heapify, heapreplace

import numpy as np
import pytest

from autoscaler.sim.chance import Floats
from autoscaler.sim.model import Workload
from tests.sim.world.erlang import erlang_c, simulated_wait
from tests.sim.world.made import played, poisson

GRID = (
    (0.5, 1, 100_000),
    (0.5, 5, 200_000),
    (0.7, 2, 100_000),
    (0.7, 10, 300_000),
    (0.8, 1, 100_000),
    (0.8, 5, 200_000),
    (0.8, 20, 400_000),
    (0.9, 1, 100_000),
    (0.9, 10, 200_000),
    (0.9, 50, 500_000),
    (0.95, 1, 100_000),
    (0.95, 5, 200_000),
    (0.95, 50, 400_000),
)


@pytest.mark.parametrize(("load", "tasks", "messages"), GRID)
def test_mean_waits_match_erlang_c(load: float, tasks: int, messages: int) -> None:
    points = [simulated_wait(load, tasks, messages // 2, seed) for seed in (1, 2)]
    simulated = float(np.mean([point.simulated for point in points]))
    assert points[0]._replace(simulated=simulated).error < 0.05


@pytest.mark.parametrize(("tasks", "load"), [(1, 0.7), (2, 0.5), (10, 0.8), (50, 0.95)])
def test_the_recursion_equals_the_erlang_c_formula(tasks: int, load: float) -> None:
    # a^c/c! / (1 - load), divided by itself plus the terms a^k/k! of the states with an idle server.
    # For one server this is the load.
    offered = tasks * load
    all_busy = offered**tasks / math.factorial(tasks) / (1 - load)
    some_idle = sum(offered**busy / math.factorial(busy) for busy in range(tasks))
    assert erlang_c(tasks, load) == pytest.approx(all_busy / (all_busy + some_idle))


@pytest.mark.parametrize("tasks", [1, 3, 17])
@pytest.mark.parametrize("service", ["lognormal:5:1", "pareto:5:1.5", "constant:5"])
def test_each_message_begins_when_the_first_task_is_free(tasks: int, service: str) -> None:
    load = poisson(3, tasks / 5.5, 6000.0, service)
    outcome = played(load, tasks_at_start=tasks)
    assert outcome.received_s.tolist() == _first_come_first_served(load, tasks).tolist()
    assert outcome.ended_s == max(load.length_s, float((outcome.received_s + load.service_s).max()))


def _first_come_first_served(load: Workload, tasks: int) -> Floats:
    """Return when each message begins, with Kiefer and Wolfowitz's recursion: it takes the first free server."""
    free = [0.0] * tasks
    heapify(free)
    begun = []
    for arrival, service in zip(load.arrivals_s.tolist(), load.service_s.tolist(), strict=True):
        begun.append(max(arrival, free[0]))
        heapreplace(free, begun[-1] + service)
    return np.array(begun)
