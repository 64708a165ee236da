"""Task time and dollars: what was seen times how long it lasted, and nothing of what nobody knows."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.model import Backlog, Missing, Observation, QueueReading
from autoscaler.ports import Category
from autoscaler.telemetry.spending import MONTH_S, Spending, Usage, idle_tasks, price_dollars
from tests.telemetry.scraping import scraped
from tests.telemetry.test_reference import known
from tests.telemetry.ticks import Desk


def look(at: float, running: int, pending: int = 0, in_flight: int = 0) -> Observation:
    observation = known()
    fleet = replace(observation.fleet, running=running, pending=pending)
    (name, counts), *_ = observation.queues
    assert isinstance(counts, Backlog)
    return replace(observation, now=at, fleet=fleet, queues=(QueueReading(name, replace(counts, in_flight=in_flight)),))


def used(*looks: Observation) -> Usage:
    usage = Usage()
    for each in looks:
        usage = usage.after(each)
    return usage


def test_tasks_that_stay_cost_their_count_times_the_time() -> None:
    usage = used(look(0.0, 3, 1, in_flight=2), look(100.0, 3, 1, in_flight=2))
    assert usage.task_s == 400.0
    assert usage.wasted_s == 200.0


def test_a_change_between_two_looks_counts_half() -> None:
    assert used(look(0.0, 0), look(10.0, 4)).task_s == 20.0


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 99)), min_size=2, max_size=9))
def test_never_more_is_wasted_than_is_paid_for(counts: list[tuple[int, int, int]]) -> None:
    usage = used(*(look(10.0 * number, *each) for number, each in enumerate(counts)))
    assert 0.0 <= usage.wasted_s <= usage.task_s


def test_what_cannot_be_read_wastes_nothing() -> None:
    blind = replace(look(10.0, 3), queues=(QueueReading("orders-queue", Missing("gone", "not_found")),))
    assert idle_tasks(blind) is None
    assert used(look(0.0, 3), blind, look(20.0, 3)).wasted_s == 0.0
    assert used(look(0.0, 3), blind, look(20.0, 3)).task_s == 60.0


def test_nothing_is_known_of_slots_before_anything_was_learned() -> None:
    assert idle_tasks(replace(look(0.0, 3), knowledge=None)) is None


@pytest.mark.parametrize(
    ("api", "units", "dollars"),
    [
        ("sqs:GetQueueAttributes", 1, 0.40e-6),
        ("cloudwatch:GetMetricData", 500, 0.005),
        ("ecs:DescribeServices", 1, 0.0),
        ("application-autoscaling:DescribeScalableTargets", 1, 0.0),
    ],
)
def test_what_a_request_costs(api: str, units: int, dollars: float) -> None:
    assert price_dollars(api, units) == pytest.approx(dollars)


def test_the_pace_is_that_of_the_last_ten_minutes() -> None:
    spending = Spending(began=0.0)
    for minute in range(60):
        spending.add("cloudwatch:GetMetricData", 1_000 if minute < 30 else 100, 60.0 * minute + 30.0)
    assert spending.dollars["cloudwatch:GetMetricData"] == pytest.approx(0.33)
    assert spending.per_month(3_600.0) == pytest.approx(0.001 / 60.0 * MONTH_S)


def test_the_pace_falls_to_nothing_when_nothing_is_asked() -> None:
    spending = Spending(began=0.0)
    spending.add("sqs:GetQueueAttributes", 1, 30.0)
    assert spending.per_month(7_200.0) == 0.0


@pytest.mark.parametrize("now", [1.0, 59.0, 60.0])
def test_the_first_minute_counts_as_whole(now: float) -> None:
    spending = Spending(began=0.0)
    spending.add("sqs:GetQueueAttributes", 1, 1.0)
    assert spending.per_month(now) == pytest.approx(0.40e-6 / 60.0 * MONTH_S)


def test_dollars_are_counted_by_api() -> None:
    desk = Desk()
    desk.metrics.made("cloudwatch:GetMetricData", Category.METRIC_READ, "ok", 5)
    desk.metrics.made("cloudwatch:GetMetricData", Category.METRIC_READ, "throttled", 5)
    labels = frozenset({("api", "cloudwatch:GetMetricData")})
    assert scraped(desk)["autoscaler_aws_cost_dollars_total", labels] == pytest.approx(1e-4)
