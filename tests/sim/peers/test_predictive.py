"""AWS predictive scaling: a minimum per hour, from the same hour of earlier days."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from autoscaler.sim.model import Datapoint, Meter
from autoscaler.sim.peers import parse
from autoscaler.sim.peers.predictive import HOUR_S, forecast, hourly
from tests.sim.peers.fakes import ScriptedQueue, setup


def history(*hours: float) -> list[Datapoint]:
    """Return minutes with the given number of messages per hour. The last hour ends at 0."""
    first = -60 * len(hours)
    minutes = [messages / 60 for messages in hours for _ in range(60)]
    return [Datapoint(60.0 * (first + index + 1), value) for index, value in enumerate(minutes)]


def floors(points: Sequence[Datapoint], *instants: float, spec: str = "predictive") -> list[int]:
    """Return the desired count at each instant. Target tracking has no datapoints."""
    world, scaler = ScriptedQueue(desired=1, points={Meter.SENT: list(points)}), parse(spec, setup())
    seen = []
    for world.now in instants:
        scaler.poll(world)
        seen.append(world.desired)
        world.desired = 1
    return seen


DAY = [504.0] * 10 + [5040.0] * 2 + [504.0] * 12
"""504 messages per hour need one task at 70 % utilization and 5 s per message."""


def test_each_hour_gets_the_tasks_for_the_load_of_the_same_hour_of_earlier_days() -> None:
    assert floors(history(*DAY, *DAY), 0.0, 9.5 * HOUR_S, 10.5 * HOUR_S, 12.5 * HOUR_S) == [1, 1, 10, 1]


def test_the_minimum_of_an_hour_applies_from_five_minutes_before_it() -> None:
    assert floors(history(*DAY), 10 * HOUR_S - 360.0, 10 * HOUR_S - 300.0, 12 * HOUR_S) == [1, 10, 1]


def test_the_target_utilization_is_the_setting() -> None:
    assert floors(history(*DAY), 10.5 * HOUR_S, spec="predictive:35") == [20]


def test_less_than_a_day_of_history_gives_no_forecast() -> None:
    assert floors(history(*DAY[:23]), 11.5 * HOUR_S) == [1]


def test_a_forecast_below_the_current_count_does_not_scale_in() -> None:
    world, scaler = ScriptedQueue(desired=30, points={Meter.SENT: history(*DAY)}), parse("predictive", setup())
    assert world.polls(scaler, 600.0) == 30


def test_target_tracking_does_not_scale_in_below_the_forecast() -> None:
    world = ScriptedQueue(desired=11, points={Meter.SENT: history(*([5040.0] * 24))})
    scaler = parse("predictive", setup())
    world.publish(Meter.RUNNING, *[11.0] * 15)
    world.publish(Meter.VISIBLE, *[0.0] * 15)
    assert world.polls(scaler, 900.0) == 10


def test_the_forecast_is_renewed_every_six_hours() -> None:
    world, scaler = ScriptedQueue(desired=1, points={Meter.SENT: history(*DAY)}), parse("predictive", setup())
    scaler.poll(world)
    world.points[Meter.SENT] = history(*([5040.0] * 24))
    world.now = 6 * HOUR_S - 60.0
    scaler.poll(world)
    assert world.desired == 1
    world.now = 6 * HOUR_S
    scaler.poll(world)
    assert world.desired == 10


def test_with_a_week_of_history_the_forecast_uses_the_same_day_of_the_week() -> None:
    past = dict.fromkeys(range(-336, 0), 100.0)
    past[-168], past[-336], past[-24] = 10.0, 30.0, 900.0
    assert forecast(past, 0) == 20.0
    assert forecast({-24: 900.0, -48: 100.0}, 0) == 500.0
    assert forecast({-25: 900.0}, 0) is None


@pytest.mark.parametrize(("minutes", "messages"), [([2.0] * 60, 120.0), ([4.0] * 30 + [None] * 30, 240.0)])
def test_an_hour_is_the_sum_of_its_minutes_with_the_mean_for_missing_ones(
    minutes: list[float | None], messages: float
) -> None:
    points = [Datapoint(60.0 * (index + 1), value) for index, value in enumerate(minutes)]
    assert hourly(points) == {0: messages}


def test_an_hour_counts_only_after_its_end() -> None:
    assert hourly([Datapoint(60.0 * (index + 1), 1.0) for index in range(119)]) == {0: 60.0}
