"""Services that follow their CPU: this autoscaler's own loop in the simulated world, next to target tracking.

The laws hold for any load, start-up time and lateness: after a step at most one overshoot of at most a tenth, at most
three changes unless all tasks are busy, and no change while the load is constant.
"""

from __future__ import annotations

from itertools import pairwise
from math import ceil
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.sim.chance import StartUp, durations
from autoscaler.sim.model import ManualChange, Restart
from autoscaler.sim.ours import Ours
from autoscaler.sim.utilization import (
    OURS,
    POLICIES,
    SCENARIOS,
    TRACKING,
    TRACKING_20S,
    CpuSetup,
    UtilizationRun,
    cpu_world,
    load_of,
    named,
    run,
    scaler_of,
    specs,
)
from autoscaler.sim.workload.drawing import Counted
from autoscaler.sim.world.utilization import TaskLoad

HOUR = 60


def load(*parts: tuple[float, float]) -> TaskLoad:
    """Return a load of parts: tasks, and hours."""
    minutes = [np.full(round(hours * HOUR), tasks) for tasks, hours in parts]
    return TaskLoad("load", 60.0, np.concatenate(minutes))


def played(each: TaskLoad, policy: str = OURS, seed: int = 1, target: float = 60.0, **changes: Any) -> UtilizationRun:
    return run(each, cpu_world(**changes), CpuSetup(target), policy, seed)


def required(tasks: float, target: float) -> int:
    return max(1, ceil(round(100 * tasks / target, 6)))


@pytest.mark.parametrize("seed", range(8))
def test_the_fault_90_percent_of_four_tasks_with_a_target_of_60_percent(seed: int) -> None:
    """Tasks run 35 s after they are requested, and a minute is published a minute late. The mean of a minute over
    changing counts was held against one count: 4, 6, 9, 6, 8, 5, 7.
    """
    start_up = StartUp(35.0, 35.0, 35.0)
    made = played(load((3.6, 3.0)), seed=seed, tasks_at_start=4, start_up=start_up, noise_ratio=0.0)
    assert [count for _, count in made.outcome.desired] == [4, 6]


@settings(max_examples=15)
@given(data=st.data())
def test_after_a_step_the_count_overshoots_once_by_at_most_a_tenth(data: st.DataObject) -> None:
    draw = data.draw
    target = draw(st.sampled_from([40.0, 60.0, 75.0]))
    before = draw(st.floats(0.5, 12.0))
    after = before * draw(st.floats(1.05, 0.95 * 100 / target))  # not all tasks are busy
    late_s, start_s = draw(st.sampled_from([60.0, 120.0, 180.0])), draw(st.floats(10.0, 120.0))
    busy_s = draw(st.sampled_from([0.0, 30.0, 60.0]))
    world: dict[str, Any] = {
        "noise_ratio": 0.0,
        "metrics_late_s": late_s,
        "start_up": StartUp(start_s, start_s, start_s),
    }
    at_start = required(before, target)
    each = load((before, 1.0), (after, 3.0))
    made = played(each, target=target, tasks_at_start=at_start, busy_start_s=busy_s, **world)
    writes = [(at, count) for at, count in made.outcome.desired if at > 0]
    counts = [count for _, count in writes]
    assert all(at > 3600.0 for at, _ in writes), "no change while the load is constant"
    assert len(counts) <= 3, counts
    assert max(counts, default=at_start) <= max(at_start, ceil(round(1.1 * 100 * after / target, 6))), counts
    assert [at_start, *counts][-1] == required(after, target)
    assert all(at < 2.5 * 3600.0 for at, _ in writes), "no change in the last 90 minutes"


@settings(max_examples=10)
@given(data=st.data())
def test_a_lower_load_is_followed_once_and_not_below_what_it_requires(data: st.DataObject) -> None:
    draw = data.draw
    before = draw(st.floats(4.0, 20.0))
    after = before * draw(st.floats(0.05, 0.9))
    late_s = draw(st.sampled_from([60.0, 120.0, 180.0]))
    at_start = required(before, 60.0)
    each = load((before, 1.0), (after, 2.5))
    made = played(each, noise_ratio=0.0, metrics_late_s=late_s, tasks_at_start=at_start)
    counts = [count for _, count in made.outcome.desired]
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] == required(after, 60.0)
    assert len(counts) <= 3


