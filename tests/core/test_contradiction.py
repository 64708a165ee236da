"""The rule `contradiction`: CloudWatch counts messages that SQS readings do not show; and memories that begin again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from autoscaler.core.engine import decide
from autoscaler.core.memory import AcceptedChange, Demand, Memory
from autoscaler.core.model import Fleet, Rule, Unseen
from autoscaler.core.policy import ScaleIn
from autoscaler.core.rule_input import RuleInput
from autoscaler.core.rules.trust import CONTRADICTED_S, contradiction
from autoscaler.core.signals import Signals
from tests.core.calm import NOW, demands, policy, rules, seen

EMPTY = demands(*((float(age_s), 0) for age_s in range(0, 150, 10)))
"""The queue has been empty for longer than a scale-in to zero needs."""


def target(unseen: Unseen | None, *, desired: int = 10, message_s: float = 0.2, waiting: int = 0, **more: Any) -> int:
    configured = policy(processing_time_s=message_s, backlog_per_task=10.0)
    return decide(configured, EMPTY, seen(waiting, desired=desired, unseen=unseen, **more)).target


def test_while_the_time_of_a_message_is_unknown_one_task_stays() -> None:
    inputs = RuleInput.of(policy(), EMPTY, seen(0))._replace(signals=Signals((), unseen=Unseen(600, 600, NOW)))
    found = contradiction(inputs)
    assert found is not None
    assert found[0] == 1


def test_without_a_contradiction_an_empty_queue_needs_no_task() -> None:
    assert target(None) == 0
    assert target(Unseen(0, 0, NOW)) == 0


@pytest.mark.parametrize(
    ("deleted", "message_s", "tasks"), [(600, 0.2, 2), (601, 0.2, 3), (0, 0.2, 1), (3, 0.2, 1), (600, 5.0, 10)]
)
def test_tasks_that_were_busy_with_messages_that_counts_did_not_show_stay(
    deleted: int, message_s: float, tasks: int
) -> None:
    """600 messages a minute of 0.2 s each occupy 2 tasks. At least one task stays, at most the present ones."""
    unseen = Unseen(max(1, deleted), deleted, NOW - 60.0)
    assert target(unseen, message_s=message_s) == tasks
    decision = decide(policy(processing_time_s=message_s), EMPTY, seen(0, unseen=unseen))
    assert (Rule.CONTRADICTION in rules(decision)) is (tasks < 10 or decision.target == 10)


def test_an_old_message_is_a_contradiction_too() -> None:
    assert target(Unseen(0, 0, NOW, oldest_age_s=50.0)) == 1
    assert target(Unseen(0, 0, NOW, oldest_age_s=0.0)) == 0


@pytest.mark.parametrize(("age_s", "tasks"), [(CONTRADICTED_S, 2), (CONTRADICTED_S + 1, 0)])
def test_an_old_minute_is_no_contradiction(age_s: float, tasks: int) -> None:
    assert target(Unseen(600, 600, NOW - age_s)) == tasks


def test_a_contradiction_starts_no_task_and_does_not_limit_a_given_demand() -> None:
    assert target(Unseen(600, 600, NOW), desired=0) == 0
    assert target(Unseen(600, 600, NOW), given=0) == 0
    assert target(Unseen(600, 600, NOW), waiting=300) > 10


# A memory that begins again.


def test_a_memory_that_lapsed_begins_again_with_the_changes_that_are_on_their_way() -> None:
    """Eight tasks are starting; two of them were requested by a change that is known. A scale-in starts none."""
    known = (AcceptedChange(NOW - 90.0, 2), AcceptedChange(NOW - 60.0, -3))
    memory = Memory(since=NOW - 900.0, demands=(Demand(NOW - 300.0, 5),), changes=known, expected=10, lapsed=True)
    again = memory.resumed(Fleet(10, 2, 8, NOW), NOW, complete=True)
    assert again.changes == (*known, AcceptedChange(NOW, 6))
    assert (again.since, again.demands, again.expected, again.lapsed) == (NOW, (), 10, False)
    assert memory.resumed(Fleet(5, 2, 3, NOW), NOW, complete=True).changes == (*known, AcceptedChange(NOW, 1))
    assert memory.resumed(Fleet(4, 2, 2, NOW), NOW, complete=True).changes == known, "both are known"
    assert memory.resumed(Fleet(10, 2, 8, NOW), NOW, complete=False) is memory
    assert replace(memory, lapsed=False).resumed(Fleet(10, 2, 8, NOW), NOW, complete=True).demands == memory.demands


def test_a_poll_that_could_not_read_ecs_ends_a_run_of_zeros() -> None:
    idle = replace(EMPTY, expected=4, waking=3)
    after = idle.unwatched(NOW)
    assert (after.waking, after.unread_at) == (0, NOW)
    assert replace(demands((10.0, 2)), expected=4).unwatched(NOW).demands == (Demand(NOW - 10.0, 2), Demand(NOW, 2))
    assert replace(idle, expected=0).unwatched(NOW).demands == idle.demands
    assert after.last_run(0, NOW) == (0.0, 0)


def test_a_run_of_equal_demands_is_counted_back_to_another_or_to_an_unread_poll() -> None:
    memory = demands((60.0, 3), (50.0, 0), (40.0, 0), (30.0, 0))
    assert memory.last_run(0, NOW) == (50.0, 3)
    assert memory.last_run(3, NOW) == (0.0, 0)
    assert replace(memory, unread_at=NOW - 45.0).last_run(0, NOW) == (40.0, 2)
    assert replace(memory, unread_at=NOW - 40.0).last_run(0, NOW) == (30.0, 1)
    above = demands((60.0, 0), (50.0, 2), (40.0, 3))
    assert above.last_run(None, NOW) == (50.0, 2)
    assert replace(above, unread_at=NOW).last_run(None, NOW) == (50.0, 2), "it ends a run of zeros only"
    ones = demands((50.0, 1), (40.0, 1))
    assert replace(ones, unread_at=NOW - 45.0).last_run(1, NOW) == (50.0, 2)


@pytest.mark.parametrize(("complete", "unread"), [(True, False), (False, False), (False, True)])
def test_a_poll_is_remembered_as_complete_or_unread(complete: bool, unread: bool) -> None:
    before = Memory(watched_at=NOW - 50.0, unread_at=NOW - 60.0)
    observation = seen(30)
    decision = replace(decide(policy(), before, observation), complete=complete, unread=unread)
    after = before.remembering(policy(), observation, decision)
    assert after.watched_at == (NOW if complete else NOW - 50.0)
    assert after.unread_at == (NOW if unread else NOW - 60.0)


def test_the_memory_lapses_if_the_last_complete_reading_is_older_than_the_longest_gap() -> None:
    memory = Memory(since=NOW - 900.0, watched_at=NOW - 30.0)
    assert memory.watched(NOW, 30.0) is memory
    assert memory.watched(NOW, 29.9) == replace(memory, lapsed=True)
    never = replace(memory, watched_at=None)
    assert never.watched(NOW, 0.0) is never
    lapsed = replace(memory, lapsed=True)
    assert lapsed.watched(NOW, 0.0) is lapsed


def test_the_demand_of_an_incomplete_poll_is_the_highest_of_the_minute_before_it() -> None:
    memory = demands((61.0, 9), (59.0, 4), (10.0, 2))
    assert memory.carried(7, NOW) == 4
    assert demands((61.0, 9)).carried(7, NOW) == 7


@pytest.mark.parametrize(("age_s", "is_stored"), [(119.0, True), (120.0, True), (120.1, False)])
def test_demands_are_stored_for_twice_the_time_that_an_empty_queue_must_be_seen(age_s: float, is_stored: bool) -> None:
    short = policy(scale_in=ScaleIn(stabilization_s=0.0, small_step_stabilization_s=0.0))
    before, observation = demands((age_s, 5)), seen(30)
    after = before.remembering(short, observation, decide(short, before, observation))
    assert (Demand(NOW - age_s, 5) in after.demands) is is_stored


# Queues from which nothing was ever received.


def test_nothing_is_scaled_in_until_each_queue_has_shown_a_receive() -> None:
    decision = decide(policy(), EMPTY, seen(0, unreceived=("q",)))
    assert (decision.target, rules(decision)) == (10, [Rule.NO_RECEIVES])
    assert decide(policy(), EMPTY, seen(0, desired=1, unreceived=("q",))).target == 1
    assert decide(policy(), EMPTY, seen(0)).target == 0
    assert decide(policy(), EMPTY, seen(300, unreceived=("q",))).target == 30, "a scale-out is permitted"
    assert decide(policy(), EMPTY, seen(0, given=3, unreceived=("q",))).target == 3
    assert Rule.NO_RECEIVES not in rules(decide(policy(), EMPTY, seen(0, desired=0, unreceived=("q",))))
