"""The one clock and the one way to wait: every wait is bounded, and ends early when its bell rings."""

from __future__ import annotations

import time
from queue import Empty, SimpleQueue


class Bell:
    """Rung by another thread or by a signal handler.

    An Event would not do: its lock is not reentrant, so a signal that arrives while the main thread begins to wait
    could block it for ever. `SimpleQueue.put` is documented to be safe there.
    """

    def __init__(self) -> None:
        self._rings: SimpleQueue[None] = SimpleQueue()

    def ring(self) -> None:
        self._rings.put(None)

    def wait(self, seconds: float) -> bool:
        """True as soon as it rings or has rung, False after so many seconds. A ring ends one wait."""
        try:
            self._rings.get(timeout=max(0.0, seconds))
        except Empty:
            return False
        return True


class Time:
    """Monotonic seconds. Tests hand in their own."""

    def now(self) -> float:
        return time.monotonic()

    def wait(self, bell: Bell, seconds: float) -> bool:
        return bell.wait(seconds)
