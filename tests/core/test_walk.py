"""The walk: what it begins with, what it says, what is recalled of it, and what may restrain it from outside."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.core.engine import decide, limit_decision
from autoscaler.core.memory import Memory
from autoscaler.core.model import Deployment, Fleet, Missing, Observation, QueueReading, Rule, Step
from autoscaler.core.policy import Direction, Fallback, FallbackBehavior, Limit, Pause, QueuePolicy, Workers
from tests.core.calm import NOW, demands, policy, rules, seen

UNREAD = (QueueReading("q", Missing("denied", "denied")),)


@pytest.mark.parametrize(("demand", "target"), [(13, 10), (14, 14), (9, 10), (8, 8)])
def test_a_direction_has_a_tolerance_of_its_own_or_the_services(demand: int, target: int) -> None:
    eager = policy(tolerance=0.1, scale_out=Direction(tolerance=0.3))
    assert decide(eager, Memory(), seen(0, given=demand)).target == target


def test_what_is_recalled_is_the_demand_after_tolerance_and_before_any_corridor() -> None:
    close = decide(policy(tolerance=0.1), Memory(), seen(0, given=11))
    assert (close.demand, close.recalled, close.steps) == (
        11,
        10,
        (Step(Rule.TOLERANCE, 11, 10, "11 is within 10.0% of 10"),),
    )
    held = decide(policy(paused=Pause.ALL), Memory(), seen(0, given=30))
    assert (held.demand, held.recalled, held.target) == (30, 30, 10)


def test_a_tick_that_saw_only_a_part_recalls_no_fewer_than_are_there() -> None:
    unread = decide(policy(), Memory(), seen(0, queues=UNREAD))
    assert (unread.demand, unread.recalled, unread.steps) == (None, 10, ())
    two = policy(queues=(QueuePolicy("q", 60.0), QueuePolicy("r", 60.0)))
    assert decide(two, Memory(), seen(20)).recalled == 10
    assert decide(two, Memory(), seen(300)).recalled == 30
    falling = policy(fallback=Fallback(FallbackBehavior.STATIC, 4))
    assert decide(falling, Memory(failures=9), seen(0, queues=UNREAD)).recalled == 4


def test_none_is_not_recalled_while_work_is_left() -> None:
    uncounted = policy(count_in_flight=False, busy_floor=False)
    assert decide(uncounted, Memory(), seen(0, in_flight=1)).recalled == 1
    assert decide(uncounted, Memory(), seen(0, in_flight=1, desired=0)).recalled == 0
    assert decide(uncounted, Memory(), seen(0)).recalled == 0
    assert decide(policy(), Memory(), seen(20)).recalled == 2


def test_a_fallback_is_a_step_that_says_how_often_nothing_could_be_read() -> None:
    word = "no signal could be read 4 times in a row"
    world = Memory(failures=3), seen(0, queues=UNREAD)
    static = policy(fallback=Fallback(FallbackBehavior.STATIC, 4))
    assert decide(static, *world).steps == (Step(Rule.FALLBACK, 10, 4, word),)
    held = policy(fallback=Fallback(FallbackBehavior.HOLD, 14))
    assert decide(held, *world).steps == ()
    higher = policy(fallback=Fallback(FallbackBehavior.CURRENT_IF_HIGHER, 4))
    assert decide(higher, *world).steps == ()


@pytest.mark.parametrize(
    ("behavior", "tasks", "target"),
    [
        (FallbackBehavior.HOLD, 4, 10),
        (FallbackBehavior.CURRENT_IF_HIGHER, 4, 10),
        (FallbackBehavior.STATIC, None, 10),
        (FallbackBehavior.STATIC, 4, 4),
        (FallbackBehavior.CURRENT_IF_LOWER, 4, 4),
    ],
)
def test_blind_a_count_above_max_stays_too_unless_the_operator_said_what_else(
    behavior: FallbackBehavior, tasks: int | None, target: int
) -> None:
    found_above = policy(max_tasks=5, fallback=Fallback(behavior, tasks))
    assert decide(found_above, Memory(failures=9), seen(0, queues=UNREAD)).target == target


@pytest.mark.parametrize("failures", [0, 9])
def test_a_fallback_is_silent_while_any_signal_speaks(failures: int) -> None:
    """A lowering fallback opens no way in: what is known asks for 2, what is not forbids it."""
    two = policy(queues=(QueuePolicy("q", 60.0), QueuePolicy("r", 60.0)), fallback=Fallback(FallbackBehavior.STATIC, 1))
    assert rules(decide(two, Memory(failures=failures), seen(20))) == [Rule.MISSING_SIGNAL]


def test_where_no_signal_is_needed_none_is_missing() -> None:
    asleep = policy(
        queues=(), backlog_per_task=None, cpu_target_percent=60.0, fallback=Fallback(FallbackBehavior.STATIC, 4)
    )
    assert decide(asleep, Memory(failures=9), seen(0, desired=0, queues=())).target == 0


def test_a_count_above_max_is_told_and_a_count_below_it_is_left_to_the_corridors() -> None:
    above = decide(policy(max_tasks=5), Memory(), seen(300))
    assert above.steps == (Step(Rule.BOUNDS, 30, 5, "10 were found, and 5 are the most"),)
    assert decide(policy(max_tasks=5), Memory(), seen(20)).target == 2
    at = decide(policy(max_tasks=10), Memory(), seen(300))
    assert at.steps == (Step(Rule.BOUNDS, 30, 10, "between 0 and 10 tasks"),)
    limited = policy(max_tasks=20, scale_out=Direction(limits=(Limit(60.0, tasks=4),)))
    assert [step[:3] for step in decide(limited, Memory(), seen(300)).steps] == [(Rule.RATE_LIMIT, 30, 14)]


@pytest.mark.parametrize(("waiting", "asked", "target"), [(300, 20, 20), (300, 5, 10), (20, 6, 6), (20, 15, 10)])
def test_a_restraint_from_outside_goes_as_far_as_the_present_count(waiting: int, asked: int, target: int) -> None:
    decision = decide(policy(), Memory(), seen(waiting))
    held = limit_decision(decision, Rule.FLEET_CAP, asked, "the fleet")
    assert held == replace(decision, target=target, steps=(Step(Rule.FLEET_CAP, decision.target, target, "the fleet"),))


@pytest.mark.parametrize(("waiting", "asked"), [(300, 30), (300, 31), (20, 2), (20, 0), (100, 50)])
def test_a_restraint_from_outside_that_does_not_bind_leaves_the_decision(waiting: int, asked: int) -> None:
    decision = decide(policy(), Memory(), seen(waiting))
    assert limit_decision(decision, Rule.FLEET_CAP, asked, "the fleet") is decision


def test_a_pause_at_none_wakes_nothing_and_keeps_one_task_for_what_is_in_flight() -> None:
    off = policy(paused=0, busy_floor=False)
    assert decide(off, Memory(), seen(50, in_flight=4, desired=0)).target == 0
    assert decide(off, Memory(), seen(50, in_flight=4)).target == 1
    assert decide(off, Memory(), seen(50)).target == 0


def test_a_pause_at_a_count_keeps_what_must_stay_and_goes_no_higher_than_the_maximum() -> None:
    def stand(at: int, world: Observation, **more: object) -> tuple[int, str]:
        decision = decide(policy(paused=at, **more), Memory(), world)
        return decision.target, decision.steps[-1].reason

    rolling = seen(20, fleet=Fleet(10, 10, 0, NOW, Deployment(NOW - 60)))
    unread = seen(0, queues=UNREAD)
    assert stand(2, seen(50)) == (2, "paused at 2")
    assert stand(12, seen(50), max_tasks=12) == (12, "paused at 12")
    assert stand(30, seen(50), max_tasks=12) == (12, "paused at 30; 12 are the most")
    assert stand(2, seen(50, in_flight=4)) == (4, "paused at 2; 4 must stay")
    assert stand(2, replace(rolling, queues=seen(50).queues), backlog_per_task=2.0) == (10, "paused at 2; 10 must stay")
    assert stand(2, unread) == (2, "paused at 2")
    assert stand(0, unread) == (1, "paused at 0; 1 must stay")
    assert decide(policy(paused=0), Memory(), replace(unread, fleet=Fleet(0, 0, 0, NOW))).target == 0
    assert decide(policy(paused=2, workers=Workers.UNSAFE), Memory(), unread).target == 10
    assert decide(policy(paused=2, workers=Workers.UNSAFE), Memory(), seen(50)).target == 2
    assert decide(policy(paused=2, workers=Workers.UNSAFE), Memory(), seen(50, in_flight=1)).target == 10


def test_a_pause_of_scale_out_lets_the_last_task_go() -> None:
    quiet = demands((90, 0), (45, 0), (10, 0))
    assert decide(policy(paused=Pause.OUT), quiet, seen(0)).target == 0


def test_switched_off_outlasts_every_pause() -> None:
    off = Memory(off=True, expected=0)
    assert decide(policy(min_tasks=2, paused=Pause.ALL), off, seen(0, desired=0)).target == 0


def test_a_demand_that_was_given_needs_no_agreement() -> None:
    """Its readings are somebody else's care: to none at once, and awake at once."""
    assert decide(policy(), Memory(), seen(0, given=0)).target == 0
    assert decide(policy(), Memory(), seen(0, desired=0, given=5)).target == 5


def test_one_message_in_flight_keeps_the_last_task_though_it_asks_for_none() -> None:
    quiet = demands((90, 0), (50, 0), (10, 0))
    free = policy(count_in_flight=False, busy_floor=False)
    assert decide(free, quiet, seen(0, in_flight=1)).target == 1
    assert decide(free, quiet, seen(0)).target == 0
