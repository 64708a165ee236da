"""A ridge regression of each horizon's minute on the minutes before it, on its own minutes of timers, and on days.

In roots, so that its error is the same at any load; fitted anew about daily, one horizon at a time, to the newest four
days. What makes it strong are timers: a queue that is fed every five minutes is told by the minute five before.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from autoscaler.core.forecast.arrays import Floats, Singles, Whole
from autoscaler.core.forecast.history import DAY, SPAN, History
from autoscaler.core.forecast.lags import BACK, REGRESSED, View, past

FEWEST: Final = 180
"""Minutes to learn from; below it there is no autoregression. Twenty and more coefficients want some per each."""

RIDGE: Final = 5.0
"""So many minutes' worth of belief that a coefficient is zero: little beside 5,000, much beside `FEWEST`."""


_STILL: Final = 1e-5
"""A spread that is less of the mean than this is what single precision makes of a constant."""


_PART: Final = 7
"""Each seventh minute is enough for a first fit: seven divides no timer, so all phases are among them."""


class Autoregression:
    """The coefficients of every horizon, and of none before there is enough to learn from."""

    __slots__ = ("_weights",)

    def __init__(self, horizon: int) -> None:
        self._weights = np.zeros((horizon, REGRESSED + 1), np.float32)
        self._weights[:, 0] = 1.0  # until it is fitted, the newest minute is what it expects

    @property
    def nbytes(self) -> int:
        return self._weights.nbytes

    def expects(self, seen: Floats, horizons: Whole) -> Floats:
        """The root of each horizon's minute, (horizons, rows): never above the highest of what it looks at."""
        regressed = seen[..., :REGRESSED]
        weights = self._weights[horizons - 1].astype(np.float64)
        expected = np.matmul(regressed, weights[:, :-1, None])[..., 0] + weights[:, -1:]
        bounded: Floats = np.clip(expected, 0.0, regressed.max(axis=2))
        return bounded

    def fit(self, history: History, horizon: int) -> None:
        """Learns one horizon anew from complete hours, the three days that its features reach back left out."""
        oldest = history.coded_until - SPAN + 3 * DAY + BACK
        first = max(oldest, history.coded_until - history.age)
        rows = history.coded_until - horizon - first
        if rows >= FEWEST:
            self._weights[horizon - 1] = _fitted(past(history, first, rows), horizon)


def _fitted(view: View, horizon: int) -> Floats:
    """Coefficients and what is added to them, of least squares in which a far miss counts by its distance only.

    Squares alone follow the few largest bursts. The distances are those from a first fit to a part of the minutes.
    """
    seen, came = view.regressed(horizon), view.came(horizon).astype(np.float32)
    part = slice(None, None, _PART)
    first = _solved(seen[:, part], came[part], np.ones(len(came[part]), np.float32)).astype(np.float32)
    misses = np.abs(came - first[:-1] @ seen - first[-1])
    return _solved(seen, came, 1.0 / np.maximum(misses, misses.mean() + np.float32(1e-6)))


def _solved(seen: Singles, came: Singles, weights: Singles) -> Floats:
    """Ridge regression by weighted squares; a constant among what is seen has no coefficient."""
    weights /= weights.mean()
    size = np.float32(len(came))
    centers, center = seen @ weights / size, came @ weights / size
    roots = np.sqrt(weights)
    seen = (seen - centers[:, None]) * roots
    products = (seen @ seen.T).astype(np.float64)
    spreads = np.sqrt(products.diagonal() / len(came))
    moving = spreads > _STILL * (centers + 1e-3)
    scales = np.where(moving, 1.0 / np.where(moving, spreads, 1.0), 0.0)
    products *= scales * scales[:, None]
    found = np.linalg.solve(products + RIDGE * np.eye(REGRESSED), (seen @ ((came - center) * roots)) * scales) * scales
    return np.append(found, center - found @ centers)
