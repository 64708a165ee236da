"""What the forecasts look at: the minutes so far, beside yesterday's, the three days' mean and the week ago's.

A `View` lays these four out in lines with one column a minute, summed up from the left, so that the mean over any
minutes is the difference of two places. Days from before the history began are told by later ones, and before the first
day by the first minute.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np

from autoscaler.core.forecast.arrays import Flags, Floats, Singles, Whole
from autoscaler.core.forecast.history import DAY, History

TODAY, YESTERDAY, DAYS, WEEK_AGO = range(4)
LINES: Final = 4

BACK: Final = 120
"""Columns before the first row's now: the longest lag of today's is 119 minutes."""

FARTHEST: Final = 20
"""The farthest minute ahead that is spoken of."""

AHEAD: Final = FARTHEST + 5
"""Columns after the last row's now, of other days: a mean over 11 minutes around a minute needs five more."""

LONGEST: Final = 720
"""Rows of one view: half a day, so that all of yesterday that is looked at was coded before the first row's now."""

TIMERS: Final = (5, 10, 15, 20, 30, 60)
"""Minutes between what is sent by timers: each horizon looks at the newest minute of the same phase."""


class Seen(NamedTuple):
    """A mean of `window` minutes on a line, of which the last is so many `ahead` of now; negative: ago."""

    window: int
    line: int
    ahead: int


def _seen(horizon: int) -> dict[str, Seen]:
    """All that is looked at to tell the minute `horizon` ahead, the regression's first."""
    own = [timer * -(-horizon // timer) for timer in TIMERS]
    return {
        **{f"{ago} ago": Seen(1, TODAY, -ago) for ago in range(6)},
        **{f"mean of {window}": Seen(window, TODAY, 0) for window in (5, 15, 60)},
        **{f"timer of {timer}": Seen(1, TODAY, horizon - ago) for timer, ago in zip(TIMERS, own, strict=True)},
        "hour before": Seen(1, TODAY, horizon - own[-1] - 60),
        "yesterday": Seen(1, YESTERDAY, horizon),
        "around yesterday": Seen(11, YESTERDAY, horizon + 5),
        "until now yesterday": Seen(5, YESTERDAY, 0),
        "days": Seen(1, DAYS, horizon),
        "around days": Seen(11, DAYS, horizon + 5),
        "until now days": Seen(15, DAYS, 0),
        "hour until now days": Seen(60, DAYS, 0),
        "week ago": Seen(1, WEEK_AGO, horizon),
        "hour until now week ago": Seen(60, WEEK_AGO, 0),
    }


PLACE: Final = {name: place for place, name in enumerate(_seen(1))}
REGRESSED: Final = PLACE["hour until now days"]
"""So many of what is seen are the regression's."""

_ALL: Final = np.array([list(_seen(horizon).values()) for horizon in range(1, FARTHEST + 1)])
_WINDOWS: Final = _ALL[..., 0]
_LINES: Final = _ALL[..., 1]
_ENDS: Final = BACK + _ALL[..., 2] + 1


@dataclass(frozen=True, slots=True)
class View:
    """`rows` minutes as nows; `sums[line, column]` of all before the column, `BACK + rows + AHEAD` and one of them."""

    rows: int
    sums: Floats

    def seen(self, horizons: Whole, start: int, stop: int) -> Floats:
        """Roots, (horizons, rows from start to stop, places of `PLACE`); never negative."""
        ends = _ends(self.sums.shape[1])[horizons - 1, None] + np.arange(start, stop)[:, None]
        windows = _WINDOWS[horizons - 1, None]
        flat = self.sums.ravel()
        means: Floats = (flat.take(ends) - flat.take(ends - windows)) / windows
        np.maximum(means, 0.0, out=means)
        return means

    def regressed(self, horizon: int) -> Singles:
        """What a regression of one horizon sees: (places, rows), in single precision, for sums of products."""
        seen = np.empty((REGRESSED, self.rows), np.float32)
        for row, (window, line, ahead) in zip(seen, _ALL[horizon - 1].tolist(), strict=False):
            row[:] = self._line(window, line, ahead)
        return seen

    def came(self, horizon: int) -> Floats:
        """What the rows' minutes `horizon` ahead brought, where that is known: of `past` only."""
        return self._line(1, TODAY, horizon)

    def _line(self, window: int, line: int, ahead: int) -> Floats:
        end, sums = BACK + ahead + 1, self.sums[line]
        mean: Floats = sums[end : end + self.rows] - sums[end - window : end - window + self.rows]
        mean /= window
        return mean


@lru_cache(maxsize=4)
def _ends(columns: int) -> Whole:
    """Where in all lines, one after the other, the place after the last minute of what is seen lies."""
    ends: Whole = _LINES * columns + _ENDS
    return ends


def view(history: History, first: int, roots: Floats) -> View:
    """Of the newest minutes `first`...: `roots` are theirs, whether the history has them already or not yet."""
    minutes = np.arange(first - BACK, first + len(roots) + AHEAD)
    lines = np.zeros((LINES, len(minutes) + 1))
    lines[TODAY, 1 : BACK + 1] = history.recent(minutes[:BACK])
    lines[TODAY, BACK + 1 : BACK + 1 + len(roots)] = roots
    others = history.coded(minutes - _BACK_DAYS)
    if minutes[0] - 7 * DAY < history.start:
        _tell(others, minutes - _BACK_DAYS < history.start)
    return _view(len(roots), lines, others)


def past(history: History, first: int, rows: int) -> View:
    """Of minutes in complete hours, all of them as they are kept; the week ago is not looked at."""
    size = BACK + rows + AHEAD
    begin = first - BACK - 3 * DAY
    roots = history.coded(np.arange(begin, begin + 3 * DAY + size))
    starts = [(3 - back) * DAY for back in (1, 2, 3)]
    others = np.stack([roots[start : start + size] for start in (*starts, 0)])
    if begin < history.start:
        _tell(others, np.arange(first - BACK, first - BACK + size) - _BACK_DAYS < history.start)
    lines = np.zeros((LINES, size + 1))
    lines[TODAY, 1:] = roots[3 * DAY :]
    return _view(rows, lines, others)


_BACK_DAYS: Final = np.array([1, 2, 3, 7])[:, None] * DAY


def _tell(days: Floats, unknown: Flags) -> None:
    """What was before the history began is told by the next day after it."""
    for later, (day, missing) in enumerate(zip(days[1:], unknown[1:], strict=True)):
        day[missing] = days[later, missing]


def _view(rows: int, lines: Floats, others: Floats) -> View:
    """Of today's line, and the roots 1, 2, 3 and 7 days ago."""
    lines[YESTERDAY, 1:] = others[0]
    lines[DAYS, 1:] = (others[0] + others[1] + others[2]) / 3.0
    lines[WEEK_AGO, 1:] = others[3]
    return View(rows, np.cumsum(lines, axis=1, out=lines))
