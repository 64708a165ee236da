"""Compare the plan with what happened: whether more tasks completed more messages, and whether any message completes.

A bottleneck behind the workers (a database, an API with a rate limit) makes every message slower as tasks are added.
The learned processing time then rises with the number of tasks, and the plan would add tasks without end. So the
deletions of saturated minutes with different numbers of tasks are compared.
"""

from __future__ import annotations

from math import inf, log, pi, sqrt
from typing import NamedTuple

from autoscaler.core.model import Instant

COMPARED_S, MOST_MINUTES = 1200.0, 20
"""Age of the oldest minute that the newest ones are compared with, and the number of stored minutes."""

GROUP = 2
"""The fewest minutes of each of the two groups that are compared: with fewer and with more tasks."""

MORE_TASKS, LEAST_MORE = 2.0, 5.0
"""The smallest ratio of the tasks of the two groups, and the smallest difference."""

NO_GAIN, SOME_GAIN = 0.25, 0.5
"""The share of the expected additional deletions below which there is a bottleneck, and above which there is none."""

CERTAIN_SIGMAS = 3.0
"""A bottleneck is assumed only if the missing deletions are more than this number of standard deviations."""

LEAST_MISSING = 100.0
"""The missing deletions a minute from which there can be a bottleneck. Tasks for fewer messages cost little, and a few
long jobs scatter widely.
"""

RELEASED_RATIO = 1.2
"""The bottleneck is over if the newest minutes delete this multiple of the messages that they deleted before."""

PROBE_AFTER_S, MOST_PROBE_AFTER_S, PROBE_FOR_S = 600.0, 3600.0, 300.0
"""After ten minutes, more tasks are permitted for five minutes, to compare again. While the bottleneck is confirmed,
the time doubles, up to an hour.
"""


class WorkedMinute(NamedTuple):
    """A saturated minute: its end, the mean number of tasks that ran, and the deletions."""

    at: Instant
    tasks: float
    deleted: float


class Bottleneck:
    """Whether the deletions are limited by something else than the tasks."""

    __slots__ = ("_limit", "_minutes", "_probe_after_s", "_probed_at", "_rate", "_slack")

    def __init__(self) -> None:
        self._minutes: list[WorkedMinute] = []
        self._limit: float | None = None
        self._rate = 0.0
        self._slack = 0
        self._probed_at: Instant = 0.0
        self._probe_after_s = PROBE_AFTER_S

    def see(self, minute: WorkedMinute, spread: float, *, saturated: bool) -> None:
        """Add a CloudWatch minute. Minutes in which no message waited show no limit; two of them end it."""
        self._slack = 0 if saturated else self._slack + 1
        if self._slack >= 2:
            self._minutes, self._limit = [], None
        if self._slack:
            return
        recent = [each for each in self._minutes if minute.at - each.at < COMPARED_S]
        self._minutes = [*recent[-MOST_MINUTES + 1 :], minute]
        if self._limit is not None and self._is_released(spread):
            self._minutes, self._limit = [minute], None
        self._compare(minute, spread)

    def limit(self, now: Instant) -> float | None:
        """Return the number of tasks above which more did not help (None: no bottleneck is known)."""
        if self._limit is None:
            return None
        since_s = now - self._probed_at
        if since_s >= self._probe_after_s + PROBE_FOR_S:
            self._probed_at, since_s = now, 0.0
            self._probe_after_s = min(MOST_PROBE_AFTER_S, 2 * self._probe_after_s)
        return self._limit * MORE_TASKS + LEAST_MORE if since_s >= self._probe_after_s else self._limit

    def _is_released(self, spread: float) -> bool:
        """Whether the newest minutes delete clearly more than the bottleneck permitted."""
        rate, minutes = _mean([each.deleted for each in self._minutes[-GROUP:]]), len(self._minutes[-GROUP:])
        noise = CERTAIN_SIGMAS * sqrt((1 + spread) * (rate + self._rate) / minutes)
        return rate > RELEASED_RATIO * self._rate and rate - self._rate > noise

    def _compare(self, newest: WorkedMinute, spread: float) -> None:
        """Compare the minutes that had about as many tasks as the newest one with those that had clearly fewer."""
        fewest = min(newest.tasks / MORE_TASKS, newest.tasks - LEAST_MORE)
        fewer = [each for each in self._minutes if 0 < each.tasks <= fewest]
        more = [each for each in self._minutes if each.tasks * sqrt(MORE_TASKS) > newest.tasks]
        if len(fewer) < GROUP or len(more) < GROUP:
            return
        few, many = _mean([each.tasks for each in fewer]), _mean([each.tasks for each in more])
        rate, now = _mean([each.deleted for each in fewer]), _mean([each.deleted for each in more])
        expected = rate * (many / few - 1)
        scatter = _variance(fewer) + _variance(more)
        noise = CERTAIN_SIGMAS * sqrt(max(scatter, (1 + spread) * (rate / len(fewer) + now / len(more))))
        if expected <= 0 or now - rate > SOME_GAIN * expected:
            self._limit = None
        elif expected - (now - rate) > max(noise, LEAST_MISSING) and now - rate < NO_GAIN * expected:
            if self._limit is None:
                self._probed_at, self._probe_after_s = newest.at, PROBE_AFTER_S
            self._limit, self._rate = min(max(1.0, few), self._limit or few), now


