"""Reads all inputs of one poll of one service into one observation.

Optional readings never block a decision: the CloudWatch minutes of the queues and the task protection are added if they
can be read. A denied read is reported as a notice.
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil

from autoscaler.config import ServiceConfig
from autoscaler.core.memory import Memory
from autoscaler.core.model import Fleet, Instant, Missing, Observation
from autoscaler.core.policy import Policy
from autoscaler.ports import Ports, QueueMinute
from autoscaler.sources import SOURCES
from autoscaler.sources.source import NOTICED_INTERVALS, PollContext, Reader, Readings

PROTECTION_S = 30.0
"""The maximum age of a protected-task count that may block a scale-in. A stored count never permits one."""


class Observer:
    """Reads the inputs of one service every `interval_s` seconds. `notices`: the optional readings that the newest
    observation does not have. `minutes`: the newest minute of each queue that could be read.
    """

    def __init__(self, service: ServiceConfig, ports: Ports, interval_s: float) -> None:
        self._service = service
        self._ports = ports
        self._noticed_s = NOTICED_INTERVALS * interval_s
        readers = ((source.name, source.reader(service)) for source in SOURCES)
        self._readers: dict[str, Reader] = {name: reader for name, reader in readers if reader is not None}
        self._metrics = [name for name, _ in service.metrics]
        self._protected: tuple[Instant, int] | None = None
        self.notices: list[Missing] = []
        self.minutes: dict[str, QueueMinute] = {}

    def following(self, service: ServiceConfig, ports: Ports, interval_s: float) -> Observer:
        """Return an observer for other settings. What the readers have stored stays as far as it still applies."""
        after = Observer(service, ports, interval_s)
        for name, reader in after._readers.items():
            if name in self._readers:
                reader.keep_from(self._readers[name])
        return after

    async def observe(self, fleet: Fleet, policy: Policy, memory: Memory | None, *, still: bool = False) -> Observation:
        """Read everything. `now` is read last, so that no reading is later than the decision.

        `still`: leave out the readings that cost money.
        """
        poll = PollContext(self._service, self._ports, fleet, policy, memory, still, self._noticed_s)
        found = Readings()
        for reader in self._readers.values():
            await reader.read(poll, found)
        now = whole(self._ports.clock())
        for reader in self._readers.values():
            reader.complete(now, poll, found)
        self.notices, self.minutes = found.notices, found.minutes
        found.metrics.sort(key=lambda reading: self._metrics.index(reading.name))
        return Observation(
            now,
            fleet,
            tuple(found.queues),
            found.cpu,
            found.memory,
            metrics=tuple(found.metrics),
            flow=found.flow,
            unseen=found.unseen,
        )

    async def with_protection(self, seen: Observation) -> Observation:
        """Return the observation with the number of protected tasks: all tasks if it cannot be read."""
        protected = await self._ports.fleets.protected(self._service.ref)
        if isinstance(protected, Missing):
            self.notices.append(replace(protected, reason=f"no scale-in: {protected.reason}"))
            protected = seen.fleet.desired
        else:
            self._protected = (seen.now, protected)
        return replace(seen, fleet=replace(seen.fleet, protected=protected))

    def with_known_protection(self, seen: Observation) -> Observation | None:
        """Return the observation with the stored number of protected tasks (None: it is older than `PROTECTION_S`)."""
        if self._protected is None or seen.now - self._protected[0] >= PROTECTION_S:
            return None
        return replace(seen, fleet=replace(seen.fleet, protected=self._protected[1]))


def whole(instant: Instant) -> Instant:
    """Round up to a 64th of a second: differences of such instants are exact and print short."""
    return ceil(instant * 64) / 64
