"""How far above the forecast a minute can be, with which probability: a histogram of recent errors at each horizon.

Errors are in roots and divided by their recent mean, so one histogram is valid for noon and for midnight.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from autoscaler.core.forecast.arrays import Flags, Floats

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
