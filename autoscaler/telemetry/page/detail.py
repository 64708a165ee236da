"""The JSON of one service for its page: queues, estimates, decisions with their steps, history, settings."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from math import isinf
from typing import Any

from autoscaler import config
from autoscaler.core.figures import number
from autoscaler.core.knowledge import LEARNED, Estimate, Knowledge
from autoscaler.core.model import Backlog
from autoscaler.ports import Poll
from autoscaler.telemetry.account import PollFault, account_of
from autoscaler.telemetry.cost import cost_of
from autoscaler.telemetry.logs import utc
from autoscaler.telemetry.page.rows import row_of
from autoscaler.telemetry.past import StatusHistory
from autoscaler.telemetry.status_store import MOST_SERVICES_WITH_HISTORY, RecordedPoll, ServiceStatus, oldest_ages_s
from autoscaler.telemetry.views import BRIEF_KEYS

NOT_KEPT = f"With more than {MOST_SERVICES_WITH_HISTORY:,} services, history and earlier decisions are not stored here"


def whole(
    status: ServiceStatus, recorded: tuple[RecordedPoll, ...], past: StatusHistory | None, *, keeps_history: bool
) -> dict[str, Any]:
    """Return all data. Decisions are newest first, and include the newest poll even if it was not logged."""
    newest = None if status.newest_unrecorded(recorded) is None else _newest(status)
    earlier = [_recorded_entry(one) for one in reversed(recorded)]
    return {
        **now(status),
        "not_kept": None if keeps_history else NOT_KEPT,
        "decisions": earlier if newest is None else [newest, *earlier],
        "history": None if past is None else {"first_at": past.first_at, **past.series()},
        "in_time": _in_time(past),
        "settings": [setting._asdict() for setting in status.settings],
        "defaults": [setting._asdict() for setting in _unset(status)],
    }


def update(
    status: ServiceStatus, recorded: tuple[RecordedPoll, ...], past: StatusHistory | None, since: float
) -> dict[str, Any]:
    """Return the changes of a poll: the present values, the decisions logged after `since` (seconds since the epoch),
    newest first, and the points of the charts after it.
    """
    newer = [_recorded_entry(one) for one in reversed(recorded) if one.wall > since]
    points = None if past is None else past.series(since)
    return {**now(status), "newest": _newest(status), "decisions": newer, "points": points, "in_time": _in_time(past)}


def now(status: ServiceStatus) -> dict[str, Any]:
    """Return the present values: row, names, queues and estimates."""
    service = status.service
    return {
        "row": row_of(status),
        "ecs_service": service.service,
        "at": status.wall,
        "queues": list(_queues(status)),
        "estimates": list(_estimates(status)),
        "cost": cost_of(status.poll, status.today),
    }


def _in_time(past: StatusHistory | None) -> dict[str, float] | None:
    if past is None:
        return None
    received, late = past.in_time(6 * 3600)
    return {"received": round(received, 1), "late": round(late, 1)}


def _queues(status: ServiceStatus) -> Iterator[dict[str, Any]]:
    """Yield each queue. If it could not be read, the counts are None and `gap` is the reason."""
    poll = status.poll
    if poll is None or poll.observation is None:
        return
    ages_s = oldest_ages_s(poll)
    for name, counts in poll.observation.queues:
        read = isinstance(counts, Backlog)
        yield {
            "name": name,
            "visible": counts.visible if isinstance(counts, Backlog) else None,
            "in_flight": counts.in_flight if isinstance(counts, Backlog) else None,
            "delayed": counts.delayed if isinstance(counts, Backlog) else None,
            "oldest_s": round(ages_s[name], 1) if read and name in ages_s else None,
            "latency_s": poll.policy.latency_of(name),
            "gap": None if isinstance(counts, Backlog) else counts.reason,
        }


def _estimates(status: ServiceStatus) -> Iterator[dict[str, Any]]:
    poll = status.poll
    known = None if poll is None or poll.observation is None else poll.observation.knowledge
    if known is None:
        return
    for name, unit, estimate in _named(known):
        fixed = isinf(estimate.weight)
        confidence = 1.0 if fixed else round(estimate.confidence, 3)
        yield {
            "name": name,
            "value": round(estimate.value, 4),
            "unit": unit,
            "confidence": confidence,
            "fixed": fixed,
            "learned": confidence >= LEARNED,
            "age_s": None if estimate.age_s is None else round(estimate.age_s),
        }


def _named(known: Knowledge) -> Iterator[tuple[str, str, Estimate]]:
    yield "processing time of a message", "s", known.processing_s
    yield "messages in process per task", "", known.concurrency
    yield "start-up time of a task", "s", known.start_s
    yield "arrival rate", "messages/s", known.rate_per_s


def _newest(status: ServiceStatus) -> dict[str, Any] | None:
    return None if status.poll is None else _entry(status.wall, None, status.poll, status.faults)


def _recorded_entry(recorded: RecordedPoll) -> dict[str, Any]:
    return _entry(recorded.wall, recorded.event.value, recorded.poll, recorded.faults)


_SHOWN = (*BRIEF_KEYS, "faults", "notices", "paused", "schedule")


def _entry(wall: float, event: str | None, poll: Poll, faults: tuple[PollFault, ...]) -> dict[str, Any]:
    account = account_of(poll, faults, with_situation=False)
    shown = {key: account[key] for key in _SHOWN}
    return {"ts": utc(wall), "wall": wall, "event": event, **shown, "terms": list(_terms(poll))}


def _terms(poll: Poll) -> Iterator[dict[str, Any]]:
    """Yield the terms of each vote that has several: the demand can be computed from them. `decides`: the load of the
    vote is this term.
    """
    for vote in () if poll.decision is None else poll.decision.votes:
        decides = vote.binding
        for term in vote.terms if len(vote.terms) > 1 else ():
            yield {
                "vote": vote.signal,
                "name": term.name,
                "tasks": number(term.tasks),
                "reason": term.reason,
                "cap": term.cap,
                "decides": term is decides,
            }


def _unset(status: ServiceStatus) -> Iterator[config.Chosen]:
    made = {setting.name for setting in status.settings}
    return (setting for setting in _defaults() if setting.name not in made)


@cache
def _defaults() -> tuple[config.Chosen, ...]:
    return config.defaults()
