"""The arrival times of the messages of one queue, derived from its counts, since SQS does not report message ages.

The arrivals between two readings are the increase of the count plus the deletions in between. The deletions are
estimated until CloudWatch has counted the minute. The waiting messages are the newest arrivals: SQS delivers roughly
the oldest first.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from math import inf

from autoscaler.core.knowledge import TimedCount
from autoscaler.core.model import Backlog, Instant
from autoscaler.core.signals import MINUTE_LIMIT_S, SAME_MINUTE_S

MINUTE_S = 60.0

PROVEN_S = 120.0
"""Seconds for which an observed deletion proves that messages are being completed. CloudWatch reports deletions once a
minute.
"""

UNPROVEN = 3.0
"""Maximum completions that are assumed without proof. If 3 are expected, none is observed with a probability of e^-3 =
5 %.
"""


class Arrivals:
    """The arrivals of one queue, stored for `reach_s`: longer than the levels and completions that correct them.
    Messages that wait at the first reading count as just arrived, or as old as CloudWatch reports, whichever is older.

    SQS counts do not distinguish one message that is held for an hour from an hour of short messages. Completions are
    therefore assumed only while some are seen: the queue's counts fall, or CloudWatch counts deletions. Messages that
    are held while nothing is deleted count neither as completions nor, because the counts are level, as arrivals.
    """

    __slots__ = (
        "_assumed",
        "_completed_at",
        "_counted_at",
        "_empty_at",
        "_level",
        "_levels",
        "_oldest_at",
        "_rose_at",
        "_short_at",
        "_turnover_at",
        "_uncounted",
        "curve",
        "held",
        "waited",
    )

    def __init__(self, reach_s: float, first: Backlog, now: Instant) -> None:
        self.curve = Track(reach_s, now)
        self._levels = Track(CLOUDWATCH_REACH_S, now, FEW_NOTES)
        self._uncounted = _Uncounted(now)
        self._level = first.visible + first.in_flight
        self._oldest_at = self._short_at = self._empty_at = now
        self._assumed = 0.0
        self._completed_at = self._counted_at = self._rose_at = self._turnover_at = -inf
        self.held = 0.0
        """The messages of this queue that the tasks held at the last poll."""
        self.waited: tuple[TimedCount, ...] = ()
        """The waiting messages at the last reading."""

    def see(self, seen: Backlog, completed: float, now: Instant) -> float:
        """Add a reading. `completed`: the messages that the tasks would have completed since the last reading, by the
        processing time. Returns the estimated number of arrivals.
        """
        level = seen.visible + seen.in_flight
        if not seen.visible:
            self._empty_at = self._oldest_at = now
        if level > self._level:
            self._rose_at = now
        elif level < self._level:
            self._complete(now)
        self._assumed = 0.0 if seen.visible else self._assumed + completed
        if self._assumed > UNPROVEN and now - self._completed_at > PROVEN_S:
            completed = 0.0
        arrived = max(0.0, level - self._level + completed)
        self.curve.add(now, arrived)
        self._levels.add(now, float(level - self._level))
        self._uncounted.add(now, level - self._level, completed)
        self._level = level
        return arrived

    def reconcile(self, at: Instant, deleted: float, now: Instant) -> None:
        """Correct the arrivals with the deletions that CloudWatch counted in the minute that ended at `at`.

        CloudWatch's sent count is less useful: messages that are redriven, purged or delayed appear or disappear
        without being counted there.
        """
        if at - self._counted_at < SAME_MINUTE_S:
            return
        self._counted_at = at
        self._uncounted.count(at)
        if deleted > 0:
            self._complete(now)
        start = max(at - MINUTE_S, self._levels.since)
        if start < at:
            arrived = max(0.0, self._levels.between(start, at) + deleted * (at - start) / MINUTE_S)
            self.curve.correct(start, at, arrived)
            self._turnover_at = at if arrived > 0 else -inf

    def revalue(self, ratio: float) -> None:
        """Correct the estimates when a message takes `1 / ratio` times as long as was assumed.

        The messages that the tasks held since CloudWatch's newest minute are then `ratio` times as many completions.
        They are arrivals as far as the count did not fall by as many. With 100 tasks and 12 s, 83 completions are
        assumed in ten seconds. If the count fell by 500 in that time, none arrived; with 2 s, 500 were completed, and
        still none arrived.
        """
        for at, more in self._uncounted.revalue(ratio):
            self.curve.revise(at, more)

    def arrives(self, now: Instant) -> bool:
        """Whether messages arrived recently: the counts rose within the last minute, or CloudWatch's newest minute had
        more deletions than the counts fell by.
        """
        return now - self._rose_at <= MINUTE_S or now - self._turnover_at <= MINUTE_LIMIT_S

    def gained(self, start: Instant, end: Instant) -> float:
        """Return by how many the messages, visible or in flight, became more in that time."""
        return self._levels.between(start, end)

    def stands(self, short_s: float, lasting_s: float, now: Instant) -> bool:
        """Return whether a standing backlog was seen: for longer than `lasting_s`, at every reading, the oldest waiting
        message has waited for at least `short_s`. A peak that the tasks work off is none. Call it at each reading.
        """
        if not self.waited or self.waited[-1].seconds < short_s:
            self._short_at = now
        return now - self._short_at > lasting_s

    def _complete(self, now: Instant) -> None:
        """Note that messages are being completed, as of now."""
        self._completed_at, self._assumed = now, 0.0

    def waiting(self, seen: Backlog, now: Instant, *, held: bool = False) -> tuple[TimedCount, ...]:
        """Return the waiting messages with their ages, newest first. `held`: messages are held for longer than any
        before, so it is not known whether any completes.

        Messages beyond all arrivals of `curve` wait since CloudWatch's oldest message was sent, or since the last
        reading without a message: messages that are redelivered were not noted as arrivals.

        If held, only arrivals that raised the count are certain. The other messages may have waited since CloudWatch's
        oldest message was sent, or since the last reading without a message. At other times CloudWatch's age says
        nothing about the messages that wait: the oldest message can be in flight.
        """
        if not seen.visible:
            return ()
        *known, (_, older) = self.curve.newest(float(seen.visible))
        ages = [TimedCount(now - at, messages) for at, messages in known]
        if older > 0:
            if seen.oldest_age_s is not None:
                self._oldest_at = min(self._oldest_at, now - seen.oldest_age_s)
            ages.append(TimedCount(now - self._oldest_at, older))
        if held and seen.oldest_age_s is not None:
            sent_at = (now if seen.counted_at is None else seen.counted_at) - seen.oldest_age_s
            ages = _older(ages, self._certain(seen.visible, max(sent_at, self._empty_at), now))
        return tuple(ages)

    def _certain(self, visible: int, since: Instant, now: Instant) -> list[TimedCount]:
        """Return at least the visible messages with their ages, newest first: those that raised the count after
        `since`, and as many more as can be needed, as old as `since`.
        """
        *rises, (oldest_at, _) = self._levels.newest(float(visible))
        since = max(since, oldest_at)
        ages = [TimedCount(now - at, messages) for at, messages in rises if at > since]
        return [*ages, TimedCount(now - since, float(visible))]


def _older(these: list[TimedCount], those: list[TimedCount]) -> list[TimedCount]:
    """Return the messages of `these`, newest first, each with the larger of its ages in both lists. `those` has at
    least as many messages.
    """
    ages, left = [], list(reversed(those))
    for age_s, messages in these:
        rest = messages
        while rest > 0:
            other_s, others = left.pop()
            here = min(rest, others)
            rest -= here
            ages.append(TimedCount(max(age_s, other_s), here))
            if others > here:
                left.append(TimedCount(other_s, others - here))
    return ages


MOST_UNCOUNTED = 256
"""The polls that are stored until CloudWatch counts them, at most, and for at most `CLOUDWATCH_REACH_S`: with a poll
each second, those of four minutes.
"""


class _Uncounted:
    """The polls since the end of CloudWatch's newest minute, each with the change of the count since the poll before
    and the completions that were assumed. Each poll is stored: of a poll that saw arrivals and one whose count fell by
    more than was completed, the sum does not show how many arrived.
    """

    __slots__ = ("_polls", "_since")

    def __init__(self, since: Instant) -> None:
        self._since = since
        self._polls = array("d")
        """For each poll its instant, the change and the completions: one array, as it is stored for each queue."""

    def add(self, at: Instant, change: float, completed: float) -> None:
        if len(self._polls) == 3 * MOST_UNCOUNTED:
            self._forget_first()
        self._forget(at - CLOUDWATCH_REACH_S)
        self._polls.extend((at, change, completed))

    def count(self, until: Instant) -> None:
        """Forget the polls until then. Of the poll in whose time the minute ended, the rest is kept."""
        self._forget(until)
        if self._polls and self._since < until:
            rest = (self._polls[0] - until) / (self._polls[0] - self._since)
            self._polls[1] *= rest
            self._polls[2] *= rest
            self._since = until

    def revalue(self, ratio: float) -> Iterator[tuple[Instant, float]]:
        """Multiply the completions. Yield the polls with the number of arrivals that each has more than before."""
        polls = self._polls
        for index in range(0, len(polls), 3):
            change, before, after = polls[index + 1], polls[index + 2], polls[index + 2] * ratio
            polls[index + 2] = after
            more = max(0.0, change + after) - max(0.0, change + before)
            if more:
                yield polls[index], more

    def _forget(self, until: Instant) -> None:
        while self._polls and self._polls[0] <= until:
            self._forget_first()

    def _forget_first(self) -> None:
        self._since = self._polls[0]
        del self._polls[:3]


# A quantity that accumulates over time, stored as far back as queries need, in bounded memory.
#
# Invariant: the amount within a time span is the sum at its end minus the sum at its start; between two notes the sum
# is interpolated linearly.

NOTES = 128
"""The default number of notes; with their instants 2 KiB."""

CLOUDWATCH_REACH_S, FEW_NOTES = 420.0, 56
"""For data that is compared with CloudWatch's minutes, which are available some minutes late: a note every ten seconds.
"""


class Track:
    """At most `notes` notes of a sum, at ascending instants. `reach_s`: how far back queries can go; the notes are
    spaced so that three quarters of them cover it.
    """

    __slots__ = ("_apart_s", "_instants", "_notes", "_sums")

    def __init__(self, reach_s: float, at: Instant, notes: int = NOTES) -> None:
        self._apart_s = reach_s / (0.75 * notes)
        self._notes = notes
        self._instants = array("d", [at])
        self._sums = array("d", [0.0])

    @property
    def since(self) -> Instant:
        """The oldest stored instant."""
        return self._instants[0]

    @property
    def newest_at(self) -> Instant:
        """The newest noted instant."""
        return self._instants[-1]

    @property
    def total(self) -> float:
        return self._sums[-1]

    def add(self, at: Instant, amount: float) -> None:
        """Add `amount`, which accumulated since the last note."""
        instants, sums = self._instants, self._sums
        total = sums[-1] + amount
        if len(instants) > 1 and at - instants[-2] <= self._apart_s:
            instants[-1], sums[-1] = at, total
            return
        if len(instants) == self._notes:
            del instants[: self._notes // 8], sums[: self._notes // 8]
        instants.append(at)
        sums.append(total)

    def until(self, instant: Instant) -> float:
        """The sum at that instant; before the oldest note, the sum of that note."""
        instants, sums = self._instants, self._sums
        after = bisect_right(instants, instant)
        if after == 0:
            return sums[0]
        if after == len(instants):
            return sums[-1]
        start, begun = instants[after - 1], sums[after - 1]
        return begun + (sums[after] - begun) * (instant - start) / (instants[after] - start)

    def within(self, seconds: float) -> float:
        """The amount within the last `seconds` before the newest note."""
        return self._sums[-1] - self.until(self._instants[-1] - seconds)

    def within_each(self, spans_s: Sequence[float]) -> list[float]:
        """The same for several ascending spans, at once if nothing was added within the longest one."""
        newest_at, total = self._instants[-1], self._sums[-1]
        if self.until(newest_at - spans_s[-1]) == total:
            return [0.0] * len(spans_s)
        return [total - self.until(newest_at - span_s) for span_s in spans_s]

    def between(self, start: Instant, end: Instant) -> float:
        """The amount from `start` to `end`."""
        return self.until(end) - self.until(start)

    def newest(self, amount: float) -> Iterator[tuple[Instant, float]]:
        """Yield the newest parts of the sum up to `amount`, newest first: (the middle between two notes, the amount
        there). The last pair is the oldest instant with the amount before it: 0 if the notes cover everything.
        """
        instants, sums = self._instants, self._sums
        for last in range(len(instants) - 1, 0, -1):
            here = min(amount, sums[last] - sums[last - 1])
            if here > 0:
                amount -= here
                yield (instants[last] + instants[last - 1]) / 2, here
            if amount <= 0:
                break
        yield instants[0], amount

    def revise(self, at: Instant, more: float) -> None:
        """Add `more`, which can be negative, to the amount that was added at the instant `at`. No amount becomes
        negative: if a minute ended between two notes, it is not known exactly how much of it was after the minute.
        """
        first = bisect_left(self._instants, at)
        if first:
            more = max(more, self._sums[first - 1] - self._sums[first])
        for index in range(first, len(self._sums)):
            self._sums[index] += more

    def correct(self, start: Instant, end: Instant, amount: float) -> None:
        """Correct the amount from `start` to `end`: each note in between changes in proportion to what it added, or
        evenly if nothing was noted.
        """
        begun, noted = self.until(start), self.between(start, end)
        error = amount - noted
        if not error or start < self.since:
            return
        instants, sums = self._instants, self._sums
        for index in range(bisect_right(instants, start), len(instants)):
            at = instants[index]
            if at >= end:
                sums[index] += error
            elif noted > 0:
                sums[index] = begun + (sums[index] - begun) * amount / noted
            else:
                sums[index] += error * (at - start) / (end - start)
