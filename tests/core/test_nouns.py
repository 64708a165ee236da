"""The nouns by themselves: what an operator gets who says nothing more, what several queues come to, what is said."""

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
    Flow,
    Missing,
    Observation,
    QueueReading,
    Rule,
    Step,
    Utilization,
    Verdict,
)
from autoscaler.core.policy import (
    Activation,
    DeploymentHold,
    Direction,
    Fallback,
    FallbackBehavior,
    Limit,
    Policy,
    QueuePolicy,
)
from autoscaler.core.signals import Work
from tests.core.calm import NOW, policy, rules, seen

TWO = (QueuePolicy("q", 60.0), QueuePolicy("slow", 600.0))


def queues(**readings: Backlog | Missing) -> Observation:
    return seen(0, queues=tuple(QueueReading(name, reading) for name, reading in readings.items()))


def work(**readings: Backlog) -> Work:
    return read_signals(policy(queues=TWO), queues(**readings)).work


def test_what_holds_where_the_operator_says_nothing() -> None:
    """Scale-in is steadied for as long as a task that is kept costs as much as one started anew; nothing else waits."""
    plain = Policy("orders", 0, 7)
    assert (plain.acceptable_latency_s, plain.task_concurrency, plain.tolerance) == (60.0, 1, 0.1)
    assert (plain.launch_per_minute, plain.stalled_after_s, plain.busy_floor) == (500, 300.0, True)
    assert (plain.count_in_flight, plain.count_delayed) == (True, False)
    assert (plain.scale_out, plain.scale_in) == (Direction(0.0, 0.0), Direction(0.0, 45.0))
    assert (plain.small_step_stabilization_s, plain.learn, plain.look_ahead) == (120.0, True, True)
    assert plain.activation == Activation(messages=0, reads=1)
    assert plain.fallback == Fallback(FallbackBehavior.HOLD, None, after=3)
    assert plain.deployments == DeploymentHold(hold_scale_in=True, at_most_s=3600.0)


def test_a_policy_knows_its_shortest_and_longest_latency_and_each_queues() -> None:
    two = policy(queues=TWO, acceptable_latency_s=7.0)
    assert (two.shortest_latency_s, two.longest_latency_s) == (60.0, 600.0)
    assert [two.latency_of(name) for name in ("q", "slow", "another")] == [60.0, 600.0, 7.0]
    none = policy(queues=(), acceptable_latency_s=7.0)
    assert (none.shortest_latency_s, none.longest_latency_s) == (7.0, 7.0)


def test_a_direction_knows_its_longest_window() -> None:
    limits = (Limit(20.0, tasks=1), Limit(40.0, tasks=1))
    assert Direction(30.0, 15.0).longest_window_s == 30.0
    assert Direction(15.0, 30.0).longest_window_s == 30.0
    assert Direction(15.0, 30.0, limits).longest_window_s == 40.0


def test_the_work_of_several_queues_is_their_sum_and_their_oldest() -> None:
    young = Backlog(3, 1, 5, NOW, oldest_age_s=0.5, groups_in_flight=5)
    old = Backlog(4, 2, 6, NOW, oldest_age_s=90.0, groups_in_flight=4)
    for both in (work(q=young, slow=old), work(slow=old, q=young)):
        assert both == Work(7, 3, 10, 3, 90.0, None, 9)
    assert work(q=young) == Work(3, 1, 4, 1, 0.5, None, 5)
    ungrouped = replace(young, groups_in_flight=None)
    assert work(q=replace(ungrouped, visible=0, in_flight=0), slow=old).groups_in_flight == 4, "there is nothing in it"
    assert work(q=replace(ungrouped, visible=0), slow=old).groups_in_flight is None
    assert work(q=replace(ungrouped, in_flight=0), slow=old).groups_in_flight is None
    assert work(q=ungrouped).groups_in_flight is None
    assert work(q=replace(ungrouped, visible=0, in_flight=0)).groups_in_flight is None
    assert work(q=replace(young, groups_in_flight=0)).groups_in_flight == 0
    assert work(q=replace(old, visible=0)).oldest_age_s is None


