"""The simulated days stand for all, and their figures are those of the simulator."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.assess import replayed
from autoscaler.assess.recorded import LIVE, CountOfTasks, ServicePast
from autoscaler.assess.replayed import ReplayedDay, chosen_days, oldest_ages, plan, replay_all, result_of
from autoscaler.sim.model import SimulationOutcome, Workload
from tests.assess.test_recorded import recorded
from tests.assess.world import past


def days_of(*messages: float, more_minutes: int = 0) -> np.ndarray:
    """Return the minutes of days with these numbers of messages, after some minutes of an earlier day."""
    return np.concatenate([np.ones(more_minutes), *(np.full(1440, each / 1440) for each in messages)])


def test_the_days_are_the_middles_of_groups_with_as_many_messages() -> None:
    found = chosen_days(days_of(100, 900, 110, 500, 90, 510), 3)
    assert found == (
        ReplayedDay(0 * 1440, 1440, 2.0),
        ReplayedDay(1 * 1440, 1440, 2.0),
        ReplayedDay(3 * 1440, 1440, 2.0),
    )


def test_all_days_are_used_if_there_are_few_and_a_short_past_as_it_is() -> None:
    assert [day.first for day in chosen_days(days_of(5, 4), 3)] == [0, 1440]
    assert chosen_days(np.ones(600), 3) == (ReplayedDay(0, 600, 1.0),)


@given(
    messages=st.lists(st.floats(0, 1e6), min_size=1, max_size=14),
    most=st.integers(1, 14),
    more=st.integers(0, 1439),
)
def test_the_weights_are_the_number_of_days_and_every_day_is_whole(messages: list[float], most: int, more: int) -> None:
    sent = days_of(*messages, more_minutes=more)
    found = chosen_days(sent, most)
    assert sum(day.weight for day in found) == len(messages)
    assert len(found) == min(most, len(messages))
    assert all((day.first - more) % 1440 == 0 and day.first + day.minutes <= len(sent) for day in found)


def test_the_oldest_age_is_that_of_the_first_message_that_is_not_deleted() -> None:
    arrivals = np.array([10.0, 20.0, 130.0])
    load = Workload("made", arrivals, np.array([5.0, 5.0, 5.0]), 240.0, 60.0, np.zeros(4), np.zeros(0))
    received = np.array([100.0, 30.0, 140.0])  # the second one is received first
    outcome = SimulationOutcome(received, (), 0.0, 0, 0, ((0.0, 1),), ((0.0, 1),), 240.0)
    assert oldest_ages(load, outcome).tolist() == [50.0, 0.0, 0.0, 0.0]
    never = replace(outcome, received_s=np.array([np.nan, 30.0, 140.0]))
    assert oldest_ages(load, never).tolist() == [50.0, 110.0, 170.0, 230.0]


def test_the_daemon_needs_fewer_tasks_than_a_fixed_fleet_and_more_than_the_work() -> None:
    shown = recorded(past("diurnal:0.5", "static:8", 1, 2.0))
    made = plan(shown, 2.0, 60.0, 1, 5000)
    [runs] = replay_all([made], lambda _: None)
    found = result_of(made, runs)
    work_hours = shown.messages * 2.0 / 3600
    assert work_hours < found.hours_per_day < shown.task_hours
    assert found.late_fraction < 0.01
    assert found.thinned == 1
    [(_, day)] = found.days
    assert len(day.tasks) == len(day.age_s) == 288
    assert day.tasks.sum() / 12 == pytest.approx(found.hours_per_day, rel=0.25)


def test_a_busy_day_is_thinned_and_its_tasks_are_multiplied(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = recorded(past("diurnal:0.5", "static:8", 1, 2.0))
    whole = plan(shown, 2.0, 60.0, 1, 5000)
    monkeypatch.setattr(replayed, "MOST_MESSAGES", shown.messages / 2.5)
    made = plan(shown, 2.0, 60.0, 1, 5000)
    runs = replay_all([whole, made], lambda _: None)
    one, other = (result_of(each, own) for each, own in zip([whole, made], runs, strict=True))
    assert other.thinned == 3
    assert runs[1][0].score.jobs == pytest.approx(runs[0][0].score.jobs / 3, rel=0.05)
    assert other.hours_per_day >= one.hours_per_day * 0.95  # rather too high


def test_no_service_needs_no_simulation() -> None:
    assert replay_all([], lambda _: None) == []


def test_a_past_without_tasks_has_no_task_hours() -> None:
    none = ServicePast(0.0, CountOfTasks(np.zeros(12), LIVE, 0.0), *(np.zeros(60),) * 3, np.zeros(12))
    assert none.task_hours == 0.0
    assert none.length_s == 3600.0
