"""The terms of the latency vote in cases with a closed form. Times are in seconds.

Unless stated, a message takes 5 s, a task has one slot and starts in 50 s (late: 75 s), polls are 10 s apart, and
processing times do not spread. An overdue message of a target of 60 s is due in 65 s: a start and a quarter of the
target. A task that is requested now has received 1 + (65 - 50) / 5 = 4 messages by then.
"""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.knowledge import Knowledge, QueueKnowledge, Regime
from autoscaler.core.latency import Need, need
from autoscaler.core.policy import Policy, QueuePolicy
from tests.core.test_latency import known, policy, required, work

LATER = 1000.0
"""An age after which every message is overdue."""


def needed(
    knowledge: Knowledge, *, running: int = 0, latency_s: float = 60.0, in_flight: int = 0, starting: int = 0
) -> Need:
    waits = sum(messages for each in knowledge.queues for _, messages in each.waiting)
    return need(policy(latency_s), knowledge, work(waits, in_flight), running, running + starting)


def terms(knowledge: Knowledge, **more: Any) -> dict[str, float]:
    """Return the terms by name, in tasks."""
    return {term.name: term.tasks for term in needed(knowledge, **more).terms}


def regular(*waiting: tuple[float, float], **more: Any) -> Knowledge:
    return known(*waiting, **({"spread": 0.0} | more))


# How many messages are received by when.


@pytest.mark.parametrize(("latency_s", "catch_up_s"), [(60.0, 15.0), (120.0, 30.0), (240.0, 60.0), (900.0, 60.0)])
@pytest.mark.parametrize("slots", [1.0, 4.0])
def test_overdue_messages_are_due_after_a_start_and_a_quarter_of_the_target(
    latency_s: float, catch_up_s: float, slots: float
) -> None:
    """At most a minute. Each new task has received one message per slot at once and one more every 5 s."""
    due = terms(regular((LATER, 300.0), slots=slots), latency_s=latency_s)["due"]
    assert due == pytest.approx(300 / slots / (1 + catch_up_s / 5))


@pytest.mark.parametrize(("up_s", "received"), [(20.0, 1 + 45 / 5), (60.0, 2.0), (65.0, 0.0), (70.0, 0.0)])
def test_a_starting_task_receives_from_its_start_on(up_s: float, received: float) -> None:
    due = terms(regular((LATER, 300.0), starting=((up_s, 3),), slots=2.0), starting=3)["due"]
    assert due == pytest.approx(3 + (300 - 3 * 2 * received) / (2 * 4))


def test_tasks_that_start_one_after_the_other_add_up() -> None:
    due = terms(regular((LATER, 300.0), starting=((20.0, 3), (45.0, 2))), starting=5)["due"]
    assert due == pytest.approx(5 + (300 - 3 * 10 - 2 * 5) / 4)


@pytest.mark.parametrize(("in_flight", "idle"), [(0, 20.0), (4, 16.0), (20, 0.0), (50, 0.0)])
def test_running_tasks_receive_with_idle_slots_at_once_and_with_the_others_at_their_rate(
    in_flight: int, idle: float
) -> None:
    due = terms(regular((LATER, 900.0), slots=2.0), running=10, in_flight=in_flight)["due"]
    assert due == pytest.approx(10 + (900 - idle - 20 * 65 / 5) / (2 * 4))


@pytest.mark.parametrize("spread", [0.25, 1.0, 4.0])
def test_running_tasks_are_planned_to_receive_2_33_standard_deviations_less_than_the_mean(spread: float) -> None:
    """The receives of a renewal process in t have the variance CV^2 x mean: the share of 99 % is the mean - 2.33."""
    mean = 10 * 65 / 5
    due = terms(known((LATER, 900.0), spread=spread), running=10, in_flight=10)["due"]
    assert due == pytest.approx(10 + (900 - (mean - 2.33 * sqrt(spread * mean))) / 4)
    two_slots = terms(known((LATER, 900.0), spread=spread, slots=2.0), running=5, in_flight=10)["due"]
    assert two_slots == pytest.approx(5 + (900 - (mean - 2.33 * sqrt(spread * mean))) / 8)


def test_running_tasks_never_receive_less_than_nothing() -> None:
    due = terms(known((LATER, 900.0), spread=400.0), running=10, in_flight=4)["due"]
    assert due == pytest.approx(10 + (900 - 6) / 4)


