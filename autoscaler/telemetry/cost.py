"""The cost of a service's tasks today (UTC): the tasks of each poll, for the time until the next poll.

Pending tasks count: Fargate charges from the start of the image download. Time without a poll is not counted. After a
restart of the daemon it begins again; `since` says from when on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from autoscaler.core.model import Backlog, Observation
from autoscaler.core.policy import Policy
from autoscaler.ports import Poll
from autoscaler.pricing import NoPrice, TaskPrice

DAY_S, HOUR_S = 86_400.0, 3600.0

MOST_GAP_S = 600.0
"""The longest time between two polls that is counted: an idle service is polled at most every minute."""


KEDA_QUEUE_LENGTH = 5
"""Messages per task: the default `queueLength` of KEDA's scaler `aws-sqs-queue`."""

KEDA_WINDOW_S, KEDA_STEP_S = 300.0, 30.0
"""KEDA's HorizontalPodAutoscaler scales in to the highest count of the last five minutes (its default
`stabilizationWindowSeconds`), counted here in half minutes.
"""


@dataclass(frozen=True, slots=True)
class Alternatives:
    """The task-seconds of two other ways to scale the same service, over the same `lasted_s` seconds with readings.

    A fixed number of tasks: `most`, the highest desired count of these hours, is the lowest number with which there
    would never have been fewer tasks. KEDA's rule: `keda_s` task-seconds with the same queue, that is without the
    effect that another number of tasks has on the queue. `recent`: the highest counts of KEDA's rule, by half minute.
    """

    lasted_s: float = 0.0
    most: int = 0
    keda_s: float = 0.0
    recent: tuple[tuple[int, int], ...] = ()

    def plus(self, policy: Policy, seen: Observation, lasted_s: float) -> Alternatives:
        """Add a reading for a time. If a queue could not be read, KEDA's count does not change."""
        step, first = int(seen.now // KEDA_STEP_S), int((seen.now - KEDA_WINDOW_S) // KEDA_STEP_S)
        recent = {at: tasks for at, tasks in self.recent if first < at <= step}
        messages = _messages(seen)
        if messages is not None:
            recent[step] = max(recent.get(step, 0), keda_tasks(policy, messages))
        elif not recent and self.recent:
            recent[step] = self.recent[-1][1]
        return Alternatives(
            self.lasted_s + lasted_s,
            max(self.most, seen.fleet.desired),
            self.keda_s + max(recent.values(), default=0) * lasted_s,
            tuple(recent.items()),
        )


def keda_tasks(policy: Policy, messages: int) -> int:
    """Return the count of KEDA's rule: visible messages and those in flight, divided by `KEDA_QUEUE_LENGTH`, within the
    limits of the policy.
    """
    return min(max(math.ceil(messages / KEDA_QUEUE_LENGTH), policy.min_tasks), policy.max_tasks)


@dataclass(frozen=True, slots=True)
class CostToday:
    """Task-seconds since `since` (seconds since the epoch), their dollars, and the task-seconds of tasks without a
    message, among those in which the messages in flight were known. `unpriced_s`: task-seconds without a price.
    """

    since: float
    task_s: float = 0.0
    dollars: float = 0.0
    unpriced_s: float = 0.0
    known_s: float = 0.0
    idle_s: float = 0.0
    others: Alternatives = Alternatives()

    @property
    def idle_ratio(self) -> float | None:
        """The share of the task time without a message (None: unknown). Prefetched messages count as work."""
        return self.idle_s / self.known_s if self.known_s > 0 else None

    def after(self, before: Poll | None, elapsed_s: float, wall: float) -> CostToday:
        """Return the cost `elapsed_s` after the poll `before`, at `wall`. At midnight (UTC) it begins again."""
        midnight = math.floor(wall / DAY_S) * DAY_S
        today = self if self.since >= midnight else CostToday(midnight, others=Alternatives(recent=self.others.recent))
        seen = None if before is None else before.observation
        if before is None or seen is None or not 0 < elapsed_s <= MOST_GAP_S:
            return today
        lasted_s = min(elapsed_s, wall - midnight)
        added = today.plus(seen, before.price, lasted_s, concurrency_of(before, seen))
        return replace(added, others=today.others.plus(before.policy, seen, lasted_s))

    def plus(
        self, seen: Observation, price: TaskPrice | NoPrice | None, lasted_s: float, concurrency: float
    ) -> CostToday:
        """Add the tasks of a reading for a time. `concurrency`: messages that a task processes at the same time."""
        task_s = (seen.fleet.running + seen.fleet.pending) * lasted_s
        in_flight = _in_flight(seen)
        idle_s = 0.0 if in_flight is None else max(0.0, seen.fleet.running - in_flight / concurrency) * lasted_s
        rate = _rate(price)
        return CostToday(
            self.since,
            self.task_s + task_s,
            self.dollars + (0.0 if rate is None else task_s / HOUR_S * rate),
            self.unpriced_s + (task_s if rate is None else 0.0),
            self.known_s + (0.0 if in_flight is None else seen.fleet.running * lasted_s),
            self.idle_s + idle_s,
            self.others,
        )


def _rate(price: TaskPrice | NoPrice | None) -> float | None:
    """Return the dollars of a task for one hour (None: not known)."""
    return price.dollars_per_hour if isinstance(price, TaskPrice) else None


def concurrency_of(poll: Poll, seen: Observation) -> float:
    known = seen.knowledge
    return max(1.0, float(poll.policy.task_concurrency if known is None else known.concurrency.value))


def _in_flight(seen: Observation) -> int | None:
    """Return the messages in flight of all queues (None: a queue was not read, or there is none)."""
    counts = [one.in_flight for _, one in seen.queues if isinstance(one, Backlog)]
    return sum(counts) if counts and len(counts) == len(seen.queues) else None


def _messages(seen: Observation) -> int | None:
    """Return the visible messages and those in flight of all queues (None: a queue was not read, or there is none)."""
    counts = [one.visible + one.in_flight for _, one in seen.queues if isinstance(one, Backlog)]
    return sum(counts) if counts and len(counts) == len(seen.queues) else None


def shown_dollars(amount: float) -> float:
    """Round an amount so that it changes rarely: to cents below $10, to 10 cents below $100, then to dollars."""
    return round(amount, 2 if amount < 10 else 1 if amount < 100 else 0)


def cost_of(poll: Poll | None, today: CostToday | None) -> dict[str, Any]:
    """Return the cost for the API. `today_dollars` is null if no task time had a price; `basis` says why there is no
    price, and what one includes.
    """
    price = None if poll is None else poll.price
    found = today or CostToday(0.0)
    rate, ratio = _rate(price), found.idle_ratio
    all_unpriced = found.unpriced_s >= found.task_s and rate is None
    return {
        "dollars_per_task_hour": rate,
        "basis": None if price is None else price.text,
        "today_dollars": None if all_unpriced else shown_dollars(found.dollars),
        "today_task_hours": round(found.task_s / HOUR_S, 1),
        "today_idle_ratio": None if ratio is None else round(ratio, 2),
        "since": None if today is None else today.since,
    }


def compared(poll: Poll | None, today: CostToday | None) -> list[dict[str, Any]]:
    """Return the cost of this service and of the alternatives over the same time, for the page: `name`, `tasks` (of a
    fixed fleet, else None), `task_hours`, `dollars` (None: no price), at the price of the newest poll. Empty before the
    first readings. KEDA's rule needs a queue.
    """
    if poll is None or today is None or today.others.lasted_s == 0:
        return []
    others, rate = today.others, _rate(poll.price)
    fixed, keda = ("fixed", others.most, others.most * others.lasted_s), ("keda", None, others.keda_s)
    return [
        {
            "name": name,
            "tasks": tasks,
            "task_hours": round(task_s / HOUR_S, 2),
            "dollars": None if rate is None else round(task_s / HOUR_S * rate, 2),
        }
        for name, tasks, task_s in (("this", None, today.task_s), fixed, *([keda] if poll.policy.queues else []))
    ]