def _variance(minutes: list[WorkedMinute]) -> float:
    """Return the variance of the mean deletions, from their scatter: long jobs make it larger than that of a count."""
    mean = _mean([each.deleted for each in minutes])
    return sum([(each.deleted - mean) ** 2 for each in minutes]) / ((len(minutes) - 1) * len(minutes))


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


STILL = 6.9
"""-ln(0.001). The probability that completions and arrivals cancel out exactly at every reading, below which nothing is
assumed to complete.
"""

STILL_READINGS = 3
"""Readings without any change after which neither completions nor arrivals are assumed: with 2 expected completions,
0.8 % of all triples of readings are like this.
"""

LEAST_EXPECTED = 2.0
"""The completions that must be expected between two readings for them to count."""

REMAINING_RATIO = 2.0
"""Messages that have been held for t seconds are expected to take 2 t in all: without any other knowledge, what has
lasted for t is expected to last for t more.
"""

STALE_S = 45.0
"""The counts of SQS may be this old, and then they do not change either."""


REGULAR_S = 3600.0
"""Seconds for which unchanged counts show nothing after CloudWatch counted deletions in such a time: messages arrive as
regularly as they complete.
"""


class Holding:
    """Detects messages that take much longer than any before: all slots are occupied, messages wait, and nothing moves.

    If processing times are as learned, the number of messages changes between two readings, unless as many arrive as
    complete: for `m` of both that has a probability of about 1 / sqrt(4 pi m).
    """

    __slots__ = ("_evidence", "_held_s", "_level", "_regular_until", "_still", "_still_since", "expected_s")

    def __init__(self) -> None:
        self._level, self._still = -1, 0
        self._evidence = self._held_s = 0.0
        self._still_since: Instant = inf
        self._regular_until: Instant = -inf
        self.expected_s = 0.0
        """How long messages are expected to be held; 0: as learned."""

    @property
    def is_still(self) -> bool:
        """Whether nothing has completed or arrived for at least three readings, as far as the counts show."""
        return self._still >= STILL_READINGS

    def see(self, level: int, completions: float, elapsed_s: float, now: Instant, *, full: bool) -> None:
        """Add a reading. `level`: messages waiting and in flight. `completions`: expected since the last reading.
        `full`: every slot was occupied, and messages waited, at both readings.
        """
        moved, self._level = level != self._level, level
        if moved or not full:
            self._still_since = now
        if now < self._regular_until:
            return
        self._still = self._still + 1 if full and not moved and completions >= LEAST_EXPECTED else 0
        if not full or (moved and self.expected_s == 0.0):
            self._evidence = self._held_s = self.expected_s = 0.0
            return
        if moved:  # one completes at last: the time is known now, and more will follow
            self._evidence = self._held_s = 0.0
            return
        self._held_s += elapsed_s
        if completions >= LEAST_EXPECTED:
            self._evidence += 0.5 * log(4 * pi * completions)
        if self._evidence >= STILL and self._held_s >= STALE_S:
            self.expected_s = max(self.expected_s, REMAINING_RATIO * self._held_s)

    def check(self, start: Instant, deleted: int, completions: float, now: Instant) -> None:
        """Compare with a CloudWatch minute that began at `start`. If messages were deleted while the counts did not
        change, the counts show nothing.
        """
        if start >= self._still_since and deleted >= max(1.0, completions / 2):
            self._evidence = self._held_s = self.expected_s = 0.0
            self._still, self._regular_until = 0, now + REGULAR_S
