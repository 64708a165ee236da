"""What became of every message: the truth that the summary is counted from.

Instants are readings of the machine's monotonic clock, in seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass
class Ledger:
    """`sent`, `received` (first time) and `deleted` by the message's number; numbers count from 0 as they are sent."""

    sent: list[float] = field(default_factory=list)
    received: dict[int, float] = field(default_factory=dict)
    worked_s: dict[int, float] = field(default_factory=dict)
    deleted: set[int] = field(default_factory=set)
    receives: int = 0
    _oldest: int = 0

    def note_sent(self, at: Iterable[float]) -> None:
        self.sent.extend(at)

    def note_received(self, number: int, at: float) -> None:
        """A later receive of the same message is a duplicate: it counts, and changes no wait."""
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
        """Sent and never received yet."""
        return len(self.sent) - len(self.received)

    @property
    def in_flight(self) -> int:
        """Received and not deleted yet."""
        return len(self.received) - len(self.deleted)

    def oldest_wait_s(self, now: float) -> float:
        """How long the oldest waiting message has waited; 0 where none does."""
        while self._oldest in self.received:
            self._oldest += 1
        return now - self.sent[self._oldest] if self._oldest < len(self.sent) else 0.0

    def waits_s(self) -> list[float]:
        """From send to first receive, of every message that was received."""
        return [at - self.sent[number] for number, at in self.received.items()]
