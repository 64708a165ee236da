"""Synthetic runs of a scorecard."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from autoscaler.sim.model import Victims
from bench.scorecard.making import ScorecardRun
from tests.sim.report.made import GOOD


def line(policy: str = "ours", trace: str = "nasa", billed_s: float = 1000.0, **more: Any) -> ScorecardRun:
    """Return a run. The defaults: 60 s, ECS stops idle tasks, seed 0. `more` sets these and the fields of the score."""
    fields = {"latency_s": 60.0, "victims": Victims.IDLE, "seed": 0, "grid": False}
    fields |= {name: more.pop(name) for name in list(more) if name in fields}
    return ScorecardRun(
        trace=trace, policy=policy, billed_s=billed_s, score=replace(GOOD, **more), **dict[str, Any](fields)
    )


def everywhere(policy: str, **more: Any) -> list[ScorecardRun]:
    """Return the same run for every latency target and both values of `Victims`."""
    return [
        line(policy, latency_s=latency_s, victims=victims, **more)
        for latency_s in (60.0, 120.0, 300.0)
        for victims in Victims
    ]
