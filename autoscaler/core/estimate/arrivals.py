"""When the messages of one queue came: known from its counts, since SQS tells no ages.

Between two readings as many have come as there are more, and as have been deleted meanwhile; how many these are is
estimated until CloudWatch has counted the minute. What waits is what came last: SQS hands out the oldest first.
"""

from __future__ import annotations

from autoscaler.core.estimate.track import FEW_NOTES, TOLD_WITHIN_S, Track
from autoscaler.core.knowledge import Some
from autoscaler.core.model import Backlog, Instant

MINUTE_S = 60.0


class Arrivals:
    """One queue's arrivals, remembered for `reach_s`. What waited when the watch began counts as just arrived, or as
    old as CloudWatch says, whichever is older.
    """

    __slots__ = ("_level", "_levels", "_oldest_at", "curve", "held", "waited")

    def __init__(self, reach_s: float, first: Backlog, now: Instant) -> None:
        self.curve = Track(reach_s, now)
        self._levels = Track(TOLD_WITHIN_S, now, FEW_NOTES)
        self._level = first.visible + first.in_flight
        self._oldest_at = now
        self.held = 0.0
        """How many messages our tasks held of it at the last look."""
        self.waited: tuple[Some, ...] = ()
        """What waited when it was last known."""

    def see(self, seen: Backlog, completed: float, now: Instant) -> float:
        """One more reading; `completed`: how many messages have probably been deleted since the last one. Returns how
        many have probably come.
        """
        level = seen.visible + seen.in_flight
        come = max(0.0, level - self._level + completed)
        self.curve.add(now, come)
        self._levels.add(now, float(level - self._level))
        self._level = level
        return come

    def reconcile(self, at: Instant, deleted: float) -> None:
        """CloudWatch has counted what was deleted in the minute that ended at `at`. It says less of what was sent:
        messages that are redriven, purged or delayed come and go without being counted there.
        """
        start = at - MINUTE_S
        if start >= max(self.curve.since, self._levels.since):
            self.curve.correct(start, at, max(0.0, self._levels.between(start, at) + deleted))

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
