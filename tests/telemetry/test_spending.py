"""Task time, wasted time, and the price of AWS calls. Time with unknown values does not count as wasted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.model import Backlog, Missing, Observation, QueueReading
from autoscaler.ports import Category
from autoscaler.telemetry.tally import MONTH_S, Spending, Usage, idle_tasks, price_dollars
from tests.telemetry.polls import JournalDesk
from tests.telemetry.scraping import scraped
from tests.telemetry.test_reference import known


def observed(at: float, running: int, pending: int = 0, in_flight: int = 0) -> Observation:
    observation = known()
    fleet = replace(observation.fleet, running=running, pending=pending)
    (name, counts), *_ = observation.queues
    assert isinstance(counts, Backlog)
    return replace(observation, now=at, fleet=fleet, queues=(QueueReading(name, replace(counts, in_flight=in_flight)),))


def used(*observations: Observation) -> Usage:
    usage = Usage()
    for each in observations:
        usage = usage.after(each)
    return usage


def test_task_time_is_the_task_count_times_the_duration() -> None:
    usage = used(observed(0.0, 3, 1, in_flight=2), observed(100.0, 3, 1, in_flight=2))
    assert usage.task_s == 400.0
    assert usage.wasted_s == 200.0


def test_task_time_uses_the_mean_of_two_polls() -> None:
    assert used(observed(0.0, 0), observed(10.0, 4)).task_s == 20.0


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 99)), min_size=2, max_size=9))
def test_wasted_time_is_at_most_the_task_time(counts: list[tuple[int, int, int]]) -> None:
    usage = used(*(observed(10.0 * number, *each) for number, each in enumerate(counts)))
    assert 0.0 <= usage.wasted_s <= usage.task_s


def test_time_with_an_unread_queue_is_not_wasted_time() -> None:
    unread = replace(observed(10.0, 3), queues=(QueueReading("orders-queue", Missing("gone", "not_found")),))
    assert idle_tasks(unread) is None
    assert used(observed(0.0, 3), unread, observed(20.0, 3)).wasted_s == 0.0
    assert used(observed(0.0, 3), unread, observed(20.0, 3)).task_s == 60.0


def test_without_estimates_the_number_of_idle_tasks_is_unknown() -> None:
    assert idle_tasks(replace(observed(0.0, 3), knowledge=None)) is None


@pytest.mark.parametrize(
    ("api", "units", "dollars"),
    [
        ("sqs:GetQueueAttributes", 1, 0.40e-6),
        ("cloudwatch:GetMetricData", 500, 0.005),
        ("ecs:DescribeServices", 1, 0.0),
        ("application-autoscaling:DescribeScalableTargets", 1, 0.0),
    ],
)
def test_each_request_has_its_list_price(api: str, units: int, dollars: float) -> None:
    assert price_dollars(api, units) == pytest.approx(dollars)


def test_the_monthly_cost_is_at_the_rate_of_the_last_ten_minutes() -> None:
    spending = Spending(began=0.0)
    for minute in range(60):
        spending.add("cloudwatch:GetMetricData", 1_000 if minute < 30 else 100, 60.0 * minute + 30.0)
    assert spending.dollars["cloudwatch:GetMetricData"] == pytest.approx(0.33)
    assert spending.per_month(3_600.0) == pytest.approx(0.001 / 60.0 * MONTH_S)


def test_the_monthly_cost_without_requests_is_zero() -> None:
    spending = Spending(began=0.0)
    spending.add("sqs:GetQueueAttributes", 1, 30.0)
    assert spending.per_month(7_200.0) == 0.0


@pytest.mark.parametrize("now", [1.0, 59.0, 60.0])
def test_the_first_minute_counts_as_complete(now: float) -> None:
    spending = Spending(began=0.0)
    spending.add("sqs:GetQueueAttributes", 1, 1.0)
    assert spending.per_month(now) == pytest.approx(0.40e-6 / 60.0 * MONTH_S)


def test_dollars_are_counted_by_api() -> None:
    desk = JournalDesk()
    desk.metrics.made("cloudwatch:GetMetricData", Category.METRIC_READ, "ok", 5)
    desk.metrics.made("cloudwatch:GetMetricData", Category.METRIC_READ, "throttled", 5)
    labels = frozenset({("api", "cloudwatch:GetMetricData")})
    assert scraped(desk)["autoscaler_aws_cost_dollars_total", labels] == pytest.approx(1e-4)
