"""`decide`: the demand, walked through the corridors in rising order of authority. The walk is the explanation.

Laws: total (any observation has a decision), pure (equal inputs, equal decisions), monotone (more demand never
means fewer tasks), and no target above both the maximum and the count that was found.
"""

from __future__ import annotations

from dataclasses import replace

from autoscaler.core.figures import number
from autoscaler.core.memory import Memory
from autoscaler.core.model import Decision, Observation, Rule, Step, Vote
from autoscaler.core.policy import FallbackBehavior, Policy
from autoscaler.core.rule_input import PermittedRange, RuleInput
from autoscaler.core.rules import HOLDING, OVERRIDING
from autoscaler.core.rules.trust import falls_back

ROUNDING = 1e-9
"""Of floats: 1.1 x 10 is 11.000000000000002."""


def decide(policy: Policy, memory: Memory, observation: Observation) -> Decision:
    """What the count should be now, and why. No clock, no I/O; raises nothing."""
    inputs = RuleInput.of(policy, memory, observation)
    vote = inputs.signals.highest
    steps: list[Step] = []
    wanted = _fallback(inputs, steps) if vote is None else _tolerate(inputs, vote, steps)
    demand, recalled = None if vote is None else vote.tasks, _recalled(inputs, wanted)
    target = _walk(inputs, _below_maximum(inputs, wanted, steps), steps)
    return Decision(
        policy.name,
        inputs.current,
        demand,
        recalled,
        target,
        tuple(steps),
        inputs.signals.votes,
        inputs.current == 0 and inputs.signals.wakes(policy),
        not inputs.signals.missing,
        bool(inputs.signals.missing) and not falls_back(inputs),
    )


def limit_decision(decision: Decision, rule: Rule, target: int, reason: str) -> Decision:
    """The decision with its target clamped to between the present count and what it was, and a step that says so.

    For what spans services, and so cannot be a corridor of one (`control/admission.py`).
    """
    low, high = sorted((decision.current, decision.target))
    end = min(max(target, low), high)
    if end == decision.target:
        return decision
    return replace(decision, target=end, steps=(*decision.steps, Step(rule, decision.target, end, reason)))


def _walk(inputs: RuleInput, count: int, steps: list[Step]) -> int:
    """The count after all rules. Most looks ask for the present count: then no rule need be asked that contains it."""
    for rule, check in HOLDING:
        if count == inputs.current:
            break
        count = _clamp(count, rule, check(inputs), steps)
    for rule, check in OVERRIDING:
        count = _clamp(count, rule, check(inputs), steps)
    return count


def _clamp(count: int, rule: Rule, permitted: PermittedRange | None, steps: list[Step]) -> int:
    if permitted is None:
        return count
    low, high, reason = permitted
    if low <= count <= high:
        return count
    end = int(low if count < low else high)
    steps.append(Step(rule, count, end, reason()))
    return end


def _tolerate(inputs: RuleInput, vote: Vote, steps: list[Step]) -> int:
    """A load close to the present count asks for the present count. Closed: at 0.1 and 10 tasks, 11.0 is close."""
    current, demand = inputs.current, vote.tasks
    if vote.settled:
        return demand
    direction = inputs.policy.scale_out if vote.load > current else inputs.policy.scale_in
    tolerance = inputs.policy.tolerance if direction.tolerance is None else direction.tolerance
    if demand == current or abs(vote.load - current) > tolerance * current + ROUNDING:
        return demand
    steps.append(Step(Rule.TOLERANCE, demand, current, f"{number(vote.load)} is within {tolerance:.1%} of {current}"))
    return current


def _recalled(inputs: RuleInput, wanted: int) -> int:
    """What the windows will remember. A tick that saw only a part says nothing of fewer tasks, or a single good
    reading after a long gap would find nothing but agreement; and none is not agreed on while work is left.
    """
    if inputs.signals.missing and not falls_back(inputs):
        return max(wanted, inputs.memory.carried(inputs.current, inputs.now))
    return max(wanted, min(inputs.current, 1)) if inputs.signals.work.messages else wanted


def _fallback(inputs: RuleInput, steps: list[Step]) -> int:
    """What stands in for a demand that nobody could state: the present count, or the operator's word."""
    current, tasks = inputs.current, inputs.policy.fallback.tasks
    if tasks is None or not falls_back(inputs):
        return current
    match inputs.policy.fallback.behavior:
        case FallbackBehavior.CURRENT_IF_HIGHER:
            wanted = max(current, tasks)
        case FallbackBehavior.CURRENT_IF_LOWER:
            wanted = min(current, tasks)
        case _:
            wanted = tasks
    if wanted != current:
        missed = inputs.memory.failures + 1
        steps.append(Step(Rule.FALLBACK, current, wanted, f"no signal could be read {missed} times in a row"))
    return wanted


def _below_maximum(inputs: RuleInput, count: int, steps: list[Step]) -> int:
    """A count found above the maximum is on its way down to it, at the pace that the walk permits."""
    most = inputs.policy.max_tasks
    if inputs.current <= most or count <= most:
        return count
    steps.append(Step(Rule.BOUNDS, count, most, f"{inputs.current} were found, and {most} are the most"))
    return most
