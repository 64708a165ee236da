"""When the messages of one queue came: known from its counts, since SQS tells no ages.

Between two readings as many have come as there are more, and as have been deleted meanwhile; how many these are is
estimated until CloudWatch has counted the minute. What waits is what came last: SQS hands out the oldest first.
"""

from __future__ import annotations

from math import inf

from autoscaler.core.estimate.track import FEW_NOTES, TOLD_WITHIN_S, Track
from autoscaler.core.knowledge import Some
from autoscaler.core.model import Backlog, Instant
from autoscaler.core.signals import MINUTE_LIMIT_S, SAME_MINUTE_S

MINUTE_S = 60.0

PROVEN_S = 120.0
"""A deletion that was seen proves for this long that messages are being completed: CloudWatch shows one each minute."""

UNPROVEN = 3.0
"""Completions that are assumed without proof. Of as many that really happen, all stay unseen in e^-3 = 5 % of cases."""


class Arrivals:
    """One queue's arrivals, remembered for `reach_s`. What waited when the watch began counts as just arrived, or as
    old as CloudWatch says, whichever is older.

    SQS does not tell a message that is held for an hour from an hour of short ones that come and go. Completions are
    assumed only while some are seen: the queue's counts fall, or CloudWatch counts deletions. Messages that are held
    with nothing deleted are neither completions nor, since the counts stay level, arrivals.
    """

    __slots__ = (
        "_assumed",
        "_completed_at",
        "_counted_at",
        "_guessed",
        "_level",
        "_levels",
        "_oldest_at",
        "_rose_at",
        "_turnover_at",
        "curve",
        "held",
        "waited",
    )

    def __init__(self, reach_s: float, first: Backlog, now: Instant) -> None:
        self.curve = Track(reach_s, now)
        self._levels = Track(TOLD_WITHIN_S, now, FEW_NOTES)
        self._guessed = Track(TOLD_WITHIN_S, now, FEW_NOTES)
        self._level = first.visible + first.in_flight
        self._oldest_at = now
        self._assumed = 0.0
        self._completed_at = self._counted_at = self._rose_at = self._turnover_at = -inf
        self.held = 0.0
        """How many messages our tasks held of it at the last look."""
        self.waited: tuple[Some, ...] = ()
        """What waited when it was last known."""

    def see(self, seen: Backlog, completed: float, now: Instant) -> float:
        """One more reading; `completed`: how many messages our tasks would have completed since the last one, by what
        one takes. Returns how many have probably come.
        """
        level = seen.visible + seen.in_flight
        if level > self._level:
            self._rose_at = now
        elif level < self._level:
            self._complete(now)
        self._assumed = 0.0 if seen.visible else self._assumed + completed
        if self._assumed > UNPROVEN and now - self._completed_at > PROVEN_S:
            completed = 0.0
        come = max(0.0, level - self._level + completed)
        self.curve.add(now, come)
        self._levels.add(now, float(level - self._level))
        self._guessed.add(now, completed)
        self._level = level
        return come

    def reconcile(self, at: Instant, deleted: float, now: Instant) -> None:
        """CloudWatch has counted what was deleted in the minute that ended at `at`. It says less of what was sent:
        messages that are redriven, purged or delayed come and go without being counted there.
        """
        if at - self._counted_at < SAME_MINUTE_S:
            return
        self._counted_at = at
        if deleted > 0:
            self._complete(now)
        start = max(at - MINUTE_S, self.curve.since, self._levels.since)
        if start < at:
            come = max(0.0, self._levels.between(start, at) + deleted * (at - start) / MINUTE_S)
            self.curve.correct(start, at, come)
            self._turnover_at = at if come > 0 else -inf

    def revalue(self, ratio: float) -> None:
        """A message turns out to take `1 / ratio` times as long as was assumed: what our tasks held since the newest
        minute that CloudWatch counted is so many times fewer completions, and so many times fewer arrivals. Otherwise
        messages that never came would be multiplied by the longer time.
        """
        start, end = max(self._counted_at, self.curve.since, self._guessed.since), self.curve.newest_at
        guessed = self._guessed.between(start, end)
        if guessed > 0:
            self.curve.correct(start, end, max(0.0, self.curve.between(start, end) + guessed * (ratio - 1)))
            self._guessed.correct(start, end, guessed * ratio)

    def arrives(self, now: Instant) -> bool:
        """Whether messages arrived lately: the counts rose within the last minute, or CloudWatch's newest minute had
        more deletions than the counts fell by.
        """
        return now - self._rose_at <= MINUTE_S or now - self._turnover_at <= MINUTE_LIMIT_S

    def _complete(self, now: Instant) -> None:
        """Messages are being completed, as of now."""
        self._completed_at, self._assumed = now, 0.0

    def waiting(self, seen: Backlog, now: Instant) -> tuple[Some, ...]:
        """The messages that wait, newest first, with their ages."""
        if not seen.visible:
            return ()
        *known, (since, older) = self.curve.newest(float(seen.visible))
        ages = [Some(now - at, messages) for at, messages in known]
        if older <= 0:
            return tuple(ages)
        if seen.oldest_age_s is not None:
            self._oldest_at = min(self._oldest_at, now - seen.oldest_age_s)
        return (*ages, Some(now - min(since, self._oldest_at), older))