@pytest.mark.parametrize(("messages", "due"), [(68.0, 5.0), (136.0, 10.0)])
def test_tasks_that_receive_more_than_is_due_are_required_in_proportion(messages: float, due: float) -> None:
    """10 tasks, 6 of them idle, receive 6 + 130 messages."""
    assert terms(regular((LATER, messages)), running=10, in_flight=4)["due"] == pytest.approx(due)


@pytest.mark.parametrize(("holding_s", "held_s"), [(15.0, 15.0), (5.0, 5.0), (1.0, 5.0)])
def test_a_message_takes_its_slow_time_or_as_long_as_messages_are_held_now(holding_s: float, held_s: float) -> None:
    """While messages are held, those that are due are planned as if each were held five times as long."""
    held = terms(replace(regular((LATER, 300.0)), holding_s=holding_s))
    assert held["backlog"] == pytest.approx(300 / (1 + 15 / held_s))
    assert held["due"] == held["due_next"] == pytest.approx(300 / (1 + 15 / (5 * held_s)))
    usual = terms(regular((LATER, 300.0)))
    assert usual["due"] == usual["backlog"] == pytest.approx(300 / 4)


def test_running_tasks_receive_a_fifth_as_often_while_messages_are_held() -> None:
    """Ten busy tasks: one message each per 75 s, with 2.33 standard deviations less."""
    held = replace(known((LATER, 900.0), spread=0.25), holding_s=15.0)
    mean = 10 * 65 / 75
    due = terms(held, running=10, in_flight=10)["due"]
    assert due == pytest.approx(10 + (900 - (mean - 2.33 * sqrt(0.25 * mean))) / (1 + 15 / 75))


def test_messages_that_take_no_time_need_a_positive_count() -> None:
    """At least a millisecond each: 15 s are 15,000 more messages."""
    assert terms(replace(regular((LATER, 300.0)), slow_s=0.0))["due"] == pytest.approx(300 / 15_001)


# Which messages are due until when.


def slow_polls(*waiting: tuple[float, float], **more: Any) -> Knowledge:
    """A poll every 100 s: tasks that the next poll requests receive after 175 s."""
    return replace(regular(*waiting, **more), interval_s=100.0)


@pytest.mark.parametrize(("age_s", "due"), [(742.0, 21.0 / 21), (717.0, 21.0 / 26), (716.9, None)])
def test_a_message_is_due_when_its_target_less_eight_seconds_is_over(age_s: float, due: float | None) -> None:
    """Of 900 s, 892 may be used: 150 s are left after 742 s, 175 s after 717 s; what is due later can wait."""
    assert terms(slow_polls((age_s, 21.0)), latency_s=900.0).get("due") == (due and pytest.approx(due))


@pytest.mark.parametrize(
    ("latency_s", "usable_s"), [(20.0, 17.0), (40.0, 34.0), (50.0, 42.5), (60.0, 52.0), (100.0, 92.0)]
)
def test_the_margin_is_15_percent_of_the_target_at_most_eight_seconds(latency_s: float, usable_s: float) -> None:
    """Messages that arrive in 60 s are due 60 s and the usable latency from now. 175 s: a poll and a late start."""
    due_s = usable_s + 60.0
    due = terms(slow_polls(coming=((60.0, 21.0),)), latency_s=latency_s)["due"]
    assert due == pytest.approx(21 / (1 + (due_s - 50) / 5))


@pytest.mark.parametrize(("older", "due"), [(0.0, 16 / 13), (110.0, 126 / 13)])
def test_messages_are_due_cumulatively(older: float, due: float) -> None:
    """A target of 900 s. In 110 s the overdue ones, in 150 s also the others: the larger count is required."""
    waiting = [(742.0, 21.0), (LATER, 16.0 + older)]
    assert terms(slow_polls(*waiting), latency_s=900.0)["due"] == pytest.approx(max(due, (37 + older) / 21))


