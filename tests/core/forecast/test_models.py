"""The models of the look-ahead: their inputs compared with means over plain lists, and their forecasts."""

from __future__ import annotations

import numpy as np
import pytest

from autoscaler.core.forecast import models
from autoscaler.core.forecast.history import DAY, SPAN, WeekHistory
from autoscaler.core.forecast.models import (
    BACK,
    FARTHEST,
    FEWEST,
    PLACE,
    REGRESSED,
    RIDGE,
    Autoregression,
    LagView,
    _fitted,
    _solved,
    other_days,
    past,
    view,
)
from tests.core.forecast.test_history import FIRST, filled, random_roots

EVERY = np.arange(1, FARTHEST + 1)
ROWS = 5


class Past:
    """A history and the roots of the minutes after it. Other days are read as they are encoded."""

    def __init__(self, count: int) -> None:
        roots = random_roots(count + ROWS)
        self.history: WeekHistory = filled(roots[:count])
        self.first = FIRST + count
        self.new = roots[count:]
        self._roots = roots

    def view(self) -> LagView:
        return view(self.history, self.first, np.array(self.new))

    def today(self, minute: int) -> float:
        """The root of a minute of today; before the first one, the first."""
        return self._roots[max(0, minute - FIRST)]

    def ago(self, minute: int, days: int) -> float:
        """The root of that minute some days ago; before the history, that of the next day that it has."""
        steps = {1: 1, 2: 2, 3: 3, 7: 7}
        while days > 1 and minute - steps[days] * DAY < FIRST:
            days = {7: 3, 3: 2, 2: 1}[days]
        return float(self.history.coded(np.array([minute - days * DAY]))[0])

    def mean(self, window: int, last: int, days: tuple[int, ...]) -> float:
        """The mean of `window` minutes until `last`, over these days."""
        minutes = range(last - window + 1, last + 1)
        each = [self.ago(at, day) if day else self.today(at) for at in minutes for day in days]
        return sum(each) / len(each)

    def inputs(self, now: int, horizon: int) -> dict[str, float]:
        then = now + horizon
        own = {f"{ago} ago": self.today(now - ago) for ago in range(6)}
        own |= {f"mean of {window}": self.mean(window, now, (0,)) for window in (5, 15, 60)}
        for timer in (5, 10, 15, 20, 30, 60):
            own[f"timer of {timer}"] = self.today(
                max(at for at in range(now - 60, now + 1) if (then - at) % timer == 0)
            )
        return own | {
            "hour before": self.today(then - 120),
            "yesterday": self.mean(1, then, (1,)),
            "around yesterday": self.mean(11, then + 5, (1,)),
            "until now yesterday": self.mean(5, now, (1,)),
            "days": self.mean(1, then, (1, 2, 3)),
            "around days": self.mean(11, then + 5, (1, 2, 3)),
            "until now days": self.mean(15, now, (1, 2, 3)),
            "hour until now days": self.mean(60, now, (1, 2, 3)),
            "week ago": self.mean(1, then, (7,)),
            "hour until now week ago": self.mean(60, now, (7,)),
        }


@pytest.mark.parametrize(
    "count", [30, 200, DAY + 100, 2 * DAY - 5, 2 * DAY + 700, 3 * DAY - 5, 5 * DAY, 7 * DAY - 5, 7 * DAY + 300]
)
def test_each_input_is_the_mean_that_its_name_says(count: int) -> None:
    """Also with a history of half an hour, of less than one, two, three and seven days, and with one whose first minute
    is two, three or seven days before the fifth minute ahead.
    """
    known = Past(count)
    seen = known.view().seen(EVERY, 0, ROWS)
    assert seen.shape == (FARTHEST, ROWS, len(PLACE))
    for horizon in (1, 2, 5, 7, 20):
        for row in (0, ROWS - 1):
            expected = known.inputs(known.first + row, horizon)
            found = {name: float(seen[horizon - 1, row, place]) for name, place in PLACE.items()}
            assert found == pytest.approx(expected, abs=1e-6)
    some = known.view().seen(np.array([2, 7]), 1, 3)
    assert np.allclose(some, seen[[1, 6], 1:3])


def test_inputs_are_never_negative() -> None:
    history = filled([1e7] * 300)
    history.append(np.zeros(200))
    assert view(history, history.newest + 1, np.zeros(3)).seen(EVERY, 0, 3).min() >= 0.0


