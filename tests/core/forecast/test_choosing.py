"""The weights of the forecasts: discounted errors, and predictions stored until their minutes have come."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.forecast.choosing import HALF_LIVES, SMALL, Errors, Predictions, shares
from autoscaler.core.forecast.forecaster import EDGES, HALF_LIFE, QUANTILES, Headroom

misses = st.lists(st.tuples(st.floats(0, 100), st.booleans()), min_size=1, max_size=40)


def naive_mean(errors: list[float], half_life: float) -> float:
    """Return the mean, in which an error counts half after `half_life` further ones."""
    weights = [0.5 ** (age / half_life) for age in range(len(errors) - 1, -1, -1)]
    return sum(weight * error for weight, error in zip(weights, errors, strict=True)) / sum(weights) if errors else 0.0


@given(misses, st.integers(0, 40))
def test_the_mean_error_is_discounted_by_the_known_minutes_after_it(each: list[tuple[float, bool]], cut: int) -> None:
    """Also if the minutes are added in two parts; an unknown minute changes nothing."""
    recorded, after = Errors(1, 2), []
    for part in (each[:cut], each[cut:]):
        if part:
            values = np.array([[[error, 2 * error] for error, _ in part]])
            after += list(np.moveaxis(recorded.take(values, np.array([known for _, known in part])), 2, 0))
    for number, means in enumerate(after, 1):
        known = [error for error, is_known in each[:number] if is_known]
        for half_life, found in zip(HALF_LIVES, means, strict=True):
            expected = naive_mean(known, half_life)
            assert found[0].tolist() == pytest.approx([expected, 2 * expected], abs=1e-9)
    assert np.allclose(recorded.means(), after[-1])


def test_an_error_counts_half_after_an_hour_and_after_half_a_day() -> None:
    """In known minutes: 60 and 720 errors of 0 after one of 1."""
    for half_life, minutes in enumerate((60, 720)):
        recorded = Errors(1, 1)
        recorded.take(np.ones((1, 1, 1)), np.ones(1, bool))
        recorded.take(np.zeros((1, minutes, 1)), np.ones(minutes, bool))
        assert recorded._sums[half_life, 0, 0] == pytest.approx(0.5)


def test_long_stretches_are_the_same_as_single_minutes() -> None:
    values = np.random.Generator(np.random.PCG64(1)).uniform(0, 9, (3, 700, 2))
    once, single = Errors(3, 2), Errors(3, 2)
    found = once.take(values, np.ones(700, bool))
    for minute in range(700):
        each = single.take(values[:, minute : minute + 1], np.ones(1, bool))
        assert np.allclose(found[:, :, minute], each[:, :, 0])
    assert np.allclose(once.means(), single.means())


@pytest.mark.parametrize("minutes", [1, 2, 3])
def test_each_known_minute_counts_however_few_are_added_at_once(minutes: int) -> None:
    errors = [4.0, 1.0, 7.0][:minutes]
    recorded = Errors(1, 1)
    found = recorded.take(np.array([errors])[..., None], np.ones(minutes, bool))
    for half_life, means in zip(HALF_LIVES, found[:, 0, :, 0], strict=True):
        expected = [naive_mean(errors[:number], half_life) for number in range(1, minutes + 1)]
        assert means.tolist() == pytest.approx(expected)
        assert recorded.mean_of(0)[:, 0].tolist() == recorded.means()[:, 0, 0].tolist()


def test_before_the_first_error_the_means_are_zero() -> None:
    recorded = Errors(2, 3)
    assert recorded.means().tolist() == np.zeros((2, 2, 3)).tolist()
    assert recorded.take(np.ones((2, 1, 3)), np.zeros(1, bool)).max() == 0.0
    assert recorded.take(np.ones((2, 5, 3)), np.zeros(5, bool)).tolist() == np.zeros((2, 2, 5, 3)).tolist()
    assert recorded.nbytes == 8 * (2 * 2 * 3 + 2)


def test_a_forecast_whose_error_is_an_eighth_larger_has_a_weight_that_is_smaller_by_a_factor_of_e() -> None:
    errors = np.array([1.0, 1.125, 1.25, 3.0])
    weights = shares(np.stack([errors, errors]) - SMALL / 2)
    assert weights.sum() == pytest.approx(1.0)
    assert weights[0] / weights[1] == pytest.approx(math.e)
    assert weights[0] / weights[2] == pytest.approx(math.e**2)
    assert weights[3] < 1e-6


def test_both_half_lives_count_alike_and_tiny_errors_are_equal() -> None:
    assert shares(np.array([[1.0, 3.0], [3.0, 1.0]])).tolist() == pytest.approx([0.5, 0.5])
    assert shares(np.zeros((2, 4))).tolist() == pytest.approx([0.25] * 4)
    assert shares(np.array([[0.0, SMALL / 8], [0.0, 0.0]]))[0] == pytest.approx(math.e / (1 + math.e))


def test_each_row_of_weights_adds_up_to_one() -> None:
    weights = shares(np.random.Generator(np.random.PCG64(1)).uniform(0, 9, (2, 5, 7, 4)))
    assert weights.shape == (5, 7, 4)
    assert np.allclose(weights.sum(axis=-1), 1.0)


# Predictions.

ANCHORS = np.array([1, 3, 5])
STARTS = np.array([0, 1, 4])


def made_at(minutes: np.ndarray) -> np.ndarray:
    """Return a different prediction for each anchor, minute and column."""
    return np.stack([np.stack([minutes * 10.0 + anchor, -minutes * 10.0 - anchor], axis=1) for anchor in ANCHORS])


@pytest.mark.parametrize("sizes", [[1] * 30, [30], [7, 1, 1, 12, 2, 3], [2] * 15, [5, 25], [4, 4, 4, 4, 14]])
def test_the_prediction_for_a_minute_was_made_as_many_minutes_before_it(sizes: list[int]) -> None:
    stored, newest = Predictions(ANCHORS, STARTS, 2), 1000
    for size in sizes:
        minutes = newest + np.arange(size)
        made = made_at(minutes)
        found = stored.of(minutes, slice(0, 2), made)
        for row, anchor in enumerate(ANCHORS):
            for column, minute in enumerate(minutes.tolist()):
                if minute - anchor >= 1000:
                    expected = (minute - anchor) * 10.0 + anchor
                    assert found[row, column].tolist() == [expected, -expected]
        assert stored.of(minutes, slice(1, 2), made[..., 1:])[..., 0].tolist() == found[..., 1].tolist()
        stored.remember(minutes, made)
        newest += size
    assert stored.nbytes == 9 * 2 * 4


# The bounds.


def naive_bounds(errors: list[float]) -> list[float]:
    """Return the quantiles of a histogram, interpolated within its bins; those below zero are zero."""
    edges = EDGES.tolist()
    weights = [0.5 ** (age / HALF_LIFE) for age in range(len(errors) - 1, -1, -1)]
    below = [sum(w for w, e in zip(weights, errors, strict=True) if e < edge) for edge in edges]
    found = []
    for quantile in QUANTILES.tolist():
        required = quantile * sum(weights)
        last = max((at for at, amount in enumerate(below) if amount <= required), default=0)
        if below[0] > required:
            found.append(0.0)
        elif last == len(edges) - 1:
            found.append(edges[-1])
        else:
            share = (required - below[last]) / (below[last + 1] - below[last])
            found.append(edges[last] + share * (edges[last + 1] - edges[last]))
    return found


@given(st.lists(st.floats(-3, 3) | st.floats(-100, 90), min_size=1, max_size=60), st.integers(1, 60))
def test_the_bounds_are_the_quantiles_of_the_recent_errors(errors: list[float], cut: int) -> None:
    headroom = Headroom(2)
    for part in (errors[:cut], errors[cut:]):
        rows = np.array([part, [-1.0] * len(part)])
        headroom.take(rows, np.ones(len(part), bool))
    found = headroom.above()
    assert found.shape == (2, len(QUANTILES))
    assert found[0].tolist() == pytest.approx(naive_bounds(errors), abs=1e-6)
    assert found[1].max() == 0.0


def test_unknown_minutes_do_not_change_the_bounds() -> None:
    plain, more = Headroom(1), Headroom(1)
    plain.take(np.array([[0.1, 0.6, 2.0]]), np.ones(3, bool))
    more.take(np.array([[0.1, 50.0, 0.6, 2.0]]), np.array([True, False, True, True]))
    assert more.above().tolist() == plain.above().tolist()


def test_an_error_counts_half_after_a_day() -> None:
    headroom = Headroom(1)
    headroom.take(np.array([[0.1]]), np.ones(1, bool))
    headroom.take(np.array([[-1.0] * 1440]), np.ones(1440, bool))
    below = sum(0.5 ** (age / 1440) for age in range(1440))
    assert headroom._frequencies[0, :2].tolist() == pytest.approx([below, 0.5])
    assert headroom.nbytes == 8 * (len(EDGES) + 1)


def test_from_each_quantile_of_the_bounds_to_the_next_at_least_two_fifths_of_the_tail_remain() -> None:
    """Between two of them the headroom is interpolated: over more of the tail than that, it would be far too high."""
    quantiles = QUANTILES.tolist()
    assert (quantiles[0], quantiles[-1]) == (0.5, 0.99)
    for low, high in pairwise(quantiles):
        assert low < high <= low + 0.1001
        assert 1 - high >= (1 - low) * 0.3999


def test_the_bins_of_the_bounds_are_at_most_a_quarter_wide_until_three_and_less_than_double_above() -> None:
    edges = EDGES.tolist()
    assert (edges[0], edges[-1], len(edges)) == (0.0, 100.0, 24)
    for low, high in pairwise(edges):
        assert low < high <= (low + 0.25 if high <= 3.0 else 1.8 * low)
    assert edges == sorted({*edges, *(0.25 * step for step in range(13)), 3.5, 4.0, 5.0, 6.0})
