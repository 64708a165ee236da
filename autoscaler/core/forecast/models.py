"""The models of the look-ahead: the daily profile, an autoregression, and lagged means.

Each predicts the arrivals of the next minutes from those of the past; the forecaster chooses between them by skill.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np

from autoscaler.core.forecast.history import DAY, SPAN, Flags, Floats, Singles, WeekHistory, Whole

# Forecasts from other days: their value at the coming minute, divided by their value until now, times the present
# value.

SMALL: Final = 0.1
"""A root that is added to numerator and denominator, so that a day without messages until now gives no infinite factor.
"""

MOST: Final = 10.0
"""The highest factor of roots: a factor of 100 in messages."""


def other_days(seen: Floats) -> Floats:
    """Return three forecasts in the last dimension, each from other days:

    - three days' quarter of an hour, scaled by the last one: a daily curve with noise;
    - three days' same minute, scaled by the last hour: messages that timers send every hour or day;
    - the minute of a week ago, scaled by the last hour: weekends, and weekly messages.
    """
    factor = (seen.take(_THEN, axis=-1) + SMALL) / (seen.take(_UNTIL_NOW, axis=-1) + SMALL)
    expected: Floats = seen.take(_LEVEL, axis=-1) * np.minimum(factor, MOST)
    return expected


# A ridge regression for each horizon's minute on the minutes before it, on the phases of timers, and on earlier days.
#
# It uses square roots, so that its error is the same at any load. Each horizon is fitted again about once a day, to
# the newest four days. It is strongest with timers: in a queue that is fed every five minutes, the minute five minutes
# earlier predicts the next one.

FEWEST: Final = 180
"""The minutes needed for a fit; with fewer there is no autoregression. Each of the twenty and more coefficients needs
several.
"""

RIDGE: Final = 5.0
"""The weight, in minutes, of the assumption that a coefficient is zero: small compared with 5,000, large compared with
`FEWEST`.
"""


_STILL: Final = 1e-5
"""A smaller spread by the mean is rounding of a constant in single precision."""


_PART: Final = 7
"""Every seventh minute is enough for a first fit: seven divides no timer period, so all phases are included."""


class Autoregression:
    """The coefficients of every horizon. They do not exist until enough minutes are known."""

    __slots__ = ("_weights",)

    def __init__(self, horizon: int) -> None:
        self._weights = np.zeros((horizon, REGRESSED + 1), np.float32)
        self._weights[:, 0] = 1.0  # until the fit, the newest minute is the forecast

    @property
    def nbytes(self) -> int:
        return self._weights.nbytes

    def predict(self, seen: Floats, horizons: Whole) -> Floats:
        """Return the root of each horizon's minute, (horizons, rows): never above the highest of its inputs."""
        regressed = seen[..., :REGRESSED]
        weights = self._weights[horizons - 1].astype(np.float64)
        expected = np.matmul(regressed, weights[:, :-1, None]).squeeze(2) + weights[:, -1:]
        bounded: Floats = np.minimum(np.maximum(expected, 0.0), regressed.max(axis=2))
        return bounded

    def fit(self, history: WeekHistory, horizon: int) -> None:
        """Fit one horizon to complete hours. The first three days are excluded, because its inputs reach back three
        days.
        """
        oldest = history.coded_until - SPAN + 3 * DAY + BACK
        first = max(oldest, history.coded_until - history.age)
        rows = history.coded_until - horizon - first
        if rows >= FEWEST:
            self._weights[horizon - 1] = _fitted(past(history, first, rows), horizon)


def _fitted(view: LagView, horizon: int) -> Floats:
    """Return the coefficients and the constant. A large error counts in proportion to its size, not to its square;
    otherwise the fit would follow the few largest bursts. The sizes come from a first fit to a part of the minutes.
    """
    seen, arrived = view.regressed(horizon), view.arrived(horizon).astype(np.float32)
    part = slice(None, None, _PART)
    first = _solved(seen[:, part], arrived[part], np.ones(len(arrived[part]), np.float32)).astype(np.float32)
    misses = np.abs(arrived - first[:-1] @ seen - first[-1])
    return _solved(seen, arrived, np.reciprocal(np.maximum(misses, misses.mean() + np.float32(1e-6))))


