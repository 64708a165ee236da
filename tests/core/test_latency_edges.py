"""The latency vote at the edges of its plan: a few messages, slow receives, several queues, and the caps of the load.

As in `test_latency_formulas.py`: a message takes 5 s, a task has one slot and starts in 50 s (late: 75 s), polls are
10 s apart, processing times do not spread, and an overdue message of a target of 60 s is due in 65 s.
"""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from typing import Any

import pytest

from autoscaler.core.knowledge import QueueKnowledge, TimedCount
from autoscaler.core.latency import Need, need
from autoscaler.core.policy import Policy, QueuePolicy
from tests.core.test_latency import known, required, work
from tests.core.test_latency_formulas import LATER, needed, regular, terms


@pytest.mark.parametrize("running", [0, 2])
def test_an_entry_without_messages_requires_no_task(running: int) -> None:
    """Two busy tasks of long and varying work are planned to receive nothing within 65 s."""
    nothing = known((LATER, 0.0), (LATER, 0.0), slow_s=1000.0, spread=100.0)
    assert terms(nothing, running=running, in_flight=running)["due"] == 0.0


@pytest.mark.parametrize("running", [0, 2])
def test_estimated_arrivals_below_zero_require_no_task(running: int) -> None:
    """CloudWatch counted fewer messages than were estimated."""
    fewer = regular(coming=((10.0, -1.0), (30.0, -0.5), (60.0, -3.0)))
    found = {term.name: term.tasks for term in needed(fewer, running=running, in_flight=running).terms}
    assert (found["due"], found["ease"]) == (0.0, 0.0)


@pytest.mark.parametrize(("slow_s", "received"), [(65.0, 1.0), (130.0, 0.5), (650.0, 0.1)])
def test_a_busy_task_receives_a_part_of_a_message(slow_s: float, received: float) -> None:
    slow = regular((LATER, 300.0), slow_s=slow_s)
    assert terms(slow, running=1, in_flight=1)["due"] == pytest.approx(1 + (300 - received) / (1 + 15 / slow_s))
    few = regular((LATER, received / 2), slow_s=slow_s)
    assert terms(few, running=1, in_flight=1)["due"] == pytest.approx(0.5), "half of what the task receives"


@pytest.mark.parametrize(("mean", "spread"), [(1.0, 0.25), (1.0, 0.5), (4.0, 1.0)])
def test_a_shortfall_of_less_than_a_message_is_no_negative_number_of_receives(mean: float, spread: float) -> None:
    """One message in 65 s, less 2.33 x 0.5: -0.17. The plan counts 0, and not less than the new tasks alone."""
    assert -1.0 < mean - 2.33 * sqrt(spread * mean) < 0.0
    slow = known((LATER, 300.0), slow_s=65.0 / mean, spread=spread)
    due = terms(slow, running=1, in_flight=1)["due"]
    assert due == pytest.approx(1 + 300 / (1 + 15 * mean / 65))


@pytest.mark.parametrize("reverse", [False, True])
def test_messages_of_two_queues_are_due_in_the_order_of_their_deadlines(reverse: bool) -> None:
    """100 messages are due in 292 s and 20 in 792 s, whichever queue is listed first: 100 / (1 + 242 / 5) tasks."""
    queues = [QueueKnowledge("patient", (TimedCount(100, 20),)), QueueKnowledge("urgent", (TimedCount(0, 100),))]
    policies = [QueuePolicy("patient", 900.0), QueuePolicy("urgent", 300.0)]
    if reverse:
        queues.reverse()
    both = replace(regular(), interval_s=1000.0, queues=tuple(queues))
    found = need(Policy("orders", 0, 1000, queues=tuple(policies)), both, work(120), 0, 0)
    assert found.terms[0].tasks == pytest.approx(100 / (1 + 242 / 5))


def test_the_words_of_a_term_give_the_due_time_and_the_receives() -> None:
    """With a target of 300 s, 40 messages are overdue: due in 110 s. A poll of 10 s and a late start of 75 s are 85 s,
    and the next poll plans half a minute more, with 97 % of the target: 10 messages that are due in 113.2 s.
    """
    due, later, *_ = needed(regular((170.0, 10.0), (LATER, 40.0)), latency_s=300.0, running=1).terms
    assert (due.reason, later.reason) == (
        (
            "to receive 40 waiting or expected messages within 110 s: the present 1 task can receive at least 23, "
            "each further task 13 after its start"
        ),
        (
            "to receive 50 waiting or expected messages within 113 s: the present 1 task can receive at least 23.6, "
            "each further task 13.6 after its start"
        ),
    )


