"""The number of answers for each queue or service and the longest time between them, to test fairness."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

MOST_SUBJECTS = 200_000
"""Maximum over all operations; later subjects are not counted."""


class AnswerStats(NamedTuple):
    """`longest_s` is the longest time without an answer, from the first call of the operation until now."""

    answers: int
    longest_s: float


@dataclass(slots=True)
class _Answers:
    last: float
    answers: int = 0
    longest_s: float = 0.0


@dataclass
class AnswerIntervals:
    """Answers by operation and subject. Refusals do not count."""

    _first: dict[str, float] = field(default_factory=dict)
    _counted: dict[tuple[str, str], _Answers] = field(default_factory=dict)

    def answered(self, operation: str, subject: str, now: float) -> None:
        first, key = self._first.setdefault(operation, now), (operation, subject)
        counted = self._counted.get(key)
        if counted is None:
            if len(self._counted) >= MOST_SUBJECTS:
                return
            counted = self._counted[key] = _Answers(first)
        counted.longest_s = max(counted.longest_s, now - counted.last)
        counted.last = now
        counted.answers += 1

    def of(self, operation: str, now: float) -> dict[str, AnswerStats]:
        """Return the statistics of each subject of that operation."""
        return {
            subject: AnswerStats(counted.answers, max(counted.longest_s, now - counted.last))
            for (called, subject), counted in self._counted.items()
            if called == operation
        }

    def clear(self) -> None:
        self._first.clear()
        self._counted.clear()
