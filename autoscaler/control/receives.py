"""Which queues of a service have had a receive: a scale-in requires one.

A queue of the right name in the wrong Region or account exists, can be read, and is empty. Its depth does not describe
the service. A receive proves that workers use the queue: one in the daemon's readings (a message in flight, a receive
in CloudWatch's newest minute), or one that CloudWatch recorded in the last 14 days. Fewer visible messages prove it
only if CloudWatch has no answer: messages also expire or are purged, and SQS's counts are approximate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from autoscaler.core.model import Backlog, Instant, Observation
from autoscaler.errors import AutoscalerError, NotFound
from autoscaler.ports import HistoryPort, QueueMinute, QueueRef

DAY_S = 86_400
HISTORY_DAYS = 14
"""CloudWatch stores metrics by the minute for 15 days."""

RECHECK_S = 300.0
"""Seconds between two reads of CloudWatch."""


class Receives:
    """The receives of one service's queues. `clock` is monotonic, `wall` the time of day, both in seconds."""

    def __init__(self, queues: Sequence[QueueRef], clock: Callable[[], Instant], wall: Callable[[], float]) -> None:
        self._unproven = {queue.name: queue for queue in queues}
        self._clock = clock
        self._wall = wall
        self._visible: dict[str, int] = {}
        self._fell: set[str] = set()
        self._unknown = set(self._unproven)
        """Queues without an answer of CloudWatch: fewer visible messages then count as a receive."""
        self._due: Instant | None = None

    @property
    def unproven(self) -> tuple[str, ...]:
        """The queues without a known receive, in the order of the settings."""
        return tuple(self._unproven)

    def see(self, seen: Observation, minutes: Mapping[str, QueueMinute]) -> None:
        """Add an observation and the newest minutes of the queues. Once proven, a queue stays proven."""
        if not self._unproven:
            return
        for name, counts in seen.queues:
            minute = minutes.get(name)
            counted = minute is not None and bool(minute.received or minute.deleted)
            if counted or (isinstance(counts, Backlog) and self._shows_receive(name, counts)):
                self._unproven.pop(name, None)

    def _shows_receive(self, name: str, counts: Backlog) -> bool:
        before, self._visible[name] = self._visible.get(name, 0), counts.visible
        if counts.visible < before:
            self._fell.add(name)
        return counts.in_flight > 0

    async def read_history(self, history: HistoryPort | None) -> bool:
        """Read the receives of the last 14 days from CloudWatch, if a read is due. Return whether a queue was proven.

        If CloudWatch cannot be read, only the daemon's readings count.
        """
        before = len(self._unproven)
        if history is not None and (self._due is None or self._clock() >= self._due):
            await self._read(history)
            self._due = self._clock() + RECHECK_S
        for name in self._fell & self._unknown & self._unproven.keys():
            del self._unproven[name]
        return len(self._unproven) < before

    async def _read(self, history: HistoryPort) -> None:
        """Record CloudWatch's answer for each queue. A queue without a datapoint is unknown, like one that could not be
        read: absent is not zero.
        """
        end = self._wall() // DAY_S * DAY_S + DAY_S
        for name, queue in list(self._unproven.items()):
            try:
                sums = await history.received(queue, [(end - HISTORY_DAYS * DAY_S, end, DAY_S)])
            except NotFound:
                self._unknown.add(name)
            except AutoscalerError:
                self._unknown |= self._unproven.keys()
                return
            else:
                self._unknown.discard(name)
                if any(received > 0 for *_, received in sums):
                    del self._unproven[name]
