"""Messages meet places: the one loop through which every message of a simulation goes.

Time advances lazily. What a message does is settled when it is received; what undoes it, a kill or a crash, finds it
in its place and settles it anew. Law: slot-seconds spent = the work of the messages deleted + what was lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapreplace
from itertools import chain

from autoscaler.sim.model import Workload, WorldSettings
from autoscaler.sim.world.queue import NO_MORE, Queue
from autoscaler.sim.world.workers import Held, Workers


class Serving:
    """`stretch`: how many times as long as it should what is begun now takes. `worked_s`: slot-seconds of all that
    was begun, to its end; `lost_s`: those of them that led to no deletion.
    """

    def __init__(self, workload: Workload, settings: WorldSettings, seed: int) -> None:
        self.queue = Queue(workload, settings, seed)
        self.workers = Workers(settings.task_concurrency, settings.prefetch)
        self.stretch = 1.0
        self.worked_s = 0.0
        self.lost_s = 0.0
        self._broken_until = 0.0
        self._undeleted = 0
        self._is_plain = settings.prefetch == 0 and not self.queue.delivers_twice

    def serve(self, until: float) -> None:
        """Everything that can be received before `until` is."""
        special = self.queue.returns or self.stretch != 1.0 or self._broken_until
        if self._is_plain and not special:
            self._serve_first_receives(until)
        else:
            self._serve_each(until)

    def _serve_first_receives(self, until: float) -> None:
        """The fast path: nothing can happen to a message but that it arrives, is received and is deleted."""
        queue, places = self.queue, self.workers.places
        received: list[float] = []
        note = received.append
        message, worked_s = queue.begun, self.worked_s
        head = NO_MORE
        for arrival_s, service_s in chain((queue.head,), queue.coming):
            at, task, _, _ = places[0]
            at = arrival_s if arrival_s > at else at  # noqa: FURB136 - max() takes longer than all the rest
            if at >= until:
                head = (arrival_s, service_s)
                break
            heapreplace(places, (at + service_s, task, message, at))
            note(at)
            worked_s += service_s
            message += 1
        queue.head, self.worked_s = head, worked_s
        queue.received(received)

    def _serve_each(self, until: float) -> None:
        queue, workers = self.queue, self.workers
        while True:
            at = max(queue.next_s(), workers.places[0][0])
            if at >= until:
                return
            taken = queue.receive(at)
            if taken is not None:
                message, service_s = taken
                self._begin(workers.put(message, service_s * self.stretch, at))

    def _begin(self, held: Held) -> None:
        end_s, _, message, since = held
        self.worked_s += end_s - since
        if message < 0:
            self._fail(held)
        elif end_s < self._broken_until:
            self._fail(held)
            self.queue.lapse(message, end_s)

    def _fail(self, held: Held) -> None:
        """Its work will end, and it will not be deleted."""
        self.lost_s += held[0] - held[3]
        self._undeleted += 1

    def break_down(self, until: float, now: float) -> None:
        """From now on, whatever ends before `until` is not deleted."""
        self._broken_until = until
        for held in self.workers.held(now):
            if held[2] >= 0 and held[0] < until:
                self._fail(held)
                self.queue.lapse(held[2], held[0])

    def mend(self, _: float) -> None:
        """Nothing ends in vain any more, so that the fast path may be taken again."""
        self._broken_until = 0.0

    def sigterm(self, tasks: Iterable[int], now: float) -> dict[int, float]:
        """These tasks receive no more and give back what they have not begun. When each will have finished the rest."""
        finished_s = {}
        for task, held in self.workers.leave(tasks, now).items():
            at_work = [each for each in held if each[3] < now]
            for fetched in held:
                if fetched[3] >= now:
                    self._take_away(fetched, now, now)
            self.workers.finish(task, at_work)
            finished_s[task] = max((each[0] for each in at_work), default=now)
        return finished_s

    def kill(self, task: int, now: float) -> None:
        """A task that was told to stop is killed: what it still works on is lost."""
        for held in self.workers.end(task):
            if held[0] > now:
                self._take_away(held, now, None)

    def crash(self, task: int, now: float) -> None:
        """The task dies without a word: all that it holds is lost, also what it has only fetched."""
        for held in self.workers.leave([task], now)[task]:
            self._take_away(held, now, None)

    def _take_away(self, held: Held, now: float, visible_s: float | None) -> None:
        """Work on it ends here, or never begins. It is visible from `visible_s` on; None: once its timeout is over."""
        end_s, _, message, since = held
        self.worked_s -= end_s - max(now, since)
        if self._forgive(held):
            self.lost_s -= end_s - since
        else:
            self._undeleted += 1
        self.lost_s += max(0.0, now - since)
        if message < 0:
            return
        if visible_s is None:
            self.queue.lapse(message, now)
        else:
            self.queue.put_back(message, visible_s)

    def _forgive(self, held: Held) -> bool:
        """Whether it was settled before that it would not be deleted; it is not to come back for that any more."""
        return held[2] < 0 or (held[0] < self._broken_until and self.queue.recall(held[2], held[0]))

    @property
    def last_end_s(self) -> float:
        """When the last of what has been begun ends, if nothing undoes it; 0: nothing was begun."""
        return max((held[0] for held in self.workers.held(0.0)), default=0.0)

    def in_flight(self, now: float) -> int:
        """Held by tasks, or by tasks that are no more."""
        return sum(1 for _ in self.workers.held(now)) + self.queue.hidden(now)

    def deleted(self, now: float) -> int:
        """How many messages have been deleted until now."""
        at_work = sum(held[2] >= 0 and held[0] >= self._broken_until for held in self.workers.held(now))
        return self.queue.receives - self._undeleted - at_work

    def worked_until(self, now: float) -> float:
        """Slot-seconds that have been worked, whatever became of it."""
        return self.worked_s - sum(held[0] - max(now, held[3]) for held in self.workers.held(now))

    def oldest_age_s(self, now: float) -> float | None:
        return self.queue.oldest_age_s(now, (held[2] for held in self.workers.held(now)))
