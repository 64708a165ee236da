"""How each metric of a service is read: from its newest tick, and from what was counted of it.

Absent is not zero: what was not read has no sample. Counters and closed sets are there from the beginning, at 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import isinf
from typing import TypeAlias

from autoscaler.core.knowledge import Estimate, Knowledge
from autoscaler.core.model import Backlog, Rule, Verdict
from autoscaler.core.policy import Mode, Pause
from autoscaler.core.slo import SHADOW_MISSES_LATENCY, expected_wait_s
from autoscaler.telemetry.account import cooldowns_s, memory_after, usable
from autoscaler.telemetry.status_store import ServiceState, ServiceStatus
from autoscaler.telemetry.tally import DIRECTIONS, FAILURES, NO_RULE, Tally

Samples: TypeAlias = Iterable[tuple[tuple[str, ...], float]]
"""The values of a family's own labels, and the sample's value."""


@dataclass(frozen=True, slots=True)
class View:
    """One service at the moment of a scrape. `now` is of the ticks' clock."""

    status: ServiceStatus
    tally: Tally
    now: float


def tasks(view: View) -> Iterator[tuple[tuple[str, ...], float]]:
    policy, tick = view.status.policy, view.status.tick
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
    tick = view.status.tick
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
    return [((), view.status.policy.acceptable_latency_s)]


def queue_latencies(view: View) -> Samples:
    latencies = {queue.name: queue.acceptable_latency_s for queue in view.status.policy.queues}
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
    tick = view.status.tick
    if tick is None:
        return [((direction,), 0.0) for direction in DIRECTIONS.values()]
    remaining = cooldowns_s(tick.policy, memory_after(tick), view.now)
    return [((direction,), max(0.0, seconds)) for direction, seconds in remaining.items()]


def signal_ages(view: View) -> Samples:
    return [((name,), max(0.0, view.now - at)) for name, at in view.status.read_at.items()]


def signals_usable(view: View) -> Samples:
    tick = view.status.tick
    return [] if tick is None else [((name,), ok) for name, ok in usable(tick, view.status.faults).items()]


def up(view: View) -> Samples:
    return [((), view.status.state is ServiceState.OK)]


def modes(view: View) -> Samples:
    return [((str(mode),), view.status.policy.mode is mode) for mode in Mode]


def pauses(view: View) -> Samples:
    paused = view.status.policy.paused
    out = paused is not None and paused is not Pause.IN
    into = paused is not None and paused is not Pause.OUT
    return [(("out",), out), (("in",), into)]


def last_ticks(view: View) -> Samples:
    return [] if view.status.tick is None else [((), view.status.wall)]


def silent_after(view: View) -> Samples:
    limit_s = view.status.silent_after_s
    return [] if limit_s is None else [((), limit_s)]


def _known(view: View) -> Knowledge | None:
    tick = view.status.tick
    return None if tick is None or tick.observation is None else tick.observation.knowledge


def _estimates(view: View) -> dict[str, Estimate]:
    known = _known(view)
    if known is None:
        return {}
    return {
        "processing_seconds": known.processing_s,
        "start_up_seconds": known.start_s,
        "concurrency": known.concurrency,
        "arrivals_per_second": known.rate_per_s,
    }


def estimates(view: View) -> Samples:
    return [((name,), estimate.value) for name, estimate in _estimates(view).items()]


def confidences(view: View) -> Samples:
    each = _estimates(view).items()
    return [((name,), 1.0 if isinf(estimate.weight) else estimate.confidence) for name, estimate in each]


def expected_waits(view: View) -> Samples:
    tick = view.status.tick
    wait_s = None if tick is None or tick.observation is None else expected_wait_s(tick.observation)
    return [] if wait_s is None else [((), wait_s)]


def received_messages(view: View) -> Samples:
    return [((), view.tally.received)]


def late_messages(view: View) -> Samples:
    return [((), view.tally.late)]


def task_seconds(view: View) -> Samples:
    return [((), view.tally.usage.task_s)]


def wasted_task_seconds(view: View) -> Samples:
    return [((), view.tally.usage.wasted_s)]


def expected_messages(view: View) -> Samples:
    known = _known(view)
    queues = () if known is None else known.queues
    return [((queue.name,), queue.coming[-1].messages) for queue in queues if queue.coming]


def shadow_misses(view: View) -> Samples:
    tick = view.status.tick
    if tick is None or tick.decision is None or tick.policy.mode is not Mode.SHADOW:
        return []
    return [((), float(any(notice.kind == SHADOW_MISSES_LATENCY for notice in tick.notices)))]


def promises(view: View) -> Samples:
    tick = view.status.tick
    if tick is None or tick.decision is None:
        return []
    return [((), float(any(notice.kind == "slo_at_risk" for notice in tick.notices)))]
