"""What the work asks for: every signal votes a number of tasks, and the highest vote wins.

A signal that could not be read does not vote; it makes the service blind (`corridor.py`), never idle.

The latency vote, until throughput is learned: with `n` tasks of `c` messages at once, each message taking `P`
seconds, a slot opens `1 + T/P` times within `T` seconds. All that waits is received within `T` if
`n * c * (1 + T/P) >= waiting + in flight`. `T` is half of the acceptable latency, since a queue that is kept at the
smallest such `n` settles at a wait of `T`: at the whole latency every second message would be late. And what is in
flight is the load of this moment: fewer tasks than it occupies would let the queue grow (Little's law).
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import NamedTuple, TypeAlias

from autoscaler.core.model import Backlog, Missing, Observation, Utilization, Vote
from autoscaler.core.policy import Policy

DAY_ONE_BACKLOG_PER_TASK = 5.0
"""Messages per task while nothing else is known: KEDA's default for SQS."""

SPENT_LATENCY_RATIO = 0.5
"""How much of the acceptable latency the latency vote plans to let messages wait."""

BACKLOG_LIMIT_S = 60.0
"""A queue's counts older than this say nothing any more."""

UTILIZATION_LIMIT_S = 300.0
"""A CPU or memory datapoint older than this says nothing any more: CloudWatch publishes one a minute."""

MOST_MESSAGES = 2**53
"""A larger count is no count: whole numbers are exact as floats up to here."""

MOST_PERCENT = 1e6
"""A larger utilization is none. Above 100 % is possible with container-level units."""


class Work(NamedTuple):
    """Messages in the queues that were read.

    `held` is the part of what is in flight that running tasks can hold: beyond running x concurrency it belongs to
    dead workers or other consumers. `oldest_age_s` None: no queue told it.
    """

    waiting: int = 0
    in_flight: int = 0
    held: int = 0
    oldest_age_s: float | None = None

    @property
    def messages(self) -> int:
        """What there is to receive or to finish."""
        return self.waiting + self.in_flight


class Signals(NamedTuple):
    """What the readings say. `missing` names what was needed and could not be had, and why.

    `given`: the demand was handed in, and the rules that need signals stand aside.
    """

    votes: tuple[Vote, ...]
    missing: tuple[tuple[str, Missing], ...] = ()
    work: Work = Work()
    given: bool = False

    @property
    def demand(self) -> int | None:
        """The highest vote (None: nobody could vote)."""
        return max([vote.tasks for vote in self.votes], default=None)


def read_signals(policy: Policy, seen: Observation) -> Signals:
    """Every vote and every gap of an observation. Total: any observation has an answer."""
    if seen.given is not None:
        return Signals((Vote("given", max(0, seen.given), "the demand was given"),), given=True)
    known, missing = _queue_readings(policy, seen)
    work = _work(known, most_held=seen.fleet.running * policy.task_concurrency)
    votes = list(_queue_votes(policy, known, work)) if known else []
    cap = None if missing or not known else ceil(work.messages / policy.task_concurrency)
    for name, meter, aim in _meters(policy, seen):
        if isinstance(meter, Missing):
            missing.append((name, meter))
        else:
            votes.append(_utilization_vote(name, meter, aim, seen.fleet.running, cap))
    return Signals(tuple(votes), tuple(missing), work)


Known: TypeAlias = list[tuple[str, Backlog]]
Gaps: TypeAlias = list[tuple[str, Missing]]


def _queue_readings(policy: Policy, seen: Observation) -> tuple[Known, Gaps]:
    """What is known of the queues, and what is not: a queue of the policy that was not read is a gap too."""
    known: Known = []
    missing: Gaps = []
    for name, backlog in seen.queues:
        if isinstance(backlog, Missing):
            missing.append((name, backlog))
        elif not (0 <= backlog.visible <= MOST_MESSAGES and 0 <= backlog.in_flight <= MOST_MESSAGES):
            missing.append((name, Missing("its counts cannot be", "no_data")))
        elif seen.now - backlog.at > BACKLOG_LIMIT_S:
            missing.append((name, _stale(seen.now - backlog.at, BACKLOG_LIMIT_S)))
        else:
            known.append((name, backlog))
    if len(seen.queues) < len(policy.queues):
        read = {name for name, _ in seen.queues}
        missing += [(queue.name, Missing("it was not read")) for queue in policy.queues if queue.name not in read]
    return known, missing


