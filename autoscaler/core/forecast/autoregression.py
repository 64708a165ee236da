"""A ridge regression for each horizon's minute on the minutes before it, on the phases of timers, and on earlier days.

It uses square roots, so that its error is the same at any load. Each horizon is fitted again about once a day, to the
newest four days. It is strongest with timers: in a queue that is fed every five minutes, the minute five minutes
earlier predicts the next one.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from autoscaler.core.forecast.arrays import Floats, Singles, Whole
from autoscaler.core.forecast.history import DAY, SPAN, WeekHistory
from autoscaler.core.forecast.lags import BACK, REGRESSED, LagView, past

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
        expected = np.matmul(regressed, weights[:, :-1, None])[..., 0] + weights[:, -1:]
        bounded: Floats = np.clip(expected, 0.0, regressed.max(axis=2))
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
    return _solved(seen, arrived, 1.0 / np.maximum(misses, misses.mean() + np.float32(1e-6)))


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
    scales = np.where(moving, 1.0 / np.where(moving, spreads, 1.0), 0.0)
    products *= scales * scales[:, None]
    found = (
        np.linalg.solve(products + RIDGE * np.eye(REGRESSED), (seen @ ((arrived - center) * roots)) * scales) * scales
    )
    return np.append(found, center - found @ centers)
