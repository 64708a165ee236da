"""The loop that assigns each message to a slot of a task.

Time advances lazily: the result of a message is computed when it is received. A kill or a crash finds the message in
its slot and corrects the result. Invariant: slot-seconds spent = the work of the processed messages + the lost work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from heapq import heapify, heappop, heappush, heapreplace
from itertools import chain, count
from math import inf
from typing import TypeAlias

from autoscaler.sim.model import Workload, WorldSettings
from autoscaler.sim.world.fifo import FifoQueue
from autoscaler.sim.world.queue import NO_MESSAGE, NO_MORE, SimulatedQueue, drawn


class Serving:
    """Assigns messages to slots. `slowdown`: factor of the processing time of messages that begin now. `worked_s`:
    slot-seconds of all messages that have begun, until their ends. `lost_s`: the part of them that led to no deletion.
    `lost_messages`: messages that were deleted on receipt by tasks that were killed before they had processed them.
    """

    def __init__(self, workload: Workload, settings: WorldSettings, seed: int) -> None:
        self._fifo = FifoQueue(workload, settings, seed) if settings.groups else None
        self.queue = self._fifo or SimulatedQueue(workload, settings, seed)
        self.workers = SimulatedWorkers(settings.task_concurrency, settings.prefetch)
        self.slowdown = 1.0
        self.worked_s = 0.0
        self.lost_s = 0.0
        self.lost_messages = 0
        self._broken_until = 0.0
        self._undeleted = 0
        self._deletes_on_receipt = settings.delete_on_receipt
        self._poison = drawn(len(workload.arrivals_s), settings.poison_ratio, seed, "poison")
        is_plain = not (settings.prefetch or settings.groups or self._poison)
        self._has_fast_path = is_plain and not self.queue.has_duplicates

    def serve(self, until: float) -> None:
        """Receive every message that can be received before `until`."""
        special = self.queue.returns or self.slowdown != 1.0 or self._broken_until
        if self._has_fast_path and not special:
            self._serve_first_receives(until)
        else:
            self._serve_each(until)

    def _serve_first_receives(self, until: float) -> None:
        """The fast path: every message arrives, is received once and is deleted."""
        queue, slots = self.queue, self.workers.slots
        received: list[float] = []
        append = received.append
        message, worked_s = queue.begun, self.worked_s
        head = NO_MORE
        for arrival_s, service_s in chain((queue.head,), queue.following):
            at, task, _, _ = slots[0]
            at = arrival_s if arrival_s > at else at  # noqa: FURB136 - max() takes longer than the rest of the loop
            if at >= until:
                head = (arrival_s, service_s)
                break
            heapreplace(slots, (at + service_s, task, message, at))
            append(at)
            worked_s += service_s
            message += 1
        queue.head, self.worked_s = head, worked_s
        queue.received(received)

    def _serve_each(self, until: float) -> None:
        queue, workers = self.queue, self.workers
        while True:
            at = max(queue.next_s(), workers.slots[0][0])
            if at >= until:
                return
            taken = queue.receive(at)
            if taken is not None:
                message, service_s = taken
                held = workers.put(message, service_s * self.slowdown, at)
                self._begin(held)
                if self._fifo is not None:
                    self._serve_rest_of_batch(self._fifo, held, at)

    def _serve_rest_of_batch(self, queue: FifoQueue, held: Held, at: float) -> None:
        """Begin the messages that were received with the one that is `held`. Their group is blocked until all end."""
        message = held[2]
        for other, service_s in queue.rest_of_batch(message, at):
            held = self.workers.put_behind(held, other, service_s * self.slowdown)
            self._begin(held)
        queue.began(message, held[0])

    def _begin(self, held: Held) -> None:
        end_s, _, message, since = held
        self.worked_s += end_s - since
        if message < 0:
            self._lose(held)
        elif self._fails(held):
            self._lose(held)
            self.queue.return_after_timeout(message, end_s)

    def _fails(self, held: Held) -> bool:
        """Return whether the message returns to the queue after its processing."""
        if self._deletes_on_receipt:
            return False
        return held[0] < self._broken_until or held[2] in self._poison

    def _lose(self, held: Held) -> None:
        """Count the work as lost: the work ends, but the message is not deleted."""
        self.lost_s += held[0] - held[3]
        self._undeleted += 1

    def break_down(self, until: float, now: float) -> None:
        """Start a breakdown: no message whose processing ends before `until` is deleted."""
        succeeding = [held for held in self.workers.held(now) if held[2] >= 0 and not self._fails(held)]
        self._broken_until = until
        for held in filter(self._fails, succeeding):
            self._lose(held)
            self.queue.return_after_timeout(held[2], held[0])

    def repair(self, _: float) -> None:
        """End the breakdown, so that the fast path is possible again."""
        self._broken_until = 0.0

    def sigterm(self, tasks: Iterable[int], now: float) -> dict[int, float]:
        """Make the messages that these tasks have not begun visible. Return when each task ends its other messages."""
        finished_s = {}
        for task, held in self.workers.leave(tasks, now).items():
            in_progress = [each for each in held if each[3] < now]
            for fetched in held:
                if fetched[3] >= now:
                    self._abandon(fetched, now, now)
            self.workers.finish(task, in_progress)
            finished_s[task] = max((each[0] for each in in_progress), default=now)
        return finished_s

    def kill(self, task: int, now: float) -> None:
        """Kill a task that received SIGTERM: its messages in progress are lost."""
        for held in self.workers.end(task):
            if held[0] > now:
                self._abandon(held, now, None)

    def crash(self, task: int, now: float) -> None:
        """End the task without SIGTERM: all messages that it holds are lost, including those that it has not begun."""
        for held in self.workers.leave([task], now)[task]:
            self._abandon(held, now, None)

    def _abandon(self, held: Held, now: float, visible_s: float | None) -> None:
        """End or prevent the work on a message. It is visible from `visible_s`. None: after its visibility timeout."""
        end_s, _, message, since = held
        self.worked_s -= end_s - max(now, since)
        is_lost = self._deletes_on_receipt and message >= 0
        self.lost_messages += is_lost
        if self._cancel_return(held):
            self.lost_s -= end_s - since
        else:
            self._undeleted += not is_lost
        self.lost_s += max(0.0, now - since)
        if message < 0 or is_lost:
            return
        if visible_s is None:
            self.queue.return_after_timeout(message, now)
        else:
            self.queue.put_back(message, visible_s)

    def _cancel_return(self, held: Held) -> bool:
        """Return whether the message already counts as not deleted. Its return for that reason is cancelled."""
        return held[2] < 0 or (self._fails(held) and self.queue.cancel_return(held[2], held[0]))

    @property
    def last_end_s(self) -> float:
        """When the last message in progress ends, unless a kill or crash ends it earlier; 0 if no message has begun."""
        return max((held[0] for held in self.workers.held(0.0)), default=0.0)

    def in_flight(self, now: float) -> int:
        """Return the messages in flight: held by tasks, or by tasks that have ended."""
        if self._deletes_on_receipt:
            return self.queue.hidden(now)
        held = sum(each[0] > now or not self._fails(each) for each in self.workers.held(now))  # else it is hidden
        return held + self.queue.hidden(now)

    def groups_in_flight(self, now: float) -> int | None:
        """Return the number of message groups in flight; None for a queue that is not FIFO."""
        if self._fifo is None:
            return None
        return self._fifo.groups((each[2] for each in self.workers.held(now) if each[0] > now), now)

    def deleted(self, now: float) -> int:
        """Return the number of messages deleted until `now`, including those that are deleted at `now`."""
        if self._deletes_on_receipt:
            return self.queue.receives - self._undeleted
        held = (each for each in self.workers.held(now) if each[0] > now)
        in_progress = sum(each[2] >= 0 and not self._fails(each) for each in held)
        return self.queue.receives - self._undeleted - in_progress

    def worked_until(self, now: float) -> float:
        """Return the slot-seconds worked until `now`, including lost work."""
        return self.worked_s - sum(held[0] - max(now, held[3]) for held in self.workers.held(now))

    def oldest_age_s(self, now: float) -> float | None:
        held = () if self._deletes_on_receipt else self.workers.held(now)
        return self.queue.oldest_age_s(now, (each[2] for each in held))


# Tasks as workers. Each task has slots for messages in progress and for prefetched messages.
#
# A message goes to the slot that has been free for longest. Which idle task takes a message changes neither its wait
# nor the number of idle tasks at any moment, so the choice favors no policy.

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
        self._batched: list[Held] = []

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

    def put_behind(self, held: Held, message: int, service_s: float) -> Held:
        """Give the message to the slot that holds `held`, in the same receive: it is processed after that."""
        end_s, task, _, _ = held
        self._batched.append(held)
        self.slots.remove(held)
        heapify(self.slots)
        behind = (end_s + service_s, task, message, end_s)
        heappush(self.slots, behind)
        return behind

    def leave(self, tasks: Iterable[int], now: float) -> dict[int, list[Held]]:
        """Remove the slots of these tasks, which receive no more messages. Return what each task holds at `now`."""
        left: dict[int, list[Held]] = {task: [] for task in tasks}
        for slot in self.slots:
            if slot[1] in left and slot[2] != NO_MESSAGE and slot[0] > now:
                left[slot[1]].append(slot)
        for slot in self._batched:
            if slot[1] in left and slot[0] > now:
                left[slot[1]].append(slot)
        self._batched = [slot for slot in self._batched if slot[1] not in left]
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
        """Yield the messages that tasks hold just before `now`: those in progress, and those prefetched.

        What ends exactly at `now` is still held, because what is received at `now` is not received yet (`serve`).
        """
        self._batched = [slot for slot in self._batched if slot[0] >= now]
        yield from self._batched
        for slot in self.slots:
            if slot[0] >= now and slot[2] != NO_MESSAGE:
                yield slot
        for finishing in self._leaving.values():
            yield from (slot for slot in finishing if slot[0] >= now)

    def idle(self, now: float) -> list[int]:
        """Return the tasks that are up and hold no message, longest idle first."""
        since: dict[int, float] = {}
        for free_s, task, _, _ in self.slots:
            if free_s > since.get(task, -1.0):
                since[task] = free_s
        return [task for free_s, task in sorted((free_s, task) for task, free_s in since.items()) if free_s <= now]


# The event queue of the simulation: events ordered by time; events with the same time are ordered by insertion.

Act: TypeAlias = Callable[[float], None]
"""A callback that receives the instant for which it was scheduled."""


class Agenda:
    """Scheduled callbacks. They cannot be cancelled: a callback that is no longer needed must detect that itself."""

    def __init__(self) -> None:
        self._acts: list[tuple[float, int, Act]] = []
        self._numbers = count()

    @property
    def next_s(self) -> float:
        """The instant of the next callback; infinite if there is none."""
        return self._acts[0][0] if self._acts else inf

    def add(self, at: float, act: Act) -> None:
        heappush(self._acts, (at, next(self._numbers), act))

    def run(self, now: float) -> None:
        """Run all callbacks that are due at `now` or before, including those that these callbacks add."""
        while self._acts and self._acts[0][0] <= now:
            at, _, act = heappop(self._acts)
            act(at)
