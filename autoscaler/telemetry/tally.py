"""What is counted of one service, tick after tick: a value that no longer changes once it is there.

So a scrape takes it as it is, and copies nothing while the loop waits.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from autoscaler.core.model import Verdict
from autoscaler.errors import AutoscalerError, ClockSkewed, Denied, NotFound, Refused, Throttled, Unavailable
from autoscaler.ports import Tick
from autoscaler.telemetry.account import Fault, drift_of
from autoscaler.telemetry.spending import Usage

ERRORS = (AutoscalerError, Throttled, Unavailable, Denied, NotFound, Refused, ClockSkewed)
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
        counted = replace(
            self,
            failures=self.failures + Counter(kinds),
            drifts=self.drifts + (drift_of(tick) is not None),
        )
        return _with_decision(_with_observation(counted, tick), tick)


def _with_observation(tally: Tally, tick: Tick) -> Tally:
    seen = tick.observation
    if seen is None:
        return tally
    usage, known = tally.usage.after(seen), seen.knowledge
    if known is None:
        return replace(tally, usage=usage)
    return replace(tally, usage=usage, received=tally.received + known.received, late=tally.late + known.late)


def _with_decision(tally: Tally, tick: Tick) -> Tally:
    if tick.decision is None:
        return tally
    verdict, rule = tick.decision.verdict, tick.decision.rule
    made = Counter({(verdict.value, rule.value if rule else NO_RULE): 1})
    changed = Counter({DIRECTIONS[verdict]: 1} if tick.outcome == "accepted" and verdict in DIRECTIONS else {})
    return replace(tally, decisions=tally.decisions + made, scalings=tally.scalings + changed)
