"""The stored past of a service: earlier demands, accepted changes, and the time that they cover.

A memory is an immutable value. The control loop holds the newest one in a variable; nothing is stored elsewhere
(`ARCHITECTURE.md`).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import inf
from operator import itemgetter
from typing import NamedTuple, TypeVar

from autoscaler.core.contest import Contest
from autoscaler.core.load import LoadPeriod, joined, reach_s
from autoscaler.core.model import BUSY_START_S, Backlog, Decision, Fleet, Flow, Instant, Observation, RanTasks
from autoscaler.core.policy import Mode, Policy
from autoscaler.core.signals import loads

AGREEMENT_S = 60.0
"""Readings must agree on zero for longer than this: SQS counts settle in about a minute."""

UTILIZATION_REACH_S = 600.0
"""Seconds for which running counts are stored: a CPU datapoint refers to the tasks that ran in its minute."""


LAUNCH_REACH_S = 60.0
"""The ECS launch rate is counted per minute."""

FLOW_REACH_S = 900.0
"""Seconds for which the queues' minutes are stored: enough to compare before and after a scale-out."""

NO_PROGRESS_S = 300.0
"""Receives without a deletion count as no progress after this number of seconds, or after twice the processing time if
that is longer.
"""


class Demand(NamedTuple):
    """The required tasks at `at`, after tolerance and before stabilization."""

    at: Instant
    tasks: int


class AcceptedChange(NamedTuple):
    """A change that ECS accepted at `at`: tasks added, or removed if negative."""

    at: Instant
    tasks: int


class RunningCount(NamedTuple):
    """The running count from `at` on."""

    at: Instant
    tasks: int


_INSTANT, _TASKS = itemgetter(0), itemgetter(1)

Event = TypeVar("Event", Demand, AcceptedChange, RunningCount)


NO_CONTEST = Contest()


