"""How often each queue or service was answered about, and how long it waited in between: what fairness is read from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

MOST_SUBJECTS = 200_000
"""Of all operations together; whoever comes later is not counted."""


class Turn(NamedTuple):
    """`longest_s` is the longest time without an answer, up to now, and from the first call of the operation on."""

    answers: int
    longest_s: float


@dataclass(slots=True)
class _Turns:
    last: float
    answers: int = 0
    longest_s: float = 0.0


@dataclass
class Turns:
    """By operation and subject. Refusals are no answers."""

    _first: dict[str, float] = field(default_factory=dict)
    _turns: dict[tuple[str, str], _Turns] = field(default_factory=dict)

    def answered(self, operation: str, subject: str, now: float) -> None:
        first, key = self._first.setdefault(operation, now), (operation, subject)
        turns = self._turns.get(key)
        if turns is None:
            if len(self._turns) >= MOST_SUBJECTS:
                return
            turns = self._turns[key] = _Turns(first)
        turns.longest_s = max(turns.longest_s, now - turns.last)
        turns.last = now
        turns.answers += 1

    def of(self, operation: str, now: float) -> dict[str, Turn]:
        """Each subject of that operation."""
        return {
            subject: Turn(turns.answers, max(turns.longest_s, now - turns.last))
            for (asked, subject), turns in self._turns.items()
            if asked == operation
        }

    def clear(self) -> None:
        self._first.clear()
        self._turns.clear()
