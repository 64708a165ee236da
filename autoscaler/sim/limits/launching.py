"""When to launch what must be up: the k-th launch takes the k-th start-up time, whatever it is for.

A task that is launched later is not up earlier only because it starts faster: launches have an order. So tasks wanted
at the same instant come up around it, some too early and some too late.
"""

from __future__ import annotations

import numpy as np

from autoscaler.sim.model import Floats


def near(wanted_s: Floats, start_up_s: Floats) -> Floats:
    """Ascending launches, so that the tasks are up as near to the ascending instants `wanted_s` as can be: by least
    squares, which is an isotonic regression (pool adjacent violators).
    """
    pooled: list[tuple[float, int]] = []
    for ideal in (wanted_s - start_up_s[: len(wanted_s)]).tolist():
        mean, weight = ideal, 1
        while pooled and pooled[-1][0] >= mean:
            other, others = pooled.pop()
            mean, weight = (mean * weight + other * others) / (weight + others), weight + others
        pooled.append((mean, weight))
    return np.repeat([mean for mean, _ in pooled], [weight for _, weight in pooled])


def in_time(wanted_s: Floats, start_up_s: Floats) -> Floats:
    """Ascending launches, each as late as can be, so that each task is up at its instant of `wanted_s` or before."""
    ideal = wanted_s - start_up_s[: len(wanted_s)]
    return np.minimum.accumulate(ideal[::-1])[::-1]
