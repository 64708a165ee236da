"""A fleet of one size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from autoscaler.sim.peers import PEERS, parse, settings_of
from autoscaler.sim.peers.static import peak_tasks
from tests.sim.peers.fakes import Told, setup, workload


def test_the_peak_is_the_mean_work_of_the_busiest_five_minutes() -> None:
    busy = [300.0 + second for second in range(300)]
    assert peak_tasks(workload([10.0, *busy], [5.0, *[4.0] * 300]), 1) == 4
    assert peak_tasks(workload([10.0, *busy], [5.0, *[4.0] * 300]), 3) == 2
    assert peak_tasks(workload([10.0, *busy], [2000.0, *[4.0] * 300]), 1) == 5


def test_one_long_message_keeps_one_task_at_work_however_long_it_is() -> None:
    assert peak_tasks(workload([0.0], [3000.0]), 1) == 1


def test_the_error_of_adding_up_does_not_cost_a_task() -> None:
    """Ten messages a second of 0.7 s each are seven tasks, and come to 7.000000000006."""
    assert peak_tasks(workload([index * 0.1 for index in range(30_000)], [0.7] * 30_000), 1) == 7


def test_no_message_needs_a_task_all_the_same() -> None:
    assert peak_tasks(workload(), 1) == 1


def test_the_peak_agrees_with_counting_second_by_second() -> None:
    chance = np.random.default_rng(5)
    arrivals, services = np.sort(chance.uniform(0, 3000, 400)), chance.exponential(20.0, 400)
    instants = np.arange(0.0, 3900.0, 0.25)
    busy = ((arrivals <= instants[:, None]) & (instants[:, None] < arrivals + services)).sum(axis=1)
    by_counting = busy.reshape(-1, 1200).mean(axis=1).max()
    assert peak_tasks(workload(arrivals, services), 1) == np.ceil(by_counting) == 4


def test_it_sets_its_count_once_and_again_where_it_was_refused_or_undone() -> None:
    world, scaler = Told(desired=1, refusing=True), parse("static:7", setup())
    world.ticks(scaler, 0.0)
    world.refusing = False
    world.ticks(scaler, 300.0)
    assert world.changes == [(60.0, 7)]
    world.desired = 3
    assert world.ticks(scaler, 360.0) == 7


def test_the_count_is_kept_within_bounds() -> None:
    assert settings_of("static:70", setup(most=40)) == "40 tasks"
    assert settings_of("static:1", setup(least=3)) == "3 tasks"


def test_the_grid_is_about_the_peak() -> None:
    known = replace(setup(), workload=workload([0.5 * index for index in range(1200)]))
    assert PEERS["static"].grid(known) == ("static", "static:5", "static:8", "static:13")


@pytest.mark.parametrize("wrong", ["static:0", "static:-1", "static:many", "static:1.5"])
def test_a_count_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="TASKS is"):
        parse(wrong, setup())
