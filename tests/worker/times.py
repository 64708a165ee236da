"""Virtual time for a worker in the test's thread: its waits cost nothing, and heartbeats come when a test says so."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock, current_thread
from time import monotonic, sleep

from autoscaler.worker import Bell, Time

SLICE_S = 0.001
PATIENCE_S = 20.0


class VirtualTime(Time):
    """The loop's waits pass at once while it has nothing in hand; while it has, only a ring or `advance` ends them.

    A heart waits for `advance`. A pause between two tries, in whatever thread, passes at once.
    """

    def __init__(self) -> None:
        self._now = 1000.0
        self._lock = Lock()
        self.is_idle: Callable[[], bool] = lambda: True
        self.pauses: list[float] = []
        self.loop_waits_s = 0.0
        self._hearts: dict[str, float] = {}

    def now(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        with self._lock:
            self._now += seconds

    def wait(self, bell: Bell, seconds: float) -> bool:
        name = current_thread().name
        if name.startswith("heart"):
            return self._rested(name, bell, self._now + seconds)
        if name == "MainThread" and not self.is_idle():
            end, self.loop_waits_s = self._now + seconds, seconds
            return self._waited(bell, end)
        if bell.wait(0):
            return True
        self.pauses.append(seconds)
        self.advance(seconds)
        return False

    def beat(self, seconds: float) -> None:
        """So much time passes, and whatever heart is due in it has beaten, once, when this returns."""
        self._until_hearts_rest()
        self.advance(seconds)
        self._until_hearts_rest()

    def _until_hearts_rest(self) -> None:
        given_up = monotonic() + PATIENCE_S
        while not self._hearts or min(list(self._hearts.values())) <= self._now:
            assert monotonic() < given_up, "no heart beats"
            sleep(SLICE_S)

    def _rested(self, name: str, bell: Bell, end: float) -> bool:
        self._hearts[name] = end
        try:
            return self._waited(bell, end)
        finally:
            del self._hearts[name]

    def _waited(self, bell: Bell, end: float) -> bool:
        given_up = monotonic() + PATIENCE_S
        while self._now < end:
            if bell.wait(SLICE_S):
                return True
            assert monotonic() < given_up, "nothing rang, and time stood still"
        return bell.wait(0)
