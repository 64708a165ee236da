"""The likelihoods of a bottleneck and of a slower release.

After a slower release the deletions are in proportion to the tasks, at a bottleneck they stay the same. Deletions are
Poisson counts, or scatter more.
"""

from __future__ import annotations

from array import array
from math import inf, log
from statistics import fmean
from typing import NamedTuple

MOST_LAG_MINUTES = 10
"""Messages that are deleted in a minute were begun a processing time before. Those of more than eight minutes
(`MOST_LAG_MINUTES` / `LOW_RATIO`) are not compared.
"""

FEWEST = 5
"""The fewest minutes that are compared."""

LEANING_NATS, CERTAIN_NATS = 3.0, 8.0
"""The logarithm of the ratio of the two likelihoods from which no task is added (e^3 = 20 times as likely), and from
which the tasks are limited (3,000 times). With 10 and 20 tasks that delete 60 a minute each, and processing times with
a spread of 1, a pair of minutes shows 120 x ln(15 / sqrt(10 x 20)) / 2 = 3.5.
"""

LOW_RATIO = 1.25
"""Minutes with up to this multiple of the fewest tasks show how long messages take without the added tasks. Added tasks
have completed their first messages after this multiple of that time.
"""


class Evidence(NamedTuple):
    """`nats`: the logarithm of the likelihood of a bottleneck divided by that of a slower release. Since then: `rate`,
    the deletions of a minute; `fewest`, the fewest tasks; `task_minutes`, the task-minutes of a message with few tasks.
    """

    nats: float
    rate: float
    fewest: float
    task_minutes: float


def evidence(all_tasks: array[float], deleted: list[float], slots: float, dispersion: float) -> list[Evidence]:
    """Return the evidence if messages were begun up to one minute before, one to two, and so on up to the time that
    they take; empty if too few minutes can be compared. A bottleneck must be likely at each lag: as long as the
    added tasks have not completed their first messages, the deletions do not rise in any case. Minutes in which
    tasks stopped are left out: it is not known which tasks their deletions belong to.
    """
    found = list[Evidence]()
    for lag in range(1, MOST_LAG_MINUTES + 1):
        begun = all_tasks[:-lag][-len(deleted) :]
        if len(begun) < FEWEST:
            return []
        ended = all_tasks[: len(all_tasks) - lag + 1][-len(begun) :]
        counts = zip(begun, ended, deleted[-len(begun) :], strict=True)
        steady = [(max(first, last), more) for first, last, more in counts if first <= LOW_RATIO * last]
        if len(steady) < FEWEST or min(steady)[0] <= 0:
            return []
        tasks, completed = map(list, zip(*steady, strict=True))
        found.append(_compared(tasks, completed, dispersion))
        if lag > LOW_RATIO * slots * found[-1].task_minutes:
            return found
    return []


def _compared(tasks: list[float], deleted: list[float], dispersion: float) -> Evidence:
    """Return the evidence of minutes, the newest last, whose deletions scatter at least `dispersion` times as much as a
    Poisson count. If they scatter more, as with jobs of one second and of two minutes, that counts.

    If D messages are deleted in m minutes with n tasks on average, the logarithms of the Poisson likelihoods differ by
    the sum of deleted x ln(n / tasks) over the minutes. The change can have come in between. So the earliest minute is
    taken since which the deletions are constant, before which they are in proportion to the tasks, and which fits about
    as well as the best one. It is not compared itself: the change was within it.
    """
    before, done, worked, weighted = [0.0], 0.0, 0.0, 0.0
    for count, more in zip(tasks, deleted, strict=True):
        done, worked, weighted = done + more, worked + count, weighted + more * log(count)
        before.append(_times_log(done, worked) + weighted)
    fits, done = list[float](), 0.0
    for minutes, more in enumerate(reversed(deleted), 1):
        done += more
        fits.append(before[-1 - minutes] + _times_log(done, minutes))
    enough = max(fits[FEWEST - 1 :]) - LEANING_NATS * dispersion
    minutes = max([index for index, fit in enumerate(fits) if fit >= enough])
    since = list(zip(tasks[-minutes:], deleted[-minutes:], strict=True))
    rate, mean, fewest = fmean(deleted[-minutes:]), fmean(tasks[-minutes:]), min(tasks[-minutes:])
    earlier = list(zip(tasks[:-minutes], deleted[:-minutes], strict=True))
    scatter = _chi2(earlier) + min(_chi2(since), _chi2([(1.0, more) for _, more in since]))
    few = [each for each in since if each[0] <= LOW_RATIO * fewest]
    at_few = sum([more for _, more in few])
    return Evidence(
        sum([more * log(mean / count) for count, more in since]) / max(dispersion, scatter / len(tasks)),
        rate,
        fewest,
        sum([count for count, _ in few]) / at_few if at_few else inf,
    )


def _chi2(minutes: list[tuple[float, float]]) -> float:
    """Return the sum of (deleted - expected)^2 / expected, if the deletions are in proportion to the tasks."""
    done, worked = sum([more for _, more in minutes]), sum([count for count, _ in minutes])
    expected = [done * count / worked for count, _ in minutes]
    return sum([(more - mean) ** 2 / mean for (_, more), mean in zip(minutes, expected, strict=True) if mean])


def _times_log(done: float, by: float) -> float:
    """Return the maximum of the logarithm of the Poisson likelihood, without the terms that cancel out."""
    return done * log(done / by) if done else 0.0
