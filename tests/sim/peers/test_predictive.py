"""AWS predictive scaling: a floor for each hour, from the same hours before."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from autoscaler.sim.model import Datapoint, Meter
from autoscaler.sim.peers import parse
from autoscaler.sim.peers.predictive import HOUR_S, forecast, hourly
from tests.sim.peers.fakes import Told, setup


def history(*hours: float) -> list[Datapoint]:
    """Minutes of that many messages in each hour; the last hour ends at 0."""
    first = -60 * len(hours)
    minutes = [messages / 60 for messages in hours for _ in range(60)]
    return [Datapoint(60.0 * (first + index + 1), value) for index, value in enumerate(minutes)]


def floors(points: Sequence[Datapoint], *instants: float, spec: str = "predictive") -> list[int]:
    """What is desired at each instant, when target tracking has nothing to say."""
    world, scaler = Told(desired=1, points={Meter.SENT: list(points)}), parse(spec, setup())
    seen = []
    for world.now in instants:
        scaler.tick(world)
        seen.append(world.desired)
        world.desired = 1
    return seen


DAY = [504.0] * 10 + [5040.0] * 2 + [504.0] * 12
"""504 messages an hour are one task at 70 % and 5 s a message."""


def test_each_hour_is_given_what_the_same_hour_of_the_days_before_asked_for() -> None:
    assert floors(history(*DAY, *DAY), 0.0, 9.5 * HOUR_S, 10.5 * HOUR_S, 12.5 * HOUR_S) == [1, 1, 10, 1]


def test_it_begins_five_minutes_before_the_hour() -> None:
    assert floors(history(*DAY), 10 * HOUR_S - 360.0, 10 * HOUR_S - 300.0, 12 * HOUR_S) == [1, 10, 1]


def test_the_target_utilization_is_the_settings() -> None:
    assert floors(history(*DAY), 10.5 * HOUR_S, spec="predictive:35") == [20]


def test_less_than_a_day_of_history_is_no_forecast() -> None:
    assert floors(history(*DAY[:23]), 11.5 * HOUR_S) == [1]


def test_a_forecast_of_less_does_not_scale_in() -> None:
    world, scaler = Told(desired=30, points={Meter.SENT: history(*DAY)}), parse("predictive", setup())
    assert world.ticks(scaler, 600.0) == 30


def test_target_tracking_does_not_scale_in_below_the_forecast() -> None:
    world = Told(desired=11, points={Meter.SENT: history(*([5040.0] * 24))})
    scaler = parse("predictive", setup())
    world.say(Meter.RUNNING, *[11.0] * 15)
    world.say(Meter.VISIBLE, *[0.0] * 15)
    assert world.ticks(scaler, 900.0) == 10


def test_the_forecast_is_made_anew_every_six_hours() -> None:
    world, scaler = Told(desired=1, points={Meter.SENT: history(*DAY)}), parse("predictive", setup())
    scaler.tick(world)
    world.points[Meter.SENT] = history(*([5040.0] * 24))
    world.now = 6 * HOUR_S - 60.0
    scaler.tick(world)
    assert world.desired == 1
    world.now = 6 * HOUR_S
    scaler.tick(world)
    assert world.desired == 10


def test_with_a_week_of_history_the_day_of_the_week_counts() -> None:
    past = dict.fromkeys(range(-336, 0), 100.0)
    past[-168], past[-336], past[-24] = 10.0, 30.0, 900.0
    assert forecast(past, 0) == 20.0
    assert forecast({-24: 900.0, -48: 100.0}, 0) == 500.0
    assert forecast({-25: 900.0}, 0) is None


@pytest.mark.parametrize(("minutes", "messages"), [([2.0] * 60, 120.0), ([4.0] * 30 + [None] * 30, 240.0)])
def test_an_hour_is_the_sum_of_its_minutes_and_missing_ones_are_like_the_others(
    minutes: list[float | None], messages: float
) -> None:
    points = [Datapoint(60.0 * (index + 1), value) for index, value in enumerate(minutes)]
    assert hourly(points) == {0: messages}


def test_an_hour_counts_once_it_is_over() -> None:
    assert hourly([Datapoint(60.0 * (index + 1), 1.0) for index in range(119)]) == {0: 60.0}