def test_expected_arrivals_are_due_one_latency_after_they_arrive() -> None:
    """Of 60 s, 52 may be used: arrivals in 10 s are due in 62 s, so at the floor of 65 s; those in 20 s in 72 s."""
    assert terms(regular(coming=((10.0, 5.0),)))["due"] == pytest.approx(5 / 4)
    assert terms(regular(coming=((10.0, 5.0), (20.0, 9.0))))["due"] == pytest.approx(9 / (1 + 22 / 5))
    assert terms(regular(coming=((20.0, 4.0),)))["due"] == pytest.approx(4 / (1 + 22 / 5))
    assert terms(regular(coming=((5.0, 3.0), (10.0, 5.0))))["due"] == pytest.approx(5 / 4), "5 in all"
    assert terms(regular(coming=((10.0, 5.0), (20.0, 5.0), (30.0, 12.0))))["due"] == pytest.approx(12 / (1 + 32 / 5))
    assert terms(regular(coming=((10.0, 5.0), (33.0, 5.0), (34.0, 500.0))))["due"] == pytest.approx(5 / 4)


def test_an_arrival_until_exactly_the_next_poll_and_start_is_due() -> None:
    assert terms(regular(coming=((33.0, 80.0),)))["due"] == pytest.approx(80 / (1 + 35 / 5))
    assert terms(regular(coming=((33.01, 80.0),)))["due"] == 0.0


def test_with_fewer_than_the_due_messages_the_messages_of_the_next_half_minute_count_too() -> None:
    """115 s: a poll, a late start and half a minute. Of 52 s, 97 % may be used: arrivals in 60 s are due in 110.4 s."""
    knowledge = regular((LATER, 40.0), coming=((60.0, 100.0),))
    found = needed(knowledge)
    by_name = {term.name: term.tasks for term in found.terms}
    assert found.must
    assert by_name["due"] == pytest.approx(40 / 4)
    assert by_name["due_next"] == pytest.approx(140 / (1 + (0.97 * 52 + 60 - 50) / 5))
    assert by_name["messages"] == 140
    assert found.load == pytest.approx(max(by_name["due"], by_name["due_next"]))
    late = regular((LATER, 40.0), coming=((64.5, 200.0),))
    assert terms(late)["due_next"] == pytest.approx(240 / (1 + (0.97 * 52 + 64.5 - 50) / 5))
    assert terms(regular((LATER, 40.0), coming=((64.6, 200.0),)))["due_next"] == pytest.approx(40 / 4)


def test_messages_due_within_a_start_and_the_catch_up_time_count_also_with_fast_polls() -> None:
    """A poll each second and starts of 50 s. Of 300 s, 100 s are left: they are due in 50 + 60 s, as overdue ones."""
    fast = replace(regular((192.0, 21.0)), interval_s=1.0, start_late_s=50.0)
    assert terms(fast, latency_s=300.0)["due"] == pytest.approx(21 / (1 + 60 / 5))
    assert with_empty_queue(60.0, 300.0, fast)["due"] == pytest.approx(21 / (1 + 50 / 5)), "the other is due in 65 s"
    assert with_empty_queue(300.0, 60.0, fast)["due"] == pytest.approx(21 / (1 + 15 / 5)), "now it is overdue"


# When tasks are added early.


def with_backlog(more: float, running: int) -> Knowledge:
    """Return a backlog that `running` busy tasks and `more` new ones receive in time, of 300 s."""
    due_s = 0.97 * 292 - 5
    return regular((5.0, running * due_s / 5 + more * (1 + (due_s - 50) / 5)))


@pytest.mark.parametrize(
    ("running", "more", "is_added"),
    [(0, 0.69, False), (0, 0.71, True), (10, 0.69, False), (10, 0.71, True), (20, 0.99, False), (20, 1.01, True)],
)
def test_a_backlog_adds_tasks_early_from_seven_tenths_of_a_task_and_five_percent_on(
    running: int, more: float, is_added: bool
) -> None:
    found = needed(with_backlog(more, running), running=running, in_flight=running, latency_s=300.0)
    assert not found.must
    assert found.load == pytest.approx(running + more if is_added else min(running, found.load))
    assert ("backlog" in [term.name for term in found.terms]) is is_added


def test_a_backlog_that_lasts_adds_tasks_early_to_those_that_are_required_now() -> None:
    """The overdue messages need 10 tasks, the rest until 278 s more: the largest term is the load."""
    knowledge = regular((5.0, 5000.0), (LATER, 130.0))
    found = needed(knowledge, latency_s=300.0)
    by_name = {term.name: term.tasks for term in found.terms}
    assert by_name["due"] == pytest.approx(10.0)
    assert by_name["backlog"] == pytest.approx(5130 / (1 + (0.97 * 292 - 5 - 50) / 5))
    assert found.load == pytest.approx(by_name["backlog"])


