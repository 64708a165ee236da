"""Means, and how far they can be trusted."""

from __future__ import annotations

import math
from typing import Any

import pytest

from autoscaler.sim.report.estimate import Estimate, estimate, student_95
from tests.about import about


@pytest.mark.parametrize(
    ("degrees", "t"), [(1, 12.706), (2, 4.303), (10, 2.228), (11, 2.201), (15, 2.131), (30, 2.042), (120, 1.980)]
)
def test_students_t_is_that_of_the_printed_tables(degrees: int, t: float) -> None:
    assert student_95(degrees) == about(t, abs=0.001)


def test_the_interval_of_three_values_is_t_times_the_standard_error() -> None:
    # Mean 2, standard deviation 1, so 4.303 / sqrt(3).
    assert estimate([1.0, 2.0, 3.0]) == Estimate(2.0, about(2.484, abs=0.001))


def test_one_value_says_nothing_of_its_spread() -> None:
    assert estimate([2.0]) == Estimate(2.0, None)


def test_what_is_unknown_once_is_unknown() -> None:
    assert math.isnan(estimate([1.0, math.nan]).mean)
    assert estimate([1.0, math.nan]).half_width is None


@pytest.mark.parametrize(
    ("known", "clear"),
    [(Estimate(1.0, 0.9), True), (Estimate(-1.0, 0.9), True), (Estimate(1.0, 1.0), False), (Estimate(0.0), False),
     (Estimate(0.1), True)],
)  # fmt: skip
def test_a_difference_is_clear_where_its_interval_leaves_zero_out(known: Any, clear: bool) -> None:
    assert known.is_clear is clear
