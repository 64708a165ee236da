"""The look-ahead of one queue: takes minutes, scores the earlier predictions for them, and predicts the next ones.

Minutes that are added one by one and minutes that are added at once use the same code, in blocks. A daemon that has
just started therefore predicts the same as one that ran for two weeks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import inf, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from autoscaler.core.forecast.choosing import ANCHORS, SMALL, Errors, Predictions, shares
from autoscaler.core.forecast.history import DAY, HELD, SPAN, Flags, Floats, Singles, WeekHistory, Whole
from autoscaler.core.forecast.models import (
    FARTHEST,
    FEWEST,
    LONGEST,
    PLACE,
    Autoregression,
    LagView,
    other_days,
    view,
)

METHODS: Final = (
    "last_value",
    "recent_mean",
    "autoregression",
    "smooth_profile",
    "profile",
    "week_profile",
    "week_ago",
)
YOUNG: Final = 60
"""The minutes that must be known before a forecast is made."""

BETTER: Final = 0.97
"""The look-ahead is useful if its skill is below this at any scored horizon."""

MOST: Final = 1e15
"""The largest valid count of messages per minute; all SQS queues in the world have fewer."""

_LAST = METHODS.index("last_value")
_LAST_ALONE = np.eye(len(METHODS))[_LAST]
_MIX = len(METHODS)
_FITS_ON_FIRST_DAY = 4


class Forecaster:
    """The look-ahead of one queue. Mutable for speed: preallocated, at most 18 KiB of arrays in total."""

    __slots__ = (
        "_anchor",
        "_anchors",
        "_between",
        "_bounded",
        "_errors",
        "_every",
        "_headroom",
        "_history",
        "_leading",
        "_mix_errors",
        "_predictions",
        "_regression",
        "_roots",
        "_skills",
        "_starts",
        "horizon",
    )

    def __init__(self, horizon: int = FARTHEST, *, bounded: bool = True) -> None:
        """Predict 1 to `horizon` minutes ahead, at most `FARTHEST`. `bounded`: the upper bounds can be requested; their
        frequencies take a fifth of the time and a kibibyte.
        """
        if not 1 <= horizon <= FARTHEST:
            raise ValueError(f"a look-ahead of {horizon} minutes is not in 1..{FARTHEST}")
        self.horizon = horizon
        self._every, self._anchors, self._starts, self._between = _shared_arrays(horizon)
        self._anchor = int(np.searchsorted(self._anchors, min(2, horizon)))
        self._bounded = bounded
        self._forget()

    @property
    def nbytes(self) -> int:
        """The bytes of all arrays that are not shared."""
        parts = (self._history, self._regression, self._errors, self._mix_errors, self._predictions)
        bounds = 0 if self._headroom is None else self._headroom.nbytes
        return self._roots.nbytes + self._skills.nbytes + bounds + sum(part.nbytes for part in parts)

    def see(self, minute: int, messages: float) -> None:
        """Add the messages of one minute since the epoch. A minute that is not later than the newest is ignored; an
        invalid count is unknown.
        """
        if 0.0 <= messages < inf and (self._history.began is None or minute > self._history.newest):
            self._take(minute, np.array([sqrt(min(messages, MOST))]), np.ones(1, bool))

    def see_all(self, first_minute: int, messages: Sequence[float | None]) -> None:
        """Add consecutive minutes, as if each were added by itself; None is unknown."""
        counts = np.array(messages, float)  # None becomes NaN
        known = np.isfinite(counts) & (counts >= 0.0)
        if self._history.began is not None:
            known &= np.arange(len(counts)) > self._history.newest - first_minute
        roots = np.sqrt(np.minimum(np.where(known, counts, 0.0), MOST))
        positions = np.flatnonzero(known)
        for stretch in np.split(positions, np.flatnonzero(np.diff(positions) > SPAN) + 1):
            if len(stretch):
                part = slice(stretch[0], stretch[-1] + 1)
                self._take(first_minute + int(stretch[0]), roots[part], known[part])

    def outlook(self) -> Outlook | None:
        """Return the forecast after the newest known minute, with its upper bounds if the forecaster is `bounded`.
        None: too few minutes are known.
        """
        if self._history.age < YOUNG:
            return None
        useful = bool(self._skills.min() < BETTER)
        roots = self._roots if useful else np.full(self.horizon, self._newest_root())
        return Outlook(
            minute=self._history.newest,
            expected=tuple((roots * roots).tolist()),
            method=METHODS[self._leading] if useful else METHODS[_LAST],
            useful=useful,
            above=self._above(),
            usual=self._history.usual(),
        )

    def _above(self) -> Singles | None:
        if self._headroom is None:
            return None
        spreads = np.maximum(self._mix_errors.means()[1, :, 1:], LEAST)
        above: Singles = (self._between @ (self._headroom.above() * spreads)).astype(np.float32)
        return above

    def _forget(self) -> None:
        anchors = len(self._anchors)
        self._history = WeekHistory()
        self._regression = Autoregression(self.horizon)
        self._errors = Errors(anchors, len(METHODS))
        self._mix_errors = Errors(anchors, 2 if self._bounded else 1)
        self._predictions = Predictions(self._anchors, self._starts, len(METHODS) + 1)
        self._headroom = Headroom(anchors) if self._bounded else None
        self._roots = np.zeros(self.horizon)
        self._skills = np.ones(anchors)
        self._leading = _LAST

    def _choose(self, weights: Floats, forecast: Floats) -> None:
        """Set the forecast from the weights of the methods at each anchor: only the last value if the mix has a larger
        error than it. The skill of an anchor is the recent error of the mix divided by that of the last value.
        """
        mixed, last = self._mix_errors.mean_of(0), self._errors.mean_of(_LAST)
        weights[mixed.sum(axis=0) > last.sum(axis=0)] = _LAST_ALONE
        self._leading = int(weights[self._anchor].argmax())
        self._skills = (mixed[1] + SMALL) / (last[1] + SMALL)
        self._roots = np.einsum("hm,hm->h", self._between @ weights, forecast)

    def _take(self, first: int, roots: Floats, known: Flags) -> None:
        """Add minutes whose first and last are known, all later than the newest."""
        if self._history.began is None or first - self._history.newest > SPAN:
            self._forget()
            self._history.begin(first, float(roots[0]))
            first, roots, known = first + 1, roots[1:], known[1:]
        gap = first - self._history.newest - 1
        if gap or not known.all():
            self._take_filled(np.append(np.zeros(gap), roots), np.append(np.zeros(gap, bool), known))
            return
        end = self._history.newest + len(roots)
        for begin in range(0, len(roots), LONGEST):
            self._advance(roots[begin : begin + LONGEST], known[begin : begin + LONGEST], end)

    def _take_filled(self, roots: Floats, known: Flags) -> None:
        """Fill minutes after the newest: an unknown one gets the last known value, in long gaps yesterday's."""
        latest = np.maximum.accumulate(np.where(known, np.arange(len(known)), -1))
        held = np.where(latest < 0, self._newest_root(), roots[latest])
        long = np.arange(len(known)) - latest > HELD
        end = self._history.newest + len(known)
        for begin in range(0, len(known), LONGEST):
            block = slice(begin, begin + LONGEST)
            yesterday = self._history.coded(self._history.newest + 1 - DAY + np.arange(len(known[block])))
            self._advance(np.where(long[block], yesterday, held[block]), known[block], end)

    def _newest_root(self) -> float:
        return float(self._history.recent(np.array([self._history.newest])).item())

    def _advance(self, roots: Floats, known: Flags, end: int) -> None:
        """Add the minutes after the newest, at most `LONGEST`; `end` is the last one of all that are added at once."""
        minutes = self._history.newest + 1 + np.arange(len(roots))
        now = view(self._history, int(minutes[0]), roots)
        forecast, made = self._predict(now, minutes, roots, end)
        # Predictions begin a minute after `start`; the first minute that all anchors predicted is `FARTHEST` later.
        known = known & (minutes > self._history.start + FARTHEST)
        predicted = self._predictions.of(minutes, slice(0, _MIX), made)
        weights = shares(self._errors.take(np.abs(predicted * predicted - (roots * roots)[:, None]), known))
        mixed = _single(np.einsum("hrm,hrm->hr", weights, made))[..., None]
        self._score(self._predictions.of(minutes, slice(_MIX, None), mixed)[..., 0], roots, known)
        self._predictions.remember(minutes, np.concatenate((made, mixed), axis=2))
        self._choose(weights[:, -1].copy(), forecast)

    def _score(self, predicted: Floats, roots: Floats, known: Flags) -> None:
        """Score the mixed predictions for minutes, (anchors, minutes), against the counts."""
        if self._headroom is None:
            self._mix_errors.take(np.abs(predicted * predicted - roots * roots)[..., None], known)
            return
        before = self._mix_errors.means()[1, :, None, 1]
        errors = np.stack((np.abs(predicted * predicted - roots * roots), np.abs(predicted - roots)), axis=2)
        after = self._mix_errors.take(errors, known)[1, ..., 1]
        spreads = np.maximum(np.concatenate((before, after[:, :-1]), axis=1), LEAST)
        self._headroom.take((roots - predicted) / spreads, known)

    def _predict(self, now: LagView, minutes: Whole, roots: Floats, end: int) -> tuple[Floats, Floats]:
        """Return the forecast of each method in roots: (horizons, methods) at the last minute, and (anchors, minutes,
        methods).

        The history grows by these minutes, and due horizons are fitted in between.
        """
        due = self._due(int(minutes[0]), int(minutes[-1]), end)
        starts = sorted({0, *due})
        pieces = []
        for start, stop in zip(starts, [*starts[1:], len(minutes)], strict=True):
            self._history.append(roots[start : start + 1])
            if start in due:
                self._regression.fit(self._history, due[start])
            if now.rows > 1:
                pieces.append(self._expected(now, self._anchors, start, stop))
            self._history.append(roots[start + 1 : stop])
        forecast = self._expected(now, self._every, now.rows - 1, now.rows)
        made = np.concatenate(pieces, axis=1) if pieces else forecast[self._anchors - 1]
        return forecast[:, 0], made

    def _expected(self, now: LagView, ahead: Whole, start: int, stop: int) -> Floats:
        """Return (horizons, rows from start to stop, methods), in the order of `METHODS`."""
        seen = now.seen(ahead, start, stop)
        expected = np.empty((*seen.shape[:2], len(METHODS)), np.float32)
        expected[..., 0] = seen[..., PLACE["0 ago"]]
        expected[..., 1] = seen[..., PLACE["mean of 5"]]
        expected[..., 2] = self._regression.predict(seen, ahead)
        expected[..., 3:6] = other_days(seen)
        expected[..., 6] = seen[..., PLACE["week ago"]]
        return expected.astype(np.float64)

    def _due(self, first: int, last: int, end: int) -> dict[int, int]:
        """Return the horizon to fit at each minute's index: each horizon once a day, more often on the first day.

        At the start, a horizon that is not scored is fitted only if it is not fitted again soon after.
        """
        often = DAY // (_FITS_ON_FIRST_DAY * self.horizon)
        due = {}
        for minute in range(-(-first // often) * often, last + 1, often):
            age = minute - self._history.start
            every = often if age < DAY else often * _FITS_ON_FIRST_DAY
            horizon = minute // every % self.horizon + 1
            needed = horizon in self._anchors or minute + 2 * DAY > end
            if minute % every == 0 and age >= FEWEST and needed:
                due[minute - first] = horizon
        return due


def _single(roots: Floats) -> Floats:
    """Round to the stored precision, so that scores are the same for stored and for new predictions."""
    return roots.astype(np.float32).astype(np.float64)


@lru_cache(maxsize=FARTHEST)
def _shared_arrays(horizon: int) -> tuple[Whole, Whole, Whole, Floats]:
    """Return the shared arrays: the minutes ahead, the anchors among them, the start of each anchor in the flat store,
    and the weight of each anchor for each minute ahead (minutes ahead, anchors).
    """
    ahead = np.arange(1, horizon + 1)
    anchors = np.array([anchor for anchor in ANCHORS if anchor <= horizon])
    between = np.stack([np.interp(ahead, anchors, row) for row in np.eye(len(anchors))], axis=1)
    return ahead, anchors, np.cumsum(anchors) - anchors, between


# How far above the forecast a minute can be, with which probability: a histogram of recent errors at each horizon.
#
# Errors are in roots and divided by their recent mean, so one histogram is valid for noon and for midnight.

EDGES: Final = np.concatenate((np.arange(0.0, 3.0, 0.25), [3, 3.5, 4, 5, 6, 8, 11, 15, 22, 35, 60, 100]))
"""Bin edges in mean absolute errors above the forecast; 0.99 of normal errors are below 2.9."""

HALF_LIFE: Final = 1440.0
LEAST: Final = 0.1
"""The smallest mean error in roots: a silent queue has an uncertainty of a hundredth of a message."""


QUANTILES: Final = np.array([0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99])
"""The quantiles of the headroom in an outlook; values between two of them are interpolated linearly."""


class Headroom:
    """The frequencies of errors below zero, between two edges, and above the last: (horizons, len(EDGES) + 1)."""

    __slots__ = ("_frequencies",)

    def __init__(self, horizons: int) -> None:
        self._frequencies = np.zeros((horizons, len(EDGES) + 1))

    @property
    def nbytes(self) -> int:
        return self._frequencies.nbytes

    def take(self, above: Floats, known: Flags) -> None:
        """Add errors (horizons, minutes), divided by the mean absolute error."""
        above = above[:, known]
        size = above.shape[1]
        weights = 0.5 ** (np.arange(size)[::-1] / HALF_LIFE)
        self._frequencies *= 0.5 ** (size / HALF_LIFE)
        rows = np.arange(above.shape[0])[:, None]
        np.add.at(self._frequencies, (rows, np.searchsorted(EDGES, above, side="right")), weights)

    def above(self) -> Floats:
        """Return the mean absolute errors above the forecast: (horizons, QUANTILES), never below zero."""
        until = np.cumsum(self._frequencies, axis=1)
        required = QUANTILES * until[:, -1:]
        return np.stack([np.interp(*pair, EDGES) for pair in zip(required, until[:, :-1], strict=True)])


# A forecast of the coming minutes, as of one minute: a value that can be cached.

_QUANTILES: Final = tuple(QUANTILES.tolist())


@dataclass(frozen=True, slots=True)
class Outlook:
    """A forecast. `useful` is False if it is not better than the newest count, or too few minutes are known."""

    minute: int
    """The newest known minute, since the epoch."""
    expected: tuple[float, ...]
    """The messages in each of the minutes after it."""
    method: str
    """The method with the largest weight, two minutes ahead."""
    useful: bool
    usual: float = 0.0
    """The mean messages per minute over a day, up to the newest complete hour."""
    above: NDArray[np.float32] | None = field(default=None, repr=False, compare=False)
    """By minute and quantile: how far the root of a count is above the root of the expected one. None: not requested.
    """

    def upper(self, k: int, quantile: float) -> float:
        """Return the upper bound of the count of minute + `k`, with a probability of 0.5 to 0.99 (others are set to the
        nearest).
        """
        if not 1 <= k <= len(self.expected):
            raise IndexError(f"{k} minutes ahead are not in 1..{len(self.expected)}")
        if self.above is None:
            raise ValueError("this outlook was requested without its bounds")
        above = float(np.interp(quantile, _QUANTILES, self.above[k - 1]))
        return self.expected[k - 1] if above <= 0.0 else (sqrt(self.expected[k - 1]) + above) ** 2
