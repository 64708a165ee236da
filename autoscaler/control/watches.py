"""All that is read about one service in the background, and what follows its tasks. It never delays a poll."""

from __future__ import annotations

from dataclasses import replace

from autoscaler.config import ServiceConfig
from autoscaler.control.definitions import PriceWatch, RevisionWatch, StopWatch, reads_definitions
from autoscaler.control.diagnosing import DiagnosisWatch
from autoscaler.control.following import StartFollower
from autoscaler.control.starts import StartWatch
from autoscaler.core.model import Fleet, Instant, StopTimeout
from autoscaler.core.policy import Policy
from autoscaler.ports import Poll, Ports, ServiceRef, StartedAfter


class Watches:
    """The watches of one service. `starts`: the start-up times that ECS recorded."""

    def __init__(self, service: ServiceRef) -> None:
        self._service = service
        self._stops = StopWatch(service)
        self._prices = PriceWatch(service)
        self._revisions = RevisionWatch(service)
        self.starts = StartWatch(service)
        self._diagnoses = DiagnosisWatch(service)
        self._follower = StartFollower()
        self._started: tuple[StartedAfter, ...] = ()

    def reset(self) -> None:
        """Forget the tasks: the service was deleted and created again."""
        self.starts = StartWatch(self._service, self.starts.dropped)
        self._diagnoses, self._follower = DiagnosisWatch(self._service), StartFollower()

    async def follow(self, fleet: Fleet, ports: Ports) -> None:
        """See the counts of a poll: which requested tasks run, and whether a diagnosis is needed. Call it once a
        poll.
        """
        self._started, is_late = self._follower.see(fleet, ports.clock())
        await self._diagnoses.check(fleet, ports, unstarted=is_late)

    async def check(self, service: ServiceConfig, policy: Policy, fleet: Fleet, ports: Ports) -> None:
        """Start the reads that are due."""
        await self._stops.check(policy, fleet, ports)
        await self._prices.check(service.task_price, fleet, ports)
        await self.starts.check(fleet, ports)
        if reads_definitions(policy, service.task_price):
            await self._revisions.check(fleet, ports)

    def known(self, fleet: Fleet) -> Fleet:
        """Return the counts with the reason why tasks do not start."""
        failure = self._diagnoses.failure
        return fleet if failure == fleet.failure else replace(fleet, failure=failure)

    def shortest_stop(self, fleet: Fleet) -> StopTimeout | None:
        """Return the shortest stopTimeout of the service's task definitions that were read (None: not one was read)."""
        return self._stops.shortest(fleet)

    def wrote(self, decided: Instant, fleet: Fleet, target: int) -> None:
        """Follow an accepted change, which was decided at `decided` for the counts in `fleet`."""
        self._follower.wrote(decided, fleet, target)

    def onto(self, poll: Poll, fleet: Fleet, task_price: float | None) -> Poll:
        """Return the poll with what is known. Call it once a poll."""
        return replace(
            poll,
            price=self._prices.of(task_price, fleet),
            starts=self.starts.report,
            diagnosis=self._diagnoses.summary,
            started=self._started,
            causes=self._diagnoses.take_causes(),
            revisions=self._revisions.of(fleet),
        )
