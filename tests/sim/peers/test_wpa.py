"""Practo's Worker Pod Autoscaler, as documented in its README and flags."""

from __future__ import annotations

import pytest

from autoscaler.sim.model import Meter
from autoscaler.sim.peers.wpa import Wpa, WpaSettings, desired
from tests.sim.peers.fakes import ScriptedQueue


def settings(**changes: float) -> WpaSettings:
    values: dict[str, float] = {"target": 2, "seconds_per_job": 0.0, "min_tasks": 0, "max_tasks": 100, **changes}
    return WpaSettings(**values)  # type: ignore[arg-type]


def test_the_desired_count_is_the_messages_divided_by_the_target_rounded_up() -> None:
    assert desired(settings(), 21, 0.0, 5, idle=False) == 11


def test_the_minimum_is_the_arrival_rate_divided_by_the_throughput_of_a_worker() -> None:
    assert desired(settings(seconds_per_job=5.0), 0, 120.0, 30, idle=False) == 10
    assert desired(settings(seconds_per_job=5.0), 4, 120.0, 30, idle=False) == 10
    assert desired(settings(seconds_per_job=5.0, max_tasks=8), 4, 120.0, 30, idle=False) == 8


@pytest.mark.parametrize(("messages", "tasks"), [(22, 10), (23, 12), (18, 10), (16, 8)])
def test_a_change_of_at_most_a_tenth_is_not_made(messages: int, tasks: int) -> None:
    assert desired(settings(), messages, 0.0, 10, idle=False) == tasks


def test_a_disruption_limit_is_rounded_up_and_does_not_apply_if_all_workers_are_idle() -> None:
    careful = settings(target=200, max_disruption=0.1)
    assert desired(careful, 10, 0.0, 20, idle=False) == 18
    assert desired(careful, 0, 0.0, 20, idle=False) == 18
    assert desired(careful, 0, 0.0, 20, idle=True) == 0


def test_a_disruption_limit_applies_while_messages_are_sent() -> None:
    careful = settings(target=200, seconds_per_job=1.0, max_disruption=0.1)
    assert desired(careful, 0, 60.0, 20, idle=True) == 18


def test_scale_out_comes_at_the_next_resync_and_scale_in_ten_minutes_after_the_last_change() -> None:
    world, scaler = ScriptedQueue(visible=20, desired=1), Wpa(settings())
    world.polls(scaler, 60.0)
    world.visible = 30
    world.polls(scaler, 80.0)
    world.visible = 4
    world.polls(scaler, 1000.0)
    assert world.changes == [(0.0, 10), (80.0, 15), (700.0, 2)]


def test_scale_from_zero_comes_at_the_next_resync() -> None:
    world, scaler = ScriptedQueue(desired=0), Wpa(settings())
    world.polls(scaler, 100.0)
    world.visible = 3
    assert world.polls(scaler, 120.0) == 2


def test_messages_sent_are_read_from_ten_to_five_minutes_ago() -> None:
    world, scaler = ScriptedQueue(now=1200.0, desired=1), Wpa(settings(seconds_per_job=6.0))
    world.now = 1140.0
    world.publish(Meter.SENT, *[900.0] * 5, *[70.0] * 5, *[900.0] * 4)
    world.now = 1200.0
    assert world.polls(scaler, 1200.0) == 7


def test_workers_count_as_idle_only_after_minutes_without_received_messages() -> None:
    world, scaler = ScriptedQueue(now=1800.0, desired=9), Wpa(settings(max_disruption=0.1))
    world.publish(Meter.RECEIVED, *[1.0] * 10, *[0.0] * 10)
    world.polls(scaler, 1800.0)
    assert world.desired == 8
    still = ScriptedQueue(now=1800.0, desired=9)
    still.publish(Meter.RECEIVED, *[0.0] * 10, *[0.0] * 10)
    assert still.polls(Wpa(settings(max_disruption=0.1)), 1800.0) == 0


def test_an_unreadable_queue_keeps_its_last_reading() -> None:
    world, scaler = ScriptedQueue(visible=20, desired=10), Wpa(settings())
    world.polls(scaler, 0.0)
    world.unavailable, world.visible = True, 0
    assert world.polls(scaler, 3600.0) == 10


def test_a_throttled_change_starts_no_delay() -> None:
    world, scaler = ScriptedQueue(visible=2, desired=10, throttled=True), Wpa(settings())
    world.polls(scaler, 0.0)
    world.throttled = False
    assert world.polls(scaler, 20.0) == 1
