"""practo's Worker Pod Autoscaler, as its README and flags have it."""

from __future__ import annotations

import pytest

from autoscaler.sim.model import Meter
from autoscaler.sim.peers.wpa import Wpa, WpaSettings, desired
from tests.sim.peers.fakes import Told


def settings(**changes: float) -> WpaSettings:
    values: dict[str, float] = {"target": 2, "seconds_per_job": 0.0, "min_tasks": 0, "max_tasks": 100, **changes}
    return WpaSettings(**values)  # type: ignore[arg-type]


def test_a_worker_is_wanted_for_every_so_many_messages() -> None:
    assert desired(settings(), 21, 0.0, 5, idle=False) == 11


def test_the_floor_is_what_arrives_by_what_a_worker_gets_done() -> None:
    assert desired(settings(seconds_per_job=5.0), 0, 120.0, 30, idle=False) == 10
    assert desired(settings(seconds_per_job=5.0), 4, 120.0, 30, idle=False) == 10
    assert desired(settings(seconds_per_job=5.0, max_tasks=8), 4, 120.0, 30, idle=False) == 8


@pytest.mark.parametrize(("messages", "wanted"), [(22, 10), (23, 12), (18, 10), (16, 8)])
def test_a_change_of_a_tenth_is_too_small(messages: int, wanted: int) -> None:
    assert desired(settings(), messages, 0.0, 10, idle=False) == wanted


def test_a_disruption_limit_is_rounded_up_and_holds_but_for_workers_that_are_all_idle() -> None:
    careful = settings(target=200, max_disruption=0.1)
    assert desired(careful, 10, 0.0, 20, idle=False) == 18
    assert desired(careful, 0, 0.0, 20, idle=False) == 18
    assert desired(careful, 0, 0.0, 20, idle=True) == 0


def test_a_disruption_limit_holds_while_messages_are_sent() -> None:
    careful = settings(target=200, seconds_per_job=1.0, max_disruption=0.1)
    assert desired(careful, 0, 60.0, 20, idle=True) == 18


def test_out_it_goes_at_the_next_resync_and_in_ten_minutes_after_the_last_scaling() -> None:
    world, scaler = Told(visible=20, desired=1), Wpa(settings())
    world.ticks(scaler, 60.0)
    world.visible = 30
    world.ticks(scaler, 80.0)
    world.visible = 4
    world.ticks(scaler, 1000.0)
    assert world.changes == [(0.0, 10), (80.0, 15), (700.0, 2)]


def test_from_none_it_wakes_at_the_next_resync() -> None:
    world, scaler = Told(desired=0), Wpa(settings())
    world.ticks(scaler, 100.0)
    world.visible = 3
    assert world.ticks(scaler, 120.0) == 2


def test_messages_sent_are_those_of_ten_to_five_minutes_ago() -> None:
    world, scaler = Told(now=1200.0, desired=1), Wpa(settings(seconds_per_job=6.0))
    world.now = 1140.0
    world.say(Meter.SENT, *[900.0] * 5, *[70.0] * 5, *[900.0] * 4)
    world.now = 1200.0
    assert world.ticks(scaler, 1200.0) == 7


def test_it_sleeps_only_where_nothing_has_been_received_either() -> None:
    world, scaler = Told(now=1800.0, desired=9), Wpa(settings(max_disruption=0.1))
    world.say(Meter.RECEIVED, *[1.0] * 10, *[0.0] * 10)
    world.ticks(scaler, 1800.0)
    assert world.desired == 8
    still = Told(now=1800.0, desired=9)
    still.say(Meter.RECEIVED, *[0.0] * 10, *[0.0] * 10)
    assert still.ticks(Wpa(settings(max_disruption=0.1)), 1800.0) == 0


def test_while_the_queue_cannot_be_read_it_goes_on_with_what_it_read_last() -> None:
    world, scaler = Told(visible=20, desired=10), Wpa(settings())
    world.ticks(scaler, 0.0)
    world.blind, world.visible = True, 0
    assert world.ticks(scaler, 3600.0) == 10


def test_a_refused_change_begins_no_delay() -> None:
    world, scaler = Told(visible=2, desired=10, refusing=True), Wpa(settings())
    world.ticks(scaler, 0.0)
    world.refusing = False
    assert world.ticks(scaler, 20.0) == 1
