"""The runs of the robustness page and what is measured in them.

A policy that does not depend on the latency target runs once and is measured with each target.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import fmean
from typing import NamedTuple

import numpy as np

from autoscaler.sim.experiment import OURS, scaler_of
from autoscaler.sim.model import SimulationOutcome, Workload
from autoscaler.sim.ours import Ours
from autoscaler.sim.peers import PEERS, depends_on_latency
from autoscaler.sim.play import play
from autoscaler.sim.process_pool import ProcessPool, Progress
from autoscaler.sim.scenarios import SCENARIOS, Scenario
from autoscaler.sim.score import billed_s, facts, waits_s
from autoscaler.sim.tuning import MET_FRACTION

LATENCIES_S = (60.0, 300.0, 900.0)
SEEDS = (0, 1, 2)

COMPARED = ("keda", "keda:latency", "target-tracking", "target-tracking-20s", "step-scaling-10s")
POLICIES = (OURS, *(spec for spec in COMPARED if spec.partition(":")[0] in PEERS))

ONSET_S = 600.0
"""Seconds after the onset of a bottleneck from which on the task count is judged."""


class RobustnessJob(NamedTuple):
    """One run, measured with each latency target."""

    scenario: str
    policy: str
    seed: int
    latencies_s: tuple[float, ...]


class RobustnessRun(NamedTuple):
    """The result of one run with one latency target. `late`: share of the judged messages. `limited_peak`: the highest
    desired count during a bottleneck, from ten minutes after its onset (0: the scenario has no bottleneck). `noticed`:
    whether the policy reported that the latency target is at risk (None: it has no such notice).
    """

    scenario: str
    latency_s: float
    policy: str
    seed: int
    late: float
    worst_late_s: float
    cost_per_work: float
    peak_tasks: int
    limited_peak: int
    noticed: bool | None
    groundless: int
    late_by_hour: tuple[int, ...]


class RobustnessCell(NamedTuple):
    """The results of all seeds: means of `late` and `cost_per_work`, maxima of the others. `noticed`: in every
    seed that missed the target, or in every seed if none did.
    `late_by_hour`: of the first seed.
    """

    scenario: str
    latency_s: float
    policy: str
    late: float
    worst_late_s: float
    cost_per_work: float
    peak_tasks: int
    limited_peak: int
    noticed: bool | None
    groundless: int
    late_by_hour: tuple[int, ...]


def jobs(
    scenarios: Sequence[str], latencies_s: Sequence[float], policies: Sequence[str], seeds: Sequence[int]
) -> list[RobustnessJob]:
    """Return the jobs of a part of the page, or of all of it."""
    return [
        RobustnessJob(scenario, policy, seed, group)
        for scenario in scenarios
        for policy in policies
        for seed in seeds
        for group in _latency_groups(policy, tuple(latencies_s))
    ]


def _latency_groups(policy: str, latencies_s: tuple[float, ...]) -> list[tuple[float, ...]]:
    if policy.partition(":")[0] != OURS and not depends_on_latency(policy):
        return [latencies_s]
    return [(latency_s,) for latency_s in latencies_s]


def made(work: Sequence[RobustnessJob], progress: Progress, processes: int | None = None) -> Iterator[RobustnessRun]:
    """Yield the results in the order of the jobs. `processes` None: one per core."""
    for runs in ProcessPool(len(work), progress, processes).map(_make, [(job,) for job in work]):
        yield from runs


def _make(job: RobustnessJob, progress: Progress) -> list[RobustnessRun]:
    scenario = SCENARIOS[job.scenario]
    experiment = scenario.experiment(job.latencies_s[0])
    workload = experiment.drawn(job.seed)
    scaler, _ = scaler_of(job.policy, experiment.setup(workload))
    outcome = play(workload, experiment.world, job.seed, scaler, progress)
    if isinstance(scaler, Ours):
        outcome = replace(outcome, at_risk=scaler.risks.until(outcome.ended_s))
    return [_measured(scenario, job, latency_s, workload, outcome) for latency_s in job.latencies_s]


def _measured(
    scenario: Scenario, job: RobustnessJob, latency_s: float, workload: Workload, outcome: SimulationOutcome
) -> RobustnessRun:
    waits, known = waits_s(workload, outcome), facts(workload, outcome, latency_s)
    judged = workload.arrivals_s >= scenario.judged_from_s
    late = (waits > latency_s) | np.isnan(outcome.received_s)
    return RobustnessRun(
        job.scenario,
        latency_s,
        job.policy,
        job.seed,
        float(late[judged].mean()),
        max(0.0, float(waits[judged].max()) - latency_s),
        billed_s(outcome, scenario.world.least_billed_s) * scenario.world.task_concurrency / workload.work_s,
        known.peak_tasks,
        _limited_peak(scenario, outcome),
        None if known.at_risk_s is None else known.first_at_risk_s is not None,
        known.groundless_scale_outs,
        known.late_by_hour,
    )


def _limited_peak(scenario: Scenario, outcome: SimulationOutcome) -> int:
    if scenario.limit is None:
        return 0
    since_s, until_s = scenario.limited_s[0] + ONSET_S, scenario.limited_s[1]
    before = [count for at, count in outcome.desired if at <= since_s][-1:]
    return max([*before, *(count for at, count in outcome.desired if since_s < at < until_s)])


def cells(runs: Sequence[RobustnessRun]) -> list[RobustnessCell]:
    """Return one cell per scenario, latency target and policy, in the order of the runs."""
    groups: dict[tuple[str, float, str], list[RobustnessRun]] = {}
    for run in runs:
        groups.setdefault((run.scenario, run.latency_s, run.policy), []).append(run)
    return [_cell(group) for group in groups.values()]


def _missed(runs: Sequence[RobustnessRun]) -> list[RobustnessRun]:
    return [run for run in runs if run.late > MET_FRACTION]


def _cell(runs: Sequence[RobustnessRun]) -> RobustnessCell:
    first = runs[0]
    return RobustnessCell(
        first.scenario,
        first.latency_s,
        first.policy,
        fmean(run.late for run in runs),
        max(run.worst_late_s for run in runs),
        fmean(run.cost_per_work for run in runs),
        max(run.peak_tasks for run in runs),
        max(run.limited_peak for run in runs),
        None if first.noticed is None else all(run.noticed for run in _missed(runs) or runs),
        max(run.groundless for run in runs),
        first.late_by_hour,
    )
