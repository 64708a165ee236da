"""Metrics with a resolution below one minute, as an agent publishes them."""

from __future__ import annotations

import pytest

from autoscaler.sim.peers.application_auto_scaling import MetricPeriod
from autoscaler.sim.peers.high_resolution import (
    HighResolutionMetric,
    sampled_backlog_per_task,
    sampled_cpu_percent,
)
from tests.sim.peers.fakes import ScriptedQueue

NONE = MetricPeriod(None, None)


def sampled(metric: HighResolutionMetric, world: ScriptedQueue, *visible: int | None) -> None:
    """Sample these messages, one every 10 s. None: SQS cannot be read."""
    for number in visible:
        world.visible, world.unavailable = number or 0, number is None
        metric.sample(world)
        world.now += 10.0


def test_a_datapoint_is_the_mean_of_the_samples_of_its_period() -> None:
    metric, world = HighResolutionMetric(sampled_backlog_per_task, 20.0, 0.0, 3), ScriptedQueue(desired=2)
    sampled(metric, world, 10, 20, 30, 50)
    assert metric.newest(world, 3) == (MetricPeriod(7.5, 2.0), MetricPeriod(20.0, 2.0))


def test_a_period_that_has_not_ended_cannot_be_read() -> None:
    metric, world = HighResolutionMetric(sampled_backlog_per_task, 20.0, 0.0, 3), ScriptedQueue(desired=1)
    sampled(metric, world, 10)
    assert metric.newest(world, 3) == ()
    sampled(metric, world, 20, 90)
    assert metric.newest(world, 3) == (MetricPeriod(15.0, 1.0),)


@pytest.mark.parametrize(("now", "periods"), [(39.9, 0), (40.0, 1), (59.9, 1), (60.0, 2)])
def test_a_late_metric_can_be_read_after_its_delay(now: float, periods: int) -> None:
    metric, world = HighResolutionMetric(sampled_backlog_per_task, 20.0, 20.0, 3), ScriptedQueue(desired=1)
    sampled(metric, world, 1, 1, 1, 1)
    world.now = now
    assert len(metric.newest(world, 9)) == periods


def test_a_period_without_a_sample_has_no_datapoint() -> None:
    metric, world = HighResolutionMetric(sampled_backlog_per_task, 10.0, 0.0, 9), ScriptedQueue(desired=1)
    sampled(metric, world, 4, None, 6)
    assert metric.newest(world, 9) == (MetricPeriod(4.0, 1.0), NONE, MetricPeriod(6.0, 1.0))


def test_old_periods_are_dropped() -> None:
    metric, world = HighResolutionMetric(sampled_backlog_per_task, 10.0, 0.0, 2), ScriptedQueue(desired=1)
    sampled(metric, world, *range(100))
    assert metric.newest(world, 5) == (NONE, NONE, *(MetricPeriod(float(value), 1.0) for value in (97, 98, 99)))
    assert metric.newest(world, 2) == (MetricPeriod(98.0, 1.0), MetricPeriod(99.0, 1.0))


def test_the_backlog_without_a_running_task_is_the_number_of_messages() -> None:
    assert sampled_backlog_per_task(ScriptedQueue(visible=30, desired=4, running=0)) == MetricPeriod(30.0, 0)
    assert sampled_backlog_per_task(ScriptedQueue(visible=30, in_flight=9, desired=5, running=4)) == (7.5, 4)


@pytest.mark.parametrize(
    ("in_flight", "running", "percent"), [(0, 4, 0.0), (6, 4, 75.0), (8, 4, 100.0), (11, 4, 100.0)]
)
def test_cpu_is_the_busy_share_of_the_slots(in_flight: int, running: int, percent: float) -> None:
    world = ScriptedQueue(visible=99, in_flight=in_flight, desired=running)
    assert sampled_cpu_percent(2)(world) == MetricPeriod(percent, running)


def test_cpu_has_no_sample_without_a_running_task_or_an_answer() -> None:
    assert sampled_cpu_percent(1)(ScriptedQueue(in_flight=3, desired=2, running=0)) is None
    assert sampled_cpu_percent(1)(ScriptedQueue(in_flight=3, desired=2, unavailable=True)) is None
