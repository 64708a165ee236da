"""Reduce a long series to as many points as can be drawn, without losing a peak.

Invariant: each stretch keeps its lowest, its highest and its last value, at their instants. So the extremes of the
series remain, and a step series has the correct value at the end of each stretch.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from autoscaler.sim.model import Floats

MOST_POINTS = 1500
POINTS_PER_STRETCH = 3
"""The lowest, the highest and the last point of a stretch."""

Indexes: TypeAlias = NDArray[np.intp]


def thinned(at: Floats, values: Floats, most: int = MOST_POINTS) -> Indexes:
    """Return the indexes of the points to draw, ascending, at most `most` (which is at least 4).

    `at` ascends. The stretches have equal lengths in time. The first point is always kept.
    """
    if len(at) <= most:
        return np.arange(len(at))
    stretches = (most - 1) // POINTS_PER_STRETCH
    edges = np.searchsorted(at, np.linspace(at[0], at[-1], stretches + 1)[1:-1])
    bounds = np.concatenate([[0], edges, [len(at)]])
    chosen: set[int] = {0}
    for start, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        if start < end:
            stretch = values[start:end]
            chosen |= {start + int(stretch.argmin()), start + int(stretch.argmax()), end - 1}
    return np.array(sorted(chosen))
