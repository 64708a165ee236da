"""The promises S1 to S5, S8 and S9, and what else always holds, as laws on one decision.

Each law takes the world that was decided on and the decision, and asserts. `test_promises.py` runs them over worlds
that shrink, `sweep.py` over millions that do not.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, inf
from typing import TypeAlias

from autoscaler.core.demand import read_signals
from autoscaler.core.engine import decide
from autoscaler.core.explain import sentence
from autoscaler.core.memory import AGREEMENT_S, Memory
from autoscaler.core.model import Backlog, Decision, Observation, Rule, Verdict
from autoscaler.core.policy import FallbackBehavior, Mode, Pause, Policy, Workers
from autoscaler.core.rule_input import RuleInput
from autoscaler.core.rules import HOLDING
from autoscaler.core.rules.operator import _kept
from autoscaler.core.rules.trust import CONTRADICTED_S, falls_back
from autoscaler.core.signals import QUEUE_VOTES

World: TypeAlias = tuple[Policy, Memory, Observation]
Law: TypeAlias = Callable[[World, Decision], None]


def pinned(policy: Policy) -> bool:
    """Paused at a count: the operator's own word, which stands above what the readings permit."""
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


def s1_nothing_is_raised_above_max(world: World, decision: Decision) -> None:
    policy, _, seen = world
    assert 0 <= decision.target <= max(policy.max_tasks, seen.fleet.desired)
    assert decision.target <= policy.max_tasks or decision.verdict is not Verdict.SCALE_OUT


def s1_nothing_above_max_is_written_but_on_the_way_down(world: World, decision: Decision) -> None:
    """Above max there is only what was found there, and less of it; a pause asks for no more than max either."""
    policy = world[0]
    if pinned(policy) and decision.target > policy.max_tasks:
        assert decision.target <= _kept(RuleInput.of(*world))


def s1_below_min_is_raised_at_once(world: World, decision: Decision) -> None:
    policy, _, seen = world
    if policy.paused in (Pause.ALL, Pause.OUT) or switched_off(world):
        assert decision.target >= min(policy.min_tasks, seen.fleet.desired)
    else:
        assert decision.target >= policy.min_tasks


def s2_never_in_on_missing_readings(world: World, decision: Decision) -> None:
    signals = read_signals(world[0], world[2])
    if signals.missing and not lowers_by_fallback(world) and not pinned(world[0]):
        assert decision.verdict is not Verdict.SCALE_IN


def s3_nothing_known_is_no_reason_to_move(world: World, decision: Decision) -> None:
    """With no vote at all, and no fallback, the count moves for the bounds and the pin alone."""
    policy, _, seen = world
    if not read_signals(policy, seen).votes and not falls_back(RuleInput.of(*world)) and policy.paused is None:
        within = policy.min_tasks <= seen.fleet.desired <= policy.max_tasks
        assert decision.verdict is Verdict.HOLD or not within


def s4_never_to_zero_with_work(world: World, decision: Decision) -> None:
    policy, _, seen = world
    work = read_signals(policy, seen).work
    left = work.in_flight or (work.messages and not pinned(policy))
    unknown = seen.given is None and read_signals(policy, seen).missing and not lowers_by_fallback(world)
    if (left or unknown) and seen.fleet.desired:
        assert decision.target > 0


def s4_never_below_protected_tasks(world: World, decision: Decision) -> None:
    seen = world[2]
    assert decision.target >= min(seen.fleet.desired, seen.fleet.protected or 0)


def s4_zero_is_agreed_on_for_more_than_a_minute(world: World, decision: Decision) -> None:
    policy, memory, seen = world
    if decision.target > 0 or seen.fleet.desired == 0 or seen.given is not None or pinned(policy):
        return
    positive = [seen.now - at for at, tasks in memory.demands if tasks]
    zeros = [seen.now - at for at, tasks in memory.demands if not tasks]
    unread_s = inf if memory.unread_at is None else seen.now - memory.unread_at
    run = [age for age in zeros if age < min([*positive, unread_s])]
    assert max(run) > AGREEMENT_S
    assert len(run) >= 2


def s5_a_young_memory_brings_no_scale_in(world: World, decision: Decision) -> None:
    policy, memory, seen = world
    young = memory.since is not None and seen.now - memory.since < policy.scale_in.longest_window_s
    if young and not pinned(policy):
        assert decision.verdict is not Verdict.SCALE_IN


def s12_the_first_complete_reading_after_a_gap_brings_no_scale_in(world: World, decision: Decision) -> None:
    policy, memory, seen = world
    windows_s = policy.scale_in.longest_window_s
    complete = not read_signals(policy, seen).missing
    if memory.lapsed and complete and windows_s > 0 and not pinned(policy):
        assert decision.verdict is not Verdict.SCALE_IN
    if memory.lapsed and complete and not pinned(policy) and seen.given is None and seen.fleet.desired:
        assert decision.target > 0, "zero is agreed on after a gap as after a start"


def s14_messages_in_flight_ask_for_no_more_tasks_than_there_are(world: World, decision: Decision) -> None:
    """With nothing visible, nothing delayed that counts, and no arrivals known of."""
    policy, _, seen = world
    known = [backlog for _, backlog in seen.queues if isinstance(backlog, Backlog)]
    calls = any(backlog.visible or (policy.count_delayed and backlog.delayed) for backlog in known)
    if not calls and (seen.knowledge is None or not seen.knowledge.arriving):
        assert all(vote.tasks <= seen.fleet.desired for vote in decision.votes if vote.signal in QUEUE_VOTES)


