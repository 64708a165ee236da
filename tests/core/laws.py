"""The safety laws S1 to S5, S8, S9, S12, S14 and S15, and other laws that hold for every decision.

Each law takes a world (policy, memory, observation) and its decision, and asserts. `test_latency_targets.py` runs the
laws over worlds that hypothesis shrinks, `sweep.py` over millions of random worlds.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, inf
from typing import Any, TypeAlias

import pytest

from autoscaler.core.demand import read_signals
from autoscaler.core.engine import decide
from autoscaler.core.explain import sentence
from autoscaler.core.memory import AGREEMENT_S, Memory
from autoscaler.core.model import MOST_TASKS, Backlog, Decision, Observation, Rule, Verdict
from autoscaler.core.policy import FallbackBehavior, Mode, Pause, Policy, WorkerSafety
from autoscaler.core.rule_input import RuleInput
from autoscaler.core.rules import HOLDING
from autoscaler.core.rules.operator import _must_stay
from autoscaler.core.rules.trust import CONTRADICTED_S, falls_back
from autoscaler.core.signals import QUEUE_VOTES
from autoscaler.situation import terms_of
from tests.core.reader import computed

World: TypeAlias = tuple[Policy, Memory, Observation]
Law: TypeAlias = Callable[[World, Decision], None]


def pinned(policy: Policy) -> bool:
    """Return whether scaling is paused at a count. That setting overrides the readings."""
    return policy.paused is not None and not isinstance(policy.paused, Pause)


def lowers_by_fallback(world: World) -> bool:
    inputs = RuleInput.of(*world)
    return falls_back(inputs) and inputs.policy.fallback.behavior in {
        FallbackBehavior.STATIC,
        FallbackBehavior.CURRENT_IF_LOWER,
    }


def switched_off(world: World) -> bool:
    policy, memory, seen = world
    return seen.fleet.desired == 0 and (memory.off or (policy.min_tasks > 0 and bool(memory.expected)))


def contested(world: World) -> bool:
    policy, memory, seen = world
    return memory.contest_at(policy, seen.fleet, seen.now).is_paused(seen.now)


def s1_never_scales_out_above_max(world: World, decision: Decision) -> None:
    policy, _, seen = world
    assert 0 <= decision.target <= max(policy.max_tasks, seen.fleet.desired)
    assert decision.target <= policy.max_tasks or decision.verdict is not Verdict.SCALE_OUT


def s1_a_pause_at_a_count_above_max_keeps_only_tasks_that_must_stay(world: World, decision: Decision) -> None:
    """A pause at a count above max gives a target above max only for tasks that must stay."""
    policy = world[0]
    if pinned(policy) and decision.target > policy.max_tasks and not contested(world):
        assert decision.target <= _must_stay(RuleInput.of(*world))


def s1_a_count_below_min_is_raised_at_once(world: World, decision: Decision) -> None:
    policy, _, seen = world
    if policy.paused in (Pause.ALL, Pause.OUT) or switched_off(world) or contested(world):
        assert decision.target >= min(policy.min_tasks, seen.fleet.desired)
    else:
        assert decision.target >= policy.min_tasks


def s2_missing_readings_cause_no_scale_in(world: World, decision: Decision) -> None:
    signals = read_signals(world[0], world[2])
    if signals.missing and not lowers_by_fallback(world) and not pinned(world[0]):
        assert decision.verdict is not Verdict.SCALE_IN


def s3_without_any_vote_the_count_is_held(world: World, decision: Decision) -> None:
    """Without a vote and without a fallback, only the bounds and a pause can change the count."""
    policy, _, seen = world
    if not read_signals(policy, seen).votes and not falls_back(RuleInput.of(*world)) and policy.paused is None:
        within = policy.min_tasks <= seen.fleet.desired <= policy.max_tasks
        assert decision.verdict is Verdict.HOLD or not within


def s4_never_scales_to_zero_with_work(world: World, decision: Decision) -> None:
    policy, _, seen = world
    work = read_signals(policy, seen).work
    has_work = work.in_flight or (work.messages and not pinned(policy))
    unknown = seen.given is None and read_signals(policy, seen).missing and not lowers_by_fallback(world)
    if (has_work or unknown) and seen.fleet.desired:
        assert decision.target > 0


def s4_never_scales_below_the_protected_tasks(world: World, decision: Decision) -> None:
    seen = world[2]
    assert decision.target >= min(seen.fleet.desired, seen.fleet.protected or 0)


def s4_zero_requires_agreeing_readings_over_more_than_a_minute(world: World, decision: Decision) -> None:
    policy, memory, seen = world
    if decision.target > 0 or seen.fleet.desired == 0 or seen.given is not None or pinned(policy):
        return
    positive = [seen.now - at for at, tasks in memory.demands if tasks]
    zeros = [seen.now - at for at, tasks in memory.demands if not tasks]
    unread_s = inf if memory.unread_at is None else seen.now - memory.unread_at
    run = [age for age in zeros if age < min([*positive, unread_s])]
    assert max(run) > AGREEMENT_S
    assert len(run) >= 2


def s5_no_scale_in_before_the_longest_window_has_passed(world: World, decision: Decision) -> None:
    policy, memory, seen = world
    young = memory.since is not None and seen.now - memory.since < policy.scale_in.longest_window_s
    if young and not pinned(policy):
        assert decision.verdict is not Verdict.SCALE_IN


def s12_the_first_complete_reading_after_a_gap_causes_no_scale_in(world: World, decision: Decision) -> None:
    policy, memory, seen = world
    windows_s = policy.scale_in.longest_window_s
    complete = not read_signals(policy, seen).missing
    if memory.lapsed and complete and windows_s > 0 and not pinned(policy):
        assert decision.verdict is not Verdict.SCALE_IN
    if memory.lapsed and complete and not pinned(policy) and seen.given is None and seen.fleet.desired:
        assert decision.target > 0, "after a gap as after a start, zero requires agreeing readings"


def s14_messages_in_flight_alone_require_no_more_than_the_desired_tasks(world: World, decision: Decision) -> None:
    """Applies without visible messages, without delayed messages that count, and without known arrivals."""
    policy, _, seen = world
    known = [backlog for _, backlog in seen.queues if isinstance(backlog, Backlog)]
    calls = any(backlog.visible or (policy.count_delayed and backlog.delayed) for backlog in known)
    if not calls and (seen.knowledge is None or not seen.knowledge.arriving):
        assert all(vote.tasks <= seen.fleet.desired for vote in decision.votes if vote.signal in QUEUE_VOTES)


def s15_busy_tasks_stay_while_cloudwatch_contradicts_sqs(world: World, decision: Decision) -> None:
    policy, _, seen = world
    unseen = seen.unseen
    if unseen is None or seen.given is not None or pinned(policy) or seen.now - unseen.at > CONTRADICTED_S:
        return
    if (unseen.messages or unseen.oldest_age_s) and seen.fleet.desired:
        each_s = (policy.processing_time_s or 0.0) / policy.task_concurrency
        if seen.knowledge is not None:
            each_s = seen.knowledge.slow_s / seen.knowledge.concurrency.value
        busy = max(1, ceil(unseen.deleted * each_s / 60))
        if seen.knowledge is not None and seen.knowledge.useful is not None:
            busy = min(busy, ceil(seen.knowledge.useful))
        assert decision.target >= min(seen.fleet.desired, busy, policy.max_tasks), "a count above max_tasks is lowered"


def no_scale_in_before_every_queue_has_had_a_receive(world: World, decision: Decision) -> None:
    policy, _, seen = world
    if seen.unreceived and seen.given is None and not pinned(policy) and not lowers_by_fallback(world):
        assert decision.verdict is not Verdict.SCALE_IN


def s8_no_scale_in_during_a_deployment(world: World, decision: Decision) -> None:
    policy, _, seen = world
    rolling, rule = seen.fleet.deployment, policy.deployments
    if rolling and rule.hold_scale_in and seen.now - rolling.started < rule.at_most_s:
        assert decision.verdict is not Verdict.SCALE_IN


def s8_a_service_set_to_zero_by_hand_stays_at_zero(world: World, decision: Decision) -> None:
    if switched_off(world):
        assert decision.verdict is Verdict.HOLD


def s9_a_pause_of_both_directions_changes_nothing(world: World, decision: Decision) -> None:
    if world[0].paused is Pause.ALL:
        assert decision.verdict is Verdict.HOLD


def nothing_is_written_while_two_writers_contest_the_count(world: World, decision: Decision) -> None:
    if contested(world):
        assert decision.verdict is Verdict.HOLD


def a_pause_of_one_direction_stops_that_direction(world: World, decision: Decision) -> None:
    if world[0].paused is Pause.IN:
        assert decision.verdict is not Verdict.SCALE_IN
    if world[0].paused is Pause.OUT:
        assert decision.verdict is not Verdict.SCALE_OUT


def scale_out_only_never_scales_in(world: World, decision: Decision) -> None:
    if world[0].mode is Mode.SCALE_OUT_ONLY and not pinned(world[0]):
        assert decision.verdict is not Verdict.SCALE_IN


def unsafe_workers_are_not_scaled_in_while_a_message_is_in_flight(world: World, decision: Decision) -> None:
    policy, _, seen = world
    stop_s = 30.0 if seen.stop_timeout is None else seen.stop_timeout.seconds
    learned_s = None if seen.knowledge is None else seen.knowledge.processing_p95_s
    takes_s = (policy.processing_time_s or 0.0) if learned_s is None else learned_s
    outlasting = policy.workers is None and takes_s > stop_s
    if (policy.workers is WorkerSafety.UNSAFE or outlasting) and read_signals(policy, seen).work.in_flight:
        assert decision.verdict is not Verdict.SCALE_IN


def scale_out_is_no_faster_than_the_ecs_launch_rate(world: World, decision: Decision) -> None:
    policy, memory, seen = world
    added = sum(tasks for at, tasks in memory.changes if tasks > 0 and seen.now - at < 60)
    low = policy.min_tasks if not pinned(policy) else policy.max_tasks
    assert decision.target <= max(seen.fleet.desired + max(0, policy.launch_per_minute - added), low)


def the_steps_lead_from_the_demand_to_the_target_without_a_gap(_: World, decision: Decision) -> None:
    first = decision.demand if decision.demand is not None else decision.current
    assert [first, *(step.end for step in decision.steps)] == [
        *(step.start for step in decision.steps),
        decision.target,
    ]
    assert all(step.start != step.end and step.reason and step.rule in Rule for step in decision.steps)


def the_demand_can_be_computed_from_the_terms(world: World, decision: Decision) -> None:
    """Demand = the highest over the votes of ceil(min(largest term, smallest cap)). Parts add up to their term."""
    if decision.demand is None or world[2].given is not None:
        return
    votes: dict[str, list[dict[str, Any]]] = {}
    for term in terms_of(decision):
        votes.setdefault(term["vote"], []).append(term)
        if "parts" in term:
            assert sum(part["tasks"] for part in term["parts"]) == pytest.approx(term["tasks"])
    assert votes.keys() == {vote.signal for vote in decision.votes}
    loads = []
    for terms in votes.values():
        largest = max(term["tasks"] for term in terms if not term.get("cap"))
        loads.append(min([largest, *(term["tasks"] for term in terms if term.get("cap"))]))
    assert max(ceil(round(min(load, MOST_TASKS), 6)) for load in loads) == decision.demand
    assert all(term["reason"] for terms in votes.values() for term in terms)


def the_tasks_of_each_term_can_be_computed_from_its_words(world: World, decision: Decision) -> None:
    """By a reader with a calculator, to the three digits that the words give."""
    for vote in () if world[2].given is not None else decision.votes:
        for term in vote.terms:
            found = computed(term.reason)
            assert found is not None, term.reason
            assert found == pytest.approx(term.tasks, rel=0.02, abs=0.02), term.reason


def the_sentence_names_the_term_that_decided(world: World, decision: Decision) -> None:
    if decision.demand is None or world[2].given is not None:
        return
    highest = max(decision.votes, key=lambda vote: vote.load)
    assert highest.binding.reason in sentence(world[0], decision, world[2])
    assert highest.binding.tasks == pytest.approx(highest.load)


def the_sentence_is_one_line_with_the_target(world: World, decision: Decision) -> None:
    text = sentence(world[0], decision, world[2])
    assert text.startswith("orders: ")
    assert "\n" not in text
    assert f"{decision.target:,} task" in text


def equal_inputs_give_equal_decisions(world: World, decision: Decision) -> None:
    assert decide(*world) == decision


def every_holding_rule_permits_the_present_count(world: World, _: Decision) -> None:
    """The engine therefore skips these rules once the count equals the present count."""
    inputs = RuleInput.of(*world)
    for _rule, check in HOLDING:
        low, high = (check(inputs) or (0, inf))[:2]
        assert low <= inputs.current <= high


LAWS: tuple[Law, ...] = (
    every_holding_rule_permits_the_present_count,
    s1_never_scales_out_above_max,
    s1_a_pause_at_a_count_above_max_keeps_only_tasks_that_must_stay,
    s1_a_count_below_min_is_raised_at_once,
    s2_missing_readings_cause_no_scale_in,
    s3_without_any_vote_the_count_is_held,
    s4_never_scales_to_zero_with_work,
    s4_never_scales_below_the_protected_tasks,
    s4_zero_requires_agreeing_readings_over_more_than_a_minute,
    s5_no_scale_in_before_the_longest_window_has_passed,
    s12_the_first_complete_reading_after_a_gap_causes_no_scale_in,
    s14_messages_in_flight_alone_require_no_more_than_the_desired_tasks,
    s15_busy_tasks_stay_while_cloudwatch_contradicts_sqs,
    no_scale_in_before_every_queue_has_had_a_receive,
    s8_no_scale_in_during_a_deployment,
    s8_a_service_set_to_zero_by_hand_stays_at_zero,
    s9_a_pause_of_both_directions_changes_nothing,
    nothing_is_written_while_two_writers_contest_the_count,
    a_pause_of_one_direction_stops_that_direction,
    scale_out_only_never_scales_in,
    unsafe_workers_are_not_scaled_in_while_a_message_is_in_flight,
    scale_out_is_no_faster_than_the_ecs_launch_rate,
    the_steps_lead_from_the_demand_to_the_target_without_a_gap,
    the_sentence_is_one_line_with_the_target,
    the_tasks_of_each_term_can_be_computed_from_its_words,
    the_sentence_names_the_term_that_decided,
    the_demand_can_be_computed_from_the_terms,
    equal_inputs_give_equal_decisions,
)
