"""Whether any message completes: messages that take much longer than any before."""

from __future__ import annotations

from math import inf, log, pi

from autoscaler.core.model import Instant

STILL = 9.2
"""-ln(0.0001), as a day has 8,640 polls: the probability that completions and arrivals cancel out exactly at every
reading, below which nothing is assumed to complete.
"""

STILL_READINGS, STILL_SURPRISE = 3, 4.8
"""Readings without any change after which neither completions nor arrivals are assumed, if together they are as
improbable as 0.8 % (-ln of it): so are three of them with 2 expected completions each.
"""

LEAST_EXPECTED = 2.0
"""The completions that must be expected between two readings for them to count."""

REMAINING_RATIO = 2.0
"""Messages that have been held for t seconds are expected to take 2 t in all: without any other knowledge, what has
lasted for t is expected to last for t more.
"""

STALE_S = 45.0
"""The counts of SQS may be this old, and then they do not change either."""


SCATTER_DECAY, SCATTER_PRIOR = 0.95, 20.0
"""The scatter of the counts is measured over about 20 readings. Until then it is that of independent arrivals and
completions, with the weight of 20 messages.
"""

REGULAR_S = 3600.0
"""Seconds for which unchanged counts show nothing after CloudWatch counted deletions in such a time: messages arrive as
regularly as they complete.
"""


class Holding:
    """Detects messages that take much longer than any before: all slots are occupied, messages wait, and nothing moves.

    If processing times are as learned, the number of messages changes between two readings, unless as many arrive as
    complete. For `m` of both, the change has a variance of 2 m, so that has a probability of about 1 / sqrt(4 pi m).
    Messages of a timer with constant processing times scatter much less; so the variance is measured.
    """

    __slots__ = (
        "_change",
        "_evidence",
        "_expected",
        "_held_s",
        "_level",
        "_regular_until",
        "_scatter",
        "_still",
        "_still_since",
        "expected_s",
    )

    def __init__(self) -> None:
        self._level, self._still = -1, 0
        self._change: int | None = None
        self._scatter = self._expected = SCATTER_PRIOR
        self._evidence = self._held_s = 0.0
        self._still_since: Instant = inf
        self._regular_until: Instant = -inf
        self.expected_s = 0.0
        """How long messages are expected to be held; 0: as learned."""

    @property
    def is_still(self) -> bool:
        """Whether nothing has completed or arrived for at least three readings, as far as the counts show."""
        return self._still >= STILL_READINGS and self._evidence >= STILL_SURPRISE

    def see(self, level: int, completions: float, elapsed_s: float, now: Instant, *, full: bool) -> None:
        """Add a reading. `level`: messages waiting and in flight. `completions`: expected since the last reading.
        `full`: every slot was occupied, and messages waited, at both readings.
        """
        moved = level != self._level
        self._measure(level, completions)
        if moved or not full:
            self._still_since = now
        if now < self._regular_until:
            return
        self._still = self._still + 1 if full and not moved and completions >= LEAST_EXPECTED else 0
        if not full:
            self._evidence = self._held_s = self.expected_s = 0.0
            return
        if moved:  # one completes at last: the time is known now, and more will follow
            self._evidence = self._held_s = 0.0
            return
        self._held_s += elapsed_s
        if completions >= LEAST_EXPECTED:
            scatter = min(1.0, self._scatter / self._expected)
            self._evidence += 0.5 * log(max(1.0, 4 * pi * completions * scatter))
        if self._evidence >= STILL and self._held_s >= STALE_S:
            self.expected_s = max(self.expected_s, REMAINING_RATIO * self._held_s)

    def _measure(self, level: int, completions: float) -> None:
        """Update the scatter by the difference of two successive changes, which has twice their variance. Readings
        without a change are left out: they are what is tested.
        """
        change, before = level - self._level, self._change
        first, self._level = self._level < 0, level
        self._change = None if first else change
        if change and before is not None and completions >= LEAST_EXPECTED:
            self._scatter = self._scatter * SCATTER_DECAY + (change - before) ** 2 / 2
            self._expected = self._expected * SCATTER_DECAY + 2 * completions

    def check(self, start: Instant, deleted: int, completions: float, now: Instant) -> None:
        """Compare with a CloudWatch minute that began at `start`. If messages were deleted while the counts did not
        change, the counts show nothing. If none was, that has a probability of exp(-completions).
        """
        if start < self._still_since:
            return
        if not deleted:
            self._evidence += completions
        if deleted >= max(1.0, completions / 2):
            self._evidence = self._held_s = self.expected_s = 0.0
            self._still, self._regular_until = 0, now + REGULAR_S