def _work(known: Known, most_held: int) -> Work:
    waiting = in_flight = 0
    oldest_s = None
    for _, counts in known:
        waiting += counts.visible
        in_flight += counts.in_flight
        if counts.oldest_age_s is not None:
            oldest_s = max(oldest_s or 0.0, counts.oldest_age_s)
    return Work(waiting, in_flight, min(in_flight, most_held), oldest_s)


def _stale(age_s: float, limit_s: float) -> Missing:
    return Missing(f"the reading is {age_s:.0f} s old, and counts for {limit_s:.0f} s", "stale")


def _queue_votes(policy: Policy, known: Known, work: Work) -> Iterator[Vote]:
    """Fractional work summed over the queues and rounded up once: twenty nearly empty queues are not twenty tasks."""
    if policy.backlog_per_task is not None:
        yield _backlog_vote(work, policy.backlog_per_task, "")
    if policy.processing_time_s is not None:
        yield _latency_vote(policy, policy.processing_time_s, known, work)
    elif policy.backlog_per_task is None:
        yield _backlog_vote(work, DAY_ONE_BACKLOG_PER_TASK, " until the processing time is known")


def _backlog_vote(work: Work, per_task: float, proviso: str) -> Vote:
    tasks = ceil((work.waiting + work.in_flight) / per_task)
    return Vote("backlog", tasks, f"{_WORK}, {{2:g}} a task{proviso}", (work.waiting, work.in_flight, per_task))


def _latency_vote(policy: Policy, processing_s: float, known: Known, work: Work) -> Vote:
    """`ceil(max(load, sum of messages / receives of a task in time))`, in tasks; see the module's thesis."""
    clearing = 0.0
    for name, counts in known:
        turns = 1 + SPENT_LATENCY_RATIO * policy.latency_of(name) / processing_s
        clearing += (counts.visible + counts.in_flight) / turns
    return Vote(
        "latency",
        ceil(max(work.held, clearing) / policy.task_concurrency),
        f"{_WORK}, {{2:g}} s each, may wait {{3:g}} s",
        (work.waiting, work.in_flight, processing_s, policy.shortest_latency_s),
    )


_WORK = "{0:,} waiting and {1:,} in flight"


def _meters(policy: Policy, seen: Observation) -> Iterator[tuple[str, Utilization | Missing, float]]:
    """The utilizations that the policy has a target for. With no task there is none, and none is needed."""
    if seen.fleet.desired == 0:
        return
    for name, reading, aim in (
        ("cpu", seen.cpu, policy.cpu_target_percent),
        ("memory", seen.memory, policy.memory_target_percent),
    ):
        if aim is None:
            continue
        if reading is None:
            yield name, Missing("it was not read"), aim
        elif isinstance(reading, Utilization) and not 0 <= reading.percent <= MOST_PERCENT:
            yield name, Missing(f"{reading.percent} % cannot be", "no_data"), aim
        elif isinstance(reading, Utilization) and seen.now - reading.at > UTILIZATION_LIMIT_S:
            yield name, _stale(seen.now - reading.at, UTILIZATION_LIMIT_S), aim
        else:
            yield name, reading, aim


def _utilization_vote(name: str, seen: Utilization, aim_percent: float, running: int, cap: int | None) -> Vote:
    """`ceil(tasks at the time x percent / target)`: the same datapoint asks for the same count however often it is
    read, and never for more tasks than there is work (`cap`). At least one: utilization knows no way back from none.
    """
    tasks = running if seen.tasks is None else seen.tasks
    asked = max(1, ceil(round(tasks * seen.percent / aim_percent, 6)))
    facts = (name, seen.percent, tasks, aim_percent)
    if cap is not None and asked > cap:
        return Vote(name, cap, f"{_UTILIZATION}; there is work for {{4}}", (*facts, cap))
    return Vote(name, asked, _UTILIZATION, facts)


_UTILIZATION = "{0} was at {1:.4g} % on {2} tasks, {3:g} % is wanted"
