"""Whether more tasks complete more messages.

A bottleneck behind the workers (a database, an API with a rate limit) makes every message slower as tasks are added.
The learned processing time then rises with the number of tasks, and the plan would add tasks without end. A release
that is slower for all messages also makes the processing time rise, but more tasks do help. The deletions show which of
the two it is (`likelihood.py`).

Only minutes are compared in which messages wait, or in which more have arrived than were deleted: otherwise the
arrivals limit the deletions.
"""

from __future__ import annotations

from array import array
from math import inf, log, sqrt
from statistics import fmean, median
from typing import NamedTuple

from autoscaler.core.estimate.arrivals import MINUTE_S
from autoscaler.core.estimate.likelihood import (
    CERTAIN_NATS,
    FEWEST,
    LEANING_NATS,
    LOW_RATIO,
    MOST_LAG_MINUTES,
    evidence,
)
from autoscaler.core.model import Instant

MOST_MINUTES = 40
"""The most minutes that are compared."""

MOST_GAP_S = 180.0
"""Minutes further apart than this are not compared: how many tasks worked in between is not known."""

REFERENCE_MINUTES = 30
"""The minutes before those that are compared. The median processing time of them is that without a bottleneck, and
the widest spread shows how much deletions can scatter.
"""

PROBE_RATIO, PROBE_MORE = 1.5, 3.0
"""The tasks of a test, as a ratio of the limit and as more tasks; at most twice the limit, and at least one more."""

COLLAPSED_RATIO = 0.5
"""If deletions fall below this share of their mean, the workers are broken: a bottleneck still lets work through."""

CERTAIN_SIGMAS = 3.0
"""Arrivals exceed the deletions, and the newest minutes delete more than before, by this number of standard deviations.
"""

GAINED_MINUTES, GAINED_SIGMAS = 10, 2.0
"""The most minutes over which arrivals are compared with deletions, until a surplus is certain: a tenth needs all.
Afterwards the surplus counts until it is less than this number of standard deviations.
"""

SLACK_MINUTES = 2
"""Minutes without a backlog or a surplus after which nothing is compared any more."""

RELEASED_MINUTES, RELEASED_RATIO = 2, 1.2
"""The bottleneck is over if the newest minutes delete this multiple of the messages that they deleted before."""

PROBE_AFTER_S, MOST_PROBE_AFTER_S, PROBE_FOR_S = 600.0, 3600.0, 300.0
"""After ten minutes, more tasks are permitted for five minutes, to compare again. While the bottleneck is confirmed,
the time doubles, up to an hour.
"""


SUSPECT_MINUTES, SUSPECT_RATIO, TRIAL_S, TRIAL_RATIO, TRIAL_MORE = 15, 1.5, 900.0, 2.0, 5.0
"""If messages waited in each of the last 15 minutes before a start, and about as many tasks ran throughout, it is not
known why no more ran: perhaps because more did not help. Then twice as many are tried first, until the minutes with
more tasks are compared with those before, at most 15 minutes. That takes a start-up, a few minutes and CloudWatch's
delay.
"""


TEST_RATIO, LEAST_TEST_RATIO, TEST_MORE = 4 / 3, 1.2, 1.0
"""The tasks of a test of more tasks: a third more than the present ones, but not more than twice those that a
bottleneck would support. It is at least a fifth more and one more, because fewer tasks show too little. The limit of
twice applies from 1.5 times as long messages on: such a bottleneck supports two thirds of the present tasks.
"""

SLOWER_RATIO, SLOWEST_RATIO = 1.2, 2.0
"""A test begins only if messages take 1.2 to 2 times as long as before: at the time from before, the tasks would have
deleted that many times the messages. With less, more tasks are hardly needed. With more, there are already more than
twice the tasks that a bottleneck would support, and far more are required soon: they show whether they help.
"""


class WorkedMinute(NamedTuple):
    """A minute: its end, the mean number of tasks that were busy, the deletions, and by how many the messages in the
    queues, visible or in flight, became more. As known then: `spread`, that of the processing times, and `task_s`, the
    task-seconds of a message (infinite: not known yet).
    """

    at: Instant
    tasks: float
    deleted: float
    gained: float
    spread: float = 1.0
    task_s: float = inf


