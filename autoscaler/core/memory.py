"""What a service's past is remembered as: earlier demands, accepted changes, and how far back it reaches.

A memory is a value. The loop keeps the newest in a variable of its own; nothing is stored (`ARCHITECTURE.md`).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf
from operator import itemgetter
from typing import NamedTuple, TypeVar

from autoscaler.core.model import Backlog, Decision, Fleet, Flow, Instant, Observation
from autoscaler.core.policy import Policy

AGREEMENT_S = 60.0
"""Zero is believed once readings have agreed on it for longer than this: SQS's counts settle in about a minute."""

UTILIZATION_REACH_S = 600.0
"""For so long running counts are kept, since a CPU datapoint is held against the tasks that ran at its time."""


LAUNCH_REACH_S = 60.0
"""ECS's launch rate is counted by the minute."""

FLOW_REACH_S = 900.0
"""The queues' minutes are kept for a quarter of an hour: enough to compare before and after a scale-out."""

NO_PROGRESS_S = 300.0
"""Receiving without deleting for so long, or twice the processing time if that is longer, is no progress."""


class Demand(NamedTuple):
    """What the work asked for at `at`: after tolerance, before stabilization."""

    at: Instant
    tasks: int


class Change(NamedTuple):
    """A change that ECS accepted at `at`: tasks added, or removed where negative."""

    at: Instant
    tasks: int


class Running(NamedTuple):
    """From `at` on, so many tasks ran."""

    at: Instant
    tasks: int


_INSTANT, _TASKS = itemgetter(0), itemgetter(1)

Event = TypeVar("Event", Demand, Change, Running)


