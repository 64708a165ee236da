"""The Knative Pod Autoscaler, as documented."""

from __future__ import annotations

from autoscaler.sim.peers.knative import Delay, Knative, KnativeSettings, Window
from tests.sim.peers.fakes import ScriptedQueue


def knative(**changes: float) -> Knative:
    values: dict[str, float] = {"container_concurrency": 1, "min_tasks": 0, "max_tasks": 1000, **changes}
    return Knative(KnativeSettings(**values))  # type: ignore[arg-type]


def test_the_target_is_seventy_percent_of_the_concurrency_of_a_task() -> None:
    world = ScriptedQueue(in_flight=14, desired=20)
    assert world.polls(knative(), 200.0) == 20
    wide = ScriptedQueue(in_flight=140, desired=20)
    assert wide.polls(knative(container_concurrency=10), 200.0) == 20


def test_the_panic_window_scales_out_within_seconds_at_twice_the_capacity() -> None:
    world, scaler = ScriptedQueue(in_flight=7, desired=10), knative()
    world.polls(scaler, 300.0)
    world.running, world.in_flight = 10, 70
    world.polls(scaler, 306.0)
    assert world.desired == 100


def test_panic_mode_prevents_scale_in_until_a_stable_window_after_the_last_panic() -> None:
    """The panic threshold is last exceeded at 302."""
    world, scaler = ScriptedQueue(in_flight=7, desired=10), knative()
    world.polls(scaler, 300.0)
    world.in_flight = 70
    world.polls(scaler, 306.0)
    world.in_flight = 7
    assert world.polls(scaler, 362.0) == 100
    assert world.polls(scaler, 364.0) == 50


def test_a_slow_rise_is_followed_with_the_mean_of_one_minute() -> None:
    world, scaler = ScriptedQueue(in_flight=7, desired=10), knative()
    world.polls(scaler, 300.0)
    world.in_flight = 10
    world.polls(scaler, 330.0)
    assert 11 <= world.desired <= 14
    assert world.polls(scaler, 362.0) == 15


def test_one_poll_at_most_halves_the_count() -> None:
    world, scaler = ScriptedQueue(in_flight=70, desired=100), knative()
    world.polls(scaler, 300.0)
    world.in_flight = 1
    world.running = 100
    world.polls(scaler, 600.0)
    assert world.desired == 50


def test_the_last_task_stops_thirty_seconds_after_a_minute_without_messages() -> None:
    world, scaler = ScriptedQueue(in_flight=1, desired=2), knative()
    world.polls(scaler, 300.0)
    world.in_flight = 0
    world.polls(scaler, 600.0)
    at, tasks = world.changes[-1]
    assert tasks == 0
    assert 300.0 + 60.0 + 30.0 <= at <= 300.0 + 60.0 + 30.0 + 3 * 2.0


def test_a_message_in_the_grace_period_keeps_the_last_task() -> None:
    world, scaler = ScriptedQueue(in_flight=1, desired=1), knative()
    world.polls(scaler, 300.0)
    world.in_flight = 0
    world.polls(scaler, 380.0)
    world.in_flight = 1
    world.polls(scaler, 382.0)
    world.in_flight = 0
    world.polls(scaler, 430.0)
    assert world.desired > 0


def test_a_task_that_has_just_come_up_stays_for_a_stable_window() -> None:
    world, scaler = ScriptedQueue(visible=1, desired=0, running=0), knative()
    world.polls(scaler, 0.0)
    world.visible = 0
    world.polls(scaler, 38.0)
    world.running = 1
    world.polls(scaler, 400.0)
    assert world.changes[-1] == (40.0 + 60.0 + 30.0, 0)


def test_a_task_that_is_still_starting_is_not_stopped() -> None:
    world, scaler = ScriptedQueue(visible=1, desired=0, running=0), knative()
    world.polls(scaler, 0.0)
    world.visible = 0
    assert world.polls(scaler, 400.0) > 0


def test_scale_from_zero_comes_at_the_next_poll() -> None:
    world, scaler = ScriptedQueue(desired=0), knative()
    world.polls(scaler, 100.0)
    world.visible = 3
    world.polls(scaler, 102.0)
    assert world.desired > 0


def test_a_queue_that_cannot_be_read_for_a_minute_changes_nothing() -> None:
    world, scaler = ScriptedQueue(in_flight=7, desired=10), knative()
    world.polls(scaler, 300.0)
    world.unavailable, world.in_flight = True, 0
    assert world.polls(scaler, 900.0) == 10


def test_a_restart_with_more_than_one_task_begins_in_panic_mode_without_scale_in() -> None:
    world, scaler = ScriptedQueue(in_flight=70, desired=100), knative()
    world.polls(scaler, 300.0)
    scaler.restart()
    world.in_flight = 1
    assert world.polls(scaler, 360.0) == 100
    assert world.polls(scaler, 366.0) < 100


def test_a_scale_down_delay_holds_the_highest_count_of_its_window() -> None:
    world, scaler = ScriptedQueue(in_flight=7, desired=10), knative(scale_down_delay_s=120.0)
    world.polls(scaler, 300.0)
    world.in_flight = 6
    world.polls(scaler, 400.0)
    assert world.desired == 10
    assert world.polls(scaler, 500.0) == 9


def test_the_value_of_a_window_is_the_mean_of_its_samples() -> None:
    window = Window(6.0)
    assert window.mean(0.0) is None
    for now, value in ((0.0, 8), (2.0, 2), (5.0, 2)):
        window.add(now, value)
    assert window.mean(5.0) == 4.0
    assert window.mean(6.0) == 2.0
    assert window.mean(12.0) is None


def test_a_delay_returns_the_highest_value_of_a_window_with_a_closed_end() -> None:
    delay = Delay(10.0)
    assert [delay.highest(now, value) for now, value in ((0, 5), (5, 3), (10, 1), (11, 1), (16, 2))] == [5, 5, 5, 3, 2]
