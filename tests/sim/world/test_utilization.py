"""The world of a service without a queue: what its tasks use, and what CloudWatch publishes about it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from autoscaler.errors import Throttled
from autoscaler.sim.chance import StartUp
from autoscaler.sim.model import ManualChange, Meter, PlannedRollout, Shortage, Throttling
from autoscaler.sim.utilization import cpu_world
from autoscaler.sim.world.utilization import TaskLoad, UtilizationWorld

FIXED = StartUp(30.0, 30.0, 30.0)


def world(*tasks: float, target: float = 50.0, **changes: Any) -> UtilizationWorld:
    """Return a world with this load in each minute."""
    settings = cpu_world(**{"noise_ratio": 0.0, "start_up": FIXED, "tasks_at_start": 4, **changes})
    return UtilizationWorld(TaskLoad("load", 60.0, np.array(tasks)), settings, target, 1)


def cpu(stage: UtilizationWorld, most: int = 100) -> list[tuple[float, float | None]]:
    return [(at, None if value is None else round(value, 6)) for at, value in stage.minutes(Meter.CPU_PERCENT, most)]


def test_a_minute_is_the_load_per_running_task_at_most_100_percent() -> None:
    stage = world(1.0, 3.0, 9.0, 0.0, 0.0, metrics_late_s=0.0)
    stage.advance(300.0)
    assert cpu(stage) == [(60, 25), (120, 75), (180, 100), (240, 0), (300, 0)]


def test_a_minute_in_which_the_count_changed_is_the_mean_over_the_running_tasks() -> None:
    """Four tasks for 40 s and six for 20 s: 3 x 60 / (4 x 40 + 6 x 20)."""
    stage = world(3.0, 3.0, 3.0, metrics_late_s=0.0)
    stage.advance(10.0)
    stage.scale_to(6)
    stage.advance(180.0)
    assert cpu(stage) == [(60, pytest.approx(100 * 180 / 280)), (120, 50), (180, 50)]
    assert [value for _, value in stage.minutes(Meter.LIVE, 3)] == [pytest.approx(280 / 60), 6, 6]
    assert stage.tasks() == (6, 6, 0, None)


def test_a_datapoint_is_published_late_and_short_periods_after_20_s() -> None:
    stage = world(1.0, 2.0, 3.0, metrics_late_s=60.0)
    stage.advance(119.0)
    assert cpu(stage) == []
    assert len(stage.short_periods(100)) == 4, "of 20, 40, 60 and 80 s"
    stage.advance(120.0)
    assert cpu(stage) == [(60, 25)]
    assert stage.short_periods(2) == [(50.0, 4.0), (50.0, 4.0)]


def test_a_starting_task_uses_all_of_its_cpu_for_itself() -> None:
    """Two tasks run from 40 s on and are busy until 70 s: (2 x 60 + 2 x 20) / (4 x 40 + 6 x 20) in the first minute."""
    stage = world(2.0, 2.0, 2.0, busy_start_s=30.0, metrics_late_s=0.0)
    stage.advance(10.0)
    stage.scale_to(6)
    stage.advance(180.0)
    first, second, third = (value for _, value in cpu(stage))
    assert first == pytest.approx(100 * 160 / 280)
    assert second == pytest.approx(100 * (2 * 60 + 2 * 10) / 360)
    assert third == pytest.approx(100 * 2 / 6, abs=1e-5)


def test_the_outcome_has_the_time_above_the_target_and_the_load_that_was_not_served() -> None:
    """Target 50 % of four tasks: 2. The ideal is ceil(load / 0.5), at least one task."""
    stage = world(1.9, 2.1, 4.0, 6.0, 0.0)
    stage.advance(1000.0)
    outcome = stage.outcome()
    assert stage.has_ended
    assert outcome.ended_s == 300.0
    assert (outcome.above_s, outcome.saturated_s, outcome.unserved_s) == pytest.approx((180.0, 120.0, 120.0))
    assert outcome.ideal_s == pytest.approx(60 * (4 + 5 + 8 + 12 + 1))


def test_noise_is_that_of_a_minute_and_the_same_for_the_same_seed() -> None:
    def percents() -> list[float]:
        stage = world(*[2.0] * 2000, noise_ratio=0.05, metrics_late_s=0.0)
        stage.advance(120_000.0)
        return [value or 0.0 for _, value in stage.minutes(Meter.CPU_PERCENT, 2000)]

    assert np.std(percents()) / 50 == pytest.approx(0.05, rel=0.1)
    assert percents() == percents()


def test_faults_of_ecs_apply() -> None:
    faults = (ManualChange(60.0, 2), Throttling(120.0, 180.0), Shortage(200.0, 260.0, 3), PlannedRollout(300.0))
    stage = world(*[1.0] * 10, faults=faults)
    stage.advance(70.0)
    assert stage.tasks().desired == 2
    stage.advance(130.0)
    with pytest.raises(Throttled):
        stage.scale_to(5)
    stage.advance(200.0)
    stage.scale_to(5)
    assert stage.tasks().pending == 1
    stage.advance(299.0)
    assert stage.tasks().running == 5
    stage.advance(301.0)
    assert stage.tasks().deployment_s == 300.0
    stage.advance(400.0)
    assert stage.tasks() == (5, 5, 0, None)