@dataclass(frozen=True, slots=True)
class Memory:
    """The past of one service, oldest first. `since` None: it covers more time than any window.

    `failures`: consecutive readings in which every needed signal was missing. `starting`: since when requested tasks
    have not started, and how many ran then. `idle_since`: since when messages have waited while slots were idle.
    `loads`: by the name of a signal that is a mean over the tasks, its latest periods.
    `expected`: the count after the last poll, including the autoscaler's own write. `off`: another writer has set the
    count to 0 while at least one task was required. `flows`: the queues' minutes. `waking`: consecutive readings at 0
    tasks with enough work to scale out.

    `watched_at`: when everything that the policy needs was last read (None: unknown). `lapsed`: that is too long ago,
    so the memory starts its warm-up again at the next complete reading. `unread_at`: when a needed signal was last not
    read (None: not since the memory began). `contest`: changes of the count by other writers.
    """

    since: Instant | None = None
    demands: tuple[Demand, ...] = ()
    changes: tuple[AcceptedChange, ...] = ()
    running: tuple[RunningCount, ...] = ()
    loads: Mapping[str, tuple[LoadPeriod, ...]] = field(default_factory=dict)
    failures: int = 0
    flows: tuple[Flow, ...] = ()
    starting: RunningCount | None = None
    idle_since: Instant | None = None
    expected: int | None = None
    off: bool = False
    waking: int = 0
    watched_at: Instant | None = None
    lapsed: bool = False
    unread_at: Instant | None = None
    contest: Contest = NO_CONTEST

    @staticmethod
    def begun(fleet: Fleet, now: Instant) -> Memory:
        """Return the memory of a daemon that has just started.

        Tasks that are still starting count as a change made now. Otherwise a daemon that restarts repeatedly would add
        the same tasks each time.
        """
        starting = fleet.desired - fleet.running
        return Memory(since=now, changes=(AcceptedChange(now, starting),) if starting > 0 else (), watched_at=now)

    def watched(self, now: Instant, longest_gap_s: float) -> Memory:
        """Return this memory at a new reading: lapsed if the last complete one is more than `longest_gap_s` ago.

        Windows become empty with time. Without this, one reading after a gap would find no earlier demand in any window
        and could remove every task.
        """
        if self.lapsed or self.watched_at is None or now - self.watched_at <= longest_gap_s:
            return self
        return replace(self, lapsed=True)

    def resumed(self, fleet: Fleet, now: Instant, *, complete: bool) -> Memory:
        """Return this memory; if it lapsed and the reading is complete, one that warms up again as after a start.

        Demands and counters of consecutive readings start again, because the gap was not observed. Changes that ECS
        accepted, the expected count, changes by other writers, and a service that was switched off by hand stay valid.
        So do the running counts; the loop itself drops them if ECS was not read.
        """
        if not (self.lapsed and complete):
            return self
        pending = fleet.desired - fleet.running - sum(max(0, tasks) for _, tasks in self.changes)
        changes = (*self.changes, AcceptedChange(now, pending)) if pending > 0 else self.changes
        return Memory(
            since=now,
            changes=changes,
            running=self.running,
            loads=self.loads,
            flows=self.flows,
            expected=self.expected,
            off=self.off,
            contest=self.contest,
        )

    def unwatched(self, now: Instant) -> Memory:
        """Return this memory after a poll that could not read ECS: the poll ends a run of zero readings, and its demand
        is at least that of the polls in the minute before it.
        """
        demands = (*self.demands, Demand(now, self.carried(self.expected, now))) if self.expected else self.demands
        return replace(self, demands=demands, waking=0, unread_at=now)

    def carried(self, current: int, now: Instant) -> int:
        """Return the demand that the windows use for an incomplete poll: the highest one of the minute before it.

        The present count is not used: with a window of ten minutes, each failed read, even one in a hundred, would hold
        an idle service at its count for ten more minutes. If there was no poll in that minute, it is the present count.
        """
        return max(map(_TASKS, _after(self.demands, now - AGREEMENT_S)), default=current)

    def known_for_s(self, now: Instant) -> float:
        """How long the memory reaches back, in seconds; infinite if it covers more than any window."""
        return inf if self.since is None else now - self.since

    def highest_demand(self, window_s: float, now: Instant) -> int:
        """The highest stored demand whose age is strictly less than the window (0: no demand)."""
        return max(map(_TASKS, _after(self.demands, now - window_s)), default=0)

    def lowest_demand(self, window_s: float, now: Instant) -> float:
        """The lowest stored demand whose age is strictly less than the window (infinite: no demand)."""
        return min(map(_TASKS, _after(self.demands, now - window_s)), default=inf)

    def net_change(self, window_s: float, now: Instant) -> int:
        """Tasks added minus tasks removed by the changes whose age is strictly less than the window."""
        return sum(map(_TASKS, _after(self.changes, now - window_s))) if self.changes else 0

    def added(self, window_s: float, now: Instant) -> int:
        """Tasks added by the changes whose age is strictly less than the window; removals are not subtracted."""
        return sum([tasks for _, tasks in _after(self.changes, now - window_s) if tasks > 0])

    def removed(self, window_s: float, now: Instant) -> int:
        """Tasks removed by the changes whose age is strictly less than the window; additions are not subtracted."""
        return -sum([tasks for _, tasks in _after(self.changes, now - window_s) if tasks < 0])

    def drift(self, fleet: Fleet) -> int:
        """The change of the count by another writer since the last poll: negative if lowered, 0 if unchanged."""
        return 0 if self.expected is None else fleet.desired - self.expected

    def contest_at(self, policy: Policy, fleet: Fleet, now: Instant) -> Contest:
        """The contest with other writers, this reading included. In shadow there is none: the autoscaler writes
        nothing, and the other writer is the one that scales the service.
        """
        if policy.mode is Mode.SHADOW:
            return NO_CONTEST
        drift = self.drift(fleet)
        return self.contest.drifted(drift, fleet.desired, now) if drift else self.contest

    def finds_switched_off(self, policy: Policy, fleet: Fleet) -> bool:
        """Whether another writer has set the count to 0 while at least one task was required, and the count has not
        been raised since.

        The autoscaler never writes less than `min_tasks`, so a new zero comes from another writer. It stays in force
        even if the schedule that required the tasks ends.
        """
        return fleet.desired == 0 and (self.off or (policy.min_tasks > 0 and bool(self.expected)))

    def last_run(self, tasks: int | None, now: Instant) -> tuple[float, int]:
        """Return for how many seconds and readings the newest demands have all been `tasks`.

        `tasks` None: above zero. (0.0, 0) if the newest demand differs. A run of zeros also ends at a reading that was
        not complete.
        """
        oldest, count = now, 0
        unread_at = -inf if self.unread_at is None or tasks != 0 else self.unread_at
        for at, required in reversed(self.demands):
            if at <= unread_at or (required != tasks if tasks is not None else required <= 0):
                break
            oldest, count = at, count + 1
        return now - oldest, count

    def running_at(self, instant: Instant) -> int | None:
        """How many tasks ran at that instant (None: before the first stored count)."""
        return next((event.tasks for event in reversed(self.running) if event.at <= instant), None)

    def knows_running_since(self, instant: Instant) -> bool:
        """Whether the running counts reach back to that instant."""
        return bool(self.running) and self.running[0].at <= instant

    def running_now(self, fleet: Fleet) -> int:
        """The stored number of running tasks. A deployment runs both revisions: tasks above the desired count are no
        baseline. Tasks that a scale-in stops count until they are gone, because they do a part of the measured work.
        """
        return min(fleet.running, max(fleet.desired, self.running[-1].tasks if self.running else 0))

    def ran_between(self, start: Instant, end: Instant) -> tuple[int, int] | None:
        """The fewest and the most tasks that ran at any instant from `start` to `end`, both inclusive.

        Before the first stored count, the first stored count applies: the same late datapoint then requires the same
        count at every poll. None: no count is stored.
        """
        if not self.running:
            return None
        first = max(bisect_right(self.running, start, key=_INSTANT) - 1, 0)
        last = max(bisect_right(self.running, end, key=_INSTANT), first + 1)
        counts = [event.tasks for event in self.running[first:last]]
        return min(counts), max(counts)

    def tasks_in(self, start: Instant, end: Instant, noticed_s: float, fleet: Fleet) -> RanTasks | None:
        """Return the mean number of tasks that ran from `start` to `end` (None: no count is stored).

        A change happened at most `noticed_s` before it was seen. So the mean lies between those for every such delay;
        it is linear between two changes, and its extremes are at the delays that move a change across an edge. Before
        the first stored count, that count applies.
        """
        counts = self._counts(fleet)
        if not counts:
            return None
        edges = (at - edge for at, _ in counts for edge in (start, end))
        delays = {0.0, noticed_s, *(delay for delay in edges if 0 < delay < noticed_s)}
        means = [_mean(counts, start + delay, end + delay) for delay in delays]
        starting = started = 0.0
        for (_, before), (at, after) in pairwise(counts):
            young_s = min(end, at + BUSY_START_S) - max(start, at - noticed_s)
            if after > before and young_s > 0:
                starting += (after - before) * young_s / (end - start)
                started += after - before
        return RanTasks(min(means), max(means), min(starting, max(means)), min(started, max(means)))

    def _counts(self, fleet: Fleet) -> tuple[RunningCount, ...]:
        """The stored running counts, and the present one."""
        if not self.running or fleet.at <= self.running[-1].at:
            return self.running
        return (*self.running, RunningCount(fleet.at, self.running_now(fleet)))

    def remembering(self, policy: Policy, observation: Observation, decision: Decision) -> Memory:
        """Return this memory with the readings and the demand of the poll. Called before the write, which may be
        cancelled.
        """
        now = observation.now
        before = self.resumed(observation.fleet, now, complete=decision.complete)
        demands = _young(before.demands, now - _demand_reach_s(policy))
        if decision.recalled is not None:
            demands = (*demands, Demand(now, decision.recalled))
        return Memory(
            since=before.since,
            demands=demands,
            changes=_young(before.changes, now - _change_reach_s(policy)),
            running=_with_running(before, observation),
            loads=_with_loads(before, policy, observation),
            waking=before.waking + 1 if decision.wakes else 0,
            failures=before.failures + 1 if decision.demand is None else 0,
            flows=_with_flow(before.flows, observation, _flow_reach_s(policy)),
            starting=_starting(before.starting, observation),
            idle_since=_idle_since(before.idle_since, policy, observation),
            expected=observation.fleet.desired,
            off=before.finds_switched_off(policy, observation.fleet),
            watched_at=now if decision.complete else before.watched_at,
            lapsed=before.lapsed,
            unread_at=now if decision.unread else before.unread_at,
            contest=before.contest_at(policy, observation.fleet, now),
        )

    def acknowledging(self, now: Instant, tasks: int) -> Memory:
        """Return this memory with a change that ECS accepted: cooldowns and rate limits start here."""
        expected = None if self.expected is None else self.expected + tasks
        changes = (*self.changes, AcceptedChange(now, tasks))
        return replace(self, changes=changes, expected=expected, contest=self.contest.wrote(tasks, now))


