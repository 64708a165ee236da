"""The event queue of the simulation: events ordered by time; events with the same time are ordered by insertion."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from math import inf
from typing import TypeAlias

Act: TypeAlias = Callable[[float], None]
"""A callback that receives the instant for which it was scheduled."""


class Agenda:
    """Scheduled callbacks. They cannot be cancelled: a callback that is no longer needed must detect that itself."""

    def __init__(self) -> None:
        self._acts: list[tuple[float, int, Act]] = []
        self._numbers = count()

    @property
    def next_s(self) -> float:
        """The instant of the next callback; infinite if there is none."""
        return self._acts[0][0] if self._acts else inf

    def add(self, at: float, act: Act) -> None:
        heappush(self._acts, (at, next(self._numbers), act))

    def run(self, now: float) -> None:
        """Run all callbacks that are due at `now` or before, including those that these callbacks add."""
        while self._acts and self._acts[0][0] <= now:
            at, _, act = heappop(self._acts)
            act(at)
