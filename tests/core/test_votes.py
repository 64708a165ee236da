"""What each signal asks for, and which of several wins."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.core.engine import decide
from autoscaler.core.memory import Memory
from autoscaler.core.model import (
    Backlog,
    Decision,
    Measurement,
    MetricReading,
    Missing,
    QueueReading,
    Rule,
    Utilization,
)
from autoscaler.core.policy import MetricPolicy, QueuePolicy
from tests.core.calm import NOW, demands, policy, rules, seen


def asked(decision: Decision) -> dict[str, int]:
    return {vote.signal: vote.tasks for vote in decision.votes}


def queue(waiting: int, **changes: object) -> tuple[QueueReading, ...]:
    return (QueueReading("q", replace(Backlog(waiting, 0, 0, NOW), **changes)),)  # type: ignore[arg-type]


def test_backlog_per_task_rounds_up_and_counts_what_is_in_flight() -> None:
    assert decide(policy(), Memory(), seen(101, in_flight=9)).target == 11
    assert decide(policy(), Memory(), seen(101, in_flight=10)).target == 12


def test_day_one_takes_five_messages_a_task() -> None:
    assert decide(policy(backlog_per_task=None), Memory(), seen(101)).target == 21


def test_latency_lets_a_task_take_as_many_turns_as_fit_in_half_of_it() -> None:
    """5 s each, half of 60 s: 1 + 6 turns. 70 messages are 10 tasks, 71 are 11."""
    timed = policy(backlog_per_task=None, processing_time_s=5.0)
    assert decide(timed, Memory(), seen(70)).target == 10
    assert decide(timed, Memory(), seen(71)).target == 11


def test_long_work_is_one_slot_a_message_not_many_tasks() -> None:
    """Two hours each, a minute of latency: 12 messages are 12 slots, on 3 tasks of 4 messages at once."""
    timed = policy(backlog_per_task=None, processing_time_s=7200.0, task_concurrency=4)
    assert decide(timed, Memory(), seen(12, desired=1)).target == 3


def test_latency_never_asks_for_less_than_what_is_in_flight_occupies() -> None:
    timed = policy(backlog_per_task=None, processing_time_s=1.0, busy_floor=False)
    assert decide(timed, Memory(), seen(0, in_flight=9)).target == 9
    assert decide(timed, Memory(), seen(1, in_flight=500)).target == 17, (
        "501 / 31 turns; beyond the 10 running: not held"
    )


def test_messages_in_flight_alone_never_ask_for_more_tasks_than_there_are() -> None:
    """S14: with nothing visible, nothing delayed that counts, and no arrivals, whatever is in flight has its task."""
    timed = policy(backlog_per_task=None, processing_time_s=1.0, busy_floor=False)
    for wanted in (timed, policy(backlog_per_task=1.0), policy(backlog_per_task=None)):
        for in_flight in (500, 10**9):
            decision = decide(wanted, Memory(), seen(0, in_flight=in_flight))
            assert decision.demand == decision.target == 10
            assert "no more than the present 10" in decision.votes[0].reason
    assert decide(policy(backlog_per_task=1.0), Memory(), seen(1, in_flight=500)).target == 100, "one is visible"
    delayed = policy(backlog_per_task=1.0, count_delayed=True)
    waiting_to_appear = seen(0, queues=queue(0, in_flight=50, delayed=1))
    assert decide(delayed, Memory(), waiting_to_appear).target == 51
    assert decide(replace(delayed, count_delayed=False), Memory(), waiting_to_appear).target == 10


def test_the_highest_vote_wins() -> None:
    both = policy(processing_time_s=5.0, cpu_target_percent=50.0)
    world = seen(70, cpu=Utilization(90.0, NOW, 10))
    decision = decide(both, Memory(), world)
    assert {vote.signal: vote.tasks for vote in decision.votes} == {"backlog": 7, "latency": 10, "cpu": 18}
    assert decision.target == 18


def test_cpu_never_asks_for_more_tasks_than_there_is_work() -> None:
    hot = policy(cpu_target_percent=10.0)
    assert decide(hot, Memory(), seen(30, cpu=Utilization(100.0, NOW, 10))).target == 30
    assert decide(hot, Memory(), seen(200, cpu=Utilization(100.0, NOW, 10))).target == 100


def test_cpu_alone_never_lets_the_last_task_go() -> None:
    alone = policy(queues=(), backlog_per_task=None, cpu_target_percent=60.0)
    world = replace(seen(0, desired=1), queues=(), cpu=Utilization(0.0, NOW, 1))
    assert decide(alone, demands((90, 0), (45, 0), (5, 0)), world).target == 1


def test_without_a_task_cpu_is_not_needed() -> None:
    wakes = policy(cpu_target_percent=60.0)
    assert decide(wakes, Memory(), seen(15, desired=0, cpu=Missing("no task", "no_data"))).steps == ()


def test_what_counts_is_settable_but_work_in_flight_always_keeps_the_last_task() -> None:
    world = seen(20, queues=queue(20, in_flight=10, delayed=50))
    free = {"busy_floor": False}
    assert asked(decide(policy(**free), Memory(), world)) == {"backlog": 3}
    assert asked(decide(policy(count_in_flight=False, **free), Memory(), world)) == {"backlog": 2}
    assert asked(decide(policy(count_delayed=True, **free), Memory(), world)) == {"backlog": 8}
    idle = seen(0, in_flight=3)
    quiet = demands((90, 0), (50, 0), (10, 0))
    assert decide(policy(count_in_flight=False, **free), quiet, idle).target == 1


def test_each_queue_has_its_own_latency() -> None:
    """5 s each: in half of 60 s a task takes 7 turns, in half of 600 s 61."""
    two = policy(
        backlog_per_task=None, processing_time_s=5.0, queues=(QueuePolicy("q", 60.0), QueuePolicy("slow", 600.0))
    )
    slow = (QueueReading("slow", Backlog(70, 0, 0, NOW)), QueueReading("q", Backlog(0, 0, 0, NOW)))
    assert decide(two, Memory(), seen(0, queues=slow)).target == 2
    fast = (QueueReading("q", Backlog(70, 0, 0, NOW)), QueueReading("slow", Backlog(0, 0, 0, NOW)))
    assert decide(two, Memory(), seen(0, queues=fast)).target == 10


def test_twenty_nearly_empty_queues_are_not_twenty_tasks() -> None:
    names = [f"q{n}" for n in range(20)]
    many = policy(queues=tuple(QueuePolicy(name, 60.0) for name in names))
    readings = tuple(QueueReading(name, Backlog(1, 0, 0, NOW)) for name in names)
    assert decide(many, Memory(), seen(0, queues=readings)).target == 2


@pytest.mark.parametrize(("age_s", "target"), [(None, 10), (30.0, 10), (45.0, 18), (60.0, 18), (1e6, 18)])
def test_age_pulls_the_deadline_nearer_without_a_cliff(age_s: float | None, target: int) -> None:
    """5 s each, 60 s: 7 turns in half of it, 4 in the quarter that is left at least. 70 messages: 10 to 18 tasks."""
    timed = policy(backlog_per_task=None, processing_time_s=5.0)
    assert decide(timed, Memory(), seen(0, queues=queue(70, oldest_age_s=age_s))).target == target


@pytest.mark.parametrize(
    ("age_s", "tasks", "target"), [(59.9, 10, 5), (60.0, 10, 10), (90.0, 10, 15), (600.0, 10, 20), (90.0, 4, 6)]
)
def test_without_a_processing_time_overdue_messages_ask_in_proportion_at_most_twofold(
    age_s: float, tasks: int, target: int
) -> None:
    world = seen(0, queues=queue(50, oldest_age_s=age_s, oldest_tasks=tasks))
    assert max(asked(decide(policy(), Memory(), world)).values()) == target


def test_an_old_age_of_an_empty_queue_says_nothing() -> None:
    world = seen(0, queues=queue(0, oldest_age_s=1e6))
    assert asked(decide(policy(), Memory(), world)) == {"backlog": 0}


@pytest.mark.parametrize(("value", "target"), [(0.0, 0), (7.0, 1), (7.1, 2), (70.0, 10)])
def test_a_metric_with_a_target_per_task(value: float, target: int) -> None:
    lag = (MetricReading("lag", Measurement(value, NOW)),)
    measured = policy(metrics=(MetricPolicy("lag", target_per_task=7.0),))
    assert asked(decide(measured, Memory(), seen(0, metrics=lag)))["lag"] == target


@pytest.mark.parametrize(("tasks", "target"), [(4, 6), (None, 15), (0, 2)])
def test_a_metric_with_a_target_value_is_held_against_the_tasks_of_its_time(tasks: int | None, target: int) -> None:
    lag = (MetricReading("lag", Measurement(150.0, NOW, tasks)),)
    measured = policy(metrics=(MetricPolicy("lag", target_value=100.0),))
    assert asked(decide(measured, Memory(), seen(0, metrics=lag)))["lag"] == target


@pytest.mark.parametrize(
    "reading",
    [
        Missing("denied", "denied"),
        Measurement(-1.0, NOW),
        Measurement(float("nan"), NOW),
        Measurement(float("inf"), NOW),
        Measurement(5.0, NOW - 301),
    ],
)
def test_a_metric_that_cannot_be_used_makes_blind(reading: Measurement | Missing) -> None:
    measured = policy(metrics=(MetricPolicy("lag", target_per_task=7.0),))
    world = seen(20, metrics=(MetricReading("lag", reading),))
    assert rules(decide(measured, Memory(), world)) == [Rule.MISSING_SIGNAL]
    assert rules(decide(measured, Memory(), seen(20))) == [Rule.MISSING_SIGNAL]


def test_a_formula_votes_beside_the_other_signals() -> None:
    free = policy(formula="max(visible / 4, first(lag, 8)) + current - running", metrics=(MetricPolicy("lag"),))
    assert asked(decide(free, Memory(), seen(50))) == {"backlog": 5, "formula": 13}
    lag = (MetricReading("lag", Measurement(29.5, NOW)),)
    assert asked(decide(free, Memory(), seen(50, metrics=lag)))["formula"] == 30


def test_a_formula_that_gives_nothing_is_a_gap() -> None:
    broken = policy(formula="visible / (delayed * 0)")
    assert rules(decide(broken, Memory(), seen(20))) == [Rule.MISSING_SIGNAL]
    negative = policy(formula="visible - 1000")
    assert rules(decide(negative, Memory(), seen(20))) == [Rule.MISSING_SIGNAL]


def test_a_formula_knows_no_sum_of_queues_that_were_not_all_read() -> None:
    two = policy(formula="visible", queues=(QueuePolicy("q", 60.0), QueuePolicy("r", 60.0)))
    unread = (*queue(50), QueueReading("r", Missing("denied", "denied")))
    assert "formula" not in asked(decide(two, Memory(), seen(0, queues=unread)))
