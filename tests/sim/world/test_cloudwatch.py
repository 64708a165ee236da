"""CloudWatch: the datapoints of each minute, and when they can be read."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from autoscaler.sim.model import Breakdown, Datapoint, Meter, Slow, Victims, Workload
from autoscaler.sim.world import World
from tests.sim.world.made import poisson, settings, workload, world


def values(stage: World, meter: Meter, most: int = 10**6) -> list[float | None]:
    return [point.value for point in stage.minutes(meter, most)]


def test_a_minute_can_be_read_after_the_delay_of_the_metrics_and_its_timestamp_is_its_end() -> None:
    stage = world(workload([10.0, 70.0, 75.0], 1.0), metrics_late_s=60.0)
    for meter in Meter:
        seen = []
        fresh = world(workload([10.0, 70.0, 75.0], 1.0), metrics_late_s=60.0)
        for at in (60.0, 119.0, 120.0, 179.0, 180.0):
            fresh.advance(at)
            seen.append([point.at for point in fresh.minutes(meter, 5)])
        assert seen == [[], [], [60.0], [60.0], [60.0, 120.0]]
    stage.advance(185.0)
    assert stage.minutes(Meter.SENT, 5) == [Datapoint(60.0, 1.0), Datapoint(120.0, 2.0)]
    assert stage.minutes(Meter.SENT, 1) == [Datapoint(120.0, 2.0)]
    assert stage.minutes(Meter.RECEIVED, 1) == [Datapoint(120.0, 2.0)]


def test_metrics_without_a_delay_can_be_read_at_the_end_of_the_minute() -> None:
    stage = world(workload([10.0], 1.0), metrics_late_s=0.0)
    stage.advance(60.0)
    assert values(stage, Meter.RECEIVED) == [1.0]


def test_received_and_deleted_messages_count_in_the_minute_of_the_receive_or_delete() -> None:
    stage = world(workload([10.0, 55.0, 59.0], [1.0, 10.0, 100.0]), metrics_late_s=0.0, tasks_at_start=2)
    stage.advance(240.0)
    assert values(stage, Meter.RECEIVED) == [3.0, 0.0, 0.0, 0.0]
    assert values(stage, Meter.DELETED) == [1.0, 1.0, 1.0, 0.0]
    assert values(stage, Meter.SENT) == [3.0, 0.0, 0.0, 0.0]


def test_every_receive_counts_and_a_failed_message_is_not_deleted() -> None:
    stage = world(workload([10.0], 10.0), metrics_late_s=0.0, visibility_timeout_s=60.0, faults=(Breakdown(0.0, 60.0),))
    stage.advance(180.0)
    assert values(stage, Meter.RECEIVED) == [1.0, 1.0, 0.0]
    assert values(stage, Meter.DELETED) == [0.0, 1.0, 0.0]


def test_a_message_whose_work_fails_is_not_deleted_before_or_after_the_end_of_the_work() -> None:
    stage = world(workload([10.0], 100.0), metrics_late_s=0.0, faults=(Breakdown(0.0, 200.0),))
    stage.advance(180.0)
    assert values(stage, Meter.DELETED) == [0.0, 0.0, 0.0]


def test_the_oldest_message_is_the_oldest_one_that_is_not_deleted() -> None:
    load = workload([10.0, 20.0, 130.0], [100.0, 40.0, 50.0])
    stage = world(load, metrics_late_s=0.0)
    stage.advance(300.0)
    assert values(stage, Meter.OLDEST_AGE_S) == [50.0, 100.0, 50.0, None, None]
    assert values(stage, Meter.VISIBLE) == [1.0, 0.0, 0.0, 0.0, 0.0]


def test_a_message_that_has_not_arrived_yet_has_no_age() -> None:
    stage = world(workload([10.0, 250.0], 5.0), metrics_late_s=0.0)
    stage.advance(60.0)
    assert values(stage, Meter.OLDEST_AGE_S) == [None]


def test_a_message_received_three_times_does_not_count_as_the_oldest() -> None:
    # Work on the first message fails at 11, 31 and 51, so it was received three times by 60. The second arrives at 55.
    load = workload([10.0, 55.0], [1.0, 300.0])
    stage = world(load, metrics_late_s=0.0, visibility_timeout_s=19.0, faults=(Breakdown(0.0, 52.0),), tasks_at_start=2)
    stage.advance(60.0)
    assert values(stage, Meter.OLDEST_AGE_S) == [5.0]
    twice = world(load, metrics_late_s=0.0, visibility_timeout_s=30.0, faults=(Breakdown(0.0, 52.0),), tasks_at_start=2)
    twice.advance(42.0)
    assert twice.counts().in_flight == 1
    twice.advance(60.0)
    assert values(twice, Meter.OLDEST_AGE_S) == [50.0]


def test_cpu_is_the_busy_share_of_the_slots_of_tasks_that_are_up() -> None:
    load = workload([0.0, 30.0, 70.0], [15.0, 45.0, 12.0])
    stage = world(load, metrics_late_s=0.0, tasks_at_start=1)
    stage.advance(120.0)
    assert values(stage, Meter.CPU_PERCENT) == pytest.approx([75.0, 45.0])
    double = world(load, metrics_late_s=0.0, tasks_at_start=1, task_concurrency=2)
    double.advance(120.0)
    assert values(double, Meter.CPU_PERCENT) == pytest.approx([37.5, 22.5])


def test_cpu_has_no_datapoint_while_no_task_is_up() -> None:
    stage = world(workload([400.0], 5.0), metrics_late_s=0.0)
    stage.advance(30.0)
    stage.scale_to(0)
    stage.advance(155.0)
    stage.scale_to(2)
    stage.advance(240.0)
    assert values(stage, Meter.CPU_PERCENT) == [0.0, None, 0.0, 0.0]
    assert values(stage, Meter.RUNNING) == [0.0, 0.0, 2.0, 2.0]


def test_cpu_includes_a_stopping_task_with_its_work_and_never_exceeds_100_percent() -> None:
    stage = world(workload([0.0] * 3, 55.0), metrics_late_s=0.0, tasks_at_start=3, victims=Victims.RANDOM)
    stage.advance(30.0)
    stage.scale_to(0)
    stage.advance(60.0)
    assert values(stage, Meter.CPU_PERCENT) == pytest.approx([100.0])


@pytest.mark.parametrize("changed", [{}, {"prefetch": 3}, {"task_concurrency": 4}, {"faults": (Slow(0.0, 1e9, 1.5),)}])
def test_metrics_add_up_to_the_totals_of_the_run(changed: dict[str, object]) -> None:
    load = poisson(3, 1.0, 3600.0)
    stage = world(load, metrics_late_s=0.0, tasks_at_start=8, **changed)
    stage.advance(3600.0)
    factor = 1.5 if "faults" in changed else 1.0
    assert sum(values(stage, Meter.SENT)) == len(load.arrivals_s)  # type: ignore[arg-type]
    assert sum(values(stage, Meter.RECEIVED)) == np.count_nonzero(stage.outcome().received_s < 3600.0)  # type: ignore[arg-type]
    in_flight = stage.counts().in_flight
    assert sum(values(stage, Meter.DELETED)) == sum(values(stage, Meter.RECEIVED)) - in_flight  # type: ignore[arg-type]
    slots = 8 * settings(**changed).task_concurrency
    busy_s = math.fsum(value or 0.0 for value in values(stage, Meter.CPU_PERCENT)) / 100 * 60 * slots
    assert busy_s == pytest.approx(load.work_s * factor, rel=0.02)


def test_messages_sent_before_0_are_available_per_minute() -> None:
    load = replace(workload([5.0, 65.0, 66.0], 1.0), interval_s=300.0, history=np.array([600.0, 0.0, 50.0]))
    stage = world(load)
    assert stage.minutes(Meter.SENT, 3) == [Datapoint(-180.0, 10.0), Datapoint(-120.0, 10.0), Datapoint(-60.0, 10.0)]
    stage.advance(60.0)
    assert stage.minutes(Meter.SENT, 1) == [Datapoint(0.0, 10.0)]
    stage.advance(180.0)
    whole = stage.minutes(Meter.SENT, 10**6)
    assert [point.at for point in whole] == [-840.0 + 60 * k for k in range(17)]
    assert [point.value for point in whole] == [120.0] * 5 + [0.0] * 5 + [10.0] * 5 + [1.0, 2.0]
    assert [point.at for point in stage.minutes(Meter.RECEIVED, 10**6)] == [60.0, 120.0]


def test_history_in_shorter_intervals_is_summed_per_minute() -> None:
    load = replace(workload([], 1.0), interval_s=20.0, history=np.arange(1.0, 8.0))
    stage = world(load)
    stage.advance(60.0)
    assert stage.minutes(Meter.SENT, 10) == [Datapoint(-60.0, 9.0), Datapoint(0.0, 18.0)]


def test_no_message_is_sent_after_the_end_of_the_load() -> None:
    load = Workload("slow", np.array([0.0]), np.array([500.0]), 90.0, 60.0, np.zeros(2), np.zeros(0))
    stage = world(load, metrics_late_s=0.0)
    stage.advance(300.0)
    assert values(stage, Meter.SENT) == [1.0, 0.0, 0.0, 0.0, 0.0]
