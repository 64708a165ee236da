"""The estimates at one poll: learned values on which a decision can depend.

All times are relative to the present (ages, and seconds from now), so that the values can be recorded and the decision
repeated.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import exp, inf, log1p, sqrt
from typing import NamedTuple


class Estimate(NamedTuple):
    """A learned number. `weight`: the number of observations behind it, without the configured or assumed value;
    infinite for a fixed value. `age_s`: the age of the newest observation (None: no observation yet).
    """

    value: float
    weight: float = 0.0
    age_s: float | None = None

    @property
    def confidence(self) -> float:
        """From 0 (a guess) to 1: 10 observations give 0.5, 90 give 0.9."""
        return self.weight / (self.weight + 10.0)


class TimedCount(NamedTuple):
    """A number of messages with a time: their age, or the time within which they are expected to arrive."""

    seconds: float
    messages: float


class QueueKnowledge(NamedTuple):
    """The estimates for one queue. `waiting`: the waiting messages with their ages, newest first. `coming`: the total
    number of messages expected within each number of seconds. Both are in ascending order.
    """

    name: str
    waiting: tuple[TimedCount, ...]
    coming: tuple[TimedCount, ...] = ()


class StartingTasks(NamedTuple):
    """A number of tasks that were requested and are expected to run within `seconds`."""

    seconds: float
    tasks: int


class SlowStarts(NamedTuple):
    """Of two kinds of starts, the slow one: its share of the starts, from 0 to 1, and its mean in seconds. A task on an
    instance that must be launched first takes minutes; on one that runs, seconds.
    """

    share: float
    seconds: float


class Regime(StrEnum):
    """What the processing time is learned from, which limits how far it can be trusted.

    - idle: messages rarely wait. The messages in flight are those in progress (Little's law).
    - saturated: messages wait, so every slot is occupied. Deletions give the throughput of a task directly.
    - early_ack: workers delete messages before they process them, or `count_in_flight` is false. In-flight counts say
      nothing, and only minutes with waiting messages are used.
    - batch: messages are held, and none completes: they take longer than any before.
    - unidentifiable: more messages are in flight than the tasks can hold, and none waits. Only an upper bound is known.
    """

    IDLE = "idle"
    SATURATED = "saturated"
    EARLY_ACK = "early_ack"
    BATCH = "batch"
    UNIDENTIFIABLE = "unidentifiable"


@dataclass(frozen=True, slots=True)
class Knowledge:
    """The estimates of one service. `processing_s`: how long a message occupies a slot. `slow_s`: the larger of
    `processing_s` and its mean over the last three minutes; the demand is computed with it. `spread`: the squared
    coefficient of variation of the processing times. `concurrency`: the messages that a task holds at once. `start_s`,
    `start_late_s`: the start-up time of a task, mean and 90th percentile. `rate_per_s`: the arrival rate. `load`: the
    tasks that the recent arrivals keep busy. `lasting_load`: the same over a third of the acceptable latency, at least
    a minute. `starting`: tasks that were requested and do not run yet. `interval_s`: seconds until the next poll.
    `received`: the approximate number of messages received since the last poll. `late`: the number of those that were
    received after their acceptable latency. `arriving`: messages arrived within the last minute or in the newest minute
    that CloudWatch counted, or a useful forecast expects some. `regime`: what the processing time is learned from.
    `standing`: for longer than a latency target, the oldest message of a queue has never waited for less than half of
    it. `holding_s`: the time that messages are expected to be held, in the regime `batch` (else 0). `bottleneck`: the
    number of tasks above which more tasks completed no more messages (None: not seen). `trial`: after a start with a
    lasting backlog, and while a bottleneck is likely but not certain, the most tasks until it is known whether more
    tasks help (None: no trial). `test`: the tasks that are requested to find that out (None: no test). `groups`: the
    most tasks that the message groups of FIFO queues keep busy, and a probe (None: they are no limit). `overtaken_s`:
    by how much longer the oldest message of a FIFO queue has waited than in the order of arrival, because newer
    messages of other groups were received before it. `foreseen`: the messages that a useful forecast expects within a
    minute. `slow_starts`: if starts are of two kinds, the slow one; `start_s` is then the mean of the fast one (None:
    they are of one kind).
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
    starting: tuple[StartingTasks, ...] = ()
    arriving: bool = True
    regime: Regime = Regime.IDLE
    standing: bool = False
    holding_s: float = 0.0
    bottleneck: float | None = None
    trial: float | None = None
    test: float | None = None
    groups: float | None = None
    overtaken_s: float = 0.0
    foreseen: float = 0.0
    slow_starts: SlowStarts | None = None

    @property
    def mean_start_s(self) -> float:
        """The mean start-up time of both kinds of starts, in seconds."""
        slow = self.slow_starts
        return self.start_s.value if slow is None else _mixed(slow.share, self.start_s.value, slow.seconds)

    @property
    def slot_s(self) -> float:
        """For how long a message is planned to occupy a slot, at least a millisecond."""
        return max(self.slow_s, self.holding_s, SHORTEST_S)

    @property
    def waiting(self) -> float:
        """The estimated number of waiting messages, in all queues."""
        return sum([messages for queue in self.queues for _, messages in queue.waiting])

    @property
    def useful(self) -> float | None:
        """The number of tasks above which more complete nothing sooner: because of a bottleneck, or of message groups
        (None: no such number is known).
        """
        return min((limit for limit in (self.bottleneck, self.groups) if limit is not None), default=None)

    @property
    def is_learning(self) -> bool:
        """Whether the confidence of the processing time is below 0.5."""
        return self.processing_s.confidence < LEARNED

    @property
    def processing_p95_s(self) -> float | None:
        """The 95th percentile of the processing time in seconds. None while it is not learned, or if it is configured.

        Assumes lognormal times with the mean of the last minutes or the long-term mean, whichever is longer. It
        therefore rises as soon as messages take longer, and falls only after both means have fallen.
        """
        if self.processing_s.weight == inf or self.is_learning:
            return None
        return self.slow_s * p95_ratio(self.spread)


def p95_ratio(spread: float) -> float:
    """Return the ratio of the p95 of lognormal times to their mean, from the squared coefficient of variation; at least
    1.

    With sigma^2 = ln(1 + spread), the p95 is mean x exp(1.645 sigma - sigma^2 / 2): spread 0 gives 1, 0.25 (CV 0.5)
    gives 1.94, 1 (CV 1) gives 2.78, 4 (CV 2) gives 3.60. Above 14 the ratio falls, because fewer and fewer messages
    dominate the mean; from 50,000 on it would be below 1.
    """
    sigma = sqrt(log1p(spread))
    return max(1.0, exp(1.645 * sigma - sigma * sigma / 2))


def _mixed(share: float, one: float, other: float) -> float:
    return (1 - share) * one + share * other


SHORTEST_S = 1e-3
"""The shortest time that a message is planned to occupy a slot: a time of zero has no rate."""

LEARNED = 0.5
"""The confidence from which a value counts as known."""
