"""The vote of each signal, and the highest of several votes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.core.demand import read_signals
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
from tests.core.test_latency import known


def tasks_by_signal(decision: Decision) -> dict[str, int]:
    return {vote.signal: vote.tasks for vote in decision.votes}


def queue(waiting: int, **changes: object) -> tuple[QueueReading, ...]:
    return (QueueReading("q", replace(Backlog(waiting, 0, 0, NOW), **changes)),)  # type: ignore[arg-type]


def test_backlog_per_task_rounds_up_and_counts_messages_in_flight() -> None:
    assert decide(policy(), Memory(), seen(101, in_flight=9)).target == 11
    assert decide(policy(), Memory(), seen(101, in_flight=10)).target == 12


def test_without_settings_a_task_takes_five_messages() -> None:
    assert decide(policy(backlog_per_task=None), Memory(), seen(101)).target == 21


def test_a_task_takes_the_messages_that_fit_into_half_of_the_latency() -> None:
    """5 s each, half of 60 s: 1 + 6 messages per task. 70 messages are 10 tasks, 71 are 11."""
    timed = policy(backlog_per_task=None, processing_time_s=5.0)
    assert decide(timed, Memory(), seen(70)).target == 10
    assert decide(timed, Memory(), seen(71)).target == 11


def test_long_work_requires_one_slot_per_message() -> None:
    """Two hours each, a minute of latency: 12 messages are 12 slots, on 3 tasks of 4 messages at once."""
    timed = policy(backlog_per_task=None, processing_time_s=7200.0, task_concurrency=4)
    assert decide(timed, Memory(), seen(12, desired=1)).target == 3


def test_the_latency_vote_covers_the_tasks_that_messages_in_flight_occupy() -> None:
    timed = policy(backlog_per_task=None, processing_time_s=1.0, busy_floor=False)
    assert decide(timed, Memory(), seen(0, in_flight=9)).target == 9
    assert decide(timed, Memory(), seen(1, in_flight=500)).target == 17, (
        "501 messages, 31 per task; more than the 10 running tasks can hold"
    )


def test_messages_in_flight_alone_require_no_more_than_the_desired_tasks() -> None:
    """S14: without visible messages, counted delayed messages and arrivals, each message in flight has its task."""
    timed = policy(backlog_per_task=None, processing_time_s=1.0, busy_floor=False)
    for configured in (timed, policy(backlog_per_task=1.0), policy(backlog_per_task=None)):
        for in_flight in (500, 10**9):
            decision = decide(configured, Memory(), seen(0, in_flight=in_flight))
            assert decision.demand == decision.target == 10
            assert "no more than the present 10" in decision.votes[0].reason
    assert decide(policy(backlog_per_task=1.0), Memory(), seen(1, in_flight=500)).target == 100, (
        "one message is visible"
    )
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


def test_the_cpu_vote_is_capped_at_the_work() -> None:
    hot = policy(cpu_target_percent=10.0)
    assert decide(hot, Memory(), seen(30, cpu=Utilization(100.0, NOW, 10))).target == 30
    assert decide(hot, Memory(), seen(200, cpu=Utilization(100.0, NOW, 10))).target == 100


def test_cpu_alone_never_stops_the_last_task() -> None:
    alone = policy(queues=(), backlog_per_task=None, cpu_target_percent=60.0)
    world = replace(seen(0, desired=1), queues=(), cpu=Utilization(0.0, NOW, 1))
    assert decide(alone, demands((90, 0), (45, 0), (5, 0)), world).target == 1


def test_without_tasks_cpu_is_not_required() -> None:
    with_cpu = policy(cpu_target_percent=60.0)
    assert decide(with_cpu, Memory(), seen(15, desired=0, cpu=Missing("no task", "no_data"))).steps == ()


def test_settings_choose_the_counts_but_a_message_in_flight_always_keeps_the_last_task() -> None:
    world = seen(20, queues=queue(20, in_flight=10, delayed=50))
    free = {"busy_floor": False}
    assert tasks_by_signal(decide(policy(**free), Memory(), world)) == {"backlog": 3}
    assert tasks_by_signal(decide(policy(count_in_flight=False, **free), Memory(), world)) == {"backlog": 2}
    assert tasks_by_signal(decide(policy(count_delayed=True, **free), Memory(), world)) == {"backlog": 8}
    idle = seen(0, in_flight=3)
    quiet = demands((90, 0), (50, 0), (10, 0))
    assert decide(policy(count_in_flight=False, **free), quiet, idle).target == 1


def test_each_queue_has_its_own_latency() -> None:
    """5 s each: a task takes 7 messages in half of 60 s, and 61 in half of 600 s."""
    two = policy(
        backlog_per_task=None, processing_time_s=5.0, queues=(QueuePolicy("q", 60.0), QueuePolicy("slow", 600.0))
    )
    slow = (QueueReading("slow", Backlog(70, 0, 0, NOW)), QueueReading("q", Backlog(0, 0, 0, NOW)))
    assert decide(two, Memory(), seen(0, queues=slow)).target == 2
    fast = (QueueReading("q", Backlog(70, 0, 0, NOW)), QueueReading("slow", Backlog(0, 0, 0, NOW)))
    assert decide(two, Memory(), seen(0, queues=fast)).target == 10


def test_twenty_nearly_empty_queues_do_not_require_twenty_tasks() -> None:
    names = [f"q{n}" for n in range(20)]
    many = policy(queues=tuple(QueuePolicy(name, 60.0) for name in names))
    readings = tuple(QueueReading(name, Backlog(1, 0, 0, NOW)) for name in names)
    assert decide(many, Memory(), seen(0, queues=readings)).target == 2


@pytest.mark.parametrize(("age_s", "target"), [(None, 10), (30.0, 10), (45.0, 18), (60.0, 18), (1e6, 18)])
def test_the_oldest_age_shortens_the_remaining_time_down_to_a_quarter(age_s: float | None, target: int) -> None:
    """5 s each, 60 s: 7 messages per task in half of it, 4 in the minimum of a quarter. 70 messages: 10 to 18 tasks."""
    timed = policy(backlog_per_task=None, processing_time_s=5.0)
    assert decide(timed, Memory(), seen(0, queues=queue(70, oldest_age_s=age_s))).target == target


@pytest.mark.parametrize(
    ("age_s", "tasks", "target"), [(59.9, 10, 5), (60.0, 10, 10), (90.0, 10, 15), (600.0, 10, 20), (90.0, 4, 6)]
)
def test_without_a_processing_time_overdue_messages_vote_in_proportion_up_to_twofold(
    age_s: float, tasks: int, target: int
) -> None:
    world = seen(0, queues=queue(50, oldest_age_s=age_s, oldest_tasks=tasks))
    assert max(tasks_by_signal(decide(policy(), Memory(), world)).values()) == target


def test_an_old_age_of_an_empty_queue_is_ignored() -> None:
    world = seen(0, queues=queue(0, oldest_age_s=1e6))
    assert tasks_by_signal(decide(policy(), Memory(), world)) == {"backlog": 0}


@pytest.mark.parametrize(("value", "target"), [(0.0, 0), (7.0, 1), (7.1, 2), (70.0, 10)])
def test_a_metric_with_a_target_per_task(value: float, target: int) -> None:
    lag = (MetricReading("lag", Measurement(value, NOW)),)
    measured = policy(metrics=(MetricPolicy("lag", target_per_task=7.0),))
    assert tasks_by_signal(decide(measured, Memory(), seen(0, metrics=lag)))["lag"] == target


@pytest.mark.parametrize(("tasks", "target"), [(4, 6), (None, 15), (0, 2)])
def test_a_metric_with_a_target_value_applies_to_the_tasks_of_its_time(tasks: int | None, target: int) -> None:
    lag = (MetricReading("lag", Measurement(150.0, NOW, tasks)),)
    measured = policy(metrics=(MetricPolicy("lag", target_value=100.0),))
    assert tasks_by_signal(decide(measured, Memory(), seen(0, metrics=lag)))["lag"] == target


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
def test_an_invalid_metric_is_a_missing_signal(reading: Measurement | Missing) -> None:
    measured = policy(metrics=(MetricPolicy("lag", target_per_task=7.0),))
    world = seen(20, metrics=(MetricReading("lag", reading),))
    assert rules(decide(measured, Memory(), world)) == [Rule.MISSING_SIGNAL]
    assert rules(decide(measured, Memory(), seen(20))) == [Rule.MISSING_SIGNAL]


def test_a_formula_votes_in_addition_to_the_other_signals() -> None:
    free = policy(formula="max(visible / 4, first(lag, 8)) + current - running", metrics=(MetricPolicy("lag"),))
    assert tasks_by_signal(decide(free, Memory(), seen(50))) == {"backlog": 5, "formula": 13}
    lag = (MetricReading("lag", Measurement(29.5, NOW)),)
    assert tasks_by_signal(decide(free, Memory(), seen(50, metrics=lag)))["formula"] == 30


def test_a_formula_without_a_valid_value_is_a_missing_signal() -> None:
    broken = policy(formula="visible / (delayed * 0)")
    assert rules(decide(broken, Memory(), seen(20))) == [Rule.MISSING_SIGNAL]
    negative = policy(formula="visible - 1000")
    assert rules(decide(negative, Memory(), seen(20))) == [Rule.MISSING_SIGNAL]


def test_a_sum_in_a_formula_is_missing_unless_all_queues_were_read() -> None:
    two = policy(formula="visible", queues=(QueuePolicy("q", 60.0), QueuePolicy("r", 60.0)))
    unread = (*queue(50), QueueReading("r", Missing("denied", "denied")))
    assert "formula" not in tasks_by_signal(decide(two, Memory(), seen(0, queues=unread)))


@pytest.mark.parametrize(("in_flight", "is_limited"), [(10, False), (11, True)])
def test_a_vote_for_the_present_count_is_not_limited_to_it(in_flight: int, is_limited: bool) -> None:
    [vote] = read_signals(policy(backlog_per_task=1.0), seen(0, in_flight=in_flight)).votes
    assert vote.load == 10.0
    assert ("nothing is visible" in vote.reason) is is_limited


def test_messages_in_flight_share_the_slots_of_a_task() -> None:
    timed = policy(backlog_per_task=None, processing_time_s=1.0, task_concurrency=4)
    [vote] = read_signals(timed, seen(0, in_flight=8)).votes
    assert vote.load == 2.0


def test_the_age_of_a_queue_without_a_visible_message_does_not_shorten_its_time() -> None:
    """5 s each: 70 messages in flight, 7 per task in half of 60 s; one visible message, 61 per task in 300 s."""
    two = policy(
        backlog_per_task=None, processing_time_s=5.0, queues=(QueuePolicy("q", 60.0), QueuePolicy("slow", 600.0))
    )
    readings = (*queue(0, in_flight=70, oldest_age_s=60.0), QueueReading("slow", Backlog(1, 0, 0, NOW)))
    [vote] = read_signals(two, seen(0, queues=readings)).votes
    assert vote.load == pytest.approx(70 / 7 + 1 / 61)


def test_estimates_vote_only_if_a_queue_was_read() -> None:
    unread = seen(0, queues=(QueueReading("q", Missing("denied", "denied")),), knowledge=known((30.0, 500.0)))
    assert read_signals(policy(backlog_per_task=None), unread).votes == ()


@pytest.mark.parametrize(
    ("configured", "learned", "message_s"), [(None, None, 0.0), (6.0, None, 2.0), (6.0, 5.0, 2.5), (None, 5.0, 2.5)]
)
def test_the_task_seconds_of_a_message_are_its_processing_time_per_slot(
    configured: float | None, learned: float | None, message_s: float
) -> None:
    """Configured: 6 s and 3 slots. Learned: 5 s and 2 slots, which replace the configured values."""
    knowledge = None if learned is None else known(slow_s=learned, slots=2.0)
    signals = read_signals(policy(processing_time_s=configured, task_concurrency=3), seen(9, knowledge=knowledge))
    assert signals.message_s == message_s


@pytest.mark.parametrize(("arriving", "load"), [(False, 10.0), (True, 500.0)])
def test_messages_in_flight_require_more_tasks_if_messages_arrive(arriving: bool, load: float) -> None:
    """The next messages arrive while the workers hold these."""
    learned = replace(known(), arriving=arriving)
    [vote] = read_signals(policy(backlog_per_task=1.0), seen(0, in_flight=500, knowledge=learned)).votes
    assert vote.load == load
