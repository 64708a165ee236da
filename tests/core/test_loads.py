"""Edge cases of the votes: several queues, tasks of an earlier time, metrics that only a formula uses, and limits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from autoscaler.core.demand import read_signals
from autoscaler.core.engine import decide
from autoscaler.core.memory import Memory
from autoscaler.core.model import (
    Backlog,
    Decision,
    Fleet,
    Measurement,
    MetricReading,
    Missing,
    Observation,
    QueueReading,
    Rule,
    Utilization,
    Vote,
)
from autoscaler.core.policy import MetricPolicy, QueuePolicy
from autoscaler.core.signals import Work
from tests.core.calm import NOW, policy, rules, seen

TWO = (QueuePolicy("q", 60.0), QueuePolicy("slow", 600.0))


def queue(waiting: int, name: str = "q", **more: object) -> QueueReading:
    return QueueReading(name, replace(Backlog(waiting, 0, 0, NOW), **more))  # type: ignore[arg-type]


def tasks_by_signal(decision: Decision) -> dict[str, int]:
    return {vote.signal: vote.tasks for vote in decision.votes}


def test_the_highest_vote_wins_whatever_its_signal() -> None:
    hot = policy(cpu_target_percent=50.0)
    assert decide(hot, Memory(), seen(300, cpu=Utilization(10.0, NOW, 10))).demand == 30
    assert decide(hot, Memory(), seen(300, cpu=Utilization(100.0, NOW, 20))).demand == 40


@pytest.mark.parametrize(("load", "tasks"), [(10.0, 10), (10.0000004, 10), (10.000004, 11), (10.5, 11)])
def test_a_millionth_of_a_task_is_rounded_off(load: float, tasks: int) -> None:
    assert Vote("any", load, "").tasks == tasks
    lag = (MetricReading("lag", Measurement(10 * load, NOW, 10)),)
    measured = policy(metrics=(MetricPolicy("lag", target_value=100.0),))
    few = Fleet(8, 8, 0, NOW)
    assert tasks_by_signal(decide(measured, Memory(), seen(0, metrics=lag, fleet=few)))["lag"] == tasks


def test_a_given_demand_is_never_negative_and_counts_no_work() -> None:
    assert decide(policy(), Memory(), seen(0, given=-3)).demand == 0
    assert read_signals(policy(), seen(50, in_flight=3, given=5)).work == Work(0, 0, 0, 0, None, None, None)


def test_count_in_flight_and_count_delayed_apply_to_the_latency_vote_too() -> None:
    """5 s each, half of 60 s: 7 messages per task. 35 visible and 35 delayed messages are 10 tasks."""
    timed = {"backlog_per_task": None, "processing_time_s": 5.0, "busy_floor": False}
    world = seen(0, queues=(queue(35, in_flight=500, delayed=35),))
    later = policy(count_in_flight=False, count_delayed=True, **timed)
    assert tasks_by_signal(decide(later, Memory(), world)) == {"latency": 10}
    assert tasks_by_signal(decide(policy(count_in_flight=False, **timed), Memory(), world)) == {"latency": 5}


def test_counted_messages_are_work_even_if_none_can_be_received_yet() -> None:
    assert Work(waiting=1, in_flight=2, counted=50).messages == 50
    assert Work(waiting=1, in_flight=2, counted=1).messages == 3


@pytest.mark.parametrize(("visible", "in_flight", "age_s"), [(70, 0, 0.0), (70, 0, 10.0), (0, 70, 60.0)])
def test_a_young_message_and_the_age_of_an_empty_queue_do_not_change_the_vote(
    visible: int, in_flight: int, age_s: float
) -> None:
    timed = policy(backlog_per_task=None, processing_time_s=5.0)
    world = seen(0, queues=(queue(visible, in_flight=in_flight, oldest_age_s=age_s),))
    assert tasks_by_signal(decide(timed, Memory(), world)) == {"latency": 10}


@pytest.mark.parametrize(
    ("other", "tasks"),
    [
        (queue(500, "slow"), 5),  # no age
        (queue(0, "slow", oldest_age_s=900.0, oldest_tasks=40), 5),  # an age, but no message
        (queue(500, "slow", oldest_age_s=599.0, oldest_tasks=40), 5),  # not overdue
        (queue(500, "slow", oldest_age_s=599.0, oldest_tasks=1), 5),
        (queue(500, "slow", oldest_age_s=600.0, oldest_tasks=4), 5),  # overdue, but a lower vote
        (queue(500, "slow", oldest_age_s=600.0, oldest_tasks=40), 40),
    ],
)
@pytest.mark.parametrize("reverse", [False, True])
def test_of_several_overdue_queues_the_highest_vote_counts(other: QueueReading, tasks: int, reverse: bool) -> None:
    readings = (queue(500, oldest_age_s=60.0, oldest_tasks=5), other)
    world = seen(0, queues=readings[::-1] if reverse else readings)
    assert tasks_by_signal(decide(policy(queues=TWO), Memory(), world))["oldest_age"] == tasks


def test_an_overdue_message_from_a_time_without_tasks_votes_0_with_a_reason() -> None:
    vote = decide(policy(), Memory(), seen(0, queues=(queue(50, oldest_age_s=60.0, oldest_tasks=0),))).votes[-1]
    assert (vote.tasks, vote.reason) == (0, "the oldest message of q has waited 60 s of 60 s with 0 tasks")


def test_votes_are_capped_at_the_tasks_that_the_messages_can_fill() -> None:
    two_at_once = policy(task_concurrency=2, backlog_per_task=100.0, cpu_target_percent=10.0)
    world = seen(0, queues=(queue(7, oldest_age_s=60.0),), cpu=Utilization(100.0, NOW, 10))
    assert tasks_by_signal(decide(two_at_once, Memory(), world)) == {"backlog": 1, "oldest_age": 4, "cpu": 4}


def test_an_unread_queue_removes_the_cap_of_a_vote() -> None:
    two = policy(queues=TWO, cpu_target_percent=50.0)
    unread = QueueReading("slow", Missing("denied", "denied"))
    world = seen(0, queues=(queue(5), unread), cpu=Utilization(90.0, NOW, 10))
    assert tasks_by_signal(decide(two, Memory(), world))["cpu"] == 18


@pytest.mark.parametrize(("tasks", "vote"), [(4, 8), (None, 18), (0, 1)])
def test_a_utilization_applies_to_the_tasks_of_its_time(tasks: int | None, vote: int) -> None:
    hot = policy(cpu_target_percent=50.0)
    assert tasks_by_signal(decide(hot, Memory(), seen(100, cpu=Utilization(90.0, NOW, tasks))))["cpu"] == vote


def test_the_reason_of_a_utilization_names_the_cap_only_where_it_applies() -> None:
    def reason(waiting: int) -> str:
        world = seen(waiting, cpu=Utilization(100.0, NOW, 10))
        return decide(policy(cpu_target_percent=50.0), Memory(), world).votes[-1].reason

    assert reason(20) == "cpu was at 100 % on 10 tasks, target 50 %"
    assert reason(19) == "cpu was at 100 % on 10 tasks, target 50 %; there is work for 19"


@pytest.mark.parametrize(
    ("metric", "formula", "missing"),
    [
        (MetricPolicy("lag"), "first(lag, 2)", False),
        (MetricPolicy("lag"), None, False),
        (MetricPolicy("lag", target_per_task=7.0), None, True),
        (MetricPolicy("lag", target_per_task=7.0), "first(lag, 2)", True),
        (MetricPolicy("lag", target_value=7.0), "first(lag, 2)", True),
    ],
)
def test_a_metric_is_a_missing_signal_only_if_it_has_a_target(
    metric: MetricPolicy, formula: str | None, missing: bool
) -> None:
    decision = decide(policy(metrics=(metric,), formula=formula), Memory(), seen(20))
    assert rules(decision) == ([Rule.MISSING_SIGNAL] if missing else [])


VALUES = {
    "visible": 30,
    "in_flight": 5,
    "delayed": 7,
    "oldest_age_s": 90,
    "cpu_percent": 71,
    "memory_percent": 43,
    "running": 8,
    "current": 9,
}


def observation(**more: object) -> Observation:
    first = queue(20, in_flight=2, delayed=3, oldest_age_s=45.0)
    second = queue(10, "slow", in_flight=3, delayed=4, oldest_age_s=90.0)
    readings = (queue(0, "silent"), first, second)
    world = Observation(NOW, Fleet(9, 8, 1, NOW), readings, Utilization(71.0, NOW), Utilization(43.0, NOW))
    return replace(world, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(VALUES))
def test_a_formula_can_use_each_signal(name: str) -> None:
    assert tasks_by_signal(decide(policy(formula=name), Memory(), observation()))["formula"] == VALUES[name]


@pytest.mark.parametrize("name", ["visible", "in_flight", "delayed"])
def test_a_sum_over_queues_is_missing_if_one_queue_is_unread(name: str) -> None:
    unread = (*observation().queues[:2], QueueReading("slow", Missing("denied", "denied")))
    assert (
        tasks_by_signal(decide(policy(formula=f"first({name}, 99)"), Memory(), observation(queues=unread)))["formula"]
        == 99
    )


@pytest.mark.parametrize("name", ["oldest_age_s", "cpu_percent", "memory_percent"])
def test_an_unread_signal_is_missing_in_a_formula(name: str) -> None:
    nothing = observation(queues=(queue(20),), cpu=None, memory=Missing("no datapoint", "no_data"))
    assert tasks_by_signal(decide(policy(formula=f"first({name}, 99)"), Memory(), nothing))["formula"] == 99


@pytest.mark.parametrize(
    ("formula", "tasks"), [("0", 0), ("0.5", 1), ("0 - 0.5", None), ("1e300", 2**31 - 1), ("1.1e300", None)]
)
def test_a_formula_votes_only_with_a_valid_number_of_tasks(formula: str, tasks: int | None) -> None:
    assert tasks_by_signal(decide(policy(formula=formula), Memory(), seen(20))).get("formula") == tasks


@pytest.mark.parametrize("field", ["visible", "in_flight", "delayed"])
@pytest.mark.parametrize(("count", "known"), [(-1, False), (0, True), (2**53, True), (2**53 + 1, False)])
def test_a_count_is_valid_while_a_float_represents_it_exactly(field: str, count: int, known: bool) -> None:
    world = seen(0, queues=(queue(0, **dict[str, Any]({field: count})),))
    assert (decide(policy(), Memory(), world).demand is not None) is known


@pytest.mark.parametrize(
    ("percent", "age_s", "known"),
    [(1e6, 0.0, True), (1e6 + 1, 0.0, False), (0.0, 0.0, True), (50.0, 300.0, True), (50.0, 300.5, False)],
)
def test_a_utilization_is_valid_up_to_a_million_percent_and_five_minutes(
    percent: float, age_s: float, known: bool
) -> None:
    hot = policy(cpu_target_percent=50.0, memory_target_percent=50.0)
    reading, fine = Utilization(percent, NOW - age_s, 10), Utilization(50.0, NOW, 10)
    assert ("cpu" in tasks_by_signal(decide(hot, Memory(), seen(20, cpu=reading, memory=fine)))) is known
    assert ("memory" in tasks_by_signal(decide(hot, Memory(), seen(20, cpu=fine, memory=reading)))) is known


@pytest.mark.parametrize(
    ("value", "age_s", "known"), [(1e300, 0.0, True), (1.1e300, 0.0, False), (7.0, 300.0, True), (7.0, 300.5, False)]
)
def test_a_measured_value_is_valid_up_to_its_limits(value: float, age_s: float, known: bool) -> None:
    measured = policy(metrics=(MetricPolicy("lag", target_per_task=7.0),))
    lag = (MetricReading("lag", Measurement(value, NOW - age_s)),)
    assert ("lag" in tasks_by_signal(decide(measured, Memory(), seen(20, metrics=lag)))) is known


@pytest.mark.parametrize(("running", "baseline"), [(14, 10), (10, 10), (4, 4)])
def test_the_running_tasks_up_to_the_desired_count_are_the_baseline(running: int, baseline: int) -> None:
    """A deployment runs both revisions: with 14 running and 10 desired, a load applies to 10 tasks."""
    fleet = Fleet(10, running, 0, NOW)
    loaded = policy(cpu_target_percent=50.0, metrics=(MetricPolicy("lag", target_value=100.0),))
    lag = (MetricReading("lag", Measurement(200.0, NOW)),)
    late = (queue(300, oldest_age_s=90.0),)
    world = seen(0, fleet=fleet, queues=late, cpu=Utilization(100.0, NOW), metrics=lag)
    votes = {"backlog": 30, "oldest_age": 1.5 * baseline, "cpu": 2 * baseline, "lag": 2 * baseline}
    assert tasks_by_signal(decide(loaded, Memory(), world)) == votes


def test_a_metric_without_a_target_does_not_hide_the_next_one() -> None:
    both = policy(metrics=(MetricPolicy("rate"), MetricPolicy("lag", target_per_task=7.0)))
    lag = (MetricReading("lag", Measurement(70.0, NOW)), MetricReading("rate", Measurement(1e6, NOW)))
    assert tasks_by_signal(decide(both, Memory(), seen(20, metrics=lag))) == {"backlog": 2, "lag": 10}


def test_a_stale_utilization_is_missing_in_a_formula() -> None:
    old = observation(cpu=Utilization(71.0, NOW - 301), memory=Utilization(43.0, NOW - 301))
    for name in ("cpu_percent", "memory_percent"):
        assert tasks_by_signal(decide(policy(formula=f"first({name}, 99)"), Memory(), old))["formula"] == 99
