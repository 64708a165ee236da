"""Turn a tube into a run: plan whole tasks, launch them, and serve the messages. Then repair the plan until it holds:
messages cannot be divided, and start-up times cannot be chosen.
"""

from __future__ import annotations

from itertools import accumulate
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from autoscaler.sim.limits.episode import EARLIER_S, Episode, EpisodeRun, billed_s
from autoscaler.sim.limits.launching import in_time, near
from autoscaler.sim.limits.serving import Plan, Served, serve
from autoscaler.sim.limits.staffing import staff
from autoscaler.sim.limits.tube import taut, tube
from autoscaler.sim.model import Floats, TaskLife

SPENT = (0.98, 0.85, 0.7)
"""Shares of the latency that plans use. The rest is a reserve for indivisible messages and late start-ups."""
REPAIRS = 6
STEPS = 30
"""Time steps of the tube per latency."""
MOST_STEPS = 50_000
STEPS_PER_MESSAGE = 100
"""Maximum number of time steps in a tube, and per message."""


class RequiredTasks(NamedTuple):
    """When one more task is required, and when one task fewer is required, both ascending. `due_s`: when each message
    should begin; a run in which a message begins later is behind its plan.
    """

    up_s: Floats
    fewer_s: Floats
    due_s: Floats


class Attempt(NamedTuple):
    """A plan, its launch times and its result. `billed_s` includes the missing tasks, as if each had been up when it
    was needed.
    """

    required: RequiredTasks
    launched_s: Floats
    served: Served
    billed_s: float


def planned(episode: Episode) -> EpisodeRun:
    """Return the cheapest of the runs of several repaired plans."""
    attempts = [_attempt(episode, _required(episode, share * episode.latency_s)) for share in SPENT]
    cheapest, *others = sorted(attempts, key=lambda attempt: attempt.billed_s)
    best = _repaired(episode, cheapest)
    for attempt in others:
        if attempt.billed_s < best.billed_s:
            best = min(best, _repaired(episode, attempt), key=lambda run: run.billed_s)
    return best


def _repaired(episode: Episode, attempt: Attempt) -> EpisodeRun:
    """Return the cheapest run found while missing tasks are added to the plan and tasks without work are removed."""
    found: list[EpisodeRun] = []
    for _ in range(REPAIRS):
        if not attempt.served.unplanned:
            found.append(_run(episode, attempt))
        required = _corrected(episode, attempt)
        if required is None:
            break
        attempt = _attempt(episode, required)
    return min(found or [_early(episode, attempt.served)], key=lambda run: run.billed_s)


def _required(episode: Episode, spent_s: float) -> RequiredTasks:
    """Return the tasks that the taut string of the tube for the latency `spent_s` requires."""
    end_s = float((episode.arrivals_s + episode.service_s).max()) + spent_s
    most = min(MOST_STEPS, STEPS_PER_MESSAGE * len(episode.arrivals_s))
    within = tube(episode, spent_s, max(spent_s / STEPS, end_s / most, 1e-3))
    staffing = staff(within, taut(within), episode.tasks_at_start, float(np.median(episode.start_up_s)))
    steps = np.diff(staffing.tasks, prepend=episode.tasks_at_start)
    ahead = np.concatenate([np.zeros(1), np.cumsum(episode.service_s)[:-1]]) / episode.task_concurrency
    return RequiredTasks(
        np.repeat(staffing.at_s, np.maximum(steps, 0))[: len(episode.start_up_s)],
        np.repeat(staffing.at_s, np.maximum(-steps, 0)),
        np.minimum(np.interp(ahead, staffing.work, staffing.at_s), episode.arrivals_s + spent_s),
    )


def _attempt(episode: Episode, required: RequiredTasks) -> Attempt:
    launched_s = near(required.up_s, episode.start_up_s)
    served = _served(episode, required, launched_s)
    up_s, done_s = np.array(served.up_s), np.array(served.done_s)
    lasted_s = (done_s - up_s).sum() + episode.start_up_s[: len(up_s) - episode.tasks_at_start].sum()
    return Attempt(required, launched_s, served, float(lasted_s))


