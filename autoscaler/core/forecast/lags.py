"""The inputs of the forecasts: the minutes so far, with those of yesterday, of the mean of three days, and of a week
ago.

A `LagView` stores these four as lines with one column per minute, as cumulative sums, so that the mean over any minutes
is the difference of two columns. Days before the history began are filled from later days, and before the first day
from the first minute.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np

from autoscaler.core.forecast.arrays import Flags, Floats, Singles, Whole
from autoscaler.core.forecast.history import DAY, WeekHistory

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
        """Return roots, (horizons, rows from start to stop, positions of `PLACE`); never negative."""
        ends = _ends(self.sums.shape[1])[horizons - 1, None] + np.arange(start, stop)[:, None]
        windows = _WINDOWS[horizons - 1, None]
        flat = self.sums.ravel()
        means: Floats = (flat.take(ends) - flat.take(ends - windows)) / windows
        np.maximum(means, 0.0, out=means)
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
    others = history.coded(minutes - _BACK_DAYS)
    if minutes[0] - 7 * DAY < history.start:
        _fill_early_days(others, minutes - _BACK_DAYS < history.start)
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