class Bottleneck:
    """Whether the deletions are limited by something else than the tasks."""

    __slots__ = (
        "_compared",
        "_counts",
        "_deleted",
        "_leaning",
        "_leaning_at",
        "_limit",
        "_limited_for",
        "_newest_at",
        "_probe_after_s",
        "_probed_at",
        "_rate",
        "_slack",
        "_slower_for",
        "_spreads",
        "_tasks",
        "_test",
        "_test_ended",
        "_times_s",
        "_trial_until",
        "_tried",
        "_tried_at",
        "_widths",
    )

    def __init__(self) -> None:
        self._tasks, self._deleted = array("d"), array("d")
        self._newest_at: Instant = -inf
        self._spreads = (1.0, 1.0)
        self._compared = 0
        self._counts = array("d")
        self._times_s, self._widths = array("d"), array("d")
        self._leaning: float | None = None
        self._leaning_at: Instant = 0.0
        self._limit: float | None = None
        self._limited_for = 0
        self._rate = 0.0
        self._slack = self._slower_for = 0
        self._probed_at: Instant = 0.0
        self._probe_after_s = PROBE_AFTER_S
        self._tried = 0.0
        self._trial_until: Instant = -inf
        self._test: float | None = None
        self._test_ended = False
        self._tried_at: Instant = 0.0

    def recalled(self, now: Instant) -> None:
        """End the past, whose minutes were added: start a trial if it is not known whether more tasks help."""
        tasks = self._tasks[-SUSPECT_MINUTES:]
        steady = self._compared >= SUSPECT_MINUTES and max(tasks) < SUSPECT_RATIO * min(tasks)
        if self._limit is None and steady:
            self._tried, self._trial_until = max(tasks), now + TRIAL_S

    def trial(self, now: Instant) -> float | None:
        """Return the most tasks while it is not known whether more help: after a start, and while the deletions make a
        bottleneck likely (None: no such limit). It never scales in. With constant tasks little is learned, so some more
        are permitted after ten minutes.
        """
        if now < self._trial_until:
            return self._tried * TRIAL_RATIO + TRIAL_MORE
        if self._leaning is None:
            return None if self._test is None else max(self._test, self._arriving())
        if now - self._leaning_at < PROBE_AFTER_S:
            return self._leaning
        if self._test is not None or self._test_ended:
            return max(LEAST_TEST_RATIO * self._leaning, self._leaning + TEST_MORE)
        return max(PROBE_RATIO * self._leaning, self._leaning + PROBE_MORE)

    @property
    def test(self) -> float | None:
        """The number of tasks with which it is found out whether more tasks help (None: no test)."""
        return self._test

    def see(self, minute: WorkedMinute, *, saturated: bool, slots: float = 1.0) -> None:
        """Add a CloudWatch minute. Minutes are compared while messages wait, or while more have arrived than were
        deleted. Two other minutes end the limit. `slots`: the messages that a task processes at once.
        """
        self._counts.extend((minute.deleted, minute.gained))
        del self._counts[: -2 * (MOST_MINUTES if self._compared else GAINED_MINUTES)]
        sigmas = GAINED_SIGMAS if self._compared else CERTAIN_SIGMAS
        self._slack = 0 if saturated or _accumulates(self._counts, sigmas) else self._slack + 1
        self._store(minute)
        if self._slack >= SLACK_MINUTES:
            self._end()
            return
        if not self._compared and saturated:
            del self._counts[:-2]
        self._compared = min(self._compared + 1, MOST_MINUTES)
        if self._limit is not None and self._is_released():
            self._compared, self._limit = 1, None
        if minute.at - self._probed_at >= self._probe_after_s + PROBE_FOR_S:
            self._probed_at = minute.at
            self._probe_after_s = min(MOST_PROBE_AFTER_S, 2 * self._probe_after_s)
        self._compare(minute.at, slots)
        self._see_test(minute.at)

    def skip(self) -> None:
        """Note a minute in which messages failed: it is not known how many tasks were busy, or how much they
        completed. The minutes before it are no longer compared.
        """
        self._slack += 1
        self._compared, self._leaning = 0, None
        self._end_test()
        del self._tasks[:], self._deleted[:], self._counts[:]
        if self._slack >= SLACK_MINUTES:
            self._end()

    def _end(self) -> None:
        self._compared, self._limit, self._leaning, self._trial_until = 0, None, None, -inf
        self._test, self._test_ended = None, False

    def _end_test(self) -> None:
        self._test, self._test_ended = None, True

    def _store(self, minute: WorkedMinute) -> None:
        """Add the minute to those before, which are consecutive. The time and the spread of a message are those before
        anything was compared.
        """
        if minute.at - self._newest_at > MOST_GAP_S:
            self._tasks, self._deleted, self._compared = array("d"), array("d"), 0
        self._newest_at = minute.at
        self._tasks.append(minute.tasks)
        self._deleted.append(minute.deleted)
        del self._tasks[: -MOST_MINUTES - MOST_LAG_MINUTES], self._deleted[: -MOST_MINUTES - MOST_LAG_MINUTES]
        self._spreads = (self._spreads[1], minute.spread)
        self._limited_for += 1
        as_before = minute.tasks * MINUTE_S / self._task_s if self._times_s else 0.0
        self._slower_for = self._slower_for + 1 if minute.deleted < as_before else 0
        self._test_ended &= self._slower_for > 0
        if not self._compared or minute.task_s <= SLOWER_RATIO * self._task_s:
            self._times_s.append(minute.task_s)
            del self._times_s[:-REFERENCE_MINUTES]
        if not self._compared:
            self._widths.append(minute.spread)
            del self._widths[:-REFERENCE_MINUTES]

    @property
    def _task_s(self) -> float:
        """The task-seconds of a message without a bottleneck (infinite: not known)."""
        return median(self._times_s)

    def limit(self, now: Instant) -> float | None:
        """Return the number of tasks above which more did not help (None: no bottleneck is known)."""
        probes = 0 <= now - self._probed_at - self._probe_after_s < PROBE_FOR_S
        if self._limit is None or not probes:
            return self._limit
        return max(PROBE_RATIO * self._limit, min(2 * self._limit, self._limit + PROBE_MORE))

    def _is_released(self) -> bool:
        """Whether the newest minutes delete clearly more than the bottleneck permitted."""
        newest = self._deleted[-RELEASED_MINUTES:]
        rate, spread = fmean(newest), fmean(self._spreads[-len(newest) :])
        noise = CERTAIN_SIGMAS * sqrt((1 + spread) * (rate + self._rate) / len(newest))
        return rate > RELEASED_RATIO * self._rate and rate - self._rate > noise

    def _is_refuted(self, dispersion: float) -> bool:
        """Whether fewer tasks have completed fewer messages since the limit began: it is not the bottleneck's."""
        if not self._limited_for:
            return False
        tasks, deleted = self._tasks[-self._limited_for :], self._deleted[-self._limited_for :]
        if tasks[-1] >= tasks[0]:
            return False
        mean = fmean(tasks)
        nats = sum([more * log(mean / count) for count, more in zip(tasks, deleted, strict=True) if count > 0])
        return nats <= -LEANING_NATS * dispersion

    def _see_test(self, now: Instant) -> None:
        """Begin or end a test whether more tasks help, if messages take longer than before and accumulate.

        Otherwise more and more tasks are required from when the latency target is at risk, and only then it is found
        out. A test comes before, and no more tasks are requested until it is known.
        """
        if self._limit is not None or self._test_ended:
            return
        if self._test is not None:
            if now - self._tried_at >= TRIAL_S:
                self._end_test()
        elif minutes := self._slower_minutes():
            tasks = self._test_tasks(minutes)
            if self._is_informative(minutes, tasks):
                self._test, self._tried_at = tasks, now

    def _slower_minutes(self) -> int:
        """Return for how many minutes about the same number of tasks has deleted clearly fewer messages than at the
        time from before, while messages accumulated (0: not for five).
        """
        task_s, dispersion = self._task_s, 1 + max(self._widths)
        fewest, most, worked, deleted, found = inf, 0.0, 0.0, 0.0, 0
        for minutes in range(1, min(self._compared, self._slower_for) + 1):
            tasks = self._tasks[-minutes]
            fewest, most = min(fewest, tasks), max(most, tasks)
            if most > LOW_RATIO * fewest:
                break
            worked, deleted = worked + tasks, deleted + self._deleted[-minutes]
            expected = worked * MINUTE_S / task_s
            clearly = deleted + CERTAIN_SIGMAS * sqrt(dispersion * expected)
            accumulates = _accumulates(self._counts[-2 * minutes :], CERTAIN_SIGMAS)
            is_slower = max(SLOWER_RATIO * deleted, clearly) < expected <= SLOWEST_RATIO * deleted
            if minutes >= FEWEST and accumulates and is_slower:
                found = minutes
        return found

    def _arriving(self) -> float:
        """Return the tasks that the newest arrivals keep busy at the time from before, whatever caused a longer one."""
        return sum(self._counts[-2 * FEWEST :]) / FEWEST * self._task_s / MINUTE_S

    def _test_tasks(self, minutes: int) -> float:
        """Return the tasks of a test: at most twice those that the bottleneck supports, if it is one."""
        tasks = max(self._tasks[-minutes:])
        supported = fmean(self._deleted[-minutes:]) * self._task_s / MINUTE_S
        return max(tasks + TEST_MORE, LEAST_TEST_RATIO * tasks, min(TEST_RATIO * tasks, 2 * supported))

    def _is_informative(self, minutes: int, tasks: float) -> bool:
        """Whether as many minutes with these tasks would show a bottleneck for certain."""
        deleted, ratio = sum(self._deleted[-minutes:]), tasks / max(self._tasks[-minutes:])
        nats = deleted * (2 * log((1 + ratio) / 2) - log(ratio)) / (1 + max(self._widths))
        return nats >= CERTAIN_NATS

    def _compare(self, now: Instant, slots: float) -> None:
        """Compare the likelihoods. The limit is the number of tasks that would complete as many messages if each took
        as long as without a bottleneck (Little's law), and at most the fewest that completed as many.
        """
        leaning, self._leaning = self._leaning, None
        task_s, spread = self._task_s, max(self._widths)
        found = evidence(self._tasks, self._deleted[-self._compared :].tolist(), slots, 1 + spread)
        if not found:
            return
        least = min(found)
        if self._deleted[-1] < COLLAPSED_RATIO * least.rate:
            return
        if least.nats >= CERTAIN_NATS:
            if self._limit is None:
                self._probed_at, self._probe_after_s, self._rate = now, PROBE_AFTER_S, least.rate
                self._limited_for = 0
            enough = max(1.0, min(least.fewest, least.rate * task_s / MINUTE_S))
            self._limit, self._trial_until = enough, -inf
            self._end_test()
        elif least.nats >= LEANING_NATS and self._limit is None:
            self._leaning = max(self._tasks[-self._compared :])
            if leaning is None or leaning < self._leaning:
                self._leaning_at = now
        elif max(found).nats <= -LEANING_NATS:
            self._limit, self._trial_until = None, -inf
            tasks = self._tasks[-self._slower_for :] if self._slower_for else self._tasks[-1:]
            if max(tasks) >= LEAST_TEST_RATIO * min(tasks):
                self._end_test()
        if self._limit is not None and self._is_refuted(1 + spread):
            self._compared, self._limit = 1, None


def _accumulates(counts: array[float], sigmas: float) -> bool:
    """Whether clearly more messages arrived than were deleted. `counts`: deletions, surplus of each minute."""
    return sum(counts[1::2]) > sigmas * sqrt(1 + 2 * sum(counts[::2]))
