"""The metrics of a service, one row of a table each: name, help, labels, and how its samples are read.

Absent is not zero: what was not read has no sample. Counters and closed sets are there from the beginning, at 0.
Names are a contract with dashboards and alerts; rows may be added, not renamed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from math import isinf
from typing import TypeAlias

from autoscaler.core.knowledge import Knowledge
from autoscaler.core.model import Backlog, Rule, Verdict
from autoscaler.core.policy import Mode, Pause
from autoscaler.core.promise import expected_wait_s
from autoscaler.errors import AutoscalerError, ClockSkewed, Denied, NotFound, Refused, Throttled, Unavailable
from autoscaler.telemetry.account import cooldowns_s, drift_of, memory_after, usable
from autoscaler.telemetry.board import Standing, State

ERRORS = (AutoscalerError, Throttled, Unavailable, Denied, NotFound, Refused, ClockSkewed)
CALL_FAILURES = tuple(error.kind for error in ERRORS)
"""How a call to AWS may fail: a closed set."""

FAILURES = (*CALL_FAILURES, "no_data", "unreadable", "stale", "not_read")
"""Why something that a tick needed may be missing: a closed set."""

NO_RULE = "none"
"""The rule of a decision that went through untouched."""

DIRECTIONS = {Verdict.SCALE_OUT: "out", Verdict.SCALE_IN: "in"}


@dataclass(slots=True)
class Tally:
    """What is counted of one service since it was admitted."""

    decisions: Counter[tuple[str, str]] = field(default_factory=Counter)
    scalings: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    drifts: int = 0
    received: float = 0.0
    late: float = 0.0

    def copied(self) -> Tally:
        return replace(
            self, decisions=self.decisions.copy(), scalings=self.scalings.copy(), failures=self.failures.copy()
        )

    def count(self, standing: Standing) -> None:
        """The service's newest tick is counted: its decision, the accepted change, a drift, each kind of failure."""
        tick = standing.tick
        if tick is None:
            return
        self.failures.update({fault.kind if fault.kind in FAILURES else FAILURES[0] for fault in standing.faults})
        self.drifts += drift_of(tick) is not None
        if tick.observation is not None and tick.observation.knowledge is not None:
            self.received += tick.observation.knowledge.received
            self.late += tick.observation.knowledge.late
        if tick.decision is None:
            return
        verdict, rule = tick.decision.verdict, tick.decision.rule
        self.decisions[verdict.value, rule.value if rule else NO_RULE] += 1
        if tick.outcome == "accepted" and verdict in DIRECTIONS:
            self.scalings[DIRECTIONS[verdict]] += 1


@dataclass(frozen=True, slots=True)
class View:
    """One service at the moment of a scrape: `labels` are its cluster's and its own; `now` is of the ticks' clock."""

    labels: tuple[str, str]
    standing: Standing
    tally: Tally
    now: float


Samples: TypeAlias = Iterable[tuple[tuple[str, ...], float]]
"""The values of a family's own labels, and the sample's value."""


@dataclass(frozen=True, slots=True)
class Family:
    """One metric of a service. `labels` come after `ecs_cluster` and `ecs_service`."""

    name: str
    help: str
    labels: tuple[str, ...]
    read: Callable[[View], Samples]
    counts: bool = False


def tasks(view: View) -> Iterator[tuple[tuple[str, ...], float]]:
    policy, tick = view.standing.policy, view.standing.tick
    yield ("min",), policy.min_tasks
    yield ("max",), policy.max_tasks
    if tick is not None and tick.observation is not None:
        fleet = tick.observation.fleet
        yield ("desired",), fleet.desired
        yield ("running",), fleet.running
        yield ("pending",), fleet.pending
        if fleet.protected is not None:
            yield ("protected",), fleet.protected
    if tick is not None and tick.decision is not None:
        yield ("target",), tick.decision.target
        if tick.decision.demand is not None:
            yield ("demand",), tick.decision.demand


