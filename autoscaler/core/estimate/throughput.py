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

from autoscaler.core.estimate.arrivals import CLOUDWATCH_REACH_S, FEW_NOTES, MINUTE_S, Track
from autoscaler.core.estimate.readings import OVERFULL_S, Minute, RecentReadings
from autoscaler.core.knowledge import Estimate, Regime
from autoscaler.core.model import Flow, Instant

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

SHIFTED_RATIO, SHIFTED_DELETIONS = 0.2, 30
"""A new release is assumed if the recent mean differs by about 20 % and by several standard errors, with at least 30
deletions.
"""
SLOWER_SIGMAS, FASTER_SIGMAS = 4.0, 6.0
"""Standard errors. If a faster release is recognized late, tasks are idle for some minutes. If a few minutes of short
jobs are taken for one, the next long jobs are late.
"""

REGIME_SIGMAS = 3.0
"""The mean of saturated minutes is used if it is longer than the mean of all minutes by more than this number of
standard errors.
"""

LAG_MINUTES = 10
"""The minutes over which work and deletions are compared to estimate the spread of processing times."""
SPREAD_WEIGHT, SPREAD_DECAY = 100.0, 0.98
"""A spread of 1 is assumed, with the weight of a hundred deletions. What was measured decays by 2 % a minute."""

SATURATED_VALID_S = 3600.0
"""Seconds for which a measurement under saturation takes precedence over Little's law."""


HIDDEN_RATIO, FEW_DELETIONS = 0.3, 5
"""In a saturated minute with at least five deletions, less than 30 % of the slots hold a message: workers delete
messages before they process them. In another minute, at least 30 % of the slots that its deletions need do hold one:
they do not.
"""

NONE_RATIO = 0.05
"""Below this share of the slots, hardly any message is in flight. Long jobs have fewer than five deletions a minute:
such minutes are then counted together, and nothing is learned from them until they have five.
"""

STEADY_RATIO = 1.1
"""A minute with at most 1.1 times the slot-seconds of the minute before shows whether tasks hold messages. Tasks that
have just started load code and data first: with 3 tasks and 12 new ones, a fifth of the slots hold a message.
"""

CERTAIN_DELETIONS = 10
"""Deletions in a saturated minute from which its slot time per deletion is used without the limit `SURPRISE`."""


FAILED_RATIO, FEW_FAILURES = 0.25, 10
"""See `Throughput.fails`. The messages in flight are known at the readings only, which are off by up to a sixth of a
minute's messages at ten seconds.
"""


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

    def scale(self, ratio: float) -> None:
        for index, taken_s in enumerate(self._taken_s):
            self._taken_s[index] = taken_s * ratio

    def total(self, minutes: int) -> _Sum:
        """The sum of the newest `minutes`, or of fewer if fewer are stored."""
        return _Sum(sum(self._taken_s[-minutes:]), sum(self._deleted[-minutes:]))


