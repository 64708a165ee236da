"""How many tasks the message groups of a FIFO queue can keep busy.

While a message of a group is in flight, no task receives another message of that group. With few active groups, tasks
are therefore idle while messages wait, and more tasks receive no message earlier. A receive can return up to ten
messages of one group, so the messages in flight do not show how many tasks are busy: CloudWatch's number of groups in
flight does, one minute at a time.
"""

from __future__ import annotations

from collections import deque
from math import ceil, inf, sqrt

from autoscaler.core.estimate.arrivals import CLOUDWATCH_REACH_S, FEW_NOTES, MINUTE_S, Track
from autoscaler.core.knowledge import TimedCount
from autoscaler.core.model import Backlog, Instant

IDLE_S = 180.0
"""Seconds in which messages wait although tasks are idle, after which the groups limit the tasks, and the time between
two reductions. CloudWatch's minute of that time is known by then.
"""

HOLD_S = 30.0
"""The same, after which no more tasks are requested: tasks that have just started receive within seconds."""

PAUSE_S = 60.0
"""Seconds without a reading of idle tasks and waiting messages after which such a time is over."""

FULL_READINGS = 2
"""Consecutive readings without an idle task that end the limit: one can be an error of SQS's approximate counts."""

PROBE = 1
"""The tasks that are permitted in addition to the groups in flight, to find out whether there are more groups."""

STEP_RATIO = 0.5
"""The share of the tasks that a reduction keeps at least, so that an error shows before much is lost."""

FEWER_RATIO, FEWER_SIGMAS = 0.75, 3.0
"""The reduction was wrong if the next minute has fewer deletions than this share of those before, by more than this
number of standard deviations: the tasks were not idle, but between two receives of short messages.
"""

WRONG_S = 900.0
"""Seconds without a limit after a wrong reduction."""

ORDER_S = 300.0
"""Seconds for which readings are stored, until CloudWatch has the minute."""


class GroupOrder:
    """By how much longer the oldest message of a FIFO queue waits than in the order of arrival.

    A message waits for all earlier ones of its group. With 40 groups and a few tasks that receive ten messages of a
    group at once, some groups are overtaken by others: where the messages of standard queues wait for up to 200 s,
    those of a FIFO queue wait for up to 350 s. CloudWatch's oldest message shows it, a minute later.
    """

    __slots__ = ("_at", "_oldest", "extra_s")

    def __init__(self) -> None:
        self._oldest: deque[tuple[Instant, float]] = deque()
        self._at: Instant = -inf
        self.extra_s = 0.0

    def see(self, counts: Backlog, waiting: tuple[TimedCount, ...], held_s: float, now: Instant) -> None:
        """Add a reading. `waiting`: in the order of arrival. `held_s`: for how long messages are in flight, at most:
        the oldest message can be in flight, and does not wait any more.
        """
        self._oldest.append((now, waiting[-1].seconds if waiting else 0.0))
        while self._oldest[0][0] < now - ORDER_S:
            self._oldest.popleft()
        end, age_s = counts.counted_at, counts.oldest_age_s
        if end is None or end <= self._at:
            return
        self._at, self.extra_s = end, 0.0
        known = [oldest_s for at, oldest_s in self._oldest if end - MINUTE_S <= at <= end]
        if age_s is not None and known and min(known) > 0:
            self.extra_s = max(0.0, age_s - held_s - max(known))

    def ordered(self, waiting: tuple[TimedCount, ...]) -> tuple[TimedCount, ...]:
        """Return the waiting messages with ages up to that of the oldest one, in proportion."""
        if not waiting or not waiting[-1].seconds:
            return waiting
        ratio = 1 + self.extra_s / waiting[-1].seconds
        return tuple(TimedCount(ratio * age_s, messages) for age_s, messages in waiting)


class MessageGroups:
    """Sees the readings of all queues of a service while they are FIFO queues. Tasks are counted in slots."""

    __slots__ = (
        "_before",
        "_cap",
        "_counted_at",
        "_full",
        "_groups",
        "_held",
        "_idle_at",
        "_idle_since",
        "_per_group",
        "_rate",
        "_stepped_at",
        "_wrong_until",
    )

    def __init__(self, now: Instant) -> None:
        self._held = Track(CLOUDWATCH_REACH_S, now, FEW_NOTES)
        self._per_group = 1.0
        self._groups: int | None = None
        self._counted_at: Instant = -inf
        self._idle_since: Instant | None = None
        self._idle_at: Instant = -inf
        self._full = 0
        self._cap: float | None = None
        self._stepped_at: Instant = -inf
        self._rate: float | None = None
        self._before: float | None = None
        self._wrong_until: Instant = -inf

    @property
    def per_group(self) -> float:
        """The messages of a group that are in flight at once, on average."""
        return self._per_group

    @property
    def limit(self) -> float | None:
        """The most slots that the groups can use, and a probe (None: no limit is known)."""
        return self._cap

    def see(self, visible: int, in_flight: int, slots: int, elapsed_s: float, now: Instant) -> None:
        """Add a reading."""
        self._held.add(now, in_flight * elapsed_s)
        busy = in_flight / self._per_group
        is_full = slots > 0 and busy >= slots
        self._full = self._full + 1 if is_full else 0
        if visible > 0 and not is_full and slots > 0:
            self._idle_since = now if self._idle_since is None else self._idle_since
            self._idle_at = now
        if self._full >= FULL_READINGS or now - self._idle_at > PAUSE_S:
            self._idle_since, self._cap, self._before = None, None, None
            return
        self._reduce(busy, slots, now)

    def count(self, at: Instant, groups: int, deleted: int | None) -> None:
        """Add CloudWatch's groups in flight and deletions of the minute that ended at `at`, each minute once."""
        if at - self._counted_at < MINUTE_S / 2:
            return
        self._counted_at, self._groups = at, groups
        if groups > 0 and at - MINUTE_S >= self._held.since:
            self._per_group = max(1.0, self._held.between(at - MINUTE_S, at) / MINUTE_S / groups)
        before, self._rate = self._before, None if deleted is None else float(deleted)
        if deleted is None or before is None or at - MINUTE_S < self._stepped_at:
            return
        self._before = None
        if deleted < FEWER_RATIO * before and before - deleted > FEWER_SIGMAS * sqrt(before + deleted):
            self._cap, self._idle_since, self._wrong_until = None, None, at + WRONG_S

    def _reduce(self, busy: float, slots: int, now: Instant) -> None:
        """Lower the limit towards the groups in flight, or raise it to them."""
        since = self._idle_since
        if since is None or self._groups is None or now < self._wrong_until:
            return
        needed = ceil(max(self._groups, busy)) + PROBE
        if self._cap is not None and needed > self._cap:
            self._cap = float(needed)
        if self._cap is None and now - since >= HOLD_S:
            self._cap = float(max(needed, slots))
        known = now - since >= IDLE_S and self._counted_at - MINUTE_S >= since
        if known and needed < slots and now - self._stepped_at >= IDLE_S:
            self._cap = float(max(needed, ceil(STEP_RATIO * slots)))
            self._stepped_at, self._before = now, self._rate