def backlogs(view: View) -> dict[str, Backlog]:
    """The queues that could be read, by name."""
    tick = view.standing.tick
    if tick is None or tick.observation is None:
        return {}
    return {name: counts for name, counts in tick.observation.queues if isinstance(counts, Backlog)}


def queue_messages(view: View) -> Iterator[tuple[tuple[str, ...], float]]:
    for name, counts in backlogs(view).items():
        yield (name, "visible"), counts.visible
        yield (name, "in_flight"), counts.in_flight
        yield (name, "delayed"), counts.delayed


def oldest_ages(view: View) -> Samples:
    ages = {name: counts.oldest_age_s for name, counts in backlogs(view).items()}
    return [((name,), age_s) for name, age_s in ages.items() if age_s is not None]


def latency(view: View) -> Samples:
    return [((), view.standing.policy.acceptable_latency_s)]


def queue_latencies(view: View) -> Samples:
    latencies = {queue.name: queue.acceptable_latency_s for queue in view.standing.policy.queues}
    return [((name,), latency_s) for name, latency_s in latencies.items()]


def decisions(view: View) -> Iterator[tuple[tuple[str, ...], float]]:
    for verdict in Verdict:
        for rule in (*Rule, NO_RULE):
            yield (str(verdict), str(rule)), view.tally.decisions[str(verdict), str(rule)]


def scalings(view: View) -> Samples:
    return [((direction,), view.tally.scalings[direction]) for direction in DIRECTIONS.values()]


def drifts(view: View) -> Samples:
    return [((), view.tally.drifts)]


def failures(view: View) -> Samples:
    return [((kind,), view.tally.failures[kind]) for kind in FAILURES]


def cooldowns(view: View) -> Samples:
    tick = view.standing.tick
    if tick is None:
        return [((direction,), 0.0) for direction in DIRECTIONS.values()]
    remaining = cooldowns_s(tick.policy, memory_after(tick), view.now)
    return [((direction,), max(0.0, seconds)) for direction, seconds in remaining.items()]


def signal_ages(view: View) -> Samples:
    return [((name,), max(0.0, view.now - at)) for name, at in view.standing.read_at.items()]


def signals_usable(view: View) -> Samples:
    tick = view.standing.tick
    return [] if tick is None else [((name,), ok) for name, ok in usable(tick, view.standing.faults).items()]


def up(view: View) -> Samples:
    return [((), view.standing.state is State.OK)]


def modes(view: View) -> Samples:
    return [((str(mode),), view.standing.policy.mode is mode) for mode in Mode]


def pauses(view: View) -> Samples:
    paused = view.standing.policy.paused
    out = paused is not None and paused is not Pause.IN
    into = paused is not None and paused is not Pause.OUT
    return [(("out",), out), (("in",), into)]


def last_ticks(view: View) -> Samples:
    return [] if view.standing.tick is None else [((), view.standing.wall)]


def _known(view: View) -> Knowledge | None:
    tick = view.standing.tick
    return None if tick is None or tick.observation is None else tick.observation.knowledge


def estimates(view: View) -> Samples:
    known = _known(view)
    if known is None:
        return []
    return [
        (("processing_seconds",), known.processing_s.value),
        (("start_up_seconds",), known.start_s.value),
        (("concurrency",), known.concurrency.value),
        (("arrivals_per_second",), known.rate_per_s.value),
    ]


def confidences(view: View) -> Samples:
    known = _known(view)
    if known is None:
        return []
    each = {
        "processing_seconds": known.processing_s,
        "start_up_seconds": known.start_s,
        "concurrency": known.concurrency,
        "arrivals_per_second": known.rate_per_s,
    }
    return [((name,), 1.0 if isinf(estimate.weight) else estimate.confidence) for name, estimate in each.items()]


