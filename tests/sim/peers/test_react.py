"""React, as described in published comparisons of autoscalers."""

from __future__ import annotations

import pytest

from autoscaler.sim.peers import parse
from tests.sim.peers.fakes import ScriptedQueue, setup


@pytest.mark.parametrize(("load", "tasks"), [(9, 10), (10, 12), (11, 13), (8, 10), (7, 9), (0, 2), (50, 52)])
def test_react_scales_out_at_full_load_and_in_with_more_than_two_spare_tasks(load: int, tasks: int) -> None:
    world = ScriptedQueue(visible=load - load // 2, in_flight=load // 2, desired=10)
    assert world.polls(parse("react", setup()), 0.0) == tasks


def test_the_load_is_measured_in_tasks() -> None:
    world = ScriptedQueue(visible=41, desired=1)
    assert world.polls(parse("react", setup(concurrency=4)), 0.0) == 13


def test_react_polls_every_thirty_seconds_and_has_no_memory() -> None:
    world, scaler = ScriptedQueue(visible=20, desired=1), parse("react", setup())
    world.polls(scaler, 0.0)
    world.visible = 5
    world.polls(scaler, 30.0)
    assert world.changes == [(0.0, 22), (30.0, 7)]


def test_a_queue_that_cannot_be_read_changes_nothing() -> None:
    world = ScriptedQueue(desired=10, unavailable=True)
    assert world.polls(parse("react", setup()), 300.0) == 10
