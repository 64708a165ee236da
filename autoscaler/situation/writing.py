"""Write a situation and a decision as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Any

from autoscaler.config import fields_of
from autoscaler.core.contest import Contest
from autoscaler.core.knowledge import Estimate, Knowledge, Regime
from autoscaler.core.memory import Memory
from autoscaler.core.model import (
    Backlog,
    Decision,
    Flow,
    Measurement,
    Missing,
    Observation,
    Term,
    Unseen,
    Utilization,
)
from autoscaler.core.policy import Policy


def encode(policy: Policy, observation: Observation, memory: Memory) -> dict[str, Any]:
    """Return the situation of a decision in the format of `decode`. `memory`: the memory that the decision used."""
    now, fleet = observation.now, observation.fleet
    situation: dict[str, Any] = {
        "name": policy.name,
        "policy": fields_of(policy),
        "current": fleet.desired,
        "running": fleet.running,
        "pending": fleet.pending,
        "signals": _signals(observation),
        "history": _history(memory, now),
    }
    if observation.given is not None:
        situation["demand"] = observation.given
    if fleet.deployment is not None:
        situation["deployment"] = {"in_progress": True, "age_s": now - fleet.deployment.started}
    if fleet.protected is not None:
        situation["protected"] = fleet.protected
    if observation.knowledge is not None:
        situation["knowledge"] = _knowledge(observation.knowledge)
    if observation.stop_timeout is not None:
        situation["stop_timeout"] = observation.stop_timeout._asdict()
    if fleet.trouble is not None:
        situation["trouble"] = {"reason": fleet.trouble.reason, "age_s": now - fleet.trouble.at}
    if fleet.failure is not None:
        situation["failure"] = fleet.failure._replace(at=0.0)._asdict() | {"age_s": now - fleet.failure.at}
        del situation["failure"]["at"]
    return situation


def _signals(seen: Observation) -> dict[str, Any]:
    signals: dict[str, Any] = {"queues": [_queue(name, backlog, seen.now) for name, backlog in seen.queues]}
    for name, reading in (("cpu", seen.cpu), ("memory", seen.memory)):
        if isinstance(reading, Utilization):
            signals[f"{name}_percent"] = reading.percent
            signals[f"{name}_age_s"] = seen.now - reading.at
            signals[f"{name}_tasks"] = reading.tasks
            if reading.ran is not None:
                signals[f"{name}_ran"] = reading.ran._asdict()
        elif reading is not None:
            signals[f"{name}_percent"] = None
    if seen.metrics:
        signals["metrics"] = {name: _measured(value, seen.now) for name, value in seen.metrics}
    if isinstance(seen.flow, Flow):
        signals["flow"] = _minute(seen.flow, seen.now)
    if seen.unseen is not None:
        signals["unseen"] = _unseen(seen.unseen, seen.now)
    if seen.unreceived:
        signals["unreceived"] = list(seen.unreceived)
    missing = _missing(seen)
    return signals | ({"missing": missing} if missing else {})


def _missing(seen: Observation) -> dict[str, Any]:
    """Return the reason of each null value. Reasons of queues are a list, in the order of the queues. The others are
    keyed by name.
    """
    queues = [{"name": name, **_gap(gap)} for name, gap in seen.queues if isinstance(gap, Missing)]
    others = {"cpu_percent": seen.cpu, "memory_percent": seen.memory} | dict(seen.metrics)
    named = {name: _gap(gap) for name, gap in others.items() if isinstance(gap, Missing)}
    return named | ({"queues": queues} if queues else {})


def _gap(missing: Missing) -> dict[str, Any]:
    return {"reason": missing.reason, "kind": missing.kind}


def _measured(value: Measurement | Missing, now: float) -> dict[str, Any] | None:
    if isinstance(value, Missing):
        return None
    ran = {} if value.ran is None else {"ran": value.ran._asdict()}
    return {"value": value.value, "age_s": now - value.at, "tasks": value.tasks, **ran}


def _minute(flow: Flow, now: float) -> dict[str, Any]:
    minute = {"received": flow.received, "deleted": flow.deleted, "tasks": flow.tasks, "age_s": now - flow.at}
    return minute | ({"waiting": flow.waiting} if flow.waiting else {})


def _unseen(unseen: Unseen, now: float) -> dict[str, Any]:
    minute: dict[str, Any] = {"messages": unseen.messages, "deleted": unseen.deleted, "age_s": now - unseen.at}
    if unseen.oldest_age_s is not None:
        minute["oldest_age_s"] = unseen.oldest_age_s
    return minute | ({} if unseen.compared else {"compared": False})


def _queue(name: str, backlog: Backlog | Missing, now: float) -> dict[str, Any] | None:
    if isinstance(backlog, Missing):
        return None
    counts: dict[str, Any] = {
        "name": name,
        "visible": backlog.visible,
        "in_flight": backlog.in_flight,
        "delayed": backlog.delayed,
        "age_s": now - backlog.at,
    }
    extra = {
        "oldest_age_s": backlog.oldest_age_s,
        "oldest_tasks": backlog.oldest_tasks,
        "groups_in_flight": backlog.groups_in_flight,
    }
    return counts | {key: value for key, value in extra.items() if value is not None}


def _knowledge(known: Knowledge) -> dict[str, Any]:
    """Return the estimates. Each pair is (seconds, amount), as in `core/knowledge.py`."""
    return {
        "processing_s": _estimate(known.processing_s),
        "slow_s": known.slow_s,
        "spread": known.spread,
        "concurrency": _estimate(known.concurrency),
        "start_s": _estimate(known.start_s),
        "start_late_s": known.start_late_s,
        "rate_per_s": _estimate(known.rate_per_s),
        "load": known.load,
        "lasting_load": known.lasting_load,
        "interval_s": known.interval_s,
        "received": known.received,
        "late": known.late,
        "queues": [
            {"name": queue.name, "waiting": _pairs(queue.waiting), "coming": _pairs(queue.coming)}
            for queue in known.queues
        ],
        "starting": _pairs(known.starting),
        **_unusual(known),
    }


def _unusual(known: Knowledge) -> dict[str, Any]:
    """Return the estimates that most polls do not have."""
    unusual: dict[str, Any] = {} if known.arriving else {"arriving": False}
    if known.regime is not Regime.IDLE:
        unusual["regime"] = known.regime.value
    if known.standing:
        unusual["standing"] = True
    if known.holding_s:
        unusual["holding_s"] = known.holding_s
    if known.bottleneck is not None:
        unusual["bottleneck"] = known.bottleneck
    if known.trial is not None:
        unusual["trial"] = known.trial
    if known.test is not None:
        unusual["test"] = known.test
    if known.groups is not None:
        unusual["groups"] = known.groups
    if known.overtaken_s:
        unusual["overtaken_s"] = known.overtaken_s
    if known.foreseen:
        unusual["foreseen"] = known.foreseen
    if known.slow_starts is not None:
        unusual["slow_starts"] = known.slow_starts._asdict()
    return unusual


def _estimate(estimate: Estimate) -> dict[str, Any]:
    """Return the estimate. An infinite weight (a fixed value) is omitted: JSON has no infinity."""
    content: dict[str, Any] = {"value": estimate.value}
    if estimate.weight < inf:
        content["weight"] = estimate.weight
    if estimate.age_s is not None:
        content["age_s"] = estimate.age_s
    return content


def _pairs(events: Iterable[tuple[float, float]]) -> list[list[float]]:
    return [[seconds, amount] for seconds, amount in events]


def _history(memory: Memory, now: float) -> dict[str, Any]:
    history: dict[str, Any] = {
        "demands": [{"age_s": now - at, "tasks": tasks} for at, tasks in memory.demands],
        "changes": [{"age_s": now - at, "tasks": tasks} for at, tasks in memory.changes],
    }
    if memory.since is not None:
        history["known_for_s"] = now - memory.since
    events = {
        "loads": _loads(memory, now) or None,
        "failures": memory.failures or None,
        "flows": [_minute(flow, now) for flow in memory.flows] or None,
        "starting": memory.starting and {"age_s": now - memory.starting.at, "tasks": memory.starting.tasks},
        "idle_for_s": None if memory.idle_since is None else now - memory.idle_since,
        "expected": memory.expected,
        "off": memory.off or None,
        "waking": memory.waking or None,
        "lapsed": memory.lapsed or None,
        "unread_s": None if memory.unread_at is None else now - memory.unread_at,
        "contest": _contest(memory.contest, now),
    }
    return history | {key: value for key, value in events.items() if value is not None}


def _contest(contest: Contest, now: float) -> dict[str, Any] | None:
    """Return the changes by other writers (None: there were none)."""
    if not contest.drifts:
        return None
    last = contest.last
    content: dict[str, Any] = {
        "drifts": [{"age_s": now - at, "tasks": tasks, "reverses": reverses} for at, tasks, reverses in contest.drifts]
    }
    if last is not None:
        content["last"] = {"age_s": now - last.at, "tasks": last.tasks, "own": last.own, "reverses": last.reverses}
    if contest.pauses:
        content |= {"pauses": contest.pauses, "paused_s": now - contest.paused_at}
    return content


def _loads(memory: Memory, now: float) -> list[dict[str, Any]]:
    return [
        {"signal": signal, "age_s": now - period.at, "low": period.low, "high": period.high}
        | {name: True for name in ("saturated", "starting") if getattr(period, name)}
        for signal, periods in memory.loads.items()
        for period in periods
    ]


def decision_of(decision: Decision, sentence: str) -> dict[str, Any]:
    """Return the decision as `decide` prints it."""
    return {
        "name": decision.name,
        "current": decision.current,
        "demand": decision.demand,
        "target": decision.target,
        "verdict": decision.verdict.value,
        "terms": terms_of(decision),
        "votes": [{"signal": vote.signal, "tasks": vote.tasks, "reason": vote.reason} for vote in decision.votes],
        "steps": [
            {"rule": step.rule.value, "from": step.start, "to": step.end, "reason": step.reason}
            for step in decision.steps
        ],
        "sentence": sentence,
    }


def terms_of(decision: Decision) -> list[dict[str, Any]]:
    """Return every candidate of the demand, in the order of the votes. A given demand has none."""
    return [_term(vote.signal, term) for vote in decision.votes if vote.signal != "given" for term in vote.terms]


def _term(signal: str, term: Term) -> dict[str, Any]:
    """Return one candidate of the demand. The demand is the highest over the votes of ceil(min(largest term, smallest
    cap of that vote)); a millionth of a task requires none.
    """
    content: dict[str, Any] = {"vote": signal, "name": term.name, "tasks": term.tasks, "reason": term.reason}
    if term.cap:
        content["cap"] = True
    if term.parts:
        content["parts"] = [{"name": name, "tasks": tasks} for name, tasks in term.parts]
    return content
