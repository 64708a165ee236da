"""One service, all that is known of it: queues, estimates, decisions with their walks, the last hours, settings."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from math import isinf
from typing import Any

from autoscaler import config
from autoscaler.core.knowledge import LEARNED, Estimate, Knowledge
from autoscaler.core.model import Backlog
from autoscaler.ports import Tick
from autoscaler.telemetry.account import Fault, account_of
from autoscaler.telemetry.logs import utc
from autoscaler.telemetry.page.rows import row_of
from autoscaler.telemetry.past import STEP_S, Past
from autoscaler.telemetry.slo import oldest_waits_s
from autoscaler.telemetry.status_store import MOST_SERVICES_WITH_HISTORY, RecordedTick, ServiceStatus
from autoscaler.telemetry.views import BRIEFLY

NOT_KEPT = f"of more than {MOST_SERVICES_WITH_HISTORY:,} services neither the last hours nor earlier decisions are kept"


def whole(
    status: ServiceStatus, told: tuple[RecordedTick, ...], past: Past | None, *, remembers: bool
) -> dict[str, Any]:
    """Everything. Decisions are newest first; the newest look is among them even where it was not worth a line."""
    newest = None if status.untold(told) is None else _newest(status)
    earlier = [_told_entry(one) for one in reversed(told)]
    return {
        **now(status),
        "not_kept": None if remembers else NOT_KEPT,
        "decisions": earlier if newest is None else [newest, *earlier],
        "history": None if past is None else {"step_s": STEP_S, **past.series()},
        "in_time": _in_time(past),
        "settings": [setting._asdict() for setting in status.settings],
        "defaults": [setting._asdict() for setting in _unset(status)],
    }


def step(status: ServiceStatus, told: tuple[RecordedTick, ...], past: Past | None, since: float) -> dict[str, Any]:
    """What a look has changed: the present, what was told later than `since` (s since the epoch), newest first, and a
    point for the charts.
    """
    newer = [_told_entry(one) for one in reversed(told) if one.wall > since]
    point = None if past is None else past.newest()
    return {**now(status), "newest": _newest(status), "told": newer, "point": point, "in_time": _in_time(past)}


def now(status: ServiceStatus) -> dict[str, Any]:
    """The present: its row, its names, queues and estimates."""
    service = status.service
    return {
        "row": row_of(status),
        "ecs_service": service.service,
        "at": status.wall,
        "queues": list(_queues(status)),
        "estimates": list(_estimates(status)),
    }


def _in_time(past: Past | None) -> dict[str, float] | None:
    if past is None:
        return None
    received, late = past.in_time()
    return {"received": round(received, 1), "late": round(late, 1)}


def _queues(status: ServiceStatus) -> Iterator[dict[str, Any]]:
    """Each queue; counts None and `gap` why, where it could not be read."""
    tick = status.tick
    if tick is None or tick.observation is None:
        return
    waits_s = oldest_waits_s(tick)
    for name, counts in tick.observation.queues:
        read = isinstance(counts, Backlog)
        yield {
            "name": name,
            "visible": counts.visible if isinstance(counts, Backlog) else None,
            "in_flight": counts.in_flight if isinstance(counts, Backlog) else None,
            "delayed": counts.delayed if isinstance(counts, Backlog) else None,
            "oldest_s": round(waits_s[name], 1) if read and name in waits_s else None,
            "latency_s": tick.policy.latency_of(name),
            "gap": None if isinstance(counts, Backlog) else counts.reason,
        }


def _estimates(status: ServiceStatus) -> Iterator[dict[str, Any]]:
    tick = status.tick
    known = None if tick is None or tick.observation is None else tick.observation.knowledge
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
    yield "a message occupies a worker for", "s", known.processing_s
    yield "messages a task works on at once", "", known.concurrency
    yield "a task takes to start", "s", known.start_s
    yield "messages that come", "per s", known.rate_per_s


def _newest(status: ServiceStatus) -> dict[str, Any] | None:
    return None if status.tick is None else _entry(status.wall, None, status.tick, status.faults)


def _told_entry(told: RecordedTick) -> dict[str, Any]:
    return _entry(told.wall, told.event.value, told.tick, told.faults)


_SHOWN = (*BRIEFLY, "faults", "notices", "paused", "schedule")


def _entry(wall: float, event: str | None, tick: Tick, faults: tuple[Fault, ...]) -> dict[str, Any]:
    account = account_of(tick, faults, situated=False)
    return {"ts": utc(wall), "wall": wall, "event": event, **{key: account[key] for key in _SHOWN}}


def _unset(status: ServiceStatus) -> Iterator[config.Chosen]:
    made = {setting.name for setting in status.settings}
    return (setting for setting in _defaults() if setting.name not in made)


@cache
def _defaults() -> tuple[config.Chosen, ...]:
    return config.defaults()
