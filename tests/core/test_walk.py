"""The steps of a decision: the start, the reasons, the recalled demand, and limits from outside the core."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.core.engine import decide, limit_decision
from autoscaler.core.memory import Memory
from autoscaler.core.model import DecisionStep, Deployment, Fleet, Missing, Observation, QueueReading, Rule
from autoscaler.core.policy import Direction, Fallback, FallbackBehavior, Pause, QueuePolicy, RateLimit, WorkerSafety
from tests.core.calm import NOW, demands, policy, rules, seen
from tests.core.test_latency import known
from tests.core.test_latency import policy as latency_policy

UNREAD = (QueueReading("q", Missing("denied", "denied")),)


@pytest.mark.parametrize(("demand", "target"), [(13, 10), (14, 14), (9, 10), (8, 8)])
def test_a_direction_uses_its_own_tolerance_or_that_of_the_service(demand: int, target: int) -> None:
    configured = policy(tolerance=0.1, scale_out=Direction(tolerance=0.3))
    assert decide(configured, Memory(), seen(0, given=demand)).target == target


def test_a_load_that_requires_the_present_count_is_no_step_of_the_tolerance() -> None:
    """95 messages at 10 per task are 9.5 tasks, rounded up to the present 10."""
    decision = decide(policy(tolerance=0.1), Memory(), seen(95))
    assert (decision.demand, decision.target, decision.steps) == (10, 10, ())


def test_the_tolerance_does_not_apply_to_a_vote_with_its_own_tolerance() -> None:
    """The latency target requires 1 task more; a tolerance of 50 % would permit the present count."""
    waiting = seen(105, in_flight=10, knowledge=known((5.0, 105.0)))
    decision = decide(latency_policy(tolerance=0.5), Memory(), waiting)
    assert decision.votes[0].load == pytest.approx(10.39, abs=0.01)
    assert (decision.demand, decision.target) == (11, 11)


def test_the_recalled_demand_includes_tolerance_but_no_other_rule() -> None:
    close = decide(policy(tolerance=0.1), Memory(), seen(0, given=11))
    assert (close.demand, close.recalled, close.steps) == (
        11,
        10,
        (DecisionStep(Rule.TOLERANCE, 11, 10, "11 is within 10.0% of 10"),),
    )
    held = decide(policy(paused=Pause.ALL), Memory(), seen(0, given=30))
    assert (held.demand, held.recalled, held.target) == (30, 30, 10)


def test_a_poll_with_missing_readings_recalls_at_least_the_desired_count() -> None:
    unread = decide(policy(), Memory(), seen(0, queues=UNREAD))
    assert (unread.demand, unread.recalled, unread.steps) == (None, 10, ())
    two = policy(queues=(QueuePolicy("q", 60.0), QueuePolicy("r", 60.0)))
    assert decide(two, Memory(), seen(20)).recalled == 10
    assert decide(two, Memory(), seen(300)).recalled == 30
    falling = policy(fallback=Fallback(FallbackBehavior.STATIC, 4))
    assert decide(falling, Memory(failures=9), seen(0, queues=UNREAD)).recalled == 4


def test_a_poll_is_unread_while_a_signal_is_missing_that_no_fallback_replaces() -> None:
    two = policy(queues=(QueuePolicy("q", 60.0), QueuePolicy("r", 60.0)))
    falling = policy(fallback=Fallback(FallbackBehavior.STATIC, 4))
    unread = seen(0, queues=UNREAD)
    assert not decide(policy(), Memory(), seen(20)).unread
    assert decide(policy(), Memory(failures=9), unread).unread
    assert decide(two, Memory(failures=9), seen(20)).unread, "one of two queues"
    assert decide(falling, Memory(), unread).unread, "the fallback does not apply yet"
    assert not decide(falling, Memory(failures=9), unread).unread
    assert not decide(falling, Memory(failures=9), seen(20)).unread


def test_0_is_not_recalled_while_work_remains() -> None:
    uncounted = policy(count_in_flight=False, busy_floor=False)
    assert decide(uncounted, Memory(), seen(0, in_flight=1)).recalled == 1
    assert decide(uncounted, Memory(), seen(0, in_flight=1, desired=0)).recalled == 0
    assert decide(uncounted, Memory(), seen(0)).recalled == 0
    assert decide(policy(), Memory(), seen(20)).recalled == 2


def test_the_fallback_step_states_the_number_of_failed_polls() -> None:
    reason = "no signal could be read 4 times in a row"
    world = Memory(failures=3), seen(0, queues=UNREAD)
    static = policy(fallback=Fallback(FallbackBehavior.STATIC, 4))
    assert decide(static, *world).steps == (DecisionStep(Rule.FALLBACK, 10, 4, reason),)
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
def test_without_readings_a_count_above_max_stays_unless_the_fallback_lowers_it(
    behavior: FallbackBehavior, tasks: int | None, target: int
) -> None:
    found_above = policy(max_tasks=5, fallback=Fallback(behavior, tasks))
    assert decide(found_above, Memory(failures=9), seen(0, queues=UNREAD)).target == target


@pytest.mark.parametrize("failures", [0, 9])
def test_the_fallback_does_not_apply_while_any_signal_is_read(failures: int) -> None:
    """A lower fallback causes no scale-in: the known queue requires 2 tasks, the missing one prevents the scale-in."""
    two = policy(queues=(QueuePolicy("q", 60.0), QueuePolicy("r", 60.0)), fallback=Fallback(FallbackBehavior.STATIC, 1))
    assert rules(decide(two, Memory(failures=failures), seen(20))) == [Rule.MISSING_SIGNAL]


def test_a_signal_that_is_not_required_is_not_missing() -> None:
    asleep = policy(
        queues=(), backlog_per_task=None, cpu_target_percent=60.0, fallback=Fallback(FallbackBehavior.STATIC, 4)
    )
    assert decide(asleep, Memory(failures=9), seen(0, desired=0, queues=())).target == 0


def test_max_is_a_step_only_where_it_limits_the_target() -> None:
    above = decide(policy(max_tasks=5), Memory(), seen(300))
    assert above.steps == (DecisionStep(Rule.BOUNDS, 30, 5, "the desired count is 10, max_tasks is 5"),)
    assert decide(policy(max_tasks=5), Memory(), seen(20)).target == 2
    assert rules(decide(policy(max_tasks=5), Memory(), seen(50))) == [], "5 tasks required"
    at = decide(policy(max_tasks=10), Memory(), seen(300))
    assert at.steps == (DecisionStep(Rule.BOUNDS, 30, 10, "between 0 and 10 tasks"),)
    limited = policy(max_tasks=20, scale_out=Direction(limits=(RateLimit(60.0, tasks=4),)))
    assert [(step.rule, step.start, step.end) for step in decide(limited, Memory(), seen(300)).steps] == [
        (Rule.RATE_LIMIT, 30, 14)
    ]


@pytest.mark.parametrize(("waiting", "limit", "target"), [(300, 20, 20), (300, 5, 10), (20, 6, 6), (20, 15, 10)])
def test_limit_decision_stops_at_the_present_count(waiting: int, limit: int, target: int) -> None:
    decision = decide(policy(), Memory(), seen(waiting))
    held = limit_decision(decision, Rule.FLEET_CAP, limit, "the fleet")
    assert held == replace(
        decision, target=target, steps=(DecisionStep(Rule.FLEET_CAP, decision.target, target, "the fleet"),)
    )


@pytest.mark.parametrize(("waiting", "limit"), [(300, 30), (300, 31), (20, 2), (20, 0), (100, 50)])
def test_a_limit_that_does_not_bind_returns_the_same_decision(waiting: int, limit: int) -> None:
    decision = decide(policy(), Memory(), seen(waiting))
    assert limit_decision(decision, Rule.FLEET_CAP, limit, "the fleet") is decision


def test_a_pause_at_0_does_not_activate_and_keeps_one_task_for_messages_in_flight() -> None:
    off = policy(paused=0, busy_floor=False)
    assert decide(off, Memory(), seen(50, in_flight=4, desired=0)).target == 0
    assert decide(off, Memory(), seen(50, in_flight=4)).target == 1
    assert decide(off, Memory(), seen(50)).target == 0


def test_a_pause_at_a_count_keeps_tasks_that_must_stay_and_is_capped_at_max() -> None:
    def paused_at(at: int, world: Observation, **more: object) -> tuple[int, str]:
        decision = decide(policy(paused=at, **more), Memory(), world)
        return decision.target, decision.steps[-1].reason

    rolling = seen(20, fleet=Fleet(10, 10, 0, NOW, Deployment(NOW - 60)))
    unread = seen(0, queues=UNREAD)
    assert paused_at(2, seen(50)) == (2, "paused at 2")
    assert paused_at(12, seen(50), max_tasks=12) == (12, "paused at 12")
    assert paused_at(30, seen(50), max_tasks=12) == (12, "paused at 30; max_tasks is 12")
    assert paused_at(2, seen(50, in_flight=4)) == (4, "paused at 2; 4 tasks must stay")
    assert paused_at(2, replace(rolling, queues=seen(50).queues), backlog_per_task=2.0) == (
        10,
        "paused at 2; 10 tasks must stay",
    )
    assert paused_at(2, unread) == (2, "paused at 2")
    assert paused_at(0, unread) == (1, "paused at 0; 1 task must stay")
    assert decide(policy(paused=0), Memory(), replace(unread, fleet=Fleet(0, 0, 0, NOW))).target == 0
    assert decide(policy(paused=2, workers=WorkerSafety.UNSAFE), Memory(), unread).target == 10
    assert decide(policy(paused=2, workers=WorkerSafety.UNSAFE), Memory(), seen(50)).target == 2
    assert decide(policy(paused=2, workers=WorkerSafety.UNSAFE), Memory(), seen(50, in_flight=1)).target == 10


def test_a_pause_of_scale_out_permits_a_scale_in_to_0() -> None:
    quiet = demands((90, 0), (45, 0), (10, 0))
    assert decide(policy(paused=Pause.OUT), quiet, seen(0)).target == 0


def test_a_switched_off_service_stays_at_0_during_a_pause() -> None:
    off = Memory(off=True, expected=0)
    assert decide(policy(min_tasks=2, paused=Pause.ALL), off, seen(0, desired=0)).target == 0


def test_a_given_demand_requires_no_agreeing_readings() -> None:
    """The caller is responsible for its readings: it scales to 0 and from 0 at once."""
    assert decide(policy(), Memory(), seen(0, given=0)).target == 0
    assert decide(policy(), Memory(), seen(0, desired=0, given=5)).target == 5


def test_one_message_in_flight_keeps_the_last_task_even_without_a_vote_for_it() -> None:
    quiet = demands((90, 0), (50, 0), (10, 0))
    free = policy(count_in_flight=False, busy_floor=False)
    assert decide(free, quiet, seen(0, in_flight=1)).target == 1
    assert decide(free, quiet, seen(0)).target == 0
