"""What the operator has said: modes, pauses, bounds, and a service switched off by hand."""

from __future__ import annotations

from math import inf

from autoscaler.core.figures import number
from autoscaler.core.policy import Mode, Pause, Workers
from autoscaler.core.rule_input import PermittedRange, RuleInput
from autoscaler.core.rules.work import busy, deployment


def mode(inputs: RuleInput) -> PermittedRange | None:
    if inputs.policy.mode is not Mode.SCALE_OUT_ONLY:
        return None
    return (inputs.current, inf, lambda: "the mode is scale_out_only")


def pause(inputs: RuleInput) -> PermittedRange | None:
    """Stands still, in one direction or both; or goes to a count at once, but not below tasks that are at work, nor
    above the maximum.
    """
    paused = inputs.policy.paused
    if paused is None:
        return None
    if isinstance(paused, Pause):
        low = inputs.current if paused in (Pause.ALL, Pause.IN) else 0
        high = inputs.current if paused in (Pause.ALL, Pause.OUT) else inf
        return (low, high, lambda: f"paused: {paused}")
    asked = min(paused, inputs.policy.max_tasks)
    stand = max(asked, _kept(inputs))
    return (
        stand,
        stand,
        lambda: f"paused at {paused}" + (f"; {number(stand)} must stay" if stand > asked else _most(inputs)),
    )


def _most(inputs: RuleInput) -> str:
    most, paused = inputs.policy.max_tasks, inputs.policy.paused
    return f"; {most} are the most" if isinstance(paused, int) and paused > most else ""


def _kept(inputs: RuleInput) -> float:
    """The present tasks that a pause at a lower count leaves alone: those at work, as far as anybody knows, and all
    of them during a deployment.
    """
    if deployment(inputs) is not None or (inputs.signals.missing and inputs.workers is Workers.UNSAFE):
        return inputs.current
    floor = busy(inputs)
    last = min(inputs.current, 1) if inputs.signals.work.in_flight or inputs.signals.missing else 0
    return max(last, floor[0] if floor else 0)


def bounds(inputs: RuleInput) -> PermittedRange | None:
    """Below the minimum: up at once. Above the maximum: only lowered, by whatever the walk so far permits.

    A pause outlasts both: paused, nothing is written, however far out of bounds the count is found.
    """
    policy, current = inputs.policy, inputs.current
    low = policy.min_tasks if policy.paused not in (Pause.ALL, Pause.OUT) else min(current, policy.min_tasks)
    return (
        low,
        max(current, policy.max_tasks),
        lambda: f"between {policy.min_tasks} and {policy.max_tasks} tasks{_by(policy.schedule)}",
    )


def _by(schedule: str | None) -> str:
    return "" if schedule is None else f" by schedule {schedule}"


def switched_off(inputs: RuleInput) -> PermittedRange | None:
    """Somebody set the count to none where at least one is wanted: left alone until it is raised."""
    if not inputs.memory.finds_switched_off(inputs.policy, inputs.fleet):
        return None
    return (0, 0, lambda: "set to 0 by somebody else while some were wanted; left alone until it is raised")
