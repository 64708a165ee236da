"""Serve messages with the planned tasks: first in, first out, and never late.

The idle task that was busy last takes the next message, so that the other tasks can stop. If the plan has too few
tasks, an unplanned task comes up exactly at the deadline. Tasks above the plan stay while the run is behind the plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush, heapreplace
from math import inf

import numpy as np

from autoscaler.sim.limits.episode import EpisodeRun, billed_s
from autoscaler.sim.model import Floats, TaskLife, Workload, WorldSettings


@dataclass(frozen=True, slots=True)
class Plan:
    """The messages and the planned tasks. The fields are lists because the code reads them one element at a time.

    `due_s`: when each message begins in the plan. `up_s`: the ascending instants at which tasks come up.
    `changes_s`, `tasks`: the planned number of tasks from each of these ascending instants on; before the first, 0.
    """

    arrivals_s: list[float]
    service_s: list[float]
    latency_s: float
    due_s: list[float]
    up_s: list[float]
    changes_s: list[float]
    tasks: list[int]
    task_concurrency: int = 1


@dataclass(slots=True)
class Served:
    """When each message begins and in which task; when each task comes up and ends; and the unplanned tasks."""

    begun_s: list[float] = field(default_factory=list)
    by: list[int] = field(default_factory=list)
    up_s: list[float] = field(default_factory=list)
    done_s: list[float] = field(default_factory=list)
    unplanned: list[int] = field(default_factory=list)


def serve(plan: Plan) -> Served:
    """Serve the plan. Every message begins between its arrival and its deadline."""
    return _SlotFleet(plan).served()


class _SlotFleet:
    """Slots of tasks: busy ones in a heap by the instant when they are free, idle ones with the longest idle first."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._starts = [*plan.up_s, inf]
        self._changes = [*plan.changes_s, inf]
        self._started = self._changed = self._planned = self._running = 0
        self._busy: list[tuple[float, int]] = [(inf, -1)]
        self._idle: list[int] = []
        self._stopped: list[bool] = []
        self._served = Served()

    def served(self) -> Served:
        plan, served, busy = self._plan, self._served, self._busy
        begun_s, by, done_s = served.begun_s, served.by, served.done_s
        for arrival, service, due in zip(plan.arrivals_s, plan.service_s, plan.due_s, strict=True):
            if busy[0][0] <= arrival or self._starts[self._started] <= arrival:
                self._release_slots(arrival)
            if self._idle:
                at, task = arrival, self._idle.pop()
            else:
                at, task = self._next_slot(arrival + plan.latency_s, due)
            begun_s.append(at)
            by.append(task)
            end = at + service
            done_s[task] = max(done_s[task], end)
            heappush(busy, (end, task))
        for at in plan.up_s[self._started :]:
            self._start(at)
        return served

    def _release_slots(self, now: float) -> None:
        """Move the slots that are free by `now` to the idle ones, and stop idle tasks above the planned number."""
        while self._busy[0][0] <= now or self._starts[self._started] <= now:
            if self._starts[self._started] < self._busy[0][0]:
                self._idle += [self._start(self._starts[self._started])] * self._plan.task_concurrency
                self._started += 1
            elif not self._stopped[task := heappop(self._busy)[1]]:
                self._idle.append(task)
        while self._idle and self._running > self._planned_at(now):
            self._stop(self._idle[0])

    def _next_slot(self, deadline: float, due: float) -> tuple[float, int]:
        """Return when the next message begins if no slot is idle, and its task."""
        while True:
            free, start = self._busy[0][0], self._starts[self._started]
            if min(free, start) > deadline:
                self._served.unplanned.append(len(self._stopped))
                return deadline, self._start_busy(deadline)
            if start <= free:
                self._started += 1
                return start, self._start_busy(start)
            task = heappop(self._busy)[1]
            if self._stopped[task]:
                continue
            if free > due or self._running <= self._planned_at(free):
                return free, task
            self._stop(task)

    def _start_busy(self, at: float) -> int:
        """Start a task whose first slot is taken at once. Its other slots are free from then on."""
        task = self._start(at)
        for _ in range(self._plan.task_concurrency - 1):
            heappush(self._busy, (at, task))
        return task

    def _start(self, at: float) -> int:
        self._served.up_s.append(at)
        self._served.done_s.append(at)
        self._stopped.append(False)
        self._running += 1
        return len(self._stopped) - 1

    def _stop(self, task: int) -> None:
        """Stop the task: it begins no more messages."""
        self._stopped[task] = True
        self._running -= 1
        self._idle = [other for other in self._idle if other != task]

    def _planned_at(self, now: float) -> int:
        while self._changes[self._changed] <= now:
            self._planned = self._plan.tasks[self._changed]
            self._changed += 1
        return self._planned


# The smallest fleet of constant size that is never late. It is sometimes cheaper than every other plan.

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
