"""The clock and the wait of this package: every wait has a limit, and ends early when its bell rings."""

from __future__ import annotations

import time
from queue import Empty, SimpleQueue


class Bell:
    """A wake-up signal that another thread or a signal handler sends.

    An Event is not suitable: its lock is not reentrant, so a signal that arrives while the main thread starts to wait
    could block it forever. `SimpleQueue.put` is documented to be safe there.
    """

    def __init__(self) -> None:
        self._rings: SimpleQueue[None] = SimpleQueue()

    def ring(self) -> None:
        self._rings.put(None)

    def wait(self, seconds: float) -> bool:
        """Return True as soon as it rings or has rung, False after `seconds`. A ring ends one wait."""
        try:
            self._rings.get(timeout=max(0.0, seconds))
        except Empty:
            return False
        return True


class Time:
    """The monotonic clock, in seconds. Tests pass their own."""

    def now(self) -> float:
        return time.monotonic()

    def wait(self, bell: Bell, seconds: float) -> bool:
        return bell.wait(seconds)
