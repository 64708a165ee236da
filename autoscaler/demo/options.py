"""Options of a demo."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from autoscaler.errors import Problem

SHORTEST_S = 5.0
LONGEST_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Options:
    """`duration_s`: length of the load in wall time; a drain follows. `trace` None: a synthetic load from `seed`.

    A trace is replayed from the start of day `from_day` (0 is its first day), `speed` times as fast as it was recorded.
    `json`: standard output has only the summary as JSON.
    """

    duration_s: float = 120.0
    trace: Path | None = None
    from_day: float = 0.0
    speed: float = 1.0
    json: bool = False
    seed: int = 0

    def problems(self) -> Iterator[Problem]:
        """Yield all problems of the options, each with the option's name on the command line."""
        if not SHORTEST_S <= self.duration_s <= LONGEST_S:
            yield Problem(
                "--duration", f"the value is {self.duration_s:g} s, but must be from {SHORTEST_S:g} s to 24 h"
            )
        if not (isfinite(self.from_day) and self.from_day >= 0):
            yield Problem("--from-day", f"the value is {self.from_day:g}, but must be at least 0")
        if not (isfinite(self.speed) and self.speed > 0):
            yield Problem("--speed", f"the value is {self.speed:g}, but must be above 0")
        if self.trace is None and (self.from_day != 0 or self.speed != 1):
            yield Problem("--from-day, --speed", "these options require --trace FILE")
