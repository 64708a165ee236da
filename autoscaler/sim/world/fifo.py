"""An SQS FIFO queue: while a message of a group is in flight, no other message of that group can be received, except
those of the same receive call.

Each message belongs to one of the groups that are active when it is sent. Of the groups that can be received, the one
with the oldest message comes first.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Iterable
from heapq import heappop, heappush
from math import inf

import numpy as np

from autoscaler.sim.chance import stream
from autoscaler.sim.model import Workload, WorldSettings
from autoscaler.sim.world.queue import SimulatedQueue


class FifoQueue(SimulatedQueue):
    """`_ready`: when each group can be received next (infinite: a message is in flight, or none is left). `_later`: the
    same by time, after the newest receive at `_at`; `_available`: the groups before it, by their first message. An
    entry is valid only if it agrees with `_ready` and `_waiting`. `_returning`: messages that were received before, by
    the time from which they are visible.
    """

    def __init__(self, workload: Workload, settings: WorldSettings, seed: int) -> None:
        super().__init__(workload, settings, seed)
        self._most = settings.receive_batch
        self._group_of = _groups(workload, settings, seed)
        self._waiting: dict[int, deque[int]] = {}
        for message, group in enumerate(self._group_of):
            self._waiting.setdefault(group, deque()).append(message)
        self._ready: dict[int, float] = {}
        self._later: list[tuple[float, int]] = []
        self._available: list[tuple[int, int]] = []
        self._at = 0.0
        self._returning: dict[int, float] = {}
        for group in self._waiting:
            self._release(group, 0.0)

    @property
    def is_exhausted(self) -> bool:
        return not any(self._waiting.values())

    def next_s(self) -> float:
        while self._available and not self._is_first(*self._available[0]):
            heappop(self._available)
        if self._available:
            return self._at
        while self._later and self._ready[self._later[0][1]] != self._later[0][0]:
            heappop(self._later)
        return self._later[0][0] if self._later else inf

    def receive(self, at: float) -> tuple[int, float] | None:
        """Receive the oldest first message of a group at `at`, which never decreases. Its group is then blocked."""
        self._at = at
        while self._later and self._later[0][0] <= at:
            ready_s, group = heappop(self._later)
            if self._ready[group] == ready_s:
                heappush(self._available, (self._waiting[group][0], group))
        self.next_s()
        group = heappop(self._available)[1]
        self._ready[group] = inf
        return self._take(self._waiting[group].popleft(), at)

    def _is_first(self, message: int, group: int) -> bool:
        return self._ready[group] <= self._at and self._waiting[group][0] == message

    def rest_of_batch(self, message: int, at: float) -> list[tuple[int, float]]:
        """Receive further messages with `message`, in the same call. Return them and their service times."""
        waiting = self._waiting[self._group_of[message]]
        batch = list[tuple[int, float]]()
        while waiting and len(batch) < self._most - 1 and self.arrivals_s[waiting[0]] <= at:
            batch.append(self._take(waiting.popleft(), at))
        return batch

    def began(self, message: int, end_s: float) -> None:
        """Note that a task holds the message, and those received with it, until `end_s`."""
        group = self._group_of[message]
        if self._ready[group] == inf:
            self._release(group, end_s)

    def put_back(self, message: int, visible_s: float) -> None:
        group = self._group_of[message]
        insort(self._waiting[group], message)
        self._returning[message] = visible_s
        self._release(group, visible_s)

    def return_after_timeout(self, message: int, heartbeat_s: float) -> None:
        self.put_back(message, heartbeat_s + self._visibility_timeout_s)

    def cancel_return(self, message: int, heartbeat_s: float) -> bool:
        if self._returning.get(message) != heartbeat_s + self._visibility_timeout_s:
            return False
        del self._returning[message]
        self._waiting[self._group_of[message]].remove(message)
        return True

    def visible(self, now: float) -> int:
        returned = sum(visible_s <= now for visible_s in self._returning.values())
        return self.sent(now) - self.begun + returned

    def hidden(self, now: float) -> int:
        return sum(now < visible_s for visible_s in self._returning.values())

    def groups(self, held: Iterable[int], now: float) -> int:
        """Return the number of groups with a message in flight. `held`: the messages that tasks hold."""
        hidden = (message for message, visible_s in self._returning.items() if now < visible_s)
        return len({self._group_of[message] for messages in (held, hidden) for message in messages})

    def oldest_age_s(self, now: float, held: Iterable[int]) -> float | None:
        heads = (waiting[0] for waiting in self._waiting.values() if waiting)
        oldest = min((message for messages in (heads, held) for message in messages), default=None)
        if oldest is None or self.arrivals_s[oldest] >= now:
            return None
        return now - float(self.arrivals_s[oldest])

    def _take(self, message: int, at: float) -> tuple[int, float]:
        self.receives += 1
        if self._returning.pop(message, None) is None:
            self.received_s[message] = at
            self.begun += 1
        else:
            self.redelivered += 1
        return message, float(self._service_s[message])

    def _release(self, group: int, at: float) -> None:
        """Let the group's next message be received at `at`, or when it is sent."""
        waiting = self._waiting[group]
        self._ready[group] = max(at, float(self.arrivals_s[waiting[0]])) if waiting else inf
        if waiting:
            heappush(self._later, (self._ready[group], group))


def _groups(workload: Workload, settings: WorldSettings, seed: int) -> list[int]:
    """Return the group of each message: a random one of those that are active when it is sent."""
    since, active = (np.array(column) for column in zip(*settings.groups, strict=True))
    count = active[np.searchsorted(since, workload.arrivals_s, side="right") - 1]
    drawn = stream(seed, "groups").random(len(workload.arrivals_s))
    groups: list[int] = np.floor(drawn * count).astype(int).tolist()
    return groups
