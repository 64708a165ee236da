"""One sentence for people: what was decided, from what, and what held it back."""

from __future__ import annotations

from autoscaler.core.model import Decision, Step, Verdict, Vote
from autoscaler.core.policy import Policy


def sentence(policy: Policy, decision: Decision) -> str:
    """For example: `orders: 5 -> 9 tasks (max 20): 90 waiting and 10 in flight, ... ask for 12; rate limit: ... `."""
    return f"{decision.name}: {_change(policy, decision)}: {'; '.join((_asked(decision), *_restraints(decision)))}"


def _change(policy: Policy, decision: Decision) -> str:
    bounds = f"(min {policy.min_tasks}, max {policy.max_tasks})"
    if decision.verdict is Verdict.HOLD:
        return f"stays at {_tasks(decision.current)} {bounds}"
    return f"{decision.current} -> {_tasks(decision.target)} {bounds}"


def _asked(decision: Decision) -> str:
    if not decision.votes:
        return "no signal could be read"
    highest = max(decision.votes, key=_strength)
    return f"{highest.because}: {_tasks(highest.tasks)} asked for"


def _strength(vote: Vote) -> int:
    return vote.tasks


def _restraints(decision: Decision) -> list[str]:
    """The steps that moved the count, in order; the last one is what binds."""
    return [_restraint(step) for step in decision.steps]


def _restraint(step: Step) -> str:
    return f"{step.rule.replace('_', ' ')}: {step.end} instead of {step.start} ({step.because})"


def _tasks(count: int) -> str:
    return f"{count:,} task" if count == 1 else f"{count:,} tasks"
