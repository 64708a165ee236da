"""Report that the latency target cannot be met, and what would meet it, before it is missed."""

from __future__ import annotations

from math import ceil

from autoscaler.core.advice import REMEDIES, Advice, first_cause, split
from autoscaler.core.estimate.starting import measured_late_start_s, measured_start_s
from autoscaler.core.figures import are, seconds, several
from autoscaler.core.knowledge import Knowledge, QueueKnowledge, Regime
from autoscaler.core.model import Backlog, Decision, Fleet, Observation, Rule
from autoscaler.core.policy import Policy
from autoscaler.core.rules.work import CHURN_RATIO

A_MESSAGE = 0.5
"""An estimate of at least half a message counts as a message: estimated counts have fractions."""

HEADROOM_COVERS = 1.25
"""The headroom covers the usual rises of the load while a poll and a start take at most this multiple of the target: on
the scorecard's traces, with 60 s and a start-up of 50 s, 0.001 % of the messages are late.
"""

SET_IT = "set processing_time, or wait until it is learned"

OBSTACLES = {
    Rule.LAUNCH_RATE: "the ECS launch rate is reached",
    Rule.RATE_LIMIT: "scale_out.limits allows no more",
    Rule.COOLDOWN: "scale_out.cooldown is not over",
    Rule.SHARED_CAP: "a cap that services share is used up",
}


def at_risk(policy: Policy, seen: Observation, decision: Decision) -> Advice | None:
    """Return why messages will wait longer than the latency target, and what would meet it. None: the target is not at
    risk.
    """
    if (off := _switched_off(policy, seen, decision)) is not None:
        return off
    required = next((vote for vote in decision.votes if vote.signal == "latency"), None)
    if seen.knowledge is None or required is None:
        return None
    if required.tasks <= decision.target:
        return (
            _from_zero(policy, seen.knowledge, decision)
            or _overdue(policy, seen.knowledge, seen.fleet)
            or _slow_start(policy, seen.knowledge, decision)
        )
    return _too_few(policy, seen.fleet, seen.knowledge, decision, required.tasks)


def _too_few(policy: Policy, fleet: Fleet, known: Knowledge, decision: Decision, tasks: int) -> Advice | None:
    """Return why fewer tasks are requested than the `tasks` that the target requires. A cause that remains at a higher
    maximum comes first.
    """
    if (first := first_cause(decision)) is not None:
        return first
    if fleet.desired - fleet.running > CHURN_RATIO * fleet.desired and (stuck := _not_running(fleet)) is not None:
        return stuck
    target = _required(policy, known, tasks)
    if policy.max_tasks <= decision.target:
        raising = "raise max_tasks or acceptable_latency" if _is_known(policy, known) else SET_IT
        return Advice(f"max_tasks is {policy.max_tasks}, and {target}", raising)
    if decision.rule is None or decision.rule not in OBSTACLES:
        return _overdue(policy, known, fleet)
    cause = f"{OBSTACLES[decision.rule]}: {target}, and only {decision.target} can run"
    return Advice(cause, REMEDIES[decision.rule])


def _is_known(policy: Policy, known: Knowledge) -> bool:
    """Whether the processing time is more than a guess."""
    return known.processing_s.weight > 0 or policy.processing_time_s is not None


def _required(policy: Policy, known: Knowledge, tasks: int) -> str:
    """Return what the target requires. A number that follows from a guess is not stated."""
    target = f"the latency target of {seconds(policy.shortest_latency_s)}"
    if _is_known(policy, known):
        return f"{target} requires {several(tasks, 'task')}"
    return f"{target} requires more tasks, if a message takes {seconds(known.processing_s.value)} (assumed)"


def refused(decision: Decision, why: str) -> Advice | None:
    """Return that tasks are required and not requested, because the call failed. `why`: the text of the error. None: no
    more tasks are required.
    """
    if decision.target <= decision.current:
        return None
    error = split(why)
    return error._replace(
        cause=f"{are(decision.target, 'task')} required, and {decision.current} requested: {error.cause}"
    )


def _switched_off(policy: Policy, seen: Observation, decision: Decision) -> Advice | None:
    """Return that another writer keeps a service at 0 that needs tasks, whatever its signals are."""
    if not any(step.rule is Rule.SWITCHED_OFF for step in decision.steps):
        return None
    waiting = sum(one.visible for _, one in seen.queues if isinstance(one, Backlog))
    why = f"min_tasks is {policy.min_tasks}" if not waiting else f"{several(waiting, 'message')} wait"
    return Advice(f"the service was set to 0 by hand, and {why}", REMEDIES[Rule.SWITCHED_OFF])


def _from_zero(policy: Policy, known: Knowledge, decision: Decision) -> Advice | None:
    """Return why the first message after an idle time is late: no task runs, so it waits for a poll and a start-up."""
    late_s = measured_late_start_s(known)
    shown_s = known.start_late_s if late_s is None else late_s
    certain_s = known.interval_s + min(shown_s, known.start_late_s)
    if decision.current or not decision.target or certain_s <= policy.shortest_latency_s:
        return None
    first_s = known.interval_s + shown_s
    return Advice(
        f"the latency target of {seconds(policy.shortest_latency_s)} cannot be met from 0 tasks: a poll and a start "
        f"take up to {first_s:.0f} s{' (assumed)' if late_s is None else ''}",
        f"set min_tasks to 1, or acceptable_latency to at least {first_s:.0f} s",
    )


