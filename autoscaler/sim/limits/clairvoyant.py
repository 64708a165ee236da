"""The clairvoyant: it knows every arrival, service time and start-up time, and is never late.

It is billed like every policy: for start-ups, and at least the minimum per task. Two limits do not apply to it: the
launch rate, and the start of the simulated days (it can launch tasks before 0).
"""

from __future__ import annotations

from itertools import accumulate
from operator import attrgetter, itemgetter

import numpy as np

from autoscaler.sim.chance import stream
from autoscaler.sim.limits.chains import parted, polished, run
from autoscaler.sim.limits.episode import Episode, EpisodeRun, billed_s, spans
from autoscaler.sim.limits.planning import planned
from autoscaler.sim.limits.serving import steady
from autoscaler.sim.model import Floats, SimulationOutcome, TaskLife, Workload, WorldSettings

MARGIN_S = 1e-6
"""Plans shorten the latency by this, so that a message that begins at its deadline is not late by a rounding error."""


def clairvoyant(workload: Workload, settings: WorldSettings, seed: int, latency_s: float) -> SimulationOutcome:
    """Return the cheapest run found in which no message waits longer than `latency_s`. Faults are ignored.

    Tasks that are required in the first seconds are launched before 0, and are billed from their launch. If a task
    processes several messages at once, the result is a good plan and not a proven limit.
    """
    arrivals = workload.arrivals_s
    start_up_s = settings.start_up.sample(stream(seed, "start-up"), 2 * len(arrivals) + 1)
    begun_s, lives, launches = np.empty(len(arrivals)), list[TaskLife](), 0
    for messages in spans(workload, settings, latency_s, float(start_up_s.max())):
        since_s = float(arrivals[messages.start]) if messages.start else 0.0
        episode = Episode(
            arrivals_s=arrivals[messages] - since_s,
            service_s=workload.service_s[messages],
            latency_s=max(latency_s - MARGIN_S, 0.0),
            start_up_s=start_up_s[launches : launches + messages.stop - messages.start + 1],
            tasks_at_start=0 if messages.start else settings.tasks_at_start,
            task_concurrency=settings.task_concurrency,
            least_billed_s=settings.least_billed_s,
        )
        best = _best(episode, thorough=len(episode.arrivals_s) == len(arrivals))
        launches += len(best.lives) - episode.tasks_at_start
        begun_s[messages] = best.begun_s + since_s
        lives += [TaskLife(*(at + since_s for at in life)) for life in best.lives]
    if not lives:
        lives = [TaskLife(0.0, 0.0, 0.0)] * settings.tasks_at_start
    fixed = steady(workload, settings, max(latency_s - MARGIN_S, 0.0), start_up_s)
    if fixed is not None and fixed.billed_s < billed_s(tuple(lives), settings.least_billed_s):
        return _outcome(fixed.begun_s, list(fixed.lives))
    return _outcome(np.clip(begun_s, arrivals, arrivals + latency_s), lives)


def _best(episode: Episode, *, thorough: bool) -> EpisodeRun:
    """Return the cheaper of two runs: planned as a whole, and assigned message by message."""
    whole = planned(episode)
    roster = parted(episode) if episode.task_concurrency == 1 else None
    if roster is None:
        return whole
    return min(whole, run(episode, polished(episode, roster, thorough=thorough)), key=lambda run: run.billed_s)


def _outcome(begun_s: Floats, lives: list[TaskLife]) -> SimulationOutcome:
    lives = sorted(lives, key=attrgetter("launched_s"))
    return SimulationOutcome(
        received_s=begun_s,
        lives=tuple(lives),
        lost_work_s=0.0,
        redelivered=0,
        dead_letters=0,
        desired=_counts([(life.launched_s, life.stopped_s) for life in lives]),
        running=_counts([(life.up_s, life.stopped_s) for life in lives]),
        ended_s=max((life.stopped_s for life in lives), default=0.0),
    )


def _counts(spans: list[tuple[float, float]]) -> tuple[tuple[float, int], ...]:
    """Return the number of open spans from each instant on. Instants before 0 count as 0."""
    steps = sorted([(0.0, 0), *((max(at, 0.0), 1) for at, _ in spans), *((max(at, 0.0), -1) for _, at in spans)])
    counts = accumulate(map(itemgetter(1), steps))
    return tuple(dict(zip(map(itemgetter(0), steps), counts, strict=True)).items())
