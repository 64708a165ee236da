"""`decide`: apply the rules to the demand, in ascending order of authority. The steps are the explanation.

Invariants: total (any observation has a decision), pure (equal inputs, equal decisions), monotone (more demand never
gives fewer tasks), and a target of at most the larger of the maximum and the present count.
"""

from __future__ import annotations

from dataclasses import replace

from autoscaler.core.figures import number
from autoscaler.core.memory import Memory
from autoscaler.core.model import Decision, DecisionStep, Observation, Rule, Vote
from autoscaler.core.policy import FallbackBehavior, Policy
from autoscaler.core.rule_input import PermittedRange, RuleInput
from autoscaler.core.rules import HOLDING, OVERRIDING
from autoscaler.core.rules.trust import falls_back

ROUNDING = 1e-9
"""Float rounding: 1.1 x 10 is 11.000000000000002."""


def decide(policy: Policy, memory: Memory, observation: Observation) -> Decision:
    """Return the target count and its reasons. No clock, no I/O; never raises."""
    inputs = RuleInput.of(policy, memory, observation)
    vote = inputs.signals.highest
    steps: list[DecisionStep] = []
    required = _fallback(inputs, steps) if vote is None else _tolerate(inputs, vote, steps)
    demand, recalled = None if vote is None else vote.tasks, _recalled(inputs, required)
    target = _walk(inputs, _below_maximum(inputs, required, steps), steps)
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
    """Return the decision with its target clamped to the range from the present count to the old target, and a step
    that records it.

    For limits that span services, which a rule of one service cannot express (`control/admission.py`).
    """
    low, high = sorted((decision.current, decision.target))
    end = min(max(target, low), high)
    if end == decision.target:
        return decision
    return replace(decision, target=end, steps=(*decision.steps, DecisionStep(rule, decision.target, end, reason)))


def _walk(inputs: RuleInput, count: int, steps: list[DecisionStep]) -> int:
    """Return the count after all rules. Most polls require the present count; every holding rule permits it and is
    skipped.
    """
    current = inputs.current
    for rule, check in HOLDING:
        if count == current:
            break
        if (permitted := check(inputs)) is not None:
            count = _clamp(count, rule, permitted, steps)
    for rule, check in OVERRIDING:
        if (permitted := check(inputs)) is not None:
            count = _clamp(count, rule, permitted, steps)
    return count


def _clamp(count: int, rule: Rule, permitted: PermittedRange, steps: list[DecisionStep]) -> int:
    low, high, reason = permitted
    if low <= count <= high:
        return count
    end = int(low if count < low else high)
    steps.append(DecisionStep(rule, count, end, reason()))
    return end


def _tolerate(inputs: RuleInput, vote: Vote, steps: list[DecisionStep]) -> int:
    """Return the present count if the load is close to it. The tolerance is inclusive: with 0.1 and 10 tasks, 11.0 is
    close.
    """
    current, demand = inputs.current, vote.tasks
    if vote.settled:
        return demand
    direction = inputs.policy.scale_out if vote.load > current else inputs.policy.scale_in
    tolerance = inputs.policy.tolerance if direction.tolerance is None else direction.tolerance
    if demand == current or abs(vote.load - current) > tolerance * current + ROUNDING:
        return demand
    steps.append(
        DecisionStep(Rule.TOLERANCE, demand, current, f"{number(vote.load)} is within {tolerance:.1%} of {current}")
    )
    return current


def _recalled(inputs: RuleInput, required: int) -> int:
    """Return the demand that the windows store.

    A demand of an incomplete poll is raised: it is no evidence that fewer tasks are enough. Otherwise the first
    complete reading after a long gap would find only low demands. Zero is not stored while work is left.
    """
    if inputs.signals.missing and not falls_back(inputs):
        return max(required, inputs.memory.carried(inputs.current, inputs.now))
    return max(required, min(inputs.current, 1)) if inputs.signals.work.messages else required


def _fallback(inputs: RuleInput, steps: list[DecisionStep]) -> int:
    """Return the count used when no signal gives a demand: the present count, or the configured fallback."""
    current, tasks = inputs.current, inputs.policy.fallback.tasks
    if tasks is None or not falls_back(inputs):
        return current
    match inputs.policy.fallback.behavior:
        case FallbackBehavior.CURRENT_IF_HIGHER:
            required = max(current, tasks)
        case FallbackBehavior.CURRENT_IF_LOWER:
            required = min(current, tasks)
        case _:
            required = tasks
    if required != current:
        missed = inputs.memory.failures + 1
        steps.append(DecisionStep(Rule.FALLBACK, current, required, f"no signal could be read {missed} times in a row"))
    return required


def _below_maximum(inputs: RuleInput, count: int, steps: list[DecisionStep]) -> int:
    """Lower a demand to the maximum if the present count is above it; the rules then limit the pace of the scale-in."""
    max_tasks = inputs.policy.max_tasks
    if inputs.current <= max_tasks or count <= max_tasks:
        return count
    steps.append(
        DecisionStep(Rule.BOUNDS, count, max_tasks, f"the desired count is {inputs.current}, max_tasks is {max_tasks}")
    )
    return max_tasks
