"""The promises, kept through reloads, pauses, restarts, other people's counts, and an ECS that answers late or never.

`decide` and `Memory` are driven against a model of one fleet, in the order in which the loop does it. The laws see
the writes, what was true at their moment, and what ECS showed; never what the daemon remembers. What spans services,
and the shadow, are for `tests/control/test_life.py`.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from autoscaler.core.engine import decide
from autoscaler.core.memory import AGREEMENT_S, Memory
from autoscaler.core.model import Backlog, Deployment, Fleet, Missing, Observation, QueueReading, Verdict
from autoscaler.core.policy import Pause, Policy
from autoscaler.core.rules.trust import AGREEING_READS
from tests.core.witness import DEPTHS, DISTURBANCES, HOLD_S, PER_S, PLAIN, POLICIES, Disturbance, Write

TICK_S = 10.0

ANSWERS = ("accepted", "accepted", "accepted", "refused", "lost", "late")
"""What becomes of a write. lost: ECS takes it, and nobody hears of it. late: so, and not before the second tick."""


policies = st.sampled_from(POLICIES)
disturbances = st.sampled_from(sorted(DISTURBANCES)).map(DISTURBANCES.__getitem__)
depths = st.sampled_from(DEPTHS)


class Machine(RuleBasedStateMachine):
    """One service, one daemon after another, and a world that does what it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.writes = 1_000.0, list[Write]()
        self.policy = PLAIN
        self.paused: Pause | int | None = None
        self.waiting = self.in_flight = self.protected = 0
        self.unread: frozenset[str] = frozenset()
        self.stale = False
        self.deploying_since: float | None = None
        self.answer, self.arriving = "accepted", list[tuple[float, int]]()

    @initialize(policy=policies, disturbance=disturbances, waiting=depths)
    def begin(self, policy: Policy, disturbance: Disturbance, waiting: int) -> None:
        self.desired = self.shown = policy.max_tasks
        self.restart()
        self.a_calm_service_changes_its_pace_and_is_disturbed(policy, disturbance, waiting)

    @rule()
    def restart(self) -> None:
        self.memory: Memory | None = None
        self.written: tuple[int, int] | None = None
        self.up_since, self.failed, self.empties, self.off = self.now, 0, list[float](), False
        self.known: int | None = None

    @rule(ticks=st.sampled_from([1, 1, 2, 4, 8, 14]))
    def live(self, ticks: int) -> None:
        for _ in range(ticks):
            self.now += TICK_S
            self._arrive()
            self._tick()

    @rule(waiting=st.sampled_from([0, 0, 0, 5, 50, 100, 500]), in_flight=st.sampled_from([0, 0, 3]))
    def work_changes(self, waiting: int, in_flight: int) -> None:
        self.waiting, self.in_flight = waiting, in_flight

    @rule(protected=st.sampled_from([0, 0, 1, 6]))
    def tasks_protect_themselves(self, protected: int) -> None:
        self.protected = protected

    @rule(policy=policies)
    def settings_are_reloaded(self, policy: Policy) -> None:
        self.policy = policy

    @rule(paused=st.sampled_from([None, None, None, *Pause, 0, 4, 40]))
    def somebody_pauses_or_releases(self, paused: Pause | int | None) -> None:
        self.paused = paused

    @rule(desired=st.sampled_from([0, 0, 1, 7, 20, 28]))
    def somebody_scales(self, desired: int) -> None:
        self.desired = desired

    @rule(unread=st.sampled_from(["", "q", "r", "qr"]))
    def queues_are_lost_or_found(self, unread: str) -> None:
        """All the messages are in q."""
        self.unread = frozenset(unread)

    @rule()
    def blinks(self) -> None:
        """Blind, for one reading not, and blind again."""
        for unread, ticks in (("qr", 3), ("", 1), ("qr", 0)):
            self.queues_are_lost_or_found(unread)
            self.live(ticks)

    @rule(rolling=st.booleans())
    def a_deployment_begins_or_ends(self, rolling: bool) -> None:
        self.deploying_since = self.now if rolling else None

    @rule(answer=st.sampled_from(ANSWERS))
    def ecs_answers(self, answer: str) -> None:
        self.answer = answer

    @rule()
    def ecs_shows_the_old_count_once_more(self) -> None:
        self.stale = True

    @rule(policy=policies, disturbance=disturbances, waiting=depths)
    def a_calm_service_changes_its_pace_and_is_disturbed(
        self, policy: Policy, disturbance: Disturbance, waiting: int
    ) -> None:
        """Nothing was at fault, and many tasks have little to do, or much: what lets anything happen at all."""
        self.policy, self.paused, self.unread, self.stale = policy, None, frozenset(), False
        self.deploying_since, self.answer = None, "accepted"
        self.waiting, self.in_flight, self.protected, self.desired = 200, 0, 0, policy.max_tasks
        self.live(14)
        disturbance(self)
        self.waiting = waiting
        self.live(14)

    def _arrive(self) -> None:
        """Writes that ECS took its time for."""
        for at, count in self.arriving:
            self.desired = count if at <= self.now else self.desired
        self.arriving = [late for late in self.arriving if late[0] > self.now]

    def _tick(self) -> None:
        policy = self.policy if self.paused is None else replace(self.policy, paused=self.paused)
        seen = self._observed()
        memory = Memory.begun(seen.fleet, self.now) if self.memory is None else self.memory
        if self.written is not None and seen.fleet.desired == self.written[1]:
            memory = memory.acknowledging(self.now, self.written[1] - self.written[0])
            self.written = None
        self._note_truth(policy, seen.fleet.desired)
        decision = decide(policy, memory, seen)
        if decision.verdict is Verdict.SCALE_IN:
            seen = replace(seen, fleet=replace(seen.fleet, protected=self.protected))
            decision = decide(policy, memory, seen)
        self.memory = memory.remembering(policy, seen, decision)
        self.known = seen.fleet.desired
        if decision.verdict is not Verdict.HOLD:
            self._write(policy, seen.fleet.desired, decision.target)

    def _observed(self) -> Observation:
        self.shown, self.stale = (self.shown if self.stale else self.desired), False
        rolling = None if self.deploying_since is None else Deployment(self.deploying_since)
        counts = {"q": Backlog(self.waiting, self.in_flight, 0, self.now), "r": Backlog(0, 0, 0, self.now)}
        queues = [
            QueueReading(name, Missing("throttled") if name in self.unread else backlog)
            for name, backlog in counts.items()
        ]
        return Observation(self.now, Fleet(self.shown, self.shown, 0, self.now, rolling), tuple(queues))

    def _note_truth(self, policy: Policy, shown: int) -> None:
        """What anybody could know who had watched this daemon from outside."""
        self.off = shown == 0 and (self.off or (policy.min_tasks > 0 and bool(self.known)))
        self.failed = self.failed + 1 if len(self.unread) == 2 else 0
        if not self.failed:
            work = "q" not in self.unread and (self.waiting or self.in_flight)
            self.empties = [] if work else [*self.empties, self.now]

    def _write(self, policy: Policy, before: int, after: int) -> None:
        self.writes.append(
            Write(
                self.now, before, after, self.answer, policy, self.now - self.up_since, bool(self.unread), self.failed,
                self.now - self.empties[0] if self.empties else 0.0, len(self.empties), self.in_flight, self.protected,
                None if self.deploying_since is None else self.now - self.deploying_since, self.off,
            )
        )  # fmt: skip
        match self.answer:
            case "accepted":
                self.desired = self.known = after
                self.written = None
                self.memory = self.memory and self.memory.acknowledging(self.now, after - before)
            case "lost":
                self.desired, self.written = after, (before, after)
            case "late":
                self.arriving.append((self.now + 2 * TICK_S, after))
                self.written = before, after

    @property
    def removals(self) -> list[Write]:
        """Scale-ins that were ours to think about; a pause at a count is not."""
        return [write for write in self.writes if write.removed and not write.at_a_count]

    @invariant()
    def s1_what_is_written_lies_within_the_bounds_or_on_the_way_down_to_them(self) -> None:
        for write in self.writes:
            assert write.after >= write.policy.min_tasks
            assert write.after <= write.policy.max_tasks or write.after < write.before

    @invariant()
    def s1_a_count_above_the_maximum_comes_down_at_the_pace_of_any_scale_in(self) -> None:
        for last in self.removals:
            if last.policy.scale_in.limits and last.answer == "accepted":
                recent = [write for write in self.writes if 0 <= last.at - write.at < 2 * PER_S]
                ours = [write for write in recent if last.at - write.at < PER_S and write.answer == "accepted"]
                added = sum(max(0, write.after - write.before) for write in recent)
                at_once = sum(write.removed for write in ours if write.policy != last.policy)
                assert sum(write.removed for write in ours) <= max(4, at_once) + added

    @invariant()
    def s2_never_in_while_blind_unless_the_operator_says_so(self) -> None:
        assert all(write.falls_back for write in self.removals if write.blind)

    @invariant()
    def s3_absent_is_no_reason_to_write(self) -> None:
        for write in self.writes:
            if write.failed and not write.falls_back and not write.at_a_count:
                assert write.before < write.after == write.policy.min_tasks

    @invariant()
    def s4_never_to_none_with_work_in_flight_nor_below_protected_tasks(self) -> None:
        for write in self.writes:
            assert write.after >= min(write.before, write.protected)
            assert write.after or write.blind or not write.in_flight

    @invariant()
    def s4_to_none_only_after_readings_that_agree_for_more_than_a_minute(self) -> None:
        for write in self.removals:
            if write.after == 0:
                assert write.empties >= AGREEING_READS
                assert write.empty_s > AGREEMENT_S

    @invariant()
    def s5_never_in_before_the_longest_window_was_watched(self) -> None:
        assert all(write.up_s >= write.policy.scale_in.longest_window_s for write in self.removals)

    @invariant()
    def s8_never_in_during_a_deployment_while_the_hold_lasts(self) -> None:
        assert all(write.deploying_s is None or write.deploying_s >= HOLD_S for write in self.removals)

    @invariant()
    def s8_a_service_that_was_switched_off_is_left_alone(self) -> None:
        assert not [write for write in self.writes if write.off]

    @invariant()
    def s9_a_pause_writes_nothing(self) -> None:
        for write in self.writes:
            assert write.policy.paused is not Pause.ALL
            assert write.policy.paused is not Pause.IN or not write.removed
            assert write.policy.paused is not Pause.OUT or write.removed


Machine.TestCase.settings = settings(
    deadline=None, max_examples=60, stateful_step_count=30, suppress_health_check=list(HealthCheck)
)
TestMachine = Machine.TestCase

LAWS = [law for name, law in vars(Machine).items() if name[0] == "s" and name[1].isdigit()]


@pytest.mark.parametrize("name", DISTURBANCES)
def test_every_disturbance_of_every_policy_is_survived(name: str) -> None:
    """What a draw may miss: each of them once, whatever waits then."""
    for policy, waiting in product(POLICIES, DEPTHS):
        world = Machine()
        world.begin(policy, DISTURBANCES[name], waiting)
        for law in LAWS:
            law(world)
