"""How long tasks take to come up, and when those will be that were asked for.

The first that was asked for is taken for the first that came up: on average that is right whichever it was.
"""

from __future__ import annotations

from array import array

from autoscaler.core.knowledge import Coming, Estimate
from autoscaler.core.model import Fleet, Instant

ASSUMED_S = 50.0
"""Before any was seen: ECS tasks take 30 to 90 s."""
LATE_RATIO = 1.5
"""Before enough were seen: one in ten takes half as long again as the average."""

STALLED_S = 300.0
"""What took longer had no capacity, or crashed: that says nothing of the next start."""

KEPT = 64
PRIOR_WEIGHT = 5.0
SOONEST_S = 5.0
"""A task that is overdue will be up soon."""


class Starting:
    """`asked`: (when, how many) tasks that are not up yet, oldest first."""

    __slots__ = ("_asked", "_at", "_deploying", "_desired", "_learned_at", "_running", "_summed_up", "_took_s")

    def __init__(self, fleet: Fleet, now: Instant) -> None:
        self._desired, self._running = fleet.desired, fleet.running
        self._deploying = fleet.deployment is not None
        self._at = now
        self._asked: list[tuple[Instant, int]] = []
        self._took_s = array("d")
        self._learned_at: Instant | None = None
        self._ask(fleet.desired - fleet.running, now)
        self._summed_up: tuple[float, float] = (ASSUMED_S, ASSUMED_S * LATE_RATIO)

    @property
    def mean_s(self) -> float:
        return self._summed_up[0]

    @property
    def late_s(self) -> float:
        """One in ten takes longer."""
        return self._summed_up[1]

    def estimate(self, now: Instant) -> Estimate:
        age_s = None if self._learned_at is None else max(0.0, now - self._learned_at)
        return Estimate(self.mean_s, float(len(self._took_s)), age_s)

    def see(self, fleet: Fleet, now: Instant) -> None:
        """One more reading of the service. Deployments replace tasks: what comes up then says nothing."""
        asked, up, then = fleet.desired - self._desired, fleet.running - self._running, self._at
        replaced, self._deploying = self._deploying, fleet.deployment is not None
        self._desired, self._running, self._at = fleet.desired, fleet.running, now
        self._ask(asked, then)
        if up > 0 and not (replaced or self._deploying):
            self._came_up(up, (then + now) / 2)
        if self._asked:
            self._drop_beyond(max(0, fleet.desired - fleet.running))

    def coming(self, now: Instant) -> tuple[Coming, ...]:
        """The tasks that are not up, and in how many seconds they probably will be."""
        return tuple([Coming(max(SOONEST_S, self.mean_s - (now - at)), tasks) for at, tasks in self._asked])

    def _ask(self, tasks: int, at: Instant) -> None:
        if tasks > 0:
            self._asked.append((at, tasks))

    def _came_up(self, tasks: int, at: Instant) -> None:
        """They came up between two readings: in the middle, for all that is known."""
        while tasks > 0 and self._asked:
            asked_at, asked = self._asked.pop(0)
            here = min(tasks, asked)
            if at - asked_at <= STALLED_S:
                self._took_s.extend([max(0.0, at - asked_at)] * min(here, KEPT))
            if asked > here:
                self._asked.insert(0, (asked_at, asked - here))
            tasks -= here
            self._learned_at = at
        del self._took_s[:-KEPT]
        if self._took_s:
            self._sum_up()

    def _drop_beyond(self, missing: int) -> None:
        """ECS stops the newest first of those that are not up."""
        beyond = sum(tasks for _, tasks in self._asked) - missing
        while beyond > 0:
            at, tasks = self._asked.pop()
            if tasks > beyond:
                self._asked.append((at, tasks - beyond))
            beyond -= tasks

    def _sum_up(self) -> None:
        seen = sorted(self._took_s)
        weight = len(seen) / (len(seen) + PRIOR_WEIGHT)
        mean_s, late_s = sum(seen) / len(seen), seen[min(len(seen) - 1, int(0.9 * len(seen)))]
        self._summed_up = (
            weight * mean_s + (1 - weight) * ASSUMED_S,
            weight * late_s + (1 - weight) * ASSUMED_S * LATE_RATIO,
        )
