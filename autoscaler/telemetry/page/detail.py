"""The JSON of one service for its page: queues, estimates, decisions with their steps, history, settings."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from math import isinf
from typing import Any

from autoscaler import config
from autoscaler.core.estimate.starting import ASSUMED_S, measured_start_s
from autoscaler.core.figures import number, several
from autoscaler.core.knowledge import LEARNED, Estimate, Knowledge
from autoscaler.core.model import Backlog
from autoscaler.core.policy import Policy
from autoscaler.ports import Poll
from autoscaler.telemetry.account import PollFault, account_of, ecs_of
from autoscaler.telemetry.cost import compared, cost_of
from autoscaler.telemetry.failing import diagnosis_as_json
from autoscaler.telemetry.logs import utc
from autoscaler.telemetry.page.links import DOCUMENTATION
from autoscaler.telemetry.page.rows import row_of
from autoscaler.telemetry.past import StatusHistory
from autoscaler.telemetry.starts import starts_of
from autoscaler.telemetry.status_store import (
    MOST_SERVICES_WITH_HISTORY,
    RecordedPoll,
    ServiceStatus,
    SloStatus,
    oldest_ages_s,
)
from autoscaler.telemetry.views import BRIEF_KEYS

NOT_KEPT = f"With more than {MOST_SERVICES_WITH_HISTORY:,} services, history and earlier decisions are not stored here"


def whole(
    status: ServiceStatus,
    recorded: tuple[RecordedPoll, ...],
    past: StatusHistory | None,
    console: dict[str, Any] | None = None,
    *,
    keeps_history: bool,
) -> dict[str, Any]:
    """Return all data. Decisions are newest first, and include the newest poll even if it was not logged. `console`:
    addresses in the AWS console (None: unknown).
    """
    newest = None if status.newest_unrecorded(recorded) is None else _newest(status)
    earlier = [_recorded_entry(one) for one in reversed(recorded)]
    return {
        **now(status),
        "not_kept": None if keeps_history else NOT_KEPT,
        "decisions": earlier if newest is None else [newest, *earlier],
        "history": None if past is None else {"first_at": past.first_at, **past.series()},
        "in_time": _in_time(past),
        "console": console,
        "documentation": DOCUMENTATION,
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
    """Return the present values: row, names, queues, estimates and start-up times."""
    service = status.service
    return {
        "row": row_of(status),
        "ecs_service": service.service,
        "at": status.wall,
        "ecs": ecs_of(status.poll),
        "queues": list(_queues(status)),
        "estimates": list(_estimates(status)),
        "starts": None if status.poll is None else starts_of(status.poll.starts),
        "cost": cost_of(status.poll, status.today) | {"compared": compared(status.poll, status.today)},
        "trouble": _trouble(status.poll),
        "diagnosis": diagnosis_as_json(None if status.poll is None else status.poll.diagnosis),
        "assumption": _assumption(status),
    }


def _assumption(status: ServiceStatus) -> str | None:
    """Return that a risk to the latency target was computed with a start-up time that is partly assumed (None: not)."""
    seen = None if status.poll is None else status.poll.observation
    if seen is None or seen.knowledge is None or status.slo.status is not SloStatus.AT_RISK:
        return None
    return _start_note(seen.knowledge)


def _trouble(poll: Poll | None) -> dict[str, Any] | None:
    """Return what ECS reports about tasks that do not start, in its own words (None: nothing). `missing`: the number of
    tasks that are desired and do not run.
    """
    if poll is None or poll.observation is None or (trouble := poll.observation.fleet.trouble) is None:
        return None
    fleet, now_s = poll.observation.fleet, poll.observation.now
    missing = fleet.desired - fleet.running
    return {"text": trouble.reason, "age_s": round(now_s - trouble.at), "missing": missing} if missing > 0 else None


RANGES_S = (3_600, 21_600, 86_400)
"""The ranges of the charts."""


def _in_time(past: StatusHistory | None) -> list[dict[str, float]] | None:
    """Return the number of messages received, and the late ones, over each range (None: there is no history)."""
    if past is None:
        return None
    found = ((seconds, *past.in_time(seconds)) for seconds in RANGES_S)
    return [{"over_s": over_s, "received": round(got, 1), "late": round(late, 1)} for over_s, got, late in found]


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
    if poll is None or poll.observation is None or (known := poll.observation.knowledge) is None:
        return
    start_s = measured_start_s(known)
    yield _estimate("processing time of a message", "s", known.processing_s, _processing_source(poll.policy))
    yield _estimate("messages in process per task", "", known.concurrency, "the setting task_concurrency")
    start = _estimate("start-up time of a task", "s", known.start_s, "assumed, as for most ECS tasks")
    yield start | ({} if start_s is None else {"value": round(start_s, 1), "note": _start_note(known)})
    yield _estimate("arrival rate", "messages/s", known.rate_per_s, "")


def _estimate(name: str, unit: str, estimate: Estimate, source: str) -> dict[str, Any]:
    """Return an estimate. `source`: where its value comes from before something is learned."""
    fixed = isinf(estimate.weight)
    confidence = 1.0 if fixed else round(estimate.confidence, 3)
    return {
        "name": name,
        "value": round(estimate.value, 4),
        "unit": unit,
        "confidence": confidence,
        "fixed": fixed,
        "learned": confidence >= LEARNED,
        "age_s": None if estimate.age_s is None else round(estimate.age_s),
        "source": source if estimate.weight == 0 else None,
        "note": None,
    }


def _processing_source(policy: Policy) -> str:
    return "assumed" if policy.processing_time_s is None else "the setting processing_time"


def _start_note(known: Knowledge) -> str | None:
    """Return how far the start-up time that decisions use is assumed (None: it is near the measured one)."""
    used_s, start_s = known.start_s.value, measured_start_s(known)
    if start_s is None:
        return f"Start-up time: {used_s:,.0f} s are assumed, no start was seen yet"
    if abs(used_s - start_s) <= 0.2 * start_s:
        return None
    took = f"{several(round(known.start_s.weight), 'start')} took {start_s:,.1f} s on average"
    return f"Start-up time: {took}; decisions still use {used_s:,.0f} s, because {ASSUMED_S:g} s were assumed"


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
