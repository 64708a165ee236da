"""What is counted of one service, tick after tick: a value that no longer changes once it is there.

So a scrape takes it as it is, and copies nothing while the loop waits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TypeVar

from autoscaler.core.model import Verdict
from autoscaler.errors import (
    AutoscalerError,
    ClockSkewed,
    Denied,
    NoCredentials,
    NotFound,
    Refused,
    Throttled,
    Unavailable,
)
from autoscaler.ports import Tick
from autoscaler.telemetry.account import Fault, drift_of
from autoscaler.telemetry.spending import Usage

Name = TypeVar("Name")

ERRORS = (AutoscalerError, Throttled, Unavailable, Denied, NoCredentials, NotFound, Refused, ClockSkewed)
CALL_FAILURES = tuple(error.kind for error in ERRORS)
"""How a call to AWS may fail: a closed set."""

FAILURES = (*CALL_FAILURES, "no_data", "unreadable", "stale", "not_read")
"""Why something that a tick needed may be missing: a closed set."""

NO_RULE = "none"
"""The rule of a decision that went through untouched."""

DIRECTIONS = {Verdict.SCALE_OUT: "out", Verdict.SCALE_IN: "in"}


@dataclass(frozen=True, slots=True)
class Tally:
    """What is counted of one service since it was admitted."""

    decisions: Counter[tuple[str, str]] = field(default_factory=Counter)
    scalings: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    drifts: int = 0
    received: float = 0.0
    late: float = 0.0
    usage: Usage = field(default_factory=Usage)

    def after(self, tick: Tick, faults: tuple[Fault, ...]) -> Tally:
        """With the service's newest tick: its decision, the accepted change, a drift, each kind of failure."""
        kinds = {fault.kind if fault.kind in FAILURES else FAILURES[0] for fault in faults}
        seen = tick.observation
        known = None if seen is None else seen.knowledge
        return Tally(
            decisions=_with(self.decisions, _decided(tick)),
            scalings=_with(self.scalings, _scaled(tick)),
            failures=_with(self.failures, kinds),
            drifts=self.drifts + (drift_of(tick) is not None),
            received=self.received + (0.0 if known is None else known.received),
            late=self.late + (0.0 if known is None else known.late),
            usage=self.usage if seen is None else self.usage.after(seen),
        )


def _with(counts: Counter[Name], new: Collection[Name]) -> Counter[Name]:
    """One more of each; where there is nothing new, the same value."""
    return counts + Counter(new) if new else counts


def _decided(tick: Tick) -> tuple[tuple[str, str], ...]:
    if tick.decision is None:
        return ()
    verdict, rule = tick.decision.verdict, tick.decision.rule
    return ((verdict.value, rule.value if rule else NO_RULE),)


def _scaled(tick: Tick) -> tuple[str, ...]:
    if tick.decision is None or tick.outcome != "accepted" or tick.decision.verdict not in DIRECTIONS:
        return ()
    return (DIRECTIONS[tick.decision.verdict],)
