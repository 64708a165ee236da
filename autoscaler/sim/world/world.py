"""SQS, ECS, CloudWatch and the workers in virtual time: everything that a policy can see, and all that it can do.

Law: the same workload, settings, seed and calls make the same world, bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from autoscaler.errors import Throttled, Unavailable
from autoscaler.sim.model import (
    MINUTE_S,
    Counts,
    Datapoint,
    Meter,
    Outcome,
    Tasks,
    Told,
    Workload,
    WorldSettings,
)
from autoscaler.sim.world.agenda import Agenda
from autoscaler.sim.world.cloudwatch import CloudWatch
from autoscaler.sim.world.faults import Faults
from autoscaler.sim.world.sampling import Sampling
from autoscaler.sim.world.service import Service
from autoscaler.sim.world.serving import Serving


class _Minutes(NamedTuple):
    """Since 0, at a minute's end; `up_s`: seconds of all tasks that were up."""

    received: int = 0
    deleted: int = 0
    worked_s: float = 0.0
    up_s: float = 0.0


class World:
    """A `Surface`. Time moves by `advance` only."""

    def __init__(self, workload: Workload, settings: WorldSettings, seed: int) -> None:
        self._workload = workload
        self._settings = settings
        self._now = 0.0
        self._ended_s: float | None = None
        self._agenda = Agenda()
        self._faults = Faults(settings.faults)
        self._serving = Serving(workload, settings, seed)
        self._service = Service(settings, seed, self._agenda, self._serving, self._faults)
        self._cloudwatch = CloudWatch(workload, settings.metrics_late_s)
        self._sampling = Sampling(settings, seed)
        self._minute = _Minutes()
        self._told: list[Told] = []
        self._plan()

    @property
    def now(self) -> float:
        return self._now

    @property
    def has_ended(self) -> bool:
        """Whether the days are over and every message is deleted, or dead."""
        return self._ended_s is not None

    def counts(self) -> Counts:
        if self._faults.blind(self._now):
            raise Unavailable("SQS does not answer")
        return self._sampling.told(self._now, self._counted())

    def tasks(self) -> Tasks:
        self._refuse_if_throttled()
        return self._service.shown()

    def protected(self) -> int:
        self._refuse_if_throttled()
        return self._service.protected(self._now)

    def minutes(self, meter: Meter, most: int) -> Sequence[Datapoint]:
        return self._cloudwatch.minutes(meter, most, self._now)

    def scale_to(self, tasks: int) -> None:
        self._refuse_if_throttled()
        if tasks < 0:
            raise ValueError(f"{tasks} tasks cannot be desired")
        self._service.scale_to(tasks, self._now)

    def tell(self, sentence: str) -> None:
        self._told.append(Told(self._now, sentence))

    def advance(self, to: float) -> None:
        """Everything that happens until `to` happens. Stops earlier where the run ends earlier."""
        while self._ended_s is None:
            until = min(self._agenda.next_s, to)
            self._serving.stretch = self._faults.stretch(self._now, self._service.running.now)
            self._serving.serve(until)
            if self._ends(until):
                return
            self._now = until
            self._agenda.run(until)
            if until >= to:
                return

    def outcome(self) -> Outcome:
        """What has become of it until now."""
        ended_s = self._now
        return Outcome(
            received_s=self._serving.queue.received_s,
            lives=self._service.lives(ended_s),
            lost_work_s=self._serving.lost_s,
            redelivered=self._serving.queue.redelivered,
            dead_letters=self._serving.queue.dead_letters,
            desired=tuple(self._service.desired.steps),
            running=tuple(self._service.running.steps),
            ended_s=ended_s,
            told=tuple(self._told),
        )

    def _refuse_if_throttled(self) -> None:
        if self._faults.throttled(self._now):
            raise Throttled("ECS asks for fewer calls: rate exceeded")

    def _plan(self) -> None:
        """Puts down what will happen whatever the policy does."""
        agenda, faults, serving = self._agenda, self._faults, self._serving
        agenda.add(MINUTE_S, self._close_minute)
        for at in faults.pace_changes_s:
            agenda.add(at, lambda _: None)  # what is begun after it takes another time than what was before
        for start_s, end_s in faults.breakdowns:
            agenda.add(start_s, partial(serving.break_down, end_s))
            agenda.add(end_s, serving.mend)
        for at in faults.rollouts_s:
            agenda.add(at, self._service.deploy)
        for at in faults.shortages_end_s:
            agenda.add(at, self._service.reconcile)
        if self._settings.count_late_s > 0:
            agenda.add(0.0, self._sample)

    def _ends(self, until: float) -> bool:
        """Whether the run is over by `until`; it then stands at its end."""
        length_s, serving = self._workload.length_s, self._serving
        if until < length_s or not serving.queue.is_exhausted or serving.last_end_s > until:
            return False
        self._now = self._ended_s = max(self._now, length_s, serving.last_end_s, serving.queue.died_s)
        return True

    def _counted(self) -> Counts:
        return Counts(self._serving.queue.visible(self._now), self._serving.in_flight(self._now))

    def _sample(self, now: float) -> None:
        self._sampling.keep(now, self._counted())
        self._agenda.add(now + self._sampling.every_s, self._sample)

    def _close_minute(self, now: float) -> None:
        self._agenda.add(now + MINUTE_S, self._close_minute)
        serving, was = self._serving, self._minute
        self._minute = ends = _Minutes(
            serving.queue.receives,
            serving.deleted(now),
            serving.worked_until(now),
            self._service.alive.area(now),
        )
        up_s = ends.up_s - was.up_s
        there_s = up_s * self._settings.task_concurrency  # of slots
        self._cloudwatch.put(
            {
                Meter.RECEIVED: float(ends.received - was.received),
                Meter.DELETED: float(ends.deleted - was.deleted),
                Meter.OLDEST_AGE_S: serving.oldest_age_s(now),
                Meter.VISIBLE: float(serving.queue.visible(now)),
                Meter.CPU_PERCENT: 100 * (ends.worked_s - was.worked_s) / there_s if there_s else None,
                Meter.RUNNING: float(self._service.running.now),
                Meter.LIVE: up_s / MINUTE_S,
            }
        )
