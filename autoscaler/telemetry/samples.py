"""Read the samples of each metric of a service, from its newest poll and its counters.

A value that was not read has no sample; it is not zero. Counters and closed label sets exist from the start, at 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import isinf
from typing import TypeAlias

from autoscaler.core.clearing import clearing, has_backlog
from autoscaler.core.deploying import unfinished
from autoscaler.core.knowledge import Estimate, Knowledge
from autoscaler.core.model import Backlog, Rule, Verdict
from autoscaler.core.policy import Mode, Pause
from autoscaler.core.slo import SHADOW_MISSES_LATENCY, expected_wait_s
from autoscaler.diagnosis.table import FailureClass
from autoscaler.telemetry.account import cooldowns_s, memory_after, usable
from autoscaler.telemetry.status_store import ServiceState, ServiceStatus
from autoscaler.telemetry.tally import DIRECTIONS, FAILURES, NO_RULE, ServiceTally

Samples: TypeAlias = Iterable[tuple[tuple[str, ...], float]]
"""The values of the metric's own labels, and the value of the sample."""


@dataclass(frozen=True, slots=True)
class ScrapeView:
    """One service at a scrape. `now`: the time by the clock of the polls."""

    status: ServiceStatus
    tally: ServiceTally
    now: float


def tasks(view: ScrapeView) -> Iterator[tuple[tuple[str, ...], float]]:
    policy, poll = view.status.policy, view.status.poll
    yield ("min",), policy.min_tasks
    yield ("max",), policy.max_tasks
    if poll is not None and poll.observation is not None:
        fleet = poll.observation.fleet
        yield ("desired",), fleet.desired
        yield ("running",), fleet.running
        yield ("pending",), fleet.pending
        if fleet.protected is not None:
            yield ("protected",), fleet.protected
    if poll is not None and poll.decision is not None:
        yield ("target",), poll.decision.target
        if poll.decision.demand is not None:
            yield ("demand",), poll.decision.demand


def backlogs(view: ScrapeView) -> dict[str, Backlog]:
    """Return the counts of the readable queues, by name."""
    poll = view.status.poll
    if poll is None or poll.observation is None:
        return {}
    return {name: counts for name, counts in poll.observation.queues if isinstance(counts, Backlog)}


def queue_messages(view: ScrapeView) -> Iterator[tuple[tuple[str, ...], float]]:
    for name, counts in backlogs(view).items():
        yield (name, "visible"), counts.visible
        yield (name, "in_flight"), counts.in_flight
        yield (name, "delayed"), counts.delayed


def oldest_ages(view: ScrapeView) -> Samples:
    ages = {name: counts.oldest_age_s for name, counts in backlogs(view).items()}
    return [((name,), age_s) for name, age_s in ages.items() if age_s is not None]


def latency(view: ScrapeView) -> Samples:
    return [((), view.status.policy.acceptable_latency_s)]


def queue_latencies(view: ScrapeView) -> Samples:
    latencies = {queue.name: queue.acceptable_latency_s for queue in view.status.policy.queues}
    return [((name,), latency_s) for name, latency_s in latencies.items()]


def decisions(view: ScrapeView) -> Iterator[tuple[tuple[str, ...], float]]:
    for verdict in Verdict:
        for rule in (*Rule, NO_RULE):
            yield (str(verdict), str(rule)), view.tally.decisions[str(verdict), str(rule)]


def scalings(view: ScrapeView) -> Samples:
    return [((direction,), view.tally.scalings[direction]) for direction in DIRECTIONS.values()]


def drifts(view: ScrapeView) -> Samples:
    return [((), view.tally.drifts)]


def contests(view: ScrapeView) -> Samples:
    poll = view.status.poll
    return [((), float(poll is not None and any(notice.kind == Rule.CONTESTED for notice in poll.notices)))]


def scale_out_times(view: ScrapeView) -> Samples:
    return view.tally.starts.samples()


def start_failures(view: ScrapeView) -> Samples:
    poll = view.status.poll
    failure = None if poll is None or poll.observation is None else poll.observation.fleet.failure
    return [((kind.value,), failure is not None and failure.kind == kind) for kind in FailureClass]


def diagnoses(view: ScrapeView) -> Samples:
    return [((kind.value,), view.tally.causes[kind.value]) for kind in FailureClass]


def failures(view: ScrapeView) -> Samples:
    return [((kind,), view.tally.failures[kind]) for kind in FAILURES]


def cooldowns(view: ScrapeView) -> Samples:
    poll = view.status.poll
    if poll is None:
        return [((direction,), 0.0) for direction in DIRECTIONS.values()]
    remaining = cooldowns_s(poll.policy, memory_after(poll), view.now)
    return [((direction,), max(0.0, seconds)) for direction, seconds in remaining.items()]


