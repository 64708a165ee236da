"""ECS: tasks are launched and stopped until as many are there as are desired.

Those that a deployment replaces are old; all others are new. The old go as the new come up.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import inf

from autoscaler.sim.chance import stream
from autoscaler.sim.model import Life, Tasks, Victims, WorldSettings
from autoscaler.sim.world.agenda import Agenda
from autoscaler.sim.world.faults import Faults
from autoscaler.sim.world.launching import Bucket, StartUps
from autoscaler.sim.world.serving import Serving
from autoscaler.sim.world.staircase import Staircase

RETRY_S = 5.0
"""How often ECS looks again for tasks to stop, while those that it may stop are too few."""


@dataclass(slots=True)
class Task:
    """`up_s`: when it will be, or was, up. `stopped_s` infinite: it is not."""

    number: int
    launched_s: float
    up_s: float
    is_up: bool = False
    stopped_s: float = inf

    def life(self, ended_s: float) -> Life:
        stopped_s = min(self.stopped_s, ended_s)
        return Life(self.launched_s, self.up_s if self.is_up and self.up_s <= stopped_s else inf, stopped_s)


class Service:
    """`desired`, `running`: what ECS shows, and when it changed. `alive`: tasks that are up, the stopping ones too."""

    def __init__(self, settings: WorldSettings, seed: int, agenda: Agenda, serving: Serving, faults: Faults) -> None:
        self._settings = settings
        self._agenda = agenda
        self._serving = serving
        self._faults = faults
        self._bucket = Bucket(settings.launch_burst, settings.launch_per_s)
        self._start_ups = StartUps(settings.start_up, seed)
        self._chance = stream(seed, "victims")
        self._launched: list[Task] = []
        self._new: dict[int, Task] = {}
        self._old: dict[int, Task] = {}
        self._look_s = inf
        self._deployment_s: float | None = None
        self.desired = Staircase(settings.tasks_at_start)
        self.running = Staircase(0)
        self.alive = Staircase(0)
        for _ in range(settings.tasks_at_start):
            self._begin(self._add(0.0, 0.0), 0.0)

    def shown(self) -> Tasks:
        live = len(self._new) + len(self._old)
        return Tasks(self.desired.now, self.running.now, live - self.running.now, self._deployment_s)

    def protected(self, now: float) -> int:
        """How many running tasks hold messages, where that protects them."""
        if self._settings.victims is not Victims.IDLE:
            return 0
        return self.running.now - len(self._serving.workers.idle(now))

    def lives(self, ended_s: float) -> tuple[Life, ...]:
        """Every task there has been; those that are still there stop then."""
        return tuple(task.life(ended_s) for task in self._launched)

    def scale_to(self, tasks: int, now: float) -> None:
        self.desired.step(tasks, now)
        self.reconcile(now)

    def deploy(self, now: float) -> None:
        """A deployment begins: every task there is now will be replaced."""
        self._old |= self._new
        self._new = {}
        self._deployment_s = now
        self.reconcile(now)

    def reconcile(self, now: float) -> None:
        """Stops what is too much, launches what is missing, and looks again where it could not."""
        is_rolling = self._deployment_s is not None
        come_up = sum(task.is_up for task in self._new.values()) if is_rolling else 0
        waiting = self._stop(self._old, len(self._old) - max(0, self.desired.now - come_up), now)
        waiting += self._stop(self._new, len(self._new) - self.desired.now, now)
        if waiting:
            self._look_again(now + RETRY_S, now)
        self._launch(now)
        if is_rolling and not self._old and come_up >= self.desired.now:
            self._deployment_s = None

    def _look_again(self, at: float, now: float) -> None:
        """Only the earliest look is put down: each puts down the next one that is needed."""
        if at < self._look_s or self._look_s <= now:
            self._look_s = at
            self._agenda.add(at, self.reconcile)

    def _launch(self, now: float) -> None:
        missing = self.desired.now - len(self._new)
        room = self._faults.capacity(now) - len(self._new) - len(self._old)
        wanted = int(max(0, min(missing, room)))
        if not wanted:
            return
        launched = self._bucket.take(wanted, now)
        for _ in range(launched):
            task = self._add(now, now + self._start_ups.next_s())
            self._agenda.add(task.up_s, partial(self._come_up, task))
        if launched < wanted:
            self._look_again(self._bucket.next_s(), now)

    def _add(self, launched_s: float, up_s: float) -> Task:
        task = Task(len(self._launched), launched_s, up_s)
        self._launched.append(task)
        self._new[task.number] = task
        self._serving.workers.join(task.number, up_s)
        return task

    def _come_up(self, task: Task, now: float) -> None:
        if not self._is_live(task):
            return
        self._begin(task, now)
        if self._faults.crashes(now):
            self._agenda.add(now + self._settings.crash_after_s, partial(self._crash, task))
        if self._deployment_s is not None:
            self.reconcile(now)

    def _begin(self, task: Task, now: float) -> None:
        task.is_up = True
        self.running.step(self.running.now + 1, now)
        self.alive.step(self.alive.now + 1, now)

    def _crash(self, task: Task, now: float) -> None:
        if self._is_live(task):
            self._serving.crash(task.number, now)
            self._remove(task, now)
            self._end(task, now)
            self.reconcile(now)

    def _stop(self, group: dict[int, Task], surplus: int, now: float) -> int:
        """Stops so many tasks of the group: those that are not up yet first, the newest of them first. How many it
        could not stop.
        """
        if surplus <= 0:
            return 0
        pending = [task for task in reversed(group.values()) if not task.is_up]
        victims = pending[:surplus]
        victims += self._chosen(group, surplus - len(victims), now)
        self._terminate(victims, now)
        return surplus - len(victims)

    def _chosen(self, group: dict[int, Task], most: int, now: float) -> list[Task]:
        if self._settings.victims is Victims.IDLE:
            return [group[number] for number in self._serving.workers.idle(now) if number in group][:most]
        up = [task for task in group.values() if task.is_up]
        return [up[at] for at in self._chance.permutation(len(up))[:most].tolist()]

    def _terminate(self, tasks: list[Task], now: float) -> None:
        """SIGTERM: each has until the time-out to finish what it works on."""
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

    def _kill(self, task: Task, now: float) -> None:
        self._serving.kill(task.number, now)
        self._end(task, now)

    def _end(self, task: Task, now: float) -> None:
        task.stopped_s = now
        self._serving.workers.end(task.number)
        if task.is_up:
            self.alive.step(self.alive.now - 1, now)

    def _is_live(self, task: Task) -> bool:
        return task.number in self._new or task.number in self._old

    def _remove(self, task: Task, now: float) -> None:
        """ECS counts it no more, although it may still be stopping."""
        self._new.pop(task.number, None)
        self._old.pop(task.number, None)
        if task.is_up:
            self.running.step(self.running.now - 1, now)
