"""Laws of the synthetic load, and of thinning a load that exceeds the limit of the embedded Region."""

from itertools import pairwise
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.demo.load import CELL_S, MEAN_WORK_S, MOST_PER_CELL, Bin, place, rate_at, synthetic_load, thin, thinning


@st.composite
def timelines(draw: Any) -> Any:
    """Generate consecutive bins with a width of 0 to 60 s, and with 0 to 5 times `MOST_PER_CELL` messages."""
    begins, bins = 0.0, []
    for width, messages in draw(
        st.lists(
            st.tuples(st.sampled_from([0.0, 0.5, 1.0, CELL_S, 60.0]), st.integers(0, 5 * MOST_PER_CELL)), min_size=1
        )
    ):
        bins.append(Bin(begins, begins + width, messages))
        begins += width
    return bins


def test_the_arrival_rate_rises_from_zero_and_falls_to_zero() -> None:
    rates = [rate_at(share / 100) for share in range(-5, 106)]
    assert rates[5] == 0.0
    assert max(rates) > 10 * (sum(rates) / len(rates)) / 3
    assert all(rate_at(0.9 + step / 100) == 0 for step in range(20))


@settings(deadline=None, max_examples=25)
@given(st.floats(5, 150), st.integers(0, 2**32))
def test_synthetic_arrivals_are_in_order_within_the_duration_and_repeatable(duration_s: Any, seed: Any) -> None:
    load = synthetic_load(duration_s, seed)
    instants = [arrival.at_s for arrival in load.arrivals]
    assert instants == sorted(instants)
    assert instants[0] >= 0
    assert instants[-1] < 0.9 * duration_s
    assert all(abs(arrival.work_s - MEAN_WORK_S) <= 0.5 for arrival in load.arrivals)
    assert synthetic_load(duration_s, seed) == load


def test_another_seed_gives_another_load() -> None:
    assert synthetic_load(120, 1) != synthetic_load(120, 2)


@settings(deadline=None)
@given(timelines())
def test_thinning_leaves_no_cell_with_more_messages_than_the_region_supports(bins: Any) -> None:
    by = thinning(bins)
    cells: dict[int, float] = {}
    for begins, ends, messages in bins:
        steps = 100
        for step in range(steps):
            cell = int((begins + (ends - begins) * (step + 0.5) / steps) // CELL_S)
            cells[cell] = cells.get(cell, 0.0) + messages / by / steps
    assert max(cells.values()) <= MOST_PER_CELL * 1.05 + 1
    assert by == 1 or max(cells.values()) * by / (by - 1) > MOST_PER_CELL * 0.9


@settings(deadline=None)
@given(timelines(), st.integers(1, 50))
def test_thinning_keeps_every_kth_message_and_adds_none(bins: Any, by: Any) -> None:
    remaining = thin(bins, by)
    assert sum(remaining) == sum(int(b.messages) for b in bins) // by
    assert all(count <= bin_.messages for count, bin_ in zip(remaining, bins, strict=True))
    assert thin(bins, 1) == [bin_.messages for bin_ in bins]


@settings(deadline=None)
@given(timelines(), st.integers(0, 99))
def test_messages_are_placed_within_their_bins_in_order(bins: Any, seed: Any) -> None:
    counts = [int(min(5, bin_.messages)) for bin_ in bins]
    instants = place(bins, counts, Random(seed))
    assert all(a <= b for a, b in pairwise(instants))
    assert len(instants) == sum(counts)
    for begins, ends, _ in bins:
        assert sum(begins <= at <= ends for at in instants) >= sum(
            count for (b, e, _), count in zip(bins, counts, strict=True) if (b, e) == (begins, ends)
        )
