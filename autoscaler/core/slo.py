"""Whether the latency target can be met, and what would meet it: reported before it is missed."""

from __future__ import annotations

from autoscaler.core.figures import seconds, several
from autoscaler.core.knowledge import Knowledge, QueueKnowledge
from autoscaler.core.model import Backlog, Decision, Observation, Rule
from autoscaler.core.policy import Policy

HINDERED = {
    Rule.STALLED_START: "requested tasks do not start",
    Rule.NO_PROGRESS: "more tasks do not complete more messages",
    Rule.LAUNCH_RATE: "ECS starts no more tasks in a minute",
    Rule.RATE_LIMIT: "scale_out.limits allows no more",
    Rule.COOLDOWN: "scale_out.cooldown is not over",
    Rule.SHARED_CAP: "a cap that services share is used up",
    Rule.PAUSE: "scaling is paused",
    Rule.SWITCHED_OFF: "the service was set to 0 by hand",
    Rule.FIFO: "all message groups are in flight",
}


def at_risk(policy: Policy, seen: Observation, decision: Decision) -> str | None:
    """Return why messages will wait longer than the latency target, with the task count that would meet it. None: no
    sign that they will.
    """
    asked = next((vote for vote in decision.votes if vote.settled), None)
    if seen.knowledge is None or asked is None:
        return None
    if asked.tasks <= decision.target:
        return _from_zero(policy, seen.knowledge, decision)
    target = f"the latency target of {seconds(policy.shortest_latency_s)} requires {several(asked.tasks, 'task')}"
    if asked.tasks > policy.max_tasks <= decision.target:
        return f"{target}, max_tasks is {policy.max_tasks}: raise max_tasks or acceptable_latency"
    hindrance = HINDERED.get(decision.rule) if decision.rule is not None else None
    return None if hindrance is None else f"{target}, and only {decision.target} can run: {hindrance}"


def _from_zero(policy: Policy, known: Knowledge, decision: Decision) -> str | None:
    """Return why the first message after an idle time is late: it finds no task, and waits for a poll and a start."""
    first_s = known.interval_s + known.start_late_s
    if decision.current or not decision.target or first_s <= policy.shortest_latency_s:
        return None
    return (
        f"the latency target of {seconds(policy.shortest_latency_s)} cannot be met from 0 tasks: a poll and a start "
        f"take up to {first_s:.0f} s; set min_tasks to 1, or acceptable_latency to at least {first_s:.0f} s"
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
