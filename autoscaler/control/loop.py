"""One service's loop: read once, think once, write once, and again after the interval.

The memory is the loop's own variable. It is brought up to date before the write, which may be cut short, and told of
the change only after ECS accepted it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from math import ceil
from typing import NamedTuple

from autoscaler.config import Service
from autoscaler.control.admission import Admission
from autoscaler.control.cadence import Cadence, Rhythm
from autoscaler.control.conflicts import ConflictWatch
from autoscaler.control.fleetwatch import FleetWatch, Write
from autoscaler.control.learning import Learning
from autoscaler.control.observing import Observer, Ports, whole
from autoscaler.control.pausing import TagWatch
from autoscaler.control.receives import Receives
from autoscaler.control.schedule import Timetable
from autoscaler.control.shadow import ShadowWatch
from autoscaler.control.stopping import StopWatch
from autoscaler.core.engine import decide
from autoscaler.core.memory import Memory
from autoscaler.core.model import Decision, Fleet, Instant, Missing, Observation, Rule, Verdict
from autoscaler.core.policy import Policy, Workers
from autoscaler.core.slo import at_risk
from autoscaler.core.workers import long_work
from autoscaler.errors import AutoscalerError, ClockSkewed, Denied, NoCredentials, NotFound, Refused, Throttled
from autoscaler.ports import Tick, Urgency

__all__ = ["NOTHING_DONE", "Ports", "Rhythm", "ServiceLoop"]

MOST_INTERVALS = 1_000
"""Between two looks, whatever the settings say: a number to be counted with where no schedule ends."""

GAP_POLLS, GAP_S = 3.5, 30.0
"""Without a complete reading for more than three polls, and at least 30 s, what happened meanwhile is not known: the
warm-up starts again. Three failed polls in a row leave four polls between two readings; half a poll is for jitter.
"""

NOTHING_DONE = (Throttled, Denied, NoCredentials, NotFound, Refused, ClockSkewed)
"""After these the count is certainly what it was; after any other error nobody knows."""


class _Thought(NamedTuple):
    """What a look came to, before anything is done about it."""

    policy: Policy
    seen: Observation
    memory: Memory
    decision: Decision
    wrong_tag: tuple[Missing, ...]

    @property
    def changes(self) -> bool:
        return self.decision.verdict is not Verdict.HOLD


class ServiceLoop:
    """Keeps one service at its demand. `admission` is shared with the loops of the other services (None: no others)."""

    def __init__(self, service: Service, ports: Ports, rhythm: Rhythm, admission: Admission | None = None) -> None:
        self._admission = admission or Admission([service.ref.key], ports.clock)
        self._fleet = FleetWatch(service.ref, ports.clock)
        self._conflicts = ConflictWatch(service.ref)
        self._shadow = ShadowWatch()
        self._stops = StopWatch(service.ref)
        self._tags = TagWatch()
        self._tag: str | None = None
        self._memory: Memory | None = None
        self._identity: str | None = None
        self._counted_at: Instant | None = None
        self._apart_s = rhythm.interval_s
        self._next: tuple[Service, Ports, Rhythm] | None = None
        self._learning = Learning(service, ports, rhythm.interval_s)
        self._receives = Receives(service.queues, ports.clock, ports.wall)
        self._observer = Observer(service, ports, rhythm.interval_s)
        self._follow(service, ports, rhythm)

    def adopt(self, service: Service, ports: Ports, rhythm: Rhythm) -> None:
        """From the next look on it is told so. It is the same ECS service; what is remembered of it stays."""
        self._next = service, ports, rhythm

    def _follow(self, service: Service, ports: Ports, rhythm: Rhythm) -> None:
        self._service = service
        self._ports = ports
        self._rhythm = rhythm
        self._cadence = Cadence(rhythm.interval_s, rhythm.quiet_s)
        self._observer = self._observer.following(service, ports, rhythm.interval_s)
        self._timetable = Timetable(service.policy, service.schedules)
        self._learning = self._learning.following(service, ports, rhythm.interval_s)

    def _take_over(self) -> None:
        if self._next is not None:
            service, ports, _ = self._next
            if service.queues != self._service.queues:
                self._receives = Receives(service.queues, ports.clock, ports.wall)
            self._follow(*self._next)
            self._next = None

    async def run(self, stopping: asyncio.Event) -> None:
        """Ticks at whole multiples of the interval from the start until `stopping` is set; while nothing is to be
        seen, not at each of them, but always at the next once other settings are there.

        A tick that overruns makes the ones it covers fall out; they are not made up for.
        """
        began = self._ports.clock()
        due = began + self._rhythm.offset_s
        while not await _stopped(stopping, min(due - self._ports.clock(), self._rhythm.interval_s)):
            if self._ports.clock() < due and self._next is None:
                continue
            self._take_over()
            started, interval_s = self._ports.clock(), self._rhythm.interval_s
            due = min(due, started)
            tick = await self.tick()
            took_s = self._ports.clock() - started
            self._ports.journal.record(replace(tick, took_s=took_s, lag_s=max(0.0, started - max(due, began))))
            due += interval_s * max(self.pause(tick), ceil((self._ports.clock() - due) / interval_s))

    def pause(self, tick: Tick) -> int:
        """How many intervals until the next look; no schedule begins or ends unseen meanwhile."""
        edge_s, interval_s = self._timetable.edge_s(self._ports.wall()), self._rhythm.interval_s
        intervals = max(1, min(self._cadence.after(tick), int(min(edge_s / interval_s, MOST_INTERVALS))))
        complete = tick.decision is not None and tick.decision.complete
        self._apart_s = max(intervals * interval_s, 0.0 if complete else self._apart_s)
        return intervals

    async def tick(self) -> Tick:
        """Reads, decides, and writes if there is something to change. The world's failures are in the answer."""
        fleet = await self._fleet.look(self._ports.fleets, self._rhythm.fleet_every_s)
        if isinstance(fleet, Missing):
            return self._unread(fleet)
        self._recognize(fleet)
        self._count()
        seen = await self._look(fleet)
        thought = await self._think(seen)
        if thought.changes and not self._fleet.is_fresh:
            fleet = await self._fleet.read(self._ports.fleets, _urgency(thought.decision))
            if isinstance(fleet, Missing):
                return self._unread(fleet)
            self._recognize(fleet)
            stale = self._ports.clock() - seen.now > GAP_S  # the process stood still since the queues were read
            seen = await self._look(fleet) if stale else replace(seen, fleet=self._fleet.settled(fleet, seen.now))
            thought = await self._think(seen)
        return await self._done(thought)

    def _unread(self, gap: Missing) -> Tick:
        """There is nothing to decide on. The pause goes on: a tag that could not be read is not an absent one."""
        if gap.kind == NotFound.kind:
            self._admission.absent(self._service.ref.key)
        if gap.kind == NotFound.kind or (gap.kind == Refused.kind and self._identity is None):
            self._start_afresh()
        policy, wrong_tag = self._in_force(self._tag)
        if self._memory is not None:
            self._memory = self._memory.unwatched(whole(self._ports.clock()))
        memory = self._memory or Memory()
        return Tick(self._service.ref, policy, None, memory, None, gap.kind, gap.reason, notices=wrong_tag)

    def _recognize(self, fleet: Fleet) -> None:
        """A service that was deleted and created again is a new one, whatever its name."""
        if self._identity is not None and fleet.identity not in {None, self._identity}:
            self._start_afresh()
        self._identity = fleet.identity or self._identity

    def _start_afresh(self) -> None:
        """As after a start of the daemon: nothing that was remembered or learned is of this service."""
        service, ports = self._service, self._ports
        self._memory, self._identity = None, None
        self._fleet.forget_write()
        self._observer = Observer(service, ports, self._rhythm.interval_s)
        self._learning = Learning(service, ports, self._rhythm.interval_s)
        self._receives = Receives(service.queues, ports.clock, ports.wall)

    def _in_force(self, tag: str | None) -> tuple[Policy, tuple[Missing, ...]]:
        """The policy with the schedule's bounds and the tag's pause, and what is wrong with the tag."""
        wall, self._tag = self._ports.wall(), tag
        policy = self._timetable.policy_at(wall)
        paused, wrong = self._tags.look(tag, wall)
        return policy if paused is None else replace(policy, paused=paused), () if wrong is None else (wrong,)

    async def _look(self, fleet: Fleet) -> Observation:
        """All that is read, with what it teaches. Minutes of a queue that stays empty beside no task tell nothing."""
        policy, _ = self._in_force(fleet.pause_tag)
        await self._conflicts.look(policy, self._ports)
        await self._stops.look(policy, fleet, self._ports)
        still = self._cadence.is_slow and fleet.desired == 0
        told = self._fleet.settled(fleet, self._ports.clock())
        seen = await self._observer.observe(told, policy, self._memory, still=still)
        self._receives.see(seen, self._observer.minutes)
        seen = replace(
            seen,
            fleet=self._fleet.settled(fleet, seen.now),
            unreceived=self._receives.unproven,
            stop_timeout=self._stops.shortest(fleet),
        )
        return self._learning.see(policy, seen, self._observer.minutes)

    async def _think(self, seen: Observation) -> _Thought:
        policy, wrong_tag = self._in_force(seen.fleet.pause_tag)
        memory = self._memory = self._recall(seen)
        seen, decision = await self._decide(policy, memory, seen)
        return _Thought(policy, seen, memory, decision, wrong_tag)

    async def _done(self, thought: _Thought) -> Tick:
        """The decision is remembered, and carried out as far as it is admitted."""
        policy, seen, memory, decision, wrong_tag = thought
        decision = self._admission.admit(self._service.ref.key, self._conflicts.restrained(policy, decision))
        self._memory = memory.remembering(policy, seen, decision)
        if self._fleet.is_believed:
            self._memory = replace(self._memory.unwatched(seen.now), watched_at=memory.watched_at)
        outcome, failure = await self._act(decision)
        alone = self._conflicts.none_known
        shadow = self._shadow.see(self._service, policy, seen, memory, decision, alone=alone)
        notices = (
            *wrong_tag,
            *self._conflicts.notices(),
            *self._observer.notices,
            *self._learning.notices,
            *_at_risk(policy, seen, decision),
            *([] if shadow is None else [shadow]),
            *_assumed(policy, seen),
        )
        return Tick(self._service.ref, policy, seen, memory, decision, outcome, failure, notices=notices)

    @property
    def _longest_gap_s(self) -> float:
        return max(GAP_S, GAP_POLLS * self._apart_s)

    def _count(self) -> None:
        """After a gap in the readings of ECS nobody knows how many tasks ran before; told once, at the gap's end.

        A gap of another reading leaves what is known: it may last for ever, and with a memory that begins anew at each
        look, a datapoint would move the count at each look.
        """
        now = self._ports.clock()
        if self._memory is not None and self._counted_at is not None and now - self._counted_at > self._longest_gap_s:
            self._memory = replace(self._memory, running=())
        if not self._fleet.is_believed:
            self._counted_at = now

    def _recall(self, seen: Observation) -> Memory:
        """The memory so far; with a write whose answer was lost, if ECS turns out to have taken it."""
        self._admission.saw(self._service.ref.key, seen.fleet.desired)
        memory = self._memory or Memory.begun(seen.fleet, seen.now)
        memory = memory.watched(seen.now, self._longest_gap_s)
        write = self._fleet.took_after_all(seen.fleet.desired)
        return memory if write is None else memory.acknowledging(seen.now, write.target - write.before)

    async def _decide(self, policy: Policy, memory: Memory, seen: Observation) -> tuple[Observation, Decision]:
        """Where tasks protect themselves, a scale-in is decided again with how many do. What was read of that a
        moment ago may hold it back without being read again: polling would burn the account's rate of task reads.

        A scale-in that only waits for a receive is decided again once CloudWatch was asked for one.
        """
        decision = decide(policy, memory, seen)
        if any(step.rule is Rule.NO_RECEIVES for step in decision.steps) and await self._receives.look_back(
            self._ports.history
        ):
            seen = replace(seen, unreceived=self._receives.unproven)
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

    async def _act(self, decision: Decision) -> tuple[str, str | None]:
        if decision.verdict is Verdict.HOLD:
            return "unchanged", None
        before, target = decision.current, decision.target
        key, ref = self._service.ref.key, self._service.ref
        try:
            accepted = await self._ports.fleets.scale_to(ref, target, _urgency(decision), max(0, target - before))
        except AutoscalerError as error:
            self._fleet.write = Write(whole(self._ports.clock()), before, target, accepted=False)
            if isinstance(error, NOTHING_DONE):
                self._admission.given_back(key)
            return error.kind, str(error)
        if not accepted:
            self._admission.given_back(key)
            return "shadow", None
        self._acknowledge(before, target)
        return "accepted", None

    def _acknowledge(self, before: int, target: int) -> None:
        now = whole(self._ports.clock())
        self._fleet.write = Write(now, before, target, accepted=True)
        self._admission.made(self._service.ref.key)
        if self._memory is not None:
            self._memory = self._memory.acknowledging(now, target - before)


def _urgency(decision: Decision) -> Urgency:
    if decision.verdict is Verdict.SCALE_IN:
        return Urgency.ROUTINE
    return Urgency.SCALE_OUT if decision.current else Urgency.FROM_ZERO


def _at_risk(policy: Policy, seen: Observation, decision: Decision) -> list[Missing]:
    reason = at_risk(policy, seen, decision)
    return [] if reason is None else [Missing(reason, "slo_at_risk")]


def _assumed(policy: Policy, seen: Observation) -> list[Missing]:
    """That workers which the operator did not describe count as unsafe."""
    work = long_work(policy, seen.knowledge, seen.stop_timeout)
    return [] if work is None else [Missing(work.notice, "assumed")]


async def _stopped(stopping: asyncio.Event, within_s: float) -> bool:
    """Whether stopping was set, at once or within that time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, within_s)):
            await stopping.wait()
    return stopping.is_set()