# When tasks are removed.


@pytest.mark.parametrize(
    ("within_s", "is_counted"), [(0.0, True), (59.9, True), (60.0, True), (60.1, False), (61.0, False)]
)
def test_tasks_are_removed_to_the_count_with_half_of_the_latency_to_spare_for_a_minute(
    within_s: float, is_counted: bool
) -> None:
    """Of 300 s, 150 may be used, without a margin: arrivals within the next minute are due until 210 s from now."""
    ease = terms(regular(coming=((within_s, 60.0),)), running=20, latency_s=300.0)["ease"]
    assert ease == pytest.approx(20 * 60 / (20 + 20 * (150 + within_s) / 5) if is_counted else 0.0)


def test_tasks_are_not_removed_for_messages_of_the_next_poll_and_start() -> None:
    """A target of 20 s: half of it and a minute are 70 s, a poll and a late start 85 s."""
    ease = terms(regular(coming=((74.0, 84.0),)), running=20, latency_s=20.0)["ease"]
    assert ease == pytest.approx(20 * 84 / (20 + 20 * 84 / 5))
    assert terms(regular(coming=((75.1, 84.0),)), running=20, latency_s=20.0)["ease"] == 0.0


@pytest.mark.parametrize(
    ("slow_s", "spread", "headroom"),
    [(5.0, 1.0, 0.575), (5.0, 0.0, 0.2875), (20.0, 1.0, 2.3), (60.0, 12.0, 2 * sqrt(20.0))],
)
def test_the_headroom_is_that_of_kingman_at_most_twice_the_root_of_the_load(
    slow_s: float, spread: float, headroom: float
) -> None:
    """One in 1,000 waits longer than W = 60 s: ln 1000 x S (1 + CV^2) / (2 W) more tasks than the load."""
    found = needed(known(load=20.0, slow_s=slow_s, spread=spread), running=40, in_flight=20)
    [load] = [term for term in found.terms if term.name == "load"]
    assert load.tasks == pytest.approx(20 + headroom)
    assert dict(load.parts) == pytest.approx({"arrivals": 20.0, "headroom": headroom})


@pytest.mark.parametrize(("load", "tasks"), [(0.5, 0.0), (0.51, 0.51 + 0.575)])
def test_a_load_of_at_most_half_a_task_has_no_term(load: float, tasks: float) -> None:
    found = {term.name: term for term in needed(known(load=load), running=3, in_flight=1).terms}
    assert found["load"].tasks == pytest.approx(tasks)
    assert bool(found["load"].parts) is (tasks > 0)


def test_every_term_is_limited_to_the_messages_and_two_spare_tasks_if_new_messages_can_wait_for_a_start() -> None:
    """90 s are longer than a poll and a late start. Five messages are in flight."""
    knowledge = replace(regular(load=30.0, slots=2.0), lasting_load=20.0)
    found = {term.name: term for term in needed(knowledge, running=40, in_flight=5, latency_s=90.0).terms}
    assert (found["load"].tasks, found["lasting_load"].tasks, found["load"].parts) == (4.5, 4.5, ())
    short = {term.name: term for term in needed(knowledge, running=40, in_flight=5, latency_s=80.0).terms}
    assert short["lasting_load"].tasks == 20.0
    assert short["load"].tasks > 30.0
    assert required(knowledge, running=40, in_flight=5, latency_s=90.0) == 4.5


def test_without_a_need_for_more_the_present_count_is_the_most() -> None:
    assert terms(known(load=20.0), running=12, in_flight=12)["present"] == 12.0
    assert required(known(load=20.0), running=12, in_flight=12) == 12.0
    assert required(known(load=20.0), running=21, in_flight=12) == pytest.approx(20.575)
    assert required(replace(known(load=5.0), lasting_load=12.0), running=21, in_flight=12) == 12.0
    assert terms(regular(), running=3)["due"] == 0.0


# The limits of the load.


