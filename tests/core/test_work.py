"""What the tasks are doing: FIFO groups, tasks that do not come up, work that goes nowhere, and a count set by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.core.engine import decide
from autoscaler.core.memory import Memory, Running
from autoscaler.core.model import Backlog, Deployment, Fleet, Flow, QueueReading, Rule, Trouble, Verdict
from autoscaler.core.policy import Pause
from tests.core.calm import NOW, changes, demands, policy, rules, seen


def test_never_in_while_the_oldest_message_is_late() -> None:
    late = (QueueReading("q", Backlog(5, 0, 0, NOW, oldest_age_s=60.0)),)
    assert Rule.LATE in rules(decide(policy(), Memory(), seen(0, queues=late)))
    assert decide(policy(), Memory(), seen(0, queues=late)).verdict is not Verdict.SCALE_IN
    young = (QueueReading("q", Backlog(5, 0, 0, NOW, oldest_age_s=59.9)),)
    assert decide(policy(), Memory(), seen(0, queues=young)).target == 1


def fifo(groups: int | None, idle_s: float | None, **more: object) -> int:
    world = seen(0, queues=(QueueReading("q", Backlog(300, 4, 0, NOW, groups_in_flight=groups)),))
    memory = Memory(idle_since=None if idle_s is None else NOW - idle_s)
    return decide(policy(**more), memory, world).target


def test_a_fifo_queue_is_capped_at_its_groups_and_a_probe_once_tasks_stood_idle_for_minutes() -> None:
    assert fifo(14, 180.0) == 15
    assert fifo(14, 179.0) == 31
    assert fifo(14, None) == 31
    assert fifo(None, 180.0) == 31
    assert fifo(28, 180.0, task_concurrency=2) == 15
    assert fifo(2, 180.0) == 10, "it never scales in"


def test_idle_beside_backlog_is_remembered_only_while_it_lasts() -> None:
    idle = seen(300, in_flight=4)
    memory = Memory().remembering(policy(), idle, decide(policy(), Memory(), idle))
    assert memory.idle_since == NOW
    later = replace(idle, now=NOW + 10)
    assert memory.remembering(policy(), later, decide(policy(), memory, later)).idle_since == NOW
    for world in (seen(300, in_flight=10), seen(0, in_flight=4)):
        assert memory.remembering(policy(), world, decide(policy(), memory, world)).idle_since is None


def starting(running: int, since_s: float, *, ran: int | None = None, trouble: Trouble | None = None) -> list[Rule]:
    fleet = Fleet(10, running, 10 - running, NOW, trouble=trouble)
    memory = Memory(starting=Running(NOW - since_s, running if ran is None else ran))
    return rules(decide(policy(stalled_after_s=300.0), memory, seen(300, fleet=fleet)))


def test_tasks_that_do_not_come_up_are_not_asked_for_again() -> None:
    assert starting(4, 300.0) == [Rule.STALLED_START]
    assert starting(4, 299.0) == []
    assert starting(10, 300.0, ran=4) == [], "all are there"
    assert starting(10, 300.0, ran=10) == [], "all are there, and were"
    assert starting(5, 300.0, ran=4) == [], "one more runs: it is moving"


def test_what_ecs_says_of_it_counts_at_once_if_it_said_so_since() -> None:
    assert starting(4, 30.0, trouble=Trouble("capacity is unavailable", NOW - 29)) == [Rule.STALLED_START]
    assert starting(4, 30.0, trouble=Trouble("capacity is unavailable", NOW - 30)) == [Rule.STALLED_START]
    assert starting(4, 30.0, trouble=Trouble("capacity is unavailable", NOW - 31)) == []
    assert starting(10, 30.0, ran=10, trouble=Trouble("capacity is unavailable", NOW)) == [], "all are there"


def test_a_stalled_start_says_why() -> None:
    fleet = Fleet(10, 4, 6, NOW, trouble=Trouble("capacity is unavailable", NOW - 5))
    step = decide(policy(), Memory(starting=Running(NOW - 30, 4)), seen(300, fleet=fleet)).steps[-1]
    assert step.reason == "6 tasks do not start: capacity is unavailable"


def test_the_wait_for_tasks_begins_anew_with_each_that_comes_up() -> None:
    def after(memory: Memory, running: int, later_s: float) -> Memory:
        world = replace(seen(300, fleet=Fleet(10, running, 10 - running, NOW)), now=NOW + later_s)
        return memory.remembering(policy(), world, decide(policy(), memory, world))

    first = after(Memory(), 4, 0)
    assert first.starting == Running(NOW, 4)
    assert after(first, 4, 10).starting == Running(NOW, 4)
    assert after(first, 3, 10).starting == Running(NOW, 4), "a task that died is no progress"
    assert after(first, 5, 10).starting == Running(NOW + 10, 5)
    assert after(first, 10, 10).starting is None


def flows(*minutes: tuple[int, int, int]) -> Memory:
    """Minutes of (received, deleted, tasks) in which messages waited, the last of which has just ended."""
    ended = [NOW - 60.0 * age for age in range(len(minutes) - 1, -1, -1)]
    return Memory(flows=tuple(Flow(*minute, at, 1) for minute, at in zip(minutes, ended, strict=True)))


CIRCLING = ((20, 0, 10),) * 5


def test_messages_that_are_received_again_and_again_and_never_deleted_raise_no_demand() -> None:
    assert rules(decide(policy(), flows(*CIRCLING), seen(300))) == [Rule.NO_PROGRESS]
    assert rules(decide(policy(), flows(*CIRCLING[1:]), seen(300))) == [Rule.NO_PROGRESS], "a minute may be missing"
    assert rules(decide(policy(), flows(*CIRCLING[2:]), seen(300))) == [], "not long enough"
    assert rules(decide(policy(), flows((20, 1, 10), *CIRCLING[1:]), seen(300))) == [], "one was deleted"
    assert rules(decide(policy(), flows(*((4, 0, 10),) * 5), seen(300))) == [], "20 on 10 slots: long work, once each"
    assert decide(policy(), flows(*CIRCLING), seen(20)).target == 2, "it never hinders a scale-in"


def test_a_few_of_many_and_those_of_a_deployment_are_being_replaced_and_do_not_stall() -> None:
    """A tenth of 10 is one."""
    assert starting(9, 600.0) == []
    assert starting(8, 600.0) == [Rule.STALLED_START]
    assert starting(9, 30.0, trouble=Trouble("capacity is unavailable", NOW)) == [Rule.STALLED_START]
    rolling = Fleet(10, 4, 6, NOW, Deployment(NOW - 60))
    assert decide(policy(), Memory(starting=Running(NOW - 600, 4)), seen(300, fleet=rolling)).target == 30


def test_neither_groups_nor_a_stalled_start_keep_the_last_task() -> None:
    quiet = demands((90, 0), (45, 0), (10, 0))
    groups = (QueueReading("q", Backlog(0, 0, 0, NOW, groups_in_flight=0)),)
    assert decide(policy(), replace(quiet, idle_since=NOW - 600), seen(0, queues=groups)).target == 0
    for trouble in (None, Trouble("capacity is unavailable", NOW)):
        world = seen(0, fleet=Fleet(10, 4, 6, NOW, trouble=trouble))
        assert decide(policy(), replace(quiet, starting=Running(NOW - 600, 4)), world).target == 0


def test_a_busy_floor_never_brings_a_task_back() -> None:
    """10 still run, busy with a message each, of which only 3 are wanted any more."""
    assert decide(policy(), Memory(), seen(0, in_flight=10, fleet=Fleet(3, 10, 0, NOW))).target == 3


def test_a_single_protected_task_stays() -> None:
    quiet = demands((90, 0), (45, 0), (10, 0))
    assert decide(policy(), quiet, seen(0, fleet=Fleet(10, 10, 0, NOW, protected=1))).target == 1


def test_work_that_takes_longer_than_the_window_is_no_standstill() -> None:
    slow = policy(processing_time_s=600.0, backlog_per_task=None)
    assert Rule.NO_PROGRESS not in rules(decide(slow, flows(*CIRCLING), seen(300)))


def test_tasks_that_got_no_more_done_than_fewer_did_are_not_added_to() -> None:
    contended = flows((500, 500, 6), (500, 500, 6), (520, 510, 10))
    assert rules(decide(policy(), contended, seen(300))) == [Rule.NO_PROGRESS]
    assert rules(decide(policy(), flows((500, 500, 6), (520, 526, 10)), seen(300))) == [], "a twentieth more was done"
    assert rules(decide(policy(), flows((500, 500, 7), (520, 510, 10)), seen(300))) == [], "hardly more tasks"
    assert rules(decide(policy(), flows((500, 500, 1), (520, 510, 2)), seen(300))) == [], "one more is too few to say"
    idle = Memory(flows=tuple(replace(minute, waiting=0) for minute in contended.flows))
    assert rules(decide(policy(), idle, seen(300))) == [], "what was deleted is what came"


def test_a_minute_is_remembered_once_and_for_a_quarter_of_an_hour() -> None:
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
def test_no_more_than_ecs_launches_in_a_minute(events: tuple[tuple[float, int], ...], target: int) -> None:
    assert decide(policy(launch_per_minute=50), changes(*events), seen(900)).target == target


def test_a_count_set_to_none_by_hand_is_left_alone_until_it_is_raised() -> None:
    wanted = policy(min_tasks=2)
    off = seen(300, desired=0)
    assert rules(decide(wanted, Memory(expected=5), off))[-1] is Rule.SWITCHED_OFF
    assert decide(wanted, Memory(expected=5), off).target == 0
    assert decide(wanted, Memory(off=True, expected=0), off).target == 0
    assert decide(wanted, Memory(expected=0), off).target == 30, "it was there before: we never write it"
    assert decide(wanted, Memory(), off).target == 30
    assert decide(policy(), Memory(expected=5), off).target == 30, "none is wanted, so none is nothing special"
    assert decide(wanted, Memory(off=True, expected=0), seen(300, desired=1)).target == 30


def test_switched_off_is_remembered_until_somebody_raises_it() -> None:
    wanted = policy(min_tasks=2)

    def after(memory: Memory, desired: int) -> Memory:
        world = seen(300, desired=desired)
        return memory.remembering(wanted, world, decide(wanted, memory, world))

    off = after(after(Memory(), 5), 0)
    assert (off.off, off.expected) == (True, 0)
    assert after(off, 0).off
    assert not after(off, 1).off


def test_the_running_count_of_an_instant_is_the_last_one_before_it() -> None:
    memory = Memory(running=(Running(10.0, 3), Running(20.0, 5)))
    assert [memory.running_at(instant) for instant in (9.9, 10.0, 19.9, 20.0, 99.0)] == [None, 3, 3, 5, 5]


def test_the_counts_of_a_time_are_the_fewest_and_the_most_in_it_and_the_first_reaches_back_for_ever() -> None:
    memory = Memory(running=(Running(10.0, 3), Running(20.0, 5), Running(30.0, 4)))
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
    ("before", "desired", "running", "kept"),
    [(10, 5, 10, 10), (10, 5, 7, 7), (10, 5, 5, 5), (5, 5, 10, 5), (5, 8, 10, 8), (None, 5, 10, 5), (7, 5, 10, 7)],
)
def test_stopping_tasks_count_until_they_are_gone_and_a_second_revision_never(
    before: int | None, desired: int, running: int, kept: int
) -> None:
    memory = Memory(running=() if before is None else (Running(NOW - 10, before),))
    world = seen(5, fleet=Fleet(desired, running, 0, NOW))
    assert memory.remembering(policy(), world, decide(policy(), memory, world)).running[-1].tasks == kept


def test_running_counts_are_kept_where_they_change_and_as_far_back_as_a_datapoint_may_reach() -> None:
    memory = Memory(running=(Running(NOW - 900, 3), Running(NOW - 700, 4), Running(NOW - 10, 10)))
    same, other = seen(5), seen(5, fleet=Fleet(10, 8, 2, NOW))
    assert memory.remembering(policy(), same, decide(policy(), memory, same)).running == memory.running
    kept = memory.remembering(policy(), other, decide(policy(), memory, other)).running
    assert kept == (Running(NOW - 700, 4), Running(NOW - 10, 10), Running(NOW, 8))


def test_the_rule_that_binds_is_the_last_that_moved_the_count() -> None:
    assert decide(policy(), Memory(), seen(20)).rule is None
    assert decide(policy(max_tasks=12, paused=Pause.OUT), Memory(), seen(300)).rule is Rule.PAUSE


def test_drift_is_what_somebody_else_has_changed() -> None:
    fleet = Fleet(2, 2, 0, NOW)
    assert Memory(expected=5).drift(fleet) == -3
    assert Memory(expected=2).drift(fleet) == 0
    assert Memory().drift(fleet) == 0
    assert Memory(expected=5).acknowledging(NOW, -3).drift(fleet) == 0


def test_a_schedule_is_named_where_it_binds() -> None:
    scheduled = policy(min_tasks=4, schedule="morning")
    assert decide(scheduled, Memory(), seen(0, desired=1)).steps[-1].reason.endswith("by schedule morning")
    assert decide(policy(min_tasks=4, paused=Pause.ALL), Memory(), seen(0, desired=1)).target == 1
