"""A count as a step function of time, and its integral."""

from __future__ import annotations


class Staircase:
    """A step function. `steps`: (instant, count from then on), beginning at 0. Instants ascend, and consecutive counts
    differ.
    """

    def __init__(self, now: int) -> None:
        self.now = now
        self.steps: list[tuple[float, int]] = [(0.0, now)]
        self._area = 0.0
        self._since = 0.0

    def step(self, count: int, at: float) -> None:
        """Set the count from `at` on. Of several calls for one instant, the last one applies."""
        self._area += self.now * (at - self._since)
        self._since, self.now = at, count
        if self.steps[-1][0] == at:
            self.steps.pop()
        if not self.steps or self.steps[-1][1] != count:
            self.steps.append((at, count))

    def area(self, until: float) -> float:
        """Return the integral from 0 to `until`, which must not be before the last step."""
        return self._area + self.now * (until - self._since)