def expected_waits(view: View) -> Samples:
    tick = view.standing.tick
    wait_s = None if tick is None or tick.observation is None else expected_wait_s(tick.observation)
    return [] if wait_s is None else [((), wait_s)]


def received_messages(view: View) -> Samples:
    return [((), view.tally.received)]


def late_messages(view: View) -> Samples:
    return [((), view.tally.late)]


def promises(view: View) -> Samples:
    tick = view.standing.tick
    if tick is None or tick.decision is None:
        return []
    return [((), float(any(notice.kind == "promise" for notice in tick.notices)))]


FAMILIES = (
    Family(
        "autoscaler_tasks", "Tasks: ECS's counts, the work's demand, the decided target, the bounds.", ("kind",), tasks
    ),
    Family(
        "autoscaler_queue_messages",
        "Messages in the queue by SQS's approximate counts. No sample while it cannot be read.",
        ("queue", "state"),
        queue_messages,
    ),
    Family("autoscaler_queue_oldest_age_seconds", "Age of the queue's oldest message.", ("queue",), oldest_ages),
    Family("autoscaler_acceptable_latency_seconds", "How long a message of the service may wait.", (), latency),
    Family(
        "autoscaler_queue_acceptable_latency_seconds",
        "How long a message of the queue may wait.",
        ("queue",),
        queue_latencies,
    ),
    Family(
        "autoscaler_expected_wait_seconds",
        "How long a message that comes now will probably wait for its first receive. No sample at no task.",
        (),
        expected_waits,
    ),
    Family(
        "autoscaler_messages_total",
        "Messages received by workers, as estimated from the queues' counts.",
        (),
        received_messages,
        counts=True,
    ),
    Family(
        "autoscaler_late_messages_total",
        "Of these, those that had waited longer than acceptable, by the same estimate.",
        (),
        late_messages,
        counts=True,
    ),
    Family(
        "autoscaler_promise_at_risk",
        "1 while the promise needs more tasks than are to be had: the log and the page say how many would do.",
        (),
        promises,
    ),
    Family("autoscaler_estimate", "What was learned of the work, each in its own unit.", ("estimate",), estimates),
    Family(
        "autoscaler_estimate_confidence_ratio",
        "How well it is known, from 0 (a guess) to 1 (seen very often, or said to be fixed).",
        ("estimate",),
        confidences,
    ),
    Family(
        "autoscaler_decisions_total",
        "Decisions by verdict and by the rule that bound the count (none: the demand went through).",
        ("verdict", "rule"),
        decisions,
        counts=True,
    ),
    Family(
        "autoscaler_scalings_total",
        "Changes of the desired count that ECS accepted.",
        ("direction",),
        scalings,
        counts=True,
    ),
    Family(
        "autoscaler_drifts_total",
        "Times that somebody else had changed the desired count.",
        (),
        drifts,
        counts=True,
    ),
    Family(
        "autoscaler_failures_total",
        "Ticks in which something needed could not be read or written, by kind of failure.",
        ("kind",),
        failures,
        counts=True,
    ),
    Family(
        "autoscaler_cooldown_remaining_seconds",
        "How long a direction is still cooling down; 0 when it is not.",
        ("direction",),
        cooldowns,
    ),
    Family(
        "autoscaler_signal_age_seconds",
        "Age of the newest reading of the signal, also while it cannot be read again.",
        ("signal",),
        signal_ages,
    ),
    Family(
        "autoscaler_signal_usable",
        "1 while the signal can be decided on, 0 while it is needed and missing or stale.",
        ("signal",),
        signals_usable,
    ),
    Family(
        "autoscaler_service_up", "1 while the service is served, 0 before its first tick and while it fails.", (), up
    ),
    Family("autoscaler_mode", "1 for the mode that the service is in.", ("mode",), modes),
    Family("autoscaler_paused", "1 while scaling in that direction is paused.", ("direction",), pauses),
    Family("autoscaler_last_tick_timestamp_seconds", "When the service was last looked after.", (), last_ticks),
)
