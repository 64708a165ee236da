"""A count over time: what it is, since when, and its integral."""

from __future__ import annotations


class Staircase:
    """`steps`: (instant, count from then on), from 0 on; instants ascend, and neighbours differ."""

    def __init__(self, now: int) -> None:
        self.now = now
        self.steps: list[tuple[float, int]] = [(0.0, now)]
        self._area = 0.0
        self._since = 0.0

    def step(self, count: int, at: float) -> None:
        """From `at` on it is `count`; of several at one instant the last holds."""
        self._area += self.now * (at - self._since)
        self._since, self.now = at, count
        if self.steps[-1][0] == at:
            self.steps.pop()
        if not self.steps or self.steps[-1][1] != count:
            self.steps.append((at, count))

    def area(self, until: float) -> float:
        """Its integral from 0 to `until`, which is not before the last step."""
        return self._area + self.now * (until - self._since)
