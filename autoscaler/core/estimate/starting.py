"""The start-up time of tasks, and when requested tasks will run.

The task that was requested first is assumed to start first; on average this is correct.

Two measurements of the same start exist. The counts of ECS give the time from the request to RUNNING, within half a
poll. ECS's own times of a task, where they may be read, give creation to RUNNING exactly, and also for the starts of a
deployment and from before the daemon's start, but not the time from the request to the creation, the lead. What the
daemon plans with is the sum: a message is received when a task runs, whether or not the daemon has seen it, so the time
until the next poll is no part of it. The lead is learned from starts that were measured both ways.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import NamedTuple

from autoscaler.core.knowledge import Estimate, Knowledge, SlowStarts, StartingTasks
from autoscaler.core.model import Fleet, Instant
from autoscaler.core.start_phases import STALLED_S, Modes, two_modes

ASSUMED_S = 50.0
"""Assumed start-up time until a start was seen. ECS tasks take 30 to 90 s."""
LATE_RATIO = 1.5
"""Assumed ratio of the 90th percentile to the mean start-up time, until enough starts were seen."""

ASSUMED_LEAD_S, MOST_LEAD_S = 5.0, 60.0
"""The assumed time from a request until ECS creates a task, and the longest: ECS's scheduler acts within seconds; a
larger difference has another cause.
"""

SAME_S = 45.0
"""A start that the counts measured is the nearest one with ECS's own times, within this many seconds: the counts have
it in the middle of two polls.
"""

MOST_SAMPLES = 64
PRIOR_WEIGHT = 5.0
SOONEST_S = 5.0
"""The minimum expected remaining time, also of an overdue task."""


def measured_start_s(known: Knowledge) -> float | None:
    """Return the mean start-up time of the starts that were seen, in seconds (None: none was seen). The estimate is a
    weighted mean of this and of an assumed time: after 3 starts of 5 s it is 33 s.
    """
    measured_s = _measured(known.start_s.value, ASSUMED_S, known.start_s.weight)
    slow = known.slow_starts
    if measured_s is None or slow is None:
        return measured_s
    return (1 - slow.share) * measured_s + slow.share * slow.seconds


def measured_late_start_s(known: Knowledge) -> float | None:
    """Return the 90th percentile of the starts that were seen, in seconds (None: none was seen)."""
    return _measured(known.start_late_s, ASSUMED_S * LATE_RATIO, known.start_s.weight)


def _measured(estimate_s: float, assumed_s: float, starts: float) -> float | None:
    """Return an estimate without its assumed part: the estimate is `(starts x measured + PRIOR_WEIGHT x assumed) /
    (starts + PRIOR_WEIGHT)`.
    """
    return None if starts <= 0 else estimate_s + (estimate_s - assumed_s) * PRIOR_WEIGHT / starts


def _is_replacing(fleet: Fleet) -> bool:
    """Whether ECS starts tasks that the service did not request: in place of others, and before it stops those."""
    return fleet.deployment is not None or fleet.rebalancing.moved_at is not None


class TimedStart(NamedTuple):
    """A start by ECS's own times: seconds from the creation of the task until it ran, and when that was."""

    took_s: float
    at: Instant


class _Requested(NamedTuple):
    """Tasks that were requested together. `tasks`: those that do not run yet, of `of`."""

    at: Instant
    tasks: int
    of: int


