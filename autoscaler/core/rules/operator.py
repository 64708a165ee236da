"""Rules that the operator sets: modes, pauses, bounds, and a service that was switched off by hand."""

from __future__ import annotations

from math import inf

from autoscaler.core.figures import several
from autoscaler.core.policy import Mode, Pause, WorkerSafety
from autoscaler.core.rule_input import PermittedRange, RuleInput
from autoscaler.core.rules.work import busy, deployment


def mode(inputs: RuleInput) -> PermittedRange | None:
    if inputs.policy.mode is not Mode.SCALE_OUT_ONLY:
        return None
    return (inputs.current, inf, lambda: "the mode is scale_out_only")


PAUSED = {Pause.ALL: "both directions", Pause.IN: "no scale-in", Pause.OUT: "no scale-out"}


def pause(inputs: RuleInput) -> PermittedRange | None:
    """Hold the count in one direction or both, or set a fixed count at once, but not below the busy tasks or above the
    maximum.
    """
    paused = inputs.policy.paused
    if paused is None:
        return None
    if isinstance(paused, Pause):
        low = inputs.current if paused in (Pause.ALL, Pause.IN) else 0
        high = inputs.current if paused in (Pause.ALL, Pause.OUT) else inf
        return (low, high, lambda: f"scaling is paused ({PAUSED[paused]})")
    requested = min(paused, inputs.policy.max_tasks)
    count = max(requested, _must_stay(inputs))
    return (
        count,
        count,
        lambda: (
            f"paused at {paused}"
            + (f"; {several(count, 'task')} must stay" if count > requested else _max_note(inputs))
        ),
    )


def _max_note(inputs: RuleInput) -> str:
    max_tasks, paused = inputs.policy.max_tasks, inputs.policy.paused
    return f"; max_tasks is {max_tasks}" if isinstance(paused, int) and paused > max_tasks else ""


def _must_stay(inputs: RuleInput) -> float:
    """Return the number of present tasks that a pause at a lower count must keep: the busy tasks that the counts show,
    or all tasks during a deployment.
    """
    if deployment(inputs) is not None or (inputs.signals.missing and inputs.workers is WorkerSafety.UNSAFE):
        return inputs.current
    floor = busy(inputs)
    at_least = min(inputs.current, 1) if inputs.signals.work.in_flight or inputs.signals.missing else 0
    return max(at_least, floor[0] if floor else 0)


def bounds(inputs: RuleInput) -> PermittedRange | None:
    """Enforce the bounds. Below the minimum: scale out at once. Above the maximum: scale in as far as the other rules
    permit.

    A pause takes precedence: nothing is written while paused, even if the count is out of bounds.
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
    """Hold the count at 0 if another writer set it to 0 while at least one task was required, until it is raised."""
    if not inputs.memory.finds_switched_off(inputs.policy, inputs.fleet):
        return None
    return (0, 0, lambda: "set to 0 by an operator or another program; held at 0 until it is raised")
