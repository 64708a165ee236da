"""The JSON responses of the HTTP interface: readiness, health, services and decisions, from the status store."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

from autoscaler.core.estimate.starting import measured_start_s
from autoscaler.core.model import Backlog, Instant, QueueReading
from autoscaler.core.policy import Policy
from autoscaler.core.slo import expected_wait_s
from autoscaler.ports import Poll
from autoscaler.telemetry.account import PollFault, account_of, ecs_of, notice_of
from autoscaler.telemetry.cost import cost_of
from autoscaler.telemetry.logs import utc
from autoscaler.telemetry.pages import paced
from autoscaler.telemetry.starts import starts_of
from autoscaler.telemetry.status_store import (
    SILENT,
    RecordedPoll,
    ServiceState,
    ServiceStatus,
    StatusStore,
    oldest_ages_s,
)


def health(store: StatusStore, limit_s: float) -> tuple[bool, dict[str, Any]]:
    """Return whether every service was polled or added within the limit, and the response with the stalled ones."""
    silent = store.silent(limit_s)
    hung = [{"service": key, "silent_for_s": round(age_s, 3)} for key, age_s in silent.items()]
    return not hung, {"status": "hung" if hung else "ok", "hung": hung}


def readiness(statuses: Sequence[ServiceStatus], now: Instant) -> tuple[bool, dict[str, Any]]:
    """Return whether at least one service is served, and the response with the state of each."""
    ready = any(status.state is ServiceState.OK for status in statuses)
    services = {status.service.key: _condition(status, now) for status in paced(statuses)}
    return ready, {"status": "ready" if ready else "not ready", "services": services}


def _condition(status: ServiceStatus, now: Instant) -> dict[str, Any]:
    """`error`: the first fault, with its remedy, if the service is not served. `faults`: all faults. `notices` do not
    prevent scaling. `activate`: how to make a service in shadow active (otherwise None). `since_tick_s` None: there was
    no poll yet.
    """
    faults = [fault._asdict() for fault in status.faults]
    first = status.faults[0] if status.faults and status.state is ServiceState.FAILING else None
    return {
        "state": status.state.value,
        "mode": status.policy.mode.value,
        "activate": status.activation,
        "error": {"kind": first.kind, "text": first.reason} if first else None,
        "faults": faults,
        "notices": [] if status.poll is None else [notice_of(notice) for notice in status.poll.notices],
        "since_tick_s": None if status.poll is None else round(now - status.at, 3),
    }


def services(statuses: Iterable[ServiceStatus], now: Instant, silent: Container[str] = ()) -> dict[str, Any]:
    """Return every service: names, state, SLO status with the reason, and the newest decision without its situation.
    `silent`: the keys of stalled services.
    """
    return {"services": [_service(status, now, silent) for status in paced(statuses)]}


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
        **_condition(status, now),
        "slo": slo.status.value,
        "reason": slo.reason,
        "tasks": _tasks(status),
        "ecs": ecs_of(status.poll),
        "queues": _queues(status),
        **_expected(status),
        "starts": None if status.poll is None else starts_of(status.poll.starts),
        "cost": cost_of(status.poll, status.today),
        "decision": _brief(status),
    }


def _queues(status: ServiceStatus) -> list[dict[str, Any]]:
    """Return the counts of each queue (None: not readable). Empty before the first poll."""
    if status.poll is None or (seen := status.poll.observation) is None:
        return []
    ages_s = oldest_ages_s(status.poll)
    return [_queue(reading, status.policy, ages_s) for reading in seen.queues]


def _queue(reading: QueueReading, policy: Policy, ages_s: Mapping[str, float]) -> dict[str, Any]:
    """Return one queue. `oldest_age_s`: the age of the oldest message, as in the SLO status (None: unknown)."""
    name, counts = reading
    values: dict[str, Any] = dict.fromkeys(("visible", "in_flight", "delayed", "oldest_age_s"))
    if isinstance(counts, Backlog):
        values = {"visible": counts.visible, "in_flight": counts.in_flight, "delayed": counts.delayed}
        values["oldest_age_s"] = None if name not in ages_s else round(ages_s[name], 1)
    return {"name": name, "acceptable_latency_s": policy.latency_of(name), **values}


def _expected(status: ServiceStatus) -> dict[str, float | None]:
    """Return the expected wait of a message that arrives now, and the measured start-up time (None: unknown)."""
    seen = None if status.poll is None else status.poll.observation
    known = None if seen is None else seen.knowledge
    if seen is None or known is None:
        return {"expected_wait_s": None, "start_up_s": None}
    wait_s, start_s = expected_wait_s(seen), measured_start_s(known)
    return {
        "expected_wait_s": None if wait_s is None else round(wait_s, 1),
        "start_up_s": None if start_s is None else round(start_s, 1),
    }


def _tasks(status: ServiceStatus) -> dict[str, int] | None:
    if status.poll is None or status.poll.observation is None:
        return None
    fleet = status.poll.observation.fleet
    return {"desired": fleet.desired, "running": fleet.running, "pending": fleet.pending}


def _brief(status: ServiceStatus) -> dict[str, Any] | None:
    poll = status.poll
    if poll is None:
        return None
    account = account_of(poll, status.faults, with_situation=False)
    return {"ts": utc(status.wall)} | {key: account[key] for key in BRIEF_KEYS}


BRIEF_KEYS = (
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
    "next_poll",
    "clearing",
    "advice",
)
"""The keys of a decision that is returned without its situation."""


def decisions(recorded: tuple[RecordedPoll, ...], status: ServiceStatus) -> dict[str, Any]:
    """Return the last decisions of the service, oldest first, each with its situation: the logged ones, and the newest
    one.
    """
    entries = [_entry(one.wall, one.event.value, one.poll, one.faults) for one in paced(recorded)]
    newest = status.newest_unrecorded(recorded)
    if newest is not None:
        entries.append(_entry(status.wall, None, newest, status.faults))
    return {"service": status.service.key, "decisions": entries}


def _entry(wall: float, event: str | None, poll: Poll, faults: tuple[PollFault, ...]) -> dict[str, Any]:
    return {"ts": utc(wall), "event": event, **account_of(poll, faults), "starts": starts_of(poll.starts)}
