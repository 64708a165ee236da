"""The comparison of policies."""

from __future__ import annotations

import math
from typing import Any

import pytest

from autoscaler.sim.report.comparison import COST, LATE, compare
from tests.sim.report.made import scored


def test_each_policy_with_settings_has_one_row_in_the_order_of_the_runs() -> None:
    rows = compare([scored("keda", "5"), scored("ours"), scored("keda", "1"), scored("keda", "5", 2)]).rows
    assert [(row.policy, row.settings, row.seeds) for row in rows] == [
        ("keda", "5", (1, 2)), ("ours", "", (1,)), ("keda", "1", (1,)),
    ]  # fmt: skip


def test_a_label_includes_the_settings_only_if_the_policy_has_several() -> None:
    rows = compare([scored("keda", "5"), scored("ours", "defaults"), scored("keda", "1")]).rows
    assert [row.label for row in rows] == ["keda 5", "ours", "keda 1"]


def test_a_difference_is_calculated_seed_by_seed() -> None:
    # Seeds differ by 1.0, policies by 0.1 per seed: the intervals of the means overlap, but the difference is clear.
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


def test_seeds_without_a_partner_are_excluded_from_the_difference() -> None:
    runs = [scored("ours", seed=1, cost_per_work=1), scored("keda", seed=1, cost_per_work=2)]
    against = compare([*runs, scored("keda", seed=2, cost_per_work=90)]).rows[1].against
    assert against is not None
    assert against[COST.field].mean == 1


def test_without_a_common_seed_there_is_no_difference() -> None:
    assert compare([scored("ours", seed=1), scored("keda", seed=2)]).rows[1].against is None


def test_without_ours_there_is_no_reference() -> None:
    assert compare([scored("keda"), scored("react")]).ours is None


def test_ours_is_the_product_with_its_defaults_or_else_with_its_first_settings() -> None:
    runs = [scored("ours:tolerance=0.2"), scored("ours:tolerance=0.3"), scored("ourselves")]
    tuned, default = compare(runs).ours, compare([*runs, scored("ours")]).ours
    assert tuned is not None
    assert tuned.policy == "ours:tolerance=0.2"
    assert default is not None
    assert default.policy == "ours"
    assert compare([scored("ourselves")]).ours is None


def test_the_late_fraction_is_shown_in_percent() -> None:
    assert compare([scored("ours", late_fraction=0.123)]).rows[0].mean(LATE) == pytest.approx(12.3)


def test_the_best_are_all_policies_with_equal_shown_values_and_never_the_clairvoyant() -> None:
    costs = {"ours": 1.504, "keda": 1.496, "react": 1.51, "clairvoyant": 1.1}
    comparison = compare([scored(policy, cost_per_work=cost) for policy, cost in costs.items()])
    assert comparison.best(COST) == {"ours", "keda"}


def test_no_policy_is_the_best_if_all_are_equal() -> None:
    assert compare([scored("ours"), scored("keda"), scored("clairvoyant", cost_per_work=1.0)]).best(COST) == frozenset()


def test_an_unknown_value_is_not_the_best() -> None:
    comparison = compare([scored("ours", cost_per_work=math.nan), scored("keda", cost_per_work=3.0)])
    assert comparison.best(COST) == {"keda"}
    assert compare([scored("ours", cost_per_work=math.nan)]).best(COST) == frozenset()


def test_better_policies_are_not_worse_in_cost_or_lateness_and_better_in_one() -> None:
    results = {"ours": (2.0, 0.1), "same": (2.0, 0.1), "cheaper": (1.9, 0.1), "sooner": (2.0, 0.0), "trade": (1.0, 0.2),
              "clairvoyant": (1.0, 0.0)}  # fmt: skip
    comparison = compare(
        [scored(name, cost_per_work=cost, late_fraction=late) for name, (cost, late) in results.items()]
    )
    assert comparison.ours is not None
    assert [row.label for row in comparison.better(comparison.ours)] == ["cheaper", "sooner"]


@pytest.mark.parametrize(
    ("value", "text", "signed"),
    [(1234.567, "1,234.57", "+1,234.57"), (-0.001, "0.00", "0.00"), (0.001, "0.00", "0.00"), (-2.0, "-2.00", "-2.00"),
     (math.nan, "–", "–")],
)  # fmt: skip
def test_numbers_have_the_decimals_of_their_measure_and_zero_has_no_sign(value: Any, text: str, signed: str) -> None:
    assert COST.text(value) == text
    assert COST.signed(value) == signed
