"""What is remembered, for how long, and what is made of it."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest

from autoscaler.core.engine import decide
from autoscaler.core.memory import Change, Demand, Memory, Running
from autoscaler.core.model import Fleet, Flow, Missing, Observation, QueueReading
from autoscaler.core.policy import Direction, Policy, QueuePolicy
from tests.core.calm import NOW, changes, demands, policy, seen

LONG = Direction(stabilization_s=300.0)
COOL = Direction(cooldown_s=300.0)


def after(memory: Memory, world: Observation, wanted: Policy | None = None) -> Memory:
    """The memory with one more tick in it."""
    wanted = wanted or policy()
    return memory.remembering(wanted, world, decide(wanted, memory, world))


def test_an_empty_memory_knows_nothing_and_reaches_back_for_ever() -> None:
    memory = Memory()
    assert (memory.known_for_s(NOW), memory.failures) == (inf, 0)
    assert (memory.highest_demand(60.0, NOW), memory.lowest_demand(60.0, NOW)) == (0, inf)
    assert (memory.added(60.0, NOW), memory.removed(60.0, NOW), memory.net_change(60.0, NOW)) == (0, 0, 0)
    assert memory.last_run(0, NOW) == (0.0, 0)


@pytest.mark.parametrize(("desired", "running", "coming"), [(10, 4, 6), (5, 4, 1), (5, 5, 0), (4, 6, 0)])
def test_a_daemon_that_begins_takes_tasks_still_to_come_for_a_change_just_made(
    desired: int, running: int, coming: int
) -> None:
    memory = Memory.begun(Fleet(desired, running, 0, NOW), NOW)
    assert memory == Memory(since=NOW, changes=(Change(NOW, coming),) if coming else (), watched_at=NOW)


def test_events_count_while_younger_than_the_window() -> None:
    """Counts so high that one taken for an instant would show."""
    asked = demands((60, 9_999), (59, 9), (10, 3))
    assert (asked.highest_demand(60.0, NOW), asked.lowest_demand(60.0, NOW)) == (9, 3)
    changed = changes((60, 9_999), (59, 1), (30, -1), (10, -2), (5, 4))
    assert (changed.added(60.0, NOW), changed.removed(60.0, NOW), changed.net_change(60.0, NOW)) == (5, 3, 2)


def test_a_single_task_wanted_and_none_there_is_switched_off_also_when_none_is_wanted_any_more() -> None:
    none_there = Fleet(0, 0, 0, NOW)
    assert Memory(expected=5).finds_switched_off(policy(min_tasks=1), none_there)
    assert Memory(off=True, expected=0).finds_switched_off(policy(min_tasks=0), none_there)
    assert not Memory(expected=5).finds_switched_off(policy(min_tasks=0), none_there)
    assert not Memory(off=True).finds_switched_off(policy(min_tasks=1), Fleet(1, 0, 1, NOW))


def test_readings_that_would_wake_are_counted_while_they_follow_each_other() -> None:
    asleep = seen(9, desired=0)
    assert after(Memory(waking=1), asleep).waking == 2
    assert after(Memory(waking=1), seen(0, desired=0)).waking == 0
    assert after(Memory(waking=1), seen(9)).waking == 0, "it is awake"


def test_beyond_the_desired_count_nothing_is_remembered_to_run() -> None:
    """A deployment runs both revisions."""
    assert after(Memory(), seen(9, fleet=Fleet(10, 14, 0, NOW))).running == (Running(NOW, 10),)
    same = Memory(running=(Running(NOW - 60, 10),))
    assert after(same, seen(9, fleet=Fleet(10, 14, 0, NOW))).running == same.running


def test_minutes_are_kept_for_as_long_as_slow_work_is_watched() -> None:
    """Twice the window of twice 300 s: 1,200 s."""
    slow = policy(processing_time_s=300.0)
    for age_s, kept in ((1_199.5, 2), (1_200.0, 1)):
        memory = Memory(flows=(Flow(5, 5, 10, NOW - age_s), Flow(5, 5, 10, NOW - 60)))
        assert len(after(memory, seen(20), slow).flows) == kept


def test_each_tick_adds_its_demand_and_a_tick_that_read_nothing_adds_a_failure() -> None:
    read = after(Memory(failures=2), seen(20))
    assert (read.demands, read.failures) == ((Demand(NOW, 2),), 0)
    nothing_to_recall = replace(decide(policy(), read, seen(20)), recalled=None)
    assert read.remembering(policy(), seen(20), nothing_to_recall).demands == read.demands
    unread = seen(0, queues=(QueueReading("q", Missing("denied", "denied")),))
    blind = after(replace(read, failures=2), unread)
    assert (blind.demands, blind.failures) == ((*read.demands, Demand(NOW, 10)), 3)


@pytest.mark.parametrize(
    ("wanted", "reach_s"),
    [
        (policy(), 120.0),
        (policy(scale_in=LONG), 300.0),
        (policy(scale_out=LONG), 300.0),
        (policy(queues=(QueuePolicy("q", 60.0), QueuePolicy("r", 600.0))), 600.0),
    ],
)
def test_demands_are_kept_as_far_back_as_any_rule_looks(wanted: Policy, reach_s: float) -> None:
    """The windows, the longest latency, and at least twice what zero has to be agreed on for."""
    kept = after(demands((reach_s + 0.5, 7), (reach_s, 8), (10, 9)), seen(20), wanted).demands
    assert [event.tasks for event in kept[:-1]] == [8, 9]


@pytest.mark.parametrize(
    ("wanted", "reach_s"), [(policy(), 60.0), (policy(scale_in=COOL), 300.0), (policy(scale_out=COOL), 300.0)]
)
def test_changes_are_kept_as_far_back_as_any_rule_looks(wanted: Policy, reach_s: float) -> None:
    """The windows, and at least ECS's minute of launches."""
    kept = after(changes((reach_s + 0.5, 7), (reach_s, 8), (10, 9)), seen(20), wanted).changes
    assert [event.tasks for event in kept] == [8, 9]


