"""The start-up time of tasks, and when requested tasks will run.

The task that was requested first is assumed to start first; on average this is correct.
"""

from __future__ import annotations

from array import array

from autoscaler.core.knowledge import Estimate, Knowledge, StartingTasks
from autoscaler.core.model import Fleet, Instant

ASSUMED_S = 50.0
"""Assumed start-up time until a start was seen. ECS tasks take 30 to 90 s."""
LATE_RATIO = 1.5
"""Assumed ratio of the 90th percentile to the mean start-up time, until enough starts were seen."""

STALLED_S = 300.0
"""Longer starts are ignored: there was no capacity, or the task crashed."""

MOST_SAMPLES = 64
PRIOR_WEIGHT = 5.0
SOONEST_S = 5.0
"""The minimum expected remaining time, also of an overdue task."""


def measured_start_s(known: Knowledge) -> float | None:
    """Return the mean start-up time of the starts that were seen, in seconds (None: none was seen). The estimate is a
    weighted mean of this and of an assumed time: after 3 starts of 5 s it is 33 s.
    """
    return _measured(known.start_s.value, ASSUMED_S, known.start_s.weight)


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


class Starting:
    """Learns the start-up time of tasks. `_requested`: (instant, number of tasks) that do not run yet, oldest first."""

    __slots__ = ("_at", "_deploying", "_desired", "_learned_at", "_requested", "_running", "_summed_up", "_took_s")

    def __init__(self, fleet: Fleet, now: Instant) -> None:
        self._desired, self._running = fleet.desired, fleet.running
        self._deploying = _is_replacing(fleet)
        self._at = now
        self._requested: list[tuple[Instant, int]] = []
        self._took_s = array("d")
        self._learned_at: Instant | None = None
        self._request(fleet.desired - fleet.running, now)
        self._summed_up: tuple[float, float] = (ASSUMED_S, ASSUMED_S * LATE_RATIO)

    @property
    def mean_s(self) -> float:
        return self._summed_up[0]

    @property
    def late_s(self) -> float:
        """The 90th percentile of the start-up time."""
        return self._summed_up[1]

    def estimate(self, now: Instant) -> Estimate:
        age_s = None if self._learned_at is None else max(0.0, now - self._learned_at)
        return Estimate(self.mean_s, float(len(self._took_s)), age_s)

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

    def coming(self, now: Instant) -> tuple[StartingTasks, ...]:
        """Return the tasks that do not run yet, with the expected remaining seconds."""
        return tuple([StartingTasks(max(SOONEST_S, self.mean_s - (now - at)), tasks) for at, tasks in self._requested])

    def _request(self, tasks: int, at: Instant) -> None:
        if tasks > 0:
            self._requested.append((at, tasks))

    def _came_up(self, tasks: int, at: Instant) -> None:
        """Record starts. They happened between two readings; the middle is assumed."""
        while tasks > 0 and self._requested:
            requested_at, requested = self._requested.pop(0)
            here = min(tasks, requested)
            if at - requested_at <= STALLED_S:
                self._took_s.extend([max(0.0, at - requested_at)] * min(here, MOST_SAMPLES))
            if requested > here:
                self._requested.insert(0, (requested_at, requested - here))
            tasks -= here
            self._learned_at = at
        del self._took_s[:-MOST_SAMPLES]
        if self._took_s:
            self._sum_up()

    def _drop_beyond(self, missing: int) -> None:
        """Drop the newest requests beyond `missing`: ECS stops the newest pending tasks first."""
        beyond = sum(tasks for _, tasks in self._requested) - missing
        while beyond > 0:
            at, tasks = self._requested.pop()
            if tasks > beyond:
                self._requested.append((at, tasks - beyond))
            beyond -= tasks

    def _sum_up(self) -> None:
        seen = sorted(self._took_s)
        weight = len(seen) / (len(seen) + PRIOR_WEIGHT)
        mean_s, late_s = sum(seen) / len(seen), seen[int(0.9 * len(seen))]
        self._summed_up = (
            weight * mean_s + (1 - weight) * ASSUMED_S,
            weight * late_s + (1 - weight) * ASSUMED_S * LATE_RATIO,
        )
