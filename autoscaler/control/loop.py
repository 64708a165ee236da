"""The control loop of one service: read, decide, write, and repeat after the interval.

The memory is a variable of the loop. It is updated before the write, which may be cancelled. It records the change only
after ECS accepted it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from contextlib import suppress
from dataclasses import replace
from math import ceil
from typing import NamedTuple

from autoscaler.config import ServiceConfig
from autoscaler.control.admission import Admission
from autoscaler.control.cadence import Cadence, Rhythm
from autoscaler.control.learning import Learning, Receives
from autoscaler.control.observing import Observer, whole
from autoscaler.control.readers import ConflictWatch, FleetWatch, TagWatch
from autoscaler.control.shadow import ShadowWatch
from autoscaler.control.watches import Watches
from autoscaler.control.writes import RejectedWrites
from autoscaler.core.deploying import ecs_notices
from autoscaler.core.engine import decide
from autoscaler.core.memory import NO_CONTEST, Memory
from autoscaler.core.model import Decision, Fleet, Instant, Missing, Observation, Revision, Rule, StartFailure, Verdict
from autoscaler.core.policy import Policy, WorkerSafety
from autoscaler.core.slo import at_risk, refused
from autoscaler.core.workers import long_work
from autoscaler.errors import AutoscalerError, ClockSkewed, Denied, NoCredentials, NotFound, Refused, Throttled
from autoscaler.ports import Pace, Poll, Ports, Urgency
from autoscaler.sources.schedule import Timetable

MOST_STEPS = 10_000
"""Maximum number of steps between two polls. It makes the number finite if no schedule starts or ends."""

GAP_POLLS, GAP_S = 3.5, 30.0
"""Without a complete reading for more than three polls, and at least 30 s, what happened meanwhile is not known: the
warm-up starts again. Three failed polls in a row leave four polls between two readings; half a poll is for jitter.
"""

NOTHING_DONE = (Throttled, Denied, NoCredentials, NotFound, Refused, ClockSkewed)
"""After these errors the count is certainly unchanged; after any other error it is unknown."""


class _Proposal(NamedTuple):
    """The decision of a poll and its inputs, before it is carried out."""

    policy: Policy
    seen: Observation
    memory: Memory
    decision: Decision
    wrong_tag: tuple[Missing, ...]

    @property
    def changes(self) -> bool:
        return self.decision.verdict is not Verdict.HOLD


class ServiceLoop:
    """Scales one service to its required tasks. `admission` is shared with all other loops (None: no other loops)."""

    def __init__(
        self, service: ServiceConfig, ports: Ports, rhythm: Rhythm, admission: Admission | None = None
    ) -> None:
        self._admission = admission or Admission([service.ref.key], ports.clock)
        self._fleet = FleetWatch(service.ref, ports.clock)
        self._conflicts = ConflictWatch(service.ref)
        self._shadow = ShadowWatch()
        self._watches = Watches(service.ref)
        self._rejected = RejectedWrites(ports.clock)
        self._tags = TagWatch()
        self._tag: str | None = None
        self._instructed: Hashable = None
        self._memory: Memory | None = None
        self._identity: str | None = None
        self._read_at: Instant | None = None
        self._poll_gap_s = rhythm.interval_s
        self._steps = 0
        self._next: tuple[ServiceConfig, Ports, Rhythm] | None = None
        self._is_woken = False
        self._learning = Learning(service, ports, rhythm.interval_s)
        self._receives = Receives(service.queues, ports.clock, ports.wall)
        self._observer = Observer(service, ports, rhythm.interval_s)
        self._follow(service, ports, rhythm)

    def adopt(self, service: ServiceConfig, ports: Ports, rhythm: Rhythm) -> None:
        """Use these settings from the next poll on. It must be the same ECS service; its memory stays."""
        self._next = service, ports, rhythm

    def wake(self) -> None:
        """Poll within one interval, and then read ECS again. While the service is polled at each interval, polls stay
        where they are, so that they still share calls with those of other services.
        """
        self._is_woken = True

    def _follow(self, service: ServiceConfig, ports: Ports, rhythm: Rhythm) -> None:
        self._service = service
        self._ports = ports
        self._rhythm = rhythm
        self._cadence = Cadence(rhythm)
        self._observer = self._observer.following(service, ports, rhythm.interval_s)
        self._timetable = Timetable(service.policy, service.schedules)
        learning, self._learning = self._learning, self._learning.following(service, ports, rhythm.interval_s)
        if self._learning is not learning:
            self._watches.starts.again()

    def _apply_next(self) -> None:
        if self._next is not None:
            service, ports, _ = self._next
            if service.queues != self._service.queues:
                self._receives = Receives(service.queues, ports.clock, ports.wall)
            self._follow(*self._next)
            self._next = None

    async def run(self, stopping: asyncio.Event) -> None:
        """Poll until `stopping` is set, at whole multiples of the rhythm's step after the start. Most are skipped, but
        a change of the settings applies within an interval. Polls that are due during an overrunning poll are skipped.
        """
        began = self._ports.clock()
        due = began + self._rhythm.offset_s
        while not await _stopped(stopping, min(due - self._ports.clock(), self._rhythm.interval_s)):
            if self._ports.clock() < due and self._next is None and not self._is_woken:
                continue
            self._apply_next()
            if self._is_woken:
                self._is_woken = False
                self._fleet.expire()
            started, step_s = self._ports.clock(), self._rhythm.step_s
            due = min(due, started)
            poll = await self.poll()
            took_s, pause = self._ports.clock() - started, self.pause(poll)
            lag_s = max(0.0, started - max(due, began))
            self._ports.journal.record(replace(poll, took_s=took_s, lag_s=lag_s, pace=self.pace))
            skipped = max(0, ceil((self._ports.clock() - due) / step_s) - pause)
            self._steps += skipped
            due += step_s * (pause + skipped)

    def pause(self, poll: Poll) -> int:
        """Return the number of steps until the next poll, which is at most until the next start or end of a schedule.
        Call it once per poll.
        """
        edge_s, step_s = self._timetable.edge_s(self._ports.wall()), self._rhythm.step_s
        steps = max(1, min(self._cadence.after(poll, self._steps), int(min(edge_s / step_s, MOST_STEPS))))
        complete = poll.decision is not None and poll.decision.complete
        self._poll_gap_s = max(steps * step_s, self._rhythm.interval_s, 0.0 if complete else self._poll_gap_s)
        self._steps += steps
        return steps

    @property
    def pace(self) -> Pace:
        """The time until the next poll as the cadence chose it, with the reason."""
        return self._cadence.pace

    async def poll(self) -> Poll:
        """Read, decide, and write if the count changes. Errors of AWS and the network are in the result."""
        fleet = await self._fleet.read(self._ports.fleets, self._rhythm.fleet_every_s, self._rhythm.moving_every_s)
        if isinstance(fleet, Missing):
            return self._failed(fleet)
        self._recognize(fleet)
        self._note_fleet_read()
        await self._watches.follow(self._fleet.settled(fleet, self._ports.clock()), self._ports)
        seen = await self._observe(fleet)
        proposal = await self._propose(seen)
        if proposal.changes and not self._fleet.is_fresh:
            fleet = await self._fleet.read_now(self._ports.fleets, _urgency(proposal.decision))
            if isinstance(fleet, Missing):
                return self._failed(fleet, _refused(proposal.decision, fleet.reason))
            self._recognize(fleet)
            stale = self._ports.clock() - seen.now > GAP_S  # the process was suspended after it read the queues
            seen = await self._observe(fleet) if stale else replace(seen, fleet=self._known(fleet, seen.now))
            proposal = await self._propose(seen)
        return await self._finish(proposal)

    def _failed(self, gap: Missing, notices: list[Missing] | None = None) -> Poll:
        """Return a poll without a decision. The last pause stays in force: an unread tag is not an absent tag."""
        if gap.kind == NotFound.kind:
            self._admission.absent(self._service.ref.key)
        if gap.kind == NotFound.kind or (gap.kind == Refused.kind and self._identity is None):
            self._reset()
        policy, wrong_tag = self._policy_in_force(self._tag)
        if self._memory is not None:
            self._memory = self._memory.unwatched(whole(self._ports.clock()))
        memory = self._memory or Memory()
        found = (*wrong_tag, *_contested(memory, self._ports.clock()), *(notices or ()))
        return Poll(self._service.ref, policy, None, memory, None, gap.kind, gap.reason, notices=found)

    def _recognize(self, fleet: Fleet) -> None:
        """Reset if the service was deleted and created again: it is a new service with the same name."""
        if self._identity is not None and fleet.identity not in {None, self._identity}:
            self._reset()
        self._identity = fleet.identity or self._identity

    def _reset(self) -> None:
        """Delete the memory and all learned values, as after a start of the daemon."""
        service, ports = self._service, self._ports
        self._memory, self._identity = None, None
        self._fleet.forget_write()
        self._observer = Observer(service, ports, self._rhythm.interval_s)
        self._learning = Learning(service, ports, self._rhythm.interval_s)
        self._watches.reset()
        self._receives = Receives(service.queues, ports.clock, ports.wall)

    def _policy_in_force(self, tag: str | None) -> tuple[Policy, tuple[Missing, ...]]:
        """Return the policy with the schedule's bounds and the tag's pause, and a notice if the tag is wrong."""
        wall, self._tag = self._ports.wall(), tag
        policy = self._timetable.policy_at(wall)
        paused, wrong = self._tags.check(tag, wall)
        return policy if paused is None else replace(policy, paused=paused), () if wrong is None else (wrong,)

    async def _observe(self, fleet: Fleet) -> Observation:
        """Return all readings and the learned values. The minutes of an empty queue without a task are not read."""
        policy, _ = self._policy_in_force(fleet.pause_tag)
        await self._conflicts.check(policy, self._ports)
        await self._watches.check(self._service, policy, fleet, self._ports)
        self._learning.started(self._watches.starts.take())
        still = self._cadence.is_slow and fleet.desired == 0
        known = self._known(fleet, self._ports.clock())
        await self._learning.recall()
        seen = await self._observer.observe(known, policy, self._memory, still=still)
        self._receives.see(seen, self._observer.minutes)
        seen = replace(
            seen,
            fleet=self._known(fleet, seen.now),
            unreceived=self._receives.unproven,
            stop_timeout=self._watches.shortest_stop(fleet),
        )
        return self._learning.see(policy, seen, self._observer.minutes)

    def _known(self, fleet: Fleet, now: Instant) -> Fleet:
        """Return the reading with what is known besides it: the last write, and why tasks do not start."""
        return self._watches.known(self._fleet.settled(fleet, now))

    async def _propose(self, seen: Observation) -> _Proposal:
        policy, wrong_tag = self._policy_in_force(seen.fleet.pause_tag)
        memory = self._current_memory(seen)
        instructed = self._service, policy.paused, self._ports.renewals()
        if instructed != self._instructed:
            memory = replace(memory, contest=NO_CONTEST)  # it applies at once, and may have resolved the contest
        self._memory, self._instructed = memory, instructed
        seen, decision = await self._decide(policy, memory, seen)
        return _Proposal(policy, seen, memory, decision, wrong_tag)

    async def _finish(self, proposal: _Proposal) -> Poll:
        """Store the decision in the memory, and carry it out within the limits of the admission."""
        policy, seen, memory, decision, wrong_tag = proposal
        decision = self._fleet.unless_doubted(self._conflicts.limited(policy, decision))
        decision = self._admission.admit(self._service.ref.key, decision)
        self._memory = memory.remembering(policy, seen, decision)
        if self._fleet.is_cached:
            self._memory = replace(self._memory.unwatched(seen.now), watched_at=memory.watched_at)
        outcome, failure = await self._act(decision, self._causes(seen.fleet))
        if outcome == "accepted":
            self._watches.wrote(seen.now, seen.fleet, decision.target)
        alone, ref = self._conflicts.none_known, self._service.ref
        shadow = self._shadow.see(self._service, policy, seen, memory, decision, alone=alone)
        notices = (
            *wrong_tag,
            *self._conflicts.notices(),
            *_contested(self._memory, seen.now),
            *self._observer.notices,
            *self._learning.notices,
            *(_at_risk(policy, seen, decision) or ([] if failure is None else _refused(decision, failure))),
            *([] if shadow is None else [shadow]),
            *_assumed(policy, seen),
            *_failing(seen.fleet.failure),
            *ecs_notices(policy, seen, ref.cluster, ref.service, ref.region),
        )
        poll = Poll(ref, policy, seen, memory, decision, outcome, failure, notices=notices)
        return self._watches.onto(poll, seen.fleet, self._service.task_price)

    @property
    def _longest_gap_s(self) -> float:
        return max(GAP_S, GAP_POLLS * self._poll_gap_s)

    def _note_fleet_read(self) -> None:
        """Delete the running counts at the end of a gap in the ECS readings: the counts during the gap are unknown.

        A gap in other readings does not delete them. It may last forever, and if the counts were deleted at each poll,
        a datapoint would change the task count at each poll.
        """
        now = self._ports.clock()
        if self._memory is not None and self._read_at is not None and now - self._read_at > self._longest_gap_s:
            self._memory = replace(self._memory, running=())
        if not self._fleet.is_cached:
            self._read_at = now

    def _current_memory(self, seen: Observation) -> Memory:
        """Return the memory, including a write without an answer if the count shows that ECS accepted it. A count that
        can be an earlier one of the autoscaler is expected: it is no change by another writer.
        """
        self._admission.observe(self._service.ref.key, seen.fleet.desired)
        memory = self._memory or Memory.begun(seen.fleet, seen.now)
        memory = memory.watched(seen.now, self._longest_gap_s)
        write = self._fleet.late_acceptance(seen.fleet.desired)
        if write is not None:
            memory = memory.acknowledging(seen.now, write.target - write.before)
            self._watches.wrote(write.at, replace(seen.fleet, desired=write.before), write.target)
        if memory.expected is None or (write is None and not self._fleet.is_own):
            return memory
        return replace(memory, expected=seen.fleet.desired)

    async def _decide(self, policy: Policy, memory: Memory, seen: Observation) -> tuple[Observation, Decision]:
        """Decide. If tasks protect themselves, a scale-in is decided again with the number of protected tasks. A recent
        reading of that number may block the scale-in without another read: polling it would use up the account's rate
        of task reads.

        A scale-in that is blocked only by missing receives is decided again after a read of CloudWatch.
        """
        decision = decide(policy, memory, seen)
        if any(step.rule is Rule.NO_RECEIVES for step in decision.steps) and await self._receives.read_history(
            self._ports.history
        ):
            seen = replace(seen, unreceived=self._receives.unproven)
            decision = decide(policy, memory, seen)
        if policy.workers is not WorkerSafety.SELF_PROTECTING or decision.verdict is not Verdict.SCALE_IN:
            return seen, decision
        known = self._observer.with_known_protection(seen)
        if known is not None:
            held = decide(policy, memory, known)
            if held.verdict is not Verdict.SCALE_IN:
                return known, held
        seen = await self._observer.with_protection(seen)
        return seen, decide(policy, memory, seen)

    def _causes(self, fleet: Fleet) -> Hashable:
        """Return what can be the cause of a write that AWS rejects: after a change of it, the write is sent again."""
        deployed = fleet.deployment is not None, fleet.revision.deployed
        return self._instructed, fleet.identity, deployed, fleet.task_definitions

    async def _act(self, decision: Decision, causes: Hashable) -> tuple[str, str | None]:
        if decision.verdict is Verdict.HOLD:
            return "unchanged", None
        before, target = decision.current, decision.target
        key, ref = self._service.ref.key, self._service.ref
        if (waiting := self._rejected.blocking(target, causes)) is not None:
            self._admission.release(key)
            return waiting
        try:
            accepted = await self._ports.fleets.scale_to(ref, target, _urgency(decision), max(0, target - before))
        except AutoscalerError as error:
            if isinstance(error, NOTHING_DONE):
                self._admission.release(key)
            else:
                self._fleet.wrote(whole(self._ports.clock()), before, target, None)
            return self._rejected.rejected(error, target, causes)
        self._rejected.accepted()
        if accepted is None:
            self._admission.release(key)
            return "shadow", None
        self._acknowledge(before, target, accepted)
        return "accepted", None

    def _acknowledge(self, before: int, target: int, accepted: Revision) -> None:
        now = whole(self._ports.clock())
        self._fleet.wrote(now, before, target, accepted)
        self._admission.confirm(self._service.ref.key)
        if self._memory is not None:
            self._memory = self._memory.acknowledging(now, target - before)


def _urgency(decision: Decision) -> Urgency:
    if decision.verdict is Verdict.SCALE_IN:
        return Urgency.ROUTINE
    return Urgency.SCALE_OUT if decision.current else Urgency.FROM_ZERO


def _at_risk(policy: Policy, seen: Observation, decision: Decision) -> list[Missing]:
    advice = at_risk(policy, seen, decision)
    return [] if advice is None else [Missing(advice.text, "slo_at_risk")]


def _refused(decision: Decision, why: str) -> list[Missing]:
    advice = refused(decision, why)
    return [] if advice is None else [Missing(advice.text, "slo_at_risk")]


def _contested(memory: Memory, now: Instant) -> list[Missing]:
    notice = memory.contest.notice(now)
    return [] if notice is None else [Missing(notice, Rule.CONTESTED.value)]


def _failing(failure: StartFailure | None) -> list[Missing]:
    return [] if failure is None else [Missing(f"{failure.reason}; {failure.remedy}", "start_failure")]


def _assumed(policy: Policy, seen: Observation) -> list[Missing]:
    """Return the notice that workers without a setting are assumed to be unsafe."""
    work = long_work(policy, seen.knowledge, seen.stop_timeout)
    return [] if work is None else [Missing(work.notice, "assumed")]


async def _stopped(stopping: asyncio.Event, within_s: float) -> bool:
    """Return whether `stopping` is set, now or within that time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, within_s)):
            await stopping.wait()
    return stopping.is_set()
