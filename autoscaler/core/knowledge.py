"""What has been learned of the work, as the estimators tell it at one tick: values that a decision can rest on.

Everything here is relative to the present (ages, and seconds from now), so that it can be written down and decided
again.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, inf, log1p, sqrt
from typing import NamedTuple


class Estimate(NamedTuple):
    """A number that was learned. `weight` is on how many observations it rests, a configured or assumed value counting
    as a few; `age_s` is how long ago the newest of them was (None: nothing was observed yet).
    """

    value: float
    weight: float = 0.0
    age_s: float | None = None

    @property
    def confidence(self) -> float:
        """From 0 (a guess) to 1: 10 observations give a half, 90 give 0.9."""
        return self.weight / (self.weight + 10.0)


class Some(NamedTuple):
    """So many messages, at a time from now: how long they have waited, or within how long they will come."""

    seconds: float
    messages: float


class QueueKnowledge(NamedTuple):
    """One queue. `waiting`: the messages that wait, newest first, with their ages. `coming`: how many are expected
    within the next so many seconds, in all; both of them ascending.
    """

    name: str
    waiting: tuple[Some, ...]
    coming: tuple[Some, ...] = ()


class Coming(NamedTuple):
    """So many tasks that were asked for will be up, as far as is known, in so many seconds."""

    seconds: float
    tasks: int


@dataclass(frozen=True, slots=True)
class Knowledge:
    """`processing_s`: for how long a message occupies a slot. `slow_s`: the same, as the last minutes had it where
    that was slower, else equal: what a plan rests on. `spread`: the squared coefficient of variation of processing
    times. `concurrency`: the messages that a task holds at once. `start_s`, `start_late_s`: how long a task takes to
    come up, on average and at its 90th percentile. `rate_per_s`: messages that come. `load`: tasks that the recent
    arrivals keep busy; `lasting_load`: the same over a third of the acceptable latency, a minute at least.
    `starting`: tasks that were asked for and are not up. `interval_s`: how long until the next look. `received`: about
    how many messages were received since the last look, and `late`: how many of them had waited for too long.
    `arriving`: messages arrived within the last minute or in the newest minute that CloudWatch counted, or a forecast
    with proven skill expects some.
    """

    processing_s: Estimate
    slow_s: float
    spread: float
    concurrency: Estimate
    start_s: Estimate
    start_late_s: float
    rate_per_s: Estimate
    load: float
    lasting_load: float
    interval_s: float
    received: float = 0.0
    late: float = 0.0
    queues: tuple[QueueKnowledge, ...] = ()
    starting: tuple[Coming, ...] = ()
    arriving: bool = True

    @property
    def is_learning(self) -> bool:
        """Whether what a message takes is still more assumed than seen."""
        return self.processing_s.confidence < LEARNED

    @property
    def processing_p95_s(self) -> float | None:
        """What all but 5 % of the messages take at most, in seconds; None while that is not learned, or is configured.

        Of lognormal times with the mean of the last minutes or the long one, whichever is longer, so that it rises as
        soon as messages take longer and falls only once both means have fallen.
        """
        if self.processing_s.weight == inf or self.is_learning:
            return None
        return self.slow_s * p95_ratio(self.spread)


def p95_ratio(spread: float) -> float:
    """The p95 of lognormal times by their mean, from their squared coefficient of variation; at least 1.

    With sigma^2 = ln(1 + spread), the p95 is mean x exp(1.645 sigma - sigma^2 / 2): spread 0 gives 1, 0.25 (CV 0.5)
    gives 1.94, 1 (CV 1) gives 2.78, 4 (CV 2) gives 3.60. Beyond 14 it falls again, as ever fewer messages make up
    the mean; from 50,000 on it would be less than the mean.
    """
    sigma = sqrt(log1p(spread))
    return max(1.0, exp(1.645 * sigma - sigma * sigma / 2))


LEARNED = 0.5
"""From this confidence on a value counts as known."""
