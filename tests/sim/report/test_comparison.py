"""Policies beside each other."""

from __future__ import annotations

import math
from typing import Any

import pytest

from autoscaler.sim.report.comparison import COST, LATE, compare
from tests.sim.report.made import scored


def test_a_row_is_a_policy_under_its_settings_and_the_order_is_that_of_the_runs() -> None:
    rows = compare([scored("keda", "5"), scored("ours"), scored("keda", "1"), scored("keda", "5", 2)]).rows
    assert [(row.policy, row.settings, row.seeds) for row in rows] == [
        ("keda", "5", (1, 2)), ("ours", "", (1,)), ("keda", "1", (1,)),
    ]  # fmt: skip


def test_a_name_carries_its_settings_only_where_it_comes_with_several() -> None:
    rows = compare([scored("keda", "5"), scored("ours", "defaults"), scored("keda", "1")]).rows
    assert [row.label for row in rows] == ["keda 5", "ours", "keda 1"]


def test_a_difference_is_taken_seed_by_seed() -> None:
    # Seeds differ by 1.0, policies by 0.1 in each of them: the means' intervals overlap, the difference is sharp.
    runs = [scored("ours", seed=k, cost_per_work=k) for k in (1, 2, 3)]
    runs += [scored("keda", seed=k, cost_per_work=k + 0.1) for k in (3, 1, 2)]
    _, keda = compare(runs).rows
    width = keda.figures[COST.field].half_width
    assert width is not None
    assert width > 2
    assert keda.against is not None
    assert keda.against[COST.field].mean == pytest.approx(0.1)
    assert keda.against[COST.field].half_width == pytest.approx(0, abs=1e-9)
    assert keda.against[COST.field].is_clear


def test_seeds_without_a_partner_are_no_part_of_the_difference() -> None:
    runs = [scored("ours", seed=1, cost_per_work=1), scored("keda", seed=1, cost_per_work=2)]
    against = compare([*runs, scored("keda", seed=2, cost_per_work=90)]).rows[1].against
    assert against is not None
    assert against[COST.field].mean == 1


def test_without_a_common_seed_there_is_no_difference() -> None:
    assert compare([scored("ours", seed=1), scored("keda", seed=2)]).rows[1].against is None


def test_without_ours_there_is_nothing_to_differ_from() -> None:
    assert compare([scored("keda"), scored("react")]).ours is None


def test_ours_is_the_product_at_its_defaults_and_else_its_first_settings() -> None:
    runs = [scored("ours:tolerance=0.2"), scored("ours:tolerance=0.3"), scored("ourselves")]
    tuned, default = compare(runs).ours, compare([*runs, scored("ours")]).ours
    assert tuned is not None
    assert tuned.policy == "ours:tolerance=0.2"
    assert default is not None
    assert default.policy == "ours"
    assert compare([scored("ourselves")]).ours is None


def test_late_is_shown_in_percent() -> None:
    assert compare([scored("ours", late_fraction=0.123)]).rows[0].mean(LATE) == pytest.approx(12.3)


def test_the_best_are_all_that_look_the_same_and_never_the_limit() -> None:
    costs = {"ours": 1.504, "keda": 1.496, "react": 1.51, "clairvoyant": 1.1}
    comparison = compare([scored(policy, cost_per_work=cost) for policy, cost in costs.items()])
    assert comparison.best(COST) == {"ours", "keda"}


def test_where_all_are_the_same_none_is_the_best() -> None:
    assert compare([scored("ours"), scored("keda"), scored("clairvoyant", cost_per_work=1.0)]).best(COST) == frozenset()


def test_what_is_unknown_is_not_the_best() -> None:
    comparison = compare([scored("ours", cost_per_work=math.nan), scored("keda", cost_per_work=3.0)])
    assert comparison.best(COST) == {"keda"}
    assert compare([scored("ours", cost_per_work=math.nan)]).best(COST) == frozenset()


def test_better_is_neither_dearer_nor_later_and_one_of_both_less() -> None:
    places = {"ours": (2.0, 0.1), "same": (2.0, 0.1), "cheaper": (1.9, 0.1), "sooner": (2.0, 0.0), "trade": (1.0, 0.2),
              "clairvoyant": (1.0, 0.0)}  # fmt: skip
    comparison = compare(
        [scored(name, cost_per_work=cost, late_fraction=late) for name, (cost, late) in places.items()]
    )
    assert comparison.ours is not None
    assert [row.label for row in comparison.better(comparison.ours)] == ["cheaper", "sooner"]


@pytest.mark.parametrize(
    ("value", "text", "signed"),
    [(1234.567, "1,234.57", "+1,234.57"), (-0.001, "0.00", "0.00"), (0.001, "0.00", "0.00"), (-2.0, "-2.00", "-2.00"),
     (math.nan, "–", "–")],
)  # fmt: skip
def test_numbers_are_shown_with_their_measures_decimals_and_zero_has_no_sign(
    value: Any, text: str, signed: str
) -> None:
    assert COST.text(value) == text
    assert COST.signed(value) == signed
