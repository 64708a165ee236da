"""What will happen, in the order of time; of the same instant, in the order in which it was put down."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from math import inf
from typing import TypeAlias

Act: TypeAlias = Callable[[float], None]
"""Told its own instant."""


class Agenda:
    """Acts by their instants. Nothing is ever taken off: an act that has become idle must see so by itself."""

    def __init__(self) -> None:
        self._acts: list[tuple[float, int, Act]] = []
        self._numbers = count()

    @property
    def next_s(self) -> float:
        """When the next act is due (infinite: none is)."""
        return self._acts[0][0] if self._acts else inf

    def add(self, at: float, act: Act) -> None:
        heappush(self._acts, (at, next(self._numbers), act))

    def run(self, now: float) -> None:
        """All that is due at `now` or before, also what that adds."""
        while self._acts and self._acts[0][0] <= now:
            at, _, act = heappop(self._acts)
            act(at)
