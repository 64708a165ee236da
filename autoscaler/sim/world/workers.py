"""Tasks as workers. Each task has slots for messages in progress and for prefetched messages.

A message goes to the slot that has been free for longest. Which idle task takes a message changes neither its wait nor
the number of idle tasks at any moment, so the choice favors no policy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import heapify, heappush, heapreplace
from math import inf

from autoscaler.sim.world.queue import NO_MESSAGE

Held = tuple[float, int, int, float]
"""A slot: (free from, task, message, start of the work). For a task that is still starting, `free from` is the time at
which it is up.
"""

NO_SLOT: Held = (inf, -1, NO_MESSAGE, inf)
"""A slot that always exists, so that there is a first slot even without a task."""


class SimulatedWorkers:
    """All workers. `slots`: a heap of the slots of the tasks that receive messages, by the instant at which each is
    free.
    """

    def __init__(self, concurrency: int, prefetch: int) -> None:
        self._concurrency = concurrency
        self._prefetch = prefetch
        self.slots: list[Held] = [NO_SLOT]
        self._leaving: dict[int, list[Held]] = {}
        self._busy_until: dict[int, list[float]] = {}

    def join(self, task: int, up_s: float) -> None:
        """Add a task that receives messages from `up_s` on."""
        for _ in range(self._concurrency + self._prefetch):
            heappush(self.slots, (up_s, task, NO_MESSAGE, up_s))
        if self._prefetch:
            self._busy_until[task] = [up_s] * self._concurrency

    def put(self, message: int, service_s: float, at: float) -> Held:
        """Give the message, received at `at`, to the task of the first slot. Work begins when the task has capacity."""
        task = self.slots[0][1]
        since = at
        if self._prefetch:
            busy_until = self._busy_until[task]
            since = max(at, busy_until[0])
            heapreplace(busy_until, since + service_s)
        held = (since + service_s, task, message, since)
        heapreplace(self.slots, held)
        return held

    def leave(self, tasks: Iterable[int], now: float) -> dict[int, list[Held]]:
        """Remove the slots of these tasks, which receive no more messages. Return what each task holds at `now`."""
        left: dict[int, list[Held]] = {task: [] for task in tasks}
        for slot in self.slots:
            if slot[1] in left and slot[2] != NO_MESSAGE and slot[0] > now:
                left[slot[1]].append(slot)
        self.slots[:] = [slot for slot in self.slots if slot[1] not in left]
        heapify(self.slots)
        for task in left:
            self._busy_until.pop(task, None)
        return left

    def finish(self, task: int, held: list[Held]) -> None:
        """Record what a removed task still processes."""
        self._leaving[task] = held

    def end(self, task: int) -> list[Held]:
        """Remove the task completely. Return what it was still processing."""
        return self._leaving.pop(task, [])

    def held(self, now: float) -> Iterator[Held]:
        """Yield the messages that tasks hold at `now`: those in progress, and those prefetched."""
        for slot in self.slots:
            if slot[0] > now and slot[2] != NO_MESSAGE:
                yield slot
        for finishing in self._leaving.values():
            yield from (slot for slot in finishing if slot[0] > now)

    def idle(self, now: float) -> list[int]:
        """Return the tasks that are up and hold no message, longest idle first."""
        since: dict[int, float] = {}
        for free_s, task, _, _ in self.slots:
            if free_s > since.get(task, -1.0):
                since[task] = free_s
        return [task for free_s, task in sorted((free_s, task) for task, free_s in since.items()) if free_s <= now]