def test_a_queue_that_is_overdue_is_not_forgotten_over_one_that_is_not() -> None:
    overdue, young = Backlog(3, 0, 0, NOW, oldest_age_s=60.0), Backlog(3, 0, 0, NOW, oldest_age_s=70.0)
    assert work(q=overdue, slow=young).overdue == ("q", 60.0)
    assert work(slow=young, q=overdue).overdue == ("q", 60.0)
    assert work(q=overdue, slow=replace(young, oldest_age_s=600.0)).overdue == ("q", 60.0), "the first is named"


@pytest.mark.parametrize("reading", [None, Missing("no datapoint", "no_data")])
def test_a_utilization_that_nobody_read_is_missing(reading: Missing | None) -> None:
    hot = policy(cpu_target_percent=50.0, memory_target_percent=50.0)
    fine = Utilization(0.0, NOW, 10)
    assert rules(decide(hot, Memory(), seen(20, cpu=reading, memory=fine))) == [Rule.MISSING_SIGNAL]
    assert rules(decide(hot, Memory(), seen(20, cpu=fine, memory=reading))) == [Rule.MISSING_SIGNAL]


@pytest.mark.parametrize(("target", "verdict"), [(11, Verdict.SCALE_OUT), (10, Verdict.HOLD), (9, Verdict.SCALE_IN)])
def test_the_verdict_follows_from_the_counts(target: int, verdict: Verdict) -> None:
    assert Decision("orders", 10, target, target, target, (), ()).verdict is verdict


def test_the_rule_that_is_named_is_the_last_of_several() -> None:
    steps = Step(Rule.ZERO, 0, 1, "left"), Step(Rule.WARM_UP, 1, 9, "young"), Step(Rule.BUSY, 9, 10, "busy")
    assert Decision("orders", 10, 0, 0, 10, steps, ()).rule is Rule.BUSY
    assert Decision("orders", 10, 0, 0, 10, (), ()).rule is None


def test_a_minute_that_nobody_counted_the_waiting_in_counts_as_one_without() -> None:
    assert Flow(5, 5, 10, NOW).waiting == 0
    assert not Decision("orders", 0, 0, 0, 0, (), ()).wakes


TIMED = policy(backlog_per_task=None, processing_time_s=5.0, task_concurrency=2)


@pytest.mark.parametrize(
    ("wanted", "tasks", "world", "drain_s"),
    [
        (TIMED, 4, seen(80, in_flight=30), 50.0),  # 80 x 5 s on 8 slots; what is in flight does not wait
        (TIMED, 1, seen(1), 2.5),
        (TIMED, 4, seen(0, in_flight=30), None),
        (TIMED, 0, seen(80), None),
        (policy(), 4, seen(80), None),
        (replace(TIMED, queues=TWO), 4, seen(80), None),  # one queue was not read: who knows what waits there
    ],
)
def test_how_long_until_nothing_waits(wanted: Policy, tasks: int, world: Observation, drain_s: float | None) -> None:
    assert drain_s_of(wanted, tasks, world) == drain_s


def test_the_sentence_names_the_vote_that_won_the_restraints_and_the_drain() -> None:
    timed = replace(TIMED, paused=4, cpu_target_percent=50.0)
    world = seen(80, cpu=Utilization(10.0, NOW, 10))
    decision = decide(timed, Memory(), world)
    work = "backlog 80, 0 in flight, 5 s each, latency target 60 s"
    said = f"orders: 10 -> 4 tasks (min 0, max 100): {work}: 6 tasks required"
    restrained = "pause: 4 instead of 6 (paused at 4)"
    assert sentence(timed, decision) == f"{said}; {restrained}"
    assert sentence(timed, decision, world) == f"{said}; {restrained}; nothing waits after 50 s, if nothing more comes"


def test_the_sentence_says_that_nothing_could_be_read() -> None:
    unread = queues(q=Missing("denied", "denied"))
    text = sentence(policy(), decide(policy(), Memory(), unread), unread)
    assert text == "orders: stays at 10 tasks (min 0, max 100): no signal could be read"


def test_bounds_without_a_schedule_name_none() -> None:
    assert decide(policy(max_tasks=20), Memory(), seen(300)).steps[-1].reason == "between 0 and 20 tasks"
