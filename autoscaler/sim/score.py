"""Score a run with the measures that the field uses.

Cost is the task time that ECS bills, relative to the work, which is a lower bound for every policy, and relative to
the clairvoyant. Elasticity is defined as in the work of the SPEC Research Group (Cloud) and in the ICPE 2017 comparison
of autoscalers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple, Protocol

import numpy as np

from autoscaler.sim.model import MINUTE_S, Floats, SimulationOutcome, TaskLife, Workload

DAY_S = 86_400.0
HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Score:
    """The figures of one run; the fields and their order are those of the JSON.

    `late_fraction`: share of messages that were first received later than the latency target, or never.
    `wait_p50_s`, `wait_p95_s`, `wait_p99_s`: percentiles of the wait (nearest rank); a message that was never received
    has waited until the end of the run. `cost_per_work`: billed task-seconds / task-seconds of the work alone, at least
    1. `cost_per_oracle`: billed task-seconds / those of the clairvoyant. `lost_work_fraction`: work done again / work.
    `reversals_per_day`: changes of direction of the desired count. `launches_per_day`: launched tasks, without the
    tasks at the start. Both rates count the whole run and divide by the days of the workload. `theta_u`, `theta_o`,
    `tau_u`, `tau_o`: see `elasticity`, in percent.

    A ratio is NaN if the work or the cost of the oracle is zero or unknown.
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
class RunFacts:
    """What a score does not show: when messages were late, and whether the policy reported it. The fields and their
    order are those of the JSON, after the score.

    `worst_late_s`: the longest wait beyond the latency target, at least 0. `peak_tasks`: the highest running count.
    `at_risk_s`: seconds with a notice that the latency target is at risk; `first_at_risk_s`: the first one (None: no
    notice, or a policy without notices). `late_by_hour`: late messages by the hour of their arrival. `lost_messages`:
    deleted but not processed. `groundless_scale_outs`: scale-outs while no message was visible and none had arrived in
    the last minute. `polls_per_day`: how often the policy read the counts of SQS or ECS, over the whole run.
    `task_hours`: the billed task-hours of the whole run.
    """

    worst_late_s: float = 0.0
    peak_tasks: int = 0
    at_risk_s: float | None = None
    first_at_risk_s: float | None = None
    late_by_hour: tuple[int, ...] = ()
    dead_letters: int = 0
    lost_messages: int = 0
    groundless_scale_outs: int = 0
    polls_per_day: float = 0.0
    task_hours: float = 0.0


@dataclass(frozen=True, slots=True)
class ScoredRun:
    """One run of a policy, with its settings, seed, score, outcome and facts."""

    policy: str
    settings: str
    seed: int
    score: Score
    outcome: SimulationOutcome
    facts: RunFacts = field(default_factory=RunFacts)


class Elasticity(NamedTuple):
    """How far (theta) and for which share of the time (tau) supply was under or over demand, in percent, at least 0."""

    theta_u: float
    theta_o: float
    tau_u: float
    tau_o: float


def score(
    workload: Workload,
    outcome: SimulationOutcome,
    latency_s: float,
    oracle_billed_s: float,
    *,
    least_billed_s: float = 60.0,
    task_concurrency: int = 1,
) -> Score:
    """Return the score of a run. A message is late if it waits longer than `latency_s`."""
    waits = waits_s(workload, outcome)
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


def waits_s(workload: Workload, outcome: SimulationOutcome) -> Floats:
    """Return the wait of each message. A message that was never received has waited until the end of the run."""
    return np.where(np.isnan(outcome.received_s), outcome.ended_s, outcome.received_s) - workload.arrivals_s


