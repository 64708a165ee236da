"""What is spent, from what is seen: task time, paid and wasted, and AWS's price of our own calls.

Pure. An estimate in every part, so that a day can be compared with another: the bill is AWS's.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import floor

from autoscaler.core.model import Instant, Observation
from autoscaler.telemetry.account import counts_of

SQS_REQUEST_DOLLARS = 0.40 / 1_000_000
METRIC_DOLLARS = 0.01 / 1_000
"""List prices of 2026: of a request to a standard queue, after the free million a month, and of a metric that
GetMetricData is asked for. ECS and Application Auto Scaling are asked for nothing.
"""

MONTH_S = 730 * 3_600.0
"""An average month, as AWS's own calculator has it."""

PACE_MINUTES, MINUTE_S = 10, 60.0
"""The pace is that of the last ten minutes: CloudWatch is asked once in each."""


def price_dollars(api: str, units: int) -> float:
    """What one request costs. `units`: how many metrics it asks for, where that is what is paid. A request that fails
    counts as well: nobody says that it is free.
    """
    if api.startswith("sqs:"):
        return SQS_REQUEST_DOLLARS
    return METRIC_DOLLARS * units if api == "cloudwatch:GetMetricData" else 0.0


class Spending:
    """Dollars by API since `began`, and their pace. Bounded: a number for each of the last minutes."""

    def __init__(self, began: Instant) -> None:
        self.dollars: dict[str, float] = {}
        self._began = began
        self._minutes: deque[tuple[int, float]] = deque(maxlen=PACE_MINUTES + 1)

    def add(self, api: str, units: int, now: Instant) -> None:
        """One request was made."""
        dollars, minute = price_dollars(api, units), floor(now / MINUTE_S)
        self.dollars[api] = self.dollars.get(api, 0.0) + dollars
        before = self._minutes.pop()[1] if self._minutes and self._minutes[-1][0] == minute else 0.0
        self._minutes.append((minute, before + dollars))

    def per_month(self, now: Instant) -> float:
        """Dollars a month, at the pace of the last whole minutes and the present one. The first minute counts as whole:
        CloudWatch is asked at its beginning.
        """
        first = floor(now / MINUTE_S) - PACE_MINUTES
        watched_s = max(MINUTE_S, now - max(self._began, first * MINUTE_S))
        return sum(dollars for minute, dollars in self._minutes if minute >= first) / watched_s * MONTH_S


@dataclass(frozen=True, slots=True)
class Usage:
    """Task time since the first look, in seconds. `at`, `tasks`, `idle`: the newest look (`at` None: there was none;
    `idle` None: it is not known how many tasks had nothing to do).
    """

    task_s: float = 0.0
    wasted_s: float = 0.0
    at: Instant | None = None
    tasks: float = 0.0
    idle: float | None = None

    def after(self, seen: Observation) -> Usage:
        """With what passed since the look before: at the mean of both looks, since counts change in between."""
        tasks, idle = float(seen.fleet.running + seen.fleet.pending), idle_tasks(seen)
        elapsed_s = 0.0 if self.at is None else max(0.0, seen.now - self.at)
        wasted_s = 0.0 if idle is None or self.idle is None else elapsed_s * (self.idle + idle) / 2
        task_s = elapsed_s * (self.tasks + tasks) / 2
        return Usage(self.task_s + task_s, self.wasted_s + wasted_s, seen.now, tasks, idle)


def idle_tasks(seen: Observation) -> float | None:
    """Tasks that are paid for and hold no message, in tasks and fractions of one: those that start, and free slots of
    those that run. None: not all queues could be read, or nobody knows what a task holds at once.
    """
    counts = counts_of(seen)
    if seen.knowledge is None or not counts:
        return None
    in_flight = sum(each.in_flight for each in counts)
    busy = min(float(seen.fleet.running), in_flight / seen.knowledge.concurrency.value)
    return seen.fleet.running + seen.fleet.pending - busy
