"""Windows, cooldowns and limits where they meet: the other direction, the last task, counts that moved meanwhile."""

from __future__ import annotations

import pytest

from autoscaler.core.engine import decide
from autoscaler.core.memory import Change, Memory
from autoscaler.core.policy import Direction, Limit, Policy, Select
from tests.core.calm import NOW, changes, demands, policy, seen

QUIET = ((90.0, 0), (45.0, 0), (10.0, 0))
"""Demands after which an empty queue is believed to be empty."""


def test_a_window_restrains_and_never_drives() -> None:
    """As many as are there are asked for: neither a higher nor a lower demand of the past changes that."""
    steady = policy(scale_in=Direction(stabilization_s=300.0), scale_out=Direction(stabilization_s=60.0))
    assert decide(steady, demands((10, 20)), seen(100)).target == 10
    assert decide(steady, demands((10, 3)), seen(100)).target == 10


def test_one_task_asked_for_within_the_window_is_kept() -> None:
    steady = policy(scale_in=Direction(stabilization_s=300.0))
    assert decide(steady, demands((120, 1), *QUIET), seen(0)).target == 1
    assert decide(steady, demands((300, 1), *QUIET), seen(0)).target == 0


def test_a_change_of_a_single_task_cools_down_like_any_other() -> None:
    slow = policy(scale_out=Direction(cooldown_s=30.0), scale_in=Direction(cooldown_s=30.0))
    assert decide(slow, changes((1, 1)), seen(300)).target == 10
    assert decide(slow, changes((1, -1)), seen(20)).target == 10


def test_what_cools_down_out_may_go_in_to_none_at_once() -> None:
    slow = policy(scale_out=Direction(cooldown_s=30.0))
    assert decide(slow, changes((1, 4)), seen(20)).target == 2
    just_added = Memory(demands=demands(*QUIET).demands, changes=(Change(NOW - 1, 4),))
    assert decide(slow, just_added, seen(0)).target == 0


def test_a_direction_may_be_disabled_by_itself() -> None:
    kept = policy(scale_in=Direction(select=Select.DISABLED))
    assert decide(kept, Memory(), seen(20)).target == 10
    assert decide(kept, Memory(), seen(300)).target == 30
    capped = policy(scale_out=Direction(select=Select.DISABLED))
    assert decide(capped, Memory(), seen(20)).target == 2
    assert decide(capped, Memory(), seen(300)).target == 10


@pytest.mark.parametrize(
    "limited",
    [
        policy(scale_in=Direction(limits=(Limit(60.0, tasks=20),))),
        policy(scale_in=Direction(limits=(Limit(60.0, tasks=10),))),
        policy(scale_out=Direction(limits=(Limit(60.0, tasks=1),))),
        policy(scale_in=Direction(limits=(Limit(60.0, percent=100),))),
    ],
)
def test_a_limit_that_permits_it_lets_the_last_task_go(limited: Policy) -> None:
    assert decide(limited, demands(*QUIET), seen(0)).target == 0


def test_percentages_are_exact() -> None:
    """25 % of 100: out to 125, in to 75. All of 100: in to none."""
    quarter = Direction(limits=(Limit(60.0, percent=25),))
    wide = policy(max_tasks=1_000, scale_out=quarter, scale_in=quarter)
    assert decide(wide, Memory(), seen(9_000, desired=100)).target == 125
    assert decide(wide, Memory(), seen(20, desired=100)).target == 75
    one = policy(scale_in=Direction(limits=(Limit(60.0, percent=1),)))
    assert decide(one, Memory(), seen(20, desired=100)).target == 99
    everything = policy(scale_in=Direction(limits=(Limit(60.0, percent=100),)))
    assert decide(everything, demands(*QUIET), seen(0, desired=100)).target == 0


def test_a_period_may_have_begun_with_fewer_than_none() -> None:
    """9 were added within the minute and 2 are left, since somebody lowered the count: it began with -7."""
    assert decide(policy(scale_out=_limited(4)), changes((5, 9)), seen(300, desired=2)).target == 2
    assert decide(policy(scale_out=_limited(10)), changes((5, 9)), seen(300, desired=2)).target == 3


def _limited(tasks: int) -> Direction:
    return Direction(limits=(Limit(60.0, tasks=tasks),))


def test_more_launched_than_ecs_launches_in_a_minute_takes_nothing_away() -> None:
    assert decide(policy(launch_per_minute=50), changes((5, 60)), seen(300)).target == 10
    assert decide(policy(launch_per_minute=50), changes((5, 50)), seen(100)).target == 10
