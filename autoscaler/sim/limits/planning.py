"""Turn a tube into a run: plan whole tasks, launch them, and serve the messages. Then repair the plan until it holds:
messages cannot be divided, and start-up times cannot be chosen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from autoscaler.sim.limits.episode import EARLIER_S, Episode, EpisodeRun, billed_s, in_time, near
from autoscaler.sim.limits.serving import Plan, Served, serve
from autoscaler.sim.model import Floats, TaskLife

# The tube: lower and upper bounds of the cumulative work of every run that is in time; and the taut string in it.
#
# No run can do more work than an unlimited fleet. If no message waits longer than the latency, no run does less work
# than that fleet had done one latency earlier. The work of a constant number of tasks is a straight line, and each
# launch makes the line steeper. The path with the fewest launches and no idle task is therefore a taut string.


class Tube(NamedTuple):
    """Bounds of the cumulative work, in task-seconds, at the ascending, evenly spaced instants `at_s`. `least` is never
    above `most`, and they are equal at both ends.
    """

    at_s: Floats
    least: Floats
    most: Floats

    @property
    def step_s(self) -> float:
        return float(self.at_s[1] - self.at_s[0])


class String(NamedTuple):
    """A path through a tube: straight between the knots."""

    at_s: Floats
    work: Floats

    @property
    def slopes(self) -> Floats:
        """The number of busy tasks between each knot and the next."""
        return np.asarray(np.diff(self.work) / np.diff(self.at_s))


def tube(episode: Episode, latency_s: float, step_s: float) -> Tube:
    """Return the tube of the runs in which no message waits longer than `latency_s`.

    `least` is stricter than necessary for long messages: when a message must begin, it includes all work of the
    messages before it, although their last parts can still be in progress. So first in, first out is in time for every
    number of tasks whose line stays in the tube: while a message waits, every task is busy, so the work before it is
    not complete.
    """
    arrivals, service = episode.arrivals_s, episode.service_s
    ends = arrivals + service
    at_s = np.arange(0.0, float(ends.max()) + latency_s + 3 * step_s, step_s)
    most = _unlimited(arrivals, ends, at_s)
    due = np.searchsorted(arrivals + latency_s, at_s, side="right")
    ahead = np.concatenate([np.zeros(2), np.cumsum(service)])[due]
    least = np.maximum(_unlimited(arrivals, ends, at_s - latency_s), ahead)
    least[-1] = most[-1]
    return Tube(at_s, np.minimum(least, most) / episode.task_concurrency, most / episode.task_concurrency)


def _unlimited(arrivals: Floats, ends: Floats, at_s: Floats) -> Floats:
    """Return the work of an unlimited fleet until each instant: the integral of begun minus ended messages."""
    return np.asarray(_elapsed(arrivals, at_s) - _elapsed(np.sort(ends), at_s))


def _elapsed(instants: Floats, at_s: Floats) -> Floats:
    """Return, for each `at_s`, the sum of the time since each of the ascending `instants` before it."""
    passed = np.searchsorted(instants, at_s, side="right")
    sums = np.concatenate([np.zeros(1), np.cumsum(instants)])
    return np.asarray(at_s * passed - sums[passed])


Point = tuple[float, float]


def taut(within: Tube) -> String:
    """Return the shortest path through the tube. Of all paths, its slope varies least and has the lowest maximum."""
    knots: list[Point] = [(float(within.at_s[0]), float(within.least[0]))]
    below, above = [knots[0]], [knots[0]]
    low, high = 0, 0  # the first point of each chain that is still relevant: the last knot
    rows = zip(within.at_s[1:].tolist(), within.least[1:].tolist(), within.most[1:].tolist(), strict=True)
    for at, least, most in rows:
        _extend(above, high, (at, most), 1)
        _extend(below, low, (at, least), -1)
        if len(above) - high == 2:
            low = _cross(below, low, above[-1], 1, knots)
            above[high] = knots[-1]
        if len(below) - low == 2:
            high = _cross(above, high, below[-1], -1, knots)
            below[low] = knots[-1]
    knots += below[low + 1 :]
    at_s, work = np.array(knots).T
    return String(at_s, work)


def _extend(chain: list[Point], held: int, to: Point, side: int) -> None:
    """Extend the chain to one more point, around the obstacles on its side only. Slopes rise along the upper chain
    (side 1) and fall along the lower chain (side -1).
    """
    while len(chain) - held > 1 and side * _bend(chain[-2], chain[-1], to) <= 0:
        chain.pop()
    chain.append(to)


def _cross(chain: list[Point], held: int, to: Point, side: int, knots: list[Point]) -> int:
    """Add a knot for each corner of the chain that the straight line from the last knot to `to` crosses."""
    while len(chain) - held > 2 and side * _bend(chain[held], chain[held + 1], to) < 0:
        held += 1
        knots.append(chain[held])
    return held


def _bend(a: Point, b: Point, c: Point) -> float:
    """Return a value above 0 if the path `a`, `b`, `c` bends to the left, which is upwards."""
    return (b[0] - a[0]) * (c[1] - b[1]) - (b[1] - a[1]) * (c[0] - b[0])


# Turn the string, whose slope is a fraction of tasks, into a whole number of tasks over time.
#
# Launches cost most. So a count stays while the tube allows it, and changes only to the whole number next to the
# string's slope. A rise of the string causes at most one launch more than necessary, and no launch if the slope
# crosses no whole number.

Counts: TypeAlias = NDArray[np.int64]

BOUND_MARGIN = 0.25
"""Distance from the tube's bounds at which a count changes, as a share of the way to the string: room for one step."""


