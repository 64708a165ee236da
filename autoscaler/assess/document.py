"""The result of an assessment in one sentence, and all figures as JSON."""

from __future__ import annotations

from typing import Any

from autoscaler.assess.assessment import Amount, Assessed, Assessment
from autoscaler.core.figures import several
from autoscaler.pricing import NoPrice, dollars


def headline(found: Assessment) -> str:
    """Return the result in one sentence, with its range."""
    if not found.compared:
        return "No service could be compared: no queue with messages is known. Pass --queue SERVICE=QUEUE."
    saving, (low, high) = found.total_saving, found.total_range
    services = several(len(found.compared) - len(found.unpriced), "service")
    amount = _text(Amount(abs(saving.task_hours), None if saving.dollars is None else abs(saving.dollars)))
    spread = _spread(low, high)
    more = saving.dollars if saving.dollars is not None else saving.task_hours
    others = f" {several(len(found.unpriced), 'service')} without a price not included." if found.unpriced else ""
    if more >= 0:
        return f"You would save {amount} a month on {services}{spread}.{others}"
    return f"You would spend {amount} a month more on {services}{spread}.{others}"


def _text(amount: Amount) -> str:
    hours = several(amount.task_hours, "task-hour")
    return hours if amount.dollars is None else f"{dollars(amount.dollars)} ({hours})"


def _spread(low: Amount, high: Amount) -> str:
    if low.dollars is None or high.dollars is None or dollars(low.dollars) == dollars(high.dollars):
        return ""
    return f", {dollars(low.dollars)} to {dollars(high.dollars)} by the estimated processing times"


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
