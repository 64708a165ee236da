"""The account of one poll: its log event, its faults, and the JSON object for the log and the API.

Pure. The log line and the API entry have the same account, so either can be replayed.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from math import isinf
from typing import Any, NamedTuple

from autoscaler.config.addresses import REGION
from autoscaler.core.advice import REMEDIES, Advice, first_cause, split
from autoscaler.core.clearing import clearing, in_words
from autoscaler.core.demand import read_signals
from autoscaler.core.deploying import ecs_lines, ecs_summary, unfinished
from autoscaler.core.explain import sentence
from autoscaler.core.figures import are, several
from autoscaler.core.memory import Memory
from autoscaler.core.model import (
    Backlog,
    Decision,
    Fleet,
    Instant,
    Measurement,
    Missing,
    Observation,
    Rule,
    StartHold,
    Utilization,
    Verdict,
)
from autoscaler.core.policy import Mode, Policy
from autoscaler.core.slo import at_risk
from autoscaler.diagnosis import UNKNOWN, classify
from autoscaler.ports import Pace, Poll, ServiceRef
from autoscaler.situation import decision_of, encode, terms_of
from autoscaler.telemetry.failing import diagnosis_as_json
from autoscaler.telemetry.undeleted import undeleted_advice

FLEET = "ecs"
"""The signal that every service needs: the counts of ECS."""

WRITE = "update"
"""The signal name of a failed write."""

BEFORE_DATA = frozenset({"no_data"})
"""Kinds of gaps that end without an action by the operator: a new task has no CPU datapoint for minutes."""


class LogEvent(StrEnum):
    """The events of a service's log lines: a closed set."""

    SCALED = "scaled"
    WOULD_SCALE = "would_scale"
    SCALE_FAILED = "scale_failed"
    MISSING_SIGNAL = "missing_signal"
    RECOVERED = "recovered"
    HOLDING = "holding"
    DRIFT = "drift"
    PAUSED = "paused"
    RESUMED = "resumed"
    NOTICE = "notice"
    SHADOW_BY_DEFAULT = "shadow_by_default"


class SideEvent(NamedTuple):
    """An event of a poll in addition to its decision. `about` distinguishes events of the same kind."""

    event: LogEvent
    about: str
    fields: dict[str, Any]


class PollFault(NamedTuple):
    """A failed read or write. `signal`: what failed. `kind`: one of a closed set. `reason`: the text."""

    signal: str
    kind: str
    reason: str


def faults_of(poll: Poll) -> tuple[PollFault, ...]:
    """Return all failed reads and writes of the poll, an unread service first."""
    return tuple(_faults(poll))


def _faults(poll: Poll) -> Iterator[PollFault]:
    if poll.observation is None:
        yield PollFault(FLEET, poll.outcome, poll.failure or "the service could not be read")
        return
    for name, gap in read_signals(poll.policy, poll.observation, poll.memory).missing:
        yield PollFault(name, gap.kind, gap.reason)
    if poll.failure is not None:
        yield PollFault(WRITE, poll.outcome, poll.failure)


def cause_of(reason: str) -> str:
    """Return an error without its resources and Region: the same for all services that one outage affects. One call
    reads several services, so the error of a service names others.
    """
    place, colon, cause = reason.partition(": ")
    named, _, region = place.rpartition(" in ")
    return cause if colon and named and REGION.fullmatch(region) else reason


def is_served(poll: Poll, faults: tuple[PollFault, ...]) -> bool:
    """Return whether the service is served: no faults, or only data that is not available yet while others vote."""
    if not faults:
        return True
    votes = poll.decision is not None and poll.decision.demand is not None
    return votes and all(fault.kind in BEFORE_DATA for fault in faults)


# What keeps a service from its latency target, or from acting, and what to do about it.

ACTIVATE = 'set mode = "active" if you agree with its decisions'
WAIT = "wait: it ends by itself"


