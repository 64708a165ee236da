"""The figures of the past, against pasts whose truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from autoscaler.assess.recorded import (
    LIVE,
    SAMPLES,
    Basis,
    CountOfTasks,
    ServicePast,
    count_of_tasks,
    late_ratio,
    oldest,
    placed,
    processing_time,
    summed,
)
from tests.assess.world import KnownPast, past


def recorded(shown: KnownPast) -> ServicePast:
    tasks, in_flight = (each.reshape(-1, 5).mean(axis=1) for each in (shown.tasks, shown.in_flight))
    return ServicePast(0.0, CountOfTasks(tasks, LIVE, 0.0), shown.sent, shown.deleted, shown.age_s, in_flight)


FIXED = ("diurnal:1", "static:5", 2.0)
LATE = ("on_off:4:600:3000", "target-tracking", 3.0)
RARE = ("batch:20:21600", "static:2", 10.0)


@pytest.mark.parametrize("world", [FIXED, LATE, RARE])
def test_the_task_hours_are_those_that_were_billed(world: tuple[str, str, float]) -> None:
    shown = past(world[0], world[1], 1, world[2])
    assert recorded(shown).task_hours == pytest.approx(
        shown.task_hours, rel=0.08
    )  # start-up is billed, and not running


@pytest.mark.parametrize("world", [LATE, ("diurnal:1", "static:5", 5.0), ("diurnal:2", "keda:20", 5.0)])
def test_busy_tasks_show_the_processing_time(world: tuple[str, str, float]) -> None:
    shown = past(world[0], world[1], 1, world[2])
    found = processing_time(recorded(shown))
    assert found is not None
    assert found.basis is Basis.BUSY
    assert found.seconds == pytest.approx(world[2], rel=0.1)


@pytest.mark.parametrize("world", [FIXED, RARE])
def test_without_a_backlog_the_messages_in_flight_show_it_and_the_range_reaches_to_the_idle_tasks(
    world: tuple[str, str, float],
) -> None:
    found = processing_time(recorded(past(world[0], world[1], 1, world[2])))
    assert found is not None
    assert found.basis is Basis.IN_FLIGHT
    assert found.seconds == pytest.approx(world[2], rel=0.35)  # 80 messages in all, in the second world
    assert found.low_s <= world[2] <= found.high_s


def test_workers_that_delete_first_have_an_upper_bound_and_not_their_holding_time() -> None:
    """They hold a message for milliseconds, whatever it takes: the tasks may be busy all the time."""
    shown = recorded(past(FIXED[0], FIXED[1], 1, FIXED[2]))
    found = processing_time(replace(shown, in_flight=shown.in_flight / 100))
    assert found is not None
    assert found.basis is Basis.UPPER_BOUND
    assert found.seconds == found.high_s > 2.0
    assert found.low_s == pytest.approx(0.02, rel=0.3)


def test_without_messages_in_flight_there_is_an_upper_bound_and_without_deletions_nothing() -> None:
    shown = recorded(past(FIXED[0], FIXED[1], 1, FIXED[2]))
    found = processing_time(replace(shown, in_flight=np.zeros(288)))
    assert found is not None
    assert (found.basis, found.low_s) == (Basis.UPPER_BOUND, 0.0)
    assert processing_time(replace(shown, deleted=np.zeros(1440))) is None
    no_tasks = replace(shown, tasks=CountOfTasks(np.zeros(288), LIVE, 0.0))
    assert processing_time(replace(no_tasks, in_flight=np.zeros(288))) is None


@pytest.mark.parametrize(
    ("load", "policy", "service_s", "tolerance"),
    [
        ("diurnal:2", "static:12", 2.0, 0.001),
        ("on_off:6:600:3000", "target-tracking", 3.0, 0.05),
        ("flash_crowd:2:20", "target-tracking", 5.0, 0.03),
        ("diurnal:1", "static:5", 5.0, 0.03),
        ("diurnal:2", "keda:20", 5.0, 0.15),  # many messages wait about as long as the target
    ],
)
def test_the_share_of_late_messages_is_near_the_true_one(
    load: str, policy: str, service_s: float, tolerance: float
) -> None:
    shown = past(load, policy, 1, service_s)
    assert late_ratio(shown.sent, shown.age_s, 60.0 + service_s) == pytest.approx(shown.late_fraction, abs=tolerance)


def test_the_share_of_late_messages_in_closed_form() -> None:
    sent, nothing = np.array([10.0, 0, 0, 0, 30.0, 0]), np.full(6, np.nan)
    assert late_ratio(sent, nothing, 60.0) == 0.0
    assert late_ratio(np.zeros(6), nothing, 60.0) == 0.0
    # the first ten are there until the end of minute 3 (age 210 s), the others are deleted at once
    ages = np.array([30.0, 90.0, 150.0, 210.0, 0.0, 0.0])
    assert late_ratio(sent, ages, 60.0) == pytest.approx(10 / 40)
    assert late_ratio(sent, ages, 300.0) == 0.0
    assert late_ratio(sent, np.array([30.0, 90, 150, 210, 270, 330]), 60.0) == 1.0  # never deleted, nor those behind it


def test_live_task_count_is_used_if_it_exists_otherwise_the_samples() -> None:
    live, samples = {0.0: 4.0, 600.0: 2.0}, {0.0: 20.0, 300.0: 20.0}
    found = count_of_tasks(live, samples, 0.0, 900.0, 4)
    assert found is not None
    assert (found.tasks.tolist(), found.metric) == ([4.0, 0.0, 2.0], LIVE)
    assert found.gap_ratio == pytest.approx(1 / 3)
    found = count_of_tasks({}, samples, 0.0, 900.0, 4)
    assert found is not None
    assert (found.tasks.tolist(), found.metric) == ([4.0, 4.0, 0.0], SAMPLES)
    assert count_of_tasks({}, {}, 0.0, 900.0, 4) is None


def test_twenty_second_metrics_have_three_samples_per_task() -> None:
    found = count_of_tasks({}, {0.0: 60.0, 300.0: 60.0}, 0.0, 600.0, 4)
    assert found is not None
    assert found.tasks.tolist() == [4.0, 4.0]
    unknown = count_of_tasks({}, {0.0: 60.0}, 0.0, 300.0, 0)
    assert unknown is not None
    assert unknown.tasks.tolist() == [12.0]


def test_several_queues_are_summed_and_their_oldest_age_is_the_highest() -> None:
    one, other = {0.0: 3.0}, {0.0: 4.0, 60.0: 5.0, 999.0: 7.0, -60.0: 1.0}
    assert summed([one, other], 0.0, 3).tolist() == [7.0, 5.0, 0.0]
    assert summed([], 0.0, 2).tolist() == [0.0, 0.0]
    ages = oldest([one, other], 0.0, 3)
    assert ages[:2].tolist() == [4.0, 5.0]
    assert np.isnan(ages[2])
    values, known = placed(other, 0.0, 2, 60.0)
    assert (values.tolist(), known.tolist()) == ([4.0, 5.0], [True, True])
