"""Each rule by itself, at its edges. A world starts calm: 10 tasks, a good reading, nothing remembered."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest

from autoscaler.core.engine import decide
from autoscaler.core.memory import Change, Demand, Memory
from autoscaler.core.model import (
    Backlog,
    Decision,
    Deployment,
    Fleet,
    Missing,
    Observation,
    QueueReading,
    Rule,
    Utilization,
)
from autoscaler.core.policy import (
    Activation,
    DeploymentHold,
    Direction,
    Fallback,
    FallbackBehavior,
    Limit,
    Mode,
    Pause,
    Policy,
    QueuePolicy,
    Select,
    Workers,
)

NOW = 5_000.0
FREE = Direction()


def policy(**changes: object) -> Policy:
    fields: dict[str, object] = {
        "name": "orders",
        "min_tasks": 0,
        "max_tasks": 100,
        "queues": (QueuePolicy("q", 60.0),),
        "backlog_per_task": 10.0,
        "scale_in": FREE,
        "tolerance": 0.0,
        **changes,
    }
    return Policy(**fields)  # type: ignore[arg-type]  # the tests name fields of Policy only


def seen(waiting: int, *, desired: int = 10, in_flight: int = 0, **changes: object) -> Observation:
    fleet = Fleet(desired, desired, 0, NOW)
    queues = (QueueReading("q", Backlog(waiting, in_flight, 0, NOW)),)
    return replace(Observation(NOW, fleet, queues), **changes)  # type: ignore[arg-type]


def demands(*events: tuple[float, int]) -> Memory:
    return Memory(demands=tuple(sorted(Demand(NOW - age_s, tasks) for age_s, tasks in events)))


def changes(*events: tuple[float, int]) -> Memory:
    return Memory(changes=tuple(sorted(Change(NOW - age_s, tasks) for age_s, tasks in events)))


def rules(decision: Decision) -> list[Rule]:
    return [step.rule for step in decision.steps]


def test_backlog_per_task_rounds_up_and_counts_what_is_in_flight() -> None:
    assert decide(policy(), Memory(), seen(101, in_flight=9)).target == 11
    assert decide(policy(), Memory(), seen(101, in_flight=10)).target == 12


def test_day_one_takes_five_messages_a_task() -> None:
    assert decide(policy(backlog_per_task=None), Memory(), seen(101)).target == 21


def test_latency_lets_a_task_take_as_many_turns_as_fit_in_half_of_it() -> None:
    """5 s each, half of 60 s: 1 + 6 turns. 70 messages are 10 tasks, 71 are 11."""
    timed = policy(backlog_per_task=None, processing_time_s=5.0)
    assert decide(timed, Memory(), seen(70)).target == 10
    assert decide(timed, Memory(), seen(71)).target == 11


def test_long_work_is_one_slot_a_message_not_many_tasks() -> None:
    """Two hours each, a minute of latency: 12 messages are 12 slots, on 3 tasks of 4 messages at once."""
    timed = policy(backlog_per_task=None, processing_time_s=7200.0, task_concurrency=4)
    assert decide(timed, Memory(), seen(12, desired=1)).target == 3


def test_latency_never_asks_for_less_than_what_is_in_flight_occupies() -> None:
    timed = policy(backlog_per_task=None, processing_time_s=1.0, busy_floor=False)
    assert decide(timed, Memory(), seen(0, in_flight=9)).target == 9
    assert decide(timed, Memory(), seen(0, in_flight=500)).target == 17, (
        "500 / 31 turns; beyond the 10 running: not held"
    )


def test_the_highest_vote_wins() -> None:
    both = policy(processing_time_s=5.0, cpu_target_percent=50.0)
    world = seen(70, cpu=Utilization(90.0, NOW, 10))
    decision = decide(both, Memory(), world)
    assert {vote.signal: vote.tasks for vote in decision.votes} == {"backlog": 7, "latency": 10, "cpu": 18}
    assert decision.target == 18


def test_cpu_never_asks_for_more_tasks_than_there_is_work() -> None:
    hot = policy(cpu_target_percent=10.0)
    assert decide(hot, Memory(), seen(30, cpu=Utilization(100.0, NOW, 10))).target == 30
    assert decide(hot, Memory(), seen(200, cpu=Utilization(100.0, NOW, 10))).target == 100


def test_cpu_alone_never_lets_the_last_task_go() -> None:
    alone = policy(queues=(), backlog_per_task=None, cpu_target_percent=60.0)
    world = replace(seen(0, desired=1), queues=(), cpu=Utilization(0.0, NOW, 1))
    assert decide(alone, demands((90, 0), (45, 0), (5, 0)), world).target == 1


def test_without_a_task_cpu_is_not_needed() -> None:
    wakes = policy(cpu_target_percent=60.0)
    assert decide(wakes, Memory(), seen(15, desired=0, cpu=Missing("no task", "no_data"))).steps == ()


@pytest.mark.parametrize(("age_s", "target"), [(60.0, 2), (60.1, 10)])
def test_a_reading_counts_up_to_its_age_limit(age_s: float, target: int) -> None:
    old = (QueueReading("q", Backlog(15, 0, 0, NOW - age_s)),)
    assert decide(policy(), Memory(), seen(0, queues=old)).target == target


@pytest.mark.parametrize(("demand", "target"), [(9, 10), (11, 10), (8, 8), (12, 12)])
def test_tolerance_is_closed(demand: int, target: int) -> None:
    assert decide(policy(tolerance=0.1), Memory(), seen(0, given=demand)).target == target


@pytest.mark.parametrize(("age_s", "target"), [(299.0, 9), (300.0, 2)])
def test_scale_in_stabilization_keeps_the_highest_demand_of_a_half_open_window(age_s: float, target: int) -> None:
    steady = policy(scale_in=Direction(stabilization_s=300.0))
    assert decide(steady, demands((age_s, 9), (10, 3)), seen(20)).target == target or age_s == 300.0
    if age_s == 300.0:
        assert decide(steady, demands((age_s, 9)), seen(20)).target == target


@pytest.mark.parametrize(("age_s", "target"), [(59.0, 12), (60.0, 30)])
def test_scale_out_stabilization_keeps_the_lowest_demand(age_s: float, target: int) -> None:
    steady = policy(scale_out=Direction(stabilization_s=60.0))
    assert decide(steady, demands((age_s, 12)), seen(300)).target == target


@pytest.mark.parametrize(("age_s", "target"), [(29.0, 10), (30.0, 30)])
def test_a_scale_out_cools_down_for_a_half_open_time(age_s: float, target: int) -> None:
    assert decide(policy(scale_out=Direction(cooldown_s=30.0)), changes((age_s, 4)), seen(300)).target == target


@pytest.mark.parametrize(("age_s", "target"), [(29.0, 10), (30.0, 2)])
def test_a_scale_in_cools_down_too(age_s: float, target: int) -> None:
    assert decide(policy(scale_in=Direction(cooldown_s=30.0)), changes((age_s, -4)), seen(20)).target == target


def test_a_scale_out_cuts_through_a_scale_ins_cooldown() -> None:
    assert decide(policy(scale_in=Direction(cooldown_s=300.0)), changes((1, -4)), seen(300)).target == 30


@pytest.mark.parametrize(
    ("limits", "select", "events", "target"),
    [
        ((Limit(60.0, tasks=4),), Select.MAX, (), 14),
        ((Limit(60.0, tasks=4),), Select.MAX, ((59.0, 3),), 11),
        ((Limit(60.0, tasks=4),), Select.MAX, ((60.0, 3),), 14),
        ((Limit(60.0, tasks=4),), Select.MAX, ((59.0, -3),), 17),
        ((Limit(60.0, percent=25),), Select.MAX, (), 13),
        ((Limit(60.0, tasks=4), Limit(60.0, percent=25)), Select.MAX, (), 14),
        ((Limit(60.0, tasks=4), Limit(60.0, percent=25)), Select.MIN, (), 13),
        ((Limit(60.0, tasks=4),), Select.DISABLED, (), 10),
        ((Limit(60.0, tasks=4),), Select.MAX, ((5.0, 9),), 10),
        ((), Select.DISABLED, (), 10),
    ],
)
def test_rate_limits_out(
    limits: tuple[Limit, ...], select: Select, events: tuple[tuple[float, int], ...], target: int
) -> None:
    limited = policy(scale_out=Direction(limits=limits, select=select))
    assert decide(limited, changes(*events), seen(300)).target == target


@pytest.mark.parametrize(
    ("limits", "select", "events", "target"),
    [
        ((Limit(60.0, tasks=4),), Select.MAX, (), 6),
        ((Limit(60.0, percent=25),), Select.MAX, (), 7),
        ((Limit(60.0, percent=100),), Select.MAX, (), 1),
        ((Limit(60.0, percent=900),), Select.MAX, (), 1),
        ((Limit(60.0, tasks=1), Limit(60.0, percent=25)), Select.MAX, (), 7),
        ((Limit(60.0, tasks=1), Limit(60.0, percent=25)), Select.MIN, (), 9),
        ((Limit(60.0, tasks=4),), Select.DISABLED, (), 10),
        ((Limit(60.0, tasks=4),), Select.MAX, ((59.0, -3),), 9),
        ((Limit(60.0, tasks=4),), Select.MAX, ((5.0, -9),), 10),
    ],
)
def test_rate_limits_in(
    limits: tuple[Limit, ...], select: Select, events: tuple[tuple[float, int], ...], target: int
) -> None:
    limited = policy(scale_in=Direction(limits=limits, select=select))
    assert decide(limited, changes(*events), seen(1)).target == target


def test_a_limit_of_one_direction_leaves_the_other_alone() -> None:
    assert decide(policy(scale_in=Direction(limits=(Limit(60.0, tasks=1),))), Memory(), seen(300)).target == 30
    assert decide(policy(scale_out=Direction(limits=(Limit(60.0, tasks=1),))), Memory(), seen(20)).target == 2


@pytest.mark.parametrize(
    ("ages", "target"),
    [((61.0, 30.0), 0), ((60.0, 30.0), 1), ((61.0,), 1), ((), 1)],
)
def test_zero_needs_three_agreeing_readings_over_more_than_a_minute(ages: tuple[float, ...], target: int) -> None:
    assert decide(policy(), demands(*((age, 0) for age in ages)), seen(0)).target == target


def test_one_reading_of_work_begins_the_agreement_anew() -> None:
    assert decide(policy(), demands((90, 0), (50, 1), (20, 0)), seen(0)).target == 1


@pytest.mark.parametrize(("messages", "reads", "earlier", "target"), [(0, 1, 0, 1), (9, 1, 0, 0), (8, 1, 0, 1)])
def test_waking_needs_more_than_the_threshold(messages: int, reads: int, earlier: int, target: int) -> None:
    sleepy = policy(activation=Activation(messages, reads))
    assert decide(sleepy, demands(*((10.0 * n, 1) for n in range(1, earlier + 1))), seen(9, desired=0)).target == target


@pytest.mark.parametrize(("earlier", "target"), [((), 0), ((10,), 0), ((10, 20), 1)])
def test_waking_needs_so_many_agreeing_reads(earlier: tuple[int, ...], target: int) -> None:
    sleepy = policy(activation=Activation(0, 3))
    assert decide(sleepy, demands(*((age, 1) for age in earlier)), seen(9, desired=0)).target == target


def test_a_read_of_nothing_between_begins_the_count_anew() -> None:
    sleepy = policy(activation=Activation(0, 3))
    assert decide(sleepy, demands((30, 1), (20, 0), (10, 1)), seen(9, desired=0)).target == 0


def test_a_threshold_delays_waking_at_most_by_the_latency() -> None:
    sleepy = policy(activation=Activation(1000, 1))
    assert decide(sleepy, demands((59, 1), (30, 1)), seen(9, desired=0)).target == 0
    assert decide(sleepy, demands((60, 1), (30, 1)), seen(9, desired=0)).target == 1


def test_a_missing_queue_holds_in_and_lets_out() -> None:
    two = policy(queues=(QueuePolicy("q", 60.0), QueuePolicy("r", 60.0)))
    assert rules(decide(two, Memory(), seen(20))) == [Rule.BLIND]
    assert decide(two, Memory(), seen(300)).target == 30


def test_the_blind_step_says_which_signal_and_why() -> None:
    gone = (QueueReading("q", Missing("the queue does not exist", "not_found")),)
    two = policy(queues=(QueuePolicy("q", 60.0), QueuePolicy("r", 60.0)))
    world = seen(0, queues=(*gone, QueueReading("r", Backlog(5, 0, 0, NOW))))
    assert decide(two, Memory(), world).steps[-1].because == "q: the queue does not exist"


@pytest.mark.parametrize(("known_s", "target"), [(59.0, 10), (60.0, 2)])
def test_cold_until_the_longest_scale_in_window_has_been_watched(known_s: float, target: int) -> None:
    watching = replace(Memory(), since=NOW - known_s)
    assert decide(policy(scale_in=Direction(stabilization_s=60.0)), watching, seen(20)).target == target


@pytest.mark.parametrize(("age_s", "target"), [(59.0, 10), (60.0, 2)])
def test_a_deployment_holds_in_for_a_bounded_time(age_s: float, target: int) -> None:
    rolling = Fleet(10, 10, 0, NOW, Deployment(NOW - age_s))
    held = policy(deployments=DeploymentHold(at_most_s=60.0))
    assert decide(held, Memory(), seen(20, fleet=rolling)).target == target
    free = policy(deployments=DeploymentHold(hold_scale_in=False))
    assert decide(free, Memory(), seen(20, fleet=rolling)).target == 2


def test_busy_tasks_are_kept_but_never_added() -> None:
    busy = policy(backlog_per_task=100.0, task_concurrency=2)
    assert decide(busy, Memory(), seen(0, in_flight=9)).target == 5
    assert decide(busy, Memory(), seen(0, in_flight=9, desired=3)).target == 3
    assert decide(replace(busy, busy_floor=False), Memory(), seen(0, in_flight=9)).target == 1


def test_protected_tasks_are_the_floor_also_of_a_given_demand() -> None:
    protected = Fleet(10, 10, 0, NOW, protected=6)
    assert decide(policy(), Memory(), seen(0, fleet=protected)).target == 6
    assert decide(policy(), Memory(), seen(0, fleet=protected, given=2)).target == 6


def test_unsafe_workers_hold_every_task_while_one_message_is_in_flight() -> None:
    unsafe = policy(workers=Workers.UNSAFE)
    assert decide(unsafe, Memory(), seen(0, in_flight=1)).target == 10
    assert decide(unsafe, Memory(), seen(5)).target == 1


@pytest.mark.parametrize(
    ("behavior", "tasks", "target"),
    [
        (FallbackBehavior.HOLD, None, 10),
        (FallbackBehavior.STATIC, 4, 4),
        (FallbackBehavior.STATIC, 14, 14),
        (FallbackBehavior.CURRENT_IF_HIGHER, 4, 10),
        (FallbackBehavior.CURRENT_IF_HIGHER, 14, 14),
        (FallbackBehavior.CURRENT_IF_LOWER, 4, 4),
        (FallbackBehavior.CURRENT_IF_LOWER, 14, 10),
    ],
)
def test_fallback_is_the_operators_word(behavior: FallbackBehavior, tasks: int | None, target: int) -> None:
    unread = (QueueReading("q", Missing("denied", "denied")),)
    falling = policy(fallback=Fallback(behavior, tasks, after=3))
    assert decide(falling, Memory(failures=2), seen(0, queues=unread)).target == 10
    assert decide(falling, Memory(failures=3), seen(0, queues=unread)).target == target


def test_fallback_works_from_zero_and_goes_in_at_scale_in_pace() -> None:
    unread = (QueueReading("q", Missing("denied", "denied")),)
    falling = policy(
        fallback=Fallback(FallbackBehavior.STATIC, 4, after=3), scale_in=Direction(limits=(Limit(60.0, tasks=1),))
    )
    assert decide(falling, Memory(failures=3), seen(0, queues=unread, desired=0)).target == 4
    assert decide(falling, Memory(failures=3), seen(0, queues=unread, desired=9)).target == 8


@pytest.mark.parametrize(
    ("paused", "demand", "target"),
    [
        (Pause.ALL, 30, 10),
        (Pause.ALL, 2, 10),
        (Pause.IN, 2, 10),
        (Pause.IN, 30, 30),
        (Pause.OUT, 30, 10),
        (Pause.OUT, 2, 2),
        (7, 30, 7),
        (7, 2, 7),
    ],
)
def test_pause(paused: Pause | int, demand: int, target: int) -> None:
    assert decide(policy(paused=paused), Memory(), seen(0, given=demand)).target == target


@pytest.mark.parametrize(("paused", "target"), [(None, 3), (Pause.IN, 3), (Pause.ALL, 1), (Pause.OUT, 1)])
def test_below_min_is_raised_at_once_but_not_through_a_pause(paused: Pause | None, target: int) -> None:
    limited = policy(min_tasks=3, paused=paused, scale_out=Direction(cooldown_s=60.0))
    assert decide(limited, changes((1, 1)), seen(0, desired=1, given=0)).target == target


def test_above_max_comes_down_at_the_pace_of_a_scale_in_and_never_rises() -> None:
    limited = policy(max_tasks=5, scale_in=Direction(limits=(Limit(60.0, tasks=2),)))
    assert decide(limited, Memory(), seen(1000)).target == 8
    assert decide(policy(max_tasks=5), Memory(), seen(1000)).target == 5
    assert decide(policy(max_tasks=5, paused=Pause.IN), Memory(), seen(1000)).target == 10


def test_scale_out_only() -> None:
    careful = policy(mode=Mode.SCALE_OUT_ONLY)
    assert decide(careful, Memory(), seen(20)).target == 10
    assert decide(careful, Memory(), seen(300)).target == 30


@pytest.mark.parametrize("percent", [float("nan"), inf, -1.0, 1e300])
def test_a_utilization_that_cannot_be_is_missing(percent: float) -> None:
    hot = policy(cpu_target_percent=60.0)
    assert rules(decide(hot, Memory(), seen(20, cpu=Utilization(percent, NOW, 10)))) == [Rule.BLIND]


@pytest.mark.parametrize("waiting", [-1, 2**53 + 1])
def test_a_count_that_cannot_be_is_missing(waiting: int) -> None:
    assert decide(policy(), Memory(), seen(waiting)).demand is None
