"""Each rule alone, at its edges."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest

from autoscaler.core.engine import decide
from autoscaler.core.memory import Memory
from autoscaler.core.model import (
    Backlog,
    Deployment,
    Fleet,
    Measurement,
    MetricReading,
    Missing,
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
    MetricPolicy,
    Mode,
    Pause,
    Policy,
    QueuePolicy,
    RateLimit,
    ScaleIn,
    SelectLimit,
    WorkerSafety,
)
from tests.core.calm import NOW, changes, demands, policy, rules, seen


@pytest.mark.parametrize(("age_s", "target"), [(60.0, 2), (60.1, 10)])
def test_a_reading_is_valid_up_to_its_age_limit(age_s: float, target: int) -> None:
    old = (QueueReading("q", Backlog(15, 0, 0, NOW - age_s)),)
    assert decide(policy(), Memory(), seen(0, queues=old)).target == target


@pytest.mark.parametrize(("demand", "target"), [(9, 10), (11, 10), (8, 8), (12, 12)])
def test_tolerance_includes_its_bounds(demand: int, target: int) -> None:
    assert decide(policy(tolerance=0.1), Memory(), seen(0, given=demand)).target == target


@pytest.mark.parametrize(("age_s", "target"), [(299.0, 9), (300.0, 2)])
def test_scale_in_stabilization_uses_the_highest_demand_of_a_half_open_window(age_s: float, target: int) -> None:
    steady = policy(scale_in=ScaleIn(stabilization_s=300.0))
    assert decide(steady, demands((age_s, 9), (10, 3)), seen(20)).target == target or age_s == 300.0
    if age_s == 300.0:
        assert decide(steady, demands((age_s, 9)), seen(20)).target == target


@pytest.mark.parametrize(("age_s", "target"), [(59.0, 12), (60.0, 30)])
def test_scale_out_stabilization_uses_the_lowest_demand_of_a_half_open_window(age_s: float, target: int) -> None:
    steady = policy(scale_out=Direction(stabilization_s=60.0))
    assert decide(steady, demands((age_s, 12)), seen(300)).target == target


@pytest.mark.parametrize(("age_s", "target"), [(29.0, 10), (30.0, 30)])
def test_a_scale_out_cooldown_is_half_open(age_s: float, target: int) -> None:
    assert decide(policy(scale_out=Direction(cooldown_s=30.0)), changes((age_s, 4)), seen(300)).target == target


@pytest.mark.parametrize(("age_s", "target"), [(29.0, 10), (30.0, 2)])
def test_a_scale_in_cooldown_is_half_open(age_s: float, target: int) -> None:
    assert (
        decide(policy(scale_in=ScaleIn(cooldown_s=30.0, stabilization_s=0.0)), changes((age_s, -4)), seen(20)).target
        == target
    )


def test_a_scale_in_cooldown_does_not_delay_a_scale_out() -> None:
    assert (
        decide(policy(scale_in=ScaleIn(cooldown_s=300.0, stabilization_s=0.0)), changes((1, -4)), seen(300)).target
        == 30
    )


@pytest.mark.parametrize(
    ("limits", "select", "events", "target"),
    [
        ((RateLimit(60.0, tasks=4),), SelectLimit.MAX, (), 14),
        ((RateLimit(60.0, tasks=4),), SelectLimit.MAX, ((59.0, 3),), 11),
        ((RateLimit(60.0, tasks=4),), SelectLimit.MAX, ((60.0, 3),), 14),
        ((RateLimit(60.0, tasks=4),), SelectLimit.MAX, ((59.0, -3),), 17),
        ((RateLimit(60.0, percent=25),), SelectLimit.MAX, (), 13),
        ((RateLimit(60.0, tasks=4), RateLimit(60.0, percent=25)), SelectLimit.MAX, (), 14),
        ((RateLimit(60.0, tasks=4), RateLimit(60.0, percent=25)), SelectLimit.MIN, (), 13),
        ((RateLimit(60.0, tasks=4),), SelectLimit.DISABLED, (), 10),
        ((RateLimit(60.0, tasks=4),), SelectLimit.MAX, ((5.0, 9),), 10),
        ((), SelectLimit.DISABLED, (), 10),
    ],
)
def test_rate_limits_of_scale_out(
    limits: tuple[RateLimit, ...], select: SelectLimit, events: tuple[tuple[float, int], ...], target: int
) -> None:
    limited = policy(scale_out=Direction(limits=limits, select=select))
    assert decide(limited, changes(*events), seen(300)).target == target


@pytest.mark.parametrize(
    ("limits", "select", "events", "target"),
    [
        ((RateLimit(60.0, tasks=4),), SelectLimit.MAX, (), 6),
        ((RateLimit(60.0, percent=25),), SelectLimit.MAX, (), 7),
        ((RateLimit(60.0, percent=100),), SelectLimit.MAX, (), 1),
        ((RateLimit(60.0, percent=900),), SelectLimit.MAX, (), 1),
        ((RateLimit(60.0, tasks=1), RateLimit(60.0, percent=25)), SelectLimit.MAX, (), 7),
        ((RateLimit(60.0, tasks=1), RateLimit(60.0, percent=25)), SelectLimit.MIN, (), 9),
        ((RateLimit(60.0, tasks=4),), SelectLimit.DISABLED, (), 10),
        ((RateLimit(60.0, tasks=4),), SelectLimit.MAX, ((59.0, -3),), 9),
        ((RateLimit(60.0, tasks=4),), SelectLimit.MAX, ((5.0, -9),), 10),
    ],
)
def test_rate_limits_of_scale_in(
    limits: tuple[RateLimit, ...], select: SelectLimit, events: tuple[tuple[float, int], ...], target: int
) -> None:
    limited = policy(scale_in=ScaleIn(limits=limits, select=select, stabilization_s=0.0))
    assert decide(limited, changes(*events), seen(1)).target == target


def test_a_rate_limit_of_one_direction_does_not_change_the_other() -> None:
    assert (
        decide(
            policy(scale_in=ScaleIn(limits=(RateLimit(60.0, tasks=1),), stabilization_s=0.0)), Memory(), seen(300)
        ).target
        == 30
    )
    assert decide(policy(scale_out=Direction(limits=(RateLimit(60.0, tasks=1),))), Memory(), seen(20)).target == 2


@pytest.mark.parametrize(
    ("ages", "target"),
    [((61.0, 30.0), 0), ((60.0, 30.0), 1), ((61.0,), 1), ((), 1)],
)
def test_zero_requires_three_agreeing_readings_over_more_than_a_minute(ages: tuple[float, ...], target: int) -> None:
    assert decide(policy(), demands(*((age, 0) for age in ages)), seen(0)).target == target


def test_one_reading_with_work_restarts_the_agreement() -> None:
    assert decide(policy(), demands((90, 0), (50, 1), (20, 0)), seen(0)).target == 1


@pytest.mark.parametrize(("messages", "reads", "earlier", "target"), [(0, 1, 0, 1), (9, 1, 0, 0), (8, 1, 0, 1)])
def test_activation_requires_more_messages_than_the_threshold(
    messages: int, reads: int, earlier: int, target: int
) -> None:
    configured = policy(activation=Activation(messages, reads))
    assert (
        decide(configured, demands(*((10.0 * n, 1) for n in range(1, earlier + 1))), seen(9, desired=0)).target
        == target
    )


def activated(configured: Policy, *waiting: int) -> list[int]:
    """Return the target at 0 tasks after each reading."""
    memory, targets = Memory(), []
    for number, messages in enumerate(waiting):
        world = replace(seen(messages, desired=0), now=NOW + 10 * number)
        decision = decide(configured, memory, world)
        memory = memory.remembering(configured, world, decision)
        targets.append(decision.target)
    return targets


def test_activation_requires_the_configured_number_of_consecutive_readings() -> None:
    assert activated(policy(activation=Activation(0, 3)), 9, 9, 9) == [0, 0, 1]


def test_a_reading_below_the_threshold_restarts_the_activation_count() -> None:
    """A backlog below the threshold does not count, even if it is not empty."""
    configured = policy(activation=Activation(10, 3))
    assert activated(configured, 11, 11, 1, 11, 11, 11) == [0, 0, 0, 0, 0, 2]


def test_a_metric_activates_without_messages() -> None:
    world = seen(0, desired=0, metrics=(MetricReading("lag", Measurement(50.0, NOW)),))
    lagging = policy(metrics=(MetricPolicy("lag", target_per_task=5.0),), activation=Activation(10, 1))
    assert decide(lagging, Memory(), world).target == 10


def test_a_threshold_delays_activation_at_most_by_the_latency() -> None:
    configured = policy(activation=Activation(1000, 1))
    assert decide(configured, demands((59, 1), (30, 1)), seen(9, desired=0)).target == 0
    assert decide(configured, demands((60, 1), (30, 1)), seen(9, desired=0)).target == 1


def test_a_missing_queue_prevents_scale_in_and_permits_scale_out() -> None:
    two = policy(queues=(QueuePolicy("q", 60.0), QueuePolicy("r", 60.0)))
    assert rules(decide(two, Memory(), seen(20))) == [Rule.MISSING_SIGNAL]
    assert decide(two, Memory(), seen(300)).target == 30


def test_the_missing_signal_step_names_the_signal_and_the_cause() -> None:
    gone = (QueueReading("q", Missing("the queue does not exist", "not_found")),)
    two = policy(queues=(QueuePolicy("q", 60.0), QueuePolicy("r", 60.0)))
    world = seen(0, queues=(*gone, QueueReading("r", Backlog(5, 0, 0, NOW))))
    assert decide(two, Memory(), world).steps[-1].reason == "q: the queue does not exist"


@pytest.mark.parametrize(("known_s", "target"), [(59.0, 10), (60.0, 2)])
def test_warm_up_lasts_for_the_longest_scale_in_window(known_s: float, target: int) -> None:
    watching = replace(Memory(), since=NOW - known_s)
    assert decide(policy(scale_in=ScaleIn(stabilization_s=60.0)), watching, seen(20)).target == target


@pytest.mark.parametrize(
    ("stabilization_s", "small_s", "known_s", "target"),
    [(20.0, 120.0, 119.0, 10), (20.0, 120.0, 120.0, 2), (90.0, 30.0, 89.0, 10), (90.0, 30.0, 90.0, 2)],
)
def test_warm_up_of_a_signal_with_its_own_tolerance_band_covers_the_window_of_small_scale_ins(
    stabilization_s: float, small_s: float, known_s: float, target: int
) -> None:
    windows = ScaleIn(0.0, stabilization_s, small_step_stabilization_s=small_s, utilization_stabilization_s=0.0)
    configured = policy(queues=(), cpu_target_percent=50.0, scale_in=windows)
    world = seen(0, queues=(), cpu=Utilization(10.0, NOW, 10))
    assert decide(configured, replace(Memory(), since=NOW - known_s), world).target == target


@pytest.mark.parametrize(("age_s", "target"), [(59.0, 10), (60.0, 2)])
def test_a_deployment_prevents_scale_in_for_a_limited_time(age_s: float, target: int) -> None:
    rolling = Fleet(10, 10, 0, NOW, Deployment(NOW - age_s))
    held = policy(deployments=DeploymentHold(at_most_s=60.0))
    assert decide(held, Memory(), seen(20, fleet=rolling)).target == target
    free = policy(deployments=DeploymentHold(hold_scale_in=False))
    assert decide(free, Memory(), seen(20, fleet=rolling)).target == 2


def test_busy_tasks_stay_but_are_never_added() -> None:
    busy = policy(backlog_per_task=100.0, task_concurrency=2)
    assert decide(busy, Memory(), seen(0, in_flight=9)).target == 5
    assert decide(busy, Memory(), seen(0, in_flight=9, desired=3)).target == 3
    assert decide(replace(busy, busy_floor=False), Memory(), seen(0, in_flight=9)).target == 1


def test_protected_tasks_are_also_the_floor_of_a_given_demand() -> None:
    protected = Fleet(10, 10, 0, NOW, protected=6)
    assert decide(policy(), Memory(), seen(0, fleet=protected)).target == 6
    assert decide(policy(), Memory(), seen(0, fleet=protected, given=2)).target == 6


def test_with_unsafe_workers_every_task_stays_while_one_message_is_in_flight() -> None:
    unsafe = policy(workers=WorkerSafety.UNSAFE)
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
def test_the_fallback_sets_the_count_after_the_configured_failures(
    behavior: FallbackBehavior, tasks: int | None, target: int
) -> None:
    unread = (QueueReading("q", Missing("denied", "denied")),)
    falling = policy(fallback=Fallback(behavior, tasks, after=3))
    assert decide(falling, Memory(failures=2), seen(0, queues=unread)).target == 10
    assert decide(falling, Memory(failures=3), seen(0, queues=unread)).target == target
    never = seen(0, queues=unread, unreceived=("q",))
    assert decide(falling, Memory(failures=3), never).target == target, "also without a receive on the queue"


def test_the_fallback_scales_from_zero_and_obeys_scale_in_limits() -> None:
    unread = (QueueReading("q", Missing("denied", "denied")),)
    falling = policy(
        fallback=Fallback(FallbackBehavior.STATIC, 4, after=3),
        scale_in=ScaleIn(limits=(RateLimit(60.0, tasks=1),), stabilization_s=0.0),
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
def test_a_pause_stops_its_direction_or_sets_the_count(paused: Pause | int, demand: int, target: int) -> None:
    assert decide(policy(paused=paused), Memory(), seen(0, given=demand)).target == target


@pytest.mark.parametrize(("paused", "target"), [(None, 3), (Pause.IN, 3), (Pause.ALL, 1), (Pause.OUT, 1)])
def test_a_count_below_min_is_raised_at_once_except_during_a_pause(paused: Pause | None, target: int) -> None:
    limited = policy(min_tasks=3, paused=paused, scale_out=Direction(cooldown_s=60.0))
    assert decide(limited, changes((1, 1)), seen(0, desired=1, given=0)).target == target


@pytest.mark.parametrize("percent", [1, 100])
def test_any_percentage_of_0_tasks_permits_one_task(percent: int) -> None:
    """Otherwise a service with percentage limits would never leave zero."""
    relative = Direction(limits=(RateLimit(60.0, percent=percent), RateLimit(60.0, tasks=10)), select=SelectLimit.MIN)
    assert decide(policy(scale_out=relative), Memory(), seen(300, desired=0)).target == 1


def test_a_count_above_max_is_lowered_even_if_more_is_required_and_messages_are_late() -> None:
    late = (QueueReading("q", Backlog(1000, 0, 0, NOW, oldest_age_s=500.0)),)
    limited = policy(max_tasks=5, scale_in=ScaleIn(stabilization_s=300.0))
    assert decide(limited, demands((10, 50), (200, 40)), seen(0, queues=late)).target == 5


@pytest.mark.parametrize(
    ("in_flight", "protected", "target"), [(0, None, 0), (1, None, 1), (4, None, 4), (4, 6, 6), (99, None, 10)]
)
def test_a_pause_at_a_lower_count_keeps_busy_and_protected_tasks(
    in_flight: int, protected: int | None, target: int
) -> None:
    fleet = Fleet(10, 10, 0, NOW, protected=protected)
    world = seen(50, in_flight=in_flight, fleet=fleet)
    assert decide(policy(paused=0), Memory(), replace(world, queues=world.queues)).target == target


def test_a_count_above_max_obeys_scale_in_limits_and_never_rises() -> None:
    limited = policy(max_tasks=5, scale_in=ScaleIn(limits=(RateLimit(60.0, tasks=2),), stabilization_s=0.0))
    assert decide(limited, Memory(), seen(1000)).target == 8
    assert decide(policy(max_tasks=5), Memory(), seen(1000)).target == 5
    assert decide(policy(max_tasks=5, paused=Pause.IN), Memory(), seen(1000)).target == 10


def test_scale_out_only_mode_never_scales_in() -> None:
    scale_out_only = policy(mode=Mode.SCALE_OUT_ONLY)
    assert decide(scale_out_only, Memory(), seen(20)).target == 10
    assert decide(scale_out_only, Memory(), seen(300)).target == 30


@pytest.mark.parametrize("percent", [float("nan"), inf, -1.0, 1e300])
def test_an_impossible_utilization_is_missing(percent: float) -> None:
    hot = policy(cpu_target_percent=60.0)
    assert rules(decide(hot, Memory(), seen(20, cpu=Utilization(percent, NOW, 10)))) == [Rule.MISSING_SIGNAL]


@pytest.mark.parametrize("waiting", [-1, 2**53 + 1])
def test_an_impossible_count_is_missing(waiting: int) -> None:
    assert decide(policy(), Memory(), seen(waiting)).demand is None
