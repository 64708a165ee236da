"""The demand: every signal votes for a number of tasks, and the highest vote wins.

The latency vote, until throughput is learned: with `n` tasks of `c` messages at once, each message taking `P` seconds,
a slot becomes free `1 + T/P` times within `T` seconds. All waiting messages are received within `T` if
`n * c * (1 + T/P) >= waiting + in flight`. `T` is half of the acceptable latency `W`: with the smallest `n` the wait
settles at `T`, so with `T = W` every second message would be late. Once the oldest message has waited longer than `T`,
`T` is its remaining time, at least a quarter of `W`. Older messages therefore never require fewer tasks, and the count
does not jump. The messages in flight are the present load: fewer tasks than they occupy would let the queue grow
(Little's law).
"""

from __future__ import annotations

from math import ceil

from autoscaler.core.figures import Several, seconds
from autoscaler.core.formula import parse
from autoscaler.core.knowledge import Knowledge, Regime
from autoscaler.core.latency import need
from autoscaler.core.load import LoadRequirement, follow, joined, reach_s
from autoscaler.core.memory import Memory
from autoscaler.core.model import Backlog, Measurement, Missing, Observation, Term, Utilization, Vote
from autoscaler.core.policy import Policy
from autoscaler.core.signals import (
    MOST_MEASURED,
    Gap,
    Known,
    Signals,
    TargetLoad,
    Work,
    known_queues,
    loads,
    measured,
    meters,
    usable,
    work_of,
)

DAY_ONE_BACKLOG_PER_TASK = 5.0
"""Messages per task until a processing time is known: KEDA's default for SQS."""

SPENT_LATENCY_RATIO = 0.5
"""The share of the acceptable latency that the latency vote plans as waiting time."""

CATCH_UP_LATENCY_RATIO = 0.25
"""The share of the acceptable latency within which overdue messages should be received."""

LATE_AT_MOST_RATIO = 2.0
"""Maximum factor of the age vote. Without a processing time, overdue messages require tasks in proportion to their age.
"""

NO_PAST = Memory()

BACKLOG_IN_TIME = "to receive all messages in half of the latency target, or in the time that is left"

_WORK = "backlog {0}, {1} in flight"
_WORK_READ = _WORK + " in the queues that were read"
_UTILIZATION = "{0} was at {1} % on {2}, target {3} %"
_METRIC = "{0} was {1} on {2}, target {3}"
_PER_TASK = "{0} is {1}, target {2} per task"


def read_signals(policy: Policy, seen: Observation, memory: Memory = NO_PAST) -> Signals:
    """Return every vote and every gap of an observation. Every observation has a result. `memory`: the periods before
    the newest one, of the signals that are a mean over the tasks.
    """
    if seen.given is not None:
        return Signals((Vote("given", max(0, seen.given), "demand set in the situation"),), given=True)
    known, gaps = known_queues(policy, seen)
    work = work_of(policy, known, seen.fleet.running)
    ran = min(seen.fleet.running, seen.fleet.desired)
    words = _WORK_READ if gaps else _WORK
    votes = []
    if known and seen.knowledge is not None and _follows_latency(policy):
        votes = _learned_votes(policy, seen.knowledge, work, words, (ran, seen.fleet.desired))
    elif known:
        votes = _queue_votes(policy, known, work, ran, words)
    if not _can_require_more(policy, seen, known):
        votes = [_at_most(seen.fleet.desired, vote) for vote in votes]
    cap = ceil(work.messages / policy.task_concurrency) if known and not gaps else None
    _add_loads(policy, memory, seen, votes, gaps, cap=cap)
    if policy.metrics or policy.formula is not None:
        _add_metrics(policy, seen, known, votes, gaps)
    return Signals(
        tuple(votes),
        tuple(gaps),
        work,
        unseen=seen.unseen,
        unreceived=seen.unreceived,
        message_s=_message_s(policy, seen.knowledge),
        useful=None if seen.knowledge is None else seen.knowledge.useful,
        regime=Regime.IDLE if seen.knowledge is None else seen.knowledge.regime,
        foreseen=0.0 if seen.knowledge is None else seen.knowledge.foreseen,
    )


def _can_require_more(policy: Policy, seen: Observation, known: Known) -> bool:
    """Whether the queues can require more tasks than there are: a message is visible, or delayed and counted, or
    messages arrive or are forecast. Messages in flight do not count: tasks already hold them, or they belong to other
    consumers or dead workers.
    """
    if seen.knowledge is not None and seen.knowledge.arriving:
        return True
    return any(counts.visible or (policy.count_delayed and counts.delayed) for _, counts in known)


def _at_most(current: int, vote: Vote) -> Vote:
    if vote.load <= current:
        return vote
    wording = f"{vote.wording}; nothing is visible and nothing arrives: no more than the present {{{len(vote.values)}}}"
    cap = Term("present", float(current), "nothing is visible and nothing arrives", cap=True)
    return vote._replace(
        load=float(current), wording=wording, values=(*vote.values, current), candidates=(*vote.terms, cap)
    )


