"""A staffing put to work: first in, first out, and never late.

A message is begun by the task that was at work last, so that the others have time to go. Where a plan was too
tight, a task comes up at the very deadline; those above the plan stay until what the plan had begun is begun.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import inf


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be served, and with what; lists, because they are walked through one by one.

    `due_s`: when the plan has each message begun. `up_s`: the ascending instants at which tasks come up.
    `changes_s`, `tasks`: so many tasks are planned from each of these ascending instants on; before, none.
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
    """Begun by which task, when; each task's first second and its last; those that had to come up unplanned."""

    begun_s: list[float] = field(default_factory=list)
    by: list[int] = field(default_factory=list)
    up_s: list[float] = field(default_factory=list)
    done_s: list[float] = field(default_factory=list)
    unplanned: list[int] = field(default_factory=list)


def serve(plan: Plan) -> Served:
    """Every message is begun between its arrival and its deadline."""
    return _Fleet(plan).served()


class _Fleet:
    """Tasks by the instant at which they have a slot free: those at work in a heap, the idle ones longest first."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._coming = [*plan.up_s, inf]
        self._changes = [*plan.changes_s, inf]
        self._came = self._changed = self._planned = self._running = 0
        self._busy: list[tuple[float, int]] = [(inf, -1)]
        self._idle: list[int] = []
        self._gone: list[bool] = []
        self._served = Served()

    def served(self) -> Served:
        plan, served, busy = self._plan, self._served, self._busy
        begun_s, by, done_s = served.begun_s, served.by, served.done_s
        for arrival, service, due in zip(plan.arrivals_s, plan.service_s, plan.due_s, strict=True):
            if busy[0][0] <= arrival or self._coming[self._came] <= arrival:
                self._rest(arrival)
            if self._idle:
                at, task = arrival, self._idle.pop()
            else:
                at, task = self._wait(arrival + plan.latency_s, due)
            begun_s.append(at)
            by.append(task)
            end = at + service
            done_s[task] = max(done_s[task], end)
            heappush(busy, (end, task))
        for at in plan.up_s[self._came :]:
            self._come(at)
        return served

    def _rest(self, now: float) -> None:
        """All that have a slot free by now are idle, and those of them beyond the plan have gone."""
        while self._busy[0][0] <= now or self._coming[self._came] <= now:
            if self._coming[self._came] < self._busy[0][0]:
                self._idle += [self._come(self._coming[self._came])] * self._plan.task_concurrency
                self._came += 1
            elif not self._gone[task := heappop(self._busy)[1]]:
                self._idle.append(task)
        while self._idle and self._running > self._planned_at(now):
            self._go(self._idle[0])

    def _wait(self, deadline: float, due: float) -> tuple[float, int]:
        """When the next message is begun that finds nobody idle, and by which task."""
        while True:
            free, coming = self._busy[0][0], self._coming[self._came]
            if min(free, coming) > deadline:
                self._served.unplanned.append(len(self._gone))
                return deadline, self._join(deadline)
            if coming <= free:
                self._came += 1
                return coming, self._join(coming)
            task = heappop(self._busy)[1]
            if self._gone[task]:
                continue
            if free > due or self._running <= self._planned_at(free):
                return free, task
            self._go(task)

    def _join(self, at: float) -> int:
        """A task comes up and has its first slot taken at once; the others are free from then on."""
        task = self._come(at)
        for _ in range(self._plan.task_concurrency - 1):
            heappush(self._busy, (at, task))
        return task

    def _come(self, at: float) -> int:
        self._served.up_s.append(at)
        self._served.done_s.append(at)
        self._gone.append(False)
        self._running += 1
        return len(self._gone) - 1

    def _go(self, task: int) -> None:
        """The task begins nothing more."""
        self._gone[task] = True
        self._running -= 1
        self._idle = [other for other in self._idle if other != task]

    def _planned_at(self, now: float) -> int:
        while self._changes[self._changed] <= now:
            self._planned = self._plan.tasks[self._changed]
            self._changed += 1
        return self._planned
