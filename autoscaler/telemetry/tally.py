"""The counters of one service since it was added, and the estimated cost: of its tasks, and of the calls to AWS."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection
from dataclasses import dataclass, field
from math import floor
from typing import TypeVar

from autoscaler.core.model import Instant, Observation, Verdict
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
from autoscaler.telemetry.account import PollFault, counts_of, drift_of
from autoscaler.telemetry.failing import StartHistogram

# Estimate the cost: billed and wasted task time, and the price of the daemon's calls to AWS.
#
# Pure. All values are estimates, to compare one day with another. They do not replace the AWS bill.

SQS_REQUEST_DOLLARS = 0.40 / 1_000_000
METRIC_DOLLARS = 0.01 / 1_000
"""List prices of 2026: one request to a standard queue, after the free million a month, and one metric of
GetMetricData. Calls to ECS and Application Auto Scaling are free.
"""

MONTH_S = 730 * 3_600.0
"""An average month, as in the AWS Pricing Calculator."""

PACE_MINUTES, MINUTE_S = 10, 60.0
"""The rate is that of the last ten minutes: CloudWatch is read once a minute."""


def price_dollars(api: str, units: int) -> float:
    """Return the price of one request. `units`: the number of metrics, for GetMetricData. A failed request counts, too:
    AWS does not state that it is free.
    """
    if api.startswith("sqs:"):
        return SQS_REQUEST_DOLLARS
    return METRIC_DOLLARS * units if api == "cloudwatch:GetMetricData" else 0.0


class Spending:
    """US dollars by API since `began`, and the rate. Bounded: one number for each of the last minutes."""

    def __init__(self, began: Instant) -> None:
        self.dollars: dict[str, float] = {}
        self._began = began
        self._minutes: deque[tuple[int, float]] = deque(maxlen=PACE_MINUTES + 1)

    def add(self, api: str, units: int, now: Instant) -> None:
        """Count one request."""
        dollars, minute = price_dollars(api, units), floor(now / MINUTE_S)
        self.dollars[api] = self.dollars.get(api, 0.0) + dollars
        before = self._minutes.pop()[1] if self._minutes and self._minutes[-1][0] == minute else 0.0
        self._minutes.append((minute, before + dollars))

    def per_month(self, now: Instant) -> float:
        """Return US dollars per month, at the rate of the last complete minutes and the present one. The first minute
        counts as complete: CloudWatch is read at its start.
        """
        first = floor(now / MINUTE_S) - PACE_MINUTES
        period_s = max(MINUTE_S, now - max(self._began, first * MINUTE_S))
        return sum(dollars for minute, dollars in self._minutes if minute >= first) / period_s * MONTH_S


@dataclass(frozen=True, slots=True)
class Usage:
    """Task time since the first poll, in seconds. `at`, `tasks`, `idle`: values of the newest poll (`at` None: no poll
    yet; `idle` None: the number of idle tasks is unknown).
    """

    task_s: float = 0.0
    wasted_s: float = 0.0
    at: Instant | None = None
    tasks: float = 0.0
    idle: float | None = None

    def after(self, seen: Observation) -> Usage:
        """Return the usage with the time since the last poll added, at the mean of the two counts."""
        tasks, idle = float(seen.fleet.running + seen.fleet.pending), idle_tasks(seen)
        elapsed_s = 0.0 if self.at is None else max(0.0, seen.now - self.at)
        wasted_s = 0.0 if idle is None or self.idle is None else elapsed_s * (self.idle + idle) / 2
        task_s = elapsed_s * (self.tasks + tasks) / 2
        return Usage(self.task_s + task_s, self.wasted_s + wasted_s, seen.now, tasks, idle)


def idle_tasks(seen: Observation) -> float | None:
    """Return the billed tasks that hold no message, as a fractional count: starting tasks, and free slots of running
    tasks. None: a queue could not be read, or the concurrency is unknown.
    """
    counts = counts_of(seen)
    if seen.knowledge is None or not counts:
        return None
    in_flight = sum(each.in_flight for each in counts)
    busy = min(float(seen.fleet.running), in_flight / seen.knowledge.concurrency.value)
    return seen.fleet.running + seen.fleet.pending - busy


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
    """The counters of one service since it was added. `causes`: the diagnoses by the class of their main cause."""

    decisions: Counter[tuple[str, str]] = field(default_factory=Counter)
    scalings: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    drifts: int = 0
    received: float = 0.0
    late: float = 0.0
    usage: Usage = field(default_factory=Usage)
    starts: StartHistogram = field(default_factory=StartHistogram)
    causes: Counter[str] = field(default_factory=Counter)

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
            starts=self.starts.after(poll.started) if poll.started else self.starts,
            causes=_with(self.causes, poll.causes),
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
