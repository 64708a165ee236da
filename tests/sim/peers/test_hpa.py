"""The HPA's rules, each at its edges, as the Kubernetes documentation has them."""

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
    Event,
    Kind,
    Limit,
    Memory,
    Recommendation,
    Rules,
    Select,
    Spec,
    by_average,
    by_value,
    changed,
    desired,
    down_limit,
    limited,
    of_several,
    stabilized,
    up_limit,
)

NOW = 10_000.0
SPEC = Spec(1, 1000)


def events(*changes: tuple[float, int]) -> tuple[Event, ...]:
    """As (age, change)."""
    return tuple(Event(NOW - age_s, change) for age_s, change in changes)


def recommended(*past: tuple[float, int]) -> Memory:
    """As (age, replicas)."""
    return Memory(tuple(Recommendation(NOW - age_s, replicas) for age_s, replicas in past))


def rules(*limits: Limit, select: Select = Select.MAX, window_s: float = 0.0) -> Rules:
    return Rules(window_s, select, limits)


@pytest.mark.parametrize(("value", "replicas"), [(44.0, 4), (45.0, 5), (36.0, 4), (35.0, 4), (29.0, 3), (0.0, 0)])
def test_an_average_is_rounded_up_outside_a_closed_tolerance(value: float, replicas: int) -> None:
    assert by_average(value, 10.0, 4, SPEC) == replicas


def test_each_direction_has_a_tolerance_of_its_own() -> None:
    narrow = Spec(1, 1000, tolerance_up=0.0, tolerance_down=0.5)
    assert by_average(41.0, 10.0, 4, narrow) == 5
    assert by_average(20.0, 10.0, 4, narrow) == 4
    assert by_average(19.0, 10.0, 4, narrow) == 2


def test_from_none_there_is_no_tolerance() -> None:
    assert by_average(1.0, 10.0, 0, SPEC) == 1
    assert by_value(21.0, 10.0, 0, 0, SPEC) == 3


def test_a_metric_of_type_value_multiplies_the_ready_replicas() -> None:
    assert by_value(15.0, 10.0, 8, 4, SPEC) == 6
    assert by_value(10.9, 10.0, 8, 4, SPEC) == 8


def test_a_count_never_exceeds_32_bits() -> None:
    assert by_average(1e30, 1.0, 1, SPEC) == 2**31 - 1


@pytest.mark.parametrize(
    ("asked", "answer"),
    [([3, 8], 8), ([3, None], None), ([5, None], 5), ([9, None], 9), ([None, None], None), ([2], 2), ([], None)],
)
def test_with_a_failed_metric_it_goes_up_or_stays_and_never_down(asked: list[int | None], answer: int | None) -> None:
    assert of_several(asked, 5) == answer


@pytest.mark.parametrize(("current", "reached"), [(1, 5), (3, 7), (4, 8), (5, 10), (60, 120)])
def test_at_the_defaults_it_goes_up_by_four_or_doubles(current: int, reached: int) -> None:
    assert limited(SPEC, Memory(), current, 900, NOW) == (reached, Condition.UP)


def test_at_the_defaults_it_goes_down_at_once() -> None:
    assert limited(SPEC, Memory(), 900, 3, NOW) == (3, Condition.WITHIN)


@pytest.mark.parametrize(("age_s", "reached"), [(14.9, 12), (15.0, 20)])
def test_an_event_counts_while_it_is_younger_than_the_period(age_s: float, reached: int) -> None:
    assert up_limit(SCALE_UP, Memory(ups=events((age_s, 4))), 10, NOW) == reached


def test_what_was_removed_in_the_period_may_be_added_again() -> None:
    four = rules(Limit(Kind.PODS, 4, 60.0))
    assert up_limit(four, Memory(downs=events((30.0, 3))), 10, NOW) == 17
    assert down_limit(four, Memory(ups=events((30.0, 3))), 10, NOW) == 3


def test_percent_rounds_up_on_the_way_up_and_truncates_on_the_way_down() -> None:
    third = rules(Limit(Kind.PERCENT, 33, 60.0))
    assert up_limit(third, Memory(), 10, NOW) == 14
    assert down_limit(third, Memory(), 10, NOW) == 6


@pytest.mark.parametrize(
    ("select", "up", "down"), [(Select.MAX, 20, 0), (Select.MIN, 13, 7), (Select.DISABLED, 10, 10)]
)
def test_of_several_limits_one_is_selected(select: Select, up: int, down: int) -> None:
    both = rules(Limit(Kind.PODS, 3, 60.0), Limit(Kind.PERCENT, 100, 60.0), select=select)
    assert up_limit(both, Memory(), 10, NOW) == up
    assert down_limit(both, Memory(), 10, NOW) == down


def test_a_limit_never_turns_the_direction() -> None:
    used_up = rules(Limit(Kind.PODS, 2, 60.0))
    assert up_limit(used_up, Memory(ups=events((10.0, 9))), 10, NOW) == 10
    assert down_limit(used_up, Memory(downs=events((10.0, 9))), 10, NOW) == 10