def _message_s(policy: Policy, known: Knowledge | None) -> float:
    """Return the task-seconds of one message, from the last minutes or as configured; 0 if both are unknown."""
    if known is not None:
        return known.slow_s / known.concurrency.value
    return (policy.processing_time_s or 0.0) / policy.task_concurrency


def _follows_latency(policy: Policy) -> bool:
    """Whether the latency vote applies. An explicit `backlog_per_task` without a `processing_time` disables it."""
    return policy.backlog_per_task is None or policy.processing_time_s is not None


def _learned_votes(policy: Policy, known: Knowledge, work: Work, words: str, tasks: tuple[int, int]) -> list[Vote]:
    """Return the latency vote, and the backlog vote if `backlog_per_task` is set. `tasks`: running and desired."""
    required = need(policy, known, work, *tasks)
    facts = (work.waiting, work.in_flight, known.processing_s.value, policy.shortest_latency_s, required.load)
    wording = f"{words}, {{2}} s each, latency target {{3}} s"
    votes = [Vote("latency", required.load, wording, facts, settled=True, candidates=required.terms)]
    if policy.backlog_per_task is not None:
        votes.append(_backlog_vote(work, policy.backlog_per_task, words))
    return votes


def _queue_votes(policy: Policy, known: Known, work: Work, running: int, words: str) -> list[Vote]:
    """Sum the fractional work of all queues and round up once: twenty nearly empty queues do not need twenty tasks."""
    votes = []
    if policy.backlog_per_task is not None:
        votes.append(_backlog_vote(work, policy.backlog_per_task, words))
    if policy.processing_time_s is not None:
        votes.append(_latency_vote(policy, policy.processing_time_s, known, work, words))
        return votes
    if policy.backlog_per_task is None:
        votes.append(_backlog_vote(work, DAY_ONE_BACKLOG_PER_TASK, words, " until the processing time is known"))
    if work.overdue is not None:
        votes.append(_age_vote(policy, known, work, running))
    return votes


def _backlog_vote(work: Work, per_task: float, words: str, suffix: str = "") -> Vote:
    return Vote(
        "backlog",
        work.counted / per_task,
        f"{words}, {{2}} per task{suffix}",
        (work.waiting, work.in_flight, per_task),
    )


def _latency_vote(policy: Policy, processing_s: float, known: Known, work: Work, words: str) -> Vote:
    """`max(held, sum of messages / receives of a slot in time) / slots of a task`; see the module docstring."""
    clearing = 0.0
    for name, counts in known:
        receives = 1 + _time_left_s(policy.latency_of(name), counts) / processing_s
        clearing += (
            counts.visible + counts.in_flight * policy.count_in_flight + counts.delayed * policy.count_delayed
        ) / receives
    busy = work.held * policy.count_in_flight / policy.task_concurrency
    terms = (
        Term("backlog", clearing / policy.task_concurrency, BACKLOG_IN_TIME),
        Term("in_flight", busy, "the messages in flight are the present load"),
    )
    return Vote(
        "latency",
        max(term.tasks for term in terms),
        f"{words}, {{2}} s each, latency target {{3}} s",
        (work.waiting, work.in_flight, processing_s, policy.shortest_latency_s),
        candidates=terms,
    )


def _time_left_s(latency_s: float, counts: Backlog) -> float:
    if counts.oldest_age_s is None or not counts.visible:
        return SPENT_LATENCY_RATIO * latency_s
    left_s = max(latency_s - counts.oldest_age_s, CATCH_UP_LATENCY_RATIO * latency_s)
    return min(left_s, SPENT_LATENCY_RATIO * latency_s)


def _age_vote(policy: Policy, known: Known, work: Work, running: int) -> Vote:
    """`tasks at the time x age / latency`, at most twice as many tasks, and no more than have work."""
    highest, facts = 0.0, ("", 0.0, 0.0)
    for name, counts in known:
        if counts.oldest_age_s is None or not counts.visible:
            continue
        latency_s = policy.latency_of(name)
        tasks = running if counts.oldest_tasks is None else counts.oldest_tasks
        required = tasks * min(LATE_AT_MOST_RATIO, counts.oldest_age_s / latency_s)
        if counts.oldest_age_s >= latency_s and required >= highest:
            highest, facts = required, (name, counts.oldest_age_s, latency_s)
    cap = ceil(work.messages / policy.task_concurrency)
    wording = "the oldest message of {0} has waited {1} s of {2} s"
    terms = (Term("oldest_age", highest, wording, facts), _work_cap(cap))
    return Vote("oldest_age", min(highest, cap), wording, facts, candidates=terms)


def _work_cap(tasks: int) -> Term:
    return Term("messages", float(tasks), "there is work for {0}", (tasks,), cap=True)


