"""A long series is reduced to few points without the loss of a peak."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.sim.report.pictures import MOST_POINTS, thinned


@st.composite
def series(draw: Any) -> Any:
    """Return up to 300 points with equal, near or distant instants."""
    gaps = draw(st.lists(st.sampled_from([0.0, 0.1, 1.0, 1.0, 1.0, 500.0]), min_size=1, max_size=300))
    values = draw(st.lists(st.integers(-50, 50), min_size=len(gaps), max_size=len(gaps)))
    return np.cumsum(gaps), np.array(values, dtype=np.float64)


@given(series(), st.integers(4, 60))
def test_the_extremes_the_first_and_the_last_point_are_kept_within_the_maximum(points: Any, most: Any) -> None:
    at, values = points
    chosen = thinned(at, values, most)
    assert len(chosen) <= max(most, 4)
    assert list(chosen) == sorted(set(chosen.tolist()))
    assert {values[chosen].min(), values[chosen].max()} == {values.min(), values.max()}
    assert chosen[0] == 0
    assert chosen[-1] == len(at) - 1


@given(series(), st.integers(4, 60))
def test_every_section_keeps_its_extremes(points: Any, most: Any) -> None:
    at, values = points
    if len(at) <= most or at[0] == at[-1]:
        return
    edges = np.linspace(at[0], at[-1], (most - 1) // 3 + 1)
    section = np.searchsorted(edges[1:-1], at, side="right")
    chosen = thinned(at, values, most)
    for one in set(section.tolist()):
        inside, drawn = values[section == one], values[chosen[section[chosen] == one]]
        assert (drawn.min(), drawn.max(), drawn[-1]) == (inside.min(), inside.max(), inside[-1])


@pytest.mark.parametrize("length", [0, 1, MOST_POINTS - 1, MOST_POINTS])
def test_a_series_within_the_maximum_is_unchanged(length: Any) -> None:
    assert thinned(np.arange(length, dtype=float), np.zeros(length)).tolist() == list(range(length))


def test_a_series_with_one_point_above_the_maximum_is_reduced() -> None:
    length = MOST_POINTS + 1
    assert len(thinned(np.arange(length, dtype=float), np.zeros(length))) <= MOST_POINTS


def test_a_single_spike_among_a_million_points_is_kept() -> None:
    values = np.zeros(1_000_000)
    values[654_321] = 9
    assert 654_321 in thinned(np.arange(1e6), values)
