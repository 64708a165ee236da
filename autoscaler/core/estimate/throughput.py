"""How long a message occupies a slot, from the deletions that CloudWatch counts and the messages in flight in the
readings.

In a minute in which messages waited, every slot was occupied. Slot-seconds divided by deletions is then the time that a
message occupies a slot, including prefetching and the gaps between two receives, and gives the throughput of a task. In
other minutes the same ratio is Little's law, the time that a message stays. If the first is clearly longer, it is used;
otherwise the mean of all minutes is used.

The estimates must stay correct if the configured value is wrong by a factor of ten, if a release is twice as slow, if a
database is down (without deletions there is no evidence about processing times), and if a few jobs take a hundred times
as long.
"""

from __future__ import annotations

from array import array
from math import log, sqrt
from typing import NamedTuple

from autoscaler.core.estimate.arrivals import CLOUDWATCH_REACH_S, FEW_NOTES, Track
from autoscaler.core.knowledge import Estimate
from autoscaler.core.model import Flow, Instant

MINUTE_S = 60.0

ASSUMED_S = 12.0
"""Assumed until something is learned: 12 s, which is five messages per task and minute."""

PRIOR_WEIGHT, FADES_AFTER = 3.0, 5.0
"""A configured or assumed time has the weight of three observations. The weight decreases: after 50 deletions it is
about a quarter of one observation.
"""

MOST_WEIGHT = 400.0
"""The number of deletions that are remembered; older ones decay. They give the mean of lognormal times (CV 1) within 5
%.
"""
FASTEST = 0.2
"""Maximum decay per minute. For a busy queue, a minute loses two thirds of its weight within five minutes."""

RECENT_MINUTES, RECENT_WEIGHT = 3, 5.0
"""The mean of the last three minutes is shrunk towards the long-term mean, which has the weight of five messages."""

SURPRISE = 4.0
"""The slot time of a minute is limited to SURPRISE x mean x (deleted messages + 1): 20 tasks that delete nothing for a
minute count as the time of four messages, not as twenty minutes.
"""

SHIFTED_RATIO, SHIFTED_SIGMAS, SHIFTED_DELETIONS = 0.2, 4.0, 30
"""A new release is assumed if the recent mean differs by about 20 % and by four standard errors, with at least 30
deletions.
"""

REGIME_SIGMAS = 3.0
"""The mean of saturated minutes is used if it is longer than the mean of all minutes by more than this number of
standard errors.
"""

LAG_MINUTES = 10
"""The minutes over which work and deletions are compared to estimate the spread of processing times."""
SPREAD_PRIOR, SPREAD_WEIGHT, SPREAD_DECAY = 1.0, 100.0, 0.98

SATURATED_VALID_S = 3600.0
"""Seconds for which a measurement under saturation takes precedence over Little's law."""


class _Sum(NamedTuple):
    """Occupied slot-seconds and deleted messages."""

    taken_s: float = 0.0
    deleted: float = 0.0

    def plus(self, more: _Sum, decay: float = 1.0) -> _Sum:
        return _Sum(self.taken_s * decay + more.taken_s, self.deleted * decay + more.deleted)


class _Newest:
    """The newest minutes, at most `LAG_MINUTES`: 16 bytes each, instead of 120 as a tuple of floats."""

    __slots__ = ("_deleted", "_taken_s")

    def __init__(self) -> None:
        self._taken_s, self._deleted = array("d"), array("d")

    def __len__(self) -> int:
        return len(self._taken_s)

    def add(self, seen: _Sum) -> None:
        if len(self) == LAG_MINUTES:
            del self._taken_s[0], self._deleted[0]
        self._taken_s.append(seen.taken_s)
        self._deleted.append(seen.deleted)

    def total(self, minutes: int) -> _Sum:
        """The sum of the newest `minutes`, or of fewer if fewer are stored."""
        return _Sum(sum(self._taken_s[-minutes:]), sum(self._deleted[-minutes:]))


