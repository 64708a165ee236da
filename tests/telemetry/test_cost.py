"""Today's cost: tasks times time times price, from midnight UTC on, without the time that was not observed."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.model import Missing, Observation, QueueReading
from autoscaler.ports import Poll
from autoscaler.pricing import NoPrice, configured
from autoscaler.telemetry.cost import DAY_S, MOST_GAP_S, CostToday, compared, cost_of, keda_tasks, shown_dollars
from autoscaler.telemetry.page.rows import row_of
from autoscaler.telemetry.views import services
from tests.telemetry.polls import NOON, JournalDesk, decided, policy_of, seen, unread

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


def at(now: float, desired: int, waiting: int | None, **policy: Any) -> Poll:
    """Return a poll with this desired count and backlog (None: the queue could not be read)."""
    backlog = Missing("denied") if waiting is None else (waiting, 0, 0)
    poll = decided(seen(now, desired, backlog), policy=policy_of(**{"max_tasks": 40, **policy}))
    return replace(poll, price=PRICE)


def after(polls: list[Poll], step_s: float = 10.0) -> CostToday:
    today = CostToday(MIDNIGHT)
    for number, poll in enumerate(polls, 1):
        today = today.after(poll, step_s, MIDNIGHT + 5000 + number * step_s)
    return today


def hours_of(poll: Poll, today: CostToday) -> dict[str, tuple[float, float | None]]:
    return {one["name"]: (one["task_hours"], one["dollars"]) for one in compared(poll, today)}


def test_a_fixed_fleet_has_the_highest_desired_count_all_the_time() -> None:
    polls = [at(1000 + 360 * number, desired, 0) for number, desired in enumerate((1, 9, 2, 0, 0, 0, 0, 0, 0, 0))]
    today = after(polls, 360.0)
    assert compared(polls[-1], today)[1]["tasks"] == 9
    found = hours_of(polls[-1], today)
    assert found["this"] == (1.2, 0.43)
    assert found["fixed"] == (9.0, 3.24)


@pytest.mark.parametrize(
    ("messages", "tasks"), [(0, 2), (10, 2), (11, 3), (15, 3), (16, 4), (199, 40), (200, 40), (100_000, 40)]
)
def test_kedas_count_is_one_task_per_five_messages_within_the_limits(messages: int, tasks: int) -> None:
    assert keda_tasks(policy_of(min_tasks=2, max_tasks=40), messages) == tasks


def test_messages_in_flight_count_in_kedas_rule_and_a_queue_that_was_not_read_changes_nothing() -> None:
    poll = replace(decided(seen(backlog=(20, 30, 0))), price=PRICE)
    unknown = at(1010, 2, None)
    assert hours_of(poll, after([poll, unknown], 360.0))["keda"] == (2.0, 0.72)


def test_kedas_rule_scales_in_to_the_highest_count_of_the_last_five_minutes() -> None:
    """50 messages in one poll, then none: ten tasks for five minutes, in steps of half a minute."""
    polls = [at(1200.0, 1, 50), *(at(1210.0 + 10 * number, 1, 0) for number in range(60))]
    hours = after(polls).others.keda_s / 3600
    assert 10 * 270 / 3600 <= hours <= 10 * 310 / 3600


def test_the_comparison_needs_readings_and_kedas_rule_a_queue() -> None:
    assert compared(None, None) == []
    assert compared(at(1000, 1, 0), CostToday(MIDNIGHT)) == []
    no_queue = at(1000, 1, 0, queues=())
    assert set(hours_of(no_queue, after([no_queue]))) == {"this", "fixed"}
    unpriced = replace(at(1000, 1, 0), price=NoPrice("it runs on EC2"))
    assert [one["dollars"] for one in compared(unpriced, after([unpriced]))] == [None] * 3


def test_the_comparison_begins_again_at_midnight() -> None:
    today = after([at(1000, 9, 50)])
    tomorrow = today.after(at(1010, 1, 0), 10.0, MIDNIGHT + DAY_S + 10)
    assert tomorrow.others.most == 1
    assert tomorrow.others.keda_s == 10 * 10.0, "the count of the minutes before midnight still applies"


def test_a_poll_adds_at_most_eleven_counts() -> None:
    today = after([at(1000 + 7 * number, 1, number % 90) for number in range(200)], 7.0)
    assert len(today.others.recent) <= 11
