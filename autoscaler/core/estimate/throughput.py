"""How long a message occupies a slot, from what CloudWatch counts as deleted and what our own readings saw at work.

In a minute in which messages waited, every slot was taken: slot-seconds by deletions is then how long a slot is taken
by a message, prefetched ones and the gaps between two receives included, and one task's throughput follows directly.
In other minutes the same ratio is Little's law, the time that a message stays. Where the two clearly differ, the first
counts; they are never mixed.

What the estimates must bear: a prior that is ten times wrong, a release that is twice as slow, a broken database
(nothing is deleted: that teaches nothing of processing times), and jobs of which a few are a hundred times as long.
"""

from __future__ import annotations

from array import array
from math import log, sqrt
from typing import NamedTuple

from autoscaler.core.estimate.track import FEW_NOTES, TOLD_WITHIN_S, Track
from autoscaler.core.knowledge import Estimate
from autoscaler.core.model import Flow, Instant

MINUTE_S = 60.0

ASSUMED_S = 12.0
"""Before anything is known: five messages a task within a minute, as KEDA's default has it."""

PRIOR_WEIGHT, FADES_AFTER = 3.0, 5.0
"""A configured or assumed time counts as three observations, and fades: after 50 real ones, as a quarter of one."""

MOST_WEIGHT = 400.0
"""So many deletions give the mean of lognormal times (CV 1) within 5 %; what is older is forgotten at that pace,"""
FASTEST = 0.2
"""but no faster than a fifth a minute: busy queues forget over five minutes."""

RECENT_MINUTES, RECENT_WEIGHT = 3, 5.0
"""What the last minutes had, drawn towards the long mean with the weight of five messages."""

SURPRISE = 4.0
"""The most that one message of a minute may stand for, in long means: 20 tasks that delete nothing for a minute
count like four messages' time of work and not like twenty minutes of it."""

SHIFTED_RATIO, SHIFTED_SIGMAS, SHIFTED_DELETIONS = 0.2, 4.0, 30
"""Recent minutes that differ by a fifth, and by four standard errors, on 30 deletions: another release."""

REGIME_SIGMAS = 3.0
"""By so many standard errors must a saturated slot be slower for that to be another regime."""

LAG_MINUTES = 10
"""Over so many minutes work and deletions are compared to see how much processing times spread."""
SPREAD_PRIOR, SPREAD_WEIGHT, SPREAD_KEPT = 1.0, 100.0, 0.98

SATURATED_KEPT_S = 3600.0
"""For an hour a measurement under saturation counts more than Little's law."""


class _Sum(NamedTuple):
    """Slot-seconds that were taken, and messages that were deleted."""

    taken_s: float = 0.0
    deleted: float = 0.0

    def and_(self, more: _Sum, kept: float = 1.0) -> _Sum:
        return _Sum(self.taken_s * kept + more.taken_s, self.deleted * kept + more.deleted)


class _Newest:
    """The newest minutes, at most `LAG_MINUTES`: 16 bytes each, where a tuple of floats takes 120."""

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
        """Of the newest so many; of fewer where there are not so many."""
        return _Sum(sum(self._taken_s[-minutes:]), sum(self._deleted[-minutes:]))


