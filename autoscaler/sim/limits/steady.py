"""The smallest fleet of constant size that is never late. It is sometimes cheaper than every other plan."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heapify, heapreplace

import numpy as np

from autoscaler.sim.limits.episode import EpisodeRun, billed_s
from autoscaler.sim.model import Floats, TaskLife, Workload, WorldSettings

MOST_MESSAGES = 50_000
"""With one message per task at a time, a larger workload takes seconds, and a constant fleet was never the cheapest."""


def steady(workload: Workload, settings: WorldSettings, latency_s: float, start_up_s: Floats) -> EpisodeRun | None:
    """Return the cheaper of two fleets: launched at 0, or early enough to be up at 0. None: not tried, or both late."""
    if settings.task_concurrency == 1 and len(workload.arrivals_s) > MOST_MESSAGES:
        return None
    found = [_smallest(workload, settings, latency_s, start_up_s, at_zero=at_zero) for at_zero in (True, False)]
    return min((run for run in found if run is not None), key=lambda run: run.billed_s, default=None)


def _smallest(
    workload: Workload, settings: WorldSettings, latency_s: float, start_up_s: Floats, *, at_zero: bool
) -> EpisodeRun | None:
    """Find the smallest fleet by doubling and bisection: more tasks never make a message wait longer."""

    def tried(tasks: int) -> EpisodeRun | None:
        return _served(workload, settings, latency_s, _launched(settings, start_up_s, tasks, at_zero=at_zero))

    least, most = 0, max(1, settings.tasks_at_start)
    best = tried(most)
    while best is None and most < len(workload.arrivals_s) + settings.tasks_at_start:
        least, most = most, 2 * most
        best = tried(most)
    while best is not None and most - least > 1:
        middle = (least + most) // 2
        run = tried(middle)
        best, least, most = (best, middle, most) if run is None else (run, least, middle)
    return best


def _launched(settings: WorldSettings, start_up_s: Floats, tasks: int, *, at_zero: bool) -> list[tuple[float, float]]:
    """Return when each task is launched and up: the tasks of the start, then launches up to the number `tasks`.

    The k-th launch takes the k-th start-up time. Launch times ascend, so each one allows for later, longer start-ups.
    """
    here = [(0.0, 0.0)] * settings.tasks_at_start
    takes_s = start_up_s[: max(0, tasks - len(here))]
    early_s = np.zeros(len(takes_s)) if at_zero else np.maximum.accumulate(takes_s[::-1])[::-1]
    return here + [(-early, takes - early) for early, takes in zip(early_s.tolist(), takes_s.tolist(), strict=True)]


def _served(
    workload: Workload, settings: WorldSettings, latency_s: float, tasks: Sequence[tuple[float, float]]
) -> EpisodeRun | None:
    """Return the run, first come, first served. Each task stops after its last message, or when it is
    up if it receives none. None: no task, or late.
    """
    slots = [(up_s, task) for task, (_, up_s) in enumerate(tasks) for _ in range(settings.task_concurrency)]
    heapify(slots)
    if not slots:
        return None
    begun_s, over_s = np.empty(len(workload.arrivals_s)), [up_s for _, up_s in tasks]
    pairs = zip(workload.arrivals_s.tolist(), workload.service_s.tolist(), strict=True)
    for at, (arrival_s, service_s) in enumerate(pairs):
        free_s, task = slots[0]
        start_s = max(arrival_s, free_s)
        if start_s - arrival_s > latency_s:
            return None
        begun_s[at] = start_s
        heapreplace(slots, (start_s + service_s, task))
        over_s[task] = max(over_s[task], start_s + service_s)
    lives = tuple(TaskLife(*task, over) for task, over in zip(tasks, over_s, strict=True))
    return EpisodeRun(begun_s, lives, billed_s(lives, settings.least_billed_s))
