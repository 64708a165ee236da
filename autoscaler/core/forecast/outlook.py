"""What the coming minutes will bring, as of one minute: a value that may be kept."""

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
    """`useful` is False where the look-ahead does not beat the newest minute's count, or is too young to say."""

    minute: int
    """The newest minute that was known, since the epoch."""
    expected: tuple[float, ...]
    """Messages in each of the minutes after it."""
    method: str
    """What is listened to most, two minutes ahead."""
    skill: float
    """Its recent mean absolute error two minutes ahead, by that of the newest minute's count; 1 is no better."""
    useful: bool
    above: NDArray[np.float32] | None = field(default=None, repr=False, compare=False)
    """By minute and quantile: how far the root of a count comes above the root of the expected one. None: not asked."""

    def upper(self, k: int, quantile: float) -> float:
        """What minute + `k` brings at most, with a probability of 0.5 to 0.99 (others are taken for the nearest)."""
        if not 1 <= k <= len(self.expected):
            raise IndexError(f"{k} minutes ahead are not in 1..{len(self.expected)}")
        if self.above is None:
            raise ValueError("this outlook was asked for without its bounds")
        above = float(np.interp(quantile, _QUANTILES, self.above[k - 1]))
        return self.expected[k - 1] if above <= 0.0 else (sqrt(self.expected[k - 1]) + above) ** 2