@pytest.mark.parametrize("days", [1.5, 2.2, 2.5, 3.2, 6])
def test_a_fit_uses_the_same_inputs_from_complete_hours(days: float) -> None:
    count = int(days * DAY)
    history = filled(random_roots(count))
    first, rows = history.coded_until - 400, 300
    found = past(history, first, rows)
    now = view(history, history.newest + 1, np.array([1.0]))
    assert now.rows == 1
    roots = history.coded(np.arange(first - BACK, first + rows + 60))
    for horizon in (1, 7, 20):
        regressed = found.regressed(horizon)
        assert regressed.shape == (REGRESSED, rows)
        assert regressed[PLACE["0 ago"]].tolist() == pytest.approx(roots[BACK : BACK + rows].tolist(), abs=1e-4)
        means = [roots[BACK + row - 14 : BACK + row + 1].mean() for row in range(rows)]
        assert regressed[PLACE["mean of 15"]].tolist() == pytest.approx(means, abs=1e-4)
        then = first + np.arange(rows) + horizon
        yesterday = history.coded(then - DAY)
        assert regressed[PLACE["yesterday"]].tolist() == pytest.approx(yesterday.tolist(), abs=1e-4)
        assert found.arrived(horizon).tolist() == pytest.approx(
            roots[BACK + horizon : BACK + horizon + rows].tolist(), abs=1e-6
        )
        two_ago = np.where(then - 2 * DAY < history.start, yesterday, history.coded(then - 2 * DAY))
        three_ago = np.where(then - 3 * DAY < history.start, two_ago, history.coded(then - 3 * DAY))
        mean = (yesterday + two_ago + three_ago) / 3
        assert regressed[PLACE["days"]].tolist() == pytest.approx(mean.tolist(), abs=1e-4)


def inputs(**roots: float) -> np.ndarray:
    seen = np.zeros((1, 1, len(PLACE)))
    for name, root in roots.items():
        seen[..., PLACE[name.replace("_", " ")]] = root
    return seen


@pytest.mark.parametrize(
    ("then", "until_now", "expected"),
    [(3.9, 1.9, 4.0 * 4.0 / 2.0), (1.9, 3.9, 4.0 * 2.0 / 4.0), (0.0, 0.0, 4.0), (9.9, 0.0, 40.0), (0.9, 0.0, 40.0)],
)
def test_other_days_are_scaled_by_the_present_at_most_tenfold(then: float, until_now: float, expected: float) -> None:
    """Roots: 4 now, (3.9 + 0.1) / (1.9 + 0.1) times as much as until now on the other days."""
    smooth = inputs(mean_of_15=4.0, around_days=then, until_now_days=until_now)
    assert other_days(smooth)[0, 0, 0] == pytest.approx(expected)
    sharp = inputs(mean_of_60=4.0, days=then, hour_until_now_days=until_now)
    assert other_days(sharp)[0, 0, 1] == pytest.approx(expected)
    weekly = inputs(mean_of_60=4.0, week_ago=then, hour_until_now_week_ago=until_now)
    assert other_days(weekly)[0, 0, 2] == pytest.approx(expected)


# The autoregression.


def predicted(regression: Autoregression, history: WeekHistory, horizon: int, roots: list[float]) -> list[float]:
    seen = view(history, history.newest + 1, np.array(roots)).seen(EVERY, 0, len(roots))
    return [float(root) for root in regression.predict(seen[horizon - 1 : horizon], np.array([horizon]))[0]]


def test_before_a_fit_the_newest_minute_is_the_forecast() -> None:
    known = Past(300)
    regression = Autoregression(FARTHEST)
    assert predicted(regression, known.history, 7, known.new) == pytest.approx(known.new)
    assert regression.nbytes == 4 * FARTHEST * (REGRESSED + 1)


def timer_roots(count: int, period: int) -> list[float]:
    return [12.0 if (FIRST + minute) % period == 0 else 1.0 for minute in range(count)]


@pytest.mark.parametrize(("period", "horizon"), [(5, 1), (5, 3), (10, 4), (15, 20), (30, 7)])
def test_a_timer_is_learned_exactly(period: int, horizon: int) -> None:
    roots = timer_roots(4 * DAY + 40, period)
    history = filled(roots[: 4 * DAY])
    regression = Autoregression(FARTHEST)
    regression.fit(history, horizon)
    found = predicted(regression, history, horizon, roots[4 * DAY : 4 * DAY + 20])
    assert found == pytest.approx(roots[4 * DAY + horizon : 4 * DAY + horizon + 20], abs=0.4)
    other = 2 if horizon != 2 else 3
    assert predicted(regression, history, other, [5.0, 7.0]) == pytest.approx([5.0, 7.0]), "only one horizon is fitted"


@pytest.mark.parametrize(("rows", "is_fitted"), [(FEWEST - 1, False), (FEWEST, True)])
def test_a_fit_needs_three_hours_whose_minutes_ahead_are_known(rows: int, is_fitted: bool) -> None:
    roots = timer_roots(rows + 20, 5)
    history = filled(roots, first=(FIRST - 17 + 240) - len(roots))
    assert history.coded_until == history.newest + 1
    regression = Autoregression(FARTHEST)
    before = regression._weights.copy()
    regression.fit(history, 20)
    assert (regression._weights[19] != before[19]).any() == is_fitted
    assert (regression._weights[:19] == before[:19]).all()