def facts(workload: Workload, outcome: SimulationOutcome, latency_s: float, least_billed_s: float = 60.0) -> RunFacts:
    """Return the facts of a run with this latency target."""
    waits = waits_s(workload, outcome)
    late = np.isnan(outcome.received_s) | (waits > latency_s)
    hours = (workload.arrivals_s[late] // HOUR_S).astype(np.int64)
    periods = outcome.at_risk
    return RunFacts(
        worst_late_s=max(0.0, float(waits.max(initial=0.0)) - latency_s),
        peak_tasks=max(count for _, count in outcome.running),
        at_risk_s=None if periods is None else math.fsum(each.end_s - each.start_s for each in periods),
        first_at_risk_s=periods[0].start_s if periods else None,
        late_by_hour=tuple(np.bincount(hours, minlength=math.ceil(workload.length_s / HOUR_S)).tolist()),
        dead_letters=outcome.dead_letters,
        lost_messages=outcome.lost_messages,
        groundless_scale_outs=len(outcome.groundless_s),
        polls_per_day=outcome.polls * DAY_S / outcome.ended_s if outcome.ended_s else 0.0,
        task_hours=billed_s(outcome, least_billed_s) / HOUR_S,
    )


class Scaled(Protocol):
    """The part of an outcome that does not depend on what the tasks do."""

    @property
    def lives(self) -> tuple[TaskLife, ...]: ...

    @property
    def desired(self) -> tuple[tuple[float, int], ...]: ...


def billed_s(outcome: Scaled, least_billed_s: float = 60.0) -> float:
    """Return the billed task-seconds: each task from launch to stop, start-up included, and at least `least_billed_s`
    per task.
    """
    return math.fsum(max(life.stopped_s - life.launched_s, least_billed_s) for life in outcome.lives)


def reversals(outcome: Scaled) -> int:
    """Return how often a change of the desired count has the opposite direction of the change before it."""
    steps = [after - before for (_, before), (_, after) in pairwise(outcome.desired) if after != before]
    return sum((one > 0) != (other > 0) for one, other in pairwise(steps))


def launches(outcome: SimulationOutcome) -> int:
    """Return the number of launched tasks, without the tasks that run when the simulation starts."""
    return sum((life.launched_s, life.up_s) != (0.0, 0.0) for life in outcome.lives)


def elasticity(workload: Workload, outcome: SimulationOutcome, task_concurrency: int = 1) -> Elasticity:
    """Compare supply with demand per minute over the length of the workload (T seconds; the last step can be shorter).

    With demand d and supply s in whole tasks, and dt the step: theta_u = 100/T sum of max(d - s, 0) / max(d, 1) dt,
    theta_o = 100/T sum of max(s - d, 0) / max(s, 1) dt, tau_u = 100/T sum of dt where d > s, tau_o where s > d.
    These are the normalised forms of the ICPE 2017 comparison (Ilyushkin et al.): with d in the denominator of theta_o,
    a queue that is idle most of the time would score hundreds of percent.
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
    """Return the required tasks of each minute: the mean number of busy tasks if no message waits, rounded up."""
    return _whole(busy_tasks(workload, task_concurrency))


def busy_tasks(workload: Workload, task_concurrency: int = 1) -> Floats:
    """Return the mean number of busy tasks of each minute if no message waits."""
    edges = _edges(workload.length_s)
    ends = np.sort(workload.arrivals_s + workload.service_s)
    busy_s = _elapsed(workload.arrivals_s, edges) - _elapsed(ends, edges)
    return np.asarray(np.diff(busy_s) / task_concurrency / np.diff(edges))


def _supply(outcome: SimulationOutcome, edges: Floats) -> Floats:
    """Return the mean number of running tasks in each step, rounded up as in `demand` to be comparable."""
    at, counts = np.array(outcome.running, dtype=np.float64).reshape(-1, 2).T
    until = np.append(at[1:], max(edges[-1], at[-1]) + 1)
    task_s = np.concatenate([[0.0], np.cumsum(counts * (until - at))])
    return _whole(np.diff(np.interp(edges, np.append(at, until[-1]), task_s)) / np.diff(edges))


def _edges(length_s: float) -> Floats:
    return np.append(np.arange(0.0, length_s, MINUTE_S), length_s)


def _elapsed(instants: Floats, at: Floats) -> Floats:
    """Return, for each of `at`, the sum of the times since the instants that have passed. `instants` ascend."""
    passed = np.searchsorted(instants, at, side="right")
    sums = np.concatenate([np.zeros(1), np.cumsum(instants)])
    return np.asarray(at * passed - sums[passed])


def _whole(tasks: Floats) -> Floats:
    """Round up, with a tolerance for rounding errors of sums: 3.00001 tasks are 3."""
    return np.ceil(tasks - 1e-4)


def _percentiles(waits: Floats) -> tuple[float, float, float]:
    if not len(waits):
        return 0.0, 0.0, 0.0
    p50, p95, p99 = np.percentile(waits, [50, 95, 99], method="inverted_cdf")
    return float(p50), float(p95), float(p99)


def _ratio(of: float, by: float) -> float:
    return of / by if by > 0 else math.nan
