"""The one time that the double lives in: seconds since the epoch, its own to run, to hurry or to stand still."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass
class RunningClock:
    """The machine's time when it was made, and from then on `speed` s for each that passes. It is never set back."""

    speed: float = 1.0
    _wall_s: float = field(default_factory=time.time)
    _began: float = field(default_factory=time.monotonic)
    _ahead_s: float = 0.0

    def now(self) -> float:
        return self._wall_s + self._ahead_s + (time.monotonic() - self._began) * self.speed

    def pass_s(self, seconds: float) -> None:
        """So much later at once."""
        self._ahead_s += seconds


@dataclass
class StillClock:
    """A time that only a test moves."""

    at: float = 1_800_000_030.0

    def now(self) -> float:
        return self.at

    def pass_s(self, seconds: float) -> None:
        self.at += seconds
