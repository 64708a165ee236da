"""One line per policy, in words."""

from __future__ import annotations

import math
from typing import Any

import pytest

from autoscaler.sim.report.comparison import compare
from autoscaler.sim.report.verdict import late, verdict
from tests.sim.report.made import scored

OURS = scored("ours", late_fraction=0.01, cost_per_work=2.0, cost_per_oracle=1.5)


def said(*runs: Any, of: str = "peer") -> str:
    comparison = compare([OURS, *runs])
    return verdict(next(row for row in comparison.rows if row.label == of), comparison)


@pytest.mark.parametrize(
    ("fraction", "cost", "sentence"),
    [
        (0.1, 1.4, "30 % cheaper than ours, but 10.00 % late (ours: 1.00 %)"),
        (0.0, 2.36, "18 % dearer than ours, but nothing late (ours: 1.00 %)"),
        (0.1, 2.36, "worse in both: 18 % dearer than ours, and 10.00 % late (ours: 1.00 %)"),
        (0.001, 1.9, "better in both: 5.0 % cheaper than ours, and 0.10 % late (ours: 1.00 %)"),
        (0.01, 2.36, "18 % dearer than ours, and no less late: 1.00 % late"),
        (0.01, 1.9, "5.0 % cheaper than ours, and no later: 1.00 % late"),
        (0.02, 2.0, "2.00 % late (ours: 1.00 %), at the same cost"),
        (0.02, 2.009, "2.00 % late (ours: 1.00 %), at the same cost"),
        (0.1, 7.0, "worse in both: 3.5 times the cost of ours, and 10.00 % late (ours: 1.00 %)"),
        (0.1, 3.99, "worse in both: 100 % dearer than ours, and 10.00 % late (ours: 1.00 %)"),
    ],
)
def test_a_peer_is_held_against_ours(fraction: float, cost: float, sentence: str) -> None:
    assert said(scored("peer", late_fraction=fraction, cost_per_work=cost)) == sentence


def test_what_looks_the_same_is_called_the_same() -> None:
    judged = said(scored("peer", late_fraction=0.01004, cost_per_work=2.005))
    assert judged.startswith("no clear difference to ours: 1.00 % late at 2.0")


def test_what_chance_may_have_made_is_called_no_clear_difference() -> None:
    ours = [scored("ours", seed=seed, late_fraction=0.01, cost_per_work=2.0) for seed in (1, 2, 3)]
    peer = [
        scored("peer", seed=seed, late_fraction=late, cost_per_work=2.0) for seed, late in ((1, 0), (2, 0.1), (3, 0))
    ]
    comparison = compare([*ours, *peer])
    assert verdict(comparison.rows[1], comparison).startswith("no clear difference to ours")


def test_work_done_twice_is_said() -> None:
    assert said(scored("peer", lost_work_fraction=0.072)).endswith("; 7.2 % of the work is done twice")
    assert "twice" not in said(scored("peer", lost_work_fraction=0.0099))


def test_the_limit_is_called_so_and_not_judged() -> None:
    judged = said(scored("clairvoyant", late_fraction=0.0, cost_per_work=1.31), of="clairvoyant")
    assert judged == "the limit: it knows what will come; nothing late at 1.31 x the cost of the work alone"


def test_ours_is_told_plainly_where_it_loses() -> None:
    better = scored("peer", late_fraction=0.0, cost_per_work=1.9)
    assert said(better, of="ours").endswith("; beaten on cost and lateness together by peer")
    assert said(*(scored(f"p{k}", cost_per_work=1.0) for k in range(4)), of="ours").endswith("p0, p1, p2 and others")


def test_ours_is_told_that_nobody_beats_it_on_both() -> None:
    trade = scored("peer", late_fraction=0.5, cost_per_work=1.1)
    assert said(trade, of="ours") == (
        "1.00 % late at 2.00 x the cost of the work alone, 1.50 x the clairvoyant; no other beats it on both"
    )


def test_alone_it_is_not_compared() -> None:
    assert said(of="ours") == "1.00 % late at 2.00 x the cost of the work alone, 1.50 x the clairvoyant"
    comparison = compare([scored("keda"), scored("react")])
    assert verdict(comparison.rows[0], comparison).startswith("1.00 % late at 2.00 x")


def test_what_is_not_known_is_not_said() -> None:
    assert said(scored("peer", cost_per_work=math.nan, cost_per_oracle=math.nan)) == "1.00 % late"


@pytest.mark.parametrize(
    ("percent", "words"),
    [(0.0, "nothing late"), (0.004, "less than 0.01 % late"), (0.005, "0.01 % late"), (100.0, "100.00 % late")],
)
def test_little_is_not_nothing(percent: float, words: str) -> None:
    assert late(percent) == words
