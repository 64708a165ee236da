"""The assessment of a cluster: for each service its cost and lateness now, and both under this daemon, with the
uncertainty of each figure. The terminal, the page and the JSON show these values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from autoscaler.assess.notes import notes
from autoscaler.assess.reading import ReadCluster, ReadService
from autoscaler.assess.recorded import DAY_S, ProcessingTime, processing_time
from autoscaler.assess.replayed import ReplayPlan, ReplayResult, plan, replay_all, result_of
from autoscaler.pricing import HOURS_PER_MONTH, NoPrice

DAYS_PER_MONTH = HOURS_PER_MONTH / 24.0


class Amount(NamedTuple):
    """Task-hours of a month of 30 days, and their dollars (None: the price is not known)."""

    task_hours: float
    dollars: float | None

    def minus(self, other: Amount) -> Amount:
        dollars = None if self.dollars is None or other.dollars is None else self.dollars - other.dollars
        return Amount(self.task_hours - other.task_hours, dollars)


@dataclass(frozen=True, slots=True)
class Assessed:
    """A service. `now`: as recorded (None: unknown); `then`, `low`, `high`: with this daemon, and the range of the
    estimated processing time (None: not simulated). `late_now`, `late_then`: share of the messages that are late;
    the first is an estimate from minutes.
    `notes`: everything that limits the figures.
    """

    service: ReadService
    now: Amount | None
    then: Amount | None
    low: Amount | None
    high: Amount | None
    late_now: float | None
    late_then: float | None
    processing: ProcessingTime | None
    replayed: ReplayResult | None
    notes: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.service.found.name

    @property
    def saving(self) -> Amount | None:
        """What this daemon would save in a month; negative: it would cost more (None: unknown)."""
        return None if self.now is None or self.then is None else self.now.minus(self.then)

    @property
    def saving_range(self) -> tuple[Amount, Amount] | None:
        """The lowest and the highest saving."""
        if self.now is None or self.low is None or self.high is None:
            return None
        return self.now.minus(self.high), self.now.minus(self.low)


@dataclass(frozen=True, slots=True)
class Assessment:
    """All services, the largest saving in dollars first; those that were not simulated follow, by their cost now."""

    read: ReadCluster
    latency_s: float
    services: tuple[Assessed, ...]

    @property
    def compared(self) -> tuple[Assessed, ...]:
        return tuple(one for one in self.services if one.saving is not None)

    @property
    def total_now(self) -> Amount:
        """The cost now of all services whose past is known, as `_sum` adds."""
        return _sum([one.now for one in self.services if one.now is not None])

    @property
    def total_saving(self) -> Amount:
        return _sum([one.saving for one in self.compared if one.saving is not None])

    @property
    def total_range(self) -> tuple[Amount, Amount]:
        """The sums of the lowest and of the highest savings."""
        ranges = [one.saving_range for one in self.compared if one.saving_range is not None]
        return _sum([low for low, _ in ranges]), _sum([high for _, high in ranges])

    @property
    def unpriced(self) -> tuple[Assessed, ...]:
        """The compared services without a price, if others have one: no sum includes them."""
        found = tuple(one for one in self.compared if one.saving is not None and one.saving.dollars is None)
        return found if len(found) < len(self.compared) else ()

    @property
    def unknown(self) -> tuple[Assessed, ...]:
        """Services with a queue that could not be compared."""
        return tuple(one for one in self.services if one.saving is None and one.service.chosen.queues)


def _sum(amounts: Sequence[Amount]) -> Amount:
    """Return the sum of the amounts with dollars; without any, that of all task-hours."""
    priced = [each for each in amounts if each.dollars is not None]
    hours = sum(each.task_hours for each in priced or amounts)
    return Amount(hours, sum(each.dollars or 0.0 for each in priced) if priced else None)


class Conditions(NamedTuple):
    """What is simulated: the latency target, the number of days, and the maximum number of tasks."""

    latency_s: float
    days: int
    most_tasks: int


def assess(read: ReadCluster, conditions: Conditions, progress: Callable[[float], None]) -> Assessment:
    """Estimate the processing times, simulate the daemon for every service with a queue, and join the figures."""
    estimates = [_estimate(one) for one in read.services]
    plans = [_plan(one, estimate, conditions) for one, estimate in zip(read.services, estimates, strict=True)]
    runs = iter(replay_all([each for each in plans if each is not None], progress))
    found = []
    for service, estimate, own in zip(read.services, estimates, plans, strict=True):
        late_s = _late_s(conditions.latency_s, estimate)
        replayed = None if own is None else result_of(own, next(runs))
        found.append(_assessed(service, estimate, replayed, late_s, conditions))
    return Assessment(read, conditions.latency_s, tuple(sorted(found, key=_order)))


def _estimate(service: ReadService) -> ProcessingTime | None:
    past = service.recorded
    return None if past is None or not service.chosen.queues else processing_time(past)


def _plan(service: ReadService, estimate: ProcessingTime | None, conditions: Conditions) -> ReplayPlan | None:
    past = service.recorded
    if past is None or estimate is None or not past.messages or service.found.is_daemon:
        return None
    return plan(past, estimate.seconds, conditions.latency_s, conditions.days, conditions.most_tasks)


def _late_s(latency_s: float, estimate: ProcessingTime | None) -> float:
    """Return the age at which a message is late: CloudWatch's age includes its processing."""
    return latency_s + (0.0 if estimate is None else estimate.seconds)


def _order(one: Assessed) -> tuple[bool, float, str]:
    if one.saving is not None:
        amount = one.saving.dollars if one.saving.dollars is not None else 0.0
        return False, -amount, one.name
    now = 0.0 if one.now is None or one.now.dollars is None else one.now.dollars
    return True, -now, one.name


def _assessed(
    service: ReadService,
    estimate: ProcessingTime | None,
    replayed: ReplayResult | None,
    late_s: float,
    conditions: Conditions,
) -> Assessed:
    past, price = service.recorded, service.price

    def monthly(hours_a_day: float | None) -> Amount | None:
        if hours_a_day is None:
            return None
        hours = hours_a_day * DAYS_PER_MONTH
        return Amount(hours, None if isinstance(price, NoPrice) else hours * price.dollars_per_hour)

    has_queue = past is not None and bool(service.chosen.queues)
    return Assessed(
        service,
        monthly(None if past is None or not past.length_s else past.task_hours / past.length_s * DAY_S),
        monthly(None if replayed is None else replayed.hours_per_day),
        monthly(_scaled(replayed, estimate, lambda each: each.low_s)),
        monthly(_scaled(replayed, estimate, lambda each: each.high_s)),
        past.late_ratio(late_s) if past is not None and has_queue else None,
        None if replayed is None else replayed.late_fraction,
        estimate,
        replayed,
        tuple(notes(service, estimate, replayed, conditions.most_tasks)),
    )


def _scaled(
    replayed: ReplayResult | None, estimate: ProcessingTime | None, of: Callable[[ProcessingTime], float]
) -> float | None:
    """Return the task-hours of a day with another processing time: the work is proportional to it."""
    if replayed is None or estimate is None or not estimate.seconds:
        return None
    return replayed.hours_per_day * of(estimate) / estimate.seconds
