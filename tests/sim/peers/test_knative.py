"""Knative's pod autoscaler, as its documentation has it."""

from __future__ import annotations

from autoscaler.sim.peers.knative import Delay, Knative, KnativeSettings, Window
from tests.sim.peers.fakes import Told


def knative(**changes: float) -> Knative:
    values: dict[str, float] = {"container_concurrency": 1, "min_tasks": 0, "max_tasks": 1000, **changes}
    return Knative(KnativeSettings(**values))  # type: ignore[arg-type]


def test_a_task_is_wanted_for_every_seven_tenths_of_its_concurrency() -> None:
    world = Told(in_flight=14, desired=20)
    assert world.ticks(knative(), 200.0) == 20
    wide = Told(in_flight=140, desired=20)
    assert wide.ticks(knative(container_concurrency=10), 200.0) == 20


def test_a_burst_of_twice_the_capacity_is_met_within_seconds_by_the_panic_window() -> None:
    world, scaler = Told(in_flight=7, desired=10), knative()
    world.ticks(scaler, 300.0)
    world.running, world.in_flight = 10, 70
    world.ticks(scaler, 306.0)
    assert world.desired == 100


def test_in_a_panic_it_does_not_scale_in_until_a_stable_window_has_passed_without_one() -> None:
    """The threshold was last crossed at 302."""
    world, scaler = Told(in_flight=7, desired=10), knative()
    world.ticks(scaler, 300.0)
    world.in_flight = 70
    world.ticks(scaler, 306.0)
    world.in_flight = 7
    assert world.ticks(scaler, 362.0) == 100
    assert world.ticks(scaler, 364.0) == 50


def test_a_slow_rise_is_followed_by_the_mean_of_a_minute() -> None:
    world, scaler = Told(in_flight=7, desired=10), knative()
    world.ticks(scaler, 300.0)
    world.in_flight = 10
    world.ticks(scaler, 330.0)
    assert 11 <= world.desired <= 14
    assert world.ticks(scaler, 362.0) == 15


def test_the_count_is_at_most_halved_at_a_time() -> None:
    world, scaler = Told(in_flight=70, desired=100), knative()
    world.ticks(scaler, 300.0)
    world.in_flight = 1
    world.running = 100
    world.ticks(scaler, 600.0)
    assert world.desired == 50


def test_the_last_task_goes_thirty_seconds_after_a_minute_without_messages() -> None:
    world, scaler = Told(in_flight=1, desired=2), knative()
    world.ticks(scaler, 300.0)
    world.in_flight = 0
    world.ticks(scaler, 600.0)
    at, tasks = world.changes[-1]
    assert tasks == 0
    assert 300.0 + 60.0 + 30.0 <= at <= 300.0 + 60.0 + 30.0 + 3 * 2.0


def test_a_message_in_the_grace_period_keeps_the_last_task() -> None:
    world, scaler = Told(in_flight=1, desired=1), knative()
    world.ticks(scaler, 300.0)
    world.in_flight = 0
    world.ticks(scaler, 380.0)
    world.in_flight = 1
    world.ticks(scaler, 382.0)
    world.in_flight = 0
    world.ticks(scaler, 430.0)
    assert world.desired > 0


def test_a_task_that_has_just_come_up_stays_for_a_stable_window() -> None:
    world, scaler = Told(visible=1, desired=0, running=0), knative()
    world.ticks(scaler, 0.0)
    world.visible = 0
    world.ticks(scaler, 38.0)
    world.running = 1
    world.ticks(scaler, 400.0)
    assert world.changes[-1] == (40.0 + 60.0 + 30.0, 0)


def test_a_task_that_is_still_starting_is_waited_for() -> None:
    world, scaler = Told(visible=1, desired=0, running=0), knative()
    world.ticks(scaler, 0.0)
    world.visible = 0
    assert world.ticks(scaler, 400.0) > 0


def test_from_none_it_wakes_at_the_next_tick() -> None:
    world, scaler = Told(desired=0), knative()
    world.ticks(scaler, 100.0)
    world.visible = 3
    world.ticks(scaler, 102.0)
    assert world.desired > 0


def test_a_queue_that_cannot_be_read_for_a_minute_changes_nothing() -> None:
    world, scaler = Told(in_flight=7, desired=10), knative()
    world.ticks(scaler, 300.0)
    world.blind, world.in_flight = True, 0
    assert world.ticks(scaler, 900.0) == 10


def test_started_anew_with_more_than_one_task_it_is_in_panic_and_does_not_scale_in() -> None:
    world, scaler = Told(in_flight=70, desired=100), knative()
    world.ticks(scaler, 300.0)
    scaler.restart()
    world.in_flight = 1
    assert world.ticks(scaler, 360.0) == 100
    assert world.ticks(scaler, 366.0) < 100


def test_a_scale_down_delay_keeps_the_highest_count_of_its_window() -> None:
    world, scaler = Told(in_flight=7, desired=10), knative(scale_down_delay_s=120.0)
    world.ticks(scaler, 300.0)
    world.in_flight = 6
    world.ticks(scaler, 400.0)
    assert world.desired == 10
    assert world.ticks(scaler, 500.0) == 9


def test_a_window_is_the_mean_of_the_samples_that_there_are() -> None:
    window = Window(6.0)
    assert window.mean(0.0) is None
    for now, value in ((0.0, 8), (2.0, 2), (5.0, 2)):
        window.add(now, value)
    assert window.mean(5.0) == 4.0
    assert window.mean(6.0) == 2.0
    assert window.mean(12.0) is None


def test_a_delay_is_the_highest_of_a_window_closed_at_its_end() -> None:
    delay = Delay(10.0)
    assert [delay.highest(now, value) for now, value in ((0, 5), (5, 3), (10, 1), (11, 1), (16, 2))] == [5, 5, 5, 3, 2]
