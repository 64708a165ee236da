"""A queue whose content is computed from its last change, so an idle queue costs nothing.

Between two changes messages arrive and are served at constant rates. Time is an argument, in seconds since the epoch.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field, replace
from itertools import count
from math import ceil
from typing import NamedTuple

from tests.fakeaws.world.services import FakeService

MOST_STRETCHES = 256
"""Number of stored changes; minutes before the oldest one have no datapoint."""

SETTLES_S = 60.0
"""Seconds after a change during which SQS may still return the earlier counts."""


class FakeCounts(NamedTuple):
    visible: int
    in_flight: int
    delayed: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """The state from `start` on. `visible` includes `sent_at_once`, the messages sent at that moment."""

    start: float
    visible: float
    arriving_per_s: float = 0.0
    served_per_s: float = 0.0
    sent_at_once: float = 0.0
    waiting_since: float | None = None

    def received(self, now: float) -> float:
        """Return the number of messages served until `now`. Once the queue is empty, it serves at the arrival rate."""
        passed_s, draining = now - self.start, self.served_per_s - self.arriving_per_s
        if draining <= 0 or draining * passed_s <= self.visible:
            return self.served_per_s * passed_s
        empty_s = self.visible / draining
        return self.served_per_s * empty_s + self.arriving_per_s * (passed_s - empty_s)

    def left(self, now: float) -> float:
        """Return the number of visible messages at `now`."""
        return max(0.0, self.visible + self.arriving_per_s * (now - self.start) - self.received(now))

    def oldest_age_s(self, now: float) -> float | None:
        """Return the age of the oldest message at `now`, first in, first out; None: the queue is empty."""
        if self.left(now) < 1:
            return None
        longest = now - (self.start if self.waiting_since is None else self.waiting_since)
        return min(longest, self.left(now) / self.arriving_per_s) if self.arriving_per_s else longest


@dataclass
class FakeMail:
    """Messages with a body, for a queue of events. They do not count in the counts of the queue."""

    bodies: dict[str, str] = field(default_factory=dict)
    _hidden: dict[str, tuple[float, str]] = field(default_factory=dict)
    _numbers: count[int] = field(default_factory=count)

    def send(self, *bodies: str) -> None:
        self.bodies |= {f"m{next(self._numbers)}": body for body in bodies}

    def received(self, now: float, most: int, hidden_s: float) -> list[tuple[str, str, str]]:
        """Return ID, receipt handle and body of messages that are not hidden, and hide them."""
        free = [one for one in self.bodies if self._hidden.get(one, (now, ""))[0] <= now][:most]
        for one in free:
            self._hidden[one] = now + hidden_s, f"{one}:{next(self._numbers)}"
        return [(one, self._hidden[one][1], self.bodies[one]) for one in free]

    def deleted(self, receipt: str) -> bool:
        """Delete the message. Return whether it exists and was received last with this receipt handle."""
        one = receipt.partition(":")[0]
        if self._hidden.get(one, (0.0, ""))[1] != receipt:
            return False
        del self.bodies[one], self._hidden[one]
        return True


@dataclass
class FakeQueue:
    """One queue. `approximate`: for a minute after a change, a count may be an earlier one, as in SQS."""

    name: str
    url: str
    rng: random.Random
    approximate: bool = False
    in_flight: int = 0
    delayed: int = 0
    worker: FakeService | None = None
    per_task_per_s: float = 0.0
    mail: FakeMail = field(default_factory=FakeMail)
    stretches: deque[Stretch] = field(default_factory=lambda: deque(maxlen=MOST_STRETCHES))

    def put(self, now: float, visible: float | None = None, arriving_per_s: float | None = None) -> None:
        """Set the visible messages and the arrivals per second; None: unchanged. Added messages count as sent."""
        self.settle(now)
        last, left = self._last(now), self._last(now).left(now)
        held = left if visible is None else visible
        arriving = last.arriving_per_s if arriving_per_s is None else arriving_per_s
        self._begin(Stretch(now, held, arriving, self._served(now), max(0.0, held - left)))

    def serve(self, now: float, per_s: float) -> None:
        """Receive and delete `per_s` messages per second from now on."""
        self.worker, last = None, self._last(now)
        self._begin(Stretch(now, last.left(now), last.arriving_per_s, per_s))

    def worked_by(self, now: float, service: FakeService, per_task_per_s: float) -> None:
        """Let each running task of the service receive and delete `per_task_per_s` messages per second from now on."""
        self.worker, self.per_task_per_s = service, per_task_per_s
        self.put(now)

    def counts(self, now: float) -> FakeCounts:
        """Return the three counts that SQS reports at `now`."""
        self.settle(now)
        if not self.approximate:
            return self._exact(now)
        return self._exact(max(now - self.rng.uniform(0.0, SETTLES_S), self.stretches[0].start))

    def minute(self, metric: str, began: float) -> float | None:
        """Return CloudWatch's value of the minute that began then; None: no datapoint."""
        end = began + 60
        self.settle(end)
        if not self.stretches or end <= self.stretches[0].start:
            return None
        match metric:
            case "NumberOfMessagesSent":
                return round(sum(self._sent(one, began, end, until) for one, until in self._within(began, end)))
            case "NumberOfMessagesReceived" | "NumberOfMessagesDeleted":
                return round(sum(self._received(one, began, until) for one, until in self._within(began, end)))
            case "ApproximateAgeOfOldestMessage":
                return self._at(end).oldest_age_s(end)
            case "ApproximateNumberOfMessagesVisible":
                return int(self._at(end).left(end))
            case "ApproximateNumberOfMessagesNotVisible":
                return self.in_flight
            case _:
                return None

    def settle(self, now: float) -> None:
        """Apply the changes of the worker's running count until `now`."""
        if self.worker is None:
            return
        self.worker.settle(now)
        for at, running in self.worker.changes:
            last = self._last(at)
            if last.start < at <= now:
                self._begin(Stretch(at, last.left(at), last.arriving_per_s, running * self.per_task_per_s))

    def _begin(self, stretch: Stretch) -> None:
        before = self.stretches[-1] if self.stretches else None
        waited = before and before.left(stretch.start) >= 1
        since = before.waiting_since if before and waited else stretch.start
        self.stretches.append(replace(stretch, waiting_since=since))

    def _served(self, now: float) -> float:
        if self.worker is None:
            return self._last(now).served_per_s
        return self.worker.running(now) * self.per_task_per_s

    def _last(self, now: float) -> Stretch:
        return self.stretches[-1] if self.stretches else Stretch(now, 0.0)

    def _at(self, now: float) -> Stretch:
        return next((one for one in reversed(self.stretches) if one.start <= now), self.stretches[0])

    def _exact(self, now: float) -> FakeCounts:
        visible = int(self._at(now).left(now) + 1e-6)
        return FakeCounts(visible, self._busy(now, visible), self.delayed)

    def _busy(self, now: float, visible: int) -> int:
        if self.worker is None or not self.per_task_per_s:
            return self.in_flight
        running = self.worker.running_at(now)
        return running if visible else min(running, ceil(self._at(now).arriving_per_s / self.per_task_per_s))

    def _within(self, began: float, end: float) -> list[tuple[Stretch, float]]:
        """Return the stretches of a minute, each with its end within the minute."""
        ends = [one.start for one in list(self.stretches)[1:]] + [float("inf")]
        both = zip(self.stretches, ends, strict=True)
        return [(one, min(until, end)) for one, until in both if one.start < end and until > began]

    def _sent(self, one: Stretch, began: float, end: float, until: float) -> float:
        at_once = one.sent_at_once if began <= one.start < end else 0.0
        return at_once + one.arriving_per_s * (until - max(one.start, began))

    def _received(self, one: Stretch, began: float, until: float) -> float:
        return one.received(until) - one.received(max(one.start, began))