def _solved(seen: Singles, arrived: Singles, weights: Singles) -> Floats:
    """Return a ridge regression by weighted squares. A constant input gets no coefficient."""
    weights /= weights.mean()
    size = np.float32(len(arrived))
    centers, center = seen @ weights / size, arrived @ weights / size
    roots = np.sqrt(weights)
    seen = (seen - centers[:, None]) * roots
    products = (seen @ seen.T).astype(np.float64)
    spreads = np.sqrt(products.diagonal() / len(arrived))
    moving = spreads > _STILL * (centers + 1e-3)
    scales = np.divide(1.0, spreads, out=np.zeros_like(spreads), where=moving)
    products *= scales * scales[:, None]
    found = (
        np.linalg.solve(products + RIDGE * np.eye(REGRESSED), (seen @ ((arrived - center) * roots)) * scales) * scales
    )
    return np.append(found, center - found @ centers)


# The inputs of the forecasts: the minutes so far, with those of yesterday, of the mean of three days, and of a week
# ago.
#
# A `LagView` stores these four as lines with one column per minute, as cumulative sums, so that the mean over any
# minutes is the difference of two columns. Days before the history began are filled from later days, and before the
# first day from the first minute.

TODAY, YESTERDAY, DAYS, WEEK_AGO = range(4)
LINES: Final = 4

BACK: Final = 120
"""The columns before the first row's now: the longest lag of today's line is 119 minutes."""

FARTHEST: Final = 20
"""The farthest minute ahead that is predicted."""

AHEAD: Final = FARTHEST + 5
"""The columns after the last row's now, of other days: a mean over 11 minutes around a minute needs five more."""

LONGEST: Final = 720
"""The rows of one view: half a day. Yesterday's minutes are then encoded before the first row's now."""

TIMERS: Final = (5, 10, 15, 20, 30, 60)
"""The periods of timers in minutes: each horizon uses the newest minute of the same phase."""


class WindowMean(NamedTuple):
    """A mean of `window` minutes on a line. The last of them is `ahead` minutes after now; negative: before now."""

    window: int
    line: int
    ahead: int