@pytest.mark.parametrize(
    ("current", "wanted", "answer"),
    [
        (10, 50, (20, Condition.UP)),
        (30, 50, (40, Condition.TOO_MANY)),
        (20, 50, (40, Condition.TOO_MANY)),
        (30, 2, (5, Condition.TOO_FEW)),
        (30, 30, (30, Condition.WITHIN)),
        (30, 35, (35, Condition.WITHIN)),
    ],
)
def test_it_says_what_bound_it(current: int, wanted: int, answer: tuple[int, Condition]) -> None:
    assert limited(Spec(5, 40), Memory(), current, wanted, NOW) == answer


def test_a_rate_on_the_way_down_is_told_apart_from_the_minimum() -> None:
    slow = Spec(5, 40, down=rules(Limit(Kind.PODS, 5, 60.0)))
    assert limited(slow, Memory(), 30, 2, NOW) == (25, Condition.DOWN)
    assert limited(slow, Memory(), 10, 2, NOW) == (5, Condition.TOO_FEW)


@pytest.mark.parametrize(("age_s", "replicas"), [(299.9, 12), (300.0, 4)])
def test_the_way_down_is_to_the_highest_of_a_window_that_is_open_at_its_end(age_s: float, replicas: int) -> None:
    assert stabilized(SPEC, recommended((age_s, 12)), 20, 4, NOW)[0] == replicas


def test_the_way_up_is_to_the_lowest_of_its_window() -> None:
    calm = Spec(1, 1000, up=rules(*SCALE_UP.limits, window_s=60.0))
    assert stabilized(calm, recommended((30.0, 7)), 5, 40, NOW)[0] == 7


def test_windows_that_disagree_hold_the_current_count() -> None:
    calm = Spec(1, 1000, up=rules(*SCALE_UP.limits, window_s=300.0))
    assert stabilized(calm, recommended((10.0, 3), (20.0, 90)), 8, 20, NOW)[0] == 8


def test_what_was_asked_for_is_remembered_and_not_what_came_of_it() -> None:
    _, memory = stabilized(SPEC, recommended((10.0, 50)), 50, 4, NOW)
    assert memory.recommendations is not None
    assert memory.recommendations[-1] == Recommendation(NOW, 4)


def test_one_recommendation_that_no_window_reaches_gives_its_place_to_the_newest() -> None:
    _, memory = stabilized(SPEC, recommended((900.0, 1), (301.0, 2), (300.0, 3)), 5, 4, NOW)
    assert memory.recommendations is not None
    assert [past.replicas for past in memory.recommendations] == [1, 4, 3]


def test_a_controller_that_has_just_started_does_not_scale_down() -> None:
    replicas, memory = desired(SPEC, Memory(), 20, 2, NOW)
    assert replicas == 20
    assert desired(SPEC, memory, 20, 2, NOW + 299.0)[0] == 20
    assert desired(SPEC, memory, 20, 2, NOW + 300.0)[0] == 2


@pytest.mark.parametrize(("current", "replicas"), [(90, 40), (2, 5)])
def test_a_count_found_out_of_bounds_is_set_right_before_anything_is_read(current: int, replicas: int) -> None:
    slow = Spec(5, 40, SCALE_UP, rules(Limit(Kind.PODS, 1, 60.0)))
    assert desired(slow, Memory(), current, 20, NOW)[0] == replicas


def test_a_change_is_remembered_by_its_direction_for_as_long_as_a_period_reaches() -> None:
    memory = changed(SPEC, Memory(ups=events((16.0, 1), (15.0, 2))), 5, 8, NOW)
    assert memory.ups == (*events((15.0, 2)), Event(NOW, 3))
    assert changed(SPEC, memory, 8, 6, NOW).downs == (Event(NOW, 2),)
    assert changed(SPEC, memory, 8, 8, NOW) == memory


ages = st.floats(0.0, 400.0)
counts = st.integers(0, 60)


@given(
    current=counts,
    asked=counts,
    past=st.lists(st.tuples(ages, counts), max_size=4),
    ups=st.lists(st.tuples(ages, st.integers(1, 9)), max_size=3),
    downs=st.lists(st.tuples(ages, st.integers(1, 9)), max_size=3),
)
def test_the_answer_lies_between_the_current_count_and_what_is_asked_for(
    current: Any, asked: Any, past: Any, ups: Any, downs: Any
) -> None:
    spec = Spec(0, 1000, rules(Limit(Kind.PODS, 3, 60.0), window_s=30.0), SCALE_DOWN)
    memory = Memory(recommended(*past).recommendations, events(*ups), events(*downs))
    replicas, _ = desired(spec, memory, current, asked, NOW)
    assert min(current, asked) <= replicas <= max(current, asked)
    assert not math.isnan(replicas)
