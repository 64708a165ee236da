"""The counts of one service: read as often as the rate limits allow, and always again before a change.

Between two readings, the last reading and the daemon's writes since then are used. A service that is changing (a write
by the daemon, tasks that start or stop, a deployment, a problem) is read at every poll; any other service is read at
the interval of the read budget. While reads are throttled, the last reading is used for a limited time, but no change
is based on it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from autoscaler.core.model import Fleet, Instant, Missing
from autoscaler.errors import Throttled
from autoscaler.ports import FleetPort, ServiceRef, Urgency

SETTLING_S = 5.0
"""Seconds after a write in which ECS may still return the count from before it: AWS documents no limit."""

FRESH_S = 5.0
"""The maximum age of a reading for a change: a poll may take long, and an operator may set a pause in that time."""

MOVING_S = 60.0
"""Seconds after a write by the daemon during which the service counts as changing, regardless of the counts of ECS."""

TRUSTED_S = 600.0
"""The maximum age of a reading that is used while reads are throttled."""


@dataclass(frozen=True, slots=True)
class LastWrite:
    """The last write. `accepted` False: it is not known whether ECS accepted it."""

    at: Instant
    before: int
    target: int
    accepted: bool


class FleetWatch:
    """The readings and the last write of one service."""

    def __init__(self, service: ServiceRef, clock: Callable[[], Instant]) -> None:
        self._service = service
        self._clock = clock
        self._known: Fleet | None = None
        self.write: LastWrite | None = None
        self.is_cached = False
        """Whether the last read was throttled and returned the reading before it."""

    async def read(self, fleets: FleetPort, every_s: Callable[[], float]) -> Fleet | Missing:
        """Return the last reading, read again if one is due. `every_s`: seconds between reads while nothing changes."""
        known, self.is_cached = self._known, False
        if known is not None and not self._is_due(known, every_s):
            return known
        fleet = await self.read_now(fleets, Urgency.ROUTINE)
        if known is None or not isinstance(fleet, Missing) or fleet.kind != Throttled.kind:
            return fleet
        self.is_cached = self._clock() - known.at < TRUSTED_S
        return known if self.is_cached else fleet

    async def read_now(self, fleets: FleetPort, urgency: Urgency) -> Fleet | Missing:
        """Read from ECS now. An error other than throttling deletes the last reading."""
        fleet = await fleets.read(self._service, urgency)
        if not isinstance(fleet, Missing):
            self._known = fleet
        elif fleet.kind != Throttled.kind:
            self._known = None
        return fleet

    def forget_write(self) -> None:
        """Delete the last write: it was to another service of the same name."""
        self.write = None

    @property
    def is_fresh(self) -> bool:
        """Whether the last reading is recent enough for a change."""
        return self._known is not None and self._clock() - self._known.at < FRESH_S

    def settled(self, fleet: Fleet, now: Instant) -> Fleet:
        """Return the reading; with the target of the daemon's last write if it still shows the count from before that
        write.
        """
        write = self.write
        if write is None or not write.accepted or fleet.desired != write.before:
            return fleet
        if fleet.at > write.at and now - write.at >= SETTLING_S:
            return fleet
        return replace(fleet, desired=write.target)

    def late_acceptance(self, desired: int) -> LastWrite | None:
        """Return the write whose result is unknown if `desired` shows that ECS accepted it, otherwise None. It is
        returned only once.
        """
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
    """Whether tasks start or stop, a deployment is in progress, or ECS reports a problem."""
    counts_differ = fleet.running != fleet.desired or fleet.pending > 0
    return counts_differ or fleet.deployment is not None or fleet.trouble is not None
