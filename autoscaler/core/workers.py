"""What happens to work in progress on a scale-in: as configured, or assumed if `workers` is not set.

Draining workers finish or give back their messages within stopTimeout. If messages are known to take longer, draining
cannot be assumed: a stopped task would lose its work. Such workers count as unsafe until `workers` is set. A processing
time that is neither configured nor learned is a guess and has no effect.

The assumption may change from poll to poll as the learned time moves around stopTimeout. That is harmless: for unsafe
workers the rule `busy` permits the present count and more, so a change of the assumption only delays a scale-in or ends
the delay; it never starts a task.
"""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

from autoscaler.core.advice import Advice
from autoscaler.core.figures import are, number
from autoscaler.core.knowledge import Knowledge
from autoscaler.core.model import StopTimeout
from autoscaler.core.policy import Policy, WorkerSafety

STOP_TIMEOUT_S = 30.0
"""The ECS default for a container without a stopTimeout; assumed if the task definition was not read."""

MOST_S = 1e9
"""Thirty years: a longer time is shown as this value."""

WAITS = "unsafe, so no scale-in while messages are in flight"

REMEDY = (
    "Set workers=self_protecting (recommended), or workers=draining if they finish or give back within stopTimeout, "
    "or raise stopTimeout"
)


class LongWork(NamedTuple):
    """Messages take `takes_s` seconds, longer than a task has between SIGTERM and SIGKILL.

    `is_learned`: `takes_s` is the learned p95; otherwise it is the configured processing time. `stop` None: the ECS
    default was assumed.
    """

    takes_s: float
    is_learned: bool
    stop: StopTimeout | None

    def reason(self, in_flight: int) -> str:
        """Return why the service does not scale in while `in_flight` messages are in flight, and what to do."""
        in_flight_words = are(in_flight, "message")
        return (
            f"workers is not set and messages take up to {shown(self.takes_s)} ({self.measure}), longer than "
            f"{stop_words(self.stop)}: treated as unsafe; {in_flight_words} in flight. {REMEDY}"
        )

    @property
    def notice(self) -> str:
        """The text that is the same at every poll. It omits the learned time, so that the notice is logged once and not
        at every poll.
        """
        return (
            f"workers is not set and messages take longer ({self.measure}) than {stop_words(self.stop)}: treated as "
            f"{WAITS}. {REMEDY}"
        )

    @property
    def measure(self) -> str:
        """The source of `takes_s`."""
        return "p95" if self.is_learned else "processing_time"


def long_work(policy: Policy, knowledge: Knowledge | None, stop: StopTimeout | None) -> LongWork | None:
    """Return why workers without a configured kind count as unsafe. None: they do not, or `workers` is set.

    `knowledge` None: nothing is learned. `stop` None: not read, so the ECS default applies. A message that takes
    exactly stopTimeout finishes in time.
    """
    if policy.workers is not None:
        return None
    learned_s = None if knowledge is None else knowledge.processing_p95_s
    takes_s = policy.processing_time_s if learned_s is None else learned_s
    limit_s = STOP_TIMEOUT_S if stop is None else stop.seconds
    if takes_s is None or takes_s <= limit_s:
        return None
    return LongWork(takes_s, learned_s is not None, stop)


def needs_stop_timeout(policy: Policy) -> bool:
    """Whether stopTimeout decides what a stopped task can finish."""
    return policy.workers in {None, WorkerSafety.DRAINING}


def short_stop(policy: Policy, knowledge: Knowledge | None, stop: StopTimeout | None) -> Advice | None:
    """Return that draining workers have less time to finish than messages take. None: they do not, `workers` has
    another value, or the stopTimeout was not read. The text omits the learned time, which changes at every poll.
    """
    learned_s = None if knowledge is None else knowledge.processing_p95_s
    takes_s = policy.processing_time_s if learned_s is None else learned_s
    if policy.workers is not WorkerSafety.DRAINING or stop is None or takes_s is None or takes_s <= stop.seconds:
        return None
    measure = "processing_time" if learned_s is None else "p95"
    return Advice(
        f"workers=draining, and messages take longer ({measure}) than {stop_words(stop)}: a stopped task cannot finish "
        "them",
        "raise stopTimeout (at most 120 s on Fargate), or use self-protecting workers (docs/workers.md), unless they "
        "return their messages in time",
    )


def kind_of(policy: Policy, work: LongWork | None) -> WorkerSafety:
    """Return the kind that applies: as configured, otherwise unsafe if `work` is given, otherwise draining."""
    if policy.workers is not None:
        return policy.workers
    return WorkerSafety.DRAINING if work is None else WorkerSafety.UNSAFE


def stop_words(stop: StopTimeout | None) -> str:
    """Return words such as `the stopTimeout of 30 s of container app`."""
    if stop is None:
        return f"the stopTimeout of {STOP_TIMEOUT_S:g} s (assumed; grant ecs:DescribeTaskDefinition to read it)"
    return f"the stopTimeout of {number(stop.seconds)} s of container {stop.container}"


def shown(seconds: float) -> str:
    """Format seconds, rounded up to a tenth, such as `95 s` and `30.1 s`: a value above a limit never equals it."""
    return f"{ceil(min(seconds, MOST_S) * 10) / 10:,.1f}".removesuffix(".0") + " s"
