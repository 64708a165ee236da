"""One sentence for people: what was decided, from what, what held it back, and how long until nothing waits."""

from __future__ import annotations

from autoscaler.core.figures import several
from autoscaler.core.model import Decision, Observation, Step, Verdict, Vote
from autoscaler.core.policy import Policy
from autoscaler.core.signals import known_queues, work_of


def sentence(policy: Policy, decision: Decision, seen: Observation | None = None) -> str:
    """For example: `orders: 5 -> 9 tasks (min 0, max 20): backlog 90, 10 in flight, ...: 12 tasks required; rate
    limit: 9 instead of 12 (...); nothing waits after 66 s`. Without the observation it does not say the last.
    """
    parts = [_asked(decision), *map(_restraint, decision.steps)]
    drain_s = None if seen is None else drain_s_of(policy, decision.target, seen)
    if drain_s is not None:
        parts.append(f"nothing waits after {drain_s:,.0f} s, if nothing more comes")
    return f"{decision.name}: {_change(policy, decision)}: {'; '.join(parts)}"


def drain_s_of(policy: Policy, tasks: int, seen: Observation) -> float | None:
    """Until all that waits now is received by so many tasks, should nothing more come, in seconds.

    `waiting x processing time / (tasks x concurrency)`, start-ups aside. None: nothing waits, no task is there, or
    the processing time is not known.
    """
    known, gaps = known_queues(policy, seen)
    waiting = work_of(policy, known, seen.fleet.running).waiting
    if gaps or not waiting or not tasks or policy.processing_time_s is None:
        return None
    return waiting * policy.processing_time_s / (tasks * policy.task_concurrency)


def _change(policy: Policy, decision: Decision) -> str:
    bounds = f"(min {policy.min_tasks}, max {policy.max_tasks})"
    if decision.verdict is Verdict.HOLD:
        return f"stays at {_tasks(decision.current)} {bounds}"
    return f"{decision.current} -> {_tasks(decision.target)} {bounds}"


def _asked(decision: Decision) -> str:
    if not decision.votes:
        return "no signal could be read"
    highest = max(decision.votes, key=_strength)
    return f"{highest.reason}: {_tasks(highest.tasks)} required"


def _strength(vote: Vote) -> float:
    return vote.load


def _restraint(step: Step) -> str:
    return f"{step.rule.replace('_', ' ')}: {step.end} instead of {step.start} ({step.reason})"


def _tasks(count: int) -> str:
    return several(count, "task")
