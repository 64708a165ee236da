"""The forecaster: which minutes it takes, how it fills unknown ones, and what an outlook says."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from autoscaler.core.forecast import Forecaster, Outlook
from autoscaler.core.forecast.forecaster import METHODS, QUANTILES, _shared_arrays
from autoscaler.core.forecast.history import SPAN, Singles
from autoscaler.core.forecast.models import FEWEST, Autoregression
from tests.core.forecast.test_forecast import DAY, MONDAY, known, poisson


def after(*counts: float | None, first: int = MONDAY, horizon: int = 20, bounded: bool = True) -> Forecaster:
    forecaster = Forecaster(horizon, bounded=bounded)
    forecaster.see_all(first, counts)
    return forecaster


def random_walk(minutes: int, seed: int) -> list[float]:
    """Return a load that no forecast predicts better than the newest count does."""
    steps = np.random.Generator(np.random.PCG64(seed)).normal(0, 1, minutes)
    return [float(count) for count in np.maximum(0.0, 500 + np.cumsum(steps) * 10)]


@pytest.mark.parametrize("horizon", [0, -1, 21])
def test_a_horizon_outside_of_1_to_20_minutes_is_refused(horizon: int) -> None:
    with pytest.raises(ValueError, match=f"a look-ahead of {horizon} minutes is not in 1..20"):
        Forecaster(horizon)


@pytest.mark.parametrize("horizon", [1, 2, 7, 20])
def test_an_outlook_has_one_value_for_each_minute_ahead(horizon: int) -> None:
    outlook = known(after(*poisson([9.0] * 300), horizon=horizon))
    assert len(outlook.expected) == horizon
    assert outlook.minute == MONDAY + 299
    assert outlook.above is not None
    assert outlook.above.shape == (horizon, len(QUANTILES))
    assert "above" not in repr(outlook), "hundreds of numbers"


@pytest.mark.parametrize(("minutes", "is_known"), [(59, False), (60, True)])
def test_an_hour_must_be_known(minutes: int, is_known: bool) -> None:
    assert (after(*[4.0] * minutes).outlook() is not None) == is_known


def test_a_constant_load_is_expected_to_stay_the_same() -> None:
    outlook = known(after(*[49.0] * 600))
    assert outlook.expected == pytest.approx([49.0] * 20, rel=1e-3)
    assert not outlook.useful, "the newest count is as good"
    assert outlook.method == "last_value"
    assert [outlook.upper(ahead, 0.5) for ahead in (1, 20)] == pytest.approx([49.0, 49.0], rel=0.02)


def test_a_minute_is_scored_from_the_first_one_that_every_anchor_predicted() -> None:
    """A constant load is predicted exactly: no error, and a bound of a tenth of a root above 7."""
    outlook = known(after(*[49.0] * 60))
    for ahead in (1, 2, 10, 20):
        assert 49.0 <= outlook.upper(ahead, 0.99) <= 7.1**2
    counted = [after(*[49.0] * minutes)._errors._counts.max() for minutes in (21, 22)]
    assert counted == [0.0, 1.0], "22 minutes: the second one predicted the last, 20 minutes ahead"


def test_a_forecast_that_is_not_useful_is_the_newest_count() -> None:
    """The mix has at times a smaller error than the newest count, but not by 3 %."""
    load = random_walk(400, seed=5)
    forecaster, mixed, led = after(*load[:100]), 0, 0
    for minute, count in enumerate(load[100:], 100):
        forecaster.see(MONDAY + minute, count)
        outlook = known(forecaster)
        if not outlook.useful:
            assert outlook.method == "last_value"
            assert outlook.expected == pytest.approx([count] * 20)
            mixed += not np.allclose(forecaster._roots**2, count, rtol=1e-3)
            led += METHODS[forecaster._leading] != "last_value"
    assert min(mixed, led) > 0, "there was another forecast, which was not used"


def test_a_quiet_hour_does_not_change_that_a_forecast_is_useful() -> None:
    """The mean is better than the newest of noisy counts. Both errors are those of the last day."""
    assert known(after(*poisson([100.0] * DAY), *[100.0] * 60)).useful
    assert not known(after(*random_walk(DAY, seed=0), *[100.0] * 60)).useful


def test_the_method_is_the_one_with_the_largest_weight_two_minutes_ahead() -> None:
    """With a burst every three minutes, the newest count is exact three minutes ahead, and wrong one and two ahead."""
    load = [200.0 if minute % 3 == 0 else 0.0 for minute in range(600)]
    assert known(after(*load)).method == "autoregression"
    assert known(after(*load, horizon=1)).method == "autoregression"
    every_second = [200.0 if minute % 2 == 0 else 0.0 for minute in range(600)]
    assert known(after(*every_second)).method == "last_value"
    assert known(after(*every_second, horizon=1)).method == "autoregression"


def test_a_minute_that_is_not_later_than_the_newest_is_ignored() -> None:
    plain, more = after(*[4.0] * 100), after(*[4.0] * 100)
    for minute in (99, 98, 0, -500):
        more.see(MONDAY + minute, 1000.0)
    more.see_all(MONDAY + 50, [1000.0] * 50)
    assert known(more) == known(plain)
    more.see(MONDAY + 100, 900.0)
    assert known(more).minute == MONDAY + 100
    assert known(more).expected[0] > 4.5


@pytest.mark.parametrize("invalid", [math.nan, math.inf, -1.0, -0.001])
def test_an_invalid_count_is_unknown(invalid: float) -> None:
    forecaster = after(*[4.0] * 100)
    before = known(forecaster)
    forecaster.see(MONDAY + 100, invalid)
    assert known(forecaster) == before
    forecaster.see(MONDAY + 100, 0.0)
    assert known(forecaster).minute == MONDAY + 100


def test_an_impossibly_high_count_is_limited() -> None:
    forecaster = after(*[4.0] * 100)
    forecaster.see(MONDAY + 100, 1e300)
    assert max(known(forecaster).expected) == pytest.approx(1e15)
    at_once = after(*[4.0] * 100, 1e300)
    assert known(at_once).expected == pytest.approx(known(forecaster).expected)


def test_the_first_minute_can_be_that_of_the_epoch() -> None:
    """A virtual clock starts at 0."""
    single = Forecaster()
    for minute in range(60):
        single.see(minute, 4.0)
    assert known(single).minute == known(after(*[4.0] * 60, first=0)).minute == 59


def test_unknown_minutes_at_both_ends_are_not_taken() -> None:
    assert known(after(None, None, *[4.0] * 100, None)).minute == MONDAY + 101
    assert after(*[None] * 100).outlook() is None
    assert after(None, *[4.0] * 59, None).outlook() is None


@pytest.mark.parametrize("gap", [1, 5, 10])
def test_a_short_gap_is_filled_with_the_last_known_value(gap: int) -> None:
    """As if the value had been seen, except that nothing is scored."""
    with_gap, held = after(*[4.0] * 100, *[None] * gap, 9.0), after(*[4.0] * (100 + gap), 9.0)
    assert known(with_gap).minute == known(held).minute == MONDAY + 100 + gap
    newest = np.arange(MONDAY + 95, MONDAY + 101 + gap)
    assert (
        with_gap._history.recent(newest).tolist() == held._history.recent(newest).tolist() == [2.0] * (5 + gap) + [3.0]
    )


@pytest.mark.parametrize("at_once", [False, True])
def test_a_long_gap_is_filled_with_the_day_before_from_its_eleventh_minute_on(at_once: bool) -> None:
    """Roots from 1 to 7, in this order."""
    forecaster = after(*[(1.0 + minute % 7) ** 2 for minute in range(2 * DAY)])
    if at_once:
        forecaster.see_all(MONDAY + 2 * DAY, [16.0, *[None] * 20, 16.0])
    else:
        forecaster.see(MONDAY + 2 * DAY, 16.0)
        forecaster.see(MONDAY + 2 * DAY + 21, 16.0)
    filled = forecaster._history.recent(np.arange(MONDAY + 2 * DAY, MONDAY + 2 * DAY + 22)).tolist()
    assert filled[:11] == [4.0] * 11
    yesterday = [1.0 + (DAY + minute) % 7 for minute in range(11, 21)]
    assert filled[11:] == pytest.approx([*yesterday, 4.0], abs=0.02)


def test_minutes_missing_between_two_single_ones_are_filled_too() -> None:
    one, other = after(*[4.0] * 100), after(*[4.0] * 100, None, None, 9.0)
    one.see(MONDAY + 102, 9.0)
    assert known(one) == known(other)
    newest = np.arange(MONDAY + 98, MONDAY + 103)
    assert one._history.recent(newest).tolist() == other._history.recent(newest).tolist() == [2.0] * 4 + [3.0]


def test_after_a_gap_of_more_than_a_week_everything_is_forgotten() -> None:
    forecaster = after(*poisson([200.0 if minute % 5 == 0 else 0.0 for minute in range(2 * DAY)]))
    forecaster.see(MONDAY + 30 * DAY, 4.0)
    assert forecaster.outlook() is None
    assert forecaster._history.age == 1
    forecaster.see_all(MONDAY + 30 * DAY + 1, [4.0] * 59)
    fresh = after(*[4.0] * 60, first=MONDAY + 30 * DAY)
    assert known(forecaster) == known(fresh)


@pytest.mark.parametrize(("minutes", "age"), [(SPAN, SPAN + 100), (SPAN + 1, 1)])
def test_everything_is_forgotten_once_the_newest_minute_is_no_longer_stored(minutes: int, age: int) -> None:
    """The history spans a week and two hours."""
    forecaster = after(*[4.0] * 100)
    forecaster.see(MONDAY + 99 + minutes, 4.0)
    assert forecaster._history.age == age


def test_a_gap_within_a_list_of_more_than_a_week_begins_again_too() -> None:
    gap = [None] * (8 * DAY)
    assert after(*[9.0] * 100, *gap, *[4.0] * 20)._history.age == 20
    assert after(*[9.0] * 100, *[None] * (6 * DAY), *[4.0] * 20)._history.age == 6 * DAY + 120


def above(forecaster: Forecaster) -> Singles:
    bounds = known(forecaster).above
    assert bounds is not None
    return bounds


@pytest.mark.parametrize("cut", [1, 700, 1500])
def test_the_same_minutes_in_several_lists_give_the_same_forecast(cut: int) -> None:
    load = poisson([10.0 + 10 * math.sin(minute / 200) for minute in range(DAY + 500)])
    once, twice = after(*load), after(*load[:cut])
    twice.see_all(MONDAY + cut, load[cut:])
    assert known(twice).expected == pytest.approx(known(once).expected, rel=1e-3, abs=1e-3)
    assert known(twice).method == known(once).method
    assert np.allclose(above(twice), above(once), atol=1e-3)


def test_minutes_one_by_one_and_at_once_give_the_same_forecast_exactly_within_two_days() -> None:
    load = poisson([200.0 if minute % 5 == 0 else 20.0 for minute in range(900)])
    once, single = after(*load), Forecaster()
    for minute, count in enumerate(load):
        single.see(MONDAY + minute, count)
    assert known(single).expected == pytest.approx(known(once).expected, rel=1e-3, abs=1e-3)
    assert np.allclose(above(single), above(once), atol=1e-3)
    assert (known(single).useful, known(single).method) == (known(once).useful, known(once).method)


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_the_stored_predictions_do_not_depend_on_how_many_minutes_are_added_at_once(size: int) -> None:
    load = poisson([200.0 if minute % 5 == 0 else 20.0 for minute in range(84)])
    single, several = Forecaster(), Forecaster()
    for minute, count in enumerate(load):
        single.see(MONDAY + minute, count)
    for minute in range(0, len(load), size):
        several.see_all(MONDAY + minute, load[minute : minute + size])
    assert np.allclose(several._predictions._stored, single._predictions._stored, rtol=1e-5)
    assert known(several).expected == pytest.approx(known(single).expected, rel=1e-5)


@pytest.mark.parametrize("bounded", [False, True])
def test_a_forecaster_has_the_size_of_its_arrays(bounded: bool) -> None:
    forecaster = after(*[9.0] * 100, bounded=bounded)
    arrays: list[NDArray[Any]] = [
        forecaster._roots,
        forecaster._skills,
        forecaster._errors._sums,
        forecaster._errors._counts,
    ]
    arrays += [forecaster._mix_errors._sums, forecaster._mix_errors._counts, forecaster._predictions._stored]
    arrays += [forecaster._headroom._frequencies] if forecaster._headroom is not None else []
    arrays += [forecaster._regression._weights]
    arrays += [forecaster._history._recent, forecaster._history._codes, forecaster._history._peaks]
    assert forecaster.nbytes == sum(array.nbytes for array in arrays)


# Fits.


def test_every_horizon_is_fitted_once_a_day_and_four_times_on_the_first() -> None:
    """With 20 horizons: every 18 minutes on the first day from the third hour on, and then every 72 minutes."""
    forecaster = after(*[9.0] * 10)
    fits = forecaster._due(MONDAY, MONDAY + 2 * DAY - 1, MONDAY + 2 * DAY - 1)
    first_day = [minute for minute in fits if minute < DAY]
    assert first_day[0] == FEWEST
    assert {later - earlier for earlier, later in pairwise(first_day)} == {18}
    later_days = [minute for minute in fits if minute >= DAY]
    assert {later - earlier for earlier, later in pairwise(later_days)} == {72}
    assert sorted(fits[minute] for minute in later_days) == list(range(1, 21))
    assert [fits[minute] for minute in first_day[:3]] == [(MONDAY + minute) // 18 % 20 + 1 for minute in first_day[:3]]
    begun_later = after(*[9.0] * 10, first=MONDAY + 18)._due(MONDAY + 18, MONDAY + 2 * DAY, MONDAY + 2 * DAY)
    assert {(minute + 18) % 72 for minute in begun_later if minute >= DAY} == {0}, "a day after the first minute, too"


def test_at_the_start_horizons_that_are_fitted_again_later_are_skipped_unless_they_are_scored() -> None:
    forecaster = after(*[9.0] * 10)
    end = MONDAY + 9 * DAY + 3 * 72
    fits = forecaster._due(MONDAY + 2 * DAY, end, end)
    early = {horizon for minute, horizon in fits.items() if minute <= 5 * DAY + 3 * 72}
    late = {horizon for minute, horizon in fits.items() if minute > 5 * DAY + 3 * 72}
    assert early == {1, 2, 3, 5, 10, 15, 20}
    assert late == set(range(1, 21))


@pytest.mark.parametrize("missing", [None, 10 * DAY])
def test_of_a_long_list_only_scored_horizons_are_fitted_until_its_last_two_days(
    monkeypatch: pytest.MonkeyPatch, missing: int | None
) -> None:
    """Reading two weeks back at a start fits 7 of 20 horizons. An unknown minute in the list changes nothing."""
    fits: list[tuple[int, int]] = []
    monkeypatch.setattr(
        Autoregression, "fit", lambda _, history, horizon: fits.append((history.newest - MONDAY, horizon))
    )
    load: list[float | None] = [4.0] * (14 * DAY)
    if missing is not None:
        load[missing] = None
    after(*load)
    assert {horizon for minute, horizon in fits if minute <= 12 * DAY - 1} == {1, 2, 3, 5, 10, 15, 20}
    assert {horizon for minute, horizon in fits if minute > 12 * DAY - 1} == set(range(1, 21))


def test_before_the_fewest_minutes_nothing_is_fitted() -> None:
    forecaster = after(*[9.0] * 10)
    assert forecaster._due(MONDAY, MONDAY + FEWEST - 1, MONDAY + FEWEST - 1) == {}
    assert forecaster._due(MONDAY + 181, MONDAY + 190, MONDAY + 190) == {}
    assert list(forecaster._due(MONDAY + 181, MONDAY + 200, MONDAY + 200)) == [17]


# Anchors and bounds.


def test_each_minute_ahead_has_the_weights_of_the_anchors_next_to_it() -> None:
    ahead, anchors, starts, between = _shared_arrays(20)
    assert ahead.tolist() == list(range(1, 21))
    assert anchors.tolist() == [1, 2, 3, 5, 10, 15, 20]
    assert starts.tolist() == [0, 1, 3, 6, 11, 21, 36]
    assert np.allclose(between.sum(axis=1), 1.0)
    assert np.allclose(between @ anchors, ahead)
    assert (np.count_nonzero(between, axis=1) <= 2).all()
    assert _shared_arrays(4)[1].tolist() == [1, 2, 3]
    assert np.allclose(_shared_arrays(4)[3][3], [0, 0, 1]), "beyond the last anchor its weights are used"


def outlook(above: list[float], expected: float = 4.0) -> Outlook:
    return Outlook(MONDAY, (expected,), "last_value", useful=True, above=np.array([above], np.float32))


def test_a_bound_is_the_square_of_the_root_and_its_headroom() -> None:
    """The root of 4 is 2: 0.5 above it is 6.25. Between two quantiles the headroom is interpolated."""
    some = outlook([0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0])
    assert some.upper(1, 0.5) == 4.0
    assert some.upper(1, 0.6) == pytest.approx(6.25)
    assert some.upper(1, 0.65) == pytest.approx(2.75**2)
    assert some.upper(1, 0.9) == pytest.approx(16.0)
    assert some.upper(1, 0.99) == some.upper(1, 1.0) == pytest.approx(36.0)
    assert some.upper(1, 0.1) == 4.0


@pytest.mark.parametrize("expected", [2.0, 3.0, 5.0, 7.0])
def test_without_headroom_the_bound_is_the_expected_count_exactly(expected: float) -> None:
    """The square of the root of 3 is 2.9999999999999996: a bound must not be below what is expected."""
    assert outlook([0.0] * 8, expected).upper(1, 0.9) == expected


def test_each_minute_ahead_has_its_own_headroom() -> None:
    rows = np.array([[0.5] * 8, [1.0] * 8], np.float32)
    two = Outlook(MONDAY, (4.0, 9.0), "last_value", useful=True, above=rows)
    assert [two.upper(ahead, 0.9) for ahead in (1, 2)] == [6.25, 16.0]
    none = Outlook(MONDAY, (4.0, 9.0), "last_value", useful=True, above=np.zeros((2, 8), np.float32))
    assert [none.upper(ahead, 0.9) for ahead in (1, 2)] == [4.0, 9.0]


@pytest.mark.parametrize("ahead", [0, -1, 2])
def test_a_bound_of_a_minute_that_is_not_forecast_is_refused(ahead: int) -> None:
    with pytest.raises(IndexError, match=f"{ahead} minutes ahead are not in 1..1"):
        outlook([1.0] * 8).upper(ahead, 0.9)


@pytest.mark.parametrize("is_useful", [False, True])
def test_an_outlook_without_bounds_has_none(is_useful: bool) -> None:
    counts = poisson([9.0] * 600) if is_useful else random_walk(300, seed=0)
    plain, bounded = after(*counts, bounded=False).outlook(), known(after(*counts))
    assert plain is not None
    assert plain == bounded, "the same forecast; bounds are not compared"
    assert plain.useful is is_useful
    assert (plain.above is None, bounded.above is None) == (True, False)
    with pytest.raises(ValueError, match="this outlook was requested without its bounds"):
        plain.upper(1, 0.9)


def test_a_silent_queue_is_uncertain_by_a_hundredth_of_a_message() -> None:
    quiet = known(after(*[0.0] * 300))
    assert quiet.expected == (0.0,) * 20
    assert 0.0 <= quiet.upper(1, 0.99) <= 0.01


def test_the_bounds_are_errors_times_their_recent_mean() -> None:
    """Counts of 100 and 144 at random: the root is 10 or 12. It is wrong by 2 half of the time, so by 1 on average."""
    chance = np.random.Generator(np.random.PCG64(11))
    counts = [144.0 if high else 100.0 for high in chance.integers(0, 2, 2 * DAY)]
    wide, quiet = known(after(*counts)), known(after(*counts, *[121.0] * 60))
    narrow = known(after(*[110.25 if high else 100.0 for high in chance.integers(0, 2, 2 * DAY)]))
    assert wide.above is not None
    assert narrow.above is not None
    assert quiet.above is not None
    assert 1.5 < wide.above[1, -1] < 2.3
    assert 0.9 < quiet.above[1, -1] / wide.above[1, -1] < 1, "a quiet hour is a small part of the day"
    assert wide.above[1, -1] / narrow.above[1, -1] == pytest.approx(4.0, rel=0.25)


def test_a_forecast_shows_the_mean_of_a_day_also_where_no_history_is_known() -> None:
    forecaster = Forecaster(8, bounded=False)
    forecaster.see_all(0, [0.0, 100.0] * 1440)
    outlook = forecaster.outlook()
    assert outlook is not None
    assert outlook.usual == pytest.approx(50.0, rel=0.01)


def test_the_mean_of_a_day_follows_the_newest_complete_hour() -> None:
    """A day without messages, then 60 a minute: an hour counts when it is complete."""
    forecaster = Forecaster(8, bounded=False)
    forecaster.see_all(0, [0.0] * 1440)
    means = []
    for minute in range(1440, 1440 + 121):
        forecaster.see(minute, 60.0)
        outlook = forecaster.outlook()
        assert outlook is not None
        means.append(outlook.usual)
    assert means[58] == 0.0
    assert means[59] == means[118] == pytest.approx(2.5, rel=0.01)
    assert means[119] == pytest.approx(5.0, rel=0.01)