def _idle_since(since: Instant | None, policy: Policy, seen: Observation) -> Instant | None:
    """Since when messages have waited while slots were idle (None: they do not). Unread queues leave the value
    unchanged.
    """
    known = [backlog for _, backlog in seen.queues if isinstance(backlog, Backlog)]
    if not known:
        return since
    slots = seen.fleet.running * policy.task_concurrency
    idle = any(counts.visible for counts in known) and sum([counts.in_flight for counts in known]) < slots
    return (since or seen.now) if idle else None


def _demand_reach_s(policy: Policy) -> float:
    """Twice `AGREEMENT_S`: a run of zeros that is longer than `AGREEMENT_S` must still be stored."""
    out, into = policy.scale_out, policy.scale_in
    windows = out.stabilization_s, into.stabilization_s, into.small_step_stabilization_s
    return max(*windows, 2 * AGREEMENT_S, policy.longest_latency_s)


def _change_reach_s(policy: Policy) -> float:
    return max(policy.scale_out.longest_window_s, policy.scale_in.longest_window_s, LAUNCH_REACH_S)


def _after(events: tuple[Event, ...], horizon: Instant) -> tuple[Event, ...]:
    """The events later than `horizon`: those whose age is strictly less than the window that starts there."""
    if not events or events[0][0] > horizon:
        return events
    return events[bisect_right(events, horizon, key=_INSTANT) :] if events[-1][0] > horizon else ()


