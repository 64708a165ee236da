"""What one tick amounts to: the event it is, what went wrong in it, and the account that the log and the API give.

Pure. The log line and the API's entry are the same account, so what is read in one can be replayed from the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, NamedTuple

from autoscaler.core.demand import read_signals
from autoscaler.core.explain import sentence
from autoscaler.core.memory import Memory
from autoscaler.core.model import Backlog, Instant, Measurement, Missing, Observation, Utilization, Verdict
from autoscaler.core.policy import Policy
from autoscaler.ports import ServiceRef, Tick
from autoscaler.situation import decision_of, encode

FLEET = "ecs"
"""The signal that no service can do without: what ECS says of it."""

WRITE = "update"
"""Where the write failed, and not a reading."""

BEFORE_DATA = frozenset({"no_data"})
"""Kinds of gaps that pass by themselves and are nobody's fault: a new task has no CPU datapoint for minutes."""


class Event(StrEnum):
    """The closed list of what a log line of a service is about."""

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
    """Something beside the decision that the tick shows: `about` tells it from others of its event."""

    event: Event
    about: str
    fields: dict[str, Any]


class Fault(NamedTuple):
    """Something that could not be read or written: `signal` names it, `kind` is the closed word, `reason` the text."""

    signal: str
    kind: str
    reason: str


def faults_of(tick: Tick) -> tuple[Fault, ...]:
    """Everything that the tick needed and did not get, the unread service first."""
    return tuple(_faults(tick))


def _faults(tick: Tick) -> Iterator[Fault]:
    if tick.observation is None:
        yield Fault(FLEET, tick.outcome, tick.failure or "the service could not be read")
        return
    for name, gap in read_signals(tick.policy, tick.observation).missing:
        yield Fault(name, gap.kind, gap.reason)
    if tick.failure is not None:
        yield Fault(WRITE, tick.outcome, tick.failure)


def is_served(tick: Tick, faults: tuple[Fault, ...]) -> bool:
    """Whether the service is looked after: nothing is at fault, or only data yet to come while other signals vote."""
    if not faults:
        return True
    votes = tick.decision is not None and tick.decision.demand is not None
    return votes and all(fault.kind in BEFORE_DATA for fault in faults)


def event_of(tick: Tick, faults: tuple[Fault, ...], *, was_at_fault: bool) -> Event:
    """What the tick is to those who read logs. `was_at_fault`: the service's tick before had faults."""
    if tick.decision is None:
        return Event.MISSING_SIGNAL
    if tick.outcome == "accepted":
        return Event.SCALED
    if tick.failure is not None:
        return Event.SCALE_FAILED
    if tick.outcome == "shadow" and tick.decision.verdict is not Verdict.HOLD:
        return Event.WOULD_SCALE
    if faults:
        return Event.MISSING_SIGNAL
    return Event.RECOVERED if was_at_fault else Event.HOLDING


def drift_of(tick: Tick) -> tuple[int, int] | None:
    """The count that the last tick left and the one that was found, where somebody else has changed it."""
    if tick.observation is None or tick.memory.expected is None or not tick.memory.drift(tick.observation.fleet):
        return None
    return tick.memory.expected, tick.observation.fleet.desired


def side_events_of(tick: Tick, before: Tick | None) -> Iterator[SideEvent]:
    """What is told beside the decision. `before` is the service's tick before (None: this is its first)."""
    drift = drift_of(tick)
    if drift is not None:
        yield SideEvent(Event.DRIFT, "", {"from": drift[0], "to": drift[1], "sentence": _drifted(tick, *drift)})
    paused = tick.policy.paused
    if paused != (None if before is None else before.policy.paused):
        event = Event.RESUMED if paused is None else Event.PAUSED
        yield SideEvent(event, str(paused), {"paused": paused})
    known = () if before is None else before.notices
    for notice in tick.notices:
        if notice not in known:
            yield SideEvent(Event.NOTICE, notice.reason, notice_of(notice))


def _drifted(tick: Tick, left: int, found: int) -> str:
    return f"{tick.service.key}: somebody else set the count from {left} to {found}; it is decided from there"


def notice_of(notice: Missing) -> dict[str, str]:
    return {"kind": notice.kind, "text": notice.reason}


def account_of(tick: Tick, faults: tuple[Fault, ...], *, situated: bool = True) -> dict[str, Any]:
    """The tick as JSON: names, decision, walk, sentence, faults, and the situation that `decide` and `replay` take.

    The keys are always the same; what there is not is None. `situated` False leaves out the situation, the one part
    that is long.
    """
    seen = tick.observation
    return {
        **names_of(tick.service),
        "mode": tick.policy.mode.value,
        "outcome": tick.outcome,
        **_decision(tick),
        "paused": tick.policy.paused,
        "schedule": tick.policy.schedule,
        "votes": _votes(tick),
        "ages_s": _ages_s(tick),
        "notices": [notice_of(notice) for notice in tick.notices],
        "failure": tick.failure,
        "faults": [fault._asdict() for fault in faults],
        "took_s": round(tick.took_s, 6),
        "lag_s": round(tick.lag_s, 6),
        "situation": encode(tick.policy, seen, tick.memory) if situated and seen is not None else None,
    }


