"""React, as the comparisons of autoscalers describe it."""

from __future__ import annotations

import pytest

from autoscaler.sim.peers import parse
from tests.sim.peers.fakes import Told, setup


@pytest.mark.parametrize(("load", "tasks"), [(9, 10), (10, 12), (11, 13), (8, 10), (7, 9), (0, 2), (50, 52)])
def test_out_where_the_load_fills_the_tasks_and_in_where_more_than_two_are_spare(load: int, tasks: int) -> None:
    world = Told(visible=load - load // 2, in_flight=load // 2, desired=10)
    assert world.ticks(parse("react", setup()), 0.0) == tasks


def test_the_load_is_in_tasks() -> None:
    world = Told(visible=41, desired=1)
    assert world.ticks(parse("react", setup(concurrency=4)), 0.0) == 13


def test_it_looks_every_thirty_seconds_and_remembers_nothing() -> None:
    world, scaler = Told(visible=20, desired=1), parse("react", setup())
    world.ticks(scaler, 0.0)
    world.visible = 5
    world.ticks(scaler, 30.0)
    assert world.changes == [(0.0, 22), (30.0, 7)]


def test_a_queue_that_cannot_be_read_changes_nothing() -> None:
    world = Told(desired=10, blind=True)
    assert world.ticks(parse("react", setup()), 300.0) == 10
