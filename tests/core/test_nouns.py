"""The data classes of the core: the defaults of a policy, the sums over queues, and the sentence of a decision."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.core.demand import read_signals
from autoscaler.core.engine import decide
from autoscaler.core.explain import drain_s_of, sentence
from autoscaler.core.memory import Memory
from autoscaler.core.model import (
    Backlog,
    Decision,
    DecisionStep,
    Fleet,
    Flow,
    Missing,
    Observation,
    QueueReading,
    Rule,
    Term,
    Unseen,
    Utilization,
    Verdict,
    Vote,
)
from autoscaler.core.policy import (
    Activation,
    DeploymentHold,
    Direction,
    Fallback,
    FallbackBehavior,
    Policy,
    QueuePolicy,
    RateLimit,
    ScaleIn,
)
from autoscaler.core.signals import Work
from tests.core.calm import NOW, policy, rules, seen

TWO = (QueuePolicy("q", 60.0), QueuePolicy("slow", 600.0))


def queues(**readings: Backlog | Missing) -> Observation:
    return seen(0, queues=tuple(QueueReading(name, reading) for name, reading in readings.items()))


def work(**readings: Backlog) -> Work:
    return read_signals(policy(queues=TWO), queues(**readings)).work


def test_the_defaults_of_a_policy() -> None:
    """The scale-in window is the time in which an idle task costs as much as a new start. Nothing else is delayed."""
    plain = Policy("orders", 0, 7)
    assert (plain.acceptable_latency_s, plain.task_concurrency, plain.tolerance) == (60.0, 1, 0.1)
    assert (plain.launch_per_minute, plain.stalled_after_s, plain.busy_floor) == (500, 300.0, True)
    assert (plain.count_in_flight, plain.count_delayed) == (True, False)
    assert (plain.scale_out, plain.scale_in) == (Direction(0.0, 0.0), ScaleIn(0.0, 20.0))
    assert (plain.scale_in.small_step_stabilization_s, plain.learn, plain.look_ahead) == (120.0, True, True)
    assert plain.scale_in.utilization_stabilization_s == 900.0
    assert plain.activation == Activation(messages=0, reads=1)
    assert plain.fallback == Fallback(FallbackBehavior.HOLD, None, after=3)
    assert plain.deployments == DeploymentHold(hold_scale_in=True, at_most_s=3600.0)


def test_a_policy_returns_its_shortest_and_longest_latency_and_that_of_each_queue() -> None:
    two = policy(queues=TWO, acceptable_latency_s=7.0)
    assert (two.shortest_latency_s, two.longest_latency_s) == (60.0, 600.0)
    assert [two.latency_of(name) for name in ("q", "slow", "another")] == [60.0, 600.0, 7.0]
    none = policy(queues=(), acceptable_latency_s=7.0)
    assert (none.shortest_latency_s, none.longest_latency_s) == (7.0, 7.0)


def test_a_policy_is_a_value_of_its_settings() -> None:
    assert len({policy(queues=TWO), policy(queues=TWO), policy(queues=TWO[:1])}) == 2
    assert "_latencies_s" not in repr(policy(queues=TWO))


def test_a_direction_returns_its_longest_window() -> None:
    limits = (RateLimit(20.0, tasks=1), RateLimit(40.0, tasks=1))
    assert Direction(30.0, 15.0).longest_window_s == 30.0
    assert Direction(15.0, 30.0).longest_window_s == 30.0
    assert Direction(15.0, 30.0, limits).longest_window_s == 40.0


def test_the_work_of_several_queues_is_the_sum_of_counts_and_the_oldest_age() -> None:
    young = Backlog(3, 1, 5, NOW, oldest_age_s=0.5, groups_in_flight=5)
    old = Backlog(4, 2, 6, NOW, oldest_age_s=90.0, groups_in_flight=4)
    for both in (work(q=young, slow=old), work(slow=old, q=young)):
        assert both == Work(7, 3, 10, 3, 90.0, None, 9)
    assert work(q=young) == Work(3, 1, 4, 1, 0.5, None, 5)
    ungrouped = replace(young, groups_in_flight=None)
    assert work(q=replace(ungrouped, visible=0, in_flight=0), slow=old).groups_in_flight == 4, "q is empty"
    assert work(q=replace(ungrouped, visible=0), slow=old).groups_in_flight is None
    assert work(q=replace(ungrouped, in_flight=0), slow=old).groups_in_flight is None
    assert work(q=ungrouped).groups_in_flight is None
    assert work(q=replace(ungrouped, visible=0, in_flight=0)).groups_in_flight is None
    assert work(q=replace(young, groups_in_flight=0)).groups_in_flight == 0
    assert work(q=replace(old, visible=0)).oldest_age_s is None


def test_an_overdue_queue_is_named_even_if_another_queue_has_an_older_message() -> None:
    overdue, young = Backlog(3, 0, 0, NOW, oldest_age_s=60.0), Backlog(3, 0, 0, NOW, oldest_age_s=70.0)
    assert work(q=overdue, slow=young).overdue == ("q", 60.0)
    assert work(slow=young, q=overdue).overdue == ("q", 60.0)
    assert work(q=overdue, slow=replace(young, oldest_age_s=600.0)).overdue == ("q", 60.0), "the first queue is named"


@pytest.mark.parametrize("reading", [None, Missing("no datapoint", "no_data")])
def test_an_unread_utilization_is_missing(reading: Missing | None) -> None:
    hot = policy(cpu_target_percent=50.0, memory_target_percent=50.0)
    fine = Utilization(0.0, NOW, 10)
    assert rules(decide(hot, Memory(), seen(20, cpu=reading, memory=fine))) == [Rule.MISSING_SIGNAL]
    assert rules(decide(hot, Memory(), seen(20, cpu=fine, memory=reading))) == [Rule.MISSING_SIGNAL]


@pytest.mark.parametrize(("target", "verdict"), [(11, Verdict.SCALE_OUT), (10, Verdict.HOLD), (9, Verdict.SCALE_IN)])
def test_the_verdict_follows_from_the_counts(target: int, verdict: Verdict) -> None:
    assert Decision("orders", 10, target, target, target, (), ()).verdict is verdict


def test_the_rule_of_a_decision_is_that_of_its_last_step() -> None:
    steps = (
        DecisionStep(Rule.ZERO, 0, 1, "left"),
        DecisionStep(Rule.WARM_UP, 1, 9, "young"),
        DecisionStep(Rule.BUSY, 9, 10, "busy"),
    )
    assert Decision("orders", 10, 0, 0, 10, steps, ()).rule is Rule.BUSY
    assert Decision("orders", 10, 0, 0, 10, (), ()).rule is None


def test_a_minute_has_no_waiting_messages_by_default() -> None:
    assert Flow(5, 5, 10, NOW).waiting == 0
    assert not Decision("orders", 0, 0, 0, 0, (), ()).wakes


def test_by_default_every_signal_was_read_and_compared() -> None:
    decision = Decision("orders", 0, 0, 0, 0, (), ())
    assert (decision.complete, decision.unread) == (True, False)
    assert Unseen(5, 5, NOW).compared


def test_two_services_that_differ_in_their_task_definitions_are_scaled_alike() -> None:
    """Decisions do not depend on task definitions, so they are no part of the comparison."""
    fleet = Fleet(10, 10, 0, NOW)
    assert replace(fleet, task_definitions=("orders:7",)) == fleet
    assert replace(fleet, pending=1) != fleet


def test_a_vote_without_candidates_is_its_own_term() -> None:
    own = Vote("backlog", 2.5, "{0} waiting", (25,))
    assert own.terms == (Term("backlog", 2.5, "{0} waiting", (25,)),)
    candidates = (Term("backlog", 2.5, ""), Term("work", 2.0, "", cap=True))
    assert own._replace(candidates=candidates).terms == candidates


TIMED = policy(backlog_per_task=None, processing_time_s=5.0, task_concurrency=2)


@pytest.mark.parametrize(
    ("configured", "tasks", "world", "drain_s"),
    [
        (TIMED, 4, seen(80, in_flight=30), 50.0),  # 80 x 5 s on 8 slots; messages in flight are not in the backlog
        (TIMED, 1, seen(1), 2.5),
        (TIMED, 4, seen(0, in_flight=30), None),
        (TIMED, 0, seen(80), None),
        (policy(), 4, seen(80), None),
        (replace(TIMED, queues=TWO), 4, seen(80), None),  # one queue was not read: its backlog is unknown
    ],
)
def test_the_time_until_the_backlog_is_empty(
    configured: Policy, tasks: int, world: Observation, drain_s: float | None
) -> None:
    assert drain_s_of(configured, tasks, world) == drain_s


def test_the_sentence_names_the_highest_vote_the_rules_and_the_drain_time() -> None:
    timed = replace(TIMED, paused=4, cpu_target_percent=50.0)
    world = seen(80, cpu=Utilization(10.0, NOW, 10))
    decision = decide(timed, Memory(), world)
    work = "backlog 80, 0 in flight, 5 s each (configured), latency target 60 s"
    term = (
        "5.71 to receive 80 messages in half of the latency target, or in what is left of it: 7 per slot, the first at "
        "once, and 2 slots per task"
    )
    start = f"orders: 10 -> 4 tasks (min 0, max 100): {work}: 6 tasks required, {term}"
    pause = "pause: 4 instead of 6 (paused at 4)"
    assert sentence(timed, decision) == f"{start}; {pause}"
    assert sentence(timed, decision, world) == f"{start}; {pause}; backlog empty after 50 s if no more messages arrive"


def test_the_sentence_reports_that_no_signal_could_be_read() -> None:
    unread = queues(q=Missing("denied", "denied"))
    text = sentence(policy(), decide(policy(), Memory(), unread), unread)
    assert text == "orders: stays at 10 tasks (min 0, max 100): no signal could be read"


def test_the_sentence_reports_that_no_signal_has_a_value_if_none_is_missing() -> None:
    """A service without tasks has no CPU utilization, and none is needed."""
    configured = policy(queues=(), backlog_per_task=None, cpu_target_percent=60.0)
    world = seen(0, desired=0, queues=())
    text = sentence(configured, decide(configured, Memory(), world), world)
    assert text == "orders: stays at 0 tasks (min 0, max 100): no signal has a value"


def test_the_reason_of_the_bounds_names_no_schedule_without_one() -> None:
    assert decide(policy(max_tasks=20), Memory(), seen(300)).steps[-1].reason == "between 0 and 20 tasks"
