"""What the HTTP interface says, as plain values: readiness, health, services and decisions, out of the board alone."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

from autoscaler.core.model import Backlog, Instant, QueueReading
from autoscaler.core.policy import Policy
from autoscaler.core.slo import expected_wait_s
from autoscaler.telemetry.account import account_of, notice_of
from autoscaler.telemetry.logs import utc
from autoscaler.telemetry.slo import SILENT, oldest_waits_s
from autoscaler.telemetry.status_store import RecordedTick, ServiceState, ServiceStatus, StatusStore


def health(store: StatusStore, limit_s: float) -> tuple[bool, dict[str, Any]]:
    """Whether every loop has recorded a tick (or was admitted) within the limit, and which have not."""
    silent = store.silent(limit_s)
    hung = [{"service": key, "silent_for_s": round(age_s, 3)} for key, age_s in silent.items()]
    return not hung, {"status": "hung" if hung else "ok", "hung": hung}


def readiness(statuses: Sequence[ServiceStatus], now: Instant) -> tuple[bool, dict[str, Any]]:
    """Whether at least one service is served, and how each of them fares."""
    ready = any(status.state is ServiceState.OK for status in statuses)
    services = {status.service.key: _fares(status, now) for status in statuses}
    return ready, {"status": "ready" if ready else "not ready", "services": services}


def _fares(status: ServiceStatus, now: Instant) -> dict[str, Any]:
    """`error` is the first fault, with its remedy; `faults` are all of them. `notices` keep the service from nothing.
    `activate` is how to make a service active that is in shadow (else None). `since_tick_s` None: no tick yet.
    """
    faults = [fault._asdict() for fault in status.faults]
    first = status.faults[0] if status.faults and status.state is ServiceState.FAILING else None
    return {
        "state": status.state.value,
        "mode": status.policy.mode.value,
        "activate": status.activation,
        "error": {"kind": first.kind, "text": first.reason} if first else None,
        "faults": faults,
        "notices": [] if status.tick is None else [notice_of(notice) for notice in status.tick.notices],
        "since_tick_s": None if status.tick is None else round(now - status.at, 3),
    }


def services(statuses: Iterable[ServiceStatus], now: Instant, silent: Container[str] = ()) -> dict[str, Any]:
    """Every service: its names, how it fares, whether its latency target is met, with the reason, and the newest
    decision without its situation.
    `silent`: the keys of those whose loop has been silent for too long.
    """
    return {"services": [_service(status, now, silent) for status in statuses]}


def _service(status: ServiceStatus, now: Instant, silent: Container[str]) -> dict[str, Any]:
    service, policy = status.service, status.policy
    slo = SILENT if service.key in silent else status.slo
    return {
        "key": service.key,
        "cluster": service.cluster,
        "ecs_service": service.service,
        "region": service.region,
        "min_tasks": policy.min_tasks,
        "max_tasks": policy.max_tasks,
        "acceptable_latency_s": policy.acceptable_latency_s,
        "paused": policy.paused,
        "schedule": policy.schedule,
        **_fares(status, now),
        "slo": slo.status.value,
        "reason": slo.reason,
        "tasks": _tasks(status),
        "queues": _queues(status),
        **_expected(status),
        "decision": _brief(status),
    }


def _queues(status: ServiceStatus) -> list[dict[str, Any]]:
    """Each queue's counts, None where they could not be read; none at all before the first tick."""
    if status.tick is None or (seen := status.tick.observation) is None:
        return []
    waits_s = oldest_waits_s(status.tick)
    return [_queue(reading, status.policy, waits_s) for reading in seen.queues]


def _queue(reading: QueueReading, policy: Policy, waits_s: Mapping[str, float]) -> dict[str, Any]:
    """`oldest_wait_s` is as `slo` sees it; None: not known."""
    name, counts = reading
    told: dict[str, Any] = dict.fromkeys(("visible", "in_flight", "delayed", "oldest_wait_s"))
    if isinstance(counts, Backlog):
        told = {"visible": counts.visible, "in_flight": counts.in_flight, "delayed": counts.delayed}
        told["oldest_wait_s"] = None if name not in waits_s else round(waits_s[name], 1)
    return {"name": name, "acceptable_latency_s": policy.latency_of(name), **told}


def _expected(status: ServiceStatus) -> dict[str, float | None]:
    """How long a message that comes now will wait, and how long a task was seen to take to start (None: not known)."""
    seen = None if status.tick is None else status.tick.observation
    known = None if seen is None else seen.knowledge
    if seen is None or known is None:
        return {"expected_wait_s": None, "start_up_s": None}
    wait_s = expected_wait_s(seen)
    return {
        "expected_wait_s": None if wait_s is None else round(wait_s, 1),
        "start_up_s": None if known.start_s.age_s is None else round(known.start_s.value, 1),
    }


def _tasks(status: ServiceStatus) -> dict[str, int] | None:
    if status.tick is None or status.tick.observation is None:
        return None
    fleet = status.tick.observation.fleet
    return {"desired": fleet.desired, "running": fleet.running, "pending": fleet.pending}


def _brief(status: ServiceStatus) -> dict[str, Any] | None:
    tick = status.tick
    if tick is None:
        return None
    account = account_of(tick, status.faults, situated=False)
    return {"ts": utc(status.wall)} | {key: account[key] for key in BRIEFLY}


BRIEFLY = (
    "verdict",
    "current",
    "demand",
    "target",
    "rule",
    "outcome",
    "steps",
    "votes",
    "ages_s",
    "sentence",
    "failure",
)
"""What is told of a decision where its situation is not."""


def decisions(told: tuple[RecordedTick, ...], status: ServiceStatus) -> dict[str, Any]:
    """The service's last decisions, oldest first, each with its situation: those that were worth a log line, and the
    newest one.
    """
    entries = [_entry(one.wall, one.event.value, account_of(one.tick, one.faults)) for one in told]
    newest = status.untold(told)
    if newest is not None:
        entries.append(_entry(status.wall, None, account_of(newest, status.faults)))
    return {"service": status.service.key, "decisions": entries}


def _entry(wall: float, event: str | None, account: Mapping[str, Any]) -> dict[str, Any]:
    return {"ts": utc(wall), "event": event, **account}
