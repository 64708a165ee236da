"""Explain a decision in one sentence: the change, its inputs, the rules that limited it, and the time to drain."""

from __future__ import annotations

from autoscaler.core.figures import number, several
from autoscaler.core.model import MOST_TASKS, Decision, DecisionStep, Observation, Verdict, Vote
from autoscaler.core.policy import Policy
from autoscaler.core.signals import known_queues, work_of


def sentence(policy: Policy, decision: Decision, seen: Observation | None = None) -> str:
    """Return a sentence such as `orders: 5 -> 9 tasks (min 0, max 20): backlog 90, 10 in flight, ...: 12 tasks
    required; rate limit: 9 instead of 12 (...); backlog empty after 66 s ...`. The last part requires the observation.
    """
    parts = [_required(decision), *map(_rule_step, decision.steps)]
    drain_s = None if seen is None else drain_s_of(policy, decision.target, seen)
    if drain_s is not None:
        parts.append(f"backlog empty after {drain_s:,.0f} s if no more messages arrive")
    return f"{decision.name}: {_change(policy, decision)}: {'; '.join(parts)}"


def drain_s_of(policy: Policy, tasks: int, seen: Observation) -> float | None:
    """Return the seconds until `tasks` tasks have received all waiting messages, if no more arrive.

    `waiting x processing time / (tasks x concurrency)`, without start-up times. None: a gap, no waiting message, no
    task, or no configured processing time.
    """
    known, gaps = known_queues(policy, seen)
    waiting = work_of(policy, known, seen.fleet.running).waiting
    if gaps or not waiting or not tasks or policy.processing_time_s is None:
        return None
    return waiting * policy.processing_time_s / (tasks * policy.task_concurrency)


def _change(policy: Policy, decision: Decision) -> str:
    most = "unlimited" if policy.max_tasks >= MOST_TASKS else policy.max_tasks
    bounds = f"(min {policy.min_tasks}, max {most})"
    if decision.verdict is Verdict.HOLD:
        return f"stays at {_tasks(decision.current)} {bounds}"
    return f"{decision.current} -> {_tasks(decision.target)} {bounds}"


def _required(decision: Decision) -> str:
    if not decision.votes:
        return "no signal has a value" if decision.complete else "no signal could be read"
    highest = max(decision.votes, key=_strength)
    required, term = f"{_tasks(highest.tasks)} required", highest.binding
    if term.reason in highest.reason:
        return f"{highest.reason}: {required}"
    if term.cap and term.name != "present":
        most = highest.largest
        return f"{highest.reason}: {required}; {number(most.tasks)} {most.reason}, but {term.reason}"
    if term.cap:
        return f"{highest.reason}: {required}; {term.reason}"
    exact = "" if number(term.tasks) == number(highest.tasks) else f"{number(term.tasks)} "
    return f"{highest.reason}: {required}, {exact}{term.reason}"


def _strength(vote: Vote) -> float:
    return vote.load


def _rule_step(step: DecisionStep) -> str:
    return f"{step.rule.replace('_', ' ')}: {step.end} instead of {step.start} ({step.reason})"


def _tasks(count: int) -> str:
    return several(count, "task")
