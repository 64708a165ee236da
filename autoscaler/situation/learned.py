"""Read the estimates of a situation from JSON: the types of `core/knowledge.py`."""

from __future__ import annotations

from math import inf
from typing import TypeVar

from autoscaler.core.knowledge import Estimate, Knowledge, QueueKnowledge, StartingTasks, TimedCount
from autoscaler.core.model import MOST_TASKS
from autoscaler.core.signals import MOST_MESSAGES
from autoscaler.situation.fields import Fields

Pair = TypeVar("Pair", TimedCount, StartingTasks)


def knowledge(fields: Fields) -> Knowledge:
    """Return the estimates. Each problem is recorded in `fields`. Estimates are required, weights and ages are not."""
    known = Knowledge(
        processing_s=_estimate(fields, "processing_s"),
        slow_s=_seconds(fields, "slow_s"),
        spread=_seconds(fields, "spread"),
        concurrency=_estimate(fields, "concurrency", least=1.0),
        start_s=_estimate(fields, "start_s"),
        start_late_s=_seconds(fields, "start_late_s"),
        rate_per_s=_estimate(fields, "rate_per_s"),
        load=_seconds(fields, "load"),
        lasting_load=_seconds(fields, "lasting_load"),
        interval_s=_seconds(fields, "interval_s"),
        received=fields.seconds("received") or 0.0,
        late=fields.seconds("late") or 0.0,
        queues=tuple(_queue(entry) for entry in fields.parts("queues") if entry is not None),
        arriving=fields.flag("arriving", default=True),
        starting=tuple(StartingTasks(seconds, int(tasks)) for seconds, tasks in fields.pairs("starting", MOST_TASKS)),
    )
    fields.close()
    return known


def _seconds(fields: Fields, key: str) -> float:
    """Return a required number: finite, at least 0."""
    fields.number(key, required=True)
    return fields.seconds(key) or 0.0


def _estimate(fields: Fields, key: str, least: float = 0.0) -> Estimate:
    part = fields.part(key)
    value, weight, age_s = _seconds(part, "value"), part.seconds("weight"), part.seconds("age_s")
    if value < least:
        part.note("value", f"must be at least {least:g}")
    part.close()
    return Estimate(max(value, least), inf if weight is None else weight, age_s)


def _queue(entry: Fields) -> QueueKnowledge:
    name = entry.text("name", "a queue")
    waiting = tuple(TimedCount(*pair) for pair in entry.pairs("waiting", MOST_MESSAGES))
    coming = tuple(TimedCount(*pair) for pair in entry.pairs("coming", MOST_MESSAGES))
    entry.close()
    return QueueKnowledge(name, waiting, coming)