def _young(events: Sequence[Event], horizon: Instant) -> tuple[Event, ...]:
    """The events from `horizon` on; the same tuple if all are, which is nearly always the case."""
    return (
        tuple(events[bisect_left(events, horizon, key=_INSTANT) :])
        if events and events[0].at < horizon
        else tuple(events)
    )


def _with_running(before: Memory, seen: Observation) -> tuple[RunningCount, ...]:
    """A count is stored only when it changes; the count in force at the horizon is stored too."""
    known, running = before.running, before.running_now(seen.fleet)
    if known and known[-1].tasks == running:
        return known
    first = max(bisect_left(known, seen.now - UTILIZATION_REACH_S, key=_INSTANT) - 1, 0)
    return (*known[first:], RunningCount(seen.fleet.at, running))


def _mean(counts: Sequence[RunningCount], start: Instant, end: Instant) -> float:
    """The mean of a step function from `start` to `end`. The first count also applies before it."""
    first = max(bisect_right(counts, start, key=_INSTANT) - 1, 0)
    total = counts[first].tasks * (end - start)
    for (_, before), (at, after) in pairwise(counts[first:]):
        total += (after - before) * max(0.0, end - at)
    return total / (end - start)


def _with_loads(before: Memory, policy: Policy, seen: Observation) -> Mapping[str, tuple[LoadPeriod, ...]]:
    """The periods of each signal that has a target, with those of this poll. A signal that is missing keeps its own."""
    needed_s = reach_s(policy.scale_in.utilization_stabilization_s)
    new = {load.signal: load.period for load in loads(policy, seen)}
    return {**before.loads, **{name: joined(before.loads.get(name, ()), p, needed_s) for name, p in new.items()}}


def _flow_reach_s(policy: Policy) -> float:
    return max(FLOW_REACH_S, 2 * progress_window_s(policy))


def progress_window_s(policy: Policy) -> float:
    """Seconds without a deletion that count as no progress: twice the processing time, at least 5 minutes."""
    return max(NO_PROGRESS_S, 2 * (policy.processing_time_s or 0.0))


def _with_flow(known: tuple[Flow, ...], seen: Observation, reach_s: float) -> tuple[Flow, ...]:
    """Store each minute once, for as long as comparisons can use it."""
    stored = known if not known or seen.now - known[0].at < reach_s else known[1:]
    new = isinstance(seen.flow, Flow) and (not known or seen.flow.at > known[-1].at)
    return (*stored, seen.flow) if new and isinstance(seen.flow, Flow) else stored


def _starting(known: RunningCount | None, seen: Observation) -> RunningCount | None:
    """Since when no requested task has started; the time starts again whenever one more task runs."""
    running = seen.fleet.running
    if running >= seen.fleet.desired:
        return None
    return RunningCount(seen.now, running) if known is None or running > known.tasks else known
