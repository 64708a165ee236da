"""The memory: its events, how long it stores them, and the values derived from them."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest

from autoscaler.core.engine import decide
from autoscaler.core.load import LoadPeriod
from autoscaler.core.memory import AcceptedChange, Demand, Memory, RunningCount
from autoscaler.core.model import Fleet, Flow, Missing, Observation, QueueReading, Utilization
from autoscaler.core.policy import Direction, Policy, QueuePolicy, ScaleIn
from tests.core.calm import NOW, changes, demands, policy, seen

LONG = Direction(stabilization_s=300.0)
COOL = Direction(cooldown_s=300.0)


def after(memory: Memory, world: Observation, configured: Policy | None = None) -> Memory:
    """Return the memory after one more poll."""
    configured = configured or policy()
    return memory.remembering(configured, world, decide(configured, memory, world))


def test_an_empty_memory_has_no_events_and_an_unlimited_age() -> None:
    memory = Memory()
    assert (memory.known_for_s(NOW), memory.failures) == (inf, 0)
    assert (memory.highest_demand(60.0, NOW), memory.lowest_demand(60.0, NOW)) == (0, inf)
    assert (memory.added(60.0, NOW), memory.removed(60.0, NOW), memory.net_change(60.0, NOW)) == (0, 0, 0)
    assert memory.last_run(0, NOW) == (0.0, 0)


@pytest.mark.parametrize(("desired", "running", "coming"), [(10, 4, 6), (5, 4, 1), (5, 5, 0), (4, 6, 0)])
def test_after_a_start_desired_tasks_that_do_not_run_count_as_a_new_change(
    desired: int, running: int, coming: int
) -> None:
    memory = Memory.begun(Fleet(desired, running, 0, NOW), NOW)
    assert memory == Memory(since=NOW, changes=(AcceptedChange(NOW, coming),) if coming else (), watched_at=NOW)


def test_events_count_while_they_are_younger_than_the_window() -> None:
    """The high counts expose a mix-up of counts and times."""
    requested = demands((60, 9_999), (59, 9), (10, 3))
    assert (requested.highest_demand(60.0, NOW), requested.lowest_demand(60.0, NOW)) == (9, 3)
    changed = changes((60, 9_999), (59, 1), (30, -1), (10, -2), (5, 4))
    assert (changed.added(60.0, NOW), changed.removed(60.0, NOW), changed.net_change(60.0, NOW)) == (5, 3, 2)


def test_a_service_with_min_tasks_at_a_count_of_0_is_switched_off_and_stays_so_with_min_tasks_0() -> None:
    none_there = Fleet(0, 0, 0, NOW)
    assert Memory(expected=5).finds_switched_off(policy(min_tasks=1), none_there)
    assert Memory(off=True, expected=0).finds_switched_off(policy(min_tasks=0), none_there)
    assert not Memory(expected=5).finds_switched_off(policy(min_tasks=0), none_there)
    assert not Memory(off=True).finds_switched_off(policy(min_tasks=1), Fleet(1, 0, 1, NOW))


def test_consecutive_readings_above_the_activation_threshold_are_counted() -> None:
    asleep = seen(9, desired=0)
    assert after(Memory(waking=1), asleep).waking == 2
    assert after(Memory(waking=1), seen(0, desired=0)).waking == 0
    assert after(Memory(waking=1), seen(9)).waking == 0, "the service is not at 0"


def test_the_remembered_running_count_is_capped_at_the_desired_count() -> None:
    """A deployment runs both revisions."""
    assert after(Memory(), seen(9, fleet=Fleet(10, 14, 0, NOW))).running == (RunningCount(NOW, 10),)
    same = Memory(running=(RunningCount(NOW - 60, 10),))
    assert after(same, seen(9, fleet=Fleet(10, 14, 0, NOW))).running == same.running


@pytest.mark.parametrize(
    ("stored", "desired", "running", "counted"),
    [((), 0, 3, 0), ((), 2, 3, 2), ((9, 5), 2, 8, 5), ((9, 5), 2, 3, 3), ((1, 5), 7, 8, 7)],
)
def test_tasks_that_a_scale_in_stops_count_until_they_are_gone(
    stored: tuple[int, ...], desired: int, running: int, counted: int
) -> None:
    """Running tasks count up to the larger of the desired count and the newest stored count."""
    memory = Memory(running=tuple(RunningCount(NOW - 60 + at, tasks) for at, tasks in enumerate(stored)))
    assert memory.running_now(Fleet(desired, running, 0, NOW)) == counted


def test_a_period_of_a_load_is_stored_once_and_survives_polls_without_it() -> None:
    """The window of 300 s, twice, for small steps."""
    hot = policy(cpu_target_percent=50.0, scale_in=ScaleIn(utilization_stabilization_s=300.0))

    def polled(memory: Memory, at: float, percent: float) -> Memory:
        return after(memory, seen(20, cpu=Utilization(percent, at, 10)), hot)

    first = polled(Memory(), NOW - 120.0, 40.0)
    assert {name: [(each.at, each.low) for each in periods] for name, periods in first.loads.items()} == {
        "cpu": [(NOW - 120.0, 400.0)]
    }
    both = polled(first, NOW - 60.0, 50.0)
    assert [each.at for each in both.loads["cpu"]] == [NOW - 120.0, NOW - 60.0]
    assert polled(both, NOW - 60.0, 50.0).loads == both.loads, "the same datapoint"
    assert after(both, seen(20, cpu=Missing("throttled", "throttled")), hot).loads == both.loads
    old = LoadPeriod(NOW - 661.0, 1.0, 1.0), LoadPeriod(NOW - 659.0, 1.0, 1.0)
    kept = polled(Memory(loads={"cpu": old, "other": old}), NOW - 60.0, 50.0).loads
    assert [each.at for each in kept["cpu"]] == [NOW - 659.0, NOW - 60.0]
    assert kept["other"] == old


def test_minutes_are_stored_for_the_progress_window_of_slow_work() -> None:
    """The window is twice 300 s; twice the window is 1,200 s."""
    slow = policy(processing_time_s=300.0)
    for age_s, stored in ((1_199.5, 2), (1_200.0, 1)):
        memory = Memory(flows=(Flow(5, 5, 10, NOW - age_s), Flow(5, 5, 10, NOW - 60)))
        assert len(after(memory, seen(20), slow).flows) == stored


def test_each_poll_adds_its_demand_and_a_poll_without_readings_adds_a_failure() -> None:
    read = after(Memory(failures=2), seen(20))
    assert (read.demands, read.failures) == ((Demand(NOW, 2),), 0)
    nothing_to_recall = replace(decide(policy(), read, seen(20)), recalled=None)
    assert read.remembering(policy(), seen(20), nothing_to_recall).demands == read.demands
    unread = seen(0, queues=(QueueReading("q", Missing("denied", "denied")),))
    failed = after(replace(read, failures=2), unread)
    assert (failed.demands, failed.failures) == ((*read.demands, Demand(NOW, 10)), 3)


@pytest.mark.parametrize(
    ("configured", "reach_s"),
    [
        (policy(), 120.0),
        (policy(scale_in=ScaleIn(stabilization_s=300.0)), 300.0),
        (policy(scale_out=LONG), 300.0),
        (policy(queues=(QueuePolicy("q", 60.0), QueuePolicy("r", 600.0))), 600.0),
    ],
)
def test_demands_are_stored_for_the_longest_window_of_any_rule(configured: Policy, reach_s: float) -> None:
    """The windows, the longest latency, and at least twice the agreement time for zero."""
    stored = after(demands((reach_s + 0.5, 7), (reach_s, 8), (10, 9)), seen(20), configured).demands
    assert [event.tasks for event in stored[:-1]] == [8, 9]


@pytest.mark.parametrize(
    ("configured", "reach_s"),
    [(policy(), 60.0), (policy(scale_in=ScaleIn(300.0, 0.0)), 300.0), (policy(scale_out=COOL), 300.0)],
)
def test_changes_are_stored_for_the_longest_window_of_any_rule(configured: Policy, reach_s: float) -> None:
    """The windows, and at least the minute of the ECS launch rate."""
    stored = after(changes((reach_s + 0.5, 7), (reach_s, 8), (10, 9)), seen(20), configured).changes
    assert [event.tasks for event in stored] == [8, 9]


def test_running_counts_are_stored_for_ten_minutes_plus_the_count_before_them() -> None:
    other = seen(5, fleet=Fleet(10, 8, 2, NOW))

    def stored(*ages: float) -> list[float]:
        memory = Memory(running=tuple(RunningCount(NOW - age_s, tasks) for tasks, age_s in enumerate(ages, 20)))
        return [NOW - event.at for event in after(memory, other).running]

    assert stored(700.0, 600.0, 10.0) == [700.0, 600.0, 10.0, 0.0]
    assert stored(700.0, 600.5, 10.0) == [600.5, 10.0, 0.0]
    assert stored(500.0, 10.0) == [500.0, 10.0, 0.0]


def test_each_minute_is_stored_once_for_15_minutes() -> None:
    def minutes(*ages: float) -> tuple[Flow, ...]:
        return tuple(Flow(5, 5, 10, NOW - age_s) for age_s in ages)

    new = minutes(0.0)[0]
    assert after(Memory(flows=minutes(899.5, 60.0)), seen(20, flow=new)).flows == minutes(899.5, 60.0, 0.0)
    assert after(Memory(flows=minutes(900.0, 120.0, 60.0)), seen(20, flow=new)).flows == minutes(120.0, 60.0, 0.0)
    known = Memory(flows=minutes(120.0, 60.0))
    for nothing_new in (known.flows[-1], None, Missing("throttled", "throttled")):
        assert after(known, seen(20, flow=nothing_new)).flows == known.flows


def test_idle_slots_are_compared_with_messages_and_survive_unread_queues() -> None:
    two_at_once = policy(task_concurrency=2)
    assert after(Memory(), seen(300, in_flight=15), two_at_once).idle_since == NOW
    assert after(Memory(), seen(300, in_flight=20), two_at_once).idle_since is None
    denied = QueueReading("r", Missing("denied", "denied"))
    idle = Memory(idle_since=NOW - 60)
    assert after(idle, seen(0, queues=(denied,))).idle_since == NOW - 60
    busy = seen(300, in_flight=4)
    assert after(idle, replace(busy, queues=(*busy.queues, denied))).idle_since == NOW - 60


def test_an_accepted_change_is_stored_and_expected() -> None:
    changed = Memory(expected=5, changes=(AcceptedChange(NOW - 9, 1),)).acknowledging(NOW, -3)
    assert (changed.expected, changed.changes) == (2, (AcceptedChange(NOW - 9, 1), AcceptedChange(NOW, -3)))
    assert Memory().acknowledging(NOW, 3).expected is None
