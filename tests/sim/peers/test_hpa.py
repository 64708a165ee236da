"""The rules of the HPA at their limits, as documented by Kubernetes."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.sim.peers.hpa import (
    SCALE_DOWN,
    SCALE_UP,
    Condition,
    HpaMemory,
    PolicyKind,
    Recommendation,
    Rules,
    ScaleEvent,
    ScalingPolicy,
    SelectPolicy,
    Spec,
    by_average,
    changed,
    desired,
    down_limit,
    limited,
    stabilized,
    up_limit,
)

NOW = 10_000.0
SPEC = Spec(1, 1000)


def events(*changes: tuple[float, int]) -> tuple[ScaleEvent, ...]:
    """Return events from pairs of age and change."""
    return tuple(ScaleEvent(NOW - age_s, change) for age_s, change in changes)


def recommended(*past: tuple[float, int]) -> HpaMemory:
    """Return past recommendations from pairs of age and replicas."""
    return HpaMemory(tuple(Recommendation(NOW - age_s, replicas) for age_s, replicas in past))


def rules(*limits: ScalingPolicy, select: SelectPolicy = SelectPolicy.MAX, window_s: float = 0.0) -> Rules:
    return Rules(window_s, select, limits)


@pytest.mark.parametrize(("value", "replicas"), [(44.0, 4), (45.0, 5), (36.0, 4), (35.0, 4), (29.0, 3), (0.0, 0)])
def test_an_average_value_outside_the_closed_tolerance_is_rounded_up(value: float, replicas: int) -> None:
    assert by_average(value, 10.0, 4, SPEC) == replicas


def test_scaling_up_and_down_have_separate_tolerances() -> None:
    narrow = Spec(1, 1000, tolerance_up=0.0, tolerance_down=0.5)
    assert by_average(41.0, 10.0, 4, narrow) == 5
    assert by_average(20.0, 10.0, 4, narrow) == 4
    assert by_average(19.0, 10.0, 4, narrow) == 2


def test_there_is_no_tolerance_at_zero_replicas() -> None:
    assert by_average(1.0, 10.0, 0, SPEC) == 1


def test_a_count_never_exceeds_32_bits() -> None:
    assert by_average(1e30, 1.0, 1, SPEC) == 2**31 - 1


@pytest.mark.parametrize(("current", "reached"), [(1, 5), (3, 7), (4, 8), (5, 10), (60, 120)])
def test_the_default_scale_up_adds_four_replicas_or_doubles(current: int, reached: int) -> None:
    assert limited(SPEC, HpaMemory(), current, 900, NOW) == (reached, Condition.UP)


def test_the_default_scale_down_has_no_rate_limit() -> None:
    assert limited(SPEC, HpaMemory(), 900, 3, NOW) == (3, Condition.WITHIN)


@pytest.mark.parametrize(("age_s", "reached"), [(14.9, 12), (15.0, 20)])
def test_an_event_counts_while_it_is_younger_than_the_period(age_s: float, reached: int) -> None:
    assert up_limit(SCALE_UP, HpaMemory(ups=events((age_s, 4))), 10, NOW) == reached


def test_replicas_removed_in_the_period_can_be_added_again_and_added_ones_removed() -> None:
    four = rules(ScalingPolicy(PolicyKind.PODS, 4, 60.0))
    assert up_limit(four, HpaMemory(downs=events((30.0, 3))), 10, NOW) == 17
    assert down_limit(four, HpaMemory(ups=events((30.0, 3))), 10, NOW) == 3


def test_a_percent_policy_rounds_up_for_scale_up_and_truncates_for_scale_down() -> None:
    third = rules(ScalingPolicy(PolicyKind.PERCENT, 33, 60.0))
    assert up_limit(third, HpaMemory(), 10, NOW) == 14
    assert down_limit(third, HpaMemory(), 10, NOW) == 6


@pytest.mark.parametrize(
    ("select", "up", "down"), [(SelectPolicy.MAX, 20, 0), (SelectPolicy.MIN, 13, 7), (SelectPolicy.DISABLED, 10, 10)]
)
def test_one_of_several_policies_is_selected(select: SelectPolicy, up: int, down: int) -> None:
    both = rules(ScalingPolicy(PolicyKind.PODS, 3, 60.0), ScalingPolicy(PolicyKind.PERCENT, 100, 60.0), select=select)
    assert up_limit(both, HpaMemory(), 10, NOW) == up
    assert down_limit(both, HpaMemory(), 10, NOW) == down


def test_a_limit_never_reverses_the_direction() -> None:
    used_up = rules(ScalingPolicy(PolicyKind.PODS, 2, 60.0))
    assert up_limit(used_up, HpaMemory(ups=events((10.0, 9))), 10, NOW) == 10
    assert down_limit(used_up, HpaMemory(downs=events((10.0, 9))), 10, NOW) == 10


@pytest.mark.parametrize(
    ("current", "recommended", "expected"),
    [
        (10, 50, (20, Condition.UP)),
        (30, 50, (40, Condition.TOO_MANY)),
        (20, 50, (40, Condition.TOO_MANY)),
        (30, 2, (5, Condition.TOO_FEW)),
        (30, 30, (30, Condition.WITHIN)),
        (30, 35, (35, Condition.WITHIN)),
    ],
)
def test_the_condition_names_the_limit_that_applied(
    current: int, recommended: int, expected: tuple[int, Condition]
) -> None:
    assert limited(Spec(5, 40), HpaMemory(), current, recommended, NOW) == expected


def test_the_condition_distinguishes_a_scale_down_rate_from_the_minimum() -> None:
    slow = Spec(5, 40, down=rules(ScalingPolicy(PolicyKind.PODS, 5, 60.0)))
    assert limited(slow, HpaMemory(), 30, 2, NOW) == (25, Condition.DOWN)
    assert limited(slow, HpaMemory(), 10, 2, NOW) == (5, Condition.TOO_FEW)


@pytest.mark.parametrize(("age_s", "replicas"), [(299.9, 12), (300.0, 4)])
def test_scale_down_goes_to_the_highest_recommendation_of_a_window_with_an_open_end(
    age_s: float, replicas: int
) -> None:
    assert stabilized(SPEC, recommended((age_s, 12)), 20, 4, NOW)[0] == replicas


def test_scale_up_goes_to_the_lowest_recommendation_of_its_window() -> None:
    calm = Spec(1, 1000, up=rules(*SCALE_UP.limits, window_s=60.0))
    assert stabilized(calm, recommended((30.0, 7)), 5, 40, NOW)[0] == 7


def test_contradicting_windows_hold_the_current_count() -> None:
    calm = Spec(1, 1000, up=rules(*SCALE_UP.limits, window_s=300.0))
    assert stabilized(calm, recommended((10.0, 3), (20.0, 90)), 8, 20, NOW)[0] == 8


def test_the_memory_stores_the_recommendation_before_stabilization() -> None:
    _, memory = stabilized(SPEC, recommended((10.0, 50)), 50, 4, NOW)
    assert memory.recommendations is not None
    assert memory.recommendations[-1] == Recommendation(NOW, 4)


def test_the_newest_recommendation_replaces_one_that_is_older_than_every_window() -> None:
    _, memory = stabilized(SPEC, recommended((900.0, 1), (301.0, 2), (300.0, 3)), 5, 4, NOW)
    assert memory.recommendations is not None
    assert [past.replicas for past in memory.recommendations] == [1, 4, 3]


def test_a_controller_does_not_scale_down_in_its_first_window() -> None:
    replicas, memory = desired(SPEC, HpaMemory(), 20, 2, NOW)
    assert replicas == 20
    assert desired(SPEC, memory, 20, 2, NOW + 299.0)[0] == 20
    assert desired(SPEC, memory, 20, 2, NOW + 300.0)[0] == 2


@pytest.mark.parametrize(("current", "replicas"), [(90, 40), (2, 5)])
def test_a_count_out_of_bounds_is_corrected_without_rules_and_metrics(current: int, replicas: int) -> None:
    slow = Spec(5, 40, SCALE_UP, rules(ScalingPolicy(PolicyKind.PODS, 1, 60.0)))
    assert desired(slow, HpaMemory(), current, 20, NOW)[0] == replicas


def test_a_change_is_stored_by_direction_for_the_longest_period() -> None:
    memory = changed(SPEC, HpaMemory(ups=events((16.0, 1), (15.0, 2))), 5, 8, NOW)
    assert memory.ups == (*events((15.0, 2)), ScaleEvent(NOW, 3))
    assert changed(SPEC, memory, 8, 6, NOW).downs == (ScaleEvent(NOW, 2),)
    assert changed(SPEC, memory, 8, 8, NOW) == memory


ages = st.floats(0.0, 400.0)
counts = st.integers(0, 60)


@given(
    current=counts,
    target=counts,
    past=st.lists(st.tuples(ages, counts), max_size=4),
    ups=st.lists(st.tuples(ages, st.integers(1, 9)), max_size=3),
    downs=st.lists(st.tuples(ages, st.integers(1, 9)), max_size=3),
)
def test_the_result_is_between_the_current_count_and_the_target(
    current: Any, target: Any, past: Any, ups: Any, downs: Any
) -> None:
    spec = Spec(0, 1000, rules(ScalingPolicy(PolicyKind.PODS, 3, 60.0), window_s=30.0), SCALE_DOWN)
    memory = HpaMemory(recommended(*past).recommendations, events(*ups), events(*downs))
    replicas, _ = desired(spec, memory, current, target, NOW)
    assert min(current, target) <= replicas <= max(current, target)
    assert not math.isnan(replicas)