@pytest.mark.parametrize("tasks", [2.0, 3.3, 7.5])
@pytest.mark.parametrize("noise_ratio", [0.0, 0.01, 0.02])
def test_nothing_changes_for_an_hour_of_constant_load(tasks: float, noise_ratio: float) -> None:
    for seed in range(3):
        made = played(load((tasks, 3.0)), seed=seed, noise_ratio=noise_ratio, tasks_at_start=4)
        late = [at for at, _ in made.outcome.desired if at > 7200.0]
        assert late == [], (seed, made.outcome.desired)


def test_while_all_tasks_are_busy_the_count_nearly_doubles_in_each_step() -> None:
    made = played(load((1.0, 0.5), (30.0, 1.0)), noise_ratio=0.0, tasks_at_start=2)
    counts = [count for _, count in made.outcome.desired]
    peak = counts.index(max(counts))
    assert counts[:peak] == sorted(counts[:peak])
    assert counts[-1] == 50 <= counts[peak] <= 55
    assert all(later <= ceil(1.1 * earlier / 0.6) for earlier, later in pairwise(counts))


def test_a_restart_and_another_writer_change_nothing_for_long() -> None:
    steady: dict[str, Any] = {"noise_ratio": 0.0, "tasks_at_start": 10}
    changed = played(load((6.0, 2.0)), faults=(ManualChange(3605.0, 4),), **steady)
    assert [count for _, count in changed.outcome.desired][:2] == [10, 4]
    assert changed.outcome.desired[-1][1] == 10
    restarted = played(load((6.0, 2.0)), faults=(Restart(3600.0),), **steady)
    assert restarted.outcome.desired == ((0.0, 10),)


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_runs_every_scenario_repeatably(policy: str) -> None:
    for scenario in SCENARIOS.values():
        short = TaskLoad(scenario.name, 60.0, scenario.load.tasks[:90])
        made = run(short, scenario.settings, CpuSetup(), policy, 0)
        assert made == run(short, scenario.settings, CpuSetup(), policy, 0)
        score = made.score
        assert 0 <= score.saturated_percent <= 100
        assert 0 <= score.above_percent <= 100
        assert 0 <= score.unserved_percent <= 100
        assert score.cost_per_ideal > 0.3
        assert score.reversals_per_day <= score.writes_per_day


def test_target_tracking_on_20_s_scales_out_earlier() -> None:
    each = load((2.0, 0.5), (3.5, 0.5))
    first = {
        policy: min(at for at, count in played(each, policy, tasks_at_start=4).outcome.desired if count > 4)
        for policy in POLICIES
    }
    assert first[TRACKING_20S] < first[OURS] < first[TRACKING]


def test_the_load_of_counts_is_the_mean_of_whole_minutes() -> None:
    counts = np.arange(12.0)
    source = Counted("counts", 20.0, counts, np.array([]), durations("constant:10"))
    assert load_of(source).tasks.tolist() == [0.5, 2.0, 3.5, 5.0]
    longer = load_of(Counted("counts", 300.0, counts, np.array([]), durations("constant:10")))
    assert (longer.interval_s, longer.tasks[3]) == (300.0, 0.1)


def test_names_and_settings_are_checked() -> None:
    assert [each.name for each in named("step, late,step")] == ["step", "late"]
    assert [each.name for each in named("all")] == list(SCENARIOS)
    with pytest.raises(ValueError, match="did you mean waves"):
        named("wave")
    with pytest.raises(ValueError, match="no CPU scenario is given"):
        named(" , ")
    assert specs("all,ours", CpuSetup()) == POLICIES
    with pytest.raises(ValueError, match="not a policy for CPU"):
        specs("keda", CpuSetup())
    with pytest.raises(ValueError, match="no policy is given"):
        specs(" ,", CpuSetup())
    with pytest.raises(ValueError, match="must be a number of at least 1"):
        scaler_of("target-tracking-cpu:60/0", CpuSetup())
    with pytest.raises(ValueError, match="is not ours:field=value"):
        scaler_of("ours:tolerance", CpuSetup())
    with pytest.raises(ValueError, match="unknown setting"):
        scaler_of("ours:scale_in.cooldwn=60s", CpuSetup())
    assert isinstance(scaler_of("ours:scale_in.utilization_stabilization=5m", CpuSetup()), Ours)
