"""When to launch tasks that must be up at given instants. The k-th launch takes the k-th start-up time.

Launch times ascend: a task with a short start-up time is not launched before its predecessors. So tasks that are
required at the same instant come up around it, some too early and some too late.
"""

from __future__ import annotations

import numpy as np

from autoscaler.sim.model import Floats


def near(up_s: Floats, start_up_s: Floats) -> Floats:
    """Return ascending launch times, so that the tasks are up as near as possible to the ascending instants `up_s`.

    The fit is by least squares: an isotonic regression (pool adjacent violators).
    """
    pooled: list[tuple[float, int]] = []
    for ideal in (up_s - start_up_s[: len(up_s)]).tolist():
        mean, weight = ideal, 1
        while pooled and pooled[-1][0] >= mean:
            other, others = pooled.pop()
            mean, weight = (mean * weight + other * others) / (weight + others), weight + others
        pooled.append((mean, weight))
    return np.repeat([mean for mean, _ in pooled], [weight for _, weight in pooled])


def in_time(up_s: Floats, start_up_s: Floats) -> Floats:
    """Return ascending launch times, each as late as possible, so that each task is up at its `up_s` or before."""
    ideal = up_s - start_up_s[: len(up_s)]
    return np.minimum.accumulate(ideal[::-1])[::-1]
