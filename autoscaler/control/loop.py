"""One service's loop: read once, think once, write once, and again after the interval.

The memory is the loop's own variable. It is brought up to date before the write, which may be cut short, and told of
the change only after ECS accepted it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from math import ceil

from autoscaler.config import Service
from autoscaler.core.engine import decide
from autoscaler.core.memory import Memory
from autoscaler.core.model import Decision, Fleet, Missing, Observation, QueueReading, Utilization, Verdict
from autoscaler.errors import AutoscalerError
from autoscaler.ports import Fleets, Journal, Meters, Queues, Tick

SETTLING_S = 5.0
"""For so long after a write ECS may still tell the count from before it: nobody says how soon it is consistent."""


@dataclass(frozen=True, slots=True)
class Ports:
    """What a loop is given of the world."""

    queues: Queues
    meters: Meters
    fleets: Fleets
    journal: Journal
    clock: Callable[[], float]


@dataclass(frozen=True, slots=True)
class _Write:
    """The last write: `accepted` is False while nobody knows whether ECS took it."""

    at: float
    before: int
    target: int
    accepted: bool


class ServiceLoop:
    """Keeps one service at its demand."""

    def __init__(self, service: Service, ports: Ports, interval_s: float, offset_s: float = 0.0) -> None:
        self._service = service
        self._ports = ports
        self._interval_s = interval_s
        self._offset_s = offset_s
        self._memory: Memory | None = None
        self._write: _Write | None = None

    async def run(self, stopping: asyncio.Event) -> None:
        """Ticks at whole multiples of the interval from the start until `stopping` is set.

        A tick that overruns makes the ones it covers fall out; they are not made up for.
        """
        due = self._ports.clock() + self._offset_s
        while not await _stopped(stopping, due - self._ports.clock()):
            started = self._ports.clock()
            tick = await self.tick()
            took_s = self._ports.clock() - started
            self._ports.journal.record(replace(tick, took_s=took_s, lag_s=max(0.0, started - due)))
            due += self._interval_s * max(1, ceil((self._ports.clock() - due) / self._interval_s))

    async def tick(self) -> Tick:
        """Reads, decides, and writes if there is something to change. The world's failures are in the answer."""
        service, policy = self._service.ref, self._service.policy
        fleet = await self._ports.fleets.read(service)
        if isinstance(fleet, Missing):
            return Tick(service, policy, None, self._memory or Memory(), None, fleet.kind, fleet.because)
        seen = await self._observe(fleet)
        memory = self._recall(seen)
        decision = decide(policy, memory, seen)
        self._memory = memory.remembering(policy, seen, decision)
        outcome, failure = await self._act(decision)
        return Tick(service, policy, seen, memory, decision, outcome, failure)

    async def _observe(self, fleet: Fleet) -> Observation:
        """`now` is taken last, so that no reading is younger than the decision made of it."""
        queues = [QueueReading(queue.name, await self._ports.queues.backlog(queue)) for queue in self._service.queues]
        cpu, memory = await self._utilization(fleet)
        now = _whole(self._ports.clock())
        return Observation(now, self._settled(fleet, now), tuple(queues), cpu, memory)

    async def _utilization(self, fleet: Fleet) -> tuple[Utilization | Missing | None, Utilization | Missing | None]:
        policy, meters, service = self._service.policy, self._ports.meters, self._service.ref
        if fleet.desired == 0:
            return None, None
        cpu = None if policy.cpu_target_percent is None else await meters.cpu(service)
        memory = None if policy.memory_target_percent is None else await meters.memory(service)
        return self._of_its_time(cpu), self._of_its_time(memory)

    def _of_its_time(self, reading: Utilization | Missing | None) -> Utilization | Missing | None:
        """With the tasks that ran when it was taken: a late 90 % must not be held against tasks it brought about."""
        if not isinstance(reading, Utilization) or self._memory is None:
            return reading
        return replace(reading, tasks=self._memory.running_at(reading.at))

    def _settled(self, fleet: Fleet, now: float) -> Fleet:
        """What ECS says, unless it still tells the count from before our last write."""
        write = self._write
        if write is None or not write.accepted or now - write.at >= SETTLING_S or fleet.desired != write.before:
            return fleet
        return replace(fleet, desired=write.target)

    def _recall(self, seen: Observation) -> Memory:
        """The memory so far; with a write whose answer was lost, if ECS turns out to have taken it."""
        memory = self._memory or Memory.starting(seen.fleet, seen.now)
        write = self._write
        if write is None or write.accepted or seen.fleet.desired != write.target:
            return memory
        self._write = replace(write, accepted=True)
        return memory.acknowledging(seen.now, write.target - write.before)

    async def _act(self, decision: Decision) -> tuple[str, str | None]:
        if decision.verdict is Verdict.HOLD:
            return "unchanged", None
        before, target = decision.current, decision.target
        try:
            accepted = await self._ports.fleets.scale_to(self._service.ref, target)
        except AutoscalerError as error:
            self._write = _Write(_whole(self._ports.clock()), before, target, accepted=False)
            return error.kind, str(error)
        if not accepted:
            return "shadow", None
        self._acknowledge(before, target)
        return "accepted", None

    def _acknowledge(self, before: int, target: int) -> None:
        now = _whole(self._ports.clock())
        self._write = _Write(now, before, target, accepted=True)
        if self._memory is not None:
            self._memory = self._memory.acknowledging(now, target - before)


def _whole(instant: float) -> float:
    """The next whole 64th of a second: differences of such instants are exact, and short when written down."""
    return ceil(instant * 64) / 64


async def _stopped(stopping: asyncio.Event, within_s: float) -> bool:
    """Whether stopping was set, at once or within that time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, within_s)):
            await stopping.wait()
    return stopping.is_set()
