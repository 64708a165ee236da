"""Today's cost: tasks times time times price, from midnight UTC on, without the time that was not observed."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.model import Missing, Observation, QueueReading
from autoscaler.ports import Poll
from autoscaler.pricing import NoPrice, configured
from autoscaler.telemetry.cost import DAY_S, MOST_GAP_S, CostToday, cost_of, shown_dollars
from autoscaler.telemetry.page.rows import row_of
from autoscaler.telemetry.views import services
from tests.telemetry.polls import NOON, JournalDesk, decided, seen, unread

PRICE = configured(0.36)
MIDNIGHT = math.floor(NOON / DAY_S) * DAY_S


def polled(running: int = 10, pending: int = 0, in_flight: int = 0, price: object = PRICE) -> Poll:
    observation: Observation = seen(backlog=(0, in_flight, 0))
    fleet = replace(observation.fleet, running=running, pending=pending)
    return replace(decided(replace(observation, fleet=fleet)), price=price)  # type: ignore[arg-type]


def test_the_cost_is_the_tasks_times_the_time_times_the_price() -> None:
    found = CostToday(MIDNIGHT).after(polled(10, 2), 100.0, MIDNIGHT + 5000)
    assert found.task_s == 1200.0
    assert found.dollars == pytest.approx(1200 / 3600 * 0.36)
    assert found.unpriced_s == 0.0


def test_time_without_a_poll_or_a_reading_is_not_counted() -> None:
    before = CostToday(MIDNIGHT)
    assert before.after(None, 10.0, MIDNIGHT + 5000) is before
    assert before.after(unread(), 10.0, MIDNIGHT + 5000) is before
    assert before.after(polled(), MOST_GAP_S + 1, MIDNIGHT + 5000) is before
    assert before.after(polled(), 0.0, MIDNIGHT + 5000) is before
    assert before.after(polled(), MOST_GAP_S, MIDNIGHT + 5000).task_s == 10 * MOST_GAP_S


def test_at_midnight_it_begins_again_with_the_time_since_midnight() -> None:
    yesterday = CostToday(MIDNIGHT - 3600, task_s=900.0, dollars=5.0)
    found = yesterday.after(polled(), 60.0, MIDNIGHT + 20)
    assert (found.since, found.task_s) == (MIDNIGHT, 200.0)
    assert found.dollars == pytest.approx(200 / 3600 * 0.36)


def test_without_a_price_the_task_time_is_counted_and_no_dollars() -> None:
    poll = polled(price=NoPrice("it runs on EC2"))
    found = CostToday(MIDNIGHT).after(poll, 3600.0 / 10, MIDNIGHT + 5000)
    shown = cost_of(poll, found)
    assert shown["today_task_hours"] == 1.0
    assert shown["today_dollars"] is None
    assert shown["basis"] == "it runs on EC2; set task_price to the dollars that one task costs per hour"
    later = found.after(polled(), 36.0, MIDNIGHT + 6000)
    assert cost_of(polled(), later)["today_dollars"] == pytest.approx(0.04)  # of the priced time


def test_the_idle_share_is_that_of_tasks_without_a_message() -> None:
    found = CostToday(MIDNIGHT).after(polled(10, in_flight=4), 100.0, MIDNIGHT + 5000)
    assert found.idle_ratio == pytest.approx(0.6)
    assert CostToday(MIDNIGHT).after(polled(10, in_flight=40), 100.0, MIDNIGHT + 5000).idle_ratio == 0.0
    assert CostToday(MIDNIGHT).idle_ratio is None
    gap = polled()
    assert gap.observation is not None
    unknown = replace(gap.observation, queues=(QueueReading("orders", Missing("denied")),))
    assert CostToday(MIDNIGHT).after(replace(gap, observation=unknown), 100.0, MIDNIGHT + 5000).idle_ratio is None


@given(st.lists(st.tuples(st.integers(0, 50), st.floats(0.1, 100)), max_size=20))
def test_the_sum_over_polls_is_the_integral(steps: list[tuple[int, float]]) -> None:
    today, wall = CostToday(MIDNIGHT), MIDNIGHT + 1000.0
    for running, lasted_s in steps:
        wall += lasted_s
        today = today.after(polled(running), lasted_s, wall)
    assert today.task_s == pytest.approx(sum(running * lasted_s for running, lasted_s in steps))
    assert today.dollars == pytest.approx(today.task_s / 3600 * 0.36)


@pytest.mark.parametrize(("amount", "shown"), [(1.234, 1.23), (9.999, 10.0), (12.34, 12.3), (123.4, 123.0)])
def test_a_shown_amount_changes_rarely(amount: float, shown: float) -> None:
    assert shown_dollars(amount) == shown


def test_the_api_and_the_row_have_the_cost_of_the_day() -> None:
    desk = JournalDesk()
    desk.record(polled(10))
    desk.clock.now += 360.0
    desk.record(polled(10))
    [status] = desk.store.statuses()
    [service] = services([status], desk.clock())["services"]
    assert service["cost"]["dollars_per_task_hour"] == 0.36
    assert service["cost"]["today_task_hours"] == 1.0
    assert service["cost"]["today_dollars"] == 0.36
    assert service["cost"]["since"] == NOON
    assert row_of(status)["cost"] == 0.36
