"""What is known of one service's count: read as often as AWS's rates allow, and always anew before it is changed.

Between two readings what ECS last said and what we wrote since suffice. A service that is on the move (a change of
ours, tasks that come or go, a deployment, trouble) is read at every look; one that stands still takes its turn in the
rounds of all. Where AWS lets nobody read, what was read last is believed for a while, but nothing is changed on it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from autoscaler.core.model import Fleet, Instant, Missing
from autoscaler.errors import Throttled
from autoscaler.ports import Fleets, ServiceRef, Urgency

SETTLING_S = 5.0
"""For so long after a write ECS may still tell the count from before it: nobody says how soon it is consistent."""

FRESH_S = 5.0
"""A change rests on no older reading: a look may take long where queues do not answer, and pauses are set meanwhile."""

MOVING_S = 60.0
"""For so long after a write of ours the service is on the move, whatever it shows."""

BELIEVED_S = 600.0
"""What was read before is no longer believed, however long nobody may read."""


@dataclass(frozen=True, slots=True)
class Write:
    """The last write: `accepted` is False while nobody knows whether ECS took it."""

    at: Instant
    before: int
    target: int
    accepted: bool


class FleetWatch:
    """One service's."""

    def __init__(self, service: ServiceRef, clock: Callable[[], Instant]) -> None:
        self._service = service
        self._clock = clock
        self._known: Fleet | None = None
        self.write: Write | None = None
        self.is_believed = False
        """Whether the last look was throttled, and what was read before it was returned instead."""

    async def look(self, fleets: Fleets, every_s: Callable[[], float]) -> Fleet | Missing:
        """What is known: read, if it is time to. `every_s` says how often that is while the service stands still."""
        known, self.is_believed = self._known, False
        if known is not None and not self._is_due(known, every_s):
            return known
        fleet = await self.read(fleets, Urgency.ROUTINE)
        if known is None or not isinstance(fleet, Missing) or fleet.kind != Throttled.kind:
            return fleet
        self.is_believed = self._clock() - known.at < BELIEVED_S
        return known if self.is_believed else fleet

    async def read(self, fleets: Fleets, urgency: Urgency) -> Fleet | Missing:
        """What ECS says now. A service that is not there, or never can be scaled, is not known any more."""
        fleet = await fleets.read(self._service, urgency)
        if not isinstance(fleet, Missing):
            self._known = fleet
        elif fleet.kind != Throttled.kind:
            self._known = None
        return fleet

    def forget_write(self) -> None:
        """The last write was to another service of the same name."""
        self.write = None

    @property
    def is_fresh(self) -> bool:
        """Whether a change may rest on what was read last."""
        return self._known is not None and self._clock() - self._known.at < FRESH_S

    def settled(self, fleet: Fleet, now: Instant) -> Fleet:
        """What ECS says, unless that is from before our last write, or still tells the count from before it."""
        write = self.write
        if write is None or not write.accepted or fleet.desired != write.before:
            return fleet
        if fleet.at > write.at and now - write.at >= SETTLING_S:
            return fleet
        return replace(fleet, desired=write.target)

    def took_after_all(self, desired: int) -> Write | None:
        """The write whose answer was lost, if ECS turns out to have taken it: told once."""
        write = self.write
        if write is None or write.accepted or desired != write.target:
            return None
        self.write = replace(write, accepted=True)
        return self.write

    def _is_due(self, known: Fleet, every_s: Callable[[], float]) -> bool:
        now, write = self._clock(), self.write
        if write is not None and (not write.accepted or now - write.at < MOVING_S):
            return True
        return is_moving(known) or now - known.at >= every_s()


def is_moving(fleet: Fleet) -> bool:
    """Whether ECS is not done with it: tasks come or go, a deployment runs, or it complains."""
    counts_differ = fleet.running != fleet.desired or fleet.pending > 0
    return counts_differ or fleet.deployment is not None or fleet.trouble is not None