def _served(episode: Episode, required: RequiredTasks, launched_s: Floats) -> Served:
    """Serve the messages with tasks that come up after their start-up, and stop when the plan has fewer tasks."""
    before = episode.tasks_at_start
    up_s = np.sort(launched_s + episode.start_up_s[: len(launched_s)]).tolist()
    changes = sorted([(0.0, before), *((at, 1) for at in up_s), *((at, -1) for at in required.fewer_s.tolist())])
    plan = Plan(
        arrivals_s=episode.arrivals_s.tolist(),
        service_s=episode.service_s.tolist(),
        latency_s=episode.latency_s,
        due_s=required.due_s.tolist(),
        up_s=[0.0] * before + up_s,
        changes_s=[at for at, _ in changes],
        tasks=list(accumulate(change for _, change in changes)),
        task_concurrency=episode.task_concurrency,
    )
    return serve(plan)


def _run(episode: Episode, attempt: Attempt) -> EpisodeRun:
    """Return the run of an attempt without unplanned tasks. The k-th task to be up does the work of the k-th served."""
    before = episode.tasks_at_start
    by_up = np.argsort(np.array(attempt.served.up_s[before:]), kind="stable") + before
    return _launched(episode, attempt.served, attempt.launched_s, by_up)


def _early(episode: Episode, served: Served) -> EpisodeRun:
    """Return the run with the unplanned tasks too: every task is launched early enough to be up in time."""
    before, up_s = episode.tasks_at_start, np.array(served.up_s)
    by_up = np.argsort(up_s[before:], kind="stable") + before
    by_up = by_up[np.array(served.done_s)[by_up] > up_s[by_up]]
    return _launched(episode, served, in_time(up_s[by_up], episode.start_up_s), by_up)


def _launched(episode: Episode, served: Served, launched_s: Floats, by_up: NDArray[np.intp]) -> EpisodeRun:
    before, done_s = episode.tasks_at_start, np.array(served.done_s)
    up_s = launched_s + episode.start_up_s[: len(launched_s)]
    stopped_s = np.empty(len(up_s))
    stopped_s[_order(up_s)] = done_s[by_up]
    at_start = [TaskLife(0.0, 0.0, stopped) for stopped in done_s[:before].tolist()]
    rows = zip(launched_s.tolist(), up_s.tolist(), stopped_s.tolist(), strict=True)
    lives = (*at_start, *(TaskLife(*row) for row in rows))
    return EpisodeRun(np.array(served.begun_s), lives, billed_s(lives, episode.least_billed_s))


def _corrected(episode: Episode, attempt: Attempt) -> RequiredTasks | None:
    """Return the plan without the tasks that found no work, and with the missing tasks. None: the plan needs no
    correction.
    """
    before, (required, launched_s, served, _) = episode.tasks_at_start, attempt
    up_s, done_s = np.array(served.up_s), np.array(served.done_s)
    worked, chosen = done_s > up_s, np.ones(len(up_s), dtype=bool)
    chosen[served.unplanned] = chosen[:before] = False
    worked[:before] = True  # tasks of the start exist even if they find no work
    if worked[chosen].all() and not served.unplanned:
        return None
    useful_s = required.up_s[_order(launched_s + episode.start_up_s[: len(launched_s)])][worked[chosen]]
    up_by_s = np.sort(np.concatenate([useful_s, up_s[served.unplanned] - EARLIER_S]))
    return RequiredTasks(up_by_s[: len(episode.start_up_s)], np.sort(done_s[worked]), required.due_s)


def _order(up_s: Floats) -> NDArray[np.intp]:
    """Launches in the order in which they are up."""
    return np.argsort(up_s, kind="stable")
