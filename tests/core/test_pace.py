"""Windows, cooldowns and rate limits in combination: both directions, the last task, and manual changes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.core.engine import decide
from autoscaler.core.memory import AcceptedChange, Memory
from autoscaler.core.model import Vote
from autoscaler.core.policy import Direction, Policy, RateLimit, ScaleIn, SelectLimit
from autoscaler.core.rule_input import RuleInput
from autoscaler.core.rules.pace import rate_limit, small_step_stabilization, stabilization
from autoscaler.core.signals import Signals
from tests.core.calm import NOW, changes, demands, policy, seen

QUIET = ((90.0, 0), (45.0, 0), (10.0, 0))
"""Demands of 0 that agree for long enough to permit a scale-in to 0."""


def test_a_window_limits_changes_and_never_causes_one() -> None:
    """The required tasks equal the present count: neither a higher nor a lower past demand changes it."""
    steady = policy(scale_in=ScaleIn(stabilization_s=300.0), scale_out=Direction(stabilization_s=60.0))
    assert decide(steady, demands((10, 20)), seen(100)).target == 10
    assert decide(steady, demands((10, 3)), seen(100)).target == 10
    assert decide(steady, demands((10, 20)), seen(50)).target == 10, "a higher one holds a scale-in"
    assert decide(steady, demands((10, 3)), seen(300)).target == 10, "a lower one holds a scale-out"


def inputs(configured: Policy, memory: Memory, *, current: int = 10, settled: bool = True) -> RuleInput:
    """Return the input of a rule, with one vote for 5 tasks."""
    world = RuleInput.of(configured, memory, seen(0, desired=current))
    return world._replace(signals=Signals((Vote("latency", 5.0, "", settled=settled),)))


SMALL = policy(scale_in=ScaleIn(stabilization_s=20.0, small_step_stabilization_s=120.0))


@pytest.mark.parametrize(
    ("events", "floor"),
    [
        (((100, 8), (10, 5)), 8.0),
        (((120, 8), (10, 5)), 5.0),
        (((100, 10), (10, 5)), 10.0),
        (((100, 10), (10, 4)), None),
        (((100, 40), (10, 30)), 10.0),
    ],
)
def test_a_scale_in_by_less_than_half_waits_for_the_longer_window(
    events: tuple[tuple[float, int], ...], floor: float | None
) -> None:
    """By more than half it does not. A past demand above the present count never adds a task."""
    found = small_step_stabilization(inputs(SMALL, demands(*events)))
    assert (None if found is None else found[0]) == floor
    assert found is None or found[1] == float("inf")
    assert small_step_stabilization(inputs(SMALL, demands(*events), settled=False)) is None, "a signal without a band"


def test_windows_keep_no_task_above_the_maximum() -> None:
    above = inputs(replace(SMALL, max_tasks=15), demands((10, 40)), current=20)
    small = small_step_stabilization(above)
    assert small is not None
    assert (small[0], stabilization(above)[0]) == (15, 15)


def test_a_percentage_above_100_permits_every_scale_in_also_from_a_negative_start() -> None:
    """200 tasks were added within the minute, and 50 are left: the computed count at its start is -150."""
    wide = policy(scale_in=ScaleIn(limits=(RateLimit(60.0, percent=900),)))
    found = rate_limit(inputs(wide, changes((5, 200)), current=50))
    assert found is not None
    assert found[0] <= 0


def test_no_rate_limit_applies_without_limits() -> None:
    assert rate_limit(inputs(policy(), Memory())) is None
    for limited in (
        policy(scale_in=ScaleIn(select=SelectLimit.DISABLED)),
        policy(scale_out=Direction(select=SelectLimit.DISABLED)),
        policy(scale_in=ScaleIn(limits=(RateLimit(60.0, tasks=1),))),
        policy(scale_out=_limited(1)),
    ):
        assert rate_limit(inputs(limited, Memory())) is not None


def test_one_task_required_within_the_window_stays() -> None:
    steady = policy(scale_in=ScaleIn(stabilization_s=300.0))
    assert decide(steady, demands((120, 1), *QUIET), seen(0)).target == 1
    assert decide(steady, demands((300, 1), *QUIET), seen(0)).target == 0


def test_a_change_of_one_task_starts_the_cooldown_too() -> None:
    slow = policy(scale_out=Direction(cooldown_s=30.0), scale_in=ScaleIn(cooldown_s=30.0, stabilization_s=0.0))
    assert decide(slow, changes((1, 1)), seen(300)).target == 10
    assert decide(slow, changes((1, -1)), seen(20)).target == 10


def test_a_scale_out_cooldown_does_not_delay_a_scale_in_to_0() -> None:
    slow = policy(scale_out=Direction(cooldown_s=30.0))
    assert decide(slow, changes((1, 4)), seen(20)).target == 2
    recent_scale_out = Memory(demands=demands(*QUIET).demands, changes=(AcceptedChange(NOW - 1, 4),))
    assert decide(slow, recent_scale_out, seen(0)).target == 0


def test_one_direction_can_be_disabled_alone() -> None:
    no_scale_in = policy(scale_in=ScaleIn(select=SelectLimit.DISABLED, stabilization_s=0.0))
    assert decide(no_scale_in, Memory(), seen(20)).target == 10
    assert decide(no_scale_in, Memory(), seen(300)).target == 30
    no_scale_out = policy(scale_out=Direction(select=SelectLimit.DISABLED))
    assert decide(no_scale_out, Memory(), seen(20)).target == 2
    assert decide(no_scale_out, Memory(), seen(300)).target == 10


@pytest.mark.parametrize(
    "limited",
    [
        policy(scale_in=ScaleIn(limits=(RateLimit(60.0, tasks=20),), stabilization_s=0.0)),
        policy(scale_in=ScaleIn(limits=(RateLimit(60.0, tasks=10),), stabilization_s=0.0)),
        policy(scale_out=Direction(limits=(RateLimit(60.0, tasks=1),))),
        policy(scale_in=ScaleIn(limits=(RateLimit(60.0, percent=100),), stabilization_s=0.0)),
    ],
)
def test_a_rate_limit_that_permits_it_lets_the_last_task_stop(limited: Policy) -> None:
    assert decide(limited, demands(*QUIET), seen(0)).target == 0


def test_percentages_are_exact() -> None:
    """25 % of 100: out to 125, in to 75. 100 %: in to 0."""
    quarter = (RateLimit(60.0, percent=25),)
    into = ScaleIn(limits=quarter, stabilization_s=0.0)
    wide = policy(max_tasks=1_000, scale_out=Direction(limits=quarter), scale_in=into)
    assert decide(wide, Memory(), seen(9_000, desired=100)).target == 125
    assert decide(wide, Memory(), seen(20, desired=100)).target == 75
    one = policy(scale_in=ScaleIn(limits=(RateLimit(60.0, percent=1),), stabilization_s=0.0))
    assert decide(one, Memory(), seen(20, desired=100)).target == 99
    everything = policy(scale_in=ScaleIn(limits=(RateLimit(60.0, percent=100),), stabilization_s=0.0))
    assert decide(everything, demands(*QUIET), seen(0, desired=100)).target == 0


def test_the_computed_count_at_the_start_of_a_period_can_be_negative() -> None:
    """9 tasks were added within the minute and 2 are left, because an operator lowered the count: the start is -7."""
    assert decide(policy(scale_out=_limited(4)), changes((5, 9)), seen(300, desired=2)).target == 2
    assert decide(policy(scale_out=_limited(10)), changes((5, 9)), seen(300, desired=2)).target == 3


def _limited(tasks: int) -> Direction:
    return Direction(limits=(RateLimit(60.0, tasks=tasks),))


def test_more_launches_than_the_ecs_rate_cause_no_scale_in() -> None:
    assert decide(policy(launch_per_minute=50), changes((5, 60)), seen(300)).target == 10
    assert decide(policy(launch_per_minute=50), changes((5, 50)), seen(100)).target == 10
