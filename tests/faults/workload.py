"""The truth of one simulated service: its tasks, its queues, and the messages that the tasks process.

Nothing runs between two requests: `settle` advances the messages second by second to the present. The service is the
one of the simulated AWS (`tests/fakeaws/world/services.py`); a queue has the attributes that the simulated AWS reads
(`counts`, `minute`, `url`), so that the same truth is readable at the ports and over the protocols.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import floor

from tests.fakeaws.world.queues import FakeCounts
from tests.fakeaws.world.services import FakeService

STEP_S = 1.0
KEPT_S = 120
"""Seconds of true counts that are stored, for readings that show an earlier state."""

INFINITE = float("inf")


@dataclass(slots=True)
class MinuteCounts:
    """What CloudWatch counts of a queue in one minute. The last three are as at its end."""

    sent: int = 0
    received: int = 0
    deleted: int = 0
    visible: int = 0
    in_flight: int = 0
    oldest_age_s: float = 0.0


@dataclass(slots=True)
class TrueQueue:
    """A queue and its messages. `phases`: the arrivals per second from each second on, in ascending order.

    `waiting`: the times at which the visible messages were sent, with their numbers. `busy`: when the messages in
    flight are done.
    """

    name: str
    processing_s: float
    phases: list[tuple[float, float]]
    url: str = ""
    waiting: deque[list[float]] = field(default_factory=deque)
    busy: list[float] = field(default_factory=list)
    minutes: dict[int, MinuteCounts] = field(default_factory=dict)
    past: deque[FakeCounts] = field(default_factory=lambda: deque(maxlen=KEPT_S))
    receives: int = 0
    quiet_until: float = 0.0
    _owed: float = 0.0
    _phase: int = 0
    visible: int = 0

    def rate(self, at: float) -> float:
        """Return the arrivals per second at that time: none before `quiet_until`. Times must ascend."""
        while self._phase + 1 < len(self.phases) and self.phases[self._phase + 1][0] <= at:
            self._phase += 1
        began, per_s = self.phases[self._phase]
        return per_s if at >= began and at >= self.quiet_until else 0.0

    def arrive(self, at: float, more: int = 0) -> None:
        """Let the messages of one second arrive; `more`: a burst."""
        self._owed += self.rate(at) * STEP_S
        sent = floor(self._owed) + more
        if sent:
            self._owed -= sent - more
            self.waiting.append([at, sent])
            self.visible += sent
            self.minutes[int(at // 60)].sent += sent

    def take(self, at: float, free: int) -> int:
        """Let at most `free` free slots receive a message each; return how many did."""
        taken = min(free, self.visible)
        left = taken
        while left:
            first = self.waiting[0]
            part = min(left, int(first[1]))
            first[1] -= part
            left -= part
            if not first[1]:
                self.waiting.popleft()
        self.visible -= taken
        if taken:
            self.busy += [at + self.processing_s] * taken
            self.receives += taken
            self.minutes[int(at // 60)].received += taken
        return taken

    def finish(self, at: float, *, deletes: bool) -> None:
        """Delete the messages that are done, or make them visible again if the workers fail."""
        busy = self.busy
        if not busy or busy[0] > at:
            return
        done = sum(1 for end in busy if end <= at)
        self.busy = [end for end in busy if end > at]
        if deletes:
            self.minutes[int(at // 60)].deleted += done
        else:
            self.waiting.appendleft([at - self.processing_s, done])
            self.visible += done

    def close_second(self, at: float) -> None:
        """Store the true counts of this second, and of the minute if it ends."""
        self.past.append(FakeCounts(self.visible, len(self.busy), 0))
        if (at + STEP_S) % 60 == 0:
            minute = self.minutes[int(at // 60)]
            minute.visible, minute.in_flight = self.visible, len(self.busy)
            minute.oldest_age_s = self.oldest_age_s(at)

    def oldest_age_s(self, now: float) -> float:
        return now - self.waiting[0][0] if self.waiting else 0.0

    def purge(self) -> None:
        self.waiting.clear()
        self.visible = 0

    def true_counts(self, ago_s: float = 0.0) -> FakeCounts:
        """Return the counts now, or some seconds ago, as far as they are stored."""
        if not self.past:
            return FakeCounts(self.visible, len(self.busy), 0)
        return self.past[max(-len(self.past), -1 - int(ago_s))]


@dataclass(slots=True)
class TrueService:
    """A service with its queues. `works` False: messages are received and never deleted (a poisoned deployment).

    `bursts`: messages that arrive at once in the first queue, by the second.
    """

    fleet: FakeService
    queues: list[TrueQueue]
    concurrency: int = 1
    works: bool = True
    exists: bool = True
    bursts: dict[int, int] = field(default_factory=dict)
    settled: float = 0.0
    _turn: int = 0

    def settle(self, now: float) -> None:
        """Advance the messages to the last whole second before `now`."""
        at = self.settled
        end = floor(now)
        if end <= at:
            return
        fleet, queues = self.fleet, self.queues
        while at < end:
            number = int(at // 60)
            for queue in queues:
                if number not in queue.minutes:
                    queue.minutes[number] = MinuteCounts()
                queue.finish(at, deletes=self.works)
                queue.arrive(at, self.bursts.pop(int(at), 0) if queue is queues[0] else 0)
            if any(queue.visible for queue in queues):
                self._receive(at, fleet.running(at) * self.concurrency)
            for queue in queues:
                queue.close_second(at)
            at += STEP_S
        self.settled = end

    def _receive(self, at: float, slots: int) -> None:
        """Give free slots to the queues in turn."""
        free = slots - sum(len(queue.busy) for queue in self.queues)
        for number in range(len(self.queues)):
            if free <= 0:
                break
            queue = self.queues[(self._turn + number) % len(self.queues)]
            free -= queue.take(at, free)
        self._turn += 1

    def scale(self, desired: int, now: float) -> None:
        self.settle(now)
        self.fleet.scale(desired, now)

    def unstall(self, now: float) -> None:
        """Let capacity arrive: the tasks that could not start begin to start now."""
        fleet = self.fleet
        fleet.stalls = False
        waiting = [task for task in fleet._starting if task.starts_at == INFINITE]
        for task in waiting:
            task.starts_at = now + fleet.rng.uniform(*fleet.starts_s)
        fleet._starting.sort()
