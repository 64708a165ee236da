"""Whether the promise can be kept, and what would do: said as soon as it is known, and not only when it is broken."""

from __future__ import annotations

from autoscaler.core.figures import seconds, several
from autoscaler.core.knowledge import Knowledge, QueueKnowledge
from autoscaler.core.model import Backlog, Decision, Observation, Rule
from autoscaler.core.policy import Policy

HINDERED = {
    Rule.STALLED_START: "tasks that were asked for do not start",
    Rule.NO_PROGRESS: "the workers get no more done with more tasks",
    Rule.LAUNCH_RATE: "ECS does not launch so many tasks at once",
    Rule.RATE_LIMIT: "scale_out.limits holds the rest back",
    Rule.COOLDOWN: "scale_out.cooldown holds the rest back",
    Rule.SHARED_CAP: "what services share is used up",
    Rule.PAUSE: "scaling is paused",
    Rule.SWITCHED_OFF: "the service was set to 0 by hand",
    Rule.FIFO: "its message groups are all taken",
}


def at_risk(policy: Policy, seen: Observation, decision: Decision) -> str | None:
    """Why messages will wait longer than they may, with the number that would do. None: nothing says that they will."""
    asked = next((vote for vote in decision.votes if vote.settled), None)
    if seen.knowledge is None or asked is None:
        return None
    if asked.tasks <= decision.target:
        return _from_zero(policy, seen.knowledge, decision)
    promise = f"the promise of {seconds(policy.shortest_latency_s)} needs {several(asked.tasks, 'task')}"
    if asked.tasks > policy.max_tasks <= decision.target:
        return f"{promise}, and max_tasks is {policy.max_tasks}: raise it, or the latency"
    hindrance = HINDERED.get(decision.rule) if decision.rule is not None else None
    return None if hindrance is None else f"{promise}, and {decision.target} are to be had: {hindrance}"


def _from_zero(policy: Policy, known: Knowledge, decision: Decision) -> str | None:
    """The first message after none finds no task, and waits for the next look and a start."""
    first_s = known.interval_s + known.start_late_s
    if decision.current or not decision.target or first_s <= policy.shortest_latency_s:
        return None
    return (
        f"the promise of {seconds(policy.shortest_latency_s)} does not hold from 0 tasks: seen and started, one "
        f"takes up to {first_s:.0f} s; min_tasks 1 keeps one warm, or a latency of {first_s:.0f} s would do"
    )


SHADOW_MISSES_LATENCY = "shadow_misses_latency"
"""The kind of the notice that a service in shadow misses its latency target, and nothing else scales it."""

A_MESSAGE = 0.5
"""Half a message or more is one: estimates of counts have fractions."""


def oldest_waits_s(seen: Observation) -> dict[str, float]:
    """For how long the oldest message of each queue waits, in seconds; 0 where none does. By our own estimate; before
    there is one, by CloudWatch's, which is a minute late. A queue of which nothing is known is not there.
    """
    counts = {name: one for name, one in seen.queues if isinstance(one, Backlog)}
    if seen.knowledge is not None:
        return {queue.name: _oldest_s(queue) for queue in seen.knowledge.queues if queue.name in counts}
    ages = {name: one.oldest_age_s if one.visible else 0.0 for name, one in counts.items()}
    return {name: age_s for name, age_s in ages.items() if age_s is not None}


def _oldest_s(queue: QueueKnowledge) -> float:
    return max((seconds for seconds, messages in queue.waiting if messages >= A_MESSAGE), default=0.0)


def expected_wait_s(seen: Observation) -> float | None:
    """How long a message that comes now will probably wait until it is received: what waits before it, by what the
    present tasks receive. None: nothing is known, or there is no task to receive it.
    """
    known, running = seen.knowledge, min(seen.fleet.running, seen.fleet.desired)
    if known is None or running == 0:
        return None
    waits = sum(messages for queue in known.queues for _, messages in queue.waiting)
    return waits * known.slow_s / (running * known.concurrency.value)
