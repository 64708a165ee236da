"""Validate the readings: return which ones can be used now, and which ones count as missing.

A reading that is unavailable, too old, or impossible (a negative count, NaN) becomes a gap with its reason. A gap
counts as a missing signal (`rules/trust.py`), never as an idle service.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from operator import itemgetter
from typing import NamedTuple, TypeAlias

from autoscaler.core.figures import number
from autoscaler.core.knowledge import Regime
from autoscaler.core.load import LoadPeriod, load_of
from autoscaler.core.model import Backlog, Measurement, Missing, Observation, RanTasks, Unseen, Utilization, Vote
from autoscaler.core.policy import Policy

BACKLOG_LIMIT_S = 60.0
"""Queue counts older than this are stale."""

MINUTE_LIMIT_S = 300.0
"""A CloudWatch datapoint older than this is stale: one is published a minute, some minutes late."""

SAME_MINUTE_S = 30.0
"""CloudWatch minutes end sixty seconds apart. Ends closer than this belong to the same minute: the clock was adjusted.
"""

MOST_MESSAGES = 2**53
"""A larger count is invalid. Up to this value, integers are exact as floats."""

MOST_PERCENT = 1e6
"""A larger utilization is invalid. Above 100 % is possible with container-level units."""

MOST_MEASURED = 1e300
"""A larger measured value is invalid."""

FULL_PERCENT = 100.0
"""The utilization of a task that uses all that it has reserved. A task can use more, but not be expected to."""

QUEUE_VOTES = frozenset({"backlog", "latency", "oldest_age"})
"""The votes that use the queues' own counts."""

_LOAD = itemgetter(1)

Known: TypeAlias = list[tuple[str, Backlog]]
Gap: TypeAlias = tuple[str, Missing]


class Work(NamedTuple):
    """Messages in the queues that were read.

    `counted`: the messages that require tasks, by the policy. `held`: the messages in flight that the running tasks can
    hold; messages beyond running x concurrency belong to dead workers or other consumers. `overdue`: a queue whose
    oldest waiting message has reached its acceptable latency, and the age in seconds. `groups_in_flight`: FIFO message
    groups; None if some work is in no group, or the number is unknown.
    """

    waiting: int = 0
    in_flight: int = 0
    counted: int = 0
    held: int = 0
    oldest_age_s: float | None = None
    overdue: tuple[str, float] | None = None
    groups_in_flight: int | None = None

    @property
    def messages(self) -> int:
        """The messages to receive or to finish."""
        return max(self.waiting + self.in_flight, self.counted)


class Signals(NamedTuple):
    """The signals of one observation. `missing`: the needed signals that are not available, with the reason.

    `given`: the demand was passed in, and the rules that need signals do not apply. `unseen` and `unreceived`: as in
    the observation. `message_s`: task-seconds per message (0: unknown). `useful`, `regime` and
    `foreseen`: as in the estimates.
    """

    votes: tuple[Vote, ...]
    missing: tuple[Gap, ...] = ()
    work: Work = Work()
    given: bool = False
    unseen: Unseen | None = None
    unreceived: tuple[str, ...] = ()
    message_s: float = 0.0
    useful: float | None = None
    regime: Regime = Regime.IDLE
    foreseen: float = 0.0

    def wakes(self, policy: Policy) -> bool:
        """Whether there is enough to start a service without tasks: more messages than its threshold, present or
        forecast, or a signal other than its queues that requires tasks.
        """
        if self.work.messages + ceil(self.foreseen) > policy.activation.messages:
            return True
        return any(vote.signal not in QUEUE_VOTES and vote.tasks > 0 for vote in self.votes)

    @property
    def settled(self) -> bool:
        """Whether a signal with its own tolerance band has voted."""
        return any(vote.settled for vote in self.votes)

    @property
    def highest(self) -> Vote | None:
        """The highest vote, which wins (None: no signal could vote)."""
        return max(self.votes, key=_LOAD, default=None)


def known_queues(policy: Policy, seen: Observation) -> tuple[Known, list[Gap]]:
    """Return the known counts and the gaps: a queue of the policy that was not read is a gap too."""
    known: Known = []
    gaps: list[Gap] = []
    for name, reading in seen.queues:
        backlog = _validated(reading, seen.now)
        if isinstance(backlog, Missing):
            gaps.append((name, backlog))
        else:
            known.append((name, backlog))
    read = [name for name, _ in seen.queues]
    unread = [queue.name for queue in policy.queues if queue.name not in read]
    return known, gaps + [(name, Missing("it was not read")) for name in unread]


def _validated(backlog: Backlog | Missing, now: float) -> Backlog | Missing:
    if isinstance(backlog, Missing):
        return backlog
    if not (
        0 <= backlog.visible <= MOST_MESSAGES
        and 0 <= backlog.in_flight <= MOST_MESSAGES
        and 0 <= backlog.delayed <= MOST_MESSAGES
    ):
        return impossible(backlog.visible, backlog.in_flight, backlog.delayed)
    return _stale(now - backlog.at, BACKLOG_LIMIT_S) or backlog