def _seen(horizon: int) -> dict[str, WindowMean]:
    """Return all inputs of the forecast for `horizon` minutes ahead; those of the regression come first."""
    own = [timer * -(-horizon // timer) for timer in TIMERS]
    return {
        **{f"{ago} ago": WindowMean(1, TODAY, -ago) for ago in range(6)},
        **{f"mean of {window}": WindowMean(window, TODAY, 0) for window in (5, 15, 60)},
        **{f"timer of {timer}": WindowMean(1, TODAY, horizon - ago) for timer, ago in zip(TIMERS, own, strict=True)},
        "hour before": WindowMean(1, TODAY, horizon - own[-1] - 60),
        "yesterday": WindowMean(1, YESTERDAY, horizon),
        "around yesterday": WindowMean(11, YESTERDAY, horizon + 5),
        "until now yesterday": WindowMean(5, YESTERDAY, 0),
        "days": WindowMean(1, DAYS, horizon),
        "around days": WindowMean(11, DAYS, horizon + 5),
        "until now days": WindowMean(15, DAYS, 0),
        "hour until now days": WindowMean(60, DAYS, 0),
        "week ago": WindowMean(1, WEEK_AGO, horizon),
        "hour until now week ago": WindowMean(60, WEEK_AGO, 0),
    }


PLACE: Final = {name: place for place, name in enumerate(_seen(1))}
REGRESSED: Final = PLACE["hour until now days"]
"""The number of inputs that the regression uses."""

_LEVEL, _THEN, _UNTIL_NOW = (
    np.array([PLACE[name] for name in names])
    for names in (
        ("mean of 15", "mean of 60", "mean of 60"),
        ("around days", "days", "week ago"),
        ("until now days", "hour until now days", "hour until now week ago"),
    )
)
"""The inputs of `other_days`."""

_ALL: Final = np.array([list(_seen(horizon).values()) for horizon in range(1, FARTHEST + 1)])
_WINDOWS: Final = _ALL[..., 0]
_LINES: Final = _ALL[..., 1]
_ENDS: Final = BACK + _ALL[..., 2] + 1


@dataclass(frozen=True, slots=True)
class LagView:
    """The inputs for `rows` reference minutes; each row has its own `now`. `sums[line, column]` is the sum before that
    column; there are `BACK + rows + AHEAD` columns plus one.
    """

    rows: int
    sums: Floats

    def seen(self, horizons: Whole, start: int, stop: int) -> Floats:
        """Return roots, (horizons, rows from start to stop, positions of `PLACE`); never negative, because the sums of
        roots never fall.
        """
        ends = _ends(self.sums.shape[1])[horizons - 1, None] + np.arange(start, stop)[:, None]
        windows = _WINDOWS[horizons - 1, None]
        flat = self.sums.ravel()
        means: Floats = (flat.take(ends) - flat.take(ends - windows)) / windows
        return means

    def regressed(self, horizon: int) -> Singles:
        """Return the inputs of the regression for one horizon: (positions, rows), in single precision."""
        seen = np.empty((REGRESSED, self.rows), np.float32)
        for row, (window, line, ahead) in zip(seen, _ALL[horizon - 1].tolist(), strict=False):
            row[:] = self._line(window, line, ahead)
        return seen

    def arrived(self, horizon: int) -> Floats:
        """Return the rows' minutes `horizon` ahead, if they are known: only in views from `past`."""
        return self._line(1, TODAY, horizon)

    def _line(self, window: int, line: int, ahead: int) -> Floats:
        end, sums = BACK + ahead + 1, self.sums[line]
        mean: Floats = sums[end : end + self.rows] - sums[end - window : end - window + self.rows]
        mean /= window
        return mean


@lru_cache(maxsize=4)
def _ends(columns: int) -> Whole:
    """The index of the column after the last minute of each input, with the lines stored one after the other."""
    ends: Whole = _LINES * columns + _ENDS
    return ends


def view(history: WeekHistory, first: int, roots: Floats) -> LagView:
    """Return the view of the newest minutes from `first`: `roots` are their values, whether or not the history has them
    already.
    """
    minutes = np.arange(first - BACK, first + len(roots) + AHEAD)
    lines = np.zeros((LINES, len(minutes) + 1))
    lines[TODAY, 1 : BACK + 1] = history.recent(minutes[:BACK])
    lines[TODAY, BACK + 1 : BACK + 1 + len(roots)] = roots
    earlier = minutes - _BACK_DAYS
    if minutes[0] - 7 * DAY >= history.start:
        return _view(len(roots), lines, history.decoded(earlier))
    others = history.coded(earlier)
    _fill_early_days(others, earlier < history.start)
    return _view(len(roots), lines, others)


def past(history: WeekHistory, first: int, rows: int) -> LagView:
    """Return the view of minutes in complete hours, all of them as encoded. The week ago is not used."""
    size = BACK + rows + AHEAD
    begin = first - BACK - 3 * DAY
    roots = history.coded(np.arange(begin, begin + 3 * DAY + size))
    starts = [(3 - back) * DAY for back in (1, 2, 3)]
    others = np.stack([roots[start : start + size] for start in (*starts, 0)])
    if begin < history.start:
        _fill_early_days(others, np.arange(first - BACK, first - BACK + size) - _BACK_DAYS < history.start)
    lines = np.zeros((LINES, size + 1))
    lines[TODAY, 1:] = roots[3 * DAY :]
    return _view(rows, lines, others)


_BACK_DAYS: Final = np.array([1, 2, 3, 7])[:, None] * DAY


def _fill_early_days(days: Floats, unknown: Flags) -> None:
    """Fill the days before the history began from the next day after them."""
    for later, (day, missing) in enumerate(zip(days[1:], unknown[1:], strict=True)):
        day[missing] = days[later, missing]


def _view(rows: int, lines: Floats, others: Floats) -> LagView:
    """Return the view from today's line, and the roots 1, 2, 3 and 7 days ago."""
    lines[YESTERDAY, 1:] = others[0]
    lines[DAYS, 1:] = (others[0] + others[1] + others[2]) / 3.0
    lines[WEEK_AGO, 1:] = others[3]
    return LagView(rows, np.cumsum(lines, axis=1, out=lines))