@dataclass(frozen=True, slots=True)
class Memory:
    """The past of one service, oldest first. `since` None: it reaches back longer than any window.

    `failures` counts the readings in a row in which every needed signal was missing. `starting`: since when tasks
    that were asked for have not come up, and how many ran then. `idle_since`: since when messages have waited beside
    idle slots. `expected`: the count as it was after the last tick, our own write included. `off`: somebody has set
    the count to none where some are wanted. `flows`: the queues' minutes. `waking`: in how many readings in a row, at
    no task, there was enough to wake.

    `watched_at`: when everything that the policy needs was last read (None: unknown). `lapsed`: that is too long ago,
    so the memory starts its warm-up again at the next complete reading. `unread_at`: when something that the policy
    needs was last not read (None: not since the memory began).
    """

    since: Instant | None = None
    demands: tuple[Demand, ...] = ()
    changes: tuple[Change, ...] = ()
    running: tuple[Running, ...] = ()
    failures: int = 0
    flows: tuple[Flow, ...] = ()
    starting: Running | None = None
    idle_since: Instant | None = None
    expected: int | None = None
    off: bool = False
    waking: int = 0
    watched_at: Instant | None = None
    lapsed: bool = False
    unread_at: Instant | None = None

    @staticmethod
    def begun(fleet: Fleet, now: Instant) -> Memory:
        """The memory of a daemon that has just begun to watch.

        Tasks that are still to come up count as a change just made: a daemon that restarts again and again would
        otherwise add the same tasks anew each time, and double and double.
        """
        coming = fleet.desired - fleet.running
        return Memory(since=now, changes=(Change(now, coming),) if coming > 0 else (), watched_at=now)

    def watched(self, now: Instant, longest_gap_s: float) -> Memory:
        """This memory at a new reading: lapsed if the last complete one is more than `longest_gap_s` ago.

        Windows empty with time. Without this, one reading after a gap would find no earlier demand in any window and
        would be free to remove every task.
        """
        if self.lapsed or self.watched_at is None or now - self.watched_at <= longest_gap_s:
            return self
        return replace(self, lapsed=True)

    def resumed(self, fleet: Fleet, now: Instant, *, complete: bool) -> Memory:
        """This memory; after a gap, and once a reading is complete, one that warms up again as after a start.

        What was not watched was not agreed: demands and everything that counts readings in a row start again. Changes
        that ECS accepted, its own count, and a service that was switched off by hand stay true; so do the running
        counts, which the loop itself forgets where it is ECS that was not read.
        """
        if not (self.lapsed and complete):
            return self
        coming = fleet.desired - fleet.running - sum(max(0, tasks) for _, tasks in self.changes)
        changes = (*self.changes, Change(now, coming)) if coming > 0 else self.changes
        return Memory(
            since=now,
            changes=changes,
            running=self.running,
            flows=self.flows,
            expected=self.expected,
            off=self.off,
        )

    def unwatched(self, now: Instant) -> Memory:
        """This memory after a poll that could not read ECS: it breaks a run of zero readings, and agrees to no fewer
        tasks than the polls of the minute before it.
        """
        demands = (*self.demands, Demand(now, self.carried(self.expected, now))) if self.expected else self.demands
        return replace(self, demands=demands, waking=0, unread_at=now)

    def carried(self, current: int, now: Instant) -> int:
        """The demand that a poll counts as in the windows, if it saw only a part: the highest of the minute before it.

        Not the present count: with a window of ten minutes, one read in a hundred that fails would hold an idle fleet
        where it is, at each failure for ten minutes more. Without any poll in that minute it is the present count.
        """
        return max(map(_TASKS, _after(self.demands, now - AGREEMENT_S)), default=current)

    def known_for_s(self, now: Instant) -> float:
        """How long the memory reaches back; infinite where it is longer than any window."""
        return inf if self.since is None else now - self.since

    def highest_demand(self, window_s: float, now: Instant) -> int:
        """The highest remembered demand whose age is strictly less than the window (0: none is)."""
        return max(map(_TASKS, _after(self.demands, now - window_s)), default=0)

    def lowest_demand(self, window_s: float, now: Instant) -> float:
        """The lowest remembered demand whose age is strictly less than the window (infinite: none is)."""
        return min(map(_TASKS, _after(self.demands, now - window_s)), default=inf)

    def net_change(self, window_s: float, now: Instant) -> int:
        """Tasks added less tasks removed by the changes whose age is strictly less than the window."""
        return sum(map(_TASKS, _after(self.changes, now - window_s))) if self.changes else 0

    def added(self, window_s: float, now: Instant) -> int:
        """Tasks added by the changes whose age is strictly less than the window; what was removed does not net it."""
        return sum([tasks for _, tasks in _after(self.changes, now - window_s) if tasks > 0])

    def removed(self, window_s: float, now: Instant) -> int:
        """Tasks removed by the changes whose age is strictly less than the window; what was added does not net it."""
        return -sum([tasks for _, tasks in _after(self.changes, now - window_s) if tasks < 0])

    def drift(self, fleet: Fleet) -> int:
        """By how much somebody else has changed the count since the last tick: negative, lowered; 0, not at all."""
        return 0 if self.expected is None else fleet.desired - self.expected

    def finds_switched_off(self, policy: Policy, fleet: Fleet) -> bool:
        """Somebody has set the count to none where some are wanted, and nobody has raised it since.

        We never write less than `min_tasks`, so a zero that was not there before is another's. It stays theirs when
        the schedule ends by which some were wanted.
        """
        return fleet.desired == 0 and (self.off or (policy.min_tasks > 0 and bool(self.expected)))

    def last_run(self, tasks: int | None, now: Instant) -> tuple[float, int]:
        """How long ago (s), and over how many readings, the demand was last anything but `tasks`.

        `tasks` None: anything but "more than zero". (0.0, 0) where the newest demand already differs. A run of zeros
        also ends at a reading that was not complete.
        """
        oldest, count = now, 0
        unread_at = -inf if self.unread_at is None or tasks != 0 else self.unread_at
        for at, asked in reversed(self.demands):
            if at <= unread_at or (asked != tasks if tasks is not None else asked <= 0):
                break
            oldest, count = at, count + 1
        return now - oldest, count

    def running_at(self, instant: Instant) -> int | None:
        """How many tasks ran at that instant (None: before anything that is remembered)."""
        return next((event.tasks for event in reversed(self.running) if event.at <= instant), None)

    def knows_running_since(self, instant: Instant) -> bool:
        """Whether the running counts reach back to that instant."""
        return bool(self.running) and self.running[0].at <= instant

    def running_now(self, fleet: Fleet) -> int:
        """How many tasks run, as it is remembered. A deployment runs both revisions: what is beyond the desired count
        is no baseline of anything. Tasks that a scale-in stops count until they are gone: they do a part of the work
        that is measured.
        """
        return min(fleet.running, max(fleet.desired, self.running[-1].tasks if self.running else 0))

    def ran_between(self, start: Instant, end: Instant) -> tuple[int, int] | None:
        """The fewest and the most tasks that ran at any instant from `start` to `end`, both included.

        Before the first count that is remembered, that one counts: a fixed answer, so that the same late datapoint
        asks for the same count at every poll. None: nothing is remembered.
        """
        if not self.running:
            return None
        first = max(bisect_right(self.running, start, key=_INSTANT) - 1, 0)
        last = max(bisect_right(self.running, end, key=_INSTANT), first + 1)
        counts = [event.tasks for event in self.running[first:last]]
        return min(counts), max(counts)

    def remembering(self, policy: Policy, observation: Observation, decision: Decision) -> Memory:
        """This memory with what the tick saw and asked for. Done before the write, which may be cut short."""
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
        )

    def acknowledging(self, now: Instant, tasks: int) -> Memory:
        """This memory with a change that ECS accepted: cooldowns and rate limits count from here."""
        expected = None if self.expected is None else self.expected + tasks
        return replace(self, changes=(*self.changes, Change(now, tasks)), expected=expected)


