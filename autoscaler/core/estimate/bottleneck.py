"""Whether more tasks complete more messages.

A bottleneck behind the workers (a database, an API with a rate limit) makes every message slower as tasks are added.
The learned processing time then rises with the number of tasks, and the plan would add tasks without end. So the
deletions of minutes with different numbers of busy tasks are compared: their elasticity is 1 if twice the tasks
complete twice the messages, and 0 if they complete as many as before.

Only minutes are compared in which messages wait, or in which more have arrived than were deleted: otherwise the
arrivals limit the deletions. A release that is slower for all messages has an elasticity of 1 among such minutes.
"""

from __future__ import annotations

from array import array
from math import inf, log, sqrt
from operator import itemgetter
from statistics import fmean
from typing import NamedTuple

from autoscaler.core.model import Instant

COMPARED_S, MOST_MINUTES = 2400.0, 40
"""Age of the oldest minute that the newest ones are compared with, and the number of stored minutes."""

FEWEST, MORE_TASKS, LEAST_MORE = 5, 1.5, 3.0
"""The fewest minutes that are compared, and how far their busy tasks must differ: as a ratio and as a number."""

NO_GAIN, SOME_GAIN = 0.25, 0.5
"""The elasticity of the deletions below which there is a bottleneck, and above which there is none: with 1, twice the
tasks complete twice the messages; with 0, as many as before.
"""

COLLAPSED_RATIO = 0.5
"""If deletions fall below this share with more tasks, the workers are broken: a bottleneck still lets work through."""

CERTAIN_SIGMAS = 3.0
"""The elasticity must be below `SOME_GAIN` by this number of standard errors."""

GAINED_MINUTES, GAINED_SIGMAS = 10, 2.0
"""The most minutes over which arrivals are compared with deletions, until a surplus is certain: a tenth needs all.
Afterwards the surplus counts until it is less than this number of standard deviations.
"""

MOST_LAG_S = 240.0
"""Messages that are deleted in a minute were begun a processing time before. Longer ones are not compared."""

SLACK_MINUTES = 2
"""Minutes without a backlog or a surplus after which nothing is compared any more."""

RELEASED_MINUTES, RELEASED_RATIO = 2, 1.2
"""The bottleneck is over if the newest minutes delete this multiple of the messages that they deleted before."""

PROBE_AFTER_S, MOST_PROBE_AFTER_S, PROBE_FOR_S = 600.0, 3600.0, 300.0
"""After ten minutes, more tasks are permitted for five minutes, to compare again. While the bottleneck is confirmed,
the time doubles, up to an hour.
"""


SUSPECT_MINUTES, TRIAL_S, TRIAL_RATIO, TRIAL_MORE = 15, 900.0, 2.0, 5.0
"""If messages waited in each of the last 15 minutes before a start, and about as many tasks ran throughout, it is not
known why no more ran: perhaps because more did not help. Then twice as many are tried first, until the minutes with
more tasks are compared with those before, at most 15 minutes. That takes a start-up, a few minutes and CloudWatch's
delay.
"""


class WorkedMinute(NamedTuple):
    """A minute: its end, the mean number of tasks that were busy with its messages, the deletions, and by how many the
    messages in the queues, visible or in flight, became more. `spread`: that of the processing times, as known then.
    """

    at: Instant
    tasks: float
    deleted: float
    gained: float
    spread: float = 1.0


