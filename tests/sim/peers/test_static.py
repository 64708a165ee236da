"""A fleet of constant size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from autoscaler.sim.peers import PEERS, parse, settings_of
from autoscaler.sim.peers.static import peak_tasks
from tests.sim.peers.fakes import ScriptedQueue, setup, workload


def test_the_peak_is_the_mean_work_of_the_busiest_five_minutes() -> None:
    busy = [300.0 + second for second in range(300)]
    assert peak_tasks(workload([10.0, *busy], [5.0, *[4.0] * 300]), 1) == 4
    assert peak_tasks(workload([10.0, *busy], [5.0, *[4.0] * 300]), 3) == 2
    assert peak_tasks(workload([10.0, *busy], [2000.0, *[4.0] * 300]), 1) == 5


def test_one_message_needs_one_task_however_long_it_takes() -> None:
    assert peak_tasks(workload([0.0], [3000.0]), 1) == 1


def test_a_rounding_error_of_the_sum_does_not_add_a_task() -> None:
    """Ten messages per second of 0.7 s each need seven tasks; the computed sum is 7.000000000006."""
    assert peak_tasks(workload([index * 0.1 for index in range(30_000)], [0.7] * 30_000), 1) == 7


def test_a_workload_without_messages_needs_one_task() -> None:
    assert peak_tasks(workload(), 1) == 1


def test_the_peak_equals_a_count_at_short_intervals() -> None:
    rng = np.random.default_rng(5)
    arrivals, services = np.sort(rng.uniform(0, 3000, 400)), rng.exponential(20.0, 400)
    instants = np.arange(0.0, 3900.0, 0.25)
    busy = ((arrivals <= instants[:, None]) & (instants[:, None] < arrivals + services)).sum(axis=1)
    by_counting = busy.reshape(-1, 1200).mean(axis=1).max()
    assert peak_tasks(workload(arrivals, services), 1) == np.ceil(by_counting) == 4


def test_the_count_is_set_once_and_again_after_throttling_or_drift() -> None:
    world, scaler = ScriptedQueue(desired=1, throttled=True), parse("static:7", setup())
    world.polls(scaler, 0.0)
    world.throttled = False
    world.polls(scaler, 300.0)
    assert world.changes == [(60.0, 7)]
    world.desired = 3
    assert world.polls(scaler, 360.0) == 7


def test_the_count_stays_within_the_bounds() -> None:
    assert settings_of("static:70", setup(most=40)) == "40 tasks"
    assert settings_of("static:1", setup(least=3)) == "3 tasks"


def test_the_grid_consists_of_counts_around_the_peak() -> None:
    known = replace(setup(), workload=workload([0.5 * index for index in range(1200)]))
    assert PEERS["static"].grid(known) == ("static", "static:5", "static:8", "static:13")


@pytest.mark.parametrize("spec", ["static:0", "static:-1", "static:many", "static:1.5"])
def test_an_invalid_count_is_refused(spec: str) -> None:
    with pytest.raises(ValueError, match="TASKS is"):
        parse(spec, setup())
