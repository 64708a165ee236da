"""The clairvoyant: it knows every arrival, service and start-up time, and is never late.

It pays as everybody does: start-ups, and the least that a task is billed. Only the bucket of launches and the start
of the days do not bind it: it may have launched before them.
"""

from __future__ import annotations

from itertools import accumulate
from operator import attrgetter, itemgetter

import numpy as np

from autoscaler.sim.chance import stream
from autoscaler.sim.limits.chains import run
from autoscaler.sim.limits.episode import Episode, Run, billed_s, spans
from autoscaler.sim.limits.parting import parted
from autoscaler.sim.limits.planning import planned
from autoscaler.sim.limits.polishing import polished
from autoscaler.sim.limits.steady import steady
from autoscaler.sim.model import Floats, Life, Outcome, Workload, WorldSettings

TICK_S = 1e-6
"""Plans are so much stricter than the latency: what is begun at its deadline is not late by a rounding error."""


def clairvoyant(workload: Workload, settings: WorldSettings, seed: int, latency_s: float) -> Outcome:
    """The cheapest run found in which no message waits longer than `latency_s`. Faults are not foreseen.

    Tasks that are wanted in the first seconds are launched before 0, and are billed from then on. Where a task works
    on several messages at once it is a good plan, and not proven to be the limit.
    """
    arrivals = workload.arrivals_s
    start_up_s = settings.start_up.sample(stream(seed, "start-up"), 2 * len(arrivals) + 1)
    begun_s, lives, launches = np.empty(len(arrivals)), list[Life](), 0
    for messages in spans(workload, settings, latency_s, float(start_up_s.max())):
        since_s = float(arrivals[messages.start]) if messages.start else 0.0
        episode = Episode(
            arrivals_s=arrivals[messages] - since_s,
            service_s=workload.service_s[messages],
            latency_s=max(latency_s - TICK_S, 0.0),
            start_up_s=start_up_s[launches : launches + messages.stop - messages.start + 1],
            tasks_at_start=0 if messages.start else settings.tasks_at_start,
            task_concurrency=settings.task_concurrency,
            least_billed_s=settings.least_billed_s,
        )
        best = _best(episode, thorough=len(episode.arrivals_s) == len(arrivals))
        launches += len(best.lives) - episode.tasks_at_start
        begun_s[messages] = best.begun_s + since_s
        lives += [Life(*(at + since_s for at in life)) for life in best.lives]
    if not lives:
        lives = [Life(0.0, 0.0, 0.0)] * settings.tasks_at_start
    dull = steady(workload, settings, max(latency_s - TICK_S, 0.0), start_up_s)
    if dull is not None and dull.billed_s < billed_s(tuple(lives), settings.least_billed_s):
        return _outcome(dull.begun_s, list(dull.lives))
    return _outcome(np.clip(begun_s, arrivals, arrivals + latency_s), lives)


def _best(episode: Episode, *, thorough: bool) -> Run:
    """The cheaper of what is planned as a whole, and what is decided message by message."""
    whole = planned(episode)
    roster = parted(episode) if episode.task_concurrency == 1 else None
    if roster is None:
        return whole
    return min(whole, run(episode, polished(episode, roster, thorough=thorough)), key=lambda run: run.billed_s)


def _outcome(begun_s: Floats, lives: list[Life]) -> Outcome:
    lives = sorted(lives, key=attrgetter("launched_s"))
    return Outcome(
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
    """How many of the spans are open from each instant on; what was before 0 counts at 0."""
    steps = sorted([(0.0, 0), *((max(at, 0.0), 1) for at, _ in spans), *((max(at, 0.0), -1) for _, at in spans)])
    counts = accumulate(map(itemgetter(1), steps))
    return tuple(dict(zip(map(itemgetter(0), steps), counts, strict=True)).items())