def names_of(service: ServiceRef) -> dict[str, Any]:
    """The names of the service in a log line."""
    return {
        "service": service.key,
        "cluster": service.cluster,
        "ecs_service": service.service,
        "region": service.region,
    }


def _votes(tick: Tick) -> list[dict[str, Any]]:
    """What each signal asked for, and from what."""
    votes = () if tick.decision is None else tick.decision.votes
    return [{"signal": vote.signal, "tasks": vote.tasks, "reason": vote.reason} for vote in votes]


def _ages_s(tick: Tick) -> dict[str, float]:
    """How old each reading was when it was decided on, in seconds."""
    seen = tick.observation
    return {} if seen is None else {name: round(seen.now - at, 3) for name, at in read_at(tick).items()}


def _decision(tick: Tick) -> dict[str, Any]:
    if tick.decision is None:
        unknown = dict.fromkeys(("current", "demand", "target", "verdict", "rule"))
        return {**unknown, "steps": [], "sentence": sentence_of(tick)}
    rule = tick.decision.rule
    decided = decision_of(tick.decision, sentence_of(tick))
    return {**{key: decided[key] for key in decided if key != "name"}, "rule": rule.value if rule else None}


def sentence_of(tick: Tick) -> str:
    """The tick in one sentence, also where nothing could be decided."""
    if tick.decision is None:
        return f"{tick.service.key}: no decision: {tick.failure or 'the service could not be read'}"
    return sentence(tick.policy, tick.decision)


def cooldowns_s(policy: Policy, memory: Memory, now: Instant) -> dict[str, float]:
    """How long each direction is still cooling down, in seconds; 0 where it is not (half-open, as in the corridor)."""
    out = [at for at, tasks in memory.changes if tasks > 0]
    into = [at for at, tasks in memory.changes if tasks < 0]
    return {
        "out": _remaining_s(out, policy.scale_out.cooldown_s, now),
        "in": _remaining_s(into, policy.scale_in.cooldown_s, now),
    }


def _remaining_s(changed: list[Instant], cooldown_s: float, now: Instant) -> float:
    return max((at + cooldown_s - now for at in changed), default=0.0) if changed and cooldown_s > 0 else 0.0


def memory_after(tick: Tick) -> Memory:
    """What the loop remembers of changes after this tick: an accepted one counts from now on."""
    if tick.outcome != "accepted" or tick.decision is None or tick.observation is None:
        return tick.memory
    return tick.memory.acknowledging(tick.observation.now, tick.decision.target - tick.decision.current)


def usable(tick: Tick, faults: tuple[Fault, ...]) -> dict[str, bool]:
    """Each signal that the service needs now, and whether it may be decided on. Not known while ECS cannot be read."""
    seen = tick.observation
    if seen is None:
        return {FLEET: False}
    gaps = {fault.signal for fault in faults}
    signals = {FLEET: True} | {queue_signal(queue.name): queue.name not in gaps for queue in tick.policy.queues}
    if seen.fleet.desired > 0:
        signals |= {name: name not in gaps for name in _metered(tick.policy)}
    return signals | {metric_signal(metric.name): metric.name not in gaps for metric in tick.policy.metrics}


def _metered(policy: Policy) -> Iterator[str]:
    if policy.cpu_target_percent is not None:
        yield "cpu"
    if policy.memory_target_percent is not None:
        yield "memory"


def read_at(tick: Tick) -> dict[str, Instant]:
    """The instants of the readings that the tick had: of ECS, of each queue, of CPU and memory, of metrics."""
    seen = tick.observation
    if seen is None:
        return {}
    instants = {FLEET: seen.fleet.at}
    instants |= {queue_signal(name): backlog.at for name, backlog in seen.queues if not isinstance(backlog, Missing)}
    instants |= {metric_signal(name): one.at for name, one in seen.metrics if isinstance(one, Measurement)}
    meters = {"cpu": seen.cpu, "memory": seen.memory}
    return instants | {name: reading.at for name, reading in meters.items() if isinstance(reading, Utilization)}


def counts_of(seen: Observation) -> list[Backlog]:
    """Each queue's counts; empty unless every one could be read, so that their sums mean something."""
    counts = [reading for _, reading in seen.queues if isinstance(reading, Backlog)]
    return counts if len(counts) == len(seen.queues) else []


def signals_of(policy: Policy) -> set[str]:
    """The names of all signals that a service with this policy may have."""
    queues = {queue_signal(queue.name) for queue in policy.queues}
    return {FLEET, "cpu", "memory"} | queues | {metric_signal(metric.name) for metric in policy.metrics}


def queue_signal(name: str) -> str:
    """The signal's name of a queue: a queue may be called `cpu`."""
    return f"queue:{name}"


def metric_signal(name: str) -> str:
    """The signal's name of a metric."""
    return f"metric:{name}"