class Bottleneck:
    """Whether the deletions are limited by something else than the tasks."""

    __slots__ = (
        "_counts",
        "_lag_s",
        "_limit",
        "_minutes",
        "_probe_after_s",
        "_probed_at",
        "_rate",
        "_slack",
        "_trial_until",
        "_tried",
    )

    def __init__(self) -> None:
        self._minutes: list[WorkedMinute] = []
        self._counts = array("d")
        self._lag_s = 0.0
        self._limit: float | None = None
        self._rate = 0.0
        self._slack = 0
        self._probed_at: Instant = 0.0
        self._probe_after_s = PROBE_AFTER_S
        self._tried = 0.0
        self._trial_until: Instant = -inf

    def recalled(self, now: Instant) -> None:
        """End the past, whose minutes were added: start a trial if it is not known whether more tasks help."""
        last = self._minutes[-SUSPECT_MINUTES:]
        tasks = [minute.tasks for minute in last]
        if self._limit is None and len(last) == SUSPECT_MINUTES and max(tasks) < MORE_TASKS * min(tasks):
            self._tried, self._trial_until = max(tasks), now + TRIAL_S

    def trial(self, now: Instant) -> float | None:
        """Return the most tasks while it is tried whether more tasks than before a start help (None: no trial)."""
        return self._tried * TRIAL_RATIO + TRIAL_MORE if now < self._trial_until else None

    def lag_s(self, processing_s: float) -> float:
        """Return how long before a minute its messages were begun. While minutes are compared, it is the processing
        time from before: a bottleneck makes it longer.
        """
        if not self._minutes:
            self._lag_s = processing_s
        return min(self._lag_s, MOST_LAG_S)

    def see(self, minute: WorkedMinute, *, saturated: bool) -> None:
        """Add a CloudWatch minute. Minutes are compared while messages wait, or while more have arrived than were
        deleted. Two other minutes end the limit.
        """
        self._counts.extend((minute.deleted, minute.gained))
        del self._counts[: -2 * (MOST_MINUTES if self._minutes else GAINED_MINUTES)]
        sigmas = GAINED_SIGMAS if self._minutes else CERTAIN_SIGMAS
        self._slack = 0 if saturated or _accumulates(self._counts, sigmas) else self._slack + 1
        if self._slack >= SLACK_MINUTES:
            self._minutes, self._limit, self._trial_until = [], None, -inf
        if self._slack >= SLACK_MINUTES or self._lag_s > MOST_LAG_S:
            return
        if not self._minutes and saturated:
            del self._counts[:-2]
        recent = [each for each in self._minutes if minute.at - each.at < COMPARED_S]
        self._minutes = [*recent[-MOST_MINUTES + 1 :], minute]
        if self._limit is not None and self._is_released():
            self._minutes, self._limit = [minute], None
        if minute.at - self._probed_at >= self._probe_after_s + PROBE_FOR_S:
            self._probed_at = minute.at
            self._probe_after_s = min(MOST_PROBE_AFTER_S, 2 * self._probe_after_s)
        self._compare(minute.at)

    def limit(self, now: Instant) -> float | None:
        """Return the number of tasks above which more did not help (None: no bottleneck is known)."""
        probes = 0 <= now - self._probed_at - self._probe_after_s < PROBE_FOR_S
        if self._limit is None or not probes:
            return self._limit
        return max(MORE_TASKS * self._limit, self._limit + LEAST_MORE)

    def _is_released(self) -> bool:
        """Whether the newest minutes delete clearly more than the bottleneck permitted."""
        newest = self._minutes[-RELEASED_MINUTES:]
        rate, spread = fmean([each.deleted for each in newest]), fmean([each.spread for each in newest])
        noise = CERTAIN_SIGMAS * sqrt((1 + spread) * (rate + self._rate) / len(newest))
        return rate > RELEASED_RATIO * self._rate and rate - self._rate > noise

    def _compare(self, now: Instant) -> None:
        """Compare the deletions of minutes with few and with many busy tasks."""
        ranked = sorted([each for each in self._minutes if each.tasks > 0], key=itemgetter(1))
        third = max(2, len(ranked) // 3)
        fewer, more = ranked[:third], ranked[-third:]
        if len(ranked) < FEWEST or more[-1].tasks < max(MORE_TASKS * fewer[0].tasks, fewer[0].tasks + LEAST_MORE):
            return
        rate, most = fmean([each.deleted for each in fewer]), fmean([each.deleted for each in more])
        if min(most, self._minutes[-1].deleted) < COLLAPSED_RATIO * rate:
            return
        gain, error = _elasticity(ranked)
        if gain > SOME_GAIN:
            self._limit, self._trial_until = None, -inf
        elif gain < NO_GAIN and gain + CERTAIN_SIGMAS * error < SOME_GAIN:
            if self._limit is None:
                self._probed_at, self._probe_after_s = now, PROBE_AFTER_S
            enough = max(1.0, fmean([each.tasks for each in fewer]) * most / rate)
            self._limit, self._rate, self._trial_until = min(enough, self._limit or enough), most, -inf


def _accumulates(counts: array[float], sigmas: float) -> bool:
    """Whether clearly more messages arrived than were deleted. `counts`: deletions, surplus of each minute."""
    return sum(counts[1::2]) > sigmas * sqrt(1 + 2 * sum(counts[::2]))


def _elasticity(minutes: list[WorkedMinute]) -> tuple[float, float]:
    """Return the slope of log(deletions) over log(tasks) by least squares, and its standard error.

    The error is that of the scatter around the line, and at least that of counts of messages with such a spread, as it
    was in the minutes with the fewest tasks: a bottleneck makes the times of later minutes differ. `minutes`: at least
    three, with different numbers of tasks, in ascending order of the tasks.
    """
    x, y = [log(each.tasks) for each in minutes], [log(each.deleted + 0.5) for each in minutes]
    mean_x, mean_y = fmean(x), fmean(y)
    squares = sum([(each - mean_x) ** 2 for each in x])
    slope = sum([(at - mean_x) * (value - mean_y) for at, value in zip(x, y, strict=True)]) / squares
    off = [value - mean_y - slope * (at - mean_x) for at, value in zip(x, y, strict=True)]
    scatter = sum([each * each for each in off]) / (len(minutes) - 2)
    spread = fmean([each.spread for each in minutes[: max(2, len(minutes) // 3)]])
    counts = (1 + spread) * fmean([1 / (each.deleted + 0.5) for each in minutes])
    return slope, sqrt(max(scatter, counts) / squares)
