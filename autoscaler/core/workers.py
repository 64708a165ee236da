"""What a scale-in may do to work in progress: the operator's word, or what is assumed where `workers` is not set.

Draining workers finish within stopTimeout what they hold, or give it back. Where messages are known to take longer,
draining cannot be assumed: a stopped task would lose its work. Such workers count as unsafe until `workers` is set. A
processing time that is neither configured nor learned is no reason: it is a guess.

The assumption may change from poll to poll as the learned time moves around stopTimeout. That is harmless: as unsafe
the rule `busy` permits the present count and more, so a change of the assumption only delays a scale-in or ends the
delay; it never starts a task.
"""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

from autoscaler.core.figures import are, number
from autoscaler.core.knowledge import Knowledge
from autoscaler.core.model import StopTimeout
from autoscaler.core.policy import Policy, Workers

STOP_TIMEOUT_S = 30.0
"""ECS's default, of a container without a stopTimeout; assumed where the task definition was not read."""

MOST_S = 1e9
"""Thirty years: a longer time is shown as this."""

WAITS = "unsafe, so no scale-in while messages are in flight"

REMEDY = (
    "Set workers=self_protecting (recommended), or workers=draining if they finish or give back within stopTimeout, "
    "or raise stopTimeout"
)


class LongWork(NamedTuple):
    """Messages take `takes_s` seconds, which is longer than a task has between SIGTERM and SIGKILL. `is_learned`: it is
    the learned p95; else it is the configured processing time. `stop` None: ECS's default was assumed.
    """

    takes_s: float
    is_learned: bool
    stop: StopTimeout | None

    def reason(self, in_flight: int) -> str:
        """Why nothing is scaled in while so many messages are in flight, and what to do."""
        flying = are(in_flight, "message")
        return (
            f"workers is not set and messages take up to {shown(self.takes_s)} ({self.measure}), longer than "
            f"{stop_words(self.stop)}: treated as unsafe; {flying} in flight. {REMEDY}"
        )

    @property
    def notice(self) -> str:
        """The same of every poll. It does not contain the learned time, so that it is one notice and not one a poll."""
        return (
            f"workers is not set and messages take longer ({self.measure}) than {stop_words(self.stop)}: treated as "
            f"{WAITS}. {REMEDY}"
        )

    @property
    def measure(self) -> str:
        """What `takes_s` is."""
        return "p95" if self.is_learned else "processing_time"


def long_work(policy: Policy, knowledge: Knowledge | None, stop: StopTimeout | None) -> LongWork | None:
    """Why workers that the operator did not describe count as unsafe; None: they do not, or the operator did.

    `knowledge` None: nothing is learned. `stop` None: not read, so ECS's default. A message that takes exactly as long
    as stopTimeout is finished in time.
    """
    if policy.workers is not None:
        return None
    learned_s = None if knowledge is None else knowledge.processing_p95_s
    takes_s = policy.processing_time_s if learned_s is None else learned_s
    limit_s = STOP_TIMEOUT_S if stop is None else stop.seconds
    if takes_s is None or takes_s <= limit_s:
        return None
    return LongWork(takes_s, learned_s is not None, stop)


def kind_of(policy: Policy, work: LongWork | None) -> Workers:
    """The kind that counts: as configured, else unsafe where `long_work` found some, else draining."""
    if policy.workers is not None:
        return policy.workers
    return Workers.DRAINING if work is None else Workers.UNSAFE


def stop_words(stop: StopTimeout | None) -> str:
    """As in `the stopTimeout of 30 s of container app`."""
    if stop is None:
        return f"the stopTimeout of {STOP_TIMEOUT_S:g} s (assumed; grant ecs:DescribeTaskDefinition to read it)"
    return f"the stopTimeout of {number(stop.seconds)} s of container {stop.container}"


def shown(seconds: float) -> str:
    """Seconds, rounded up to a tenth, as in `95 s` and `30.1 s`: what is above a limit is never shown equal to it."""
    return f"{ceil(min(seconds, MOST_S) * 10) / 10:,.1f}".removesuffix(".0") + " s"