def impossible(*counts: float) -> Missing:
    """Return the gap for counts of visible, in flight and delayed messages that no queue can have."""
    return Missing(f"its counts are {', '.join(map(number, counts))}, which is impossible", "no_data")


def _stale(age_s: float, limit_s: float) -> Missing | None:
    if age_s <= limit_s:
        return None
    return Missing(f"the reading is {age_s:.0f} s old (limit {limit_s:.0f} s)", "stale")


def work_of(policy: Policy, known: Known, running: int) -> Work:
    """Sum the counts of the queues."""
    waiting = in_flight = delayed = 0
    oldest_s: float | None = None
    overdue: tuple[str, float] | None = None
    groups, grouped, ungrouped = 0, False, False
    for name, counts in known:
        waiting += counts.visible
        in_flight += counts.in_flight
        delayed += counts.delayed
        if counts.groups_in_flight is not None:
            groups += counts.groups_in_flight
            grouped = True
        elif counts.visible or counts.in_flight:
            ungrouped = True
        if counts.oldest_age_s is not None and counts.visible:
            oldest_s = max(oldest_s or 0.0, counts.oldest_age_s)
            overdue = overdue or _overdue(policy, name, counts.oldest_age_s)
    counted = waiting + in_flight * policy.count_in_flight + delayed * policy.count_delayed
    held = min(in_flight, running * policy.task_concurrency)
    return Work(waiting, in_flight, counted, held, oldest_s, overdue, groups if grouped and not ungrouped else None)


def _overdue(policy: Policy, name: str, age_s: float) -> tuple[str, float] | None:
    return (name, age_s) if age_s >= policy.latency_of(name) else None


def meters(policy: Policy, seen: Observation) -> Iterator[tuple[str, Utilization | Missing, float]]:
    """Yield the utilizations that have a target. A service without a desired task has no utilization and needs no
    reading.
    """
    if seen.fleet.desired == 0:
        return
    for name, reading, target in (
        ("cpu", seen.cpu, policy.cpu_target_percent),
        ("memory", seen.memory, policy.memory_target_percent),
    ):
        if target is not None:
            yield name, usable(reading, seen.now), target


def usable(reading: Utilization | Missing | None, now: float) -> Utilization | Missing:
    """Return the datapoint, or why it cannot be used now."""
    if reading is None:
        return Missing("it was not read")
    if isinstance(reading, Missing):
        return reading
    if not 0 <= reading.percent <= MOST_PERCENT:
        return Missing(f"{number(reading.percent)} % is not a valid utilization", "no_data")
    return _stale(now - reading.at, MINUTE_LIMIT_S) or reading


def measured(policy: Policy, seen: Observation) -> dict[str, Measurement | Missing]:
    """Return the policy's metrics by name; one that was not read is missing."""
    read = dict(seen.metrics)
    return {metric.name: _validated_metric(read.get(metric.name), seen.now) for metric in policy.metrics}


class TargetLoad(NamedTuple):
    """A signal that is a mean over the tasks: its newest value and period, the tasks that ran then, and its target.

    `signal`: its name in the memory. `least`: the fewest tasks that it requires. Without a task there is no CPU, so the
    service could not scale out again.
    """

    name: str
    signal: str
    value: float
    target: float
    tasks: float
    period: LoadPeriod
    least: float


def loads(policy: Policy, seen: Observation) -> list[TargetLoad]:
    """Return the signals with a mean over the tasks that were read and have a target, in the order of the policy."""
    found = []
    for name, meter, target in meters(policy, seen):
        if isinstance(meter, Utilization):
            period = load_of(meter.percent, meter.at, _ran(meter, seen), FULL_PERCENT)
            found.append(TargetLoad(name, name, meter.percent, target, _ran(meter, seen).mean, period, 1.0))
    values = measured(policy, seen)
    for metric in policy.metrics:
        value, value_target = values[metric.name], metric.target_value
        if value_target is not None and isinstance(value, Measurement):
            ran = _ran(value, seen)
            ran = ran if ran.most > 0.0 else RanTasks(1.0, 1.0)  # from zero tasks value / target, as the HPA does
            period, signal = load_of(value.value, value.at, ran), f"metrics.{metric.name}"
            found.append(TargetLoad(metric.name, signal, value.value, value_target, ran.mean, period, 0.0))
    return found


def _ran(reading: Utilization | Measurement, seen: Observation) -> RanTasks:
    """Return the tasks that ran in the period of the reading."""
    if reading.ran is not None:
        return reading.ran
    tasks = min(seen.fleet.running, seen.fleet.desired) if reading.tasks is None else reading.tasks
    return RanTasks(tasks, tasks)


def _validated_metric(reading: Measurement | Missing | None, now: float) -> Measurement | Missing:
    if reading is None:
        return Missing("it was not read")
    if isinstance(reading, Missing):
        return reading
    if not 0 <= reading.value <= MOST_MEASURED:
        return Missing(f"the value {number(reading.value)} is invalid", "no_data")
    return _stale(now - reading.at, MINUTE_LIMIT_S) or reading
