"""What other days brought at the coming minute, by what they brought until now, times what there is now."""

from __future__ import annotations

from typing import Final

import numpy as np

from autoscaler.core.forecast.arrays import Floats
from autoscaler.core.forecast.lags import PLACE

SMALL: Final = 0.1
"""A root added above and below the line: a day that was silent until now, then woke, is no factor of infinity."""

MOST: Final = 10.0
"""The highest factor of roots: a hundredfold of messages."""


def smooth_days(seen: Floats) -> Floats:
    """Three days' quarter of an hour, by the last one: a daily curve under noise."""
    return _times(seen, "mean of 15", "around days", "until now days")


def sharp_days(seen: Floats) -> Floats:
    """Three days' very minute, by the last hour: what timers send every hour or day."""
    return _times(seen, "mean of 60", "days", "hour until now days")


def week(seen: Floats) -> Floats:
    """The minute of a week ago, by the last hour: weekends, and what is sent once a week."""
    return _times(seen, "mean of 60", "week ago", "hour until now week ago")


def _times(seen: Floats, level: str, then: str, until_now: str) -> Floats:
    factor = (seen[..., PLACE[then]] + SMALL) / (seen[..., PLACE[until_now]] + SMALL)
    expected: Floats = seen[..., PLACE[level]] * np.minimum(factor, MOST)
    return expected