def _overdue(policy: Policy, known: Knowledge, fleet: Fleet) -> Advice | None:
    """Return that messages have waited longer than their latency target, with the reason as far as it is known."""
    for queue in known.queues:
        late = sum([messages for age_s, messages in queue.waiting if age_s > policy.latency_of(queue.name)])
        if late >= A_MESSAGE:
            cause = _cause(known, fleet)
            waited = f"{several(ceil(late), 'message')} of {queue.name} waited longer than the latency target"
            return cause._replace(cause=f"{cause.cause}: {waited}")
    return None


def _cause(known: Knowledge, fleet: Fleet) -> Advice:
    """Return why messages are late, as far as it is known. A cause that more tasks do not remove comes first."""
    return _not_running(fleet) or _useless(known) or _unknown(known)


def _not_running(fleet: Fleet) -> Advice | None:
    """Return that tasks do not run, and why: the diagnosis, or the event of ECS (None: neither, or all run). After a
    restart of the daemon the event is older than the first reading, and the rule `stalled_start` waits for a newer one.
    """
    missing = fleet.desired - fleet.running
    known = fleet.failure or fleet.trouble
    if known is None or missing <= 0:
        return None
    remedy = REMEDIES[Rule.STALLED_START] if fleet.failure is None else fleet.failure.remedy
    return Advice(f"{are(missing, 'task')} not running: {known.reason}", remedy)


def _useless(known: Knowledge) -> Advice | None:
    """Return why more tasks would not help (None: they would)."""
    if known.bottleneck is not None:
        limit = several(ceil(known.bottleneck), "task")
        return Advice(f"above {limit}, more tasks complete no more messages", "check what the workers wait for")
    if known.groups is not None:
        return Advice("messages wait for earlier messages of their group", REMEDIES[Rule.FIFO])
    if known.overtaken_s:
        return Advice(
            "messages wait for earlier messages of their group, while others are received", REMEDIES[Rule.FIFO]
        )
    return None


def _unknown(known: Knowledge) -> Advice:
    """Return what was not known when there were too few tasks."""
    if known.trial is not None:
        tried = several(ceil(known.trial), "task")
        return Advice(f"it is not known whether more tasks help, so {tried} are tried first")
    if known.regime is Regime.BATCH:
        return Advice("messages take much longer than before", "set processing_time if such batches are usual")
    return Advice("the load or the processing time rose faster than tasks start", "raise min_tasks if this is frequent")


def _slow_start(policy: Policy, known: Knowledge, decision: Decision) -> Advice | None:
    """Return that a rise of the load is late, because a poll and a start take longer than the latency target.

    Both the measured mean and the estimate must show it: four starts of 5 s are an estimate of 30 s, because 50 s were
    assumed, and one start of 120 s can be an exception (estimate: 62 s).
    """
    measured_s = measured_start_s(known)
    if measured_s is None or not (decision.current and known.arriving):
        return None
    if known.interval_s + min(measured_s, known.start_s.value) <= HEADROOM_COVERS * policy.shortest_latency_s:
        return None
    start_s = known.interval_s + measured_s
    return Advice(
        f"the latency target of {seconds(policy.shortest_latency_s)} cannot be met when the load rises: a poll and a "
        f"start take {start_s:.0f} s",
        f"raise min_tasks, or set acceptable_latency to at least {start_s:.0f} s",
    )


SHADOW_MISSES_LATENCY = "shadow_misses_latency"
"""The kind of the notice that a service in shadow mode misses its latency target and no other scaler scales it."""


def oldest_ages_s(seen: Observation) -> dict[str, float]:
    """Return the age of the oldest waiting message of each queue in seconds; 0 if no message waits.

    Uses the estimates; without them, the CloudWatch age, which is a minute late. Queues without any value are left out.
    """
    counts = {name: one for name, one in seen.queues if isinstance(one, Backlog)}
    if seen.knowledge is not None:
        return {queue.name: _oldest_s(queue) for queue in seen.knowledge.queues if queue.name in counts}
    ages = {name: one.oldest_age_s if one.visible else 0.0 for name, one in counts.items()}
    return {name: age_s for name, age_s in ages.items() if age_s is not None}


def _oldest_s(queue: QueueKnowledge) -> float:
    return max((seconds for seconds, messages in queue.waiting if messages >= A_MESSAGE), default=0.0)


def expected_wait_s(seen: Observation) -> float | None:
    """Return the expected wait of a message that arrives now, in seconds: the messages before it, divided by the
    receive rate of the present tasks. None: no estimate, or no running task.
    """
    known, running = seen.knowledge, min(seen.fleet.running, seen.fleet.desired)
    if known is None or running == 0:
        return None
    return known.waiting * known.slow_s / (running * known.concurrency.value)
