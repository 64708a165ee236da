"""Episodes: groups of messages that can be planned independently of each other, and their runs.

The gap between two episodes is longer than any start-up. A task is therefore never kept through the gap, and all
launches of an episode precede those of the next one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from autoscaler.sim.model import Floats, TaskLife, Workload, WorldSettings

EARLIER_S = 10.0
"""Seconds by which a task that was missing in a plan is launched earlier: the order of the start-up times cannot be
chosen.
"""
FEW = 8
"""At most this number of messages are one episode, and a local search compares every neighbour of its plan. The number
of neighbours is about the cube of the number of messages.
"""


@dataclass(frozen=True, slots=True)
class Episode:
    """Arrivals, the time that each message occupies a slot, and the number of tasks that are up at 0 without a launch.

    `start_up_s`: start-up times in the order of launch, at least one per message.
    """

    arrivals_s: Floats
    service_s: Floats
    latency_s: float
    start_up_s: Floats
    tasks_at_start: int
    task_concurrency: int
    least_billed_s: float


class EpisodeRun(NamedTuple):
    """When each message begins, and the tasks: those of the start first, then in the order of launch."""

    begun_s: Floats
    lives: tuple[TaskLife, ...]
    billed_s: float


def billed_s(lives: tuple[TaskLife, ...], least_billed_s: float) -> float:
    """Return the billed task-seconds: each task from launch to stop, and at least `least_billed_s`."""
    return math.fsum(max(life.stopped_s - life.launched_s, least_billed_s) for life in lives)


def spans(workload: Workload, settings: WorldSettings, latency_s: float, longest_start_up_s: float) -> Iterator[slice]:
    """Yield the messages of each episode, in order; no slice is empty.

    A workload of at most `FEW` messages is one episode, because a launch in one episode can take a long start-up time
    that another episode would otherwise get.
    """
    idle_s = settings.least_billed_s + longest_start_up_s + EARLIER_S
    over_s = np.maximum.accumulate(workload.arrivals_s + latency_s + workload.service_s) + idle_s
    cuts = np.flatnonzero(workload.arrivals_s[1:] > over_s[:-1]) + 1
    within = cuts.tolist() if len(workload.arrivals_s) > FEW else []
    edges = [0, *within, len(workload.arrivals_s)]
    return (slice(first, end) for first, end in pairwise(edges) if end > first)


# Work is conserved: with every policy, each message occupies a slot for its service time.
#
# With K slots per task, B billed task-seconds contain at most K x B slot-seconds of work.


def least_possible_billed_s(workload: Workload, settings: WorldSettings) -> float:
    """Return the least billed task-seconds of any run of this workload, even if its messages are late.

    It is the larger of two values: the work divided by the slots of a task, and the least that the tasks of the start
    are billed. It includes no start-up, because a task of the start can do all the work. Faults only add work.
    """
    at_start_s = settings.tasks_at_start * settings.least_billed_s
    return max(workload.work_s / settings.task_concurrency, at_start_s)


# When to launch tasks that must be up at given instants. The k-th launch takes the k-th start-up time.
#
# Launch times ascend: a task with a short start-up time is not launched before its predecessors. So tasks that are
# required at the same instant come up around it, some too early and some too late.


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
