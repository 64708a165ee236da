"""A service without a queue in virtual time: its load keeps tasks busy, and CloudWatch publishes their mean CPU.

The load is a number of tasks' worth of CPU, whatever the number of tasks that run. `n` tasks that serve a load of `L`
use `min(L, n)` tasks' worth, so a utilization of 100 % is only a lower bound of the load.

Invariant: the same load, settings, seed and calls give the same world, bit for bit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import inf

from autoscaler.errors import Throttled
from autoscaler.sim.chance import stream
from autoscaler.sim.model import (
    MINUTE_S,
    Datapoint,
    Floats,
    LoggedReason,
    Meter,
    QueueCounts,
    TaskLife,
    Tasks,
    Victims,
    WorldSettings,
)
from autoscaler.sim.world.faults import FaultPlan
from autoscaler.sim.world.service import SimulatedService
from autoscaler.sim.world.serving import Agenda

SHORT_S = 20.0
"""The period of high-resolution CPU metrics. A minute is the mean of three."""

SHORT_LATE_S = 20.0
"""Seconds from the end of a high-resolution period until its datapoint can be read, as in target tracking on it."""


@dataclass(frozen=True, slots=True, eq=False)
class TaskLoad:
    """A load in tasks' worth of CPU: `tasks[k]` in the seconds from k x `interval_s` on."""

    name: str
    interval_s: float
    tasks: Floats

    @property
    def length_s(self) -> float:
        return len(self.tasks) * self.interval_s

    def at(self, instant: float) -> float:
        """Return the load at an instant; the last one after the end."""
        return float(self.tasks[min(int(instant // self.interval_s), len(self.tasks) - 1)])


@dataclass(frozen=True, slots=True)
class CpuSettings:
    """How tasks use their CPU, and how it is measured. `world`: the launches, faults and lateness of CloudWatch.

    `noise_ratio`: relative standard deviation of a minute's datapoint. `busy_start_s`: seconds from its start in which
    a running task uses all of its CPU for itself, as a runtime that compiles its code, and serves nothing.
    """

    world: WorldSettings = field(default_factory=lambda: WorldSettings(victims=Victims.RANDOM))
    noise_ratio: float = 0.0
    busy_start_s: float = 0.0


@dataclass(frozen=True, slots=True)
class UtilizationOutcome:
    """What happened. `above_s`: seconds with more load than the target permits on the running tasks; `saturated_s`:
    with at least as much load as tasks; `unserved_s`: the tasks' worth of CPU, times seconds, that was not served.
    `ideal_s`: task-seconds of the fewest whole tasks, at least one, that keep the target.
    """

    lives: tuple[TaskLife, ...]
    desired: tuple[tuple[float, int], ...]
    running: tuple[tuple[float, int], ...]
    ended_s: float
    above_s: float
    saturated_s: float
    unserved_s: float
    ideal_s: float
    reasons: tuple[LoggedReason, ...] = ()


@dataclass(slots=True)
class _Period:
    """Sums over the present period of 20 s: CPU that was used, and running tasks, times seconds."""

    used_s: float = 0.0
    running_s: float = 0.0


class UtilizationWorld:
    """A `Surface` without a queue. Time advances only by `advance`. `target_percent`: the target of the score."""

    def __init__(self, load: TaskLoad, settings: CpuSettings, target_percent: float, seed: int) -> None:
        self._load = load
        self._settings = settings
        self._target = target_percent / 100
        self._now = 0.0
        self._agenda = Agenda()
        self._faults = FaultPlan(settings.world.faults)
        self._service = SimulatedService(settings.world, seed, self._agenda, _NoQueue(), self._faults)
        self._rng = stream(seed, "cpu")
        self._period = _Period()
        self._short: list[_Period] = []
        self._percents: list[float | None] = []
        self._minutes: dict[Meter, list[float | None]] = {Meter.CPU_PERCENT: [], Meter.RUNNING: [], Meter.LIVE: []}
        self._starting: deque[tuple[float, int]] = deque()
        self._known_running = self._service.running.now
        self._above_s = self._saturated_s = self._unserved_s = self._ideal_s = 0.0
        self._reasons: list[LoggedReason] = []
        self._schedule()

    @property
    def now(self) -> float:
        return self._now

    @property
    def has_ended(self) -> bool:
        return self._now >= self._load.length_s

    def counts(self) -> QueueCounts:
        """Return an empty queue: the service has none."""
        return QueueCounts(0, 0)

    def tasks(self) -> Tasks:
        self._refuse_if_throttled()
        return self._service.counts()

    def protected(self) -> int:
        return 0

    def minutes(self, meter: Meter, most: int) -> Sequence[Datapoint]:
        values = self._minutes.get(meter, [])
        return _published(values, most, MINUTE_S, self._now - self._settings.world.metrics_late_s)

    def short_periods(self, most: int) -> list[tuple[float | None, float]]:
        """Return the newest periods of 20 s, oldest first: CPU in percent, and the mean number of running tasks."""
        percents = _published(self._percents, most, SHORT_S, self._now - SHORT_LATE_S)
        return [(value, self._short[round(at / SHORT_S) - 1].running_s / SHORT_S) for at, value in percents]

    def scale_to(self, tasks: int) -> None:
        self._refuse_if_throttled()
        if tasks < 0:
            raise ValueError(f"{tasks} tasks cannot be desired")
        self._service.scale_to(tasks, self._now)
        self._note_starts()

    def log(self, sentence: str) -> None:
        self._reasons.append(LoggedReason(self._now, sentence))

    def advance(self, to: float) -> None:
        """Advance the world to `to`, or to the end of the load if that is earlier."""
        to = min(to, self._load.length_s)
        while self._now < to:
            until = min(self._agenda.next_s, to)
            self._spend(until)
            self._now = until
            self._agenda.run(until)
            self._note_starts()

    def outcome(self) -> UtilizationOutcome:
        """Return the outcome until now."""
        return UtilizationOutcome(
            self._service.lives(self._now),
            tuple(self._service.desired.steps),
            tuple(self._service.running.steps),
            self._now,
            self._above_s,
            self._saturated_s,
            self._unserved_s,
            self._ideal_s,
            tuple(self._reasons),
        )

    def _refuse_if_throttled(self) -> None:
        if self._faults.throttled(self._now):
            raise Throttled("ECS throttled the call: rate exceeded")

    def _schedule(self) -> None:
        """Schedule the periods, the steps of the load, and the faults that this world has."""
        agenda, faults = self._agenda, self._faults
        agenda.add(SHORT_S, self._close_period)
        agenda.add(self._load.interval_s, self._change_load)
        for at in faults.rollouts_s:
            agenda.add(at, self._service.deploy)
        for change in faults.manual_changes:
            agenda.add(change.start_s, _scaling(self._service, change.tasks))
        for at in faults.shortages_end_s:
            agenda.add(at, self._service.reconcile)

    def _change_load(self, now: float) -> None:
        """End the present span, in which the load is constant."""
        if now < self._load.length_s:
            self._agenda.add(now + self._load.interval_s, self._change_load)

    def _note_starts(self) -> None:
        """Note the tasks that have come up, and forget those whose busy start is over."""
        running, busy_s = self._service.running.now, self._settings.busy_start_s
        while self._starting and self._starting[0][0] <= self._now:
            self._starting.popleft()
        if running > self._known_running and busy_s:
            self._starting.append((self._now + busy_s, running - self._known_running))
            self._agenda.add(self._now + busy_s, lambda _: None)
        self._known_running = running

    def _spend(self, until: float) -> None:
        """Use CPU until then, with the present load and tasks."""
        for_s, load, running = until - self._now, self._load.at(self._now), self._service.running.now
        starting = min(running, sum(tasks for _, tasks in self._starting))
        served = min(load, running - starting)
        self._period.used_s += (served + starting) * for_s
        self._period.running_s += running * for_s
        self._above_s += for_s * (load > self._target * (running - starting) + 1e-9)
        self._saturated_s += for_s * (load > 0 and load >= running - starting)
        self._unserved_s += for_s * (load - served)
        self._ideal_s += for_s * max(1, _whole(load / self._target))

    def _close_period(self, now: float) -> None:
        self._agenda.add(now + SHORT_S, self._close_period)
        period, self._period = self._period, _Period()
        ratio = 1.0 + self._settings.noise_ratio * 3**0.5 * float(self._rng.standard_normal())
        percent = 100 * period.used_s / period.running_s if period.running_s else None
        self._short.append(period)
        self._percents.append(None if percent is None else min(100.0, max(0.0, percent * ratio)))
        if len(self._short) % 3 == 0:
            self._close_minute()

    def _close_minute(self) -> None:
        newest = list(zip(self._short[-3:], self._percents[-3:], strict=True))
        running_s = sum(period.running_s for period, _ in newest)
        used = sum(period.running_s * (percent or 0.0) for period, percent in newest)
        self._minutes[Meter.CPU_PERCENT].append(used / running_s if running_s else None)
        self._minutes[Meter.RUNNING].append(float(self._service.running.now))
        self._minutes[Meter.LIVE].append(running_s / MINUTE_S)


def _published(values: Sequence[float | None], most: int, period_s: float, until: float) -> list[Datapoint]:
    """Return the newest `most` datapoints of periods that ended at `until` or before, oldest first."""
    last = min(max(0, int(until // period_s)), len(values))
    return [Datapoint((at + 1) * period_s, values[at]) for at in range(max(0, last - most), last)]


def _scaling(service: SimulatedService, tasks: int) -> Callable[[float], None]:
    return lambda now: service.scale_to(tasks, now)


def _whole(tasks: float) -> int:
    return -int(-(tasks - 1e-9) // 1)


class _NoQueue:
    """What ECS needs from the workers of a queue: these have no messages, and stop at once."""

    @property
    def workers(self) -> _NoQueue:
        return self

    def join(self, task: int, up_s: float) -> None: ...

    def end(self, task: int) -> None: ...

    def crash(self, task: int, now: float) -> None: ...

    def kill(self, task: int, now: float) -> None: ...

    def idle(self, now: float) -> list[int]:
        return []

    def sigterm(self, tasks: Iterable[int], now: float) -> dict[int, float]:
        return dict.fromkeys(tasks, -inf)
