"""Tasks as workers: each has places for messages, those that it works on and those that it has fetched before.

Of the places that are free, a message goes into the one that has been free for longest. Which idle task takes a
message changes neither how long it waits nor how many tasks are idle at any moment, so that nobody's scale-in is
flattered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import heapify, heappush, heapreplace
from math import inf

from autoscaler.sim.world.queue import NOTHING

Held = tuple[float, int, int, float]
"""A place: (free from, task, message, work on it begins). Of a task that is not up yet, `free from` is when it is."""

NOWHERE: Held = (inf, -1, NOTHING, inf)
"""Always there, so that there is a first place even when no task is."""


class Workers:
    """`places`: of the tasks that receive, by the instant at which each is free; a heap."""

    def __init__(self, concurrency: int, prefetch: int) -> None:
        self._concurrency = concurrency
        self._prefetch = prefetch
        self.places: list[Held] = [NOWHERE]
        self._leaving: dict[int, list[Held]] = {}
        self._lanes: dict[int, list[float]] = {}

    def join(self, task: int, up_s: float) -> None:
        """The task receives from `up_s` on."""
        for _ in range(self._concurrency + self._prefetch):
            heappush(self.places, (up_s, task, NOTHING, up_s))
        if self._prefetch:
            self._lanes[task] = [up_s] * self._concurrency

    def put(self, message: int, service_s: float, at: float) -> Held:
        """The message is received at `at` by the task of the first place, and worked on once that has a slot free."""
        task = self.places[0][1]
        since = at
        if self._prefetch:
            lane = self._lanes[task]
            since = max(at, lane[0])
            heapreplace(lane, since + service_s)
        held = (since + service_s, task, message, since)
        heapreplace(self.places, held)
        return held

    def leave(self, tasks: Iterable[int], now: float) -> dict[int, list[Held]]:
        """These tasks receive no more. What each of them holds now."""
        left: dict[int, list[Held]] = {task: [] for task in tasks}
        for place in self.places:
            if place[1] in left and place[2] != NOTHING and place[0] > now:
                left[place[1]].append(place)
        self.places[:] = [place for place in self.places if place[1] not in left]
        heapify(self.places)
        for task in left:
            self._lanes.pop(task, None)
        return left

    def finish(self, task: int, held: list[Held]) -> None:
        """The task, which has left, still works on these."""
        self._leaving[task] = held

    def end(self, task: int) -> list[Held]:
        """The task is no more. What it was finishing."""
        return self._leaving.pop(task, [])

    def held(self, now: float) -> Iterator[Held]:
        """What tasks hold now: what they work on, and what they have fetched before."""
        for place in self.places:
            if place[0] > now and place[2] != NOTHING:
                yield place
        for finishing in self._leaving.values():
            yield from (place for place in finishing if place[0] > now)

    def idle(self, now: float) -> list[int]:
        """The tasks that are up and hold nothing, those that are so for longest first."""
        since: dict[int, float] = {}
        for free_s, task, _, _ in self.places:
            if free_s > since.get(task, -1.0):
                since[task] = free_s
        return [task for free_s, task in sorted((free_s, task) for task, free_s in since.items()) if free_s <= now]
