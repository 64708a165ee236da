"""How fast the count may move: windows, cooldowns and limits. Where the Kubernetes HPA has them, with its semantics.

Every window is half-open: an event counts while its age is strictly less than the window.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

from autoscaler.core.figures import number, seconds, several
from autoscaler.core.memory import LAUNCH_REACH_S
from autoscaler.core.policy import Direction, Limit, Select
from autoscaler.core.rule_input import PermittedRange, RuleInput


def stabilization(inputs: RuleInput) -> PermittedRange | None:
    """In no lower than the highest, out no higher than the lowest demand of the window: as the Kubernetes HPA."""
    policy, memory, current, now = inputs.policy, inputs.memory, inputs.current, inputs.now
    highest = memory.highest_demand(policy.scale_in.stabilization_s, now)
    lowest = memory.lowest_demand(policy.scale_out.stabilization_s, now)
    if highest == 0 and lowest == inf:
        return None
    return (
        min(current, highest, policy.max_tasks),
        max(current, lowest),
        lambda: (
            f"demands lay between {number(lowest)} and {highest} lately; out waits "
            f"{seconds(policy.scale_out.stabilization_s)}, "
            f"in {seconds(policy.scale_in.stabilization_s)}"
            if lowest < inf
            else f"up to {several(highest, 'task')} required within the last {seconds(policy.scale_in.stabilization_s)}"
        ),
    )


SMALL_STEP_RATIO = 0.5
"""A scale-in by less than half of the count saves little, and is often taken back."""


def small_step_stabilization(inputs: RuleInput) -> PermittedRange | None:
    """A small step in waits for longer than a large one: nobody pays much for a few tasks too many, and each that goes
    and comes again costs a start-up.
    """
    if not inputs.signals.settled:
        return None
    lately = inputs.memory.highest_demand(inputs.policy.scale_in.stabilization_s, inputs.now)
    longer = inputs.memory.highest_demand(inputs.policy.small_step_stabilization_s, inputs.now)
    if lately < longer * SMALL_STEP_RATIO:
        return None
    return (
        min(inputs.current, longer, inputs.policy.max_tasks),
        inf,
        lambda: (
            f"up to {several(longer, 'task')} required within {seconds(inputs.policy.small_step_stabilization_s)}, the "
            "window of a scale-in by less than half"
        ),
    )


def cooldown(inputs: RuleInput) -> PermittedRange | None:
    """No further change in a direction until its cooldown is over. A scale-out cuts through a scale-in's."""
    memory, now = inputs.memory, inputs.now
    if not memory.changes:
        return None
    holds_out = memory.added(inputs.policy.scale_out.cooldown_s, now) > 0
    holds_in = memory.removed(inputs.policy.scale_in.cooldown_s, now) > 0
    if not (holds_out or holds_in):
        return None
    return (
        inputs.current if holds_in else 0,
        inputs.current if holds_out else inf,
        lambda: f"{' and '.join(_cooling(inputs, out=holds_out, into=holds_in))} is cooling down",
    )


def _cooling(inputs: RuleInput, *, out: bool, into: bool) -> Iterable[str]:
    if out:
        yield f"out ({seconds(inputs.policy.scale_out.cooldown_s)})"
    if into:
        yield f"in ({seconds(inputs.policy.scale_in.cooldown_s)})"


def rate_limit(inputs: RuleInput) -> PermittedRange | None:
    """At most so much change in a period; changes of both directions net each other: as the Kubernetes HPA."""
    out, into = inputs.policy.scale_out, inputs.policy.scale_in
    if not (out.limits or into.limits or out.select is Select.DISABLED or into.select is Select.DISABLED):
        return None
    low, high = _lowest(inputs, into), _highest(inputs, out)
    return (
        min(inputs.current, max(0, low)),
        max(inputs.current, high),
        lambda: f"out {_limits(out)}; in {_limits(into)}",
    )


def _highest(inputs: RuleInput, out: Direction) -> float:
    """As far out as the limits of the direction permit."""
    if out.select is Select.DISABLED:
        return inputs.current
    larger = max if out.select is Select.MAX else min
    return larger([_raised(inputs, limit) for limit in out.limits], default=inf)


def _lowest(inputs: RuleInput, into: Direction) -> float:
    """As far in as the limits of the direction permit."""
    if into.select is Select.DISABLED:
        return inputs.current
    larger = min if into.select is Select.MAX else max
    return larger([_lowered(inputs, limit) for limit in into.limits], default=0)


def _raised(inputs: RuleInput, limit: Limit) -> int:
    """As far out as one limit permits. 25 % of 10 tasks: up to ceil(12.5) = 13. Any percentage of none permits one."""
    start = _period_start(inputs, limit)
    if limit.tasks is not None:
        return start + limit.tasks
    return max(1, -(-start * (100 + (limit.percent or 0)) // 100))


def _lowered(inputs: RuleInput, limit: Limit) -> int:
    """As far in as one limit permits. 25 % of 10 tasks: down to trunc(7.5) = 7."""
    start = _period_start(inputs, limit)
    if limit.tasks is not None:
        return start - limit.tasks
    return start * max(0, 100 - (limit.percent or 0)) // 100


def _period_start(inputs: RuleInput, limit: Limit) -> int:
    """The count before the changes of the period."""
    return inputs.current - inputs.memory.net_change(limit.per_s, inputs.now)


def _limits(direction: Direction) -> str:
    if direction.select is Select.DISABLED:
        return "disabled"
    if not direction.limits:
        return "unlimited"
    most = "" if len(direction.limits) == 1 else f"the {direction.select} of "
    return f"at most {most}{', '.join(map(_limit, direction.limits))}"


def _limit(limit: Limit) -> str:
    amount = f"{limit.percent} %" if limit.tasks is None else several(limit.tasks, "task")
    return f"{amount} per {seconds(limit.per_s)}"


def launch_rate(inputs: RuleInput) -> PermittedRange | None:
    """No more than ECS launches for one service in a minute: 500 tasks, 125 in newer Regions. It is not adjustable.

    Asking for more at once gains nothing, and hides for minutes that the plan cannot be met.
    """
    most = inputs.policy.launch_per_minute
    added = inputs.memory.added(LAUNCH_REACH_S, inputs.now)
    return (
        0,
        inputs.current + max(0, most - added),
        lambda: f"ECS starts at most {several(most, 'task')} a minute, {added} requested",
    )