@pytest.mark.parametrize(("age_s", "first_s"), [(100.0, 192.0), (181.0, 111.0)])
def test_messages_that_can_wait_have_a_time_at_which_a_task_is_requested(age_s: float, first_s: float) -> None:
    """292 s after they arrived, messages of a target of 300 s are due. A task is requested 110 s before: a start of
    50 s and a minute to catch up.
    """
    found = needed(regular((age_s, 3.0)), latency_s=300.0)
    assert found.load == 0
    assert found.terms[-1].reason == (
        f"3 messages can wait: the first is due in {first_s:.0f} s, and a task will be requested in about "
        f"{first_s - 110:.0f} s"
    )


def wait_of(found: Need) -> str:
    return found.terms[-1].reason


def test_the_first_due_message_of_all_queues_is_stated() -> None:
    """With 300 s it is due in 292 - 100 = 192 s, with 900 s in 887 s. A task is requested 110 s before."""
    queues = (QueueKnowledge("slow", (TimedCount(5, 1),)), QueueKnowledge("q", (TimedCount(10, 1), TimedCount(100, 2))))
    both = Policy("orders", 0, 1000, queues=(QueuePolicy("slow", 900.0), QueuePolicy("q", 300.0)))
    words = wait_of(need(both, replace(regular(), queues=queues), work(4), 0, 0))
    assert words == "4 messages can wait: the first is due in 192 s, and a task will be requested in about 82 s"


def test_a_task_is_requested_before_the_last_poll_that_is_in_time() -> None:
    """A poll of 200 s and a late start of 75 s: 275 s before 900 - 8 - 100 s."""
    rare = replace(regular((100.0, 1.0)), interval_s=200.0)
    words = wait_of(need(Policy("orders", 0, 9, queues=(QueuePolicy("q", 900.0),)), rare, work(1), 0, 0))
    assert words == "1 message can wait: the first is due in 792 s, and a task will be requested in about 517 s"


def test_while_messages_can_wait_no_task_is_required_for_the_load_either() -> None:
    """The load of two tasks would keep tasks that run already; at 0 tasks the cap is 0."""
    found = needed(regular((100.0, 3.0), load=2.0), latency_s=300.0)
    waits = found.terms[-1]
    assert "can wait" in waits.reason
    assert (found.load, waits.tasks, waits.cap) == (0.0, 0.0, True)
    assert max(term.tasks for term in found.terms if not term.cap) > 1.0


@pytest.mark.parametrize(("oldest_s", "is_stated"), [(181.0, True), (182.0, False), (182.5, False), (500.0, False)])
def test_a_time_that_is_over_is_not_stated(oldest_s: float, is_stated: bool) -> None:
    """Of 300 s, 292 may be used, and a task is requested 110 s before: after 182 s that would be now. The oldest entry
    has no message, so none is due.
    """
    found = needed(regular((100.0, 3.0), (oldest_s, 0.0)), latency_s=300.0)
    assert found.load == 0.0
    assert ("can wait" in wait_of(found)) is is_stated


def test_without_an_age_no_due_time_is_stated() -> None:
    """The queue was counted, and has no estimates yet."""
    patient = Policy("orders", 0, 9, queues=(QueuePolicy("q", 900.0),))
    assert wait_of(need(patient, replace(regular(), queues=()), work(5), 0, 0)) == "no more than the present 0 tasks"


def test_without_a_waiting_message_nothing_waits() -> None:
    patient = Policy("orders", 0, 9, queues=(QueuePolicy("q", 900.0),))
    assert "can wait" not in wait_of(need(patient, regular((100.0, 1.0)), work(0), 0, 0))


@pytest.mark.parametrize(("load", "is_kept"), [(2.1, True), (2.0, False), (1.9, False)])
def test_the_present_count_is_kept_although_more_would_be_kept_too(load: float, is_kept: bool) -> None:
    """No task is added for the load of the last third of the target."""
    found = need(
        Policy("orders", 0, 9, queues=(QueuePolicy("q", 60.0),)), replace(regular(), lasting_load=load), work(9), 2, 2
    )
    kept = "2 tasks can meet the latency target; up to 2.1 tasks would be kept, but none is added"
    assert wait_of(found) == (kept if is_kept else "no more than the present 2 tasks")


@pytest.mark.parametrize(("load", "is_added"), [(1.4, False), (1.42, True)])
def test_a_standing_backlog_adds_tasks_from_more_than_seven_tenths_of_a_task_on(load: float, is_added: bool) -> None:
    """Half of the load, if no message waits any more: exactly 0.7 tasks with a load of 1.4."""
    standing = replace(regular(), standing=True, lasting_load=load)
    assert ("standing" in terms(standing)) is is_added


