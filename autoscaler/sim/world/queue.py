"""SQS: what has been sent, what waits, and what comes back.

Messages are known by their place in the workload. A copy, which SQS delivers now and then beside the message itself,
is known by the message's place m as -2 - m: nothing waits for it, and if it is lost it does not come back.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from itertools import chain
from math import inf, nan

import numpy as np

from autoscaler.sim.chance import stream
from autoscaler.sim.model import Workload, WorldSettings

NOTHING = -1
"""The message of a place in which none is."""

CHUNK = 32_768
"""So many messages at a time are turned into Python's numbers, which take four times as much memory."""

Pair = tuple[float, float]
"""When a message arrives, and how long it takes."""

NO_MORE: Pair = (inf, 0.0)


def copy_of(message: int) -> int:
    """The copy of a message; the message of a copy."""
    return -2 - message


class Queue:
    """First sent, first received; a message that comes back queues up behind those that were sent meanwhile.

    `begun`: so many messages have been received at least once, in the order of arrival, without the copies.
    `head`: the first one that has not, and `coming` those behind it. `returns`: messages that have been received and
    are in the queue again, or will be: (visible from, message), a heap.
    """

    def __init__(self, workload: Workload, settings: WorldSettings, seed: int) -> None:
        self.arrivals_s = workload.arrivals_s
        self._service_s = workload.service_s
        self.received_s = np.full(len(workload.arrivals_s), nan)
        self.coming: Iterator[Pair] = _pairs(workload)
        self.head: Pair = next(self.coming, NO_MORE)
        self.begun = 0
        self.returns: list[tuple[float, int]] = []
        self.receives = 0
        self.redelivered = 0
        self.dead_letters = 0
        self.died_s = 0.0
        self._visibility_timeout_s = settings.visibility_timeout_s
        self._max_receives = inf if settings.max_receives is None else settings.max_receives
        self._again: dict[int, int] = {}
        self._doubled = _doubled(len(workload.arrivals_s), settings.duplicate_ratio, seed)

    @property
    def is_exhausted(self) -> bool:
        """Whether nothing is there to be received, now or later, but what is at work now."""
        return self.head[0] == inf and not self.returns

    @property
    def delivers_twice(self) -> bool:
        return bool(self._doubled)

    def next_s(self) -> float:
        """When the next message can be received (infinite: there is none)."""
        return min(self.head[0], self.returns[0][0]) if self.returns else self.head[0]

    def receive(self, at: float) -> tuple[int, float] | None:
        """The next message, received at `at`, and how long it takes; None: it has gone to the dead letters."""
        if not self.returns or self.head[0] <= self.returns[0][0]:
            return self._first(at)
        message = heappop(self.returns)[1]
        if message < 0:
            return self._once_more(message, copy_of(message))
        if self._again.get(message, 1) >= self._max_receives:
            self.dead_letters += 1
            self.died_s = at
            self._again.pop(message, None)
            return None
        self._again[message] = self._again.get(message, 1) + 1
        return self._once_more(message, message)

    def _first(self, at: float) -> tuple[int, float]:
        message, service_s = self.begun, self.head[1]
        self.received_s[message] = at
        self.begun += 1
        self.receives += 1
        self.head = next(self.coming, NO_MORE)
        if message in self._doubled:
            heappush(self.returns, (at, copy_of(message)))
        return message, service_s

    def _once_more(self, delivered: int, message: int) -> tuple[int, float]:
        self.receives += 1
        self.redelivered += 1
        return delivered, float(self._service_s[message])

    def received(self, first_receives_s: list[float]) -> None:
        """The next messages in order have been received for the first time, at these instants."""
        begun = self.begun + len(first_receives_s)
        self.received_s[self.begun : begun] = first_receives_s
        self.receives += len(first_receives_s)
        self.begun = begun

    def put_back(self, message: int, visible_s: float) -> None:
        heappush(self.returns, (visible_s, message))

    def lapse(self, message: int, heartbeat_s: float) -> None:
        """Nobody holds it any more: it is visible again once the timeout since its last heartbeat is over."""
        heappush(self.returns, (heartbeat_s + self._visibility_timeout_s, message))

    def recall(self, message: int, heartbeat_s: float) -> bool:
        """It will not come back for that lapse. False: there was none."""
        lapsed = (heartbeat_s + self._visibility_timeout_s, message)
        if lapsed not in self.returns:
            return False
        self.returns.remove(lapsed)
        heapify(self.returns)
        return True

    def sent(self, now: float) -> int:
        """How many have been sent before `now`."""
        return int(np.searchsorted(self.arrivals_s, now))

    def visible(self, now: float) -> int:
        waiting = self.sent(now) - self.begun
        return waiting + sum(visible_s <= now for visible_s, _ in self.returns) if self.returns else waiting

    def hidden(self, now: float) -> int:
        """Messages that nobody works on, and that are in flight until their timeout is over."""
        return sum(now < visible_s <= now + self._visibility_timeout_s for visible_s, _ in self.returns)

    def oldest_age_s(self, now: float, held: Iterator[int]) -> float | None:
        """The age of the oldest message that is not deleted (None: there is none); `held` are those at work.

        One that was received three times or more does not count, as AWS has it.
        """
        waiting = (self.begun,) if self.head[0] < now else ()
        back = (message for _, message in self.returns)
        listed = (message for message in chain(waiting, held, back) if self._again.get(message, 1) < 3)
        oldest = min((message for message in listed if message >= 0), default=None)
        return None if oldest is None else now - float(self.arrivals_s[oldest])


def _pairs(workload: Workload) -> Iterator[Pair]:
    arrivals, service = workload.arrivals_s, workload.service_s
    starts = range(0, len(arrivals), CHUNK)
    return chain.from_iterable(
        zip(arrivals[at : at + CHUNK].tolist(), service[at : at + CHUNK].tolist(), strict=True) for at in starts
    )


def _doubled(messages: int, ratio: float, seed: int) -> frozenset[int]:
    """Of which messages a copy is delivered too."""
    if ratio <= 0:
        return frozenset()
    drawn = stream(seed, "duplicates").random(messages) < ratio
    return frozenset(np.flatnonzero(drawn).tolist())
