"""Forecasts from other days: their value at the coming minute, divided by their value until now, times the present
value.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from autoscaler.core.forecast.arrays import Floats
from autoscaler.core.forecast.lags import PLACE

SMALL: Final = 0.1
"""A root that is added to numerator and denominator, so that a day without messages until now gives no infinite factor.
"""

MOST: Final = 10.0
"""The highest factor of roots: a factor of 100 in messages."""


def smooth_days(seen: Floats) -> Floats:
    """Three days' quarter of an hour, scaled by the last one: a daily curve with noise."""
    return _times(seen, "mean of 15", "around days", "until now days")


def sharp_days(seen: Floats) -> Floats:
    """Three days' same minute, scaled by the last hour: messages that timers send every hour or day."""
    return _times(seen, "mean of 60", "days", "hour until now days")


def week(seen: Floats) -> Floats:
    """The minute of a week ago, scaled by the last hour: weekends, and weekly messages."""
    return _times(seen, "mean of 60", "week ago", "hour until now week ago")


def _times(seen: Floats, level: str, then: str, until_now: str) -> Floats:
    factor = (seen[..., PLACE[then]] + SMALL) / (seen[..., PLACE[until_now]] + SMALL)
    expected: Floats = seen[..., PLACE[level]] * np.minimum(factor, MOST)
    return expected