@dataclass(frozen=True, slots=True)
class Staffing:
    """The number of tasks from each of the ascending instants on, and the work done until then."""

    at_s: Floats
    tasks: Counts
    work: Floats


def staff(within: Tube, string: String, tasks_at_start: int, gap_s: float) -> Staffing:
    """Return the tasks along the string. Tasks that would be stopped for less than `gap_s` stay."""
    tasks = _filled(_along(within, string, tasks_at_start), round(gap_s / within.step_s))
    work = np.zeros(len(within.at_s))
    done, step_s = 0.0, within.step_s
    for row, (count, most) in enumerate(zip(tasks.tolist(), within.most[1:].tolist(), strict=True), start=1):
        work[row] = done = min(done + count * step_s, most)
    return Staffing(within.at_s[:-1], tasks, work[:-1])


def _along(within: Tube, string: String, tasks: int) -> Counts:
    """Return the count at each step of the tube. `tasks`: the count before the first step."""
    step_s, slopes = within.step_s, string.slopes
    segment = np.clip(np.searchsorted(string.at_s, within.at_s, side="right") - 1, 0, len(slopes) - 1)
    taut = np.interp(within.at_s, string.at_s, string.work)
    least = within.least + BOUND_MARGIN * (taut - within.least)
    most = within.most - BOUND_MARGIN * (within.most - taut)
    bends = np.append(np.sign(np.diff(slopes)), -1.0)  # 1: held by the upper bound
    rows = zip(
        slopes[segment].tolist(),
        (string.at_s[segment + 1] - within.at_s).tolist(),
        string.work[segment + 1].tolist(),
        bends[segment].tolist(),
        least[1:].tolist(),
        most[1:].tolist(),
        strict=False,
    )
    counts, done = [], 0.0
    for slope, left_s, knot, bend, low, high in rows:
        after = done + tasks * step_s
        if tasks < slope - 1e-9:
            more = math.ceil(slope - 1e-9)
            if after < low or (bend < 0 and after + more * (left_s - step_s) < knot):
                tasks = more
        elif tasks > slope + 1e-9:
            fewer = math.floor(slope + 1e-9)
            if after > high or (bend > 0 and after + fewer * (left_s - step_s) > knot):
                tasks = fewer
        done = min(done + tasks * step_s, high)
        counts.append(tasks)
    return np.array(counts, dtype=np.int64)


def _filled(tasks: Counts, steps: int) -> Counts:
    """Fill dips of at most `steps` steps: a morphological closing of each count."""
    if steps < 1 or len(tasks) <= steps:
        return tasks
    edge = np.zeros(steps, dtype=np.int64)
    highest = _window_extremes(np.maximum, np.concatenate([edge, tasks, edge]), steps + 1)
    return _window_extremes(np.minimum, highest, steps + 1)


def _window_extremes(extreme: np.ufunc, tasks: Counts, width: int) -> Counts:
    """Return the extreme of each window of `width` steps, from windows half as wide."""
    done = 1
    while done < width:
        more = min(done, width - done)
        tasks = extreme(tasks[:-more], tasks[more:])
        done += more
    return tasks


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
