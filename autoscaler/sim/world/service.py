"""ECS: it launches and stops tasks until their number is the desired count.

Tasks that a deployment or a rebalancing replaces are old, and all others are new. Old tasks stop as new tasks come up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from math import ceil, inf
from typing import Protocol

from autoscaler.sim.chance import StartUp, stream
from autoscaler.sim.model import MINUTE_S, TaskLife, Tasks, Victims, WorldSettings
from autoscaler.sim.world.faults import FaultPlan
from autoscaler.sim.world.serving import Agenda

RETRY_S = 5.0
"""Seconds until ECS again tries to stop tasks, if it could not stop enough of them."""


class Workers(Protocol):
    """The slots of the tasks, as far as ECS has to do with them."""

    def join(self, task: int, up_s: float) -> None: ...

    def end(self, task: int) -> object: ...

    def idle(self, now: float) -> list[int]: ...


class TaskWork(Protocol):
    """What the tasks do, as far as ECS has to do with it: that of `Serving`, or no messages at all."""

    @property
    def workers(self) -> Workers: ...

    def sigterm(self, tasks: Iterable[int], now: float) -> dict[int, float]: ...

    def kill(self, task: int, now: float) -> None: ...

    def crash(self, task: int, now: float) -> None: ...


@dataclass(slots=True)
class SimulatedTask:
    """One task. `up_s`: when it comes up or came up. `stopped_s`: infinite while it is not stopped."""

    number: int
    launched_s: float
    up_s: float
    is_up: bool = False
    stopped_s: float = inf

    def life(self, ended_s: float) -> TaskLife:
        stopped_s = min(self.stopped_s, ended_s)
        return TaskLife(self.launched_s, self.up_s if self.is_up and self.up_s <= stopped_s else inf, stopped_s)


class SimulatedService:
    """The simulated ECS service. `desired`, `running`: the counts of ECS over time. `alive`: tasks that are up,
    including stopping ones.
    """

    def __init__(
        self, settings: WorldSettings, seed: int, agenda: Agenda, serving: TaskWork, faults: FaultPlan
    ) -> None:
        self._settings = settings
        self._agenda = agenda
        self._serving = serving
        self._faults = faults
        self._bucket = LaunchBucket(settings.launch_burst, settings.launch_per_s, settings.launches_per_minute)
        self._start_ups = StartUps(settings.start_up, seed)
        self._rng = stream(seed, "victims")
        self._moved = stream(seed, "moved")
        self._launched: list[SimulatedTask] = []
        self._new: dict[int, SimulatedTask] = {}
        self._old: dict[int, SimulatedTask] = {}
        self._next_reconcile_s = inf
        self._deployment_s: float | None = None
        self.desired = Staircase(settings.tasks_at_start)
        self.running = Staircase(0)
        self.alive = Staircase(0)
        for _ in range(settings.tasks_at_start):
            self._mark_up(self._add(0.0, 0.0), 0.0)

    def counts(self) -> Tasks:
        live = len(self._new) + len(self._old)
        return Tasks(self.desired.now, self.running.now, live - self.running.now, self._deployment_s)

    def protected(self, now: float) -> int:
        """Return the number of running tasks that hold messages, if that protects them; otherwise 0."""
        if self._settings.victims is not Victims.IDLE:
            return 0
        return self.running.now - len(self._serving.workers.idle(now))

    def lives(self, ended_s: float) -> tuple[TaskLife, ...]:
        """Return the life of every task. Tasks that are not stopped end at `ended_s`."""
        return tuple(task.life(ended_s) for task in self._launched)

    def scale_to(self, tasks: int, now: float) -> None:
        self.desired.step(tasks, now)
        self.reconcile(now)

    def deploy(self, now: float) -> None:
        """Start a deployment, which replaces every existing task."""
        self._old |= self._new
        self._new = {}
        self._deployment_s = now
        self.reconcile(now)

    def lose(self, share: float, now: float) -> None:
        """Stop this share of the running tasks, busy or not, and replace them."""
        self._terminate(self._drawn(share), now)
        self.reconcile(now)

    def rebalance(self, share: float, now: float) -> None:
        """Start to replace this share of the running tasks. As with a `maximumPercent` of 200, there are at most twice
        the desired tasks: as long as busy tasks stay, fewer are replaced.
        """
        room = max(0, 2 * self.desired.now - len(self._new) - len(self._old))
        for task in self._drawn(share)[:room]:
            self._new.pop(task.number, None)
            self._old[task.number] = task
        self.reconcile(now)

    def _drawn(self, share: float) -> list[SimulatedTask]:
        """Return a random share of the running tasks, rounded up."""
        up = [task for task in (*self._old.values(), *self._new.values()) if task.is_up]
        most = ceil(share * len(up) - 1e-9)
        return [up[at] for at in self._moved.permutation(len(up))[:most].tolist()]

    def reconcile(self, now: float) -> None:
        """Stop surplus tasks and launch missing ones. Schedule another call for those that are not possible now."""
        is_rolling = self._deployment_s is not None
        new_up = sum(task.is_up for task in self._new.values()) if is_rolling or self._old else 0
        remaining = self._stop(self._old, len(self._old) - max(0, self.desired.now - new_up), now)
        remaining += self._stop(self._new, len(self._new) - self.desired.now, now)
        if remaining:
            self._reconcile_later(now + RETRY_S, now)
        self._launch(now)
        if is_rolling and not self._old and new_up >= self.desired.now:
            self._deployment_s = None

    def _reconcile_later(self, at: float, now: float) -> None:
        """Schedule `reconcile` at `at`, unless an earlier call is scheduled: that call schedules the next one."""
        if at < self._next_reconcile_s or self._next_reconcile_s <= now:
            self._next_reconcile_s = at
            self._agenda.add(at, self.reconcile)

    def _launch(self, now: float) -> None:
        missing = self.desired.now - len(self._new)
        room = self._faults.capacity(now) - len(self._new) - len(self._old)
        allowed = int(max(0, min(missing, room)))
        if not allowed:
            return
        launched = self._bucket.take(allowed, now)
        for _ in range(launched):
            task = self._add(now, now + self._start_ups.next_s())
            self._agenda.add(task.up_s, partial(self._come_up, task))
        if launched < allowed:
            self._reconcile_later(self._bucket.next_s(), now)

    def _add(self, launched_s: float, up_s: float) -> SimulatedTask:
        task = SimulatedTask(len(self._launched), launched_s, up_s)
        self._launched.append(task)
        self._new[task.number] = task
        self._serving.workers.join(task.number, up_s)
        return task

    def _come_up(self, task: SimulatedTask, now: float) -> None:
        if not self._is_live(task):
            return
        self._mark_up(task, now)
        if self._faults.crashes(now):
            self._agenda.add(now + self._settings.crash_after_s, partial(self._crash, task))
        if self._deployment_s is not None or self._old:
            self.reconcile(now)

    def _mark_up(self, task: SimulatedTask, now: float) -> None:
        task.is_up = True
        self.running.step(self.running.now + 1, now)
        self.alive.step(self.alive.now + 1, now)

    def _crash(self, task: SimulatedTask, now: float) -> None:
        if self._is_live(task):
            self._serving.crash(task.number, now)
            self._remove(task, now)
            self._end(task, now)
            self.reconcile(now)

    def _stop(self, group: dict[int, SimulatedTask], surplus: int, now: float) -> int:
        """Stop `surplus` tasks of the group, first those that are not up yet, newest first.

        Return the number of tasks that could not be stopped.
        """
        if surplus <= 0:
            return 0
        pending = [task for task in reversed(group.values()) if not task.is_up]
        victims = pending[:surplus]
        victims += self._chosen(group, surplus - len(victims), now)
        self._terminate(victims, now)
        return surplus - len(victims)

    def _chosen(self, group: dict[int, SimulatedTask], most: int, now: float) -> list[SimulatedTask]:
        if self._settings.victims is Victims.IDLE:
            return [group[number] for number in self._serving.workers.idle(now) if number in group][:most]
        up = [task for task in group.values() if task.is_up]
        return [up[at] for at in self._rng.permutation(len(up))[:most].tolist()]

    def _terminate(self, tasks: list[SimulatedTask], now: float) -> None:
        """Send SIGTERM: each task has until its stop timeout to finish the messages in progress."""
        finished_s = self._serving.sigterm([task.number for task in tasks], now)
        deadline_s = now + self._settings.stop_timeout_s
        for task in tasks:
            self._remove(task, now)
            at = finished_s[task.number]
            if at <= now:
                self._end(task, now)
            elif at <= deadline_s:
                self._agenda.add(at, partial(self._end, task))
            else:
                self._agenda.add(deadline_s, partial(self._kill, task))

    def _kill(self, task: SimulatedTask, now: float) -> None:
        self._serving.kill(task.number, now)
        self._end(task, now)

    def _end(self, task: SimulatedTask, now: float) -> None:
        task.stopped_s = now
        self._serving.workers.end(task.number)
        if task.is_up:
            self.alive.step(self.alive.now - 1, now)

    def _is_live(self, task: SimulatedTask) -> bool:
        return task.number in self._new or task.number in self._old

    def _remove(self, task: SimulatedTask, now: float) -> None:
        """Remove the task from the counts of ECS. It can still be stopping."""
        self._new.pop(task.number, None)
        self._old.pop(task.number, None)
        if task.is_up:
            self.running.step(self.running.now - 1, now)


# Task launches: a token bucket for the launch rate, and start-up times in the order of launch.

BLOCK = 256
"""Number of start-up times to draw at once. The sequence is the same as with single draws."""


class LaunchBucket:
    """A token bucket with Fargate's launch rate: `per_s` tokens per second, at most `burst`. It is full at 0. In
    addition, at most `per_minute` launches are possible in any 60 s: the ECS quota of one service.
    """

    def __init__(self, burst: int, per_s: float, per_minute: int = 500) -> None:
        self._burst = float(burst)
        self._per_s = per_s
        self._tokens = float(burst)
        self._at = 0.0
        self._left = per_minute
        self._recent: deque[tuple[float, int]] = deque()

    def take(self, most: int, now: float) -> int:
        """Take all whole tokens, at most `most`, and return their number."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_s)
        self._at = now
        while self._recent and self._recent[0][0] + MINUTE_S <= now:  # exactly as in next_s
            self._left += self._recent.popleft()[1]
        taken = min(most, int(self._tokens + 1e-6), self._left)  # 20/s for 0.05 s is one, not 0.9999999
        self._tokens = max(0.0, self._tokens - taken)
        if taken:
            self._left -= taken
            self._recent.append((now, taken))
        return taken

    def next_s(self) -> float:
        """Return when the next launch is possible. Call it after `take` returned fewer tokens than requested."""
        if self._left <= 0:
            return self._recent[0][0] + MINUTE_S if self._recent else inf
        return self._at + (1.0 - self._tokens) / self._per_s if self._per_s > 0 else inf