def s15_cloudwatch_that_contradicts_sqs_keeps_what_was_busy(world: World, decision: Decision) -> None:
    policy, _, seen = world
    unseen = seen.unseen
    if unseen is None or seen.given is not None or pinned(policy) or seen.now - unseen.at > CONTRADICTED_S:
        return
    if (unseen.messages or unseen.oldest_age_s) and seen.fleet.desired:
        each_s = (policy.processing_time_s or 0.0) / policy.task_concurrency
        assert decision.target >= min(seen.fleet.desired, max(1, ceil(unseen.deleted * each_s / 60)))


def never_in_before_every_queue_has_shown_a_receive(world: World, decision: Decision) -> None:
    policy, _, seen = world
    if seen.unreceived and seen.given is None and not pinned(policy) and not lowers_by_fallback(world):
        assert decision.verdict is not Verdict.SCALE_IN


def s8_never_in_during_a_deployment(world: World, decision: Decision) -> None:
    policy, _, seen = world
    rolling, rule = seen.fleet.deployment, policy.deployments
    if rolling and rule.hold_scale_in and seen.now - rolling.started < rule.at_most_s:
        assert decision.verdict is not Verdict.SCALE_IN


def s8_switched_off_by_hand_is_left_alone(world: World, decision: Decision) -> None:
    if switched_off(world):
        assert decision.verdict is Verdict.HOLD


def s9_a_pause_of_everything_changes_nothing(world: World, decision: Decision) -> None:
    if world[0].paused is Pause.ALL:
        assert decision.verdict is Verdict.HOLD


def a_pause_of_one_direction_stops_it(world: World, decision: Decision) -> None:
    if world[0].paused is Pause.IN:
        assert decision.verdict is not Verdict.SCALE_IN
    if world[0].paused is Pause.OUT:
        assert decision.verdict is not Verdict.SCALE_OUT


def scale_out_only_never_scales_in(world: World, decision: Decision) -> None:
    if world[0].mode is Mode.SCALE_OUT_ONLY and not pinned(world[0]):
        assert decision.verdict is not Verdict.SCALE_IN


def unsafe_workers_stay_while_anything_is_in_flight(world: World, decision: Decision) -> None:
    policy, _, seen = world
    outlasting = policy.workers is None and (policy.processing_time_s or 0.0) > 30.0 and seen.stop_timeout is None
    if (policy.workers is Workers.UNSAFE or outlasting) and read_signals(policy, seen).work.in_flight:
        assert decision.verdict is not Verdict.SCALE_IN


def out_no_faster_than_ecs_launches(world: World, decision: Decision) -> None:
    policy, memory, seen = world
    added = sum(tasks for at, tasks in memory.changes if tasks > 0 and seen.now - at < 60)
    low = policy.min_tasks if not pinned(policy) else policy.max_tasks
    assert decision.target <= max(seen.fleet.desired + max(0, policy.launch_per_minute - added), low)


def the_walk_has_no_gap(_: World, decision: Decision) -> None:
    first = decision.demand if decision.demand is not None else decision.current
    assert [first, *(step.end for step in decision.steps)] == [
        *(step.start for step in decision.steps),
        decision.target,
    ]
    assert all(step.start != step.end and step.reason and step.rule in Rule for step in decision.steps)


def the_sentence_is_one_line_with_the_counts(world: World, decision: Decision) -> None:
    text = sentence(world[0], decision, world[2])
    assert text.startswith("orders: ")
    assert "\n" not in text
    assert f"{decision.target:,} task" in text


def equal_inputs_give_equal_decisions(world: World, decision: Decision) -> None:
    assert decide(*world) == decision


def every_restraint_but_the_last_words_permits_the_present_count(world: World, _: Decision) -> None:
    """So a count that has come back to the present one needs to be held against none of them."""
    inputs = RuleInput.of(*world)
    for _rule, check in HOLDING:
        low, high = (check(inputs) or (0, inf))[:2]
        assert low <= inputs.current <= high


LAWS: tuple[Law, ...] = (
    every_restraint_but_the_last_words_permits_the_present_count,
    s1_nothing_is_raised_above_max,
    s1_nothing_above_max_is_written_but_on_the_way_down,
    s1_below_min_is_raised_at_once,
    s2_never_in_on_missing_readings,
    s3_nothing_known_is_no_reason_to_move,
    s4_never_to_zero_with_work,
    s4_never_below_protected_tasks,
    s4_zero_is_agreed_on_for_more_than_a_minute,
    s5_a_young_memory_brings_no_scale_in,
    s12_the_first_complete_reading_after_a_gap_brings_no_scale_in,
    s14_messages_in_flight_ask_for_no_more_tasks_than_there_are,
    s15_cloudwatch_that_contradicts_sqs_keeps_what_was_busy,
    never_in_before_every_queue_has_shown_a_receive,
    s8_never_in_during_a_deployment,
    s8_switched_off_by_hand_is_left_alone,
    s9_a_pause_of_everything_changes_nothing,
    a_pause_of_one_direction_stops_it,
    scale_out_only_never_scales_in,
    unsafe_workers_stay_while_anything_is_in_flight,
    out_no_faster_than_ecs_launches,
    the_walk_has_no_gap,
    the_sentence_is_one_line_with_the_counts,
    equal_inputs_give_equal_decisions,
)