class Throughput:
    """Learns from the messages in flight of the readings, and from CloudWatch's minutes. `prior_s` None: nothing is
    configured.

    `fixed`: the configured value is used, and measurements are ignored.
    """

    __slots__ = (
        "_all",
        "_compared",
        "_deviation",
        "_fixed",
        "_gap_from",
        "_gap_until",
        "_learned_at",
        "_minutes",
        "_prior_s",
        "_same_regime_minutes",
        "_saturated",
        "_saturated_at",
        "_taken",
        "_undone",
        "_weight",
        "mean_s",
        "slow_s",
    )

    def __init__(self, prior_s: float | None, now: Instant, *, fixed: bool = False) -> None:
        self._prior_s = ASSUMED_S if prior_s is None else prior_s
        self._fixed = fixed and prior_s is not None
        self._taken = Track(CLOUDWATCH_REACH_S, now, FEW_NOTES)
        self._gap_from = self._gap_until = float("-inf")
        self._undone = 0.0
        self._all = _Sum()
        self._saturated = _Sum()
        self._saturated_at: Instant | None = None
        self._learned_at: Instant | None = None
        self._minutes, self._same_regime_minutes = _Newest(), 0
        self._deviation, self._compared = SPREAD_WEIGHT * SPREAD_PRIOR, SPREAD_WEIGHT
        self.mean_s = self.slow_s = self._prior_s
        """The mean time that a message occupies a slot; and the larger of it and the mean of the last three minutes."""
        self._weight = 0.0

    @property
    def spread(self) -> float:
        """The squared coefficient of variation of processing times."""
        return self._deviation / self._compared

    def estimate(self, now: Instant) -> Estimate:
        if self._fixed:
            return Estimate(self._prior_s, float("inf"))
        age_s = None if self._learned_at is None else max(0.0, now - self._learned_at)
        return Estimate(self.mean_s, self._weight, age_s)

    def see(self, held: float, elapsed_s: float, now: Instant) -> None:
        """Add a reading: on average `held` messages were in progress since the last one."""
        self._taken.add(now, held * elapsed_s)

    def skipped(self, since: Instant, until: Instant) -> None:
        """Mark a time without readings: minutes that overlap it are ignored. Nearby gaps are merged into one."""
        if since > self._gap_until + CLOUDWATCH_REACH_S:
            self._gap_from = since
        self._gap_until = until

    def learn(self, minute: Flow) -> None:
        """Add one CloudWatch minute. Call it once per minute. A minute in which no task ran is ignored: other consumers
        did that work.
        """
        start = minute.at - MINUTE_S
        if not self._saw(start, minute.at) or minute.tasks == 0 or self._is_fruitless(minute):
            return
        mean_s = self.mean_s
        taken_s = min(self._taken.between(start, minute.at), SURPRISE * (minute.deleted + 1) * mean_s)
        seen = _Sum(taken_s, float(minute.deleted))
        decay = 1.0 - min(FASTEST, minute.deleted / MOST_WEIGHT)
        self._all = self._all.plus(seen, decay)
        if minute.waiting > 0:
            self._saturated = self._saturated.plus(seen, decay)
            self._saturated_at = minute.at
        elif self._saturated_at is not None and minute.at - self._saturated_at > SATURATED_VALID_S:
            self._saturated, self._saturated_at = _Sum(), None
        self._minutes.add(seen)
        if minute.deleted:
            self._learned_at = minute.at
        self._sum_up()
        self._compare()
        self._shift()
        self._sum_up()

    def _sum_up(self) -> None:
        if self._fixed:
            return
        best, recent = self._best(), self._minutes.total(RECENT_MINUTES)
        weight = PRIOR_WEIGHT * FADES_AFTER / (FADES_AFTER + best.deleted)
        mean_s = max(1e-3, (best.taken_s + weight * self._prior_s) / (best.deleted + weight))
        slow_s = (recent.taken_s + RECENT_WEIGHT * mean_s) / (recent.deleted + RECENT_WEIGHT)
        self.mean_s, self.slow_s, self._weight = mean_s, max(mean_s, slow_s), best.deleted

    def _saw(self, start: Instant, end: Instant) -> bool:
        """Whether the readings cover all of that time."""
        if start < self._gap_until and self._gap_from < end:
            return False
        return self._taken.since <= start and end <= self._taken.newest_at

    def _is_fruitless(self, minute: Flow) -> bool:
        """Whether nothing was deleted although at least ten deletions were expected, in this minute or in consecutive
        minutes without deletions: the workers, or a system behind them, are broken.
        """
        if minute.deleted:
            self._undone = 0.0
            return False
        self._undone += self._taken.between(minute.at - MINUTE_S, minute.at) / self.mean_s
        return minute.received > 0 and self._undone >= 10

    def _best(self) -> _Sum:
        """Return the sums of saturated minutes if their mean is clearly longer than that of all minutes (Little's law):
        workers then prefetch, or slow each other down. If processing times spread widely, the difference must be
        larger, because long jobs cause saturation.
        """
        full, every = self._saturated, self._all
        if full.deleted < SHIFTED_DELETIONS or full.taken_s <= 0 or every.taken_s <= 0:
            return every
        slower = log(full.taken_s / full.deleted * every.deleted / every.taken_s)
        return full if slower > REGIME_SIGMAS * sqrt((1 + self.spread) / full.deleted) else every

    def _compare(self) -> None:
        """Update the spread. Over ten minutes the work done differs from deletions x mean by the sum of the messages'
        own deviations; its variance is deletions x mean^2 x spread.
        """
        self._same_regime_minutes = min(self._same_regime_minutes + 1, LAG_MINUTES)
        if self._same_regime_minutes < LAG_MINUTES:
            return
        taken_s, deleted = self._minutes.total(LAG_MINUTES)
        off = (taken_s - self.mean_s * deleted) / self.mean_s
        self._deviation = self._deviation * SPREAD_DECAY + off * off
        self._compared = self._compared * SPREAD_DECAY + deleted

    def _shift(self) -> None:
        """Replace the long-term mean by the mean of the last three minutes if the two differ clearly."""
        recent, mean_s = self._minutes.total(RECENT_MINUTES), self.mean_s
        if len(self._minutes) < RECENT_MINUTES or recent.deleted < SHIFTED_DELETIONS or recent.taken_s <= 0:
            return
        apart = abs(log(recent.taken_s / recent.deleted / mean_s))
        if apart > max(SHIFTED_RATIO, SHIFTED_SIGMAS * sqrt((1 + self.spread) / recent.deleted)):
            self._all, self._saturated, self._saturated_at = recent, _Sum(), None
            self._same_regime_minutes = 0