class StartUps:
    """Start-up times: the k-th launched task takes the k-th time."""

    def __init__(self, start_up: StartUp, seed: int) -> None:
        self._start_up = start_up
        self._rng = stream(seed, "start-up")
        self._drawn: list[float] = []

    def next_s(self) -> float:
        """Return the start-up time of the next launch, in seconds."""
        if not self._drawn:
            self._drawn = self._start_up.sample(self._rng, BLOCK).tolist()[::-1]
        return self._drawn.pop()


# A count as a step function of time, and its integral.


class Staircase:
    """A step function. `steps`: (instant, count from then on), beginning at 0. Instants ascend, and consecutive counts
    differ.
    """

    def __init__(self, now: int) -> None:
        self.now = now
        self.steps: list[tuple[float, int]] = [(0.0, now)]
        self._area = 0.0
        self._since = 0.0

    def step(self, count: int, at: float) -> None:
        """Set the count from `at` on. Of several calls for one instant, the last one applies."""
        self._area += self.now * (at - self._since)
        self._since, self.now = at, count
        if self.steps[-1][0] == at:
            self.steps.pop()
        if not self.steps or self.steps[-1][1] != count:
            self.steps.append((at, count))

    def area(self, until: float) -> float:
        """Return the integral from 0 to `until`, which must not be before the last step."""
        return self._area + self.now * (until - self._since)
