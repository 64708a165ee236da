"""A service and its scheduler: start-up times, deployments that run both revisions, and scale-in protection.

Law: a task never runs earlier than its start-up time after it was desired. Nothing runs between two requests: `settle`
applies all events that are due. Time is an argument, in seconds since the epoch.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

STARTS_S = (30.0, 90.0)
"""Range of the start-up time, drawn uniformly. AWS publishes no figure; these are observed values of Fargate."""

PHASES = (0.2, 0.65)
"""The shares of the start-up time after which the image pull begins and ends."""

MOST_CHANGES = 256
MOST_EVENTS = 100


@dataclass(frozen=True)
class FakeFailure:
    """How each new task fails: `after_s` after its creation, the last `ran_s` of it RUNNING (None: it never runs). The
    other fields are what ECS says about the task and its container.
    """

    reason: str
    after_s: float = 12.0
    ran_s: float | None = None
    code: str = "TaskFailedToStart"
    exit_code: int | None = None
    container_reason: str = ""


class FakeStop(NamedTuple):
    """A task that failed at `at`. `started`: when it began to run (None: it never ran)."""

    number: int
    created: float
    started: float | None
    at: float
    how: FakeFailure
    revision: int


IMPAIRED_AFTER = 5
"""The failed tasks of a deployment after which ECS reports that it cannot start tasks."""

MOST_STOPPED = 300


@dataclass(order=True, slots=True)
class FakeTask:
    """A task. It runs from `starts_at` on; it is protected from scale-in before `protected_until`. It was created
    `takes_s` before it runs, as `revision` of its task definition.
    """

    starts_at: float
    number: int
    protected_until: float = field(default=0.0, compare=False)
    takes_s: float = field(default=60.0, compare=False)
    revision: int = field(default=1, compare=False)
    how: FakeFailure | None = field(default=None, compare=False)
    fails_at: float = field(default=float("inf"), compare=False)


@dataclass
class FakeRollout:
    """A deployment, in progress until `until`, or longer while tasks of the new revision start."""

    began: float
    until: float
    old: list[FakeTask]

    def old_running(self, now: float) -> int:
        return sum(task.starts_at <= now for task in self.old)


@dataclass
class FakeService:
    """One ECS service. `extra` overrides fields of its description. `containers` are those of its task definition,
    `definition` its other fields. `phases` as in `PHASES`; `revision`: that of new tasks. `fails`: how new tasks fail;
    `failed`: the failed tasks of the newest deployment.
    """

    number: int
    cluster: str
    name: str
    created: float
    rng: random.Random
    tags: dict[str, str] = field(default_factory=dict)
    desired: int = 0
    status: str = "ACTIVE"
    strategy: str = "REPLICA"
    starts_s: tuple[float, float] = STARTS_S
    stalls: bool = False
    fails: FakeFailure | None = None
    failed: int = 0
    stopped: deque[FakeStop] = field(default_factory=lambda: deque(maxlen=MOST_STOPPED))
    phases: tuple[float, float] = PHASES
    revision: int = 1
    cpu: float | Callable[[float], float | None] | None = None
    memory: float | Callable[[float], float | None] | None = None
    containers: list[dict[str, Any]] = field(default_factory=lambda: [{"name": "worker", "essential": True}])
    definition: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    rollout: FakeRollout | None = None
    deployed: float = 0.0
    changes: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=MOST_CHANGES))
    events: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=MOST_EVENTS))
    _starting: list[FakeTask] = field(default_factory=list)
    _started: list[FakeTask] = field(default_factory=list)
    _numbers: int = 0
    _is_steady: bool = True
    _can_fail: bool = False
    _touched: float = 0.0

    def begin(self, desired: int, running: int, now: float) -> None:
        """Begin as a service that already exists: `running` tasks run, the others start now."""
        self.desired, self.deployed = desired, self.created
        self._started = [self._task(self.created, sum(self.starts_s) / 2) for _ in range(running)]
        self.changes.append((self.created, running))
        self._is_steady = running == desired
        self._start(now)

    def scale(self, desired: int, now: float) -> None:
        """Set the desired count."""
        self.settle(now)
        self._is_steady, self._touched = self._is_steady and desired == self.desired, now
        self.desired = desired
        self.settle(now)
        self._start(now)

    def deploy(self, now: float, takes_s: float = 300.0) -> None:
        """Start a new revision: both revisions run for `takes_s` seconds."""
        self.settle(now)
        before = self.rollout.old if self.rollout else []
        self.rollout, self.deployed = FakeRollout(now, now + takes_s, before + self._started + self._starting), now
        self._started, self._starting, self._is_steady, self._touched = [], [], False, now
        self.failed = 0
        self._start(now)

    def protect(self, now: float, tasks: int, lasts_s: float = 7200.0) -> None:
        """Protect `tasks` running tasks from scale-in."""
        self.settle(now)
        for task in self._started[:tasks]:
            task.protected_until = now + lasts_s

    def add_event(self, now: float, text: str) -> None:
        """Add a service event, as in `was unable to place a task.`"""
        self.events.append((now, f"(service {self.name}) {text}"))

    def running(self, now: float) -> int:
        """Return the number of running tasks of both revisions at `now`."""
        self.settle(now)
        return len(self._started) + (self.rollout.old_running(now) if self.rollout else 0)

    def pending(self, now: float) -> int:
        self.settle(now)
        return len(self._starting)

    def own(self, now: float) -> tuple[int, int]:
        """Return the running and the pending tasks of the newest revision."""
        self.settle(now)
        return len(self._started), len(self._starting)

    def running_at(self, then: float) -> int:
        """Return the number of running tasks at a past time; 0 if it is before the oldest stored change."""
        return next((running for at, running in reversed(self.changes) if at <= then), 0)

    def ran_between(self, began: float, end: float) -> bool:
        """Return whether a task ran at any time from `began` (included) to `end` (excluded)."""
        return self.running_at(began) > 0 or any(began <= at < end and running for at, running in self.changes)

    def ran_on_average(self, began: float, end: float) -> float:
        """Return the average number of running tasks from `began` to `end`."""
        edges = [began, *(at for at, _ in self.changes if began < at < end), end]
        return sum(self.running_at(at) * (until - at) for at, until in pairwise(edges)) / (end - began)

    def tasks(self, now: float) -> list[FakeTask]:
        """Return the tasks of both revisions that should run."""
        self.settle(now)
        return [*self._started, *self._starting, *(self.rollout.old if self.rollout else ())]

    def settle(self, now: float) -> None:
        """Apply all events that are due until `now`."""
        while (failing := self._next_failure(now)) is not None:
            self._run_until(failing.fails_at)
            self._fail(failing)
        self._run_until(now)
        self._finish_rollout(now)
        self._stop(now)
        self._steady()

    def _run_until(self, now: float) -> None:
        while self._starting and self._starting[0].starts_at <= now:
            self._started.append(heapq.heappop(self._starting))
            self._changed(self._started[-1].starts_at)

    def _next_failure(self, now: float) -> FakeTask | None:
        if not self._can_fail:
            return None
        due = [task for task in (*self._starting, *self._started) if task.fails_at <= now]
        return min(due, key=lambda task: task.fails_at, default=None)

    def _fail(self, task: FakeTask) -> None:
        """Stop the task, and start another one in its place."""
        at, ran = task.fails_at, task in self._started
        tasks = self._started if ran else self._starting
        tasks.remove(task)
        heapq.heapify(self._starting)
        if ran:
            self._changed(at)
        assert task.how is not None
        created = at - task.how.after_s
        self.stopped.append(
            FakeStop(task.number, created, task.starts_at if ran else None, at, task.how, task.revision)
        )
        self.failed, self._is_steady, self._touched = self.failed + 1, False, at
        if self.failed == IMPAIRED_AFTER:
            self.add_event(at, "is unable to consistently start tasks successfully.")
        self._start(at)

    def _finish_rollout(self, now: float) -> None:
        if self.rollout and not self._starting and self.rollout.until <= now:
            until, self.rollout = self.rollout.until, None
            self._changed(max([until, *(task.starts_at for task in self._started[-1:])]))

    def _start(self, now: float) -> None:
        for _ in range(self.desired - len(self._started) - len(self._starting)):
            delay_s = float("inf") if self.stalls else self.rng.uniform(*self.starts_s)
            if self.fails is not None:
                delay_s = float("inf") if self.fails.ran_s is None else self.fails.after_s - self.fails.ran_s
            task = self._task(now + delay_s, delay_s)
            if self.fails is not None:
                task.how, task.fails_at, self._can_fail = self.fails, now + self.fails.after_s, True
            heapq.heappush(self._starting, task)

    def _stop(self, now: float) -> None:
        """Stop the tasks above the desired count: starting tasks first, latest start first; then unprotected tasks."""
        over = len(self._started) + len(self._starting) - self.desired
        if over <= 0:
            return
        remaining = max(0, len(self._starting) - over)
        over -= len(self._starting) - remaining
        self._starting = sorted(self._starting)[:remaining]
        free = [task for task in self._started if task.protected_until <= now][:over]
        if free:
            gone = {task.number for task in free}
            self._started = [task for task in self._started if task.number not in gone]
            self._changed(now)

    def _steady(self) -> None:
        if self._is_steady or self._starting or self.rollout or len(self._started) != self.desired:
            return
        self._is_steady = True
        self.add_event(max(self._touched, self.changes[-1][0]), "has reached a steady state.")

    def _changed(self, at: float) -> None:
        old = self.rollout.old_running(at) if self.rollout else 0
        self.changes.append((at, len(self._started) + old))

    def _task(self, starts_at: float, takes_s: float) -> FakeTask:
        self._numbers += 1
        return FakeTask(starts_at, self._numbers, takes_s=takes_s, revision=self.revision)
