"""The page of services that follow their CPU: what it says about a set of results."""

from __future__ import annotations

from autoscaler.sim.utilization import OURS, POLICIES, TRACKING_20S, UtilizationScore
from bench.utilization import UtilizationResult, page


def made(kind: str, name: str, policy: str, above: float, late: int = 0, seed: int = 0) -> UtilizationResult:
    return UtilizationResult(kind, name, policy, seed, UtilizationScore(above, 1.0, 0.5, 1.25, 6.0, 40.0, 12), late)


def test_the_page_compares_the_means_with_target_tracking_and_lists_what_is_worse() -> None:
    above = {"a": {OURS: 3.0, TRACKING_20S: 2.0}, "b": {OURS: 1.0}}
    results = [
        made("trace", name, policy, above[name].get(policy, 9.0) + seed, seed=seed)
        for name in above
        for policy in POLICIES
        for seed in (0, 1)
    ]
    results += [made("scenario", "step", policy, 4.0) for policy in POLICIES]
    results += [made("constant", "2%", policy, 0.0, late) for policy in POLICIES for late in (0, 0, 0, 2)]
    text = page(results, seeds=2, took_s=120.0)
    assert "| a | **ours** | 3.5 % | 1.0 % | 1.25 | 6 | 40 |" in text
    assert "- time above the target: 1 of 2 traces. Not in a (3.50, not 2.50)." in text
    assert "- cost: 2 of 2 traces.\n" in text
    assert "| 2% | 0.50 (25%) | 0.50 (25%) | 0.50 (25%) |" in text
    assert "| step | **ours** | 4.0 % |" in text
