"""The state of the tasks: FIFO groups, tasks that do not start, missing progress, and a count set by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.core.engine import decide
from autoscaler.core.memory import Memory, RunningCount
from autoscaler.core.model import (
    Backlog,
    Deployment,
    Fleet,
    Flow,
    QueueReading,
    Rule,
    StartFailure,
    StartHold,
    Trouble,
    Verdict,
)
from autoscaler.core.policy import Pause, WorkerSafety
from tests.core.calm import NOW, changes, demands, policy, rules, seen


def test_no_scale_in_while_the_oldest_message_is_late() -> None:
    late = (QueueReading("q", Backlog(5, 0, 0, NOW, oldest_age_s=60.0)),)
    assert Rule.LATE in rules(decide(policy(), Memory(), seen(0, queues=late)))
    assert decide(policy(), Memory(), seen(0, queues=late)).verdict is not Verdict.SCALE_IN
    young = (QueueReading("q", Backlog(5, 0, 0, NOW, oldest_age_s=59.9)),)
    assert decide(policy(), Memory(), seen(0, queues=young)).target == 1


def fifo(groups: int | None, idle_s: float | None, **more: object) -> int:
    world = seen(0, queues=(QueueReading("q", Backlog(300, 4, 0, NOW, groups_in_flight=groups)),))
    memory = Memory(idle_since=None if idle_s is None else NOW - idle_s)
    return decide(policy(**more), memory, world).target


def test_a_fifo_queue_is_capped_at_its_groups_plus_a_probe_after_minutes_with_idle_tasks() -> None:
    assert fifo(14, 180.0) == 15
    assert fifo(14, 179.0) == 31
    assert fifo(14, None) == 31
    assert fifo(None, 180.0) == 31
    assert fifo(28, 180.0, task_concurrency=2) == 15
    assert fifo(2, 180.0) == 10, "the rule never scales in"


def test_idle_slots_with_a_backlog_are_remembered_only_while_they_last() -> None:
    idle = seen(300, in_flight=4)
    memory = Memory().remembering(policy(), idle, decide(policy(), Memory(), idle))
    assert memory.idle_since == NOW
    later = replace(idle, now=NOW + 10)
    assert memory.remembering(policy(), later, decide(policy(), memory, later)).idle_since == NOW
    for world in (seen(300, in_flight=10), seen(0, in_flight=4)):
        assert memory.remembering(policy(), world, decide(policy(), memory, world)).idle_since is None


def starting(running: int, since_s: float, *, ran: int | None = None, trouble: Trouble | None = None) -> list[Rule]:
    fleet = Fleet(10, running, 10 - running, NOW, trouble=trouble)
    memory = Memory(starting=RunningCount(NOW - since_s, running if ran is None else ran))
    return rules(decide(policy(stalled_after_s=300.0), memory, seen(300, fleet=fleet)))


def test_tasks_that_do_not_start_stop_a_further_scale_out() -> None:
    assert starting(4, 300.0) == [Rule.STALLED_START]
    assert starting(4, 299.0) == []
    assert starting(10, 300.0, ran=4) == [], "all tasks run"
    assert starting(10, 300.0, ran=10) == [], "all tasks run, and did before"
    assert starting(5, 300.0, ran=4) == [], "one more task runs: there is progress"


def test_an_ecs_event_since_the_start_counts_at_once() -> None:
    assert starting(4, 30.0, trouble=Trouble("capacity is unavailable", NOW - 29)) == [Rule.STALLED_START]
    assert starting(4, 30.0, trouble=Trouble("capacity is unavailable", NOW - 30)) == [Rule.STALLED_START]
    assert starting(4, 30.0, trouble=Trouble("capacity is unavailable", NOW - 31)) == []
    assert starting(10, 30.0, ran=10, trouble=Trouble("capacity is unavailable", NOW)) == [], "all tasks run"


def failing(
    hold: StartHold, running: int = 4, staying: int = 4, age_s: float = 5.0, messages: int = 300, **more: object
) -> tuple[int, list[Rule]]:
    """Return the target of a service with 10 desired tasks, and the rules."""
    failure = StartFailure("fix", "image_not_found", "the image does not exist", "push it", NOW - age_s, hold, staying)
    fleet = Fleet(10, running, 10 - running, NOW, failure=failure, **more)  # type: ignore[arg-type]
    memory = Memory(starting=RunningCount(NOW - 30, 4) if running < 10 else None)
    decision = decide(policy(), memory, seen(messages, fleet=fleet))
    return decision.target, rules(decision)


def test_a_cause_that_must_be_changed_holds_the_count_whatever_the_counts_of_the_moment_are() -> None:
    held = 10, [Rule.STALLED_START]
    assert failing(StartHold.UNTIL_CHANGED) == held
    assert failing(StartHold.UNTIL_CHANGED, running=5) == held, "a task that runs may end at once"
    assert failing(StartHold.UNTIL_CHANGED, running=10, staying=9) == held
    assert failing(StartHold.UNTIL_CHANGED, age_s=5000.0) == held


def test_one_task_more_is_a_test_if_nothing_else_would_show_that_the_cause_is_gone() -> None:
    assert failing(StartHold.UNTIL_CHANGED, running=10, staying=10) == (11, [Rule.STALLED_START])
    rolling = Deployment(NOW - 60)
    assert failing(StartHold.UNTIL_CHANGED, running=10, staying=10, deployment=rolling)[0] == 10, "ECS tries by itself"


def test_a_cause_that_ends_by_itself_holds_the_count_while_no_further_task_runs() -> None:
    assert failing(StartHold.WHILE_MISSING) == (10, [Rule.STALLED_START])
    assert failing(StartHold.WHILE_MISSING, running=5)[0] > 10
    assert failing(StartHold.WHILE_MISSING, age_s=31.0)[0] > 10, "older than the start"


def test_other_causes_hold_nothing() -> None:
    assert failing(StartHold.NOTHING)[0] > 10


@pytest.mark.parametrize("hold", StartHold)
def test_a_failure_of_starts_prevents_no_scale_in(hold: StartHold) -> None:
    assert failing(hold, messages=0)[0] < 10


def test_a_stalled_start_states_the_cause() -> None:
    fleet = Fleet(10, 4, 6, NOW, trouble=Trouble("capacity is unavailable", NOW - 5))
    step = decide(policy(), Memory(starting=RunningCount(NOW - 30, 4)), seen(300, fleet=fleet)).steps[-1]
    assert step.reason == "6 tasks do not start: capacity is unavailable"


@pytest.mark.parametrize(
    ("desired", "running", "trouble", "reason"),
    [
        (10, 8, None, "2 tasks have not started for 600 s, and ECS gives no reason"),
        (5, 4, None, "1 task has not started for 600 s, and ECS gives no reason"),
        (5, 4, Trouble("no capacity", NOW), "1 task does not start: no capacity"),
        (
            10,
            8,
            Trouble("no capacity", NOW - 601),
            "2 tasks have not started for 600 s, and ECS reported before: no capacity",
        ),
    ],
)
def test_a_stalled_start_states_how_many_tasks_are_missing(
    desired: int, running: int, trouble: Trouble | None, reason: str
) -> None:
    fleet = Fleet(desired, running, desired - running, NOW, trouble=trouble)
    step = decide(policy(), Memory(starting=RunningCount(NOW - 600, running)), seen(300, fleet=fleet)).steps[-1]
    assert (step.rule, step.reason) == (Rule.STALLED_START, reason)


def test_a_deployment_states_how_long_it_has_lasted() -> None:
    step = decide(policy(), Memory(), seen(20, fleet=Fleet(10, 10, 0, NOW, Deployment(NOW - 90)))).steps[-1]
    assert step.reason == "a deployment has been in progress for 90 s"


def test_each_task_that_starts_restarts_the_wait_for_tasks() -> None:
    def after(memory: Memory, running: int, later_s: float) -> Memory:
        world = replace(seen(300, fleet=Fleet(10, running, 10 - running, NOW)), now=NOW + later_s)
        return memory.remembering(policy(), world, decide(policy(), memory, world))

    first = after(Memory(), 4, 0)
    assert first.starting == RunningCount(NOW, 4)
    assert after(first, 4, 10).starting == RunningCount(NOW, 4)
    assert after(first, 3, 10).starting == RunningCount(NOW, 4), "a stopped task is not progress"
    assert after(first, 5, 10).starting == RunningCount(NOW + 10, 5)
    assert after(first, 10, 10).starting is None


def flows(*minutes: tuple[int, int, int]) -> Memory:
    """Return minutes of (received, deleted, tasks) with waiting messages. The last one has just ended."""
    ended = [NOW - 60.0 * age for age in range(len(minutes) - 1, -1, -1)]
    return Memory(flows=tuple(Flow(*minute, at, 1) for minute, at in zip(minutes, ended, strict=True)))


REDELIVERED = ((20, 0, 10),) * 5


def test_messages_that_are_redelivered_and_never_deleted_cause_no_scale_out() -> None:
    assert rules(decide(policy(), flows(*REDELIVERED), seen(300))) == [Rule.NO_PROGRESS]
    assert rules(decide(policy(), flows(*REDELIVERED[1:]), seen(300))) == [Rule.NO_PROGRESS], "a minute may be missing"
    assert rules(decide(policy(), flows(*REDELIVERED[2:]), seen(300))) == [], "not long enough"
    assert rules(decide(policy(), flows((20, 1, 10), *REDELIVERED[1:]), seen(300))) == [], "one message was deleted"
    assert rules(decide(policy(), flows(*((4, 0, 10),) * 5), seen(300))) == [], (
        "20 receives on 10 slots: long work, no redelivery"
    )
    assert decide(policy(), flows(*REDELIVERED), seen(20)).target == 2, "the rule never prevents a scale-in"


def test_a_tenth_of_the_tasks_and_a_deployment_are_replacements_and_do_not_stall() -> None:
    """A tenth of 10 tasks is 1 task."""
    assert starting(9, 600.0) == []
    assert starting(8, 600.0) == [Rule.STALLED_START]
    assert starting(9, 30.0, trouble=Trouble("capacity is unavailable", NOW)) == [Rule.STALLED_START]
    rolling = Fleet(10, 4, 6, NOW, Deployment(NOW - 60))
    assert decide(policy(), Memory(starting=RunningCount(NOW - 600, 4)), seen(300, fleet=rolling)).target == 30


def test_fifo_groups_and_a_stalled_start_do_not_keep_the_last_task() -> None:
    quiet = demands((90, 0), (45, 0), (10, 0))
    groups = (QueueReading("q", Backlog(0, 0, 0, NOW, groups_in_flight=0)),)
    assert decide(policy(), replace(quiet, idle_since=NOW - 600), seen(0, queues=groups)).target == 0
    for trouble in (None, Trouble("capacity is unavailable", NOW)):
        world = seen(0, fleet=Fleet(10, 4, 6, NOW, trouble=trouble))
        assert decide(policy(), replace(quiet, starting=RunningCount(NOW - 600, 4)), world).target == 0


def test_the_busy_floor_never_causes_a_scale_out() -> None:
    """10 tasks still run, each with a message in flight, and the desired count is 3."""
    assert decide(policy(), Memory(), seen(0, in_flight=10, fleet=Fleet(3, 10, 0, NOW))).target == 3


@pytest.mark.parametrize("workers", WorkerSafety)
@pytest.mark.parametrize(("in_flight", "floor"), [(1, 1), (2, 1), (3, 2), (9, 5)])
def test_the_busy_tasks_are_those_that_messages_in_flight_occupy(
    workers: WorkerSafety, in_flight: int, floor: int
) -> None:
    """Two messages per task. With unsafe workers, all ten stay."""
    configured = policy(workers=workers, task_concurrency=2, backlog_per_task=100.0)
    target = decide(configured, Memory(), seen(0, in_flight=in_flight)).target
    assert target == (10 if workers is WorkerSafety.UNSAFE else floor)


def test_a_single_protected_task_stays() -> None:
    quiet = demands((90, 0), (45, 0), (10, 0))
    assert decide(policy(), quiet, seen(0, fleet=Fleet(10, 10, 0, NOW, protected=1))).target == 1


@pytest.mark.parametrize(
    ("busy_floor", "in_flight", "reason"),
    [
        (True, 2, "2 tasks are busy with 2 messages in flight, 6 tasks protect themselves"),
        (True, 0, "6 tasks protect themselves"),
        (False, 2, "6 tasks protect themselves"),
    ],
)
def test_the_tasks_that_stay_are_named_with_the_reasons_that_count(
    in_flight: int, reason: str, *, busy_floor: bool
) -> None:
    world = seen(0, in_flight=in_flight, fleet=Fleet(10, 10, 0, NOW, protected=6))
    assert decide(policy(busy_floor=busy_floor), Memory(), world).steps[-1].reason == reason


def test_work_that_takes_longer_than_the_window_is_not_without_progress() -> None:
    slow = policy(processing_time_s=600.0, backlog_per_task=None)
    assert Rule.NO_PROGRESS not in rules(decide(slow, flows(*REDELIVERED), seen(300)))


def test_no_tasks_are_added_if_more_tasks_did_not_delete_more_messages() -> None:
    no_faster = flows((500, 500, 6), (500, 500, 6), (520, 510, 10))
    assert rules(decide(policy(), no_faster, seen(300))) == [Rule.NO_PROGRESS]
    assert rules(decide(policy(), flows((500, 500, 6), (520, 526, 10)), seen(300))) == [], "5.2 % more were deleted"
    assert rules(decide(policy(), flows((500, 500, 7), (520, 510, 10)), seen(300))) == [], (
        "fewer than 1.5 times the tasks"
    )
    assert rules(decide(policy(), flows((500, 500, 1), (520, 510, 2)), seen(300))) == [], (
        "one more task is not enough to compare"
    )
    idle = Memory(flows=tuple(replace(minute, waiting=0) for minute in no_faster.flows))
    assert rules(decide(policy(), idle, seen(300))) == [], "without waiting messages, deletes are limited by arrivals"


def test_a_minute_is_stored_once_for_15_minutes() -> None:
    minute = Flow(5, 5, 10, NOW)
    world = seen(300, flow=minute)
    memory = Memory().remembering(policy(), world, decide(policy(), Memory(), world))
    assert memory.flows == (minute,)
    assert memory.remembering(policy(), world, decide(policy(), memory, world)).flows == (minute,)
    later = replace(world, now=NOW + 900, flow=Flow(6, 6, 10, NOW + 890))
    assert memory.remembering(policy(), later, decide(policy(), memory, later)).flows == (later.flow,)


@pytest.mark.parametrize(
    ("events", "target"), [((), 60), (((59.0, 30),), 30), (((60.0, 30),), 60), (((5.0, 30), (3.0, -30)), 30)]
)
def test_a_scale_out_is_limited_by_the_ecs_launch_rate(events: tuple[tuple[float, int], ...], target: int) -> None:
    assert decide(policy(launch_per_minute=50), changes(*events), seen(900)).target == target


def test_a_count_set_to_0_by_hand_stays_until_it_is_raised() -> None:
    min_two = policy(min_tasks=2)
    off = seen(300, desired=0)
    assert rules(decide(min_two, Memory(expected=5), off))[-1] is Rule.SWITCHED_OFF
    assert decide(min_two, Memory(expected=5), off).target == 0
    assert decide(min_two, Memory(off=True, expected=0), off).target == 0
    assert decide(min_two, Memory(expected=0), off).target == 30, "the count was 0 before"
    assert decide(min_two, Memory(), off).target == 30
    assert decide(policy(), Memory(expected=5), off).target == 30, "with min_tasks 0, a count of 0 is normal"
    assert decide(min_two, Memory(off=True, expected=0), seen(300, desired=1)).target == 30


def test_switched_off_is_remembered_until_the_count_is_raised() -> None:
    min_two = policy(min_tasks=2)

    def after(memory: Memory, desired: int) -> Memory:
        world = seen(300, desired=desired)
        return memory.remembering(min_two, world, decide(min_two, memory, world))

    off = after(after(Memory(), 5), 0)
    assert (off.off, off.expected) == (True, 0)
    assert after(off, 0).off
    assert not after(off, 1).off


def test_the_running_count_at_a_time_is_the_last_one_before_it() -> None:
    memory = Memory(running=(RunningCount(10.0, 3), RunningCount(20.0, 5)))
    assert [memory.running_at(instant) for instant in (9.9, 10.0, 19.9, 20.0, 99.0)] == [None, 3, 3, 5, 5]


def test_the_counts_of_a_period_are_its_minimum_and_maximum_and_the_first_count_has_no_start() -> None:
    memory = Memory(running=(RunningCount(10.0, 3), RunningCount(20.0, 5), RunningCount(30.0, 4)))
    between = {span: memory.ran_between(*span) for span in ((0.0, 5.0), (5.0, 10.0), (5.0, 19.9), (12.0, 20.0))}
    assert between == {(0.0, 5.0): (3, 3), (5.0, 10.0): (3, 3), (5.0, 19.9): (3, 3), (12.0, 20.0): (3, 5)}
    assert [memory.ran_between(*span) for span in ((20.0, 29.9), (20.0, 30.0), (0.0, 99.0), (99.0, 99.0))] == [
        (5, 5),
        (4, 5),
        (3, 5),
        (4, 4),
    ]
    assert [memory.knows_running_since(instant) for instant in (9.9, 10.0, 99.0)] == [False, True, True]
    assert Memory().ran_between(0.0, 99.0) is None
    assert not Memory().knows_running_since(99.0)


@pytest.mark.parametrize(
    ("before", "desired", "running", "expected"),
    [(10, 5, 10, 10), (10, 5, 7, 7), (10, 5, 5, 5), (5, 5, 10, 5), (5, 8, 10, 8), (None, 5, 10, 5), (7, 5, 10, 7)],
)
def test_stopping_tasks_count_until_they_stop_and_a_second_revision_does_not_count(
    before: int | None, desired: int, running: int, expected: int
) -> None:
    memory = Memory(running=() if before is None else (RunningCount(NOW - 10, before),))
    world = seen(5, fleet=Fleet(desired, running, 0, NOW))
    assert memory.remembering(policy(), world, decide(policy(), memory, world)).running[-1].tasks == expected


def test_running_counts_are_stored_when_they_change_for_the_age_of_the_oldest_datapoint() -> None:
    memory = Memory(running=(RunningCount(NOW - 900, 3), RunningCount(NOW - 700, 4), RunningCount(NOW - 10, 10)))
    same, other = seen(5), seen(5, fleet=Fleet(10, 8, 2, NOW))
    assert memory.remembering(policy(), same, decide(policy(), memory, same)).running == memory.running
    expected = memory.remembering(policy(), other, decide(policy(), memory, other)).running
    assert expected == (RunningCount(NOW - 700, 4), RunningCount(NOW - 10, 10), RunningCount(NOW, 8))


def test_the_binding_rule_is_the_last_that_changed_the_count() -> None:
    assert decide(policy(), Memory(), seen(20)).rule is None
    assert decide(policy(max_tasks=12, paused=Pause.OUT), Memory(), seen(300)).rule is Rule.PAUSE


def test_drift_is_a_change_that_the_autoscaler_did_not_write() -> None:
    fleet = Fleet(2, 2, 0, NOW)
    assert Memory(expected=5).drift(fleet) == -3
    assert Memory(expected=2).drift(fleet) == 0
    assert Memory().drift(fleet) == 0
    assert Memory(expected=5).acknowledging(NOW, -3).drift(fleet) == 0


def test_a_schedule_that_binds_is_named() -> None:
    scheduled = policy(min_tasks=4, schedule="morning")
    assert decide(scheduled, Memory(), seen(0, desired=1)).steps[-1].reason.endswith("by schedule morning")
    assert decide(policy(min_tasks=4, paused=Pause.ALL), Memory(), seen(0, desired=1)).target == 1
