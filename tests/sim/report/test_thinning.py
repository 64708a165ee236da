"""A long series is drawn with few points, and no peak is lost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.sim.report.thinning import MOST_POINTS, kept


@st.composite
def series(draw: Any) -> Any:
    """Up to some hundred points; instants may lie together, or far apart."""
    gaps = draw(st.lists(st.sampled_from([0.0, 0.1, 1.0, 1.0, 1.0, 500.0]), min_size=1, max_size=300))
    values = draw(st.lists(st.integers(-50, 50), min_size=len(gaps), max_size=len(gaps)))
    return np.cumsum(gaps), np.array(values, dtype=np.float64)


@given(series(), st.integers(4, 60))
def test_the_extremes_the_first_and_the_last_are_kept_and_there_are_few(points: Any, most: Any) -> None:
    at, values = points
    chosen = kept(at, values, most)
    assert len(chosen) <= max(most, 4)
    assert list(chosen) == sorted(set(chosen.tolist()))
    assert {values[chosen].min(), values[chosen].max()} == {values.min(), values.max()}
    assert chosen[0] == 0
    assert chosen[-1] == len(at) - 1


@given(series(), st.integers(4, 60))
def test_every_stretch_keeps_its_own_extremes(points: Any, most: Any) -> None:
    at, values = points
    if len(at) <= most or at[0] == at[-1]:
        return
    edges = np.linspace(at[0], at[-1], (most - 1) // 3 + 1)
    stretch = np.searchsorted(edges[1:-1], at, side="right")
    chosen = kept(at, values, most)
    for one in set(stretch.tolist()):
        inside, drawn = values[stretch == one], values[chosen[stretch[chosen] == one]]
        assert (drawn.min(), drawn.max(), drawn[-1]) == (inside.min(), inside.max(), inside[-1])


@pytest.mark.parametrize("length", [0, 1, MOST_POINTS - 1, MOST_POINTS])
def test_what_is_short_enough_stays_as_it_is(length: Any) -> None:
    assert kept(np.arange(length, dtype=float), np.zeros(length)).tolist() == list(range(length))


def test_one_point_more_than_that_is_thinned() -> None:
    length = MOST_POINTS + 1
    assert len(kept(np.arange(length, dtype=float), np.zeros(length))) <= MOST_POINTS


def test_a_lone_spike_among_a_million_points_is_seen() -> None:
    values = np.zeros(1_000_000)
    values[654_321] = 9
    assert 654_321 in kept(np.arange(1e6), values)
