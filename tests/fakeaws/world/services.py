"""A service and its scheduler: tasks that take their time to start, deployments that run both revisions, protection.

Law: a task never runs earlier than its start-up delay after it was wanted. Nothing happens between two questions: what
would have happened until then is caught up with. Time is an argument, in seconds since the epoch.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

STARTS_S = (30.0, 90.0)
"""How long a start takes, evenly drawn. AWS publishes no figure; this is what Fargate is seen to take."""

MOST_CHANGES = 256
MOST_EVENTS = 100


@dataclass(order=True, slots=True)
class Task:
    """It runs from `starts_at` on, and is protected from scale-in until `protected_until`, half-open."""

    starts_at: float
    number: int
    protected_until: float = field(default=0.0, compare=False)


@dataclass
class Rollout:
    """A deployment that is in progress until `until`, and longer if tasks of the new revision still start."""

    began: float
    until: float
    old: list[Task]

    def old_running(self, now: float) -> int:
        return sum(task.starts_at <= now for task in self.old)


@dataclass
class Service:
    """One ECS service. `extra` is laid over what ECS says of it, for what has no field of its own here. `containers`:
    those of its task definition.
    """

    number: int
    cluster: str
    name: str
    created: float
    chance: random.Random
    tags: dict[str, str] = field(default_factory=dict)
    desired: int = 0
    status: str = "ACTIVE"
    strategy: str = "REPLICA"
    starts_s: tuple[float, float] = STARTS_S
    stalls: bool = False
    cpu: float | Callable[[float], float | None] | None = None
    memory: float | Callable[[float], float | None] | None = None
    containers: list[dict[str, Any]] = field(default_factory=lambda: [{"name": "worker", "essential": True}])
    extra: dict[str, Any] = field(default_factory=dict)
    rollout: Rollout | None = None
    deployed: float = 0.0
    changes: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=MOST_CHANGES))
    events: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=MOST_EVENTS))
    _starting: list[Task] = field(default_factory=list)
    _started: list[Task] = field(default_factory=list)
    _numbers: int = 0
    _is_steady: bool = True
    _touched: float = 0.0

    def begin(self, desired: int, running: int, now: float) -> None:
        """It has existed for long: so many of its tasks run, the others start now."""
        self.desired, self.deployed = desired, self.created
        self._started = [self._task(self.created) for _ in range(running)]
        self.changes.append((self.created, running))
        self._is_steady = running == desired
        self._start(now)

    def scale(self, desired: int, now: float) -> None:
        """So many are wanted from now on."""
        self.settle(now)
        self._is_steady, self._touched = self._is_steady and desired == self.desired, now
        self.desired = desired
        self.settle(now)
        self._start(now)

    def deploy(self, now: float, takes_s: float = 300.0) -> None:
        """A new revision: both run until so many seconds from now."""
        self.settle(now)
        before = self.rollout.old if self.rollout else []
        self.rollout, self.deployed = Rollout(now, now + takes_s, before + self._started + self._starting), now
        self._started, self._starting, self._is_steady, self._touched = [], [], False, now
        self._start(now)

    def protect(self, now: float, tasks: int, lasts_s: float = 7200.0) -> None:
        """So many of its running tasks are protected from scale-in."""
        self.settle(now)
        for task in self._started[:tasks]:
            task.protected_until = now + lasts_s

    def tell(self, now: float, text: str) -> None:
        """An event, as in `was unable to place a task.`"""
        self.events.append((now, f"(service {self.name}) {text}"))

    def running(self, now: float) -> int:
        """How many run at `now`, of both revisions."""
        self.settle(now)
        return len(self._started) + (self.rollout.old_running(now) if self.rollout else 0)

    def pending(self, now: float) -> int:
        self.settle(now)
        return len(self._starting)

    def own(self, now: float) -> tuple[int, int]:
        """How many of the newest revision run and are pending."""
        self.settle(now)
        return len(self._started), len(self._starting)

    def running_at(self, then: float) -> int:
        """How many ran at a time that has passed, as far as it is remembered."""
        return next((running for at, running in reversed(self.changes) if at <= then), 0)

    def ran_between(self, began: float, end: float) -> bool:
        """Whether a task ran at any time from then up to `end`, half-open."""
        return self.running_at(began) > 0 or any(began <= at < end and running for at, running in self.changes)

    def ran_on_average(self, began: float, end: float) -> float:
        """How many ran from then up to `end`, on average over that time."""
        edges = [began, *(at for at, _ in self.changes if began < at < end), end]
        return sum(self.running_at(at) * (until - at) for at, until in pairwise(edges)) / (end - began)

    def tasks(self, now: float) -> list[Task]:
        """Those that should run, of both revisions."""
        self.settle(now)
        return [*self._started, *self._starting, *(self.rollout.old if self.rollout else ())]

    def settle(self, now: float) -> None:
        """All that was due until `now` has happened."""
        while self._starting and self._starting[0].starts_at <= now:
            self._started.append(heapq.heappop(self._starting))
            self._changed(self._started[-1].starts_at)
        self._finish_rollout(now)
        self._stop(now)
        self._steady()

    def _finish_rollout(self, now: float) -> None:
        if self.rollout and not self._starting and self.rollout.until <= now:
            until, self.rollout = self.rollout.until, None
            self._changed(max([until, *(task.starts_at for task in self._started[-1:])]))

    def _start(self, now: float) -> None:
        for _ in range(self.desired - len(self._started) - len(self._starting)):
            delay_s = float("inf") if self.stalls else self.chance.uniform(*self.starts_s)
            heapq.heappush(self._starting, self._task(now + delay_s))

    def _stop(self, now: float) -> None:
        """More than are wanted: the last to start go first, then running ones that are not protected."""
        over = len(self._started) + len(self._starting) - self.desired
        if over <= 0:
            return
        kept = max(0, len(self._starting) - over)
        over -= len(self._starting) - kept
        self._starting = sorted(self._starting)[:kept]
        free = [task for task in self._started if task.protected_until <= now][:over]
        if free:
            gone = {task.number for task in free}
            self._started = [task for task in self._started if task.number not in gone]
            self._changed(now)

    def _steady(self) -> None:
        if self._is_steady or self._starting or self.rollout or len(self._started) != self.desired:
            return
        self._is_steady = True
        self.tell(max(self._touched, self.changes[-1][0]), "has reached a steady state.")

    def _changed(self, at: float) -> None:
        old = self.rollout.old_running(at) if self.rollout else 0
        self.changes.append((at, len(self._started) + old))

    def _task(self, starts_at: float) -> Task:
        self._numbers += 1
        return Task(starts_at, self._numbers)