# The number of messages that a task holds at once: messages in flight divided by running tasks, while messages wait.
#
# All slots are occupied then. Prefetched messages count: they were received, and the latency target ends at the
# receive. Some messages in flight may belong to a second consumer or to dead workers. A value above the configured one
# is therefore used only as far as the messages in flight follow the number of the service's tasks.

PRIOR_READINGS = 30.0
"""The weight of the configured number, in readings: the same as five minutes of readings."""

DECAY = 0.98
"""The decay of a reading's weight per reading: about eight minutes of ten-second readings are remembered."""

VARIED = 0.1
"""Minimum coefficient of variation of the task count. Below it, the dependence on the task count cannot be measured."""


class Concurrency:
    __slots__ = ("_at", "_configured", "_fixed", "_followed", "_held", "_readings", "_sums", "_tasks", "slots")

    def __init__(self, configured: int, *, fixed: bool = False) -> None:
        self._configured = configured
        self._fixed = fixed
        self._held, self._tasks = PRIOR_READINGS * configured, PRIOR_READINGS
        self._readings = 0.0
        self._at: Instant | None = None
        self._sums = (0.0, 0.0, 0.0, 0.0)
        self._followed = float(configured)
        self.slots = configured
        """At least one."""

    def estimate(self, now: Instant) -> Estimate:
        age_s = None if self._at is None else now - self._at
        return Estimate(float(self.slots), float("inf") if self._fixed else self._readings, age_s)

    def see(self, in_flight: int, running: int, now: Instant) -> None:
        """Add a reading in which messages waited and the number of running tasks had not changed. Each reading has the
        same weight, independent of the number of tasks.
        """
        if not running:
            return
        self._held = self._held * DECAY + in_flight / running
        self._tasks = self._tasks * DECAY + 1.0
        self._readings = self._readings * DECAY + 1.0
        self._at = now
        self._follow(float(in_flight), float(running))
        if not self._fixed:
            believed = min(self._held / self._tasks, max(self._configured, self._followed))
            self.slots = max(1, round(believed))

    def _follow(self, in_flight: float, running: float) -> None:
        """Update the slope of the messages in flight over the tasks, by least squares over the remembered readings."""
        tasks, held, squares, products = self._sums
        tasks, held = tasks * DECAY + running, held * DECAY + in_flight
        squares, products = squares * DECAY + running * running, products * DECAY + running * in_flight
        self._sums = (tasks, held, squares, products)
        mean = tasks / self._readings
        spread = squares / self._readings - mean * mean
        if spread > (VARIED * mean) ** 2:
            self._followed = (products / self._readings - mean * held / self._readings) / spread