@pytest.mark.parametrize("days", [2, 5, 8, 20])
def test_a_fit_uses_all_minutes_whose_inputs_are_stored(monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    history = filled([1.0] * (days * DAY - 17))
    used = []

    def noted(history: WeekHistory, first: int, rows: int) -> LagView:
        used.append((first, rows))
        return past(history, first, rows)

    monkeypatch.setattr(models, "past", noted)
    Autoregression(FARTHEST).fit(history, 7)
    [(first, rows)] = used
    assert first + rows + 7 == history.coded_until == history.newest + 1, "the newest minute ahead is known"
    oldest_input = first - BACK - 3 * DAY
    assert first == FIRST if days < 4 else oldest_input == history.coded_until - SPAN


def test_a_prediction_is_never_negative_nor_above_its_highest_input() -> None:
    known = Past(2 * DAY)
    regression = Autoregression(FARTHEST)
    regression.fit(known.history, 2)
    seen = np.random.Generator(np.random.PCG64(3)).uniform(0, 30, (1, 200, len(PLACE)))
    found = regression.predict(seen, np.array([2]))
    assert found.min() >= 0.0
    assert (found <= seen[..., :REGRESSED].max(axis=2) + 1e-9).all()


def test_the_regression_is_the_minimum_of_the_weighted_squares_and_the_ridge() -> None:
    """At the minimum its gradient is zero: for each input, in units of its spread, and for the constant."""
    chance = np.random.Generator(np.random.PCG64(5))
    seen = chance.uniform(0, 9, (REGRESSED, 400)).astype(np.float32)
    seen[3] = 4.0
    arrived = (seen[0] * 0.5 + seen[7] * 0.25 + chance.normal(0, 1, 400)).astype(np.float32)
    weights = chance.uniform(0.5, 2, 400).astype(np.float32)
    found = _solved(seen, arrived, weights.copy())
    share = weights.astype(float) / weights.mean()
    misses = arrived - found[:-1] @ seen - found[-1]
    centers = seen @ share / 400
    centered = (seen - centers[:, None]).astype(float)
    spreads = np.sqrt((centered * centered * share).sum(axis=1) / 400)
    spreads[3] = 1.0
    gradient = (centered * share * misses).sum(axis=1) / spreads - RIDGE * found[:-1] * spreads
    gradient[3] = 0.0
    assert np.abs(gradient).max() < 0.05
    assert float((share * misses).sum()) == pytest.approx(0.0, abs=0.05)
    assert found[3] == 0.0, "a constant input gets no coefficient"
    assert found[0] == pytest.approx(0.5, abs=0.05)


def test_a_rare_burst_hardly_changes_the_forecast_of_quiet_minutes() -> None:
    """Errors count in proportion to their size: ten bursts of 50 times the root do not change the median of 4."""
    chance = np.random.Generator(np.random.PCG64(7))
    roots = [float(root) for root in chance.normal(4.0, 0.2, 4 * DAY)]
    for at in range(100, 4 * DAY, 570):
        roots[at] = 200.0
    history = filled(roots)
    regression = Autoregression(FARTHEST)
    regression.fit(history, 2)
    assert np.mean(predicted(regression, history, 2, [4.0] * 130)[-5:]) == pytest.approx(4.0, abs=0.3)


def plain_regression(seen: np.ndarray, arrived: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the coefficients and the constant of a weighted ridge regression, as least squares in double precision."""
    share = weights / weights.mean()
    centers, center = seen @ share / len(arrived), float(arrived @ share) / len(arrived)
    centered = seen - centers[:, None]
    spreads = np.sqrt((centered**2 @ share) / len(arrived))
    moving = spreads > 0.001
    inputs = centered[moving].T / spreads[moving] * np.sqrt(share)[:, None]
    ridge = np.sqrt(RIDGE) * np.eye(moving.sum())
    target = np.append((arrived - center) * np.sqrt(share), np.zeros(moving.sum()))
    found = np.zeros(len(seen))
    found[moving] = np.linalg.lstsq(np.vstack((inputs, ridge)), target, rcond=None)[0] / spreads[moving]
    return found, center - float(found @ centers)


@pytest.mark.parametrize("horizon", [1, 7])
def test_a_minute_that_a_first_fit_misses_by_more_than_the_mean_counts_less_in_proportion(horizon: int) -> None:
    """The first fit uses every seventh minute. A miss of twice the mean has half the weight."""
    chance = np.random.Generator(np.random.PCG64(7))
    roots = chance.gamma(1.0, 6.0, 2 * DAY)
    seen_of = past(filled(roots.tolist()), FIRST + DAY, 600)
    seen, arrived = seen_of.regressed(horizon).astype(float), seen_of.arrived(horizon)
    first, constant = plain_regression(seen[:, ::7], arrived[::7], np.ones(len(arrived[::7])))
    misses = np.abs(arrived - first @ seen - constant)
    expected, constant = plain_regression(seen, arrived, 1.0 / np.maximum(misses, misses.mean()))
    found = _fitted(seen_of, horizon)
    assert found[:-1] @ seen + found[-1] == pytest.approx(expected @ seen + constant, abs=0.005)


def test_a_load_that_is_predicted_exactly_has_a_finite_fit() -> None:
    """No minute is missed, and no input varies: the constant is the forecast."""
    found = _fitted(past(filled([3.0] * 2 * DAY), FIRST + DAY, 600), 7)
    assert found.tolist() == pytest.approx([0.0] * REGRESSED + [3.0], abs=0.02)