class Starting:
    """Learns the start-up time of tasks. `_requested`: what does not run yet, oldest first. `_took_s`, `_took_at`: the
    starts that only the counts measured. `_timed_s`, `_timed_at`: those with ECS's own times.
    """

    __slots__ = (
        "_at",
        "_deploying",
        "_desired",
        "_lead_s",
        "_lead_weight",
        "_learned_at",
        "_modes",
        "_requested",
        "_running",
        "_summed_up",
        "_timed_at",
        "_timed_s",
        "_took_at",
        "_took_s",
    )

    def __init__(self, fleet: Fleet, now: Instant) -> None:
        self._desired, self._running = fleet.desired, fleet.running
        self._deploying = _is_replacing(fleet)
        self._at = now
        self._requested: list[_Requested] = []
        self._took_s, self._took_at = array("d"), array("d")
        self._timed_s, self._timed_at = array("d"), array("d")
        self._lead_s, self._lead_weight = ASSUMED_LEAD_S, PRIOR_WEIGHT
        self._modes: Modes | None = None
        self._learned_at: Instant | None = None
        self._request(fleet.desired - fleet.running, now)
        self._summed_up: tuple[float, float] = (ASSUMED_S, ASSUMED_S * LATE_RATIO)

    @property
    def mean_s(self) -> float:
        """The mean start-up time; if starts are of two kinds, that of the fast ones."""
        return self._summed_up[0]

    @property
    def late_s(self) -> float:
        """The 90th percentile of the start-up time, of all starts."""
        return self._summed_up[1]

    @property
    def slow(self) -> SlowStarts | None:
        """The slow kind of starts (None: there is one kind). It is never faster than the fast kind."""
        modes = self._modes
        return None if modes is None else SlowStarts(modes.slow_share, max(modes.slow_s, self.mean_s))

    def estimate(self, now: Instant) -> Estimate:
        age_s = None if self._learned_at is None else max(0.0, now - self._learned_at)
        return Estimate(self.mean_s, float(len(self._took_s) + len(self._timed_s)), age_s)

    def see(self, fleet: Fleet, now: Instant) -> None:
        """Add a reading of the service. Starts during a deployment or a rebalancing are ignored: tasks are replaced."""
        requested, up, then = fleet.desired - self._desired, fleet.running - self._running, self._at
        replaced, self._deploying = self._deploying, _is_replacing(fleet)
        self._desired, self._running, self._at = fleet.desired, fleet.running, now
        self._request(requested, then)
        if up > 0 and not (replaced or self._deploying):
            self._came_up(up, (then + now) / 2)
        if self._requested:
            self._drop_beyond(max(0, fleet.desired - fleet.running))

    def see_timed(self, starts: Sequence[TimedStart]) -> None:
        """Add starts with ECS's own times, each once. One that the counts measured too has ECS's times from now on.

        One that only the counts measured stays: its task stopped before it was read. If slow tasks come too late for
        the work, they are stopped soon, so the tasks that are read are more often fast ones.
        """
        if not starts:
            return
        pairs = []
        for start in sorted(starts, key=lambda start: (start.at, start.took_s)):
            nearest = min(range(len(self._took_at)), key=lambda each: abs(self._took_at[each] - start.at), default=None)
            if nearest is not None and abs(self._took_at[nearest] - start.at) <= SAME_S:
                pairs.append((self._took_s.pop(nearest), start.took_s))
                self._took_at.pop(nearest)
        self._learn_lead(pairs)
        stored = [*zip(self._timed_s, self._timed_at, strict=True), *((start.took_s, start.at) for start in starts)]
        newest = sorted(stored, key=lambda start: (start[1], start[0]))[-MOST_SAMPLES:]
        self._timed_s = array("d", [took_s for took_s, _ in newest])
        self._timed_at = array("d", [at for _, at in newest])
        self._learned_at = max(newest[-1][1], self._learned_at or newest[-1][1])
        self._sum_up()

    def coming(self, now: Instant) -> tuple[StartingTasks, ...]:
        """Return the tasks that do not run yet, with the expected remaining seconds. Of two kinds of starts, the fast
        tasks of a request run first; after the time that divides the kinds, all that do not run are slow ones.
        """
        mean_s, slow, coming = self.mean_s, self.slow, list[StartingTasks]()
        for at, tasks, of in self._requested:
            age_s, late = now - at, 0
            if slow is not None and self._modes is not None:
                late = tasks if age_s >= self._modes.limit_s else min(tasks, int(slow.share * of + 0.5))
                coming += [StartingTasks(max(SOONEST_S, slow.seconds - age_s), late)] if late else []
            if tasks > late:
                coming.append(StartingTasks(max(SOONEST_S, mean_s - age_s), tasks - late))
        return tuple(coming)

    def _request(self, tasks: int, at: Instant) -> None:
        if tasks > 0:
            self._requested.append(_Requested(at, tasks, tasks))

    def _came_up(self, tasks: int, at: Instant) -> None:
        """Record starts. They happened between two readings; the middle is assumed."""
        while tasks > 0 and self._requested:
            requested_at, requested, of = self._requested.pop(0)
            here = min(tasks, requested)
            if at - requested_at <= STALLED_S:
                many = min(here, MOST_SAMPLES)
                self._took_s.extend([max(0.0, at - requested_at)] * many)
                self._took_at.extend([at] * many)
            if requested > here:
                self._requested.insert(0, _Requested(requested_at, requested - here, of))
            tasks -= here
            self._learned_at = at
        del self._took_s[:-MOST_SAMPLES]
        del self._took_at[:-MOST_SAMPLES]
        if self._took_s or self._timed_s:
            self._sum_up()

    def _drop_beyond(self, missing: int) -> None:
        """Drop the newest requests beyond `missing`: ECS stops the newest pending tasks first."""
        beyond = sum(requested.tasks for requested in self._requested) - missing
        while beyond > 0:
            at, tasks, of = self._requested.pop()
            if tasks > beyond:
                self._requested.append(_Requested(at, tasks - beyond, of - beyond))
            beyond -= tasks

    def _learn_lead(self, pairs: Sequence[tuple[float, float]]) -> None:
        """Learn the lead: by how much longer the counts' starts took than the same starts by ECS's times."""
        if not pairs:
            return
        many = float(len(pairs))
        lead_s = sum([counted_s - timed_s for counted_s, timed_s in pairs]) / many
        lead_s = min(MOST_LEAD_S, max(0.0, lead_s))
        self._lead_s += (lead_s - self._lead_s) * many / (self._lead_weight + many)
        self._lead_weight = min(float(MOST_SAMPLES), self._lead_weight + many)

    def _sum_up(self) -> None:
        """Compute the estimates from the newest starts. Two kinds are found only where ECS's own times are known."""
        while len(self._took_s) + len(self._timed_s) > MOST_SAMPLES:
            counted = self._took_at and (not self._timed_at or self._took_at[0] <= self._timed_at[0])
            for each in (self._took_s, self._took_at) if counted else (self._timed_s, self._timed_at):
                del each[0]
        seen = sorted([*(took_s + self._lead_s for took_s in self._timed_s), *self._took_s])
        weight = len(seen) / (len(seen) + PRIOR_WEIGHT)
        self._modes = two_modes(seen) if self._timed_s else None
        mean_s = sum(seen) / len(seen) if self._modes is None else self._modes.fast_s
        late_s = seen[int(0.9 * len(seen))]
        self._summed_up = (
            weight * mean_s + (1 - weight) * ASSUMED_S,
            weight * late_s + (1 - weight) * ASSUMED_S * LATE_RATIO,
        )