def signal_ages(view: ScrapeView) -> Samples:
    return [((name,), max(0.0, view.now - at)) for name, at in view.status.read_at.items()]


def signals_usable(view: ScrapeView) -> Samples:
    poll = view.status.poll
    return [] if poll is None else [((name,), ok) for name, ok in usable(poll, view.status.faults).items()]


def deployments(view: ScrapeView) -> Samples:
    poll = view.status.poll
    return [] if poll is None or poll.observation is None else [((), float(unfinished(poll.observation.fleet)))]


def up(view: ScrapeView) -> Samples:
    return [((), view.status.state is ServiceState.OK)]


def modes(view: ScrapeView) -> Samples:
    return [((str(mode),), view.status.policy.mode is mode) for mode in Mode]


def pauses(view: ScrapeView) -> Samples:
    paused = view.status.policy.paused
    out = paused is not None and paused is not Pause.IN
    into = paused is not None and paused is not Pause.OUT
    return [(("out",), out), (("in",), into)]


def last_polls(view: ScrapeView) -> Samples:
    return [] if view.status.poll is None else [((), view.status.wall)]


def silent_after(view: ScrapeView) -> Samples:
    limit_s = view.status.silent_after_s
    return [] if limit_s is None else [((), limit_s)]


def _known(view: ScrapeView) -> Knowledge | None:
    poll = view.status.poll
    return None if poll is None or poll.observation is None else poll.observation.knowledge


def _estimates(view: ScrapeView) -> dict[str, Estimate]:
    known = _known(view)
    if known is None:
        return {}
    return {
        "processing_seconds": known.processing_s,
        "start_up_seconds": known.start_s._replace(value=known.mean_start_s),
        "concurrency": known.concurrency,
        "arrivals_per_second": known.rate_per_s,
    }


def estimates(view: ScrapeView) -> Samples:
    return [((name,), estimate.value) for name, estimate in _estimates(view).items()]


def confidences(view: ScrapeView) -> Samples:
    each = _estimates(view).items()
    return [((name,), 1.0 if isinf(estimate.weight) else estimate.confidence) for name, estimate in each]


WHOLE_START = "whole"
"""The phase of a start that is all of it."""


def task_starts(view: ScrapeView) -> Iterator[tuple[tuple[str, ...], float]]:
    poll = view.status.poll
    for times in () if poll is None or poll.starts is None else poll.starts.times[:1]:
        for phase, each in ((WHOLE_START, times.whole), *times.phases):
            yield (phase, "0.5"), each.median_s
            yield (phase, "0.9"), each.p90_s


def starts_left_out(view: ScrapeView) -> Samples:
    poll = view.status.poll
    return [((), 0.0 if poll is None or poll.starts is None else poll.starts.dropped)]


def expected_waits(view: ScrapeView) -> Samples:
    poll = view.status.poll
    wait_s = None if poll is None or poll.observation is None else expected_wait_s(poll.observation)
    return [] if wait_s is None else [((), wait_s)]


def times_to_clear(view: ScrapeView) -> Samples:
    poll = view.status.poll
    if poll is None or poll.observation is None or poll.decision is None or poll.observation.knowledge is None:
        return []
    if not has_backlog(poll.observation.knowledge):
        return [((), 0.0)]
    return [((), each.seconds) for each in clearing(poll.observation, poll.decision)[:1]]


def received_messages(view: ScrapeView) -> Samples:
    return [((), view.tally.received)]


def late_messages(view: ScrapeView) -> Samples:
    return [((), view.tally.late)]


def task_seconds(view: ScrapeView) -> Samples:
    return [((), view.tally.usage.task_s)]


def wasted_task_seconds(view: ScrapeView) -> Samples:
    return [((), view.tally.usage.wasted_s)]


def expected_messages(view: ScrapeView) -> Samples:
    known = _known(view)
    queues = () if known is None else known.queues
    return [((queue.name,), queue.coming[-1].messages) for queue in queues if queue.coming]


def shadow_misses(view: ScrapeView) -> Samples:
    poll = view.status.poll
    if poll is None or poll.decision is None or poll.policy.mode is not Mode.SHADOW:
        return []
    return [((), float(any(notice.kind == SHADOW_MISSES_LATENCY for notice in poll.notices)))]


def slo_statuses(view: ScrapeView) -> Samples:
    poll = view.status.poll
    if poll is None or poll.decision is None:
        return []
    return [((), float(any(notice.kind == "slo_at_risk" for notice in poll.notices)))]
