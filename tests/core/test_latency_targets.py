"""The laws of one decision, and laws that compare two worlds: a larger backlog, a missing reading, no deployment."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from autoscaler.core.demand import read_signals
from autoscaler.core.engine import decide, limit_decision
from autoscaler.core.memory import Memory
from autoscaler.core.model import Backlog, Fleet, Missing, Observation, QueueReading, Rule, Verdict
from autoscaler.core.policy import Mode, Pause, Policy, QueuePolicy
from tests.core.laws import LAWS, Law, World, contested, lowers_by_fallback, pinned, switched_off
from tests.core.strategies import NOW, counts, with_more, worlds
from tests.core.sweep import sweep


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@settings(max_examples=30)
@given(world=worlds())
def test_law(law: Law, world: World) -> None:
    """Hypothesis shrinks a violation to a small world. The next test covers many more worlds in less time."""
    law(world, decide(*world))


def test_no_law_is_violated_over_many_random_worlds() -> None:
    """Run 10,000 of the decisions at every commit; `make laws` runs millions."""
    assert sweep(seed=1, decisions=10_000) == 10_000


@given(worlds(), counts)
def test_s1_a_count_above_max_falls_no_faster_than_any_scale_in(world: World, demand: int) -> None:
    """Lowering max is an ordinary scale-in: the target is no lower than with the higher max and the remembered demands
    capped at the new max.
    """
    policy, memory, seen = world
    seen = replace(seen, given=demand)
    roomy = replace(policy, max_tasks=max(policy.max_tasks, seen.fleet.desired))
    if policy.paused is None:
        capped = tuple(event._replace(tasks=min(event.tasks, policy.max_tasks)) for event in memory.demands)
        least = decide(roomy, replace(memory, demands=capped), replace(seen, given=0)).target
        assert decide(policy, memory, seen).target >= min(least, seen.fleet.desired)


@given(worlds())
def test_s2_a_missing_reading_never_lowers_the_target(world: World) -> None:
    """The readings of the other queues still cause a scale-out."""
    policy, memory, seen = world
    with_unread = replace(policy, queues=(*policy.queues, QueuePolicy("gone", policy.shortest_latency_s)))
    unread = replace(seen, queues=(*seen.queues, QueueReading("gone", Missing("it was denied", "denied"))))
    if read_signals(policy, seen).votes and policy.formula is None:
        assert decide(with_unread, memory, unread).target >= decide(policy, memory, seen).target


@given(worlds())
def test_s3_removing_a_reading_never_causes_a_scale_in(world: World) -> None:
    policy, memory, seen = world
    if not seen.queues or seen.given is not None or pinned(policy):
        return
    gone = replace(seen, queues=(QueueReading(seen.queues[0].name, Missing("hidden")), *seen.queues[1:]))
    if not lowers_by_fallback((policy, memory, gone)):
        assert decide(policy, memory, gone).target >= min(seen.fleet.desired, max(policy.max_tasks, seen.fleet.desired))


@given(worlds())
def test_s5_a_restart_causes_no_early_scale_in(world: World) -> None:
    policy, _, seen = world
    age_s = policy.scale_in.longest_window_s - 1
    if age_s >= 0 and not pinned(policy):
        young = replace(Memory.begun(seen.fleet, NOW), since=NOW - age_s)
        assert decide(policy, young, seen).verdict is not Verdict.SCALE_IN


@given(worlds())
def test_s8_a_deployment_never_prevents_a_scale_out(world: World) -> None:
    policy, memory, seen = world
    calm = replace(seen, fleet=replace(seen.fleet, deployment=None))
    assert decide(policy, memory, seen).target >= decide(policy, memory, calm).target


@given(worlds(), st.integers(1, 50))
def test_a_larger_backlog_never_gives_fewer_tasks(world: World, extra: int) -> None:
    policy, memory, seen = world
    if policy.formula is None:  # a custom formula can violate this law
        assert decide(policy, memory, with_more(seen, extra)).target >= decide(policy, memory, seen).target


@given(worlds(), st.floats(0, 1e6))
def test_an_older_message_never_gives_fewer_tasks(world: World, extra_s: float) -> None:
    policy, memory, seen = world
    older = replace(seen, queues=tuple(_older(reading, extra_s) for reading in seen.queues))
    if policy.formula is None:
        assert decide(policy, memory, older).target >= decide(policy, memory, seen).target


def _older(reading: QueueReading, extra_s: float) -> QueueReading:
    if isinstance(reading.backlog, Missing) or reading.backlog.oldest_age_s is None:
        return reading
    return reading._replace(backlog=replace(reading.backlog, oldest_age_s=reading.backlog.oldest_age_s + extra_s))


@given(worlds(), st.sampled_from([-1000.0, 64.0, 4096.0]))
def test_a_decision_depends_only_on_differences_of_times(world: World, shift_s: float) -> None:
    assert decide(*shifted(world, shift_s)) == decide(*world)


def shifted(world: World, by_s: float) -> World:
    """Return the same world with all times moved by `by_s`."""
    policy, memory, seen = world
    memory = replace(
        memory,
        since=None if memory.since is None else memory.since + by_s,
        demands=tuple(event._replace(at=event.at + by_s) for event in memory.demands),
        changes=tuple(event._replace(at=event.at + by_s) for event in memory.changes),
        running=tuple(event._replace(at=event.at + by_s) for event in memory.running),
        flows=tuple(replace(flow, at=flow.at + by_s) for flow in memory.flows),
        starting=memory.starting and memory.starting._replace(at=memory.starting.at + by_s),
        idle_since=None if memory.idle_since is None else memory.idle_since + by_s,
        unread_at=None if memory.unread_at is None else memory.unread_at + by_s,
        contest=replace(
            memory.contest,
            drifts=tuple(drift._replace(at=drift.at + by_s) for drift in memory.contest.drifts),
            last=memory.contest.last and memory.contest.last._replace(at=memory.contest.last.at + by_s),
            paused_at=memory.contest.paused_at + by_s,
        ),
    )
    fleet = seen.fleet
    rolling = fleet.deployment and replace(fleet.deployment, started=fleet.deployment.started + by_s)
    trouble = fleet.trouble and replace(fleet.trouble, at=fleet.trouble.at + by_s)
    return (
        policy,
        memory,
        replace(
            seen,
            now=seen.now + by_s,
            fleet=replace(fleet, at=fleet.at + by_s, deployment=rolling, trouble=trouble),
            queues=tuple(reading._replace(backlog=_moved(reading.backlog, by_s)) for reading in seen.queues),
            cpu=_moved(seen.cpu, by_s),
            memory=_moved(seen.memory, by_s),
            metrics=tuple(reading._replace(measured=_moved(reading.measured, by_s)) for reading in seen.metrics),
            flow=_moved(seen.flow, by_s),
            unseen=seen.unseen and seen.unseen._replace(at=seen.unseen.at + by_s),
        ),
    )


def _moved(reading: Any, by_s: Any) -> Any:  # any reading: all have `at`, except Missing
    return reading if reading is None or isinstance(reading, Missing) else replace(reading, at=reading.at + by_s)


@given(worlds())
def test_shadow_mode_decides_like_active_mode(world: World) -> None:
    policy, memory, seen = world
    shadow, active = (replace(policy, mode=mode) for mode in (Mode.SHADOW, Mode.ACTIVE))
    assume(not contested((active, memory, seen)))  # in shadow, no other writer can reverse a change
    assert decide(shadow, memory, seen) == decide(active, memory, seen)


@given(worlds())
def test_a_pause_of_one_direction_does_not_change_the_other(world: World) -> None:
    policy, memory, seen = world
    into, out, free = (decide(replace(policy, paused=p), memory, seen).verdict for p in (Pause.IN, Pause.OUT, None))
    assert (into is Verdict.SCALE_OUT) == (free is Verdict.SCALE_OUT)
    assert (out is Verdict.SCALE_IN) == (free is Verdict.SCALE_IN)


@given(worlds())
def test_a_scale_out_that_is_remembered_prevents_an_immediate_scale_in(world: World) -> None:
    """A second decision at the same time, with the first in memory, is no scale-in."""
    policy, memory, seen = world
    first = decide(policy, memory, seen)
    again = decide(policy, memory.remembering(policy, seen, first), seen)
    if not switched_off(world) and first.verdict is Verdict.SCALE_OUT and policy.scale_in.stabilization_s:
        assert again.verdict is not Verdict.SCALE_IN


@given(worlds(), st.integers(-5, 300), st.sampled_from(Rule))
def test_limit_decision_never_crosses_the_present_count(world: World, target: int, rule: Rule) -> None:
    decision = decide(*world)
    held = limit_decision(decision, rule, target, "reason")
    low, high = sorted((decision.current, decision.target))
    assert low <= held.target <= high
    assert (held.steps == decision.steps) == (held.target == decision.target)


@pytest.mark.parametrize("excess", [-1, 0, 1, 10**9])
def test_a_backlog_of_any_size_stays_within_max(excess: int) -> None:
    policy = Policy("orders", 0, 7, queues=(QueuePolicy("q", 60.0),))
    from_zero = Observation(NOW, Fleet(0, 0, 0, NOW), (QueueReading("q", Backlog(35 + excess, 0, 0, NOW)),))
    assert decide(policy, Memory(), from_zero).target == 7
