"""From the tube to a run: plan whole tasks, launch them, serve; then mend where whole messages and start-ups that
cannot be chosen upset the plan, until it holds.
"""

from __future__ import annotations

from itertools import accumulate
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from autoscaler.sim.limits.episode import EARLIER_S, Episode, Run, billed_s
from autoscaler.sim.limits.launching import in_time, near
from autoscaler.sim.limits.serving import Plan, Served, serve
from autoscaler.sim.limits.staffing import staff
from autoscaler.sim.limits.tube import taut, tube
from autoscaler.sim.model import Floats, Life

SPENT = (0.98, 0.85, 0.7)
"""Shares of the latency that plans spend: the rest is for what whole messages and late start-ups upset."""
MENDS = 6
STEPS = 30
"""Steps of the tube in the latency,"""
MOST_STEPS = 50_000
STEPS_PER_MESSAGE = 100
"""but no more than so many in all, and for each message."""


class Wanted(NamedTuple):
    """When one more task is wanted, and when there may be one fewer, both ascending; and by when each message
    should be begun, which tells whether a run is behind its plan.
    """

    up_s: Floats
    fewer_s: Floats
    due_s: Floats


class Attempt(NamedTuple):
    """What was wanted, when it was launched, and how that went. `billed_s`: tasks that were lacked included, as if
    each could have been launched when it was lacked.
    """

    wanted: Wanted
    launched_s: Floats
    served: Served
    billed_s: float


def planned(episode: Episode) -> Run:
    """The cheapest of a few plans, mended."""
    attempts = [_attempt(episode, _wanted(episode, share * episode.latency_s)) for share in SPENT]
    promising, *others = sorted(attempts, key=lambda attempt: attempt.billed_s)
    best = _mended(episode, promising)
    for attempt in others:
        if attempt.billed_s < best.billed_s:
            best = min(best, _mended(episode, attempt), key=lambda run: run.billed_s)
    return best


def _mended(episode: Episode, attempt: Attempt) -> Run:
    """The cheapest run on the way from the attempt to one that lacks nothing and has nothing in vain."""
    found: list[Run] = []
    for _ in range(MENDS):
        if not attempt.served.unplanned:
            found.append(_run(episode, attempt))
        wanted = _corrected(episode, attempt)
        if wanted is None:
            break
        attempt = _attempt(episode, wanted)
    return min(found or [_early(episode, attempt.served)], key=lambda run: run.billed_s)


def _wanted(episode: Episode, spent_s: float) -> Wanted:
    """What the string through the tube of that latency wants."""
    end_s = float((episode.arrivals_s + episode.service_s).max()) + spent_s
    most = min(MOST_STEPS, STEPS_PER_MESSAGE * len(episode.arrivals_s))
    within = tube(episode, spent_s, max(spent_s / STEPS, end_s / most, 1e-3))
    staffing = staff(within, taut(within), episode.tasks_at_start, float(np.median(episode.start_up_s)))
    steps = np.diff(staffing.tasks, prepend=episode.tasks_at_start)
    ahead = np.concatenate([np.zeros(1), np.cumsum(episode.service_s)[:-1]]) / episode.task_concurrency
    return Wanted(
        np.repeat(staffing.at_s, np.maximum(steps, 0))[: len(episode.start_up_s)],
        np.repeat(staffing.at_s, np.maximum(-steps, 0)),
        np.minimum(np.interp(ahead, staffing.work, staffing.at_s), episode.arrivals_s + spent_s),
    )


def _attempt(episode: Episode, wanted: Wanted) -> Attempt:
    launched_s = near(wanted.up_s, episode.start_up_s)
    served = _served(episode, wanted, launched_s)
    up_s, done_s = np.array(served.up_s), np.array(served.done_s)
    lasted_s = (done_s - up_s).sum() + episode.start_up_s[: len(up_s) - episode.tasks_at_start].sum()
    return Attempt(wanted, launched_s, served, float(lasted_s))


def _served(episode: Episode, wanted: Wanted, launched_s: Floats) -> Served:
    """The workload, served by tasks that come up when they do, and go when the plan says."""
    before = episode.tasks_at_start
    up_s = np.sort(launched_s + episode.start_up_s[: len(launched_s)]).tolist()
    changes = sorted([(0.0, before), *((at, 1) for at in up_s), *((at, -1) for at in wanted.fewer_s.tolist())])
    plan = Plan(
        arrivals_s=episode.arrivals_s.tolist(),
        service_s=episode.service_s.tolist(),
        latency_s=episode.latency_s,
        due_s=wanted.due_s.tolist(),
        up_s=[0.0] * before + up_s,
        changes_s=[at for at, _ in changes],
        tasks=list(accumulate(change for _, change in changes)),
        task_concurrency=episode.task_concurrency,
    )
    return serve(plan)


def _run(episode: Episode, attempt: Attempt) -> Run:
    """What was served as it was planned: the first task that is up is the first that came up, and so on."""
    before = episode.tasks_at_start
    came = np.argsort(np.array(attempt.served.up_s[before:]), kind="stable") + before
    return _launched(episode, attempt.served, attempt.launched_s, came)


def _early(episode: Episode, served: Served) -> Run:
    """What was served also by tasks that nobody had planned: all are launched so early that they are up in time."""
    before, up_s = episode.tasks_at_start, np.array(served.up_s)
    came = np.argsort(up_s[before:], kind="stable") + before
    came = came[np.array(served.done_s)[came] > up_s[came]]
    return _launched(episode, served, in_time(up_s[came], episode.start_up_s), came)


def _launched(episode: Episode, served: Served, launched_s: Floats, came: NDArray[np.intp]) -> Run:
    before, done_s = episode.tasks_at_start, np.array(served.done_s)
    up_s = launched_s + episode.start_up_s[: len(launched_s)]
    stopped_s = np.empty(len(up_s))
    stopped_s[_order(up_s)] = done_s[came]
    at_start = [Life(0.0, 0.0, stopped) for stopped in done_s[:before].tolist()]
    rows = zip(launched_s.tolist(), up_s.tolist(), stopped_s.tolist(), strict=True)
    lives = (*at_start, *(Life(*row) for row in rows))
    return Run(np.array(served.begun_s), lives, billed_s(lives, episode.least_billed_s))


def _corrected(episode: Episode, attempt: Attempt) -> Wanted | None:
    """Without the tasks that found no work, and with those that were lacked. None: there are neither."""
    before, (wanted, launched_s, served, _) = episode.tasks_at_start, attempt
    up_s, done_s = np.array(served.up_s), np.array(served.done_s)
    worked, chosen = done_s > up_s, np.ones(len(up_s), dtype=bool)
    chosen[served.unplanned] = chosen[:before] = False
    worked[:before] = True  # they are there, whether there is work or not
    if worked[chosen].all() and not served.unplanned:
        return None
    kept_s = wanted.up_s[_order(launched_s + episode.start_up_s[: len(launched_s)])][worked[chosen]]
    up_by_s = np.sort(np.concatenate([kept_s, up_s[served.unplanned] - EARLIER_S]))
    return Wanted(up_by_s[: len(episode.start_up_s)], np.sort(done_s[worked]), wanted.due_s)


def _order(up_s: Floats) -> NDArray[np.intp]:
    """Launches in the order in which they are up."""
    return np.argsort(up_s, kind="stable")
