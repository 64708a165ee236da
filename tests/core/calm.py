"""A calm service as the baseline of a test: 10 tasks, one queue, a valid reading, an empty memory and no limits."""

from __future__ import annotations

from dataclasses import replace

from autoscaler.core.memory import AcceptedChange, Demand, Memory
from autoscaler.core.model import Backlog, Decision, Fleet, Observation, QueueReading, Rule
from autoscaler.core.policy import Policy, QueuePolicy, ScaleIn

NOW = 5_000.0
FREE = ScaleIn(stabilization_s=0.0)


def policy(**changes: object) -> Policy:
    fields: dict[str, object] = {
        "name": "orders",
        "min_tasks": 0,
        "max_tasks": 100,
        "queues": (QueuePolicy("q", 60.0),),
        "backlog_per_task": 10.0,
        "scale_in": FREE,
        "tolerance": 0.0,
        **changes,
    }
    return Policy(**fields)  # type: ignore[arg-type]  # the tests pass fields of Policy only


def seen(waiting: int, *, desired: int = 10, in_flight: int = 0, **changes: object) -> Observation:
    fleet = Fleet(desired, desired, 0, NOW)
    queues = (QueueReading("q", Backlog(waiting, in_flight, 0, NOW)),)
    return replace(Observation(NOW, fleet, queues), **changes)  # type: ignore[arg-type]


def demands(*events: tuple[float, int]) -> Memory:
    return Memory(demands=tuple(sorted(Demand(NOW - age_s, tasks) for age_s, tasks in events)))


def changes(*events: tuple[float, int]) -> Memory:
    return Memory(changes=tuple(sorted(AcceptedChange(NOW - age_s, tasks) for age_s, tasks in events)))


def rules(decision: Decision) -> list[Rule]:
    return [step.rule for step in decision.steps]