def test_running_counts_are_kept_for_ten_minutes_and_the_one_in_force_before() -> None:
    other = seen(5, fleet=Fleet(10, 8, 2, NOW))

    def kept(*ages: float) -> list[float]:
        memory = Memory(running=tuple(Running(NOW - age_s, tasks) for tasks, age_s in enumerate(ages, 20)))
        return [NOW - event.at for event in after(memory, other).running]

    assert kept(700.0, 600.0, 10.0) == [700.0, 600.0, 10.0, 0.0]
    assert kept(700.0, 600.5, 10.0) == [600.5, 10.0, 0.0]
    assert kept(500.0, 10.0) == [500.0, 10.0, 0.0]


def test_minutes_are_kept_for_a_quarter_of_an_hour_each_once() -> None:
    def minutes(*ages: float) -> tuple[Flow, ...]:
        return tuple(Flow(5, 5, 10, NOW - age_s) for age_s in ages)

    new = minutes(0.0)[0]
    assert after(Memory(flows=minutes(899.5, 60.0)), seen(20, flow=new)).flows == minutes(899.5, 60.0, 0.0)
    assert after(Memory(flows=minutes(900.0, 120.0, 60.0)), seen(20, flow=new)).flows == minutes(120.0, 60.0, 0.0)
    known = Memory(flows=minutes(120.0, 60.0))
    for nothing_new in (known.flows[-1], None, Missing("throttled", "throttled")):
        assert after(known, seen(20, flow=nothing_new)).flows == known.flows


def test_idle_slots_are_counted_by_message_and_remembered_over_what_cannot_be_read() -> None:
    two_at_once = policy(task_concurrency=2)
    assert after(Memory(), seen(300, in_flight=15), two_at_once).idle_since == NOW
    assert after(Memory(), seen(300, in_flight=20), two_at_once).idle_since is None
    denied = QueueReading("r", Missing("denied", "denied"))
    idle = Memory(idle_since=NOW - 60)
    assert after(idle, seen(0, queues=(denied,))).idle_since == NOW - 60
    beside = seen(300, in_flight=4)
    assert after(idle, replace(beside, queues=(*beside.queues, denied))).idle_since == NOW - 60


def test_what_ecs_accepted_is_remembered_and_expected() -> None:
    changed = Memory(expected=5, changes=(Change(NOW - 9, 1),)).acknowledging(NOW, -3)
    assert (changed.expected, changed.changes) == (2, (Change(NOW - 9, 1), Change(NOW, -3)))
    assert Memory().acknowledging(NOW, 3).expected is None
