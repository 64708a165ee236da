"""How tasks are launched: from a bucket of tokens, with start-up times in the order of launch."""

from __future__ import annotations

from math import inf

from autoscaler.sim.chance import StartUp, stream

BLOCK = 256
"""So many start-up times are drawn at once: the sequence is the same as one by one."""


class Bucket:
    """Fargate's launch rate: full at 0, `per_s` tokens come in each second, and it holds at most `burst`."""

    def __init__(self, burst: int, per_s: float) -> None:
        self._burst = float(burst)
        self._per_s = per_s
        self._tokens = float(burst)
        self._at = 0.0

    def take(self, most: int, now: float) -> int:
        """Whole tokens, as many as there are, and at most so many."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_s)
        self._at = now
        taken = min(most, int(self._tokens + 1e-6))  # 20/s for 0.05 s is one, not 0.9999999
        self._tokens = max(0.0, self._tokens - taken)
        return taken

    def next_s(self) -> float:
        """When the next token is there, after one was asked for in vain."""
        return self._at + (1.0 - self._tokens) / self._per_s if self._per_s > 0 else inf


class StartUps:
    """The k-th task launched takes the k-th time, whatever it is launched for."""

    def __init__(self, start_up: StartUp, seed: int) -> None:
        self._start_up = start_up
        self._chance = stream(seed, "start-up")
        self._drawn: list[float] = []

    def next_s(self) -> float:
        """How long the next launch takes."""
        if not self._drawn:
            self._drawn = self._start_up.sample(self._chance, BLOCK).tolist()[::-1]
        return self._drawn.pop()
