"""The counters of one service, as an immutable value: each poll creates a new one.

A scrape therefore needs no copy and does not block the event loop.
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
from autoscaler.ports import Poll
from autoscaler.telemetry.account import PollFault, drift_of
from autoscaler.telemetry.spending import Usage

Name = TypeVar("Name")

ERRORS = (AutoscalerError, Throttled, Unavailable, Denied, NoCredentials, NotFound, Refused, ClockSkewed)
CALL_FAILURES = tuple(error.kind for error in ERRORS)
"""The kinds of failed calls to AWS: a closed set."""

FAILURES = (*CALL_FAILURES, "no_data", "unreadable", "stale", "not_read")
"""The kinds of failed reads and writes of a poll: a closed set."""

NO_RULE = "none"
"""The rule of a decision that no rule limited."""

DIRECTIONS = {Verdict.SCALE_OUT: "out", Verdict.SCALE_IN: "in"}


@dataclass(frozen=True, slots=True)
class ServiceTally:
    """The counters of one service since it was added."""

    decisions: Counter[tuple[str, str]] = field(default_factory=Counter)
    scalings: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    drifts: int = 0
    received: float = 0.0
    late: float = 0.0
    usage: Usage = field(default_factory=Usage)

    def after(self, poll: Poll, faults: tuple[PollFault, ...]) -> ServiceTally:
        """Return the counters with this poll added: its decision, accepted change, drift, and kinds of failures."""
        kinds = {fault.kind if fault.kind in FAILURES else FAILURES[0] for fault in faults}
        seen = poll.observation
        known = None if seen is None else seen.knowledge
        return ServiceTally(
            decisions=_with(self.decisions, _decided(poll)),
            scalings=_with(self.scalings, _scaled(poll)),
            failures=_with(self.failures, kinds),
            drifts=self.drifts + (drift_of(poll) is not None),
            received=self.received + (0.0 if known is None else known.received),
            late=self.late + (0.0 if known is None else known.late),
            usage=self.usage if seen is None else self.usage.after(seen),
        )


def _with(counts: Counter[Name], new: Collection[Name]) -> Counter[Name]:
    """Return the counts with one more of each. Without new ones, return the same object."""
    return counts + Counter(new) if new else counts


def _decided(poll: Poll) -> tuple[tuple[str, str], ...]:
    if poll.decision is None:
        return ()
    verdict, rule = poll.decision.verdict, poll.decision.rule
    return ((verdict.value, rule.value if rule else NO_RULE),)


def _scaled(poll: Poll) -> tuple[str, ...]:
    if poll.decision is None or poll.outcome != "accepted" or poll.decision.verdict not in DIRECTIONS:
        return ()
    return (DIRECTIONS[poll.decision.verdict],)
