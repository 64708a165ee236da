"""Lines of a scorecard, made up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from autoscaler.sim.model import Victims
from autoscaler.sim.scorecard.making import Line
from tests.sim.report.made import GOOD


def line(policy: str = "ours", trace: str = "nasa", billed_s: float = 1000.0, **more: Any) -> Line:
    """At 60 s with idle victims and seed 0 where nothing else is said; fields of the score by their names."""
    of_line = {"latency_s": 60.0, "victims": Victims.IDLE, "seed": 0, "grid": False}
    of_line |= {name: more.pop(name) for name in list(more) if name in of_line}
    return Line(trace=trace, policy=policy, billed_s=billed_s, score=replace(GOOD, **more), **dict[str, Any](of_line))


def everywhere(policy: str, **more: Any) -> list[Line]:
    """The same at every promise, with both kinds of victims."""
    return [
        line(policy, latency_s=latency_s, victims=victims, **more)
        for latency_s in (60.0, 120.0, 300.0)
        for victims in Victims
    ]