def advice_of(poll: Poll, faults: tuple[PollFault, ...]) -> Advice | None:
    """Return the cause that comes first, and its remedy (None: nothing keeps the service from its target).

    The order: a rule that more tasks or a higher maximum do not remove; what cannot be read or written; starts that
    fail; workers that delete nothing; a mode that does not add the required tasks; the latency target; the time after a
    start.
    """
    decision = poll.decision
    if (decision is None or first_cause(decision) is None) and not is_served(poll, faults):
        return split(cause_of(faults[0].reason))
    if decision is None or poll.observation is None:
        return None
    advice = next(filter(None, _causes(poll, poll.observation, decision)), None)
    return advice and _diagnosed(advice, poll.observation.fleet)


def _causes(poll: Poll, seen: Observation, decision: Decision) -> Iterator[Advice | None]:
    yield first_cause(decision)
    yield _failing_starts(seen.fleet)
    risk = at_risk(poll.policy, seen, decision)
    if risk is not None:
        yield undeleted_advice(poll, seen)
        if decision.target > decision.current:
            yield _unwritten(poll, decision)
        yield risk
    yield _at_maximum(poll.policy, decision)
    yield _unwritten(poll, decision)
    yield _young(decision)


def _failing_starts(fleet: Fleet) -> Advice | None:
    """Return why tasks do not start or stay up, also while no rule has to prevent a scale-out for it."""
    failure = fleet.failure
    return None if failure is None or failure.hold is StartHold.NOTHING else Advice(failure.reason, failure.remedy)


def _diagnosed(advice: Advice, fleet: Fleet) -> Advice:
    """Return the advice with the remedy of the diagnosis, or of ECS's text, if the text is known."""
    if advice.remedy != REMEDIES[Rule.STALLED_START]:
        return advice
    if fleet.failure is not None:
        return advice._replace(remedy=fleet.failure.remedy)
    row = UNKNOWN if fleet.trouble is None else classify(fleet.trouble.reason)
    return advice if row is UNKNOWN else advice._replace(remedy=row.remedy)


def _at_maximum(policy: Policy, decision: Decision) -> Advice | None:
    """Return that the maximum limits the demand of other signals: `at_risk` knows only that of a latency target."""
    demand = decision.demand
    if demand is None or not decision.target == policy.max_tasks < demand:
        return None
    if any(vote.signal == "latency" for vote in decision.votes):
        return None
    return Advice(f"max_tasks is {policy.max_tasks}, and {are(demand, 'task')} required", "raise max_tasks")


def _unwritten(poll: Poll, decision: Decision) -> Advice | None:
    if poll.policy.mode is not Mode.SHADOW or decision.verdict is Verdict.HOLD:
        return None
    change = f"{several(decision.target, 'task')} instead of {decision.current}"
    return Advice(f"shadow mode writes nothing: {change}", ACTIVATE)


def _young(decision: Decision) -> Advice | None:
    step = next((step for step in decision.steps if step.rule is Rule.WARM_UP), None)
    return None if step is None else Advice(f"no task is removed soon after a start ({step.reason})", WAIT)


def event_of(poll: Poll, faults: tuple[PollFault, ...], *, was_at_fault: bool) -> LogEvent:
    """Return the log event of the poll. `was_at_fault`: the previous poll of the service had faults."""
    if poll.decision is None:
        return LogEvent.MISSING_SIGNAL
    if poll.outcome == "accepted":
        return LogEvent.SCALED
    if poll.failure is not None:
        return LogEvent.SCALE_FAILED
    if poll.outcome == "shadow" and poll.decision.verdict is not Verdict.HOLD:
        return LogEvent.WOULD_SCALE
    if faults:
        return LogEvent.MISSING_SIGNAL
    return LogEvent.RECOVERED if was_at_fault else LogEvent.HOLDING


def drift_of(poll: Poll) -> tuple[int, int] | None:
    """Return the expected and the actual desired count if something else changed it (None: nothing did)."""
    if poll.observation is None or poll.memory.expected is None or not poll.memory.drift(poll.observation.fleet):
        return None
    return poll.memory.expected, poll.observation.fleet.desired


def side_events_of(poll: Poll, before: Poll | None) -> Iterator[SideEvent]:
    """Yield drift and pauses. `before`: the service's previous poll (None: this is the first)."""
    drift = drift_of(poll)
    if drift is not None:
        yield SideEvent(LogEvent.DRIFT, "", {"from": drift[0], "to": drift[1], "sentence": _drifted(poll, *drift)})
    paused = poll.policy.paused
    if paused != (None if before is None else before.policy.paused):
        event = LogEvent.RESUMED if paused is None else LogEvent.PAUSED
        yield SideEvent(event, str(paused), {"paused": paused})


