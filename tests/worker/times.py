"""Virtual time for a worker in the thread of the test: waits take no real time, and a test triggers the heartbeats."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock, current_thread, get_ident
from time import monotonic, sleep

from autoscaler.worker import Bell, Time

SLICE_S = 0.001
TIMEOUT_S = 20.0


class VirtualTime(Time):
    """Without messages in progress, waits of the worker loop end at once; otherwise only a ring or `advance` ends them.

    Heartbeats wait for `advance`. A pause between two attempts ends at once in every thread.
    """

    def __init__(self) -> None:
        self._now = 1000.0
        self._lock = Lock()
        self.is_idle: Callable[[], bool] = lambda: True
        self.pauses: list[float] = []
        self.loop_waits_s, self.loop_waits_until = 0.0, 0.0
        self._heartbeats: dict[int, float] = {}

    def now(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        with self._lock:
            self._now += seconds

    def wait(self, bell: Bell, seconds: float) -> bool:
        name = current_thread().name
        if name.startswith("heart"):
            return self._heartbeat_waited(bell, self._now + seconds)
        if name == "MainThread" and not self.is_idle():
            end = self._now + seconds
            self.loop_waits_s, self.loop_waits_until = seconds, end
            return self._waited(bell, end)
        if bell.wait(0):
            return True
        self.pauses.append(seconds)
        self.advance(seconds)
        return False

    def beat(self, seconds: float) -> None:
        """Advance by `seconds` and return after every heartbeat that is due has run once."""
        self._until_heartbeats_wait()
        self.advance(seconds)
        self._until_heartbeats_wait()

    def _until_heartbeats_wait(self) -> None:
        deadline = monotonic() + TIMEOUT_S
        while not self._heartbeats or min(list(self._heartbeats.values())) <= self._now:
            assert monotonic() < deadline, "no heartbeat ran"
            sleep(SLICE_S)

    def _heartbeat_waited(self, bell: Bell, end: float) -> bool:
        thread = get_ident()  # not its name: a message that is received again has a second thread of the same name
        self._heartbeats[thread] = end
        try:
            return self._waited(bell, end)
        finally:
            del self._heartbeats[thread]

    def _waited(self, bell: Bell, end: float) -> bool:
        deadline = monotonic() + TIMEOUT_S
        while self._now < end:
            if bell.wait(SLICE_S):
                return True
            assert monotonic() < deadline, "no bell rang and the time did not advance"
        return bell.wait(0)
