"""The promises S1 to S5 and S8, as laws on the engine: whatever is read, whatever is remembered."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.corridor import Case, falls_back
from autoscaler.core.demand import read_signals
from autoscaler.core.engine import decide
from autoscaler.core.explain import sentence
from autoscaler.core.memory import AGREEMENT_S, Demand, Memory
from autoscaler.core.model import Backlog, Decision, Fleet, Missing, Observation, QueueReading, Verdict
from autoscaler.core.policy import FallbackBehavior, Mode, Pause, Policy, QueuePolicy, Workers
from tests.core.strategies import NOW, counts, policies, with_more, worlds

World = tuple[Policy, Memory, Observation]


def lowers_by_fallback(world: World) -> bool:
    case = Case.of(*world)
    lowering = {FallbackBehavior.STATIC, FallbackBehavior.CURRENT_IF_LOWER}
    return falls_back(case) and case.policy.fallback.behavior in lowering


def frozen(policy: Policy) -> bool:
    return policy.paused in (Pause.ALL, Pause.OUT)


@given(worlds())
def test_s1_nothing_is_raised_above_max_and_what_is_found_above_is_only_lowered(world: World) -> None:
    policy, _, seen = world
    assert decide(*world).target <= max(policy.max_tasks, seen.fleet.desired)
    assert decide(*world).target <= policy.max_tasks or decide(*world).verdict is not Verdict.SCALE_OUT


@given(worlds())
def test_s1_below_min_is_raised_at_once_unless_paused(world: World) -> None:
    policy, _, seen = world
    floor = min(policy.min_tasks, seen.fleet.desired) if frozen(policy) else policy.min_tasks
    assert decide(*world).target >= floor


@given(worlds(), counts)
def test_s1_a_count_above_max_comes_down_no_faster_than_any_scale_in(world: World, demand: int) -> None:
    """Lowering max is a scale-in like another: from the same count, no lower than with the higher max."""
    policy, memory, seen = world
    seen = replace(seen, given=demand)
    roomy = replace(policy, max_tasks=max(policy.max_tasks, seen.fleet.desired))
    if policy.paused is None:
        least = decide(roomy, memory, replace(seen, given=0)).target
        assert decide(policy, memory, seen).target >= min(least, seen.fleet.desired)


@given(worlds())
def test_s2_never_in_on_missing_readings(world: World) -> None:
    policy, _, seen = world
    signals = read_signals(policy, seen)
    pinned = isinstance(policy.paused, int)
    if signals.missing and not signals.given and not lowers_by_fallback(world) and not pinned:
        assert decide(*world).verdict is not Verdict.SCALE_IN


@given(worlds())
def test_s2_out_stays_possible_on_the_good_readings(world: World) -> None:
    """A missing reading never lowers what the others ask for."""
    policy, memory, seen = world
    blinded = replace(policy, queues=(*policy.queues, QueuePolicy("gone", policy.shortest_latency_s)))
    unread = replace(seen, queues=(*seen.queues, QueueReading("gone", Missing("it was denied", "denied"))))
    if read_signals(policy, seen).demand is not None and read_signals(policy, seen).votes:
        assert decide(blinded, memory, unread).target >= decide(policy, memory, seen).target


@given(worlds())
def test_s3_absent_is_never_zero(world: World) -> None:
    """With a reading taken away the count may only stay or rise above what an empty queue would give."""
    policy, memory, seen = world
    if not seen.queues or seen.given is not None or lowers_by_fallback(world) or isinstance(policy.paused, int):
        return
    name = seen.queues[0].name
    gone = replace(seen, queues=(QueueReading(name, Missing("hidden")), *seen.queues[1:]))
    if not lowers_by_fallback((policy, memory, gone)):
        assert decide(policy, memory, gone).target >= min(seen.fleet.desired, max(policy.max_tasks, seen.fleet.desired))


@given(worlds())
def test_s4_never_to_zero_with_work_and_never_below_protected_tasks(world: World) -> None:
    policy, _, seen = world
    target, current = decide(*world).target, seen.fleet.desired
    if isinstance(policy.paused, int):
        return  # the operator's own word
    signals = read_signals(policy, seen)
    if signals.work.messages and current:
        assert target > 0
    assert target >= min(current, seen.fleet.protected or 0)


@given(worlds(), st.sampled_from([AGREEMENT_S - 1, AGREEMENT_S, AGREEMENT_S + 1]))
def test_s4_to_zero_only_after_readings_that_agree_over_more_than_a_minute(world: World, quiet_s: float) -> None:
    policy, memory, seen = world
    if policy.paused == 0 or seen.given is not None or seen.fleet.desired == 0:
        return
    zeros = tuple(Demand(NOW - age, 0) for age in (quiet_s, quiet_s / 2, 10.0))
    memory = replace(memory, demands=(Demand(NOW - 300, 5), *zeros))
    if decide(policy, memory, seen).target == 0:
        assert quiet_s > AGREEMENT_S


@given(worlds())
def test_s5_a_restart_brings_no_early_scale_in(world: World) -> None:
    """A memory younger than the longest scale-in window restrains what an older one would have restrained."""
    policy, _, seen = world
    age_s = policy.scale_in.longest_window_s - 1
    if age_s >= 0 and not isinstance(policy.paused, int):
        young = replace(Memory.starting(seen.fleet, NOW), since=NOW - age_s)
        assert decide(policy, young, seen).verdict is not Verdict.SCALE_IN


@given(worlds())
def test_s8_never_in_during_a_deployment_within_its_time(world: World) -> None:
    policy, _, seen = world
    rolling, rule = seen.fleet.deployment, policy.deployments
    if rolling and rule.hold_scale_in and NOW - rolling.started < rule.at_most_s and not isinstance(policy.paused, int):
        assert decide(*world).verdict is not Verdict.SCALE_IN


@given(worlds())
def test_s8_a_deployment_never_hinders_a_scale_out(world: World) -> None:
    policy, memory, seen = world
    calm = replace(seen, fleet=replace(seen.fleet, deployment=None))
    assert decide(policy, memory, seen).target >= decide(policy, memory, calm).target


@given(worlds())
def test_s9_a_pause_of_everything_changes_nothing(world: World) -> None:
    policy, memory, seen = world
    assert decide(replace(policy, paused=Pause.ALL), memory, seen).verdict is Verdict.HOLD


@given(worlds(), st.integers(1, 50))
def test_more_backlog_never_means_fewer_tasks(world: World, extra: int) -> None:
    policy, memory, seen = world
    assert decide(policy, memory, with_more(seen, extra)).target >= decide(policy, memory, seen).target


@given(worlds())
def test_equal_inputs_give_equal_decisions_and_time_itself_does_not_matter(world: World) -> None:
    """Only differences of instants count: the same world an hour later decides alike."""
    policy, memory, seen = world
    assert decide(policy, memory, seen) == decide(policy, memory, seen)


@given(worlds())
def test_the_walk_leads_from_the_demand_to_the_target_without_a_gap(world: World) -> None:
    decision = decide(*world)
    ends = [step.end for step in decision.steps]
    starts = [step.start for step in decision.steps]
    first = decision.demand if decision.demand is not None else decision.current
    assert [first, *ends] == [*starts, decision.target]
    assert all(step.start != step.end and step.because for step in decision.steps)


@given(worlds())
def test_every_decision_has_one_sentence_that_names_the_service_and_the_counts(world: World) -> None:
    decision = decide(*world)
    text = sentence(world[0], decision)
    assert text.startswith("orders: ")
    assert "\n" not in text
    assert f"{decision.target:,} task" in text


@given(worlds())
def test_scale_out_only_never_scales_in(world: World) -> None:
    policy, memory, seen = world
    if not isinstance(policy.paused, int):
        assert decide(replace(policy, mode=Mode.SCALE_OUT_ONLY), memory, seen).verdict is not Verdict.SCALE_IN


@given(worlds())
def test_shadow_decides_as_active_would(world: World) -> None:
    policy, memory, seen = world
    shadow, active = (replace(policy, mode=mode) for mode in (Mode.SHADOW, Mode.ACTIVE))
    assert decide(shadow, memory, seen) == decide(active, memory, seen)


@given(worlds())
def test_a_pause_of_one_direction_stops_just_that_direction(world: World) -> None:
    policy, memory, seen = world
    into, out = (decide(replace(policy, paused=p), memory, seen).verdict for p in (Pause.IN, Pause.OUT))
    free: Decision = decide(replace(policy, paused=None), memory, seen)
    assert into is not Verdict.SCALE_IN
    assert out is not Verdict.SCALE_OUT
    if free.verdict is Verdict.SCALE_OUT:
        assert into is Verdict.SCALE_OUT
    if free.verdict is Verdict.SCALE_IN:
        assert out is Verdict.SCALE_IN


@given(policies(), worlds())
def test_unsafe_workers_are_not_stopped_while_anything_is_in_flight(policy: Policy, world: World) -> None:
    _, memory, seen = world
    unsafe = replace(policy, workers=Workers.UNSAFE)
    busy = Backlog(visible=0, in_flight=1, delayed=0, at=NOW)
    names = [queue.name for queue in policy.queues]
    seen = replace(seen, queues=tuple(QueueReading(name, busy) for name in names), given=None)
    if names and not isinstance(policy.paused, int):
        assert decide(unsafe, memory, seen).verdict is not Verdict.SCALE_IN


@pytest.mark.parametrize("excess", [-1, 0, 1, 10**9])
def test_a_backlog_of_any_size_stays_within_max(excess: int) -> None:
    policy = Policy("orders", 0, 7, queues=(QueuePolicy("q", 60.0),))
    from_zero = Observation(NOW, Fleet(0, 0, 0, NOW), (QueueReading("q", Backlog(35 + excess, 0, 0, NOW)),))
    assert decide(policy, Memory(), from_zero).target == 7
