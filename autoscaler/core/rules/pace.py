"""Rules about the speed of changes: windows, cooldowns and limits, with the semantics of the Kubernetes HPA where it
has them.

Every window is half-open: an event counts while its age is strictly less than the window.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

from autoscaler.core.figures import number, seconds, several
from autoscaler.core.memory import LAUNCH_REACH_S
from autoscaler.core.policy import Direction, RateLimit, SelectLimit
from autoscaler.core.rule_input import PermittedRange, RuleInput


def stabilization(inputs: RuleInput) -> PermittedRange:
    """Scale in to at least the highest demand of the window, and out to at most the lowest, as the HPA does."""
    policy, memory, current, now = inputs.policy, inputs.memory, inputs.current, inputs.now
    highest = memory.highest_demand(policy.scale_in.stabilization_s, now)
    lowest = memory.lowest_demand(policy.scale_out.stabilization_s, now)
    return (
        min(current, highest, policy.max_tasks),
        max(current, lowest),
        lambda: (
            f"required tasks: lowest {number(lowest)} within {seconds(policy.scale_out.stabilization_s)} (scale-out), "
            f"highest {highest} within {seconds(policy.scale_in.stabilization_s)} (scale-in)"
            if lowest < inf
            else f"up to {several(highest, 'task')} required within the last {seconds(policy.scale_in.stabilization_s)}"
        ),
    )


SMALL_STEP_RATIO = 0.5
"""A scale-in by less than half of the count saves little, and is often reversed."""


def small_step_stabilization(inputs: RuleInput) -> PermittedRange | None:
    """A small scale-in waits longer than a large one: a few extra tasks cost little, and each removed task that is
    needed again costs a start-up.
    """
    if not inputs.signals.settled:
        return None
    lately = inputs.memory.highest_demand(inputs.policy.scale_in.stabilization_s, inputs.now)
    window_s = inputs.policy.scale_in.small_step_stabilization_s
    longer = inputs.memory.highest_demand(window_s, inputs.now)
    if lately < longer * SMALL_STEP_RATIO:
        return None
    return (
        min(inputs.current, longer, inputs.policy.max_tasks),
        inf,
        lambda: (
            f"up to {several(longer, 'task')} required within {seconds(window_s)}, the window of a scale-in by less "
            "than half"
        ),
    )


def cooldown(inputs: RuleInput) -> PermittedRange:
    """No further change in a direction until its cooldown ends. A scale-out ignores the cooldown of a scale-in."""
    holds_out = inputs.memory.added(inputs.policy.scale_out.cooldown_s, inputs.now) > 0
    holds_in = inputs.memory.removed(inputs.policy.scale_in.cooldown_s, inputs.now) > 0
    return (
        inputs.current if holds_in else 0,
        inputs.current if holds_out else inf,
        lambda: f"in cooldown: {', '.join(_cooldowns(inputs, out=holds_out, into=holds_in))}",
    )


def _cooldowns(inputs: RuleInput, *, out: bool, into: bool) -> Iterable[str]:
    if out:
        yield f"scale-out ({seconds(inputs.policy.scale_out.cooldown_s)})"
    if into:
        yield f"scale-in ({seconds(inputs.policy.scale_in.cooldown_s)})"


def rate_limit(inputs: RuleInput) -> PermittedRange | None:
    """Limit the change in a period. Changes in both directions are netted, as the Kubernetes HPA does."""
    out, into = inputs.policy.scale_out, inputs.policy.scale_in
    if not (out.limits or into.limits or out.select is SelectLimit.DISABLED or into.select is SelectLimit.DISABLED):
        return None
    low, high = _lowest(inputs, into), _highest(inputs, out)
    return (
        min(inputs.current, low),
        max(inputs.current, high),
        lambda: f"scale-out: {_limits(out)}; scale-in: {_limits(into)}",
    )


def _highest(inputs: RuleInput, out: Direction) -> float:
    """The highest count that the limits of the direction permit."""
    if out.select is SelectLimit.DISABLED:
        return inputs.current
    select = max if out.select is SelectLimit.MAX else min
    return select([_raised(inputs, limit) for limit in out.limits], default=inf)


def _lowest(inputs: RuleInput, into: Direction) -> float:
    """The lowest count that the limits of the direction permit."""
    if into.select is SelectLimit.DISABLED:
        return inputs.current
    select = min if into.select is SelectLimit.MAX else max
    return select([_lowered(inputs, limit) for limit in into.limits], default=0)


def _raised(inputs: RuleInput, limit: RateLimit) -> int:
    """The highest count that one limit permits. 25 % of 10 tasks: up to ceil(12.5) = 13. Any percentage of 0 tasks
    permits one.
    """
    start = _period_start(inputs, limit)
    return start + limit.tasks if limit.tasks is not None else max(1, -(-start * (100 + _percent(limit)) // 100))


def _lowered(inputs: RuleInput, limit: RateLimit) -> int:
    """The lowest count that one limit permits. 25 % of 10 tasks: down to trunc(7.5) = 7. It can be negative."""
    start = _period_start(inputs, limit)
    return start - limit.tasks if limit.tasks is not None else start * max(0, 100 - _percent(limit)) // 100


def _percent(limit: RateLimit) -> int:
    """The percentage of a limit that is not in tasks."""
    return limit.percent or 0


def _period_start(inputs: RuleInput, limit: RateLimit) -> int:
    """The count before the changes of the period."""
    return inputs.current - inputs.memory.net_change(limit.per_s, inputs.now)


def _limits(direction: Direction) -> str:
    if direction.select is SelectLimit.DISABLED:
        return "disabled"
    if not direction.limits:
        return "unlimited"
    prefix = "" if len(direction.limits) == 1 else f"the {direction.select} of "
    return f"at most {prefix}{', '.join(map(_limit, direction.limits))}"


def _limit(limit: RateLimit) -> str:
    amount = f"{limit.percent} %" if limit.tasks is None else several(limit.tasks, "task")
    return f"{amount} per {seconds(limit.per_s)}"


def launch_rate(inputs: RuleInput) -> PermittedRange | None:
    """Limit the scale-out to the ECS launch rate of one service: 500 tasks a minute, 125 in newer Regions. It is not
    adjustable.

    Requesting more at once has no benefit, and hides for minutes that the latency target cannot be met.
    """
    limit = inputs.policy.launch_per_minute
    added = inputs.memory.added(LAUNCH_REACH_S, inputs.now)
    return (
        0,
        inputs.current + max(0, limit - added),
        lambda: f"ECS starts at most {several(limit, 'task')} a minute, {added} requested",
    )
