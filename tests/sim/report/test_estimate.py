"""Means with confidence intervals."""

from __future__ import annotations

import math
from typing import Any

import pytest

from autoscaler.sim.report.comparison import MeanWithInterval, estimate, student_95
from tests.about import about


@pytest.mark.parametrize(
    ("degrees", "t"), [(1, 12.706), (2, 4.303), (10, 2.228), (11, 2.201), (15, 2.131), (30, 2.042), (120, 1.980)]
)
def test_students_t_matches_the_published_tables(degrees: int, t: float) -> None:
    assert student_95(degrees) == about(t, abs=0.001)


def test_the_half_width_for_three_values_is_t_times_the_standard_error() -> None:
    # Mean 2, standard deviation 1, so 4.303 / sqrt(3).
    assert estimate([1.0, 2.0, 3.0]) == MeanWithInterval(2.0, about(2.484, abs=0.001))


def test_one_value_has_no_interval() -> None:
    assert estimate([2.0]) == MeanWithInterval(2.0, None)


def test_a_mean_with_an_unknown_value_is_unknown() -> None:
    assert math.isnan(estimate([1.0, math.nan]).mean)
    assert estimate([1.0, math.nan]).half_width is None


@pytest.mark.parametrize(
    ("known", "clear"),
    [
        (MeanWithInterval(1.0, 0.9), True), (MeanWithInterval(-1.0, 0.9), True), (MeanWithInterval(1.0, 1.0), False),
        (MeanWithInterval(0.0), False), (MeanWithInterval(0.1), True)],
)  # fmt: skip
def test_a_difference_is_clear_if_its_interval_excludes_zero(known: Any, clear: bool) -> None:
    assert known.is_clear is clear
