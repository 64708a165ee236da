"""The clocks of the fake AWS, in seconds since the epoch: one runs at any speed, one is moved by a test."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass
class RunningClock:
    """Starts at the machine's time and advances `speed` s per real second. It never goes back."""

    speed: float = 1.0
    _wall_s: float = field(default_factory=time.time)
    _began: float = field(default_factory=time.monotonic)
    _ahead_s: float = 0.0

    def now(self) -> float:
        return self._wall_s + self._ahead_s + (time.monotonic() - self._began) * self.speed

    def pass_s(self, seconds: float) -> None:
        """Move the clock forward at once."""
        self._ahead_s += seconds


@dataclass
class StillClock:
    """A clock that only a test moves."""

    at: float = 1_800_000_030.0

    def now(self) -> float:
        return self.at

    def pass_s(self, seconds: float) -> None:
        self.at += seconds