class Throughput:
    """Learns from the messages in flight of the readings, and from CloudWatch's minutes. `prior_s` None: nothing is
    configured.

    `fixed`: the configured value is used, and measurements are ignored. `ignore_in_flight`: messages in flight are not
    those in progress, as with `count_in_flight` false.
    """

    __slots__ = (
        "_all",
        "_capped",
        "_compared",
        "_deviation",
        "_fixed",
        "_gap_from",
        "_gap_until",
        "_ignore_in_flight",
        "_learned_at",
        "_minutes",
        "_pending",
        "_prior_s",
        "_readings",
        "_same_regime_minutes",
        "_saturated",
        "_saturated_at",
        "_slots",
        "_slots_before_s",
        "_taken",
        "_undone",
        "_unheld",
        "_weight",
        "hides_work",
        "mean_s",
        "regime",
        "slow_s",
    )

    def __init__(
        self, prior_s: float | None, now: Instant, *, fixed: bool = False, ignore_in_flight: bool = False
    ) -> None:
        self._prior_s = ASSUMED_S if prior_s is None else prior_s
        self._fixed = fixed and prior_s is not None
        self._taken = Track(CLOUDWATCH_REACH_S, now, FEW_NOTES)
        self._slots = Track(CLOUDWATCH_REACH_S, now, FEW_NOTES)
        self._readings = RecentReadings()
        self._capped = False
        self._ignore_in_flight = ignore_in_flight
        self.hides_work = ignore_in_flight
        """Whether workers delete messages before they process them, or in-flight counts are ignored."""
        self.regime = Regime.IDLE
        self._gap_from = self._gap_until = float("-inf")
        self._undone = 0.0
        self._unheld = 0
        self._slots_before_s = 0.0
        self._all = _Sum()
        self._saturated = _Sum()
        self._saturated_at: Instant | None = None
        self._learned_at: Instant | None = None
        self._minutes, self._same_regime_minutes = _Newest(), 0
        self._deviation = self._compared = SPREAD_WEIGHT
        self._pending = array("d")  # pairs of values: it is stored for each service
        self.mean_s = self.slow_s = self._prior_s
        """The mean time that a message occupies a slot; and the larger of it and the mean of the last three minutes."""
        self._weight = 0.0

    @property
    def spread(self) -> float:
        """The squared coefficient of variation of processing times."""
        return self._deviation / self._compared

    @property
    def safe_spread(self) -> float:
        """The larger of the spread and the spread with the newest differences, which count as soon as they are known:
        if they are those of a new release, the demand is too large for three minutes. See `_compare`.
        """
        deviation = self._deviation + sum(self._pending[::2])
        return max(self.spread, deviation / (self._compared + sum(self._pending[1::2])))

    def estimate(self, now: Instant) -> Estimate:
        if self._fixed:
            return Estimate(self._prior_s, float("inf"))
        age_s = None if self._learned_at is None else max(0.0, now - self._learned_at)
        return Estimate(self.mean_s, self._weight, age_s)

    def see(
        self,
        held: float,
        slots: float,
        elapsed_s: float,
        now: Instant,
        messages: tuple[int, int],
        *,
        overfull: bool,
    ) -> None:
        """Add a reading: since the last one, on average `held` messages were in progress in `slots` slots. `messages`:
        visible and in flight. `overfull`: more messages are in flight than slots, and none is visible.
        """
        self._taken.add(now, held * elapsed_s)
        self._slots.add(now, slots * elapsed_s)
        self._readings.add(now, *messages, overfull=overfull)

    def minute(self, flow: Flow) -> Minute | None:
        """Return what the readings showed of the minute (None: they do not cover it)."""
        start, end = flow.at - MINUTE_S, flow.at
        if not self._saw(start, end):
            return None
        fewest = max(flow.waiting, self._readings.fewest(start, end))
        overfull = not fewest and self._readings.overfull_s(start, end) >= OVERFULL_S
        gained = self._readings.gained(start, end)
        return Minute(self._taken.between(start, end), self._slots.between(start, end), fewest, overfull, gained)

    def busy(self, start: Instant, end: Instant) -> float:
        """Return the mean number of slots that held a message."""
        return self._taken.between(start, end) / (end - start)

    def resize(self, ratio: float) -> None:
        """The tasks have `ratio` times as many slots as was assumed. If all of them were occupied, a message therefore
        occupies its slot `ratio` times as long, and the throughput of a task stays.
        """
        if self._capped and ratio != 1:
            self._all = _Sum(self._all.taken_s * ratio, self._all.deleted)
            self._saturated = _Sum(self._saturated.taken_s * ratio, self._saturated.deleted)
            self._minutes.scale(ratio)
            self._sum_up()

    def skipped(self, since: Instant, until: Instant) -> None:
        """Mark a time without readings: minutes that overlap it are ignored. Nearby gaps are merged into one."""
        if since > self._gap_until + CLOUDWATCH_REACH_S:
            self._gap_from = since
        self._gap_until = until

    def learn(self, read: Minute, minute: Flow, weight: float = 1.0) -> None:
        """Add one CloudWatch minute and what was seen of it. Call it once per minute. A minute in which no task ran is
        ignored: other consumers did that work. `weight`: of its deletions, below 1 if it was sampled more rarely than
        by the daemon's readings.
        """
        if minute.tasks == 0 or self._is_fruitless(read, minute):
            return
        taken_s = self._taken_in(read, minute)
        if taken_s is None:
            return
        if not (read.saturated and minute.deleted >= CERTAIN_DELETIONS):
            taken_s = min(taken_s, SURPRISE * (minute.deleted + 1) * self.mean_s)
        seen = _Sum(weight * taken_s, weight * minute.deleted)
        decay = 1.0 - min(FASTEST, seen.deleted / MOST_WEIGHT)
        self._all = self._all.plus(seen, decay)
        if read.saturated:
            self._saturated = self._saturated.plus(seen, decay)
            self._saturated_at = minute.at
        elif self._saturated_at is not None and minute.at - self._saturated_at > SATURATED_VALID_S:
            self._saturated, self._saturated_at = _Sum(), None
        self._minutes.add(seen)
        if minute.deleted:
            self._learned_at = minute.at
        self._sum_up()
        if weight == 1.0:
            self._compare()
        self._shift()
        self._sum_up()

    def recalled(self, until: Instant) -> None:
        """End the past: the daemon's own readings follow the instant `until`. The mean of the last three minutes is
        that of three samples, so it says little: the long-term mean counts until the readings cover new minutes.
        """
        self._taken = Track(CLOUDWATCH_REACH_S, until, FEW_NOTES)
        self._slots = Track(CLOUDWATCH_REACH_S, until, FEW_NOTES)
        self._minutes, self._same_regime_minutes = _Newest(), 0
        self._sum_up()

    def _taken_in(self, read: Minute, minute: Flow) -> float | None:
        """Return the slot-seconds of the minute's deletions (None: the minute shows nothing), and note the regime."""
        if not self._ignore_in_flight and not self._sees_work(read, minute):
            return None
        self._capped = self.hides_work or read.overfull or read.taken_s >= 0.95 * read.slots_s
        if self.hides_work:
            self.regime = Regime.EARLY_ACK
            return read.slots_s if read.saturated else None
        if read.overfull:
            self.regime = Regime.UNIDENTIFIABLE
            return min(read.taken_s, read.slots_s)
        self.regime = Regime.SATURATED if read.saturated else Regime.IDLE
        return read.taken_s

    def _sees_work(self, read: Minute, minute: Flow) -> bool:
        """Find out whether workers delete messages before they process them. Return whether the minute shows anything.

        A minute with waiting messages is evidence only if its tasks ran before: those that have just started hold
        nothing yet. In other minutes, messages in flight in proportion to the deletions contradict it.
        """
        none_in_flight = read.taken_s < NONE_RATIO * read.slots_s
        hides, enough = self.hides_work, minute.deleted >= FEW_DELETIONS
        if not read.saturated:
            due_s = min(read.slots_s, minute.deleted * self.mean_s)
            hides = hides and not (enough and read.taken_s >= HIDDEN_RATIO * due_s)
        elif MINUTE_S <= read.slots_s <= STEADY_RATIO * self._slots_before_s:
            self._unheld = minute.deleted + (self._unheld if none_in_flight else 0)
            if self._unheld >= FEW_DELETIONS:
                hides = read.taken_s < HIDDEN_RATIO * read.slots_s
        self._slots_before_s = read.slots_s
        if hides != self.hides_work:  # what was learned before is wrong
            self.hides_work = hides
            self._all, self._saturated, self._minutes = _Sum(), _Sum(), _Newest()
        return hides or not (read.saturated and none_in_flight)

    def fails(self, read: Minute, minute: Flow) -> bool:
        """Whether messages failed in the minute: a quarter of those received, and at least ten, are neither deleted nor
        still in flight; or at least ten deletions were expected, and there was none.
        """
        returned = minute.received - minute.deleted - read.gained
        return self._undone >= FEW_FAILURES or returned >= max(FEW_FAILURES, FAILED_RATIO * minute.received)

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

    def _is_fruitless(self, read: Minute, minute: Flow) -> bool:
        """Whether nothing was deleted although at least ten deletions were expected, in this minute or in consecutive
        minutes without deletions: the workers, or a system behind them, are broken.
        """
        if minute.deleted:
            self._undone = 0.0
            return False
        self._undone += read.taken_s / self.mean_s
        return minute.received > 0 and self._undone >= FEW_FAILURES

    def _best(self) -> _Sum:
        """Return the sums of saturated minutes if their mean is clearly longer than that of all minutes (Little's law):
        workers then prefetch, or slow each other down. If processing times spread widely, the difference must be
        larger, because long jobs cause saturation.
        """
        full, every = self._saturated, self._all
        if full.deleted < SHIFTED_DELETIONS or full.taken_s <= 0:
            return every
        slower = log(full.taken_s / full.deleted * every.deleted / every.taken_s)
        return full if slower > REGIME_SIGMAS * sqrt((1 + self.spread) / full.deleted) else every

    def _compare(self) -> None:
        """Update the spread. Over ten minutes the work done differs from deletions x mean by the sum of the messages'
        own deviations; its variance is deletions x mean^2 x spread.

        The difference counts three minutes later, unless a new release was found until then. In its first minutes the
        work differs because the mean changes: if 600 messages a minute take 20 s and no longer 10 s, the work of ten
        minutes differs by that of 500 messages, as if the spread were 500^2 / 6000 = 42.
        """
        self._same_regime_minutes += 1
        if self._same_regime_minutes < LAG_MINUTES:
            return
        taken_s, deleted = self._minutes.total(LAG_MINUTES)
        off = (taken_s - self.mean_s * deleted) / self.mean_s
        self._pending.extend((off * off, deleted))
        if len(self._pending) > 2 * RECENT_MINUTES:
            self._deviation = self._deviation * SPREAD_DECAY + self._pending[0]
            self._compared = self._compared * SPREAD_DECAY + self._pending[1]
            del self._pending[:2]

    def _shift(self) -> None:
        """Replace the long-term mean by the mean of the last three minutes if the two differ clearly."""
        recent, mean_s = self._minutes.total(RECENT_MINUTES), self.mean_s
        if len(self._minutes) < RECENT_MINUTES or recent.deleted < SHIFTED_DELETIONS or recent.taken_s <= 0:
            return
        slower = log(recent.taken_s / recent.deleted / mean_s)
        sigmas = SLOWER_SIGMAS if slower > 0 else FASTER_SIGMAS
        if abs(slower) > max(SHIFTED_RATIO, sigmas * sqrt((1 + self._limited_spread) / recent.deleted)):
            self._all, self._saturated, self._saturated_at = recent, _Sum(), None
            self._same_regime_minutes = -RECENT_MINUTES  # the three minutes can include one of the old release
            del self._pending[:]

    @property
    def _limited_spread(self) -> float:
        """The spread with the newest differences, each limited to two standard deviations: with jobs of very different
        times it is then wide soon enough, and a new release hardly widens it.
        """
        spread, deviation, compared = self.spread, self._deviation, self._compared
        for off_squared, deleted in zip(self._pending[::2], self._pending[1::2], strict=True):
            deviation += min(off_squared, 4 * (1 + spread) * deleted)
            compared += deleted
        return max(spread, deviation / compared)
