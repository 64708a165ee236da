"""The safety laws during reloads, pauses, restarts, manual counts, and late or lost ECS responses.

The machine runs `decide` and `Memory` against a model of one fleet, in the order of the poll loop. The laws read the
writes, the true state at each write, and the counts that ECS showed; they do not read the memory of the daemon.
`tests/control/test_life.py` tests limits across services and shadow mode.
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
from tests.core.witness import DEPTHS, DISTURBANCES, HOLD_S, PER_S, PLAIN, POLICIES, Disturbance, WitnessedWrite

POLL_S = 10.0

ANSWERS = ("accepted", "accepted", "accepted", "refused", "lost", "late")
"""The results of a write. lost: ECS applies it, but the response is lost. late: the same, applied two polls later."""


policies = st.sampled_from(POLICIES)
disturbances = st.sampled_from(sorted(DISTURBANCES)).map(DISTURBANCES.__getitem__)
depths = st.sampled_from(DEPTHS)


class Machine(RuleBasedStateMachine):
    """One service, a daemon that restarts, and random events."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.writes = 1_000.0, list[WitnessedWrite]()
        self.policy = PLAIN
        self.paused: Pause | int | None = None
        self.waiting = self.in_flight = self.protected = 0
        self.unread: frozenset[str] = frozenset()
        self.stale = False
        self.deploying_since: float | None = None
        self.answer, self.delayed_writes = "accepted", list[tuple[float, int]]()

    @initialize(policy=policies, disturbance=disturbances, waiting=depths)
    def begin(self, policy: Policy, disturbance: Disturbance, waiting: int) -> None:
        self.desired = self.shown = policy.max_tasks
        self.restart()
        self.a_calm_service_is_reconfigured_and_disturbed(policy, disturbance, waiting)

    @rule()
    def restart(self) -> None:
        self.memory: Memory | None = None
        self.written: tuple[int, int] | None = None
        self.up_since, self.failed_polls, self.empty_polls, self.off = self.now, 0, list[float](), False
        self.known: int | None = None

    @rule(polls=st.sampled_from([1, 1, 2, 4, 8, 14]))
    def run_polls(self, polls: int) -> None:
        for _ in range(polls):
            self.now += POLL_S
            self._apply_delayed_writes()
            self._poll()

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
    def an_operator_pauses_or_resumes(self, paused: Pause | int | None) -> None:
        self.paused = paused

    @rule(desired=st.sampled_from([0, 0, 1, 7, 20, 28]))
    def an_operator_sets_the_count(self, desired: int) -> None:
        self.desired = desired

    @rule(unread=st.sampled_from(["", "q", "r", "qr"]))
    def queues_become_unreadable_or_readable(self, unread: str) -> None:
        """All the messages are in q."""
        self.unread = frozenset(unread)

    @rule()
    def queues_are_unreadable_twice(self) -> None:
        """Both queues are unreadable, readable for one poll, and unreadable again."""
        for unread, polls in (("qr", 3), ("", 1), ("qr", 0)):
            self.queues_become_unreadable_or_readable(unread)
            self.run_polls(polls)

    @rule(rolling=st.booleans())
    def a_deployment_begins_or_ends(self, rolling: bool) -> None:
        self.deploying_since = self.now if rolling else None

    @rule(answer=st.sampled_from(ANSWERS))
    def ecs_responds(self, answer: str) -> None:
        self.answer = answer

    @rule()
    def ecs_shows_the_old_count_once_more(self) -> None:
        self.stale = True

    @rule(policy=policies, disturbance=disturbances, waiting=depths)
    def a_calm_service_is_reconfigured_and_disturbed(
        self, policy: Policy, disturbance: Disturbance, waiting: int
    ) -> None:
        """Start from max_tasks with a backlog and without faults, then apply the disturbance and a new backlog."""
        self.policy, self.paused, self.unread, self.stale = policy, None, frozenset(), False
        self.deploying_since, self.answer = None, "accepted"
        self.waiting, self.in_flight, self.protected, self.desired = 200, 0, 0, policy.max_tasks
        self.run_polls(14)
        disturbance(self)
        self.waiting = waiting
        self.run_polls(14)

    def _apply_delayed_writes(self) -> None:
        """Apply the writes that ECS delayed."""
        for at, count in self.delayed_writes:
            self.desired = count if at <= self.now else self.desired
        self.delayed_writes = [late for late in self.delayed_writes if late[0] > self.now]

    def _poll(self) -> None:
        policy = self.policy if self.paused is None else replace(self.policy, paused=self.paused)
        seen = self._observed()
        memory = Memory.begun(seen.fleet, self.now) if self.memory is None else self.memory
        if self.written is not None and seen.fleet.desired == self.written[1]:
            memory = memory.acknowledging(self.now, self.written[1] - self.written[0])
            self.written = None
        self._record_facts(policy, seen.fleet.desired)
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

    def _record_facts(self, policy: Policy, shown: int) -> None:
        """Record the facts that an observer outside the daemon can see."""
        self.off = shown == 0 and (self.off or (policy.min_tasks > 0 and bool(self.known)))
        self.failed_polls = self.failed_polls + 1 if len(self.unread) == 2 else 0
        if not self.failed_polls:
            work = "q" not in self.unread and (self.waiting or self.in_flight)
            self.empty_polls = [] if work else [*self.empty_polls, self.now]

    def _write(self, policy: Policy, before: int, after: int) -> None:
        self.writes.append(
            WitnessedWrite(
                self.now, before, after, self.answer, policy, self.now - self.up_since, bool(self.unread),
                self.failed_polls, self.now - self.empty_polls[0] if self.empty_polls else 0.0,
                len(self.empty_polls), self.in_flight, self.protected,
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
                self.delayed_writes.append((self.now + 2 * POLL_S, after))
                self.written = before, after

    @property
    def scale_ins(self) -> list[WitnessedWrite]:
        """The scale-ins, without those of a pause at a count."""
        return [write for write in self.writes if write.removed and not write.at_a_count]

    @invariant()
    def s1_a_write_is_within_the_bounds_or_lowers_a_count_above_max(self) -> None:
        for write in self.writes:
            assert write.after >= write.policy.min_tasks
            assert write.after <= write.policy.max_tasks or write.after < write.before

    @invariant()
    def s1_a_count_above_max_falls_no_faster_than_any_scale_in(self) -> None:
        for last in self.scale_ins:
            if last.policy.scale_in.limits and last.answer == "accepted":
                recent = [write for write in self.writes if 0 <= last.at - write.at < 2 * PER_S]
                accepted = [write for write in recent if last.at - write.at < PER_S and write.answer == "accepted"]
                added = sum(max(0, write.after - write.before) for write in recent)
                at_once = sum(write.removed for write in accepted if write.policy != last.policy)
                assert sum(write.removed for write in accepted) <= max(4, at_once) + added

    @invariant()
    def s2_no_scale_in_on_missing_readings_except_by_the_fallback(self) -> None:
        assert all(write.falls_back for write in self.scale_ins if write.unread)

    @invariant()
    def s3_without_readings_only_min_is_written(self) -> None:
        for write in self.writes:
            if write.failed_polls and not write.falls_back and not write.at_a_count:
                assert write.before < write.after == write.policy.min_tasks

    @invariant()
    def s4_never_writes_zero_with_messages_in_flight_or_below_protected_tasks(self) -> None:
        for write in self.writes:
            assert write.after >= min(write.before, write.protected)
            assert write.after or write.unread or not write.in_flight

    @invariant()
    def s4_writes_zero_only_after_readings_that_agree_for_more_than_a_minute(self) -> None:
        for write in self.scale_ins:
            if write.after == 0:
                assert write.empty_polls >= AGREEING_READS
                assert write.empty_s > AGREEMENT_S

    @invariant()
    def s5_no_scale_in_before_the_longest_window_has_passed(self) -> None:
        assert all(write.up_s >= write.policy.scale_in.longest_window_s for write in self.scale_ins)

    @invariant()
    def s8_no_scale_in_during_a_deployment_while_the_hold_lasts(self) -> None:
        assert all(write.deploying_s is None or write.deploying_s >= HOLD_S for write in self.scale_ins)

    @invariant()
    def s8_a_service_set_to_zero_by_hand_is_not_written(self) -> None:
        assert not [write for write in self.writes if write.off]

    @invariant()
    def s9_a_pause_writes_nothing_in_its_direction(self) -> None:
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
def test_no_disturbance_of_any_policy_violates_a_law(name: str) -> None:
    """Random runs can miss a combination: run each one, with every backlog."""
    for policy, waiting in product(POLICIES, DEPTHS):
        world = Machine()
        world.begin(policy, DISTURBANCES[name], waiting)
        for law in LAWS:
            law(world)
