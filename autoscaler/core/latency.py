"""The promise as a number of tasks: with how many is every message, waiting or expected, received before it is late?

A slot that is free takes a message at once, and one that is taken opens again after a processing time, so within `t`
seconds `n` tasks of `c` slots receive `n * c * t / S` messages; a task that comes up `u` seconds from now receives
`c * (1 + (t - u) / S)`. The count is the smallest with which, for each instant, these are at least as many as must
have been received by then.

Laws: more that waits, waits longer, or is expected never asks for fewer tasks; what is overdue is due after a start-up
and a catch-up time, so there is no cliff; the count never exceeds the messages there are, by the slots of a task.

Two thresholds keep the count from flapping. It is raised only when waiting for the next look would break the promise,
or when what waits already needs more tasks to the last message: then it costs less to start them early. It is lowered
to what would keep the promise with half of the latency to spare. Between them it stays where it is.
"""

from __future__ import annotations

from math import inf, sqrt
from operator import itemgetter
from typing import NamedTuple

from autoscaler.core.knowledge import Coming, Knowledge, QueueKnowledge
from autoscaler.core.policy import Policy
from autoscaler.core.signals import Work

GUARD_S, GUARD_RATIO = 8.0, 0.15
"""What is not spent of the latency: a reading is a few seconds old, and a worker asks for its next message."""

SPENT_RATIO = 0.97
"""How much of what may be spent is planned with where tasks are added: the rest is for what was not foreseen."""

EASE_RATIO = 0.5
"""How much of the latency must be left to spare before tasks are given up."""

CATCH_UP_RATIO = 0.25
"""In how much of the latency, after a start-up, what is overdue should be received."""

SIGMAS = 2.33
"""By how many standard deviations the receives of running tasks may fall short; once in a hundred it is more.
Of renewals the variance is CV^2 x mean."""

AHEAD_S = 30.0
"""When tasks must be added, they must do for so much longer than a start-up; else the next look adds again."""

EASED_FOR_S = 60.0
"""Before tasks are given up, the promise must be kept for so much longer without them."""

LEAST_TASKS, LEAST_RATIO = 0.7, 0.05
"""By how much what waits must ask for more before tasks are added ahead of need: fractions of one come and go."""

RARE = 6.9
"""-ln(0.001): in heavy traffic P(wait > W) = exp(-2 (n - R) n W / (R S (1 + CV^2))) (Kingman); see `_headroom`."""
ROOT = 2.0
"""Never more headroom than twice the square root of the load: hardly anybody waits then (Halfin and Whitt)."""

SPARE_TASKS = 2.0
"""Where a message that comes may wait for a look and a start, no more tasks are kept for it than these."""

SMALL_LOAD = 0.5
"""A load below half a task has no headroom: it may wait for a start."""


class Need(NamedTuple):
    """The count to keep the promise with, in tasks and fractions of one. `must`: the promise depends on it."""

    load: float
    must: bool


class _Plan(NamedTuple):
    """What there is to receive with, from now on."""

    queues: tuple[QueueKnowledge, ...]
    any_due: bool
    tasks: float
    idle: float
    rate_per_s: float
    doubt: float
    starting: tuple[Coming, ...]
    slots: float
    slot_s: float
    start_s: float
    floor_s: float


def need(policy: Policy, known: Knowledge, work: Work, running: int, current: int) -> Need:
    """How many tasks keep the promise, seen from the present count, which is kept where either would do."""
    latency_s = policy.shortest_latency_s
    plan = _plan(policy, known, work, running)
    latencies = [policy.latency_of(queue.name) for queue in known.queues]
    spent = [each - min(GUARD_S, GUARD_RATIO * each) for each in latencies]
    in_time_s = known.interval_s + known.start_late_s
    must = _needed(plan, spent, 1.0, in_time_s)
    if must > current:
        return _capped(max(must, _needed(plan, spent, SPENT_RATIO, in_time_s + AHEAD_S)), work, plan, must=True)
    lasting = _needed(plan, spent, SPENT_RATIO, max(spent, default=0.0))
    if lasting > current + max(LEAST_TASKS, LEAST_RATIO * current):
        return _capped(lasting, work, plan, must=False)
    eased = _needed(plan, latencies, EASE_RATIO, max(EASE_RATIO * latency_s + EASED_FOR_S, in_time_s))
    load = known.load + _headroom(known, latency_s) if known.load > SMALL_LOAD else 0.0
    kept = max(eased, load, known.lasting_load)
    if latency_s >= in_time_s:
        kept = min(kept, work.messages / plan.slots + SPARE_TASKS)
    return Need(min(float(current), max(must, kept)), must=False)


