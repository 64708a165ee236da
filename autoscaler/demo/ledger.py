"""The exact history of every message, the source of the summary.

Instants are seconds of the machine's monotonic clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass
class Ledger:
    """`sent`, `received` (first time) and `deleted` by message number. Numbers count from 0 in the order of sending."""

    sent: list[float] = field(default_factory=list)
    received: dict[int, float] = field(default_factory=dict)
    worked_s: dict[int, float] = field(default_factory=dict)
    deleted: set[int] = field(default_factory=set)
    receives: int = 0
    _oldest: int = 0

    def note_sent(self, at: Iterable[float]) -> None:
        self.sent.extend(at)

    def note_received(self, number: int, at: float) -> None:
        """Record a receive. A later receive of the same message counts as a duplicate and does not change its wait."""
        self.receives += 1
        self.received.setdefault(number, at)

    def note_worked(self, number: int, seconds: float) -> None:
        self.worked_s.setdefault(number, seconds)

    def note_deleted(self, numbers: Iterable[int]) -> None:
        self.deleted.update(numbers)

    @property
    def processed(self) -> int:
        return len(self.deleted)

    @property
    def lost(self) -> int:
        return len(self.sent) - len(self.deleted)

    @property
    def duplicates(self) -> int:
        return self.receives - len(self.received)

    @property
    def waiting(self) -> int:
        """Messages that were sent and not received."""
        return len(self.sent) - len(self.received)

    @property
    def in_flight(self) -> int:
        """Messages that were received and not deleted."""
        return len(self.received) - len(self.deleted)

    def oldest_message_age_s(self, now: float) -> float:
        """Return the age of the oldest waiting message in seconds, or 0 if no message waits."""
        while self._oldest in self.received:
            self._oldest += 1
        return now - self.sent[self._oldest] if self._oldest < len(self.sent) else 0.0

    def waits_s(self) -> list[float]:
        """Return the time from send to first receive, in seconds, of every received message."""
        return [at - self.sent[number] for number, at in self.received.items()]
