"""No progress: which minutes show it, at their edges, and what it leaves alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.core.engine import decide
from autoscaler.core.memory import Memory
from autoscaler.core.model import Fleet, Flow, Rule
from autoscaler.core.policy import Activation
from tests.core.calm import NOW, policy, rules, seen


def flows(*minutes: tuple[int, int, int], waiting: int = 1, ended_s: float = 0.0) -> Memory:
    """Minutes of (received, deleted, tasks) in which messages waited throughout, the last of which has just ended."""
    ended = [NOW - ended_s - 60.0 * age for age in range(len(minutes) - 1, -1, -1)]
    return Memory(flows=tuple(Flow(*minute, at, waiting) for minute, at in zip(minutes, ended, strict=True)))


CIRCLING = ((20, 0, 10),) * 5


def test_a_minute_that_ended_five_minutes_ago_says_nothing_of_the_last_five() -> None:
    assert rules(decide(policy(), flows((20, 1, 10), *CIRCLING), seen(300))) == [Rule.NO_PROGRESS]


@pytest.mark.parametrize(("received", "circling"), [(20, False), (21, True)])
def test_more_than_twice_what_can_be_in_work_was_given_back(received: int, circling: bool) -> None:
    """10 tasks of one message at once: 20 may be the work of two rounds."""
    memory = flows((received - 16, 0, 10), *((4, 0, 10),) * 4)
    assert (Rule.NO_PROGRESS in rules(decide(policy(), memory, seen(300)))) is circling
    double = flows((2 * received - 32, 0, 10), *((8, 0, 10),) * 4)
    two_at_once = policy(task_concurrency=2)
    assert (Rule.NO_PROGRESS in rules(decide(two_at_once, double, seen(300)))) is (received > 20)


def test_what_others_hold_may_be_in_work_too() -> None:
    """100 received and 100 in flight: each once, though only 10 tasks are ours."""
    assert rules(decide(policy(), flows(*CIRCLING), seen(300, in_flight=100))) == []


@pytest.mark.parametrize(("received", "circling"), [(2, False), (3, True)])
def test_with_no_task_running_one_message_may_still_be_in_work(received: int, circling: bool) -> None:
    world = seen(300, fleet=Fleet(10, 0, 10, NOW))
    memory = flows((received, 0, 0), *((0, 0, 0),) * 4)
    assert (Rule.NO_PROGRESS in rules(decide(policy(), memory, world))) is circling


@pytest.mark.parametrize(
    ("processing_s", "minutes", "circling"), [(300.0, 8, False), (300.0, 9, True), (295.0, 7, False), (295.0, 8, True)]
)
def test_long_work_is_watched_for_twice_its_time(processing_s: float, minutes: int, circling: bool) -> None:
    """All whole minutes but one: 9 of 600 s, 8 of 590 s."""
    slow = policy(processing_time_s=processing_s)
    decision = decide(slow, flows(*((20, 0, 10),) * minutes), seen(300))
    assert (Rule.NO_PROGRESS in rules(decision)) is circling


def test_no_progress_has_no_say_over_a_demand_that_was_given() -> None:
    assert decide(policy(), flows(*CIRCLING), seen(300, given=30)).target == 30


@pytest.mark.parametrize("memory", [flows(*CIRCLING), flows((500, 500, 6), (520, 510, 10))])
def test_no_progress_wakes_nothing(memory: Memory) -> None:
    sleepy = policy(activation=Activation(messages=1000))
    assert decide(sleepy, memory, seen(300, desired=0)).target == 0


@pytest.mark.parametrize(
    ("minutes", "held"),
    [
        (((500, 500, 6), (520, 510, 9)), True),  # half as many again
        (((500, 500, 6), (520, 525, 10)), True),  # a twentieth more, no more
        (((500, 500, 2), (520, 510, 4)), True),  # two more are enough to say
        (((500, 500, 7), (500, 500, 6), (520, 510, 10)), True),  # whichever minute it was
        (((0, 0, 6), (500, 500, 6), (520, 510, 10)), True),
        (((1, 1, 6), (1, 1, 10)), True),
        (((500, 500, 6), (0, 0, 10)), False),  # nothing was deleted: that is another matter
        (((500, 500, 0), (520, 510, 10)), False),  # nobody's minute is no measure
    ],
)
def test_any_earlier_minute_of_fewer_tasks_may_show_that_more_do_no_more(
    minutes: tuple[tuple[int, int, int], ...], held: bool
) -> None:
    assert (Rule.NO_PROGRESS in rules(decide(policy(), flows(*minutes), seen(300)))) is held


CONTENDED = flows((500, 500, 6), (520, 510, 10)).flows


@pytest.mark.parametrize(
    ("earlier", "newest", "held"),
    [
        (replace(CONTENDED[0], at=NOW - 899.5), CONTENDED[1], True),
        (replace(CONTENDED[0], at=NOW - 900.0), CONTENDED[1], False),
        (replace(CONTENDED[0], waiting=0), CONTENDED[1], False),
        (CONTENDED[0], replace(CONTENDED[1], waiting=0), False),
        (replace(CONTENDED[0], at=NOW - 400.0), replace(CONTENDED[1], at=NOW - 299.5), True),
        (replace(CONTENDED[0], at=NOW - 400.0), replace(CONTENDED[1], at=NOW - 300.0), False),
    ],
)
def test_minutes_are_compared_while_they_are_fresh_and_messages_waited_in_both(
    earlier: Flow, newest: Flow, held: bool
) -> None:
    assert (Rule.NO_PROGRESS in rules(decide(policy(), Memory(flows=(earlier, newest)), seen(300)))) is held
