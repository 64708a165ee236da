"""The figures of a run, compared with sums calculated by hand."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from autoscaler.sim.model import AtRisk, SimulationOutcome, TaskLife, Workload
from autoscaler.sim.score import RunFacts, Score, billed_s, demand, elasticity, facts, launches, reversals, score
from tests.about import about

NAMES = (
    "jobs late_fraction wait_p50_s wait_p95_s wait_p99_s cost_per_work cost_per_oracle lost_work_fraction "
    "reversals_per_day launches_per_day theta_u theta_o tau_u tau_o"
)


def load(arrivals: list[float], service: list[float], length_s: float = 240.0) -> Workload:
    return Workload("tiny", np.array(arrivals), np.array(service), length_s, 60.0, np.zeros(4), np.zeros(0))


def outcome(received: list[float], **changed: Any) -> SimulationOutcome:
    """One initial task that stays for 240 s, unless `changed` says otherwise."""
    steady = SimulationOutcome(
        received_s=np.array(received),
        lives=(TaskLife(0.0, 0.0, 240.0),),
        lost_work_s=0.0,
        redelivered=0,
        dead_letters=0,
        desired=((0.0, 1), (240.0, 0)),
        running=((0.0, 1), (240.0, 0)),
        ended_s=240.0,
    )
    return dataclasses.replace(steady, **changed)


TINY = load([0.0, 10.0, 20.0, 30.0], [10.0, 10.0, 20.0, 40.0])


def test_the_fields_of_a_score_are_the_keys_of_its_json() -> None:
    assert " ".join(field.name for field in dataclasses.fields(Score)) == NAMES


def test_waits_are_percentiles_and_late_is_above_the_latency_target() -> None:
    """Waits of 0, 10, 60 and 61 s: at a latency target of 60 s only the last one is late."""
    figures = score(TINY, outcome([0.0, 20.0, 80.0, 91.0]), 60.0, 240.0)
    assert figures.jobs == 4
    assert figures.late_fraction == 0.25
    assert (figures.wait_p50_s, figures.wait_p95_s, figures.wait_p99_s) == (10.0, 61.0, 61.0)


def test_a_message_that_is_never_received_is_late_and_waits_until_the_end() -> None:
    figures = score(TINY, outcome([0.0, 10.0, 20.0, math.nan]), 300.0, 240.0)
    assert figures.late_fraction == 0.25
    assert figures.wait_p99_s == 210.0


def test_cost_is_relative_to_the_work_and_to_the_oracle() -> None:
    """240 s billed for 80 s of work. With four slots per task the work alone takes 20 task-seconds."""
    figures = score(TINY, outcome([0.0] * 4, lost_work_s=20.0), 60.0, 160.0)
    assert (figures.cost_per_work, figures.cost_per_oracle, figures.lost_work_fraction) == (3.0, 1.5, 0.25)
    assert score(TINY, outcome([0.0] * 4), 60.0, 160.0, task_concurrency=4).cost_per_work == 12.0


def test_every_task_is_billed_from_launch_to_stop_and_for_at_least_one_minute() -> None:
    lives = (TaskLife(0.0, 0.0, 100.0), TaskLife(10.0, 55.0, 60.0), TaskLife(20.0, math.inf, 90.0))
    assert billed_s(outcome([], lives=lives)) == 100 + 60 + 70
    assert billed_s(outcome([], lives=lives), least_billed_s=0.0) == 100 + 50 + 70
    assert score(TINY, outcome([0.0] * 4, lives=lives), 60.0, 100.0, least_billed_s=0.0).cost_per_oracle == 2.2


def test_reversals_are_changes_of_direction_of_the_desired_count() -> None:
    """Out, out, in, unchanged, in, out: the direction changes twice."""
    counts = (1, 3, 4, 2, 2, 1, 5)
    assert reversals(outcome([], desired=tuple((60.0 * i, n) for i, n in enumerate(counts)))) == 2
    assert reversals(outcome([], desired=((0.0, 1),))) == 0


def test_launches_are_all_tasks_except_the_initial_ones() -> None:
    lives = (
        TaskLife(0.0, 0.0, 9.0),
        TaskLife(0.0, 0.0, 9.0),
        TaskLife(0.0, 45.0, 99.0),
        TaskLife(-40.0, 0.0, 99.0),
        TaskLife(5.0, 5.0, 9.0),
    )
    assert launches(outcome([], lives=lives)) == 3


def test_launches_and_reversals_are_per_day() -> None:
    lives = (TaskLife(0.0, 0.0, 9.0), TaskLife(5.0, 50.0, 99.0))
    desired_counts = ((0.0, 1), (1.0, 2), (2.0, 1))
    figures = score(load([0.0], [1.0], 43_200.0), outcome([0.0], lives=lives, desired=desired_counts), 60.0, 1.0)
    assert (figures.launches_per_day, figures.reversals_per_day) == (2.0, 2.0)


def test_demand_is_the_busy_tasks_per_minute_without_any_waiting_rounded_up() -> None:
    """Two messages of 90 s at 0 and at 30: 60 + 30 busy seconds in the first minute, 30 + 60 in the second."""
    assert demand(load([0.0, 30.0], [90.0, 90.0])).tolist() == [2, 2, 0, 0]
    assert demand(load([0.0, 30.0], [90.0, 90.0]), 2).tolist() == [1, 1, 0, 0]
    assert demand(load([0.0, 0.0], [60.0, 60.0], 90.0)).tolist() == [2, 0]


def test_demand_ends_with_the_load() -> None:
    assert demand(load([0.0] * 3, [1_000.0] * 3, 150.0)).tolist() == [3, 3, 3]


def test_elasticity_measures_equal_their_formulas() -> None:
    """Demand 2, 2, 0, 0 and supply 1, 3, 1, 0: theta_u = 25 % of 1/2, theta_o = 25 % of (1/3 + 1/1)."""
    supply = ((0.0, 1), (60.0, 3), (120.0, 1), (180.0, 0))
    figures = elasticity(load([0.0, 30.0], [90.0, 90.0]), outcome([], running=supply))
    assert figures.theta_u == about(12.5)
    assert figures.theta_o == about(100 / 3)
    assert (figures.tau_u, figures.tau_o) == (25.0, 50.0)


def test_supply_is_the_mean_of_each_minute_rounded_up_like_demand() -> None:
    """2 tasks for half of the first minute are 1 on average; 2 for 40 s and 3 for 20 s are 2.33, rounded up to 3."""
    supply = ((0.0, 2), (30.0, 0), (60.0, 2), (100.0, 3), (120.0, 0))
    figures = elasticity(load([0.0, 0.0], [30.0, 30.0]), outcome([], running=supply))
    assert figures.theta_u == 0
    assert (figures.tau_u, figures.tau_o) == (0, 25.0)


def test_a_shorter_last_minute_has_less_weight() -> None:
    """100 s: demand 1 and 0, supply 0 and 1."""
    figures = elasticity(load([0.0], [60.0], 100.0), outcome([], running=((0.0, 0), (60.0, 1))))
    assert (figures.tau_u, figures.tau_o) == (about(60.0), about(40.0))


def test_without_work_the_costs_are_not_a_number() -> None:
    figures = score(load([], []), outcome([]), 60.0, 0.0)
    assert (figures.jobs, figures.late_fraction, figures.wait_p99_s, figures.theta_u) == (0, 0.0, 0.0, 0.0)
    assert math.isnan(figures.cost_per_work)
    assert math.isnan(figures.cost_per_oracle)
    assert math.isnan(figures.lost_work_fraction)


def test_facts_are_the_worst_wait_the_peak_the_notices_and_the_late_messages_of_each_hour() -> None:
    workload = load([0.0, 10.0, 3700.0, 3800.0], [1.0] * 4, 7200.0)
    made = outcome([50.0, 20.0, 3900.0, math.nan], running=((0.0, 1), (60.0, 3), (90.0, 2)), ended_s=7200.0)
    risky = dataclasses.replace(
        made,
        at_risk=(AtRisk(100.0, 130.0, "max_tasks"), AtRisk(200.0, 205.0, "rule")),
        groundless_s=(9.0,),
        dead_letters=2,
        polls=720,
    )
    assert facts(workload, risky, 45.0) == RunFacts(
        worst_late_s=3400.0 - 45.0,
        peak_tasks=3,
        at_risk_s=35.0,
        first_at_risk_s=100.0,
        late_by_hour=(1, 2),
        dead_letters=2,
        groundless_scale_outs=1,
        polls_per_day=8640.0,
        task_hours=billed_s(risky) / 3600,
    )
    assert facts(workload, made, 45.0).at_risk_s is None
    assert facts(workload, dataclasses.replace(made, at_risk=()), 45.0).at_risk_s == 0.0
