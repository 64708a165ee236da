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

from math import ceil, isinf
from typing import NamedTuple

from autoscaler.core.figures import Several, seconds
from autoscaler.core.formula import parse
from autoscaler.core.knowledge import Estimate, Knowledge, Regime
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

BACKLOG_IN_TIME = (
    "to receive {0} in half of the latency target, or in what is left of it: {1} per slot, the first at once, and "
    "{2} per task"
)
HELD_NOW = "for the {0} in flight that the running tasks can hold, {1} per task"

RECENT_RATIO = 1.05
"""A recent processing time that is longer than the learned one by this factor is named as such."""

_WORK = "backlog {0}, {1} in flight"
_WAITING = "backlog {0}, {1} in flight (not counted)"
_READ = " in the queues that were read"
_NOTHING = "no more than the present {0}: nothing is visible and nothing arrives"
_UTILIZATION = "{0} was at {1} % on {2}, target {3} %"
_METRIC = "{0} was {1} on {2}, target {3}"
_NOT_FEWER = "not fewer than {0}: up to {1} within {2}"
_CHANGED = "; the count changed in it: at least {0}"
_PLANNED = "; with its slope and noise {0}"
_LEAST = "; at least {0}"
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
    words = (_WORK if policy.count_in_flight else _WAITING) + (_READ if gaps else "")
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
    cap = Term("present", float(current), _NOTHING, (Several(current, "task"),), cap=True)
    wording = f"{vote.wording}; " + _NOTHING.format(f"{{{len(vote.values)}}}")
    return vote._replace(
        load=cap.tasks, wording=wording, values=(*vote.values, *cap.values), candidates=(*vote.terms, cap)
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
    origin = _Origin(known.processing_s, known.slow_s, known.holding_s > 0, policy.processing_time_s is not None)
    facts = (work.waiting, work.in_flight, known.slot_s, origin, _targets(policy))
    wording = f"{words}, {{2}} s each ({{3}}), {{4}}"
    votes = [Vote("latency", required.load, wording, facts, settled=True, candidates=required.terms)]
    if policy.backlog_per_task is not None:
        votes.append(_backlog_vote(policy, work, policy.backlog_per_task, words))
    return votes


class _Origin(NamedTuple):
    """Where a processing time comes from; formatted only when it is read. `recent_s`: the mean of the last minutes."""

    estimate: Estimate
    recent_s: float
    is_held: bool
    is_configured: bool

    def __str__(self) -> str:
        if self.is_held:
            return "held longer than any before"
        if isinf(self.estimate.weight):
            return "configured"
        if not self.estimate.weight:
            return f"{'configured' if self.is_configured else 'assumed'}, nothing learned yet"
        recent = "in the last minutes, " if self.recent_s > RECENT_RATIO * self.estimate.value else ""
        return f"{recent}learned, confidence {self.estimate.confidence:.0%}"


class _Targets(NamedTuple):
    """The latency targets of the queues; formatted only when it is read."""

    shortest_s: float
    longest_s: float

    def __str__(self) -> str:
        if self.shortest_s == self.longest_s:
            return f"latency target {seconds(self.shortest_s)}"
        return f"latency targets {seconds(self.shortest_s)} to {seconds(self.longest_s)}"


def _targets(policy: Policy) -> _Targets:
    return _Targets(policy.shortest_latency_s, policy.longest_latency_s)


def _queue_votes(policy: Policy, known: Known, work: Work, running: int, words: str) -> list[Vote]:
    """Sum the fractional work of all queues and round up once: twenty nearly empty queues do not need twenty tasks."""
    votes = []
    if policy.backlog_per_task is not None:
        votes.append(_backlog_vote(policy, work, policy.backlog_per_task, words))
    if policy.processing_time_s is not None:
        votes.append(_latency_vote(policy, policy.processing_time_s, known, work, words))
        return votes
    if policy.backlog_per_task is None:
        votes.append(
            _backlog_vote(policy, work, DAY_ONE_BACKLOG_PER_TASK, words, " until the processing time is known")
        )
    if work.overdue is not None:
        votes.append(_age_vote(policy, known, work, running))
    return votes


def _backlog_vote(policy: Policy, work: Work, per_task: float, words: str, suffix: str = "") -> Vote:
    delayed = work.counted - work.waiting - work.in_flight * policy.count_in_flight
    words += ", {3} delayed" if policy.count_delayed else ""
    facts = (work.waiting, work.in_flight, per_task, delayed)
    return Vote("backlog", work.counted / per_task, f"{words}, {{2}} per task{suffix}", facts)


def _latency_vote(policy: Policy, processing_s: float, known: Known, work: Work, words: str) -> Vote:
    """`max(held, sum of messages / receives of a slot in time) / slots of a task`; see the module docstring."""
    clearing = 0.0
    for name, counts in known:
        receives = 1 + _time_left_s(policy.latency_of(name), counts) / processing_s
        clearing += (
            counts.visible + counts.in_flight * policy.count_in_flight + counts.delayed * policy.count_delayed
        ) / receives
    busy = work.held * policy.count_in_flight / policy.task_concurrency
    messages, slots = work.counted, policy.task_concurrency
    receives = messages / clearing if clearing else 0.0
    terms = (
        Term(
            "backlog",
            clearing / slots,
            BACKLOG_IN_TIME,
            (Several(messages, "message"), receives, Several(slots, "slot")),
        ),
        Term("in_flight", busy, HELD_NOW, (Several(work.held * policy.count_in_flight, "message"), slots)),
    )
    return Vote(
        "latency",
        max(term.tasks for term in terms),
        f"{words}, {{2}} s each (configured), {{3}}",
        (work.waiting, work.in_flight, processing_s, _targets(policy)),
        candidates=terms,
    )


def _time_left_s(latency_s: float, counts: Backlog) -> float:
    if counts.oldest_age_s is None or not counts.visible:
        return SPENT_LATENCY_RATIO * latency_s
    left_s = max(latency_s - counts.oldest_age_s, CATCH_UP_LATENCY_RATIO * latency_s)
    return min(left_s, SPENT_LATENCY_RATIO * latency_s)


def _age_vote(policy: Policy, known: Known, work: Work, running: int) -> Vote:
    """`tasks at the time x age / latency`, at most twice as many tasks, and no more than have work."""
    highest, facts = 0.0, ("", 0.0, 0.0, Several(0, "task"))
    for name, counts in known:
        if counts.oldest_age_s is None or not counts.visible:
            continue
        latency_s = policy.latency_of(name)
        tasks = running if counts.oldest_tasks is None else counts.oldest_tasks
        required = tasks * min(LATE_AT_MOST_RATIO, counts.oldest_age_s / latency_s)
        if counts.oldest_age_s >= latency_s and required >= highest:
            highest, facts = required, (name, counts.oldest_age_s, latency_s, Several(tasks, "task"))
    cap = ceil(work.messages / policy.task_concurrency)
    wording = "the oldest message of {0} has waited {1} s of {2} s with {3}"
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
    wording = _METRIC if load.name != load.signal else _UTILIZATION
    is_covered = not memory.lapsed and memory.known_for_s(seen.now) >= window_s
    measured = _measured_term(load, found, wording)
    terms = [measured, *_held(found, current, seconds(window_s), is_covered)]
    if cap is not None:
        terms.append(_work_cap(cap))
    uncapped = max(term.tasks for term in terms if not term.cap)
    required = min([uncapped, *(term.tasks for term in terms if term.cap)])
    reason = next((f"; {term.reason}" for term in terms[1:] if _binds(term, required, uncapped)), "")
    words = f"{measured.wording}{{{len(measured.values)}}}"
    return Vote(load.name, required, words, (*measured.values, reason), settled=True, candidates=tuple(terms))


def _measured_term(load: TargetLoad, found: LoadRequirement, wording: str) -> Term:
    """Return what the newest period requires. What cannot be computed from its mean is stated in tasks."""
    facts: list[object] = [load.name, load.value, Several(load.tasks, "task"), load.target]
    required = found.planned if found.rises else max(load.least, found.measured)
    parts = (("measured", found.measured), ("slope and noise", found.planned - found.measured)) if found.rises else ()
    for changes, words, tasks in (
        (load.period.low != load.period.high, _CHANGED, found.measured),
        (found.planned > found.measured and found.rises, _PLANNED, found.planned),
        (required > found.measured and not found.rises, _LEAST, load.least),
    ):
        if changes:
            wording += words.format("{" + str(len(facts)) + "}")
            facts.append(Several(tasks, "task"))
    return Term(load.name, required, wording, tuple(facts), parts=parts)


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
        return [
            *terms,
            Term("present", float(current), "fewer than {0} only after {1}", (Several(current, "task"), window)),
        ]
    if not found.falls:
        return [
            *terms,
            Term(
                "present", float(current), _NOT_FEWER, (Several(current, "task"), Several(found.held, "task"), window)
            ),
        ]
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