def _add_loads(
    policy: Policy, memory: Memory, seen: Observation, votes: list[Vote], gaps: list[Gap], *, cap: int | None
) -> None:
    """Add the votes and gaps of CPU and memory, and the votes of metrics with a target value. `cap`: the tasks that
    have work, which utilization does not exceed (None: unknown).
    """
    gaps += [(name, meter) for name, meter, _ in meters(policy, seen) if isinstance(meter, Missing)]
    for load in loads(policy, seen):
        is_metric = load.name != load.signal
        votes.append(_load_vote(load, policy, memory, seen, None if is_metric else cap))


def _load_vote(load: TargetLoad, policy: Policy, memory: Memory, seen: Observation, cap: int | None) -> Vote:
    """The tasks that the load requires, or the present count if it is neither clearly more nor clearly less
    (`core/load.py`). The same datapoint requires the same count each time it is read.
    """
    current, window_s = seen.fleet.desired, policy.scale_in.utilization_stabilization_s
    periods = joined(memory.loads.get(load.signal, ()), load.period, reach_s(window_s))
    found = follow(periods, load.target, current, window_s, load.least)
    is_covered = not memory.lapsed and memory.known_for_s(seen.now) >= window_s
    wording = _METRIC if load.name != load.signal else _UTILIZATION
    facts = (load.name, load.value, Several(load.tasks, "task"), load.target)
    measured = Term(load.name, found.planned if found.rises else max(load.least, found.measured), wording, facts)
    terms = [measured, *_held(found, current, seconds(window_s), is_covered)]
    if cap is not None:
        terms.append(_work_cap(cap))
    uncapped = max(term.tasks for term in terms if not term.cap)
    required = min([uncapped, *(term.tasks for term in terms if term.cap)])
    reason = next((f"; {term.reason}" for term in terms[1:] if _binds(term, required, uncapped)), "")
    return Vote(load.name, required, wording + "{4}", (*facts, reason), settled=True, candidates=tuple(terms))


def _binds(term: Term, required: float, uncapped: float) -> bool:
    return term.tasks == required and (not term.cap or required < uncapped)


def _held(found: LoadRequirement, current: int, window: str, covered: bool) -> list[Term]:
    """Return what keeps a count that does not rise: the highest load of the window, and the present count."""
    if found.rises:
        return []
    terms = []
    if found.measured > current:
        terms.append(
            Term(
                "present",
                float(current),
                "it is not above {0} by more than its noise",
                (Several(current, "task"),),
                cap=True,
            )
        )
    if not covered:
        return [*terms, Term("present", float(current), "fewer tasks only after {0}", (window,))]
    if not found.falls:
        return [*terms, Term("present", float(current), "up to {0} within {1}", (Several(found.held, "task"), window))]
    return [Term("highest", found.held, "up to {0} within {1}", (Several(found.held, "task"), window))]


def _add_metrics(policy: Policy, seen: Observation, known: Known, votes: list[Vote], gaps: list[Gap]) -> None:
    """Add the votes of the metrics with a target per task, the gaps of all with a target, and the formula."""
    values = measured(policy, seen)
    for metric in policy.metrics:
        reading = values[metric.name]
        if metric.target_per_task is None and metric.target_value is None:
            continue  # the formula uses it, and defines the result without it
        if not isinstance(reading, Measurement):
            gaps.append((metric.name, reading))
        elif metric.target_per_task is not None:
            facts = (metric.name, reading.value, metric.target_per_task)
            votes.append(Vote(metric.name, reading.value / metric.target_per_task, _PER_TASK, facts))
    if policy.formula is not None:
        _add_formula(policy.formula, _named(seen, known, values), votes, gaps)


def _named(seen: Observation, known: Known, values: dict[str, Measurement | Missing]) -> dict[str, float | None]:
    """Return the signals that a formula may use. Counts are sums, and None if any queue is unknown."""
    whole = len(known) == len(seen.queues)
    ages = [counts.oldest_age_s for _, counts in known if counts.oldest_age_s is not None]
    named: dict[str, float | None] = {
        "visible": sum(counts.visible for _, counts in known) if whole else None,
        "in_flight": sum(counts.in_flight for _, counts in known) if whole else None,
        "delayed": sum(counts.delayed for _, counts in known) if whole else None,
        "oldest_age_s": max(ages, default=None),
        "cpu_percent": _percent(seen.cpu, seen.now),
        "memory_percent": _percent(seen.memory, seen.now),
        "running": seen.fleet.running,
        "current": seen.fleet.desired,
    }
    return named | {name: value.value if isinstance(value, Measurement) else None for name, value in values.items()}


def _percent(reading: Utilization | Missing | None, now: float) -> float | None:
    meter = usable(reading, now)
    return None if isinstance(meter, Missing) else meter.percent


def _add_formula(text: str, values: dict[str, float | None], votes: list[Vote], gaps: list[Gap]) -> None:
    """Vote the result of the formula, rounded up. A formula without a valid result is a gap like any missing signal."""
    result = parse(text).evaluate(values)
    if result is None or not 0 <= result <= MOST_MEASURED:
        gaps.append(("formula", Missing(f"{text} has no valid result", "no_data")))
        return
    votes.append(Vote("formula", result, "{0} = {1}", (text, result)))
