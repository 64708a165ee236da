"""The look-ahead on synthetic loads: repetition, noise, new levels, missing and invalid counts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.core.forecast import Forecaster, Outlook

DAY = 1440
MONDAY = 4 * DAY
"""A Monday, in minutes since the epoch: 1 January 1970 was a Thursday."""

Counts = list[float]


def poisson(means: Counts, seed: int = 0) -> Counts:
    return [float(count) for count in np.random.Generator(np.random.PCG64(seed)).poisson(means)]


def forecast(past: Counts, future: Counts, ahead: int = 2) -> tuple[Forecaster, float]:
    """Return the forecaster after all minutes, and its mean error over the future minutes divided by that of the newest
    count.
    """
    forecaster = Forecaster()
    forecaster.see_all(MONDAY, past)
    every, errors, lasts = [*past, *future], 0.0, 0.0
    for number in range(len(past), len(every) - ahead):
        forecaster.see(MONDAY + number, every[number])
        outlook = forecaster.outlook()
        assert outlook is not None
        errors += abs(outlook.expected[ahead - 1] - every[number + ahead])
        lasts += abs(every[number] - every[number + ahead])
    return forecaster, errors / lasts


def known(forecaster: Forecaster) -> Outlook:
    outlook = forecaster.outlook()
    assert outlook is not None
    return outlook


@pytest.mark.parametrize("ahead", [2, 3, 13])
def test_bursts_at_a_fixed_interval_are_forecast(ahead: int) -> None:
    """A burst every five minutes, of about two hundred messages."""
    load = poisson([200.0 if minute % 5 == 0 else 0.0 for minute in range(3 * DAY)])
    forecaster, ratio = forecast(load[:-300], load[-300:], ahead)
    assert ratio < 0.3
    assert known(forecaster).useful


def test_on_noise_the_forecast_is_no_worse_than_the_newest_count() -> None:
    load = poisson([100.0] * (3 * DAY))
    assert forecast(load[:-600], load[-600:])[1] <= 1.05


def test_on_a_random_walk_the_forecast_is_no_worse_than_the_newest_count() -> None:
    steps = np.random.Generator(np.random.PCG64(2)).normal(0, 1, 3 * DAY)
    load = [float(value) for value in np.maximum(0.0, 500 + np.cumsum(steps) * 10)]
    assert forecast(load[:-600], load[-600:])[1] <= 1.05


def test_a_weekend_after_working_days_is_not_forecast_with_their_load() -> None:
    busy = [300.0 if 480 <= minute % DAY < 1080 else 5.0 for minute in range(5 * DAY)]
    load = poisson(busy + [5.0] * DAY)
    assert forecast(load[: 5 * DAY], load[5 * DAY :], 15)[1] <= 3, (
        "on the first weekend; the error of a daily profile is 28-fold"
    )


def test_a_new_level_is_forecast_within_ten_minutes() -> None:
    forecaster = Forecaster()
    forecaster.see_all(MONDAY, poisson([20.0] * (3 * DAY)))
    for minute in range(10):
        forecaster.see(MONDAY + 3 * DAY + minute, 200.0)
    assert 100 < known(forecaster).expected[1] < 300


def test_there_is_no_forecast_from_30_minutes() -> None:
    forecaster = Forecaster()
    forecaster.see_all(MONDAY, [5.0] * 30)
    assert forecaster.outlook() is None


def test_minutes_added_at_once_and_one_by_one_give_the_same_forecast() -> None:
    load = poisson([10.0 + 10 * math.sin(minute / 200) for minute in range(2 * DAY)])
    once, single = Forecaster(), Forecaster()
    once.see_all(MONDAY, load)
    for number, count in enumerate(load):
        single.see(MONDAY + number, count)
    assert known(once).minute == known(single).minute
    assert known(once).expected == pytest.approx(known(single).expected, rel=0.15, abs=1.0)


def test_a_forecaster_has_bounded_memory() -> None:
    forecaster = Forecaster()
    forecaster.see_all(MONDAY, poisson([10.0] * (15 * DAY)))
    assert forecaster.nbytes <= 18 * 1024


def test_the_90_percent_bound_covers_90_percent_of_the_minutes() -> None:
    load = poisson([50.0] * (3 * DAY))
    forecaster = Forecaster()
    forecaster.see_all(MONDAY, load[: 2 * DAY])
    covered = 0
    for number in range(2 * DAY, 3 * DAY - 2):
        forecaster.see(MONDAY + number, load[number])
        covered += load[number + 2] <= known(forecaster).upper(2, 0.9)
    assert 0.86 < covered / DAY < 0.94


def test_after_missing_minutes_the_forecast_is_useful_again() -> None:
    load: list[float | None] = [*poisson([200.0 if minute % 10 == 0 else 0.0 for minute in range(3 * DAY)])]
    load[2 * DAY : 2 * DAY + 300] = [None] * 300
    forecaster = Forecaster()
    forecaster.see_all(MONDAY, load)
    outlook = known(forecaster)
    assert outlook.useful
    assert max(outlook.expected) > 100


@settings(max_examples=15)
@given(
    st.lists(st.none() | st.sampled_from([0.0, 1.0, 1e15, math.nan, math.inf, -1.0]) | st.floats(0, 1e6), max_size=200),
    st.integers(-5, 30 * DAY),
    st.floats(0.5, 0.99),
    st.floats(0.5, 0.99),
)
def test_for_any_input_the_bounds_are_finite_and_increase_with_the_quantile(
    invalid: list[float | None], later: int, one: float, other: float
) -> None:
    forecaster = Forecaster()
    forecaster.see_all(MONDAY, [3.0] * 90)
    forecaster.see_all(MONDAY + 90 + later, invalid)
    outlook = forecaster.outlook()
    if outlook is None:
        return
    low, high = sorted((one, other))
    for ahead, expected in enumerate(outlook.expected, start=1):
        assert 0 <= expected < math.inf
        assert expected <= outlook.upper(ahead, low) <= outlook.upper(ahead, high) < math.inf
