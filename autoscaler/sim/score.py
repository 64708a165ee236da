"""How good a run was, in the field's own measures.

Cost is what ECS bills, held against the work, which no policy gets done for less, and against the clairvoyant.
Elasticity is measured as the SPEC Research Group's Cloud group and the ICPE 2017 comparison of autoscalers do it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from autoscaler.sim.model import MINUTE_S, Floats, Outcome, Workload

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Score:
    """One run in figures; the fields and their order are those of the JSON.

    `late_fraction`: of the messages, those whose first receive came after more than the latency, or never.
    `wait_p50_s`, `wait_p95_s`, `wait_p99_s`: the shortest wait that so many of them did not exceed; one that was
    never received has waited until the run ended. `cost_per_work`: billed task-seconds by the task-seconds that the
    work alone takes; no run is below 1. `cost_per_oracle`: billed task-seconds by the clairvoyant's.
    `lost_work_fraction`: work done again, by the work. `reversals_per_day`: how often the desired count turned from
    rising to falling or back. `launches_per_day`: tasks, without those of the start. Both rates count the whole run,
    and divide by the days of the workload. `theta_u`, `theta_o`, `tau_u`, `tau_o`: see `elasticity`, in percent.

    Where there is no work, or no oracle to compare with, what would be divided by it is NaN.
    """

    jobs: int
    late_fraction: float
    wait_p50_s: float
    wait_p95_s: float
    wait_p99_s: float
    cost_per_work: float
    cost_per_oracle: float
    lost_work_fraction: float
    reversals_per_day: float
    launches_per_day: float
    theta_u: float
    theta_o: float
    tau_u: float
    tau_o: float


@dataclass(frozen=True, slots=True)
class Run:
    """A policy under its settings met the world of a seed: what became of it, and how good that was."""

    policy: str
    settings: str
    seed: int
    score: Score
    outcome: Outcome


class Elasticity(NamedTuple):
    """In percent, each at least 0: how far, and for how much of the time, supply missed demand."""

    theta_u: float
    theta_o: float
    tau_u: float
    tau_o: float


def score(
    workload: Workload,
    outcome: Outcome,
    latency_s: float,
    oracle_billed_s: float,
    *,
    least_billed_s: float = 60.0,
    task_concurrency: int = 1,
) -> Score:
    """The figures of a run. Late is a wait of more than `latency_s`; exactly `latency_s` is in time."""
    waits = np.where(np.isnan(outcome.received_s), outcome.ended_s, outcome.received_s) - workload.arrivals_s
    late = np.isnan(outcome.received_s) | (waits > latency_s)
    p50, p95, p99 = _percentiles(waits)
    billed = billed_s(outcome, least_billed_s)
    days = workload.length_s / DAY_S
    return Score(
        jobs=len(waits),
        late_fraction=float(late.mean()) if len(waits) else 0.0,
        wait_p50_s=p50,
        wait_p95_s=p95,
        wait_p99_s=p99,
        cost_per_work=_ratio(billed * task_concurrency, workload.work_s),
        cost_per_oracle=_ratio(billed, oracle_billed_s),
        lost_work_fraction=_ratio(outcome.lost_work_s, workload.work_s),
        reversals_per_day=reversals(outcome) / days,
        launches_per_day=launches(outcome) / days,
        **elasticity(workload, outcome, task_concurrency)._asdict(),
    )


def billed_s(outcome: Outcome, least_billed_s: float = 60.0) -> float:
    """Task-seconds that are paid for: each task from launch to stop, its start-up included, and no task less than
    `least_billed_s`.
    """
    return math.fsum(max(life.stopped_s - life.launched_s, least_billed_s) for life in outcome.lives)


def reversals(outcome: Outcome) -> int:
    """How often the desired count changed in the other direction than the time before."""
    steps = [after - before for (_, before), (_, after) in pairwise(outcome.desired) if after != before]
    return sum((one > 0) != (other > 0) for one, other in pairwise(steps))


def launches(outcome: Outcome) -> int:
    """Tasks that had to be started: all but those that were up when the run began."""
    return sum((life.launched_s, life.up_s) != (0.0, 0.0) for life in outcome.lives)


def elasticity(workload: Workload, outcome: Outcome, task_concurrency: int = 1) -> Elasticity:
    """Supply against demand, minute by minute over the workload's length (T seconds, the last minute may be shorter).

    With demand d and supply s in whole tasks, and dt the step: theta_u = 100/T sum of max(d - s, 0) / max(d, 1) dt,
    theta_o = 100/T sum of max(s - d, 0) / max(s, 1) dt, tau_u = 100/T sum of dt where d > s, tau_o where s > d.
    These are the normalised forms of the ICPE 2017 comparison (Ilyushkin et al.): with d in the denominator of
    theta_o a queue that is idle most of the time would score hundreds of percent and say nothing.
    """
    edges = _edges(workload.length_s)
    steps = np.diff(edges)
    needed, there = demand(workload, task_concurrency), _supply(outcome, edges)
    under, over = np.maximum(needed - there, 0), np.maximum(there - needed, 0)

    def percent(values: Floats) -> float:
        return float(100 * (values * steps).sum() / workload.length_s)

    return Elasticity(
        percent(under / np.maximum(needed, 1)),
        percent(over / np.maximum(there, 1)),
        percent(np.sign(under)),
        percent(np.sign(over)),
    )


def demand(workload: Workload, task_concurrency: int = 1) -> Floats:
    """Tasks needed in each minute: those that would be busy, on average, in a fleet so large that nothing waits;
    rounded up to whole tasks.
    """
    edges = _edges(workload.length_s)
    ends = np.sort(workload.arrivals_s + workload.service_s)
    busy_s = _elapsed(workload.arrivals_s, edges) - _elapsed(ends, edges)
    return _whole(np.diff(busy_s) / task_concurrency / np.diff(edges))


def _supply(outcome: Outcome, edges: Floats) -> Floats:
    """Running tasks in each step, on average, rounded up as demand is, so that equal things count as equal."""
    at, counts = np.array(outcome.running, dtype=np.float64).reshape(-1, 2).T
    until = np.append(at[1:], max(edges[-1], at[-1]) + 1)
    task_s = np.concatenate([[0.0], np.cumsum(counts * (until - at))])
    return _whole(np.diff(np.interp(edges, np.append(at, until[-1]), task_s)) / np.diff(edges))


def _edges(length_s: float) -> Floats:
    return np.append(np.arange(0.0, length_s, MINUTE_S), length_s)


def _elapsed(instants: Floats, at: Floats) -> Floats:
    """The sum, over the ascending instants that have passed, of how long ago they are: at each of `at`."""
    passed = np.searchsorted(instants, at, side="right")
    sums = np.concatenate([np.zeros(1), np.cumsum(instants)])
    return np.asarray(at * passed - sums[passed])


def _whole(tasks: Floats) -> Floats:
    """Rounded up; 3.00001 tasks, which is a sum's rounding error, are 3."""
    return np.ceil(tasks - 1e-4)


def _percentiles(waits: Floats) -> tuple[float, float, float]:
    if not len(waits):
        return 0.0, 0.0, 0.0
    p50, p95, p99 = np.percentile(waits, [50, 95, 99], method="inverted_cdf")
    return float(p50), float(p95), float(p99)


def _ratio(of: float, by: float) -> float:
    return of / by if by > 0 else math.nan
