"""Task launches: a token bucket for the launch rate, and start-up times in the order of launch."""

from __future__ import annotations

from math import inf

from autoscaler.sim.chance import StartUp, stream

BLOCK = 256
"""Number of start-up times to draw at once. The sequence is the same as with single draws."""


class LaunchBucket:
    """A token bucket with Fargate's launch rate: `per_s` tokens per second, at most `burst`. It is full at 0."""

    def __init__(self, burst: int, per_s: float) -> None:
        self._burst = float(burst)
        self._per_s = per_s
        self._tokens = float(burst)
        self._at = 0.0

    def take(self, most: int, now: float) -> int:
        """Take all whole tokens, at most `most`, and return their number."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_s)
        self._at = now
        taken = min(most, int(self._tokens + 1e-6))  # 20/s for 0.05 s is one, not 0.9999999
        self._tokens = max(0.0, self._tokens - taken)
        return taken

    def next_s(self) -> float:
        """Return when the next token is available. Call it after `take` returned fewer tokens than requested."""
        return self._at + (1.0 - self._tokens) / self._per_s if self._per_s > 0 else inf


class StartUps:
    """Start-up times: the k-th launched task takes the k-th time."""

    def __init__(self, start_up: StartUp, seed: int) -> None:
        self._start_up = start_up
        self._rng = stream(seed, "start-up")
        self._drawn: list[float] = []

    def next_s(self) -> float:
        """Return the start-up time of the next launch, in seconds."""
        if not self._drawn:
            self._drawn = self._start_up.sample(self._rng, BLOCK).tolist()[::-1]
        return self._drawn.pop()
