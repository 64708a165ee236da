"""The verdict: one sentence per policy."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from autoscaler.sim.report.comparison import compare, late, notices, verdict
from autoscaler.sim.score import RunFacts
from tests.sim.report.made import scored

OURS = scored("ours", late_fraction=0.01, cost_per_work=2.0, cost_per_oracle=1.5)


def verdict_of(*runs: Any, of: str = "peer") -> str:
    comparison = compare([OURS, *runs])
    return verdict(next(row for row in comparison.rows if row.label == of), comparison)


@pytest.mark.parametrize(
    ("fraction", "cost", "sentence"),
    [
        (0.1, 1.4, "30 % cheaper than ours, but 10.00 % late (ours: 1.00 %)"),
        (0.0, 2.36, "18 % more expensive than ours, but 0 % late (ours: 1.00 %)"),
        (0.1, 2.36, "worse in both: 18 % more expensive than ours, and 10.00 % late (ours: 1.00 %)"),
        (0.001, 1.9, "better in both: 5.0 % cheaper than ours, and 0.10 % late (ours: 1.00 %)"),
        (0.01, 2.36, "18 % more expensive than ours, with no fewer late messages: 1.00 % late"),
        (0.01, 1.9, "5.0 % cheaper than ours, with no more late messages: 1.00 % late"),
        (0.02, 2.0, "2.00 % late (ours: 1.00 %), at the same cost"),
        (0.02, 2.009, "2.00 % late (ours: 1.00 %), at the same cost"),
        (0.1, 7.0, "worse in both: 3.5 times the cost of ours, and 10.00 % late (ours: 1.00 %)"),
        (0.1, 3.99, "worse in both: 100 % more expensive than ours, and 10.00 % late (ours: 1.00 %)"),
    ],
)
def test_a_peer_is_compared_with_ours(fraction: float, cost: float, sentence: str) -> None:
    assert verdict_of(scored("peer", late_fraction=fraction, cost_per_work=cost)) == sentence


def test_equal_shown_values_are_no_clear_difference() -> None:
    judged = verdict_of(scored("peer", late_fraction=0.01004, cost_per_work=2.005))
    assert judged.startswith("no clear difference to ours: 1.00 % late at 2.0")


def test_a_difference_within_the_random_error_is_no_clear_difference() -> None:
    ours = [scored("ours", seed=seed, late_fraction=0.01, cost_per_work=2.0) for seed in (1, 2, 3)]
    peer = [
        scored("peer", seed=seed, late_fraction=late, cost_per_work=2.0) for seed, late in ((1, 0), (2, 0.1), (3, 0))
    ]
    comparison = compare([*ours, *peer])
    assert verdict(comparison.rows[1], comparison).startswith("no clear difference to ours")


def test_repeated_work_is_reported_from_one_percent_on() -> None:
    assert verdict_of(scored("peer", lost_work_fraction=0.072)).endswith("; 7.2 % of the work is done twice")
    assert verdict_of(scored("peer", lost_work_fraction=1.0192)).endswith("; 102 % of the work is done twice")
    assert "twice" not in verdict_of(scored("peer", lost_work_fraction=0.0099))


def test_the_clairvoyant_is_called_the_limit_without_a_comparison() -> None:
    judged = verdict_of(scored("clairvoyant", late_fraction=0.0, cost_per_work=1.31), of="clairvoyant")
    assert judged == "the limit, which knows all arrivals in advance: 0 % late at 1.31 x the cost of the work alone"


def test_the_verdict_of_ours_lists_the_policies_that_are_better_in_both() -> None:
    better = scored("peer", late_fraction=0.0, cost_per_work=1.9)
    assert verdict_of(better, of="ours").endswith("; better in both cost and lateness: peer")
    assert verdict_of(*(scored(f"p{k}", cost_per_work=1.0) for k in range(4)), of="ours").endswith(
        "p0, p1, p2 and others"
    )


def test_the_verdict_of_ours_says_that_no_policy_is_better_in_both() -> None:
    trade = scored("peer", late_fraction=0.5, cost_per_work=1.1)
    assert verdict_of(trade, of="ours") == (
        "1.00 % late at 2.00 x the cost of the work alone, 1.50 x the clairvoyant; no other policy is better in both"
    )


def test_a_single_policy_is_not_compared() -> None:
    assert verdict_of(of="ours") == "1.00 % late at 2.00 x the cost of the work alone, 1.50 x the clairvoyant"
    comparison = compare([scored("keda"), scored("react")])
    assert verdict(comparison.rows[0], comparison).startswith("1.00 % late at 2.00 x")


def test_an_unknown_cost_is_left_out() -> None:
    assert verdict_of(scored("peer", cost_per_work=math.nan, cost_per_oracle=math.nan)) == "1.00 % late"


@pytest.mark.parametrize(
    ("percent", "text"),
    [(0.0, "0 % late"), (0.004, "less than 0.01 % late"), (0.005, "0.01 % late"), (100.0, "100.00 % late")],
)
def test_a_small_late_fraction_is_not_shown_as_nothing(percent: float, text: str) -> None:
    assert late(percent) == text


def test_a_run_with_late_messages_says_whether_the_risk_was_reported() -> None:
    reported = replace(OURS, seed=2, facts=RunFacts(at_risk_s=90.0, first_at_risk_s=3600.0))
    silent = replace(OURS, facts=RunFacts(at_risk_s=0.0))
    assert list(notices([silent, reported, scored("peer")])) == [
        "ours, seed 1: 1.00 % late, without a notice that the latency target is at risk",
        "ours, seed 2: 1.00 % late; reported that the latency target is at risk for 1.5 minutes, first after 1 hour",
    ]
    in_time = replace(scored("ours", late_fraction=0.0), facts=RunFacts(at_risk_s=0.0))
    assert list(notices([in_time])) == []
