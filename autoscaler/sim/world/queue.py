"""An SQS queue: messages that were sent, that are visible, and that return after a failed receive.

A message is identified by its index in the workload. SQS sometimes delivers a message twice: the copy of message m has
the id -2 - m. A copy that is lost does not return.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heappush
from itertools import chain
from math import inf, nan

import numpy as np

from autoscaler.sim.chance import stream
from autoscaler.sim.model import QueueCounts, Workload, WorldSettings

NO_MESSAGE = -1
"""The message id of a slot that holds no message."""

CHUNK = 32_768
"""Number of messages to convert to Python numbers at once. Python numbers take four times as much memory."""

Pair = tuple[float, float]
"""Arrival time and service time of a message, in seconds."""

NO_MORE: Pair = (inf, 0.0)


def copy_of(message: int) -> int:
    """Return the id of the copy of a message, or of the message of a copy."""
    return -2 - message


class SimulatedQueue:
    """The messages in the order of sending. A message that returns comes after those that were sent in the meantime.

    `begun`: the number of messages that were received at least once, in the order of arrival, without copies.
    `head`: the first message that was not received yet; `following`: the messages after it. `returns`: a heap of
    (visible from, message) for the messages that were received before and are, or will be, visible again.
    """

    def __init__(self, workload: Workload, settings: WorldSettings, seed: int) -> None:
        self.arrivals_s = workload.arrivals_s
        self._service_s = workload.service_s
        self.received_s = np.full(len(workload.arrivals_s), nan)
        self.following: Iterator[Pair] = _pairs(workload)
        self.head: Pair = next(self.following, NO_MORE)
        self.begun = 0
        self.returns: list[tuple[float, int]] = []
        self.receives = 0
        self.redelivered = 0
        self.dead_letters = 0
        self.last_dead_letter_s = 0.0
        self._visibility_timeout_s = settings.visibility_timeout_s
        self._max_receives = inf if settings.max_receives is None else settings.max_receives
        self._receive_counts: dict[int, int] = {}
        self._duplicated = drawn(len(workload.arrivals_s), settings.duplicate_ratio, seed, "duplicates")

    @property
    def is_exhausted(self) -> bool:
        """Whether no message can be received, now or later, except those that tasks hold now."""
        return self.head[0] == inf and not self.returns

    @property
    def has_duplicates(self) -> bool:
        return bool(self._duplicated)

    def next_s(self) -> float:
        """Return when the next message can be received; infinite if there is none."""
        return min(self.head[0], self.returns[0][0]) if self.returns else self.head[0]

    def receive(self, at: float) -> tuple[int, float] | None:
        """Receive the next message at `at`. Return it and its service time. None: it went to the dead-letter queue."""
        if not self.returns or self.head[0] <= self.returns[0][0]:
            return self._receive_first(at)
        message = heappop(self.returns)[1]
        if message < 0:
            return self._receive_again(message, copy_of(message))
        if self._receive_counts.get(message, 1) >= self._max_receives:
            self.dead_letters += 1
            self.last_dead_letter_s = at
            self._receive_counts.pop(message, None)
            return None
        self._receive_counts[message] = self._receive_counts.get(message, 1) + 1
        return self._receive_again(message, message)

    def _receive_first(self, at: float) -> tuple[int, float]:
        message, service_s = self.begun, self.head[1]
        self.received_s[message] = at
        self.begun += 1
        self.receives += 1
        self.head = next(self.following, NO_MORE)
        if message in self._duplicated:
            heappush(self.returns, (at, copy_of(message)))
        return message, service_s

    def _receive_again(self, delivered: int, message: int) -> tuple[int, float]:
        self.receives += 1
        self.redelivered += 1
        return delivered, float(self._service_s[message])

    def received(self, first_receives_s: list[float]) -> None:
        """Record that the next messages, in order, were received for the first time at these instants."""
        begun = self.begun + len(first_receives_s)
        self.received_s[self.begun : begun] = first_receives_s
        self.receives += len(first_receives_s)
        self.begun = begun

    def put_back(self, message: int, visible_s: float) -> None:
        heappush(self.returns, (visible_s, message))

    def return_after_timeout(self, message: int, heartbeat_s: float) -> None:
        """Make a message that no task holds visible again one visibility timeout after its last heartbeat."""
        heappush(self.returns, (heartbeat_s + self._visibility_timeout_s, message))

    def cancel_return(self, message: int, heartbeat_s: float) -> bool:
        """Cancel `return_after_timeout` for this message and heartbeat. Return False if there was no such call."""
        entry = (heartbeat_s + self._visibility_timeout_s, message)
        if entry not in self.returns:
            return False
        self.returns.remove(entry)
        heapify(self.returns)
        return True

    def sent(self, now: float) -> int:
        """Return the number of messages sent before `now`."""
        return int(np.searchsorted(self.arrivals_s, now))

    def visible(self, now: float) -> int:
        unreceived = self.sent(now) - self.begun
        return unreceived + sum(visible_s <= now for visible_s, _ in self.returns) if self.returns else unreceived

    def hidden(self, now: float) -> int:
        """Return the number of messages that no task holds, and whose visibility timeout has not ended."""
        return sum(now < visible_s <= now + self._visibility_timeout_s for visible_s, _ in self.returns)

    def oldest_age_s(self, now: float, held: Iterable[int]) -> float | None:
        """Return the age of the oldest message that is not deleted. `held`: messages that tasks hold. None: no message.

        As in AWS, a message that was received three times or more does not count.
        """
        unreceived = (self.begun,) if self.head[0] < now else ()
        returning = (message for _, message in self.returns)
        listed = (message for message in chain(unreceived, held, returning) if self._receive_counts.get(message, 1) < 3)
        oldest = min((message for message in listed if message >= 0), default=None)
        return None if oldest is None else now - float(self.arrivals_s[oldest])


def _pairs(workload: Workload) -> Iterator[Pair]:
    arrivals, service = workload.arrivals_s, workload.service_s
    starts = range(0, len(arrivals), CHUNK)
    return chain.from_iterable(
        zip(arrivals[at : at + CHUNK].tolist(), service[at : at + CHUNK].tolist(), strict=True) for at in starts
    )


def drawn(messages: int, ratio: float, seed: int, purpose: str) -> frozenset[int]:
    """Return the random messages of this ratio for the purpose, such as those that are also delivered as a copy."""
    if ratio <= 0:
        return frozenset()
    return frozenset(np.flatnonzero(stream(seed, purpose).random(messages) < ratio).tolist())


# The message counts that SQS returns: approximate, and delayed.

SAMPLES_PER_LAG = 10
"""Number of samples per `count_late_s`. Returned counts are therefore `count_late_s` to 1.1 x `count_late_s` old."""


class Sampling:
    """Converts true counts to the counts that SQS returns."""

    def __init__(self, settings: WorldSettings, seed: int) -> None:
        self._late_s = settings.count_late_s
        self._error_ratio = settings.count_error_ratio
        self._rng = stream(seed, "counts")
        self._at_s: list[float] = []
        self._samples: list[QueueCounts] = []

    @property
    def every_s(self) -> float:
        """Seconds between two samples."""
        return self._late_s / SAMPLES_PER_LAG

    def record(self, now: float, counts: QueueCounts) -> None:
        """Record a sample. Samples that are too old to be read are removed."""
        if len(self._at_s) > 4 * SAMPLES_PER_LAG:
            del self._at_s[: 2 * SAMPLES_PER_LAG], self._samples[: 2 * SAMPLES_PER_LAG]
        self._at_s.append(now)
        self._samples.append(counts)

    def returned(self, now: float, counts: QueueCounts) -> QueueCounts:
        """Return the counts that SQS returns now; 0 before the first readable sample. `counts`: the true counts."""
        if self._late_s > 0:
            at = bisect_right(self._at_s, now - self._late_s)
            counts = self._samples[at - 1] if at else QueueCounts(0, 0)
        return QueueCounts(self._with_error(counts.visible), self._with_error(counts.in_flight))

    def _with_error(self, count: int) -> int:
        """Return the count with a relative random error, new for each call. A count of 0 stays 0."""
        if not self._error_ratio:
            return count
        return max(0, round(count * (1 + self._error_ratio * self._rng.standard_normal())))
