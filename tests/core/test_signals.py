"""What the readings of one poll show: the work of the queues, and the loads of signals with a target."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from autoscaler.core.load import LoadPeriod
from autoscaler.core.model import (
    Backlog,
    Fleet,
    Measurement,
    MetricReading,
    Missing,
    Observation,
    QueueReading,
    RanTasks,
    Utilization,
    Vote,
)
from autoscaler.core.policy import Activation, MetricPolicy, QueuePolicy
from autoscaler.core.signals import Signals, TargetLoad, Work, impossible, known_queues, loads, work_of
from tests.core.calm import NOW, policy, seen

TWO = (QueuePolicy("q", 60.0), QueuePolicy("slow", 600.0))
FIRST = Backlog(20, 6, 3, NOW, oldest_age_s=45.0)
SECOND = Backlog(10, 5, 4, NOW, oldest_age_s=90.0)


def work(*queues: Backlog, running: int = 3, **more: object) -> Work:
    names = ("q", "slow")[: len(queues)]
    return work_of(policy(queues=TWO, **more), list(zip(names, queues, strict=True)), running)


# Queues.


def test_the_counts_of_the_queues_are_summed() -> None:
    assert work(FIRST, SECOND) == Work(30, 11, 41, 3, 90.0)
    assert work(FIRST, SECOND, count_in_flight=False).counted == 30
    assert work(FIRST, SECOND, count_delayed=True).counted == 48
    assert work() == Work()


@pytest.mark.parametrize(("running", "concurrency", "held"), [(3, 2, 6), (5, 2, 10), (6, 2, 11), (0, 2, 0)])
def test_running_tasks_hold_as_many_messages_in_flight_as_they_have_slots(
    running: int, concurrency: int, held: int
) -> None:
    assert work(FIRST, SECOND, running=running, task_concurrency=concurrency).held == held


@pytest.mark.parametrize(
    ("first", "second", "oldest_s", "overdue"),
    [
        ({"oldest_age_s": 59.5}, {}, 90.0, None),
        ({"oldest_age_s": 60.0}, {}, 90.0, ("q", 60.0)),
        ({"oldest_age_s": 0.0}, {"oldest_age_s": None}, 0.0, None),
        ({"oldest_age_s": 90.0, "visible": 0}, {"oldest_age_s": None}, None, None),
        ({}, {"oldest_age_s": 600.0}, 600.0, ("slow", 600.0)),
        ({"oldest_age_s": 60.0}, {"oldest_age_s": 600.0}, 600.0, ("q", 60.0)),
    ],
)
def test_the_oldest_visible_message_and_the_first_overdue_queue(
    first: dict[str, Any], second: dict[str, Any], oldest_s: float | None, overdue: tuple[str, float] | None
) -> None:
    found = work(replace(FIRST, **first), replace(SECOND, **second))
    assert (found.oldest_age_s, found.overdue) == (oldest_s, overdue)


@pytest.mark.parametrize(
    ("first", "second", "groups"),
    [
        ({"groups_in_flight": 4}, {"groups_in_flight": 2}, 6),
        ({"groups_in_flight": 4}, {}, None),
        ({"groups_in_flight": 4}, {"visible": 0}, None),
        ({"groups_in_flight": 4}, {"in_flight": 0}, None),
        ({"groups_in_flight": 4}, {"visible": 0, "in_flight": 0}, 4),
        ({"groups_in_flight": 0}, {"visible": 0, "in_flight": 0}, 0),
        ({}, {}, None),
    ],
)
def test_groups_are_known_if_all_work_is_in_groups(
    first: dict[str, Any], second: dict[str, Any], groups: int | None
) -> None:
    assert work(replace(FIRST, **first), replace(SECOND, **second)).groups_in_flight == groups


@pytest.mark.parametrize("field", ["visible", "in_flight", "delayed"])
@pytest.mark.parametrize(("count", "is_known"), [(-1, False), (0, True), (2**53, True), (2**53 + 1, False)])
def test_a_count_that_no_queue_can_have_is_a_gap(field: str, count: int, is_known: bool) -> None:
    backlog = replace(Backlog(0, 0, 0, NOW), **dict[str, Any]({field: count}))
    known, gaps = known_queues(policy(), seen(0, queues=(QueueReading("q", backlog),)))
    assert known == ([("q", backlog)] if is_known else [])
    assert gaps == ([] if is_known else [("q", impossible(backlog.visible, backlog.in_flight, backlog.delayed))])


@pytest.mark.parametrize(("age_s", "is_known"), [(60.0, True), (60.5, False)])
def test_counts_are_valid_for_a_minute(age_s: float, is_known: bool) -> None:
    old = QueueReading("q", Backlog(1, 0, 0, NOW - age_s))
    known, gaps = known_queues(policy(queues=TWO), seen(0, queues=(old,)))
    assert [name for name, _ in known] == (["q"] if is_known else [])
    assert [(name, gap.kind) for name, gap in gaps] == [("q", "stale")] * (not is_known) + [("slow", "not_read")]


# Signals that are a mean over the tasks.


LAG = policy(metrics=(MetricPolicy("rate", target_per_task=1.0), MetricPolicy("lag", target_value=10.0)))


def lagging(lag: Measurement | Missing | None, desired: int = 10, running: int = 10) -> Observation:
    rate = MetricReading("rate", Measurement(7.0, NOW))
    readings = (rate,) if lag is None else (rate, MetricReading("lag", lag))
    return seen(0, fleet=Fleet(desired, running, 0, NOW), metrics=readings)


@pytest.mark.parametrize(
    ("tasks", "ran", "expected"),
    [
        (None, None, RanTasks(8.0, 8.0)),
        (4.0, None, RanTasks(4.0, 4.0)),
        (4.0, RanTasks(3.0, 6.0), RanTasks(3.0, 6.0)),
        (0.5, None, RanTasks(0.5, 0.5)),
        (0.0, None, RanTasks(1.0, 1.0)),
    ],
)
def test_the_load_of_a_metric_is_its_value_times_the_tasks_that_ran(
    tasks: float | None, ran: RanTasks | None, expected: RanTasks
) -> None:
    """Without a task it is value / target. It can require no task at all."""
    reading = Measurement(50.0, NOW - 5, tasks, ran)
    period = LoadPeriod(NOW - 5, 50.0 * expected.fewest, 50.0 * expected.most)
    assert loads(LAG, lagging(reading, running=8)) == [
        TargetLoad("lag", "metrics.lag", 50.0, 10.0, expected.mean, period, 0.0)
    ]


@pytest.mark.parametrize("reading", [None, Missing("denied"), Measurement(-1.0, NOW), Measurement(5.0, NOW - 301)])
def test_a_metric_without_a_valid_value_has_no_load(reading: Measurement | Missing | None) -> None:
    assert loads(LAG, lagging(reading)) == []


@pytest.mark.parametrize(("percent", "low"), [(50.0, 50 * 5 - 100), (97.0, 97 * 5 - 2 * 100), (96.9, 96.9 * 5 - 100)])
def test_a_starting_task_may_use_the_cpu_that_it_has_reserved(percent: float, low: float) -> None:
    """All that started, from 97 % on. CPU requires at least one task: without it, there is no CPU."""
    hot = policy(cpu_target_percent=50.0)
    reading = Utilization(percent, NOW, ran=RanTasks(5.0, 6.0, starting=1.0, started=2.0))
    [load] = loads(hot, seen(0, cpu=reading))
    assert (load.name, load.signal, load.value, load.target, load.tasks) == ("cpu", "cpu", percent, 50.0, 5.5)
    assert load.period == LoadPeriod(NOW, low, percent * 6, percent >= 97.0, True)
    assert load.least == 1.0


def test_without_a_desired_task_there_is_no_utilization() -> None:
    hot = policy(memory_target_percent=50.0)
    reading = Utilization(50.0, NOW)
    assert [load.name for load in loads(hot, seen(0, desired=1, memory=reading))] == ["memory"]
    assert loads(hot, seen(0, desired=0, memory=reading)) == []


# Votes.


@pytest.mark.parametrize(
    ("votes", "messages", "wakes"),
    [
        ((), 5, False),
        ((), 6, True),
        ((Vote("backlog", 3.0, ""), Vote("latency", 3.0, ""), Vote("oldest_age", 3.0, "")), 5, False),
        ((Vote("cpu", 1.0, ""),), 0, True),
        ((Vote("cpu", 0.0, ""),), 0, False),
    ],
)
def test_messages_above_the_threshold_or_another_signal_wake_a_service(
    votes: tuple[Vote, ...], messages: int, wakes: bool
) -> None:
    assert Signals(votes, work=Work(waiting=messages)).wakes(policy(activation=Activation(5, 1))) is wakes


def test_the_highest_vote_is_the_one_with_the_highest_load() -> None:
    low, high = Vote("a", 1.0, "", settled=True), Vote("b", 2.0, "")
    assert Signals((low, high)).highest is high
    assert Signals((high, low)).highest is high
    assert Signals(()).highest is None
    assert Signals((low, high)).settled
    assert not Signals((high,)).settled