@pytest.mark.parametrize(("waiting", "in_flight", "coming"), [(3.0, 0, 0.0), (3.0, 2, 0.0), (3.0, 0, 4.0)])
def test_each_message_needs_at_most_one_slot(waiting: float, in_flight: int, coming: float) -> None:
    """Jobs of two hours, with two slots each: messages that wait, are in flight or are expected."""
    expected = ((0.0, coming / 2), (5.0, coming)) if coming else ()
    found = needed(regular((LATER, waiting), coming=expected, slow_s=7200.0, slots=2.0), in_flight=in_flight)
    by_name = {term.name: term for term in found.terms}
    assert by_name["messages"].tasks == (waiting + in_flight + coming) / 2
    assert by_name["messages"].cap
    assert found.load <= by_name["messages"].tasks


@given(st.floats(0.5, 500), st.floats(0, 300), st.floats(1, 100), st.integers(0, 40))
def test_a_bottleneck_limits_the_load_and_nothing_else(
    limit: float, age_s: float, messages: float, running: int
) -> None:
    free = known((age_s, messages * 10), load=10.0)
    without, limited = needed(free, running=running), needed(replace(free, bottleneck=limit), running=running)
    assert limited.load == min(without.load, limit)
    assert limited.must == without.must
    assert limited.terms[:-1] == without.terms
    assert (limited.terms[-1].tasks, limited.terms[-1].cap) == (limit, True)


def test_a_probe_reduces_the_present_count_to_85_percent() -> None:
    unclear = replace(known(load=200.0), regime=Regime.UNIDENTIFIABLE)
    assert terms(unclear, running=100, in_flight=300)["probe"] == 85.0


@pytest.mark.parametrize(("load", "idle"), [(3.0, 17.0 - 3.0), (8.0, 20.0 - 16.0), (50.0, 0.0)])
def test_work_that_counts_do_not_show_occupies_the_slots_of_its_load(load: float, idle: float) -> None:
    """Ten tasks of two slots, and no message waits: those that the load needs are busy."""
    hidden = replace(regular(coming=((20.0, 900.0),), load=load, slots=2.0), regime=Regime.EARLY_ACK)
    idle = max(0.0, 20 - 2 * load)
    assert terms(hidden, running=10)["due"] == pytest.approx(10 + (900 - idle - 20 * 72 / 5) / (2 * (1 + 22 / 5)))


# Several queues.


def with_empty_queue(first_s: float, second_s: float, knowledge: Knowledge, running: int = 0) -> dict[str, float]:
    """Return the terms with an empty queue of the first target, and the queue of `knowledge` with the second one."""
    second = knowledge.queues[0]._replace(name="second")
    both = replace(knowledge, queues=(QueueKnowledge("first", ()), second))
    queues = (QueuePolicy("first", first_s), QueuePolicy("second", second_s))
    waits = sum(messages for _, messages in second.waiting)
    found = need(Policy("orders", 0, 1000, queues=queues), both, work(waits), running, running)
    return {term.name: term.tasks for term in found.terms}


@pytest.mark.parametrize(("first_s", "second_s"), [(60.0, 300.0), (300.0, 60.0), (300.0, 300.0)])
def test_tasks_are_removed_for_half_of_the_longest_target_and_a_minute(first_s: float, second_s: float) -> None:
    ease = with_empty_queue(first_s, second_s, regular(coming=((60.0, 50.0),)), running=20)["ease"]
    assert ease == pytest.approx(20 * 50 / (20 + 20 * (second_s / 2 + 60) / 5))


def test_the_catch_up_time_is_that_of_the_shortest_target() -> None:
    """Overdue messages of a queue of 900 s, with an empty queue of 60 s: within 50 + 15 s."""
    assert with_empty_queue(60.0, 900.0, regular((LATER, 300.0)))["due"] == pytest.approx(300 / 4)


@given(
    st.floats(0.2, 50.0),
    st.lists(st.tuples(st.floats(0, 600), st.floats(1, 200)), max_size=4).map(sorted),
    st.integers(0, 20),
    st.floats(1.0, 10.0),
)
def test_slower_messages_never_need_fewer_tasks(
    slow_s: float, waiting: list[tuple[float, float]], running: int, ratio: float
) -> None:
    fast, slow = regular(*waiting, slow_s=slow_s), regular(*waiting, slow_s=ratio * slow_s)
    assert needed(slow, running=running, in_flight=running).load >= (
        needed(fast, running=running, in_flight=running).load - 1e-9
    )


def test_without_queues_nothing_is_required() -> None:
    assert need(Policy("orders", 0, 1000), replace(regular(), queues=()), work(0.0), 3, 3).load == 0.0