class Throughput:
    """Learns from readings of what is at work, and from CloudWatch's minutes. `prior_s` None: nothing is configured.

    `fixed`: the configured value stands, whatever is seen.
    """

    __slots__ = (
        "_alike",
        "_all",
        "_blind_from",
        "_blind_until",
        "_compared",
        "_deviation",
        "_fixed",
        "_learned_at",
        "_minutes",
        "_prior_s",
        "_rests_on",
        "_saturated",
        "_saturated_at",
        "_taken",
        "_undone",
        "mean_s",
        "slow_s",
    )

    def __init__(self, prior_s: float | None, now: Instant, *, fixed: bool = False) -> None:
        self._prior_s = ASSUMED_S if prior_s is None else prior_s
        self._fixed = fixed and prior_s is not None
        self._taken = Track(TOLD_WITHIN_S, now, FEW_NOTES)
        self._blind_from = self._blind_until = float("-inf")
        self._undone = 0.0
        self._all = _Sum()
        self._saturated = _Sum()
        self._saturated_at: Instant | None = None
        self._learned_at: Instant | None = None
        self._minutes, self._alike = _Newest(), 0
        self._deviation, self._compared = SPREAD_WEIGHT * SPREAD_PRIOR, SPREAD_WEIGHT
        self.mean_s = self.slow_s = self._prior_s
        """How long a message occupies a slot, on average; and as the last minutes had it, where that is longer."""
        self._rests_on = 0.0

    @property
    def spread(self) -> float:
        """The squared coefficient of variation of processing times."""
        return self._deviation / self._compared

    def estimate(self, now: Instant) -> Estimate:
        if self._fixed:
            return Estimate(self._prior_s, float("inf"))
        age_s = None if self._learned_at is None else max(0.0, now - self._learned_at)
        return Estimate(self.mean_s, self._rests_on, age_s)

    def see(self, held: float, elapsed_s: float, now: Instant) -> None:
        """Since the last reading so many messages were at work, on average."""
        self._taken.add(now, held * elapsed_s)

    def blind(self, since: Instant, until: Instant) -> None:
        """Nobody knows what was at work in between: minutes that it touches teach nothing. Holes are taken for one."""
        if since > self._blind_until + TOLD_WITHIN_S:
            self._blind_from = since
        self._blind_until = until

    def learn(self, minute: Flow) -> None:
        """One more minute as CloudWatch counted it, each once. One in which no task of ours ran is others' work."""
        start = minute.at - MINUTE_S
        if not self._saw(start, minute.at) or minute.tasks == 0 or self._is_fruitless(minute):
            return
        mean_s = self.mean_s
        taken_s = min(self._taken.between(start, minute.at), SURPRISE * (minute.deleted + 1) * mean_s)
        seen = _Sum(taken_s, float(minute.deleted))
        kept = 1.0 - min(FASTEST, minute.deleted / MOST_WEIGHT)
        self._all = self._all.and_(seen, kept)
        if minute.waiting > 0:
            self._saturated = self._saturated.and_(seen, kept)
            self._saturated_at = minute.at
        elif self._saturated_at is not None and minute.at - self._saturated_at > SATURATED_KEPT_S:
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
        self.mean_s, self.slow_s, self._rests_on = mean_s, max(mean_s, slow_s), best.deleted

    def _saw(self, start: Instant, end: Instant) -> bool:
        """What was at work is known for all of that time."""
        if start < self._blind_until and self._blind_from < end:
            return False
        return self._taken.since <= start and end <= self._taken.newest_at

    def _is_fruitless(self, minute: Flow) -> bool:
        """Nothing was deleted where ten messages should have been, in this minute or in all such in a row: the workers,
        or what is behind them, are broken.
        """
        if minute.deleted:
            self._undone = 0.0
            return False
        self._undone += self._taken.between(minute.at - MINUTE_S, minute.at) / self.mean_s
        return minute.received > 0 and self._undone >= 10

    def _best(self) -> _Sum:
        """What saturated minutes had, where that is clearly slower than Little's law has it: then workers prefetch, or
        get in each other's way. Of jobs that spread widely it must be much slower: those that saturate are the long.
        """
        full, every = self._saturated, self._all
        if full.deleted < SHIFTED_DELETIONS or full.taken_s <= 0 or every.taken_s <= 0:
            return every
        slower = log(full.taken_s / full.deleted * every.deleted / every.taken_s)
        return full if slower > REGIME_SIGMAS * sqrt((1 + self.spread) / full.deleted) else every

    def _compare(self) -> None:
        """Over ten minutes the work that was done differs from deletions x mean by the sum of the messages' own
        deviations: its variance is deletions x mean^2 x spread.
        """
        self._alike = min(self._alike + 1, LAG_MINUTES)
        if self._alike < LAG_MINUTES:
            return
        taken_s, deleted = self._minutes.total(LAG_MINUTES)
        off = (taken_s - self.mean_s * deleted) / self.mean_s
        self._deviation = self._deviation * SPREAD_KEPT + off * off
        self._compared = self._compared * SPREAD_KEPT + deleted

    def _shift(self) -> None:
        """Forgets the long mean where the last minutes clearly have another."""
        recent, mean_s = self._minutes.total(RECENT_MINUTES), self.mean_s
        if len(self._minutes) < RECENT_MINUTES or recent.deleted < SHIFTED_DELETIONS or recent.taken_s <= 0:
            return
        apart = abs(log(recent.taken_s / recent.deleted / mean_s))
        if apart > max(SHIFTED_RATIO, SHIFTED_SIGMAS * sqrt((1 + self.spread) / recent.deleted)):
            self._all, self._saturated, self._saturated_at = recent, _Sum(), None
            self._alike = 0
