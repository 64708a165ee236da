"""The part of ECS that moto leaves out: tasks take time to start, and are drained when they go.

Which running task goes is chosen without a look at what it holds, as ECS does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from random import Random
from time import monotonic
from typing import TypeAlias

from autoscaler.demo.region_client import RegionClient
from autoscaler.demo.workers import CONCURRENCY, Worker, pause

START_UP_S = (4.0, 6.0)
"""The shortest and the longest start-up of a task."""

BEAT_S = 0.25
"""How often the fleet looks at what is desired."""

Spawn: TypeAlias = Callable[[Callable[[], Awaitable[None]]], object]


class State(StrEnum):
    STARTING = "starting"
    RUNNING = "running"
    DRAINING = "draining"


@dataclass
class Task:
    """One ECS task from its launch on. `start_up_s`: how long it takes to be able to work."""

    worker: Worker
    start_up_s: float
    launched: float = field(default_factory=monotonic)
    state: State = State.STARTING
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def live(self) -> None:
        """Starts, works until it is stopped, drains. Stopped while it starts, it ends at once."""
        await pause(self.start_up_s, unless=self.stopping)
        if not self.stopping.is_set():
            self.state = State.RUNNING
            await self.worker.serve(self.stopping)

    def stop(self) -> None:
        self.state = State.DRAINING
        self.stopping.set()


@dataclass
class Fleet:
    """The tasks of the service. `hire` gives each its worker, `spawn` lets it live beside the others."""

    client: RegionClient
    hire: Callable[[], Worker]
    spawn: Spawn
    random: Random
    tasks: list[Task] = field(default_factory=list)
    desired: int = 0
    peak: int = 0
    scale_outs: int = 0
    scale_ins: int = 0
    _past_task_seconds: float = 0.0

    def count(self, state: State) -> int:
        return sum(task.state is state for task in self.tasks)

    @property
    def running(self) -> int:
        return self.count(State.RUNNING)

    @property
    def starting(self) -> int:
        return self.count(State.STARTING)

    @property
    def draining(self) -> int:
        return self.count(State.DRAINING)

    @property
    def at_rest(self) -> bool:
        """Nothing is desired, and nothing is left."""
        return self.desired == 0 and not self.tasks

    @property
    def busy_ratio(self) -> float | None:
        """The part of the running tasks' slots that hold a message (None: no task runs)."""
        running = [task for task in self.tasks if task.state is State.RUNNING]
        return sum(task.worker.holding for task in running) / (len(running) * CONCURRENCY) if running else None

    @property
    def task_seconds(self) -> float:
        """From launch to stop, of all tasks so far; of those that are left, until now."""
        now = monotonic()
        return self._past_task_seconds + sum(now - task.launched for task in self.tasks)

    async def follow(self) -> None:
        """For ever: what is desired is launched or stopped, and the Region knows what runs."""
        while True:
            counts = await self.client.report(running=self.running, pending=self.starting)
            self.desired, self.scale_outs, self.scale_ins = counts["desired"], counts["scale_outs"], counts["scale_ins"]
            self._match()
            await asyncio.sleep(BEAT_S)

    def _match(self) -> None:
        alive = [task for task in self.tasks if task.state is not State.DRAINING]
        for _ in range(self.desired - len(alive)):
            self._launch()
        for task in self._victims(alive, len(alive) - self.desired):
            task.stop()
        self.peak = max(self.peak, len(self.tasks) - self.draining)

    def _victims(self, alive: list[Task], excess: int) -> list[Task]:
        """Those that have not started yet first, then any."""
        if excess <= 0:
            return []
        order = sorted(alive, key=lambda task: (task.state is State.RUNNING, self.random.random()))
        return order[:excess]

    def _launch(self) -> None:
        task = Task(self.hire(), self.random.uniform(*START_UP_S))
        self.tasks.append(task)
        self.spawn(partial(self._see_through, task))

    async def _see_through(self, task: Task) -> None:
        await task.live()
        self.tasks.remove(task)
        self._past_task_seconds += monotonic() - task.launched