def _plan(policy: Policy, known: Knowledge, work: Work, running: int) -> _Plan:
    slots, slot_s = known.concurrency.value, max(known.slow_s, 1e-3)
    taken = min(float(work.in_flight), running * slots)
    return _Plan(
        queues=known.queues,
        any_due=any(queue.waiting or any(messages for _, messages in queue.coming) for queue in known.queues),
        tasks=running + sum([tasks for _, tasks in known.starting]),
        idle=running * slots - taken,
        rate_per_s=running * slots / slot_s,
        doubt=SIGMAS * sqrt(known.spread * running * slots / slot_s),
        starting=known.starting,
        slots=slots,
        slot_s=slot_s,
        start_s=known.start_s.value,
        floor_s=known.start_s.value + CATCH_UP_RATIO * policy.shortest_latency_s,
    )


def _needed(plan: _Plan, latencies: list[float], share: float, horizon_s: float) -> float:
    """The smallest count with which all that is due within the horizon is received when it is due, if so much of the
    latencies may be spent. What waits and is overdue is always within the horizon. The inside runs a hundred times a
    decision: no calls there.
    """
    if not plan.any_due:
        return 0.0
    most, total = 0.0, 0.0
    _, _, tasks, idle, rate_per_s, doubt, starting, slots, slot_s, start_s, _ = plan
    for due_s, messages in _due(plan, latencies, share, horizon_s):
        total += messages
        received = rate_per_s * due_s - doubt * sqrt(due_s)
        here = idle + received if received > 0 else idle
        for up_s, count in starting:
            if due_s > up_s:
                here += count * slots * (1 + (due_s - up_s) / slot_s)
        if total > here:
            up_for_s = due_s - start_s
            turns = 1 + up_for_s / slot_s if up_for_s > 0 else 1.0
            asked = tasks + (total - here) / (slots * turns)
        else:
            asked = tasks * total / here if here > 0 else 0.0
        most = max(most, asked)
    return most


def _due(plan: _Plan, latencies: list[float], share: float, horizon_s: float) -> list[tuple[float, float]]:
    """By when how many more messages must have been received, ascending. What is due before the floor, due there."""
    floor_s, overdue, due = plan.floor_s, 0.0, list[tuple[float, float]]()
    horizon_s = max(horizon_s, floor_s)
    for latency_s, (_, waiting, coming) in zip(latencies, plan.queues, strict=True):
        spend_s, before = share * latency_s, 0.0
        for age_s, messages in reversed(waiting):
            left_s = spend_s - age_s
            if left_s > horizon_s:
                break
            if left_s <= floor_s:
                overdue += messages
            else:
                due.append((left_s, messages))
        for within_s, messages in coming if spend_s < horizon_s else ():
            left_s = spend_s + within_s
            if left_s > horizon_s:
                break
            if messages == before:
                continue
            if left_s <= floor_s:
                overdue += messages - before
            else:
                due.append((left_s, messages - before))
            before = messages
    if len(plan.queues) > 1:
        due.sort(key=itemgetter(0))
    return [(floor_s, overdue), *due] if overdue else due


def _headroom(known: Knowledge, latency_s: float) -> float:
    """Tasks beyond the load with which one message in a thousand waits too long. At 5 s each, CV 1 and 60 s: 0.6; at
    60 s each, CV 3.4 and 60 s: 43, where twice the root of the load of 20 tasks is 9.
    """
    few = RARE * known.slow_s * (1 + known.spread) / (2 * latency_s)
    return min(few, ROOT * sqrt(known.load))


def _capped(load: float, work: Work, plan: _Plan, *, must: bool) -> Need:
    """Never more tasks than there are messages for: those that wait, that are at work, and that are expected."""
    coming = sum([coming[-1].messages for _, _, coming in plan.queues if coming])
    return Need(min(load, (work.messages + coming) / plan.slots if plan.slots else inf), must)
