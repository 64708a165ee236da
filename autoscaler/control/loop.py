"""One service's loop: read once, think once, write once, and again after the interval.

The memory is the loop's own variable. It is brought up to date before the write, which may be cut short, and told of
the change only after ECS accepted it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from math import ceil

from autoscaler.config import Service
from autoscaler.control.admission import Admission
from autoscaler.control.lookahead import LookAhead
from autoscaler.control.observing import Observer, Ports, whole
from autoscaler.control.pausing import TagWatch
from autoscaler.control.rivalry import RivalWatch
from autoscaler.control.schedule import Timetable
from autoscaler.core.engine import decide
from autoscaler.core.estimate import Estimator
from autoscaler.core.memory import Memory
from autoscaler.core.model import Decision, Fleet, Missing, Observation, Verdict
from autoscaler.core.policy import Policy, Workers
from autoscaler.core.promise import at_risk
from autoscaler.errors import AutoscalerError, ClockSkewed, Denied, NotFound, Refused, Throttled
from autoscaler.ports import Tick, Urgency

__all__ = ["NOTHING_DONE", "SETTLING_S", "Ports", "ServiceLoop"]

SETTLING_S = 5.0
"""For so long after a write ECS may still tell the count from before it: nobody says how soon it is consistent."""

NOTHING_DONE = (Throttled, Denied, NotFound, Refused, ClockSkewed)
"""After these the count is certainly what it was; after any other error nobody knows."""


@dataclass(frozen=True, slots=True)
class _Write:
    """The last write: `accepted` is False while nobody knows whether ECS took it."""

    at: float
    before: int
    target: int
    accepted: bool


class ServiceLoop:
    """Keeps one service at its demand. `admission` is shared with the loops of the other services (None: no others)."""

    def __init__(
        self,
        service: Service,
        ports: Ports,
        interval_s: float,
        offset_s: float = 0.0,
        admission: Admission | None = None,
    ) -> None:
        self._service = service
        self._ports = ports
        self._admission = admission or Admission([service.ref.key], ports.clock)
        self._interval_s = interval_s
        self._offset_s = offset_s
        self._observer = Observer(service, ports)
        self._timetable = Timetable(service.policy, service.schedules)
        self._tags = TagWatch()
        self._tag: str | None = None
        self._rivals = RivalWatch(service.ref, ports.fleets)
        self._memory: Memory | None = None
        self._estimator: Estimator | None = None
        self._ahead: LookAhead | None = None
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
        fleet = await self._ports.fleets.read(self._service.ref)
        if isinstance(fleet, Missing):
            return self._unread(fleet)
        policy, wrong_tag = self._in_force(fleet.pause_tag)
        await self._rivals.look(self._ports.clock())
        seen = await self._observer.observe(fleet, policy, self._memory)
        seen = await self._learned(policy, replace(seen, fleet=self._settled(fleet, seen.now)))
        memory = self._recall(seen)
        seen, decision = await self._decide(policy, memory, seen)
        decision = self._admitted(policy, decision)
        self._memory = memory.remembering(policy, seen, decision)
        outcome, failure = await self._act(decision)
        notices = (
            *wrong_tag,
            *self._rivals.notices(),
            *self._observer.notices,
            *self._unforeseen(),
            *_at_risk(policy, seen, decision),
        )
        return Tick(self._service.ref, policy, seen, memory, decision, outcome, failure, notices=notices)

    def _unread(self, gap: Missing) -> Tick:
        """There is nothing to decide on. The pause goes on: a tag that could not be read is not an absent one."""
        if gap.kind == NotFound.kind:
            self._admission.absent(self._service.ref.key)
        policy, wrong_tag = self._in_force(self._tag)
        memory = self._memory or Memory()
        return Tick(self._service.ref, policy, None, memory, None, gap.kind, gap.because, notices=wrong_tag)

    def _in_force(self, tag: str | None) -> tuple[Policy, tuple[Missing, ...]]:
        """The policy with the schedule's bounds and the tag's pause, and what is wrong with the tag."""
        wall, self._tag = self._ports.wall(), tag
        policy = self._timetable.policy_at(wall)
        paused, wrong = self._tags.look(tag, wall)
        return policy if paused is None else replace(policy, paused=paused), () if wrong is None else (wrong,)

    async def _learned(self, policy: Policy, seen: Observation) -> Observation:
        """The observation with what it and the earlier ones have taught, and what the past says of what will come."""
        if not policy.queues:
            return seen
        if self._estimator is None:
            self._estimator = Estimator(policy, seen, self._interval_s)
            self._look_back(policy)
        if self._ahead is None:
            return replace(seen, knowledge=self._estimator.see(policy, seen))
        self._ahead.see(self._observer.minutes)
        ahead = self._ahead.ahead() if self._estimator.must_foresee(policy) else None
        return replace(seen, knowledge=self._estimator.see(policy, seen, ahead))

    def _look_back(self, policy: Policy) -> None:
        ports, service = self._ports, self._service
        if ports.history is None or ports.aside is None or not policy.look_ahead or not service.queue_minutes:
            return
        self._ahead = LookAhead(service.queues, ports.history, ports.aside, ports.clock, ports.wall)
        ports.aside.begin(self._ahead.begin())

    def _settled(self, fleet: Fleet, now: float) -> Fleet:
        """What ECS says, unless it still tells the count from before our last write."""
        write = self._write
        if write is None or not write.accepted or now - write.at >= SETTLING_S or fleet.desired != write.before:
            return fleet
        return replace(fleet, desired=write.target)

    def _recall(self, seen: Observation) -> Memory:
        """The memory so far; with a write whose answer was lost, if ECS turns out to have taken it."""
        self._admission.saw(self._service.ref.key, seen.fleet.desired)
        memory = self._memory or Memory.begun(seen.fleet, seen.now)
        write = self._write
        if write is None or write.accepted or seen.fleet.desired != write.target:
            return memory
        self._write = replace(write, accepted=True)
        return memory.acknowledging(seen.now, write.target - write.before)

    async def _decide(self, policy: Policy, memory: Memory, seen: Observation) -> tuple[Observation, Decision]:
        """Where tasks protect themselves, a scale-in is decided again with how many do. What was read of that a
        moment ago may hold it back without being read again: polling would burn the account's rate of task reads.
        """
        decision = decide(policy, memory, seen)
        if policy.workers is not Workers.SELF_PROTECTING or decision.verdict is not Verdict.SCALE_IN:
            return seen, decision
        known = self._observer.with_known_protection(seen)
        if known is not None:
            held = decide(policy, memory, known)
            if held.verdict is not Verdict.SCALE_IN:
                return known, held
        seen = await self._observer.with_protection(seen)
        return seen, decide(policy, memory, seen)

    def _admitted(self, policy: Policy, decision: Decision) -> Decision:
        return self._admission.admit(self._service.ref.key, self._rivals.restrained(policy, decision))

    def _unforeseen(self) -> list[Missing]:
        return [] if self._ahead is None else self._ahead.notices

    async def _act(self, decision: Decision) -> tuple[str, str | None]:
        if decision.verdict is Verdict.HOLD:
            return "unchanged", None
        before, target = decision.current, decision.target
        try:
            accepted = await self._ports.fleets.scale_to(self._service.ref, target, _urgency(before, target))
        except AutoscalerError as error:
            self._write = _Write(whole(self._ports.clock()), before, target, accepted=False)
            if isinstance(error, NOTHING_DONE):
                self._admission.given_back(self._service.ref.key)
            return error.kind, str(error)
        if not accepted:
            self._admission.given_back(self._service.ref.key)
            return "shadow", None
        self._acknowledge(before, target)
        return "accepted", None

    def _acknowledge(self, before: int, target: int) -> None:
        now = whole(self._ports.clock())
        self._write = _Write(now, before, target, accepted=True)
        self._admission.made(self._service.ref.key)
        if self._memory is not None:
            self._memory = self._memory.acknowledging(now, target - before)


def _urgency(before: int, target: int) -> Urgency:
    if target < before:
        return Urgency.ROUTINE
    return Urgency.SCALE_OUT if before else Urgency.FROM_ZERO


def _at_risk(policy: Policy, seen: Observation, decision: Decision) -> list[Missing]:
    because = at_risk(policy, seen, decision)
    return [] if because is None else [Missing(because, "promise")]


async def _stopped(stopping: asyncio.Event, within_s: float) -> bool:
    """Whether stopping was set, at once or within that time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, within_s)):
            await stopping.wait()
    return stopping.is_set()
