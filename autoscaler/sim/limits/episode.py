"""A stretch of the days that nothing before it and nothing after it bears on, and what becomes of it.

Between episodes lies a gap that is longer than any start-up: no task is worth keeping through it, and no launch of
the one is later than a launch of the other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from autoscaler.sim.model import Floats, Life, Workload, WorldSettings

EARLIER_S = 10.0
"""What a plan lacked is launched so much earlier than it was lacked: start-ups come in an order that is not chosen."""
FEW = 8
"""So many messages are one episode, and are served in the best way of all its neighbours; there are about as many
neighbours as their number to the third.
"""


@dataclass(frozen=True, slots=True)
class Episode:
    """Messages that come, what each occupies a slot for, and the tasks that are up at 0 without a launch.

    `start_up_s`: of the launches of this episode, in their order; there are at least as many as messages.
    """

    arrivals_s: Floats
    service_s: Floats
    latency_s: float
    start_up_s: Floats
    tasks_at_start: int
    task_concurrency: int
    least_billed_s: float


class Run(NamedTuple):
    """When each message is begun, and the tasks, those of the start first, then in the order of launch."""

    begun_s: Floats
    lives: tuple[Life, ...]
    billed_s: float


def billed_s(lives: tuple[Life, ...], least_billed_s: float) -> float:
    """Of so many tasks, as everybody is billed."""
    return math.fsum(max(life.stopped_s - life.launched_s, least_billed_s) for life in lives)


def spans(workload: Workload, settings: WorldSettings, latency_s: float, longest_start_up_s: float) -> Iterator[slice]:
    """The messages of each episode, in order; none is empty.

    Where there are few, they are one: what one episode launches may spare another a long start-up.
    """
    idle_s = settings.least_billed_s + longest_start_up_s + EARLIER_S
    over_s = np.maximum.accumulate(workload.arrivals_s + latency_s + workload.service_s) + idle_s
    cuts = np.flatnonzero(workload.arrivals_s[1:] > over_s[:-1]) + 1
    within = cuts.tolist() if len(workload.arrivals_s) > FEW else []
    edges = [0, *within, len(workload.arrivals_s)]
    return (slice(first, end) for first, end in pairwise(edges) if end > first)
