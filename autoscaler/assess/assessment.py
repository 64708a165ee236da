"""The assessment of a cluster: for each service its cost and lateness now, and both under this daemon, with the
uncertainty of each figure. The terminal, the page and the JSON show these values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from autoscaler.assess.reading import ReadCluster, ReadService
from autoscaler.assess.recorded import LIVE, Basis, ProcessingTime, ServicePast, processing_time
from autoscaler.assess.replayed import MOST_MESSAGES, ReplayPlan, ReplayResult, plan, replay_all, result_of
from autoscaler.core.figures import number, seconds, several
from autoscaler.pricing import HOURS_PER_MONTH, NoPrice, dollars

SURE_GAP_RATIO = 0.05
"""Share of the time without a datapoint of the tasks that is reported."""

PER_DAY = HOURS_PER_MONTH / 24.0


class Amount(NamedTuple):
    """Task-hours of a month of 30 days, and their dollars (None: the price is not known)."""

    task_hours: float
    dollars: float | None


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
        return None if self.now is None or self.then is None else _minus(self.now, self.then)

    @property
    def saving_range(self) -> tuple[Amount, Amount] | None:
        """The lowest and the highest saving."""
        if self.now is None or self.low is None or self.high is None:
            return None
        return _minus(self.now, self.high), _minus(self.now, self.low)


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


def _minus(one: Amount, other: Amount) -> Amount:
    known = one.dollars is not None and other.dollars is not None
    return Amount(one.task_hours - other.task_hours, one.dollars - other.dollars if known else None)  # type: ignore[operator]


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
        hours = hours_a_day * PER_DAY
        return Amount(hours, None if isinstance(price, NoPrice) else hours * price.dollars_per_hour)

    has_queue = past is not None and bool(service.chosen.queues)
    return Assessed(
        service,
        monthly(None if past is None or not past.length_s else past.task_hours / past.length_s * 86_400.0),
        monthly(None if replayed is None else replayed.hours_per_day),
        monthly(_scaled(replayed, estimate, lambda each: each.low_s)),
        monthly(_scaled(replayed, estimate, lambda each: each.high_s)),
        past.late_ratio(late_s) if past is not None and has_queue else None,
        None if replayed is None else replayed.late_fraction,
        estimate,
        replayed,
        tuple(_notes(service, past, estimate, replayed, conditions)),
    )


def _scaled(
    replayed: ReplayResult | None, estimate: ProcessingTime | None, of: Callable[[ProcessingTime], float]
) -> float | None:
    """Return the task-hours of a day with another processing time: the work is proportional to it."""
    if replayed is None or estimate is None or not estimate.seconds:
        return None
    return replayed.hours_per_day * of(estimate) / estimate.seconds


def _notes(
    service: ReadService,
    past: ServicePast | None,
    estimate: ProcessingTime | None,
    replayed: ReplayResult | None,
    conditions: Conditions,
) -> Iterator[str]:
    """Yield what a reader must know: the queue, the estimate, the simulated days, and every gap."""
    chosen = service.chosen
    if chosen.queues:
        others = f"; it also names {', '.join(chosen.others)}" if chosen.others else ""
        check = (
            f": check it, or pass --queue {service.found.name}=NAME" if chosen.why.startswith("the variable") else ""
        )
        yield f"queue {chosen.name}: {chosen.why}{others}{check}"
    else:
        yield f"no queue found in its tags and environment: pass --queue {service.found.name}=NAME if it has one"
    if service.found.is_daemon:
        yield "scheduling strategy DAEMON: its number of tasks cannot be changed"
    if estimate is not None:
        yield _estimated(estimate)
    elif chosen.queues and past is not None and past.messages:
        yield "processing time unknown: no message was deleted while a task ran, so it was not simulated"
    elif chosen.queues and past is not None:
        yield "no message was sent in this time, so it was not simulated"
    if replayed is not None and past is not None:
        yield _simulated(replayed, past, conditions)
    if past is not None and past.length_s < 86_400.0:
        yield f"its past has only {several(past.length_s / 3600, 'hour')}"
    if past is not None and past.tasks.metric != LIVE:
        yield f"tasks counted by {past.tasks.metric}, because LiveTaskCount has no datapoint"
    if past is not None and past.tasks.gap_ratio > SURE_GAP_RATIO:
        yield f"{past.tasks.gap_ratio:.0%} of the time has no datapoint of its tasks, and counts as no task"
    yield f"no dollars: {service.price.text}" if isinstance(service.price, NoPrice) else service.price.text
    yield from service.gaps


def _estimated(estimate: ProcessingTime) -> str:
    spread = "" if estimate.low_s == estimate.high_s else f" ({number(estimate.low_s)} to {seconds(estimate.high_s)})"
    match estimate.basis:
        case Basis.BUSY:
            return f"a task needs {seconds(estimate.seconds)} per message{spread}: measured while its tasks were busy"
        case Basis.IN_FLIGHT:
            return (
                f"a task needs about {seconds(estimate.seconds)} per message{spread}: the time that workers hold a "
                "message, because no backlog shows what busy tasks do"
            )
        case _:
            return (
                f"a task needs at most {seconds(estimate.seconds)} per message{spread}: its tasks were rarely all "
                "busy, so its cost with this autoscaler is an upper bound"
            )


def _simulated(replayed: ReplayResult, past: ServicePast, conditions: Conditions) -> str:
    count, whole = len(replayed.days), max(1, int(past.length_s // 86_400))
    what = f"{several(count, 'day')} of {whole} simulated, with at most {conditions.most_tasks:,} tasks"
    thinned = f", every {replayed.thinned}th message (over {MOST_MESSAGES:,.0f} a day)" if replayed.thinned > 1 else ""
    return (
        f"{what}{thinned}: {percent(replayed.late_fraction)} of the messages late, p95 of the wait "
        f"{seconds(replayed.wait_p95_s)}; start-up time 45 s (p95 80 s) assumed"
    )


# The JSON.


def as_json(found: Assessment) -> dict[str, Any]:
    """Return the document. Amounts are per month of 30 days; unknown values are null."""
    read = found.read
    return {
        "cluster": read.cluster,
        "region": read.region,
        "from": read.span.start,
        "to": read.span.end,
        "acceptable_latency_s": found.latency_s,
        "aws_calls": read.calls,
        "total": {
            "now": _amount(found.total_now),
            "saving": _amount(found.total_saving),
            "saving_low": _amount(found.total_range[0]),
            "saving_high": _amount(found.total_range[1]),
            "services_compared": len(found.compared),
            "sentence": headline(found),
        },
        "services": [_service(one) for one in found.services],
    }


def _amount(amount: Amount | None) -> dict[str, float | None] | None:
    return None if amount is None else {"task_hours_per_month": amount.task_hours, "dollars_per_month": amount.dollars}


def _service(one: Assessed) -> dict[str, Any]:
    low, high = one.saving_range or (None, None)
    past, price, estimate = one.service.recorded, one.service.price, one.processing
    return {
        "service": one.name,
        "queues": [queue.name for queue in one.service.chosen.queues],
        "queue_from": one.service.chosen.why or None,
        "dollars_per_task_hour": None if isinstance(price, NoPrice) else price.dollars_per_hour,
        "price_basis": price.text if isinstance(price, NoPrice) else price.basis,
        "now": _amount(one.now),
        "with_autoscaler": _amount(one.then),
        "with_autoscaler_low": _amount(one.low),
        "with_autoscaler_high": _amount(one.high),
        "saving": _amount(one.saving),
        "saving_low": _amount(low),
        "saving_high": _amount(high),
        "late_ratio_now": one.late_now,
        "late_ratio_with_autoscaler": one.late_then,
        "oldest_age_p99_s": None if past is None else past.age_percentile_s(99),
        "oldest_age_max_s": None if past is None else past.age_percentile_s(100),
        "wait_p95_s_with_autoscaler": None if one.replayed is None else one.replayed.wait_p95_s,
        "messages": None if past is None else past.messages,
        "processing_time_s": None if estimate is None else estimate.seconds,
        "processing_time_low_s": None if estimate is None else estimate.low_s,
        "processing_time_high_s": None if estimate is None else estimate.high_s,
        "processing_time_from": None if estimate is None else estimate.basis.value,
        "tasks_from": None if past is None else past.tasks.metric,
        "notes": list(one.notes),
    }


# Words for the terminal and the page.


def headline(found: Assessment) -> str:
    """Return the result in one sentence, with its range."""
    if not found.compared:
        return "No service could be compared: no queue with messages is known. Pass --queue SERVICE=QUEUE."
    saving, (low, high) = found.total_saving, found.total_range
    services = several(len(found.compared) - len(found.unpriced), "service")
    amount = amount_text(Amount(abs(saving.task_hours), None if saving.dollars is None else abs(saving.dollars)))
    spread = _spread(low, high)
    more = saving.dollars if saving.dollars is not None else saving.task_hours
    others = f" {several(len(found.unpriced), 'service')} without a price not included." if found.unpriced else ""
    if more >= 0:
        return f"You would save {amount} a month on {services}{spread}.{others}"
    return f"You would spend {amount} a month more on {services}{spread}.{others}"


def amount_text(amount: Amount) -> str:
    hours = several(amount.task_hours, "task-hour")
    return hours if amount.dollars is None else f"{dollars(amount.dollars)} ({hours})"


def _spread(low: Amount, high: Amount) -> str:
    if low.dollars is None or high.dollars is None or dollars(low.dollars) == dollars(high.dollars):
        return ""
    return f", {dollars(low.dollars)} to {dollars(high.dollars)} by the estimated processing times"


def percent(ratio: float | None) -> str:
    """Format a share of the time: `0 %`, `3.1 %`, `less than 0.1 %`."""
    if ratio is None:
        return "-"
    if ratio == 0:
        return "0 %"
    return f"{100 * ratio:.1f} %" if ratio >= 0.0005 else "<0.1 %"
