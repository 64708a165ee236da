"""The no_progress rule: the minutes that show it, their edges, and where the rule does not apply."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.core.engine import decide
from autoscaler.core.knowledge import Regime
from autoscaler.core.memory import Memory
from autoscaler.core.model import Fleet, Flow, Rule
from autoscaler.core.policy import Activation
from autoscaler.core.rules.work import undeleted
from tests.core.calm import NOW, policy, rules, seen
from tests.core.test_latency import known


def flows(*minutes: tuple[int, int, int], waiting: int = 1, ended_s: float = 0.0) -> Memory:
    """Return minutes of (received, deleted, tasks) with waiting messages. The last one ended `ended_s` ago."""
    ended = [NOW - ended_s - 60.0 * age for age in range(len(minutes) - 1, -1, -1)]
    return Memory(flows=tuple(Flow(*minute, at, waiting) for minute, at in zip(minutes, ended, strict=True)))


REDELIVERED = ((20, 0, 10),) * 5


def test_a_minute_that_ended_five_minutes_ago_does_not_count() -> None:
    assert rules(decide(policy(), flows((20, 1, 10), *REDELIVERED), seen(300))) == [Rule.NO_PROGRESS]


@pytest.mark.parametrize("ended_s", [60.0, 119.0, 120.5, 180.5, 299.0])
def test_the_rule_does_not_lapse_until_the_next_minute_is_published(ended_s: float) -> None:
    """The newest minute is one to two minutes old at every poll, and up to five: its window counts from its end."""
    assert rules(decide(policy(), flows(*REDELIVERED, ended_s=ended_s), seen(300))) == [Rule.NO_PROGRESS]


def test_minutes_that_are_stale_show_nothing() -> None:
    assert rules(decide(policy(), flows(*REDELIVERED, ended_s=300.0), seen(300))) == []


@pytest.mark.parametrize(("received", "redelivered"), [(20, False), (21, True)])
def test_more_than_twice_the_slots_in_receives_means_redelivery(received: int, redelivered: bool) -> None:
    """10 tasks with one slot each: 20 receives can be first deliveries in two rounds."""
    memory = flows((received - 16, 0, 10), *((4, 0, 10),) * 4)
    assert (Rule.NO_PROGRESS in rules(decide(policy(), memory, seen(300)))) is redelivered
    double = flows((2 * received - 32, 0, 10), *((8, 0, 10),) * 4)
    two_at_once = policy(task_concurrency=2)
    assert (Rule.NO_PROGRESS in rules(decide(two_at_once, double, seen(300)))) is (received > 20)


def test_messages_in_flight_at_other_consumers_count_as_slots() -> None:
    """100 received and 100 in flight: each message once, although the service has only 10 tasks."""
    assert rules(decide(policy(), flows(*REDELIVERED), seen(300, in_flight=100))) == []


@pytest.mark.parametrize(("received", "redelivered"), [(2, False), (3, True)])
def test_without_running_tasks_one_slot_counts(received: int, redelivered: bool) -> None:
    world = seen(300, fleet=Fleet(10, 0, 10, NOW))
    memory = flows((received, 0, 0), *((0, 0, 0),) * 4)
    assert (Rule.NO_PROGRESS in rules(decide(policy(), memory, world))) is redelivered


@pytest.mark.parametrize(
    ("processing_s", "minutes", "redelivered"),
    [(300.0, 8, False), (300.0, 9, True), (295.0, 7, False), (295.0, 8, True)],
)
def test_the_progress_window_is_twice_the_processing_time(processing_s: float, minutes: int, redelivered: bool) -> None:
    """All whole minutes of the window except one: 9 in 600 s, 8 in 590 s."""
    slow = policy(processing_time_s=processing_s)
    decision = decide(slow, flows(*((20, 0, 10),) * minutes), seen(300))
    assert (Rule.NO_PROGRESS in rules(decision)) is redelivered


def test_no_progress_does_not_limit_a_given_demand() -> None:
    assert decide(policy(), flows(*REDELIVERED), seen(300, given=30)).target == 30


@pytest.mark.parametrize(("regime", "held"), [(Regime.SATURATED, True), (Regime.BATCH, False)])
def test_messages_that_take_longer_than_before_are_no_bottleneck(regime: Regime, *, held: bool) -> None:
    memory, world = flows((500, 500, 6), (520, 510, 10)), seen(300, knowledge=replace(known(), regime=regime))
    assert (Rule.NO_PROGRESS in rules(decide(policy(processing_time_s=5.0), memory, world))) is held


def test_the_reason_counts_only_the_minutes_without_a_deletion() -> None:
    step = decide(policy(), flows((20, 1, 10), *REDELIVERED), seen(300)).steps[-1]
    assert step.reason == "messages are received but not deleted: 100 received and 0 deleted in 5 minutes"


def test_without_minutes_nothing_is_known_about_deletions() -> None:
    assert undeleted(policy(), Memory(), NOW, 10) == ()


def test_a_bottleneck_states_the_two_minutes_that_show_it() -> None:
    step = decide(policy(), flows((1, 1, 1), (1, 1, 9)), seen(300)).steps[-1]
    assert step.reason == "9 tasks deleted 1 message in a minute, 1 task had deleted 1"


@pytest.mark.parametrize("memory", [flows(*REDELIVERED), flows((500, 500, 6), (520, 510, 10))])
def test_no_progress_does_not_activate_a_service(memory: Memory) -> None:
    high_threshold = policy(activation=Activation(messages=1000))
    assert decide(high_threshold, memory, seen(300, desired=0)).target == 0


@pytest.mark.parametrize(
    ("minutes", "held"),
    [
        (((500, 500, 6), (520, 510, 9)), True),  # 1.5 times the tasks
        (((500, 500, 6), (520, 525, 10)), True),  # exactly 5 % more deleted
        (((500, 500, 2), (520, 510, 4)), True),  # two more tasks are enough
        (((500, 500, 7), (500, 500, 6), (520, 510, 10)), True),  # not only the minute before
        (((0, 0, 6), (500, 500, 6), (520, 510, 10)), True),
        (((1, 1, 6), (1, 1, 10)), True),
        (((500, 500, 6), (0, 0, 10)), False),  # nothing was deleted: the redelivery check covers this
        (((500, 500, 0), (520, 510, 10)), False),  # a minute without tasks is not compared
    ],
)
def test_any_earlier_minute_with_fewer_tasks_can_show_that_more_tasks_do_not_help(
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
def test_minutes_are_compared_if_recent_and_with_waiting_messages_in_both(
    earlier: Flow, newest: Flow, held: bool
) -> None:
    assert (Rule.NO_PROGRESS in rules(decide(policy(), Memory(flows=(earlier, newest)), seen(300)))) is held
