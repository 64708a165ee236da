"""A forecast of the coming minutes, as of one minute: a value that can be cached."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from autoscaler.core.forecast.headroom import QUANTILES

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
    skill: float
    """The recent mean absolute error two minutes ahead, divided by that of the newest minute's count; 1 is no better.
    """
    useful: bool
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
