"""The alarms and cooldowns that the policies of Application Auto Scaling share."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.sim.model import Tasks
from autoscaler.sim.peers.application_auto_scaling import Alarm, Cooldowns, MetricPeriod, breach
from tests.sim.peers.fakes import ScriptedQueue


def periods(*values: float | None) -> list[MetricPeriod]:
    return [MetricPeriod(value, 1.0) for value in values]


@pytest.mark.parametrize(
    ("values", "is_breached"),
    [([5, 5, 5], True), ([0, 5, 5, 5], True), ([5, 5], False), ([5, 5, 0], False), ([5, None, 5], False), ([], False)],
)
def test_an_alarm_needs_a_breaching_datapoint_in_each_of_its_periods(
    values: list[float | None], is_breached: bool
) -> None:
    assert breach(periods(*values), 3, lambda value: value > 4) == is_breached


def test_an_alarm_invokes_its_action_on_the_change_and_then_once_per_minute() -> None:
    alarm = Alarm()
    assert [now for now in range(0, 200, 10) if alarm.invokes(float(now), now >= 20)] == [20, 80, 140]


def test_an_alarm_that_ends_invokes_its_action_at_its_next_change() -> None:
    alarm = Alarm()
    breached = {0.0: True, 10.0: False, 20.0: True, 30.0: True}
    assert [now for now, is_breached in breached.items() if alarm.invokes(now, is_breached)] == [0.0, 20.0]


@given(states=st.lists(st.booleans(), max_size=60), interval_s=st.sampled_from([10.0, 20.0, 60.0]))
def test_an_alarm_invokes_nothing_outside_alarm_and_at_most_once_per_minute_within(
    states: Any, interval_s: Any
) -> None:
    alarm = Alarm()
    invoked = [alarm.invokes(interval_s * at, state) for at, state in enumerate(states)]
    for at, state in enumerate(states):
        changed = state and (at == 0 or not states[at - 1])
        assert not invoked[at] or state
        assert invoked[at] or not changed
        steps = int(60 / interval_s)
        recent = range(max(0, at - steps + 1), at)
        assert not (invoked[at] and not changed and any(invoked[before] for before in recent))


def test_a_refused_change_starts_no_cooldown() -> None:
    cooldowns, world = Cooldowns(300.0, 300.0), ScriptedQueue(desired=10, throttled=True)
    cooldowns.scale_out(world, Tasks(10, 10, 0), 10.0, 20, "more")
    cooldowns.scale_in(world, Tasks(10, 10, 0), 5, "fewer")
    assert cooldowns.start(0.0, 12.0) == 12.0
    assert cooldowns.permits_scale_in(0.0, Tasks(10, 10, 0))
    assert world.changes == []


@pytest.mark.parametrize(("later_s", "start"), [(0.0, 10.0), (299.0, 10.0), (300.0, 25.0)])
def test_the_added_tasks_are_part_of_the_result_until_the_cooldown_ends(later_s: float, start: float) -> None:
    cooldowns, world = Cooldowns(300.0, 60.0), ScriptedQueue(desired=10)
    cooldowns.scale_out(world, Tasks(10, 10, 0), 10.0, 20, "more")
    assert cooldowns.start(later_s, 25.0) == start


def test_a_scale_out_ends_the_cooldown_after_a_scale_in() -> None:
    cooldowns, world, seen = Cooldowns(300.0, 300.0), ScriptedQueue(desired=10), Tasks(10, 10, 0)
    cooldowns.scale_in(world, seen, 9, "fewer")
    assert not cooldowns.permits_scale_in(299.0, seen)
    cooldowns.scale_out(world, Tasks(9, 9, 0), 9.0, 12, "more")
    assert cooldowns.permits_scale_in(299.0, seen)
    assert not cooldowns.permits_scale_in(299.0, Tasks(10, 10, 0, deployment_s=0.0))