def _idle_since(since: Instant | None, policy: Policy, seen: Observation) -> Instant | None:
    """Kept while messages wait beside slots that nothing is in; unread queues leave it as it was."""
    known = [backlog for _, backlog in seen.queues if isinstance(backlog, Backlog)]
    if not known:
        return since
    slots = seen.fleet.running * policy.task_concurrency
    idle = any(counts.visible for counts in known) and sum([counts.in_flight for counts in known]) < slots
    return (since or seen.now) if idle else None


def _demand_reach_s(policy: Policy) -> float:
    """Twice the agreement, so that the run of zeros that is longer than it is still there to be seen."""
    windows = policy.scale_out.stabilization_s, policy.scale_in.stabilization_s
    return max(*windows, 2 * AGREEMENT_S, policy.longest_latency_s, policy.small_step_stabilization_s)


def _change_reach_s(policy: Policy) -> float:
    return max(policy.scale_out.longest_window_s, policy.scale_in.longest_window_s, LAUNCH_REACH_S)


def _after(events: tuple[Event, ...], horizon: Instant) -> tuple[Event, ...]:
    """The events later than `horizon`: those whose age is strictly less than the window that it begins."""
    if not events or events[0][0] > horizon:
        return events
    return events[bisect_right(events, horizon, key=_INSTANT) :] if events[-1][0] > horizon else ()


def _young(events: Sequence[Event], horizon: Instant) -> tuple[Event, ...]:
    """The events from `horizon` on; the same tuple where all are, which is nearly always."""
    return (
        tuple(events[bisect_left(events, horizon, key=_INSTANT) :])
        if events and events[0].at < horizon
        else tuple(events)
    )


def _with_running(before: Memory, seen: Observation) -> tuple[Running, ...]:
    """Counts are kept where they change; the one in force at the horizon is kept too."""
    known, running = before.running, before.running_now(seen.fleet)
    if known and known[-1].tasks == running:
        return known
    first = max(bisect_left(known, seen.now - UTILIZATION_REACH_S, key=_INSTANT) - 1, 0)
    return (*known[first:], Running(seen.fleet.at, running))


def _flow_reach_s(policy: Policy) -> float:
    return max(FLOW_REACH_S, 2 * progress_window_s(policy))


def progress_window_s(policy: Policy) -> float:
    """For how long nothing may be deleted before it is no progress: twice the processing time, 5 minutes at least."""
    return max(NO_PROGRESS_S, 2 * (policy.processing_time_s or 0.0))


def _with_flow(known: tuple[Flow, ...], seen: Observation, reach_s: float) -> tuple[Flow, ...]:
    """Each minute once, for as long as it may be compared with."""
    kept = known if not known or seen.now - known[0].at < reach_s else known[1:]
    new = isinstance(seen.flow, Flow) and (not known or seen.flow.at > known[-1].at)
    return (*kept, seen.flow) if new and isinstance(seen.flow, Flow) else kept


def _starting(known: Running | None, seen: Observation) -> Running | None:
    """Since when nothing came up although it was asked for; anew whenever one more task runs."""
    running = seen.fleet.running
    if running >= seen.fleet.desired:
        return None
    return Running(seen.now, running) if known is None or running > known.tasks else known
