"""A simulated FIFO queue: one message of a group at a time, in order, and nothing is lost."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from autoscaler.sim.chance import StartUp
from autoscaler.sim.model import Breakdown, Meter, Victims, WorldSettings
from autoscaler.sim.world import World
from tests.sim.world.made import poisson

SETTINGS = WorldSettings(start_up=StartUp(20.0, 20.0, 20.0), tasks_at_start=20, groups=((0.0, 4), (1200.0, 10)))


def played(settings: WorldSettings, rate: float = 0.5) -> World:
    world = World(poisson(1, rate, 2400.0), settings, 0)
    while not world.has_ended and world.now < 40_000:
        world.advance(world.now + 10.0)
    return world


@pytest.mark.parametrize("batch", [1, 10])
def test_every_message_is_received_once_and_those_of_a_group_in_order(batch: int) -> None:
    world = played(replace(SETTINGS, receive_batch=batch))
    assert world.has_ended
    received, queue = world.outcome().received_s, world._serving.queue
    assert not np.isnan(received).any()
    assert world.outcome().redelivered == 0
    by_group: dict[int, list[float]] = {}
    for message, group in enumerate(queue._group_of):  # type: ignore[attr-defined]
        by_group.setdefault(group, []).append(received[message])
    assert set(by_group) == set(range(10))
    assert all(one <= next_one for times in by_group.values() for one, next_one in pairwise(times))


def test_a_group_has_one_message_in_flight_at_a_time() -> None:
    world = World(poisson(1, 1.0, 600.0), SETTINGS, 0)
    most = 0
    for _ in range(300):
        world.advance(world.now + 2.0)
        groups = world._serving.groups_in_flight(world.now)
        assert groups is not None
        assert world.counts().in_flight == groups <= 4
        most = max(most, groups)
    assert most == 4


def test_a_batch_is_one_group_in_flight() -> None:
    world = World(poisson(1, 2.0, 600.0), replace(SETTINGS, groups=((0.0, 1),), receive_batch=10), 0)
    most = 0
    for _ in range(300):
        world.advance(world.now + 2.0)
        assert world._serving.groups_in_flight(world.now) in {0, 1}
        most = max(most, world.counts().in_flight)
    assert most == 10
    assert {point.value for point in world.minutes(Meter.GROUPS_IN_FLIGHT, 5)} == {1.0}


@pytest.mark.parametrize("batch", [1, 10])
def test_messages_of_stopped_tasks_return_and_are_processed(batch: int) -> None:
    settings = replace(SETTINGS, receive_batch=batch, victims=Victims.RANDOM, stop_timeout_s=1.0)
    world = World(poisson(1, 1.0, 1200.0), settings, 0)
    for tasks in (20, 5, 20, 2, 20):
        world.scale_to(tasks)
        world.advance(world.now + 120.0)
    while not world.has_ended and world.now < 40_000:
        world.advance(world.now + 10.0)
    assert world.has_ended
    assert world.outcome().redelivered > 0
    assert not np.isnan(world.outcome().received_s).any()


def test_a_breakdown_blocks_its_groups_until_the_visibility_timeout() -> None:
    world = played(replace(SETTINGS, faults=(Breakdown(300.0, 600.0),)))
    assert world.has_ended
    assert world.outcome().redelivered > 0


def test_a_queue_without_groups_has_no_such_metric() -> None:
    world = World(poisson(1, 1.0, 600.0), replace(SETTINGS, groups=()), 0)
    world.advance(300.0)
    assert {point.value for point in world.minutes(Meter.GROUPS_IN_FLIGHT, 5)} == {None}