@pytest.mark.parametrize(("trial", "current", "limit"), [(12.0, 5, 12.0), (12.0, 20, 20.0), (12.5, 12, 12.5)])
def test_a_trial_limits_the_tasks_but_removes_none(trial: float, current: int, limit: float) -> None:
    free = known((LATER, 5000.0), load=40.0)
    assert required(free, running=current) > 20
    assert required(replace(free, trial=trial), running=current) == limit


def test_a_test_adds_tasks_before_the_latency_target_requires_them() -> None:
    """100 messages that are due in minutes: 15 tasks are enough, and 20 show whether more help. They then stay."""
    waiting = known((LATER, 100.0), load=15.0)
    assert not needed(waiting, running=15, in_flight=15).must
    assert required(waiting, running=15, in_flight=15) <= 15
    tested = replace(waiting, test=20.0)
    found = needed(tested, running=15, in_flight=15)
    assert (found.load, found.must) == (20.0, False)
    assert "test" in {term.name for term in found.terms}
    assert required(tested, running=20, in_flight=20) == 20.0
    assert required(tested, running=30, in_flight=30) >= 20.0


def test_a_test_takes_no_more_tasks_than_there_are_messages_and_no_more_than_a_cap() -> None:
    few = known((LATER, 3.0), load=15.0)
    assert required(replace(few, test=20.0), running=15, in_flight=4) <= 15
    waiting = replace(known((LATER, 100.0), load=15.0), test=20.0)
    assert required(replace(waiting, groups=17.0), running=15, in_flight=15) == 17.0


def test_the_smallest_of_several_caps_is_the_load() -> None:
    free = known((LATER, 5000.0), load=40.0)
    caps: dict[str, Any] = {"bottleneck": 14.5, "groups": 13.0, "trial": 12.0}
    found = needed(replace(free, **caps), running=5)
    assert (found.load, found.must) == (12.0, True)
    assert [(term.name, term.tasks) for term in found.terms if term.cap and term.name in caps] == list(caps.items())


@pytest.mark.parametrize(("slots", "tasks"), [(1.0, 3.0 + 20.0), (2.0, 3.0 + 10.0)])
def test_a_standing_backlog_is_received_within_the_target_next_to_half_of_the_load(slots: float, tasks: float) -> None:
    """1,200 messages of 5 s within 300 s keep 20 slots busy, and the load of 6 tasks counts half."""
    standing = replace(known((0.0, 1200.0), load=6.0, slots=slots), standing=True)
    assert terms(standing, running=6, latency_s=300.0, in_flight=6)["standing"] == pytest.approx(tasks)


@pytest.mark.parametrize(
    ("load", "words"),
    [
        (4.5, "for 1.8 messages/s, the mean over a third of the latency target"),
        (4.51, "with a slot for each of 5 messages at 2 per task, and 2 spare tasks"),
    ],
)
def test_a_load_up_to_the_messages_and_two_spare_tasks_is_explained_by_itself(load: float, words: str) -> None:
    """Five messages in flight with two slots a task, and two spare tasks: 4.5."""
    found = needed(replace(regular(slots=2.0), lasting_load=load), running=40, in_flight=5, latency_s=90.0)
    [lasting] = [term for term in found.terms if term.name == "lasting_load"]
    assert lasting.tasks == 4.5
    assert lasting.reason.startswith(words)


def test_of_two_instants_that_require_the_same_count_the_earlier_is_stated() -> None:
    """Until 65 s a new task receives 4 messages, until 115 s 14. With a poll each 100 s, both instants count."""
    both = replace(regular((LATER, 40.0), coming=((63.0, 100.0),)), interval_s=100.0)
    due = needed(both).terms[0]
    assert due.tasks == 10.0
    assert due.reason.startswith("to receive 40 waiting or expected messages within 65 s")


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        (136.0, "the present 10 tasks can receive at least 136"),
        (140.0, "the present 10 tasks can receive at least 136, each further task 4 after its start"),
    ],
)
def test_further_tasks_are_stated_only_if_the_present_ones_receive_too_few(messages: float, words: str) -> None:
    """10 tasks, 6 of them idle, receive 6 + 130 messages within 65 s."""
    due = needed(regular((LATER, messages)), running=10, in_flight=4).terms[0]
    assert due.reason == f"to receive {messages:g} waiting or expected messages within 65 s: {words}"
