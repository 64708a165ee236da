"""Means over seeds with confidence intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

# Student's t, two-sided 95 %, for 1 to 10 degrees of freedom (2 to 11 seeds).
T_95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
Z_95 = 1.959964


@dataclass(frozen=True, slots=True)
class MeanWithInterval:
    """A mean with its 95 % confidence interval, mean ± `half_width`. None: one value has no known spread."""

    mean: float
    half_width: float | None = None

    @property
    def is_clear(self) -> bool:
        """Whether the interval excludes zero; without an interval, whether the mean is not zero."""
        return abs(self.mean) > (self.half_width or 0.0)


def estimate(values: Sequence[float]) -> MeanWithInterval:
    """Return the mean of at least one independent value with its interval; NaN if any value is NaN."""
    mean = fmean(values)
    if len(values) == 1 or math.isnan(mean):
        return MeanWithInterval(mean)
    return MeanWithInterval(mean, student_95(len(values) - 1) * stdev(values) / math.sqrt(len(values)))


def student_95(degrees: int) -> float:
    """Return Student's t, two-sided 95 %. Above 10 degrees of freedom it uses the Cornish-Fisher expansion (Abramowitz
    and Stegun 26.7.5), with an error below 0.001.
    """
    if degrees <= len(T_95):
        return T_95[degrees - 1]
    first = (Z_95**3 + Z_95) / 4
    second = (5 * Z_95**5 + 16 * Z_95**3 + 3 * Z_95) / 96
    third = (3 * Z_95**7 + 19 * Z_95**5 + 17 * Z_95**3 - 15 * Z_95) / 384
    return Z_95 + first / degrees + second / degrees**2 + third / degrees**3