def _drifted(poll: Poll, left: int, found: int) -> str:
    return (
        f"{poll.service.key}: the desired count was changed from {left} to {found} outside the autoscaler; decisions "
        f"continue from {found}"
    )


def notice_of(notice: Missing) -> dict[str, str]:
    return {"kind": notice.kind, "text": notice.reason}


def account_of(poll: Poll, faults: tuple[PollFault, ...], *, with_situation: bool = True) -> dict[str, Any]:
    """Return the poll as JSON: names, decision, steps, sentence, faults, and the situation for `decide` and `replay`.

    The keys are always the same; a missing value is None. `with_situation` False omits the situation, the only long
    part.
    """
    seen = poll.observation
    return {
        **names_of(poll.service),
        "mode": poll.policy.mode.value,
        "outcome": poll.outcome,
        **_decision(poll),
        "paused": poll.policy.paused,
        "schedule": poll.policy.schedule,
        "votes": _votes(poll),
        "ages_s": _ages_s(poll),
        "clearing": clearing_of(poll),
        "advice": None if (advice := advice_of(poll, faults)) is None else advice._asdict(),
        "notices": [notice_of(notice) for notice in poll.notices],
        "failure": poll.failure,
        "faults": [fault._asdict() for fault in faults],
        "took_s": round(poll.took_s, 6),
        "lag_s": round(poll.lag_s, 6),
        "next_poll": _next_poll(poll.pace),
        "diagnosis": diagnosis_as_json(poll.diagnosis),
        "ecs": ecs_of(poll),
        "terms": [] if poll.decision is None or not with_situation else terms_of(poll.decision),
        "situation": encode(poll.policy, seen, poll.memory) if with_situation and seen is not None else None,
    }


def clearing_of(poll: Poll) -> dict[str, Any] | None:
    """Return how long it takes to clear the backlog, in words and as numbers (`seconds` None: never). None: no message
    waits, or nothing is estimated.
    """
    if poll.observation is None or poll.decision is None or poll.observation.knowledge is None:
        return None
    times = clearing(poll.observation, poll.decision)
    text = in_words(poll.observation.knowledge, times)
    at = [{"tasks": each.tasks, "seconds": None if isinf(each.seconds) else round(each.seconds, 1)} for each in times]
    return None if text is None else {"text": text, "at": at}


def ecs_of(poll: Poll | None) -> dict[str, Any] | None:
    """Return the deployments, the task definition and the zone rebalancing of the service, as numbers and in words
    (None: ECS was not read). `summary`: what is unusual (None: nothing). `revisions_behind` None: unknown.
    """
    if poll is None or poll.observation is None:
        return None
    fleet, now, revisions = poll.observation.fleet, poll.observation.now, poll.revisions
    return {
        "summary": ecs_summary(fleet, revisions),
        "unfinished_deployments": unfinished(fleet),
        "task_definition": None if revisions is None else revisions.own,
        "newest_task_definition": None if revisions is None else revisions.newest,
        "revisions_behind": None if revisions is None else revisions.behind,
        "zone_rebalancing": fleet.rebalancing.is_enabled,
        "lines": [{"name": name, "text": text} for name, text in ecs_lines(fleet, revisions, now)],
    }


def _next_poll(pace: Pace | None) -> dict[str, Any] | None:
    return None if pace is None else {"in_s": round(pace.interval_s, 3), "reason": pace.reason}


def names_of(service: ServiceRef) -> dict[str, Any]:
    """Return the names of the service for a log line."""
    return {
        "service": service.key,
        "cluster": service.cluster,
        "ecs_service": service.service,
        "region": service.region,
    }


def _votes(poll: Poll) -> list[dict[str, Any]]:
    """Return the tasks that each signal requires, with the reason."""
    votes = () if poll.decision is None else poll.decision.votes
    return [{"signal": vote.signal, "tasks": vote.tasks, "reason": vote.reason} for vote in votes]


def _ages_s(poll: Poll) -> dict[str, float]:
    """Return the age of each reading at the decision, in seconds."""
    seen = poll.observation
    return {} if seen is None else {name: round(seen.now - at, 3) for name, at in read_at(poll).items()}


