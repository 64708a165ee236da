"""The summary of the runs: means, the peers that beat ours, and runs below the limit."""

from __future__ import annotations

import math
from typing import Any

import pytest

from autoscaler.sim.model import Victims
from bench.scorecard.making import beaten, below_the_limit, cells, rows
from tests.about import about
from tests.sim.scorecard.made import line


def test_costs_are_geometric_means_over_traces_of_the_means_over_seeds() -> None:
    lines = [
        line(trace="nasa", seed=0, cost_per_work=1.0, late_fraction=0.1),
        line(trace="nasa", seed=1, cost_per_work=3.0, late_fraction=0.3),
        line(trace="bursty", seed=0, cost_per_work=8.0, late_fraction=0.0),
    ]
    [row] = rows(lines, 60.0, Victims.IDLE)
    assert row.cost_per_work == about(4.0)  # the root of 2 x 8
    assert row.late == about(0.1)
    assert (row.late_worst, row.worst) == (about(0.2), "nasa")


def test_a_trace_without_reversals_does_not_make_their_mean_zero() -> None:
    lines = [line(trace="nasa", reversals_per_day=0.0), line(trace="bursty", reversals_per_day=99.0)]
    assert rows(lines, 60.0, Victims.IDLE)[0].reversals == about(10.0)


def test_a_row_excludes_other_latency_targets_other_stops_and_the_settings_of_the_grid() -> None:
    lines = [
        line(cost_per_work=2.0),
        line(cost_per_work=50.0, latency_s=120.0),
        line(cost_per_work=50.0, victims=Victims.RANDOM),
        line("keda:1", cost_per_work=50.0, grid=True),
    ]
    [row] = rows(lines, 60.0, Victims.IDLE)
    assert (row.policy, row.cost_per_work) == ("ours", about(2.0))


def test_rows_list_the_clairvoyant_then_ours_then_the_cheapest_for_idle_and_for_random_stops() -> None:
    lines = [
        line(policy, victims=victims, cost_per_oracle=cost)
        for victims in Victims
        for policy, cost in (("keda", 3.0), ("ours", 1.7), ("react", 1.2))
    ]
    lines.append(line("clairvoyant", cost_per_oracle=1.0))
    for victims in Victims:
        assert [row.policy for row in rows(lines, 60.0, victims)] == ["clairvoyant", "ours", "react", "keda"]


def test_the_mean_of_an_unknown_cost_is_not_a_number() -> None:
    lines = [line(cost_per_oracle=math.nan), line(trace="bursty", cost_per_oracle=2.0)]
    assert math.isnan(rows(lines, 60.0, Victims.IDLE)[0].cost_per_oracle)


def test_cells_are_ours_by_trace_and_latency_target() -> None:
    known = cells([line(late_fraction=0.1), line(late_fraction=0.3, seed=1), line("keda"), line(latency_s=120.0)])
    assert set(known) == {("nasa", 60.0), ("nasa", 120.0)}
    assert known["nasa", 60.0].late == about(0.2)


@pytest.mark.parametrize(
    ("billed_s", "late", "beats"),
    [(949.0, 0.01, True), (950.0, 0.01, False), (500.0, 0.0, True), (500.0, 0.0101, False), (2000.0, 0.0, False)],
)
def test_a_peer_beats_ours_if_it_is_more_than_5_percent_cheaper_and_not_later(
    billed_s: float, late: float, beats: bool
) -> None:
    found = beaten([line(), line("keda", billed_s=billed_s, late_fraction=late)])
    assert bool(found) == beats


def test_ours_is_compared_with_the_best_setting_of_any_peer() -> None:
    lines = [line(), line("keda", billed_s=900.0), line("keda:2", billed_s=600.0, grid=True, late_fraction=0.001)]
    [found] = beaten(lines)
    assert (found.policy, found.saving) == ("keda:2", about(0.4))
    assert (found.late, found.ours_late) == (0.001, 0.01)


@pytest.mark.parametrize(
    "other",
    [
        {"trace": "bursty"},
        {"latency_s": 120.0},
        {"seed": 1},
        {"victims": Victims.RANDOM},
        {"policy": "clairvoyant"},
    ],
)
def test_only_runs_with_equal_conditions_are_compared(other: Any) -> None:
    assert beaten([line(), line(**({"policy": "keda", "billed_s": 1.0} | other))]) == []


def test_lost_comparisons_are_sorted_by_latency_target_and_trace() -> None:
    lines = [
        one
        for trace, latency_s in (("nasa", 120.0), ("bursty", 120.0), ("nasa", 60.0))
        for one in (line(trace=trace, latency_s=latency_s), line("keda", trace, 1.0, latency_s=latency_s))
    ]
    assert [(each.latency_s, each.trace) for each in beaten(lines)] == [
        (60.0, "nasa"), (120.0, "bursty"), (120.0, "nasa"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("policy", "late", "cost", "below"),
    [
        ("keda", 0.0, 0.99, True),
        ("ours", 0.0, 0.99, True),
        ("keda", 0.0, 1.0, False),
        ("keda", 0.001, 0.5, False),
        ("clairvoyant", 0.0, 0.99, False),
        ("keda", 0.0, math.nan, False),
    ],
)
def test_a_run_that_is_never_late_and_cheaper_than_the_clairvoyant_is_below_the_limit(
    policy: str, late: float, cost: Any, below: bool
) -> None:
    assert bool(below_the_limit([line(policy, late_fraction=late, cost_per_oracle=cost)])) == below
