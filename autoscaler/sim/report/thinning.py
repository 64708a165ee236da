"""Long series made short enough to draw, without losing a peak.

Law: every stretch that is drawn as one keeps its lowest, its highest and its last value, at their own instants; so
the extremes of the whole are there, and a count that holds until further notice holds at every stretch's end.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from autoscaler.sim.model import Floats

MOST_POINTS = 1500
KEPT = 3
"""Of each stretch: lowest, highest, last."""

Indexes: TypeAlias = NDArray[np.intp]


def kept(at: Floats, values: Floats, most: int = MOST_POINTS) -> Indexes:
    """Which points of the series to draw, ascending, at most `most` (at least 4); all of them if they are that few.

    `at` ascends. The stretches are equally long in time; the first point is always kept.
    """
    if len(at) <= most:
        return np.arange(len(at))
    stretches = (most - 1) // KEPT
    edges = np.searchsorted(at, np.linspace(at[0], at[-1], stretches + 1)[1:-1])
    bounds = np.concatenate([[0], edges, [len(at)]])
    chosen: set[int] = {0}
    for start, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        if start < end:
            stretch = values[start:end]
            chosen |= {start + int(stretch.argmin()), start + int(stretch.argmax()), end - 1}
    return np.array(sorted(chosen))
