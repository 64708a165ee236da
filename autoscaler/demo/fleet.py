"""The part of ECS that moto does not implement: tasks take time to start, and drain when they stop.

As in ECS, the running task to stop is selected regardless of the messages that it holds.
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
from autoscaler.demo.workers import CONCURRENCY, DemoWorker, pause

START_UP_S = (4.0, 6.0)
"""The shortest and the longest start-up of a task."""

UPDATE_EVERY_S = 0.25
"""Interval between reads of the desired count."""

Spawn: TypeAlias = Callable[[Callable[[], Awaitable[None]]], object]


class State(StrEnum):
    STARTING = "starting"
    RUNNING = "running"
    DRAINING = "draining"


@dataclass
class DemoTask:
    """One ECS task from its launch on. `start_up_s`: time until it can process messages."""

    worker: DemoWorker
    start_up_s: float
    launched: float = field(default_factory=monotonic)
    state: State = State.STARTING
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def live(self) -> None:
        """Start, work until the task is stopped, and drain. A task that is stopped while it starts ends at once."""
        await pause(self.start_up_s, unless=self.stopping)
        if not self.stopping.is_set():
            self.state = State.RUNNING
            await self.worker.serve(self.stopping)

    def stop(self) -> None:
        self.state = State.DRAINING
        self.stopping.set()


@dataclass
class DemoFleet:
    """The tasks of the service. `new_worker` creates the worker of a task; `spawn` runs it concurrently."""

    client: RegionClient
    new_worker: Callable[[], DemoWorker]
    spawn: Spawn
    random: Random
    tasks: list[DemoTask] = field(default_factory=list)
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
        """Whether the desired count is 0 and no task is left."""
        return self.desired == 0 and not self.tasks

    @property
    def busy_ratio(self) -> float | None:
        """Share of the slots of running tasks that hold a message (None: no task runs)."""
        running = [task for task in self.tasks if task.state is State.RUNNING]
        return sum(task.worker.holding for task in running) / (len(running) * CONCURRENCY) if running else None

    @property
    def task_seconds(self) -> float:
        """Task-seconds from launch to stop of all tasks so far; until now for tasks that are left."""
        now = monotonic()
        return self._past_task_seconds + sum(now - task.launched for task in self.tasks)

    async def follow(self) -> None:
        """Launch and stop tasks to match the desired count, and report the counts to the Region. Never returns."""
        while True:
            counts = await self.client.report(running=self.running, pending=self.starting)
            self.desired, self.scale_outs, self.scale_ins = counts["desired"], counts["scale_outs"], counts["scale_ins"]
            self._match()
            await asyncio.sleep(UPDATE_EVERY_S)

    def _match(self) -> None:
        alive = [task for task in self.tasks if task.state is not State.DRAINING]
        for _ in range(self.desired - len(alive)):
            self._launch()
        for task in self._to_stop(alive, len(alive) - self.desired):
            task.stop()
        self.peak = max(self.peak, len(self.tasks) - self.draining)

    def _to_stop(self, alive: list[DemoTask], excess: int) -> list[DemoTask]:
        """Return the tasks to stop: first tasks that still start, then random ones."""
        if excess <= 0:
            return []
        order = sorted(alive, key=lambda task: (task.state is State.RUNNING, self.random.random()))
        return order[:excess]

    def _launch(self) -> None:
        task = DemoTask(self.new_worker(), self.random.uniform(*START_UP_S))
        self.tasks.append(task)
        self.spawn(partial(self._run_task, task))

    async def _run_task(self, task: DemoTask) -> None:
        await task.live()
        self.tasks.remove(task)
        self._past_task_seconds += monotonic() - task.launched
