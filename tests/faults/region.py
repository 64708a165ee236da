"""The truth of the simulated Region: every service with its queues, tags and past, and what AWS shows of it.

Only three things outlive a crash of the daemon: this Region, its CloudWatch minutes, and the settings file. What AWS
shows differs from the truth by the faults in force (`plan.py`); the errors of calls are in `ports.py` and
`exchange.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from autoscaler.core.model import Deployment, Fleet, PastCounts, PastMinute, Revision
from autoscaler.ports import QueueMinute
from tests.fakeaws.world.queues import FakeCounts
from tests.fakeaws.world.services import FakeService
from tests.faults.drawing import CLUSTER, TAGGED_CLUSTER, DrawnRun, ServiceSpec
from tests.faults.plan import DrawnFault
from tests.faults.workload import TrueQueue, TrueService

PUBLISHED_S = 60.0
"""Seconds after its end at which a minute can be read from CloudWatch."""

STALE = {"fleet_settling", "fleet_stale"}
EMPTY = {"queue_zero", "queue_contradicts", "blackout"}


@dataclass(slots=True)
class CloudService:
    """One service in the Region. `desired_steps`: its desired counts with their times, oldest first."""

    spec: ServiceSpec
    truth: TrueService
    tags: dict[str, str]
    created: float
    desired_steps: list[tuple[float, int]]

    def desired_at(self, then: float) -> int:
        return next((tasks for at, tasks in reversed(self.desired_steps) if at <= then), self.desired_steps[0][1])

    def changed_at(self, then: float) -> float:
        """Return when the count that was in force then was set: ECS updates the deployment at that time."""
        return next((at for at, _ in reversed(self.desired_steps) if at <= then), self.created)


@dataclass(slots=True)
class CloudRegion:
    """The services by their keys and the queues by their names. Times are those of the event loop."""

    services: dict[str, CloudService] = field(default_factory=dict)
    queues: dict[str, tuple[TrueService, TrueQueue]] = field(default_factory=dict)
    version: int = 0

    def scale(self, key: str, desired: int, now: float) -> None:
        """Set the desired count, as UpdateService and other writers do."""
        service = self.services[key]
        service.truth.scale(desired, now)
        service.desired_steps.append((now, desired))
        self.version += 1

    def replace(self, key: str, desired: int, now: float) -> None:
        """Create the service again: a new service of the same name, with the same queues."""
        service = self.services[key]
        service.truth.settle(now)
        old = service.truth.fleet
        service.truth.fleet = _fleet(service.spec, old.number, now, old.rng, desired)
        service.truth.exists = True
        service.created = now
        service.desired_steps.append((now, desired))
        self.version += 1

    def counts(self, name: str, now: float, faults: list[DrawnFault]) -> FakeCounts:
        """Return the counts that SQS shows."""
        service, queue = self.queues[name]
        service.settle(now)
        shown = queue.true_counts()
        for fault in faults:
            if fault.kind in EMPTY:
                shown = FakeCounts(0, 0, 0)
            elif fault.kind == "queue_stale" or (fault.kind == "queue_reordered" and int(now) % 2):
                shown = queue.true_counts(fault.number)
            elif fault.kind == "queue_huge":
                shown = FakeCounts(int(10.0**fault.number), int(10.0 ** (fault.number - 1)), 0)
        return shown

    def fleet(self, key: str, now: float, faults: list[DrawnFault]) -> Fleet:
        """Return the service as ECS shows it."""
        service = self.services[key]
        service.truth.settle(now)
        fleet = service.truth.fleet
        running, pending, desired, shown_at = fleet.running(now), fleet.pending(now), fleet.desired, now
        for fault in faults:
            if fault.kind in STALE and now - fault.number >= service.created:
                desired, running = service.desired_at(now - fault.number), fleet.running_at(now - fault.number)
                pending, shown_at = max(0, desired - running), now - fault.number
        return Fleet(
            desired,
            running,
            pending,
            now,
            deployment=None if fleet.rollout is None else Deployment(fleet.rollout.began),
            pause_tag=service.tags.get("autoscaler:paused"),
            identity=f"{key}@{service.created:.3f}",
            revision=self.revision(key, shown_at),
        )

    def revision(self, key: str, then: float) -> Revision:
        """Return how new the state of that time is: a change of the count updates the deployment."""
        service = self.services[key]
        return Revision(max(service.truth.fleet.deployed, service.created), service.changed_at(then))

    def protected(self, key: str, now: float) -> int:
        fleet = self.services[key].truth.fleet
        return sum(task.protected_until > now and task.starts_at <= now for task in fleet.tasks(now))

    def minute(self, name: str, now: float, faults: list[DrawnFault]) -> QueueMinute | None:
        """Return the newest published minute of the queue (None: there is none)."""
        service, queue = self.queues[name]
        service.settle(now)
        late_s = PUBLISHED_S + sum(60.0 * int(fault.number) for fault in faults if fault.kind == "minutes_late")
        number = int((now - late_s) // 60) - 1
        counts = queue.minutes.get(number)
        if counts is None:
            return None
        end = 60.0 * (number + 1)
        return QueueMinute(end, counts.received, counts.deleted, counts.oldest_age_s or None, None, counts.sent)

    def past(self, key: str, names: list[str], now: float) -> tuple[PastMinute, ...]:
        """Return the published minutes of the last hour, oldest first."""
        service = self.services[key].truth
        service.settle(now)
        newest = int((now - PUBLISHED_S) // 60) - 1
        found = []
        for number in range(newest - 59, newest + 1):
            minutes = {name: self.queues[name][1].minutes.get(number) for name in names}
            counts = {name: each for name, each in minutes.items() if each is not None}
            if not counts:
                continue
            tasks = service.fleet.ran_on_average(60.0 * number, 60.0 * (number + 1))
            past = {
                name: PastCounts(each.visible, each.in_flight, each.received, each.deleted, each.oldest_age_s or None)
                for name, each in counts.items()
            }
            found.append(PastMinute(60.0 * (number + 1), tasks, float(-int(-tasks // 1)) or None, past))
        return tuple(found)

    def receives(self, name: str) -> int:
        return self.queues[name][1].receives


def region_of(run: DrawnRun, began: float) -> CloudRegion:
    """Return the Region at the start of the run, in which every service has worked for a day."""
    region = CloudRegion()
    for number, spec in enumerate(run.services):
        rng = Random(f"service {run.seed} {spec.key}")
        phases = [(began + at, per_s) for at, per_s in spec.phases]
        queues = [TrueQueue(name, spec.processing_s, [(0.0, phases[0][1]), *phases]) for name in spec.queues]
        created = began - 86_400.0
        fleet = _fleet(spec, number, created, rng, spec.desired, spec.desired)
        truth = TrueService(fleet, queues, settled=began - 30.0)
        tags = spec.tags() if spec.tagged else {}
        region.services[spec.key] = CloudService(spec, truth, tags, created, [(created, spec.desired)])
        for queue in queues:
            region.queues[queue.name] = truth, queue
    return region


def _fleet(spec: ServiceSpec, number: int, created: float, rng: Random, desired: int, running: int = 0) -> FakeService:
    cluster = TAGGED_CLUSTER if spec.tagged else CLUSTER
    fleet = FakeService(number, cluster, spec.key, created, rng, starts_s=spec.starts_s)
    fleet.begin(desired, running, created)
    return fleet
