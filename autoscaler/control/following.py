"""Follows the tasks of accepted scale-outs until they run, a limit is reached, or they are not required any more.

It reads nothing and delays nothing: the counts of each poll show it. The task that was requested first is assumed to
start first, which does not change how many start.
"""

from __future__ import annotations

from autoscaler.core.model import Fleet, Instant
from autoscaler.ports import StartedAfter

LIMIT_S = 600.0
"""Seconds after a decision in which its tasks should run. Most tasks take 30 to 90 s, large images some minutes."""

MOST_REQUESTS = 64
"""The requests of a service that are followed; the oldest ones are dropped."""


class StartFollower:
    """The requested tasks of one service that do not run yet."""

    def __init__(self) -> None:
        self._requests: list[tuple[Instant, int]] = []
        self._most = 0
        """The most tasks that ran since the oldest request: a task that replaces another one is not a requested one."""
        self._is_replacing = False

    def wrote(self, decided: Instant, fleet: Fleet, target: int) -> None:
        """Follow an accepted change, which was decided at `decided` for the counts in `fleet`."""
        if target > fleet.desired:
            if not self._requests:
                self._most = fleet.running
            self._requests = [*self._requests, (decided, target - fleet.desired)][-MOST_REQUESTS:]
        else:
            self._cancel(fleet.desired - target)

    def see(self, fleet: Fleet, now: Instant) -> tuple[tuple[StartedAfter, ...], bool]:
        """Return the requested tasks that run now and did not before, and whether the limit of others has passed.
        Tasks that start during a deployment or a rebalancing replace others: they are not counted.
        """
        replaces = fleet.deployment is not None or fleet.rebalancing.moved_at is not None
        was_replacing, self._is_replacing = self._is_replacing, replaces
        up, self._most = max(0, fleet.running - self._most), max(self._most, fleet.running)
        found = tuple(self._started(up, now))
        self._cancel(sum(tasks for _, tasks in self._requests) - max(0, fleet.desired - fleet.running))
        old = [one for one in self._requests if now - one[0] >= LIMIT_S]
        self._requests = self._requests[len(old) :]
        return (() if replaces or was_replacing else found), bool(old)

    def _started(self, up: int, now: Instant) -> list[StartedAfter]:
        found = []
        while up > 0 and self._requests:
            at, tasks = self._requests[0]
            done = min(up, tasks)
            found.append(StartedAfter(now - at, done))
            up -= done
            self._requests[0:1] = [(at, tasks - done)] if tasks > done else []
        return found

    def _cancel(self, tasks: int) -> None:
        """Remove the newest requested tasks."""
        while tasks > 0 and self._requests:
            at, newest = self._requests.pop()
            if newest > tasks:
                self._requests.append((at, newest - tasks))
            tasks -= newest