def _decision(poll: Poll) -> dict[str, Any]:
    if poll.decision is None:
        unknown = dict.fromkeys(("current", "demand", "target", "verdict", "rule"))
        return {**unknown, "steps": [], "sentence": sentence_of(poll)}
    rule = poll.decision.rule
    decided = decision_of(poll.decision, sentence_of(poll))
    return {**{key: decided[key] for key in decided if key != "name"}, "rule": rule.value if rule else None}


def sentence_of(poll: Poll) -> str:
    """Return the poll in one sentence, also if there was no decision."""
    if poll.decision is None:
        return f"{poll.service.key}: no decision: {cause_of(poll.failure or 'the service could not be read')}"
    return sentence(poll.policy, poll.decision)


def cooldowns_s(policy: Policy, memory: Memory, now: Instant) -> dict[str, float]:
    """Return the remaining cooldown of each direction in seconds. 0 or less: the direction is not in cooldown."""
    out = [at for at, tasks in memory.changes if tasks > 0]
    into = [at for at, tasks in memory.changes if tasks < 0]
    return {
        "out": _remaining_s(out, policy.scale_out.cooldown_s, now),
        "in": _remaining_s(into, policy.scale_in.cooldown_s, now),
    }


def _remaining_s(changed: list[Instant], cooldown_s: float, now: Instant) -> float:
    return max((at + cooldown_s - now for at in changed), default=0.0) if changed and cooldown_s > 0 else 0.0


def memory_after(poll: Poll) -> Memory:
    """Return the memory after this poll: an accepted change is added."""
    if poll.outcome != "accepted" or poll.decision is None or poll.observation is None:
        return poll.memory
    return poll.memory.acknowledging(poll.observation.now, poll.decision.target - poll.decision.current)


def usable(poll: Poll, faults: tuple[PollFault, ...]) -> dict[str, bool]:
    """Return whether each required signal is usable. While ECS cannot be read, only the signal `ecs` is returned."""
    seen = poll.observation
    if seen is None:
        return {FLEET: False}
    gaps = {fault.signal for fault in faults}
    signals = {FLEET: True} | {queue_signal(queue.name): queue.name not in gaps for queue in poll.policy.queues}
    if seen.fleet.desired > 0:
        signals |= {name: name not in gaps for name in _metered(poll.policy)}
    return signals | {metric_signal(metric.name): metric.name not in gaps for metric in poll.policy.metrics}


def _metered(policy: Policy) -> Iterator[str]:
    if policy.cpu_target_percent is not None:
        yield "cpu"
    if policy.memory_target_percent is not None:
        yield "memory"


def read_at(poll: Poll) -> dict[str, Instant]:
    """Return the instants of the readings of the poll: ECS, each queue, CPU, memory, and metrics."""
    seen = poll.observation
    if seen is None:
        return {}
    instants = {FLEET: seen.fleet.at}
    instants |= {queue_signal(name): backlog.at for name, backlog in seen.queues if not isinstance(backlog, Missing)}
    instants |= {metric_signal(name): one.at for name, one in seen.metrics if isinstance(one, Measurement)}
    meters = {"cpu": seen.cpu, "memory": seen.memory}
    return instants | {name: reading.at for name, reading in meters.items() if isinstance(reading, Utilization)}


def counts_of(seen: Observation) -> list[Backlog]:
    """Return the counts of all queues. Empty if one could not be read: a sum would then be too small."""
    counts = [reading for _, reading in seen.queues if isinstance(reading, Backlog)]
    return counts if len(counts) == len(seen.queues) else []


def signals_of(policy: Policy) -> set[str]:
    """Return the names of all signals that a service with this policy can have."""
    queues = {queue_signal(queue.name) for queue in policy.queues}
    return {FLEET, "cpu", "memory"} | queues | {metric_signal(metric.name) for metric in policy.metrics}


def queue_signal(name: str) -> str:
    """Return the signal name of a queue. The prefix is needed because a queue can be named `cpu`."""
    return f"queue:{name}"


def metric_signal(name: str) -> str:
    """Return the signal name of a metric."""
    return f"metric:{name}"
