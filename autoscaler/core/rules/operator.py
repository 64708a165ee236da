"""What the operator has said: modes, pauses, bounds, and a service switched off by hand."""

from __future__ import annotations

from math import inf

from autoscaler.core.case import Case, Corridor
from autoscaler.core.figures import number
from autoscaler.core.policy import Mode, Pause, Workers
from autoscaler.core.rules.work import busy, deployment


def mode(case: Case) -> Corridor | None:
    if case.policy.mode is not Mode.SCALE_OUT_ONLY:
        return None
    return (case.current, inf, lambda: "the mode is scale_out_only")


def pause(case: Case) -> Corridor | None:
    """Stands still, in one direction or both; or goes to a count at once, but not below tasks that are at work, nor
    above the maximum.
    """
    paused = case.policy.paused
    if paused is None:
        return None
    if isinstance(paused, Pause):
        low = case.current if paused in (Pause.ALL, Pause.IN) else 0
        high = case.current if paused in (Pause.ALL, Pause.OUT) else inf
        return (low, high, lambda: f"paused: {paused}")
    asked = min(paused, case.policy.max_tasks)
    stand = max(asked, _kept(case))
    return (
        stand,
        stand,
        lambda: f"paused at {paused}" + (f"; {number(stand)} must stay" if stand > asked else _most(case)),
    )


def _most(case: Case) -> str:
    most, paused = case.policy.max_tasks, case.policy.paused
    return f"; {most} are the most" if isinstance(paused, int) and paused > most else ""


def _kept(case: Case) -> float:
    """The present tasks that a pause at a lower count leaves alone: those at work, as far as anybody knows, and all
    of them during a deployment.
    """
    if deployment(case) is not None or (case.signals.missing and case.workers is Workers.UNSAFE):
        return case.current
    floor = busy(case)
    last = min(case.current, 1) if case.signals.work.in_flight or case.signals.missing else 0
    return max(last, floor[0] if floor else 0)


def bounds(case: Case) -> Corridor | None:
    """Below the minimum: up at once. Above the maximum: only lowered, by whatever the walk so far permits.

    A pause outlasts both: paused, nothing is written, however far out of bounds the count is found.
    """
    policy, current = case.policy, case.current
    low = policy.min_tasks if policy.paused not in (Pause.ALL, Pause.OUT) else min(current, policy.min_tasks)
    return (
        low,
        max(current, policy.max_tasks),
        lambda: f"between {policy.min_tasks} and {policy.max_tasks} tasks{_by(policy.schedule)}",
    )


def _by(schedule: str | None) -> str:
    return "" if schedule is None else f" by schedule {schedule}"


def switched_off(case: Case) -> Corridor | None:
    """Somebody set the count to none where at least one is wanted: left alone until it is raised."""
    if not case.memory.finds_switched_off(case.policy, case.fleet):
        return None
    return (0, 0, lambda: "set to 0 by somebody else while some were wanted; left alone until it is raised")
