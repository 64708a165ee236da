"""How far above the forecast a minute comes, with what probability: a histogram of recent errors at each horizon.

Errors are told in roots and by their recent mean, so one histogram holds for noon and for midnight.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from autoscaler.core.forecast.arrays import Flags, Floats

EDGES: Final = np.concatenate((np.arange(0.0, 3.0, 0.25), [3, 3.5, 4, 5, 6, 8, 11, 15, 22, 35, 60, 100]))
"""Mean absolute errors above the forecast; of a normal error's, 0.99 of all are below 2.9."""

HALF_LIFE: Final = 1440.0
LEAST: Final = 0.1
"""The smallest mean error in roots: a queue that was silent has a hundredth of a message of doubt."""


QUANTILES: Final = np.array([0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99])
"""Where an outlook tells the headroom; between two of them it is a straight line."""


class Headroom:
    """How often errors fell below zero, between each two edges, and above the last: (horizons, len(EDGES) + 1)."""

    __slots__ = ("_often",)

    def __init__(self, horizons: int) -> None:
        self._often = np.zeros((horizons, len(EDGES) + 1))

    @property
    def nbytes(self) -> int:
        return self._often.nbytes

    def take(self, above: Floats, known: Flags) -> None:
        """Errors (horizons, minutes), of those known by the mean absolute error."""
        above = above[:, known]
        size = above.shape[1]
        weights = 0.5 ** (np.arange(size)[::-1] / HALF_LIFE)
        self._often *= 0.5 ** (size / HALF_LIFE)
        lanes = np.arange(above.shape[0])[:, None]
        np.add.at(self._often, (lanes, np.searchsorted(EDGES, above, side="right")), weights)

    def above(self) -> Floats:
        """So many mean absolute errors above the forecast at most: (horizons, QUANTILES), never below zero."""
        until = np.cumsum(self._often, axis=1)
        asked = QUANTILES * until[:, -1:]
        return np.stack([np.interp(*pair, EDGES) for pair in zip(asked, until[:, :-1], strict=True)])
