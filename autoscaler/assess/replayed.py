"""What this daemon would have cost, and how late messages would have been: the simulator on the recorded arrivals.

A few whole days stand for all: the days are sorted by their messages, and the middle day of each equal group is
simulated. The processing time of a message is drawn (lognormal, CV 1) with the estimated mean, and a task
starts in 45 s (p95 80 s): both are assumed, and reported as such.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from autoscaler.assess.recorded import DAY_S, TASKS_S, ServicePast
from autoscaler.sim.chance import DurationDistribution
from autoscaler.sim.experiment import Experiment, RunRequest, run
from autoscaler.sim.model import MINUTE_S, Floats, SimulationOutcome, Workload, WorldSettings
from autoscaler.sim.process_pool import ProcessPool
from autoscaler.sim.score import ScoredRun
from autoscaler.sim.workload import Counted

MOST_MESSAGES = 300_000.0
"""Messages of a simulated day. A busier day is thinned: every n-th message, and n times the tasks. Large fleets need
fewer spare tasks in proportion, so the cost is rather too high.
"""

MINUTES_A_DAY = int(DAY_S / MINUTE_S)

POLICY = "ours"


class ReplayedDay(NamedTuple):
    """A simulated day. `first`: its first minute in the record. `weight`: the number of days that it stands for."""

    first: int
    minutes: int
    weight: float


class DayResult(NamedTuple):
    """Task-hours of the day; share of late messages; p95 of the wait; running tasks and oldest age by `TASKS_S`."""

    task_hours: float
    late_fraction: float
    wait_p95_s: float
    tasks: Floats
    age_s: Floats


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """The result of the daemon, per day of the record. `thinned`: the largest thinning of a day; 1: not thinned."""

    days: tuple[tuple[ReplayedDay, DayResult], ...]
    hours_per_day: float
    late_fraction: float
    wait_p95_s: float
    thinned: int


class ReplayPlan(NamedTuple):
    """The simulations of one service, one for each of its days, with their thinning."""

    days: tuple[ReplayedDay, ...]
    jobs: tuple[tuple[Experiment, int], ...]


def chosen_days(sent: Floats, most: int) -> tuple[ReplayedDay, ...]:
    """Return at most `most` days that stand for all whole days of the record. Less than a day: what there is."""
    count = len(sent) // MINUTES_A_DAY
    if count == 0:
        return (ReplayedDay(0, len(sent), 1.0),)
    first = len(sent) - count * MINUTES_A_DAY
    totals = sent[first:].reshape(count, MINUTES_A_DAY).sum(axis=1)
    groups = np.array_split(np.argsort(totals, kind="stable"), min(most, count))
    middles = [(int(group[len(group) // 2]), float(len(group))) for group in groups]
    return tuple(ReplayedDay(first + day * MINUTES_A_DAY, MINUTES_A_DAY, weight) for day, weight in sorted(middles))


def plan(recorded: ServicePast, service_s: float, latency_s: float, days: int, most_tasks: int) -> ReplayPlan:
    """Return the simulations. `service_s`: the estimate of the processing time."""
    chosen = chosen_days(recorded.sent, days)
    return ReplayPlan(chosen, tuple(_job(recorded, day, service_s, latency_s, most_tasks) for day in chosen))


def _job(
    recorded: ServicePast, day: ReplayedDay, service_s: float, latency_s: float, most_tasks: int
) -> tuple[Experiment, int]:
    counts = recorded.sent[day.first : day.first + day.minutes]
    factor = max(1, math.ceil(float(counts.sum()) / MOST_MESSAGES))
    service = DurationDistribution("lognormal", max(service_s, 0.001), 1.0)
    source = Counted("recorded", MINUTE_S, counts / factor, recorded.sent[: day.first] / factor, service)
    world = WorldSettings(tasks_at_start=max(1, round(float(counts[:60].sum()) * service_s / 3600 / factor)))
    bound = max(1, most_tasks // factor)
    return Experiment(source, replace(world), latency_s, service.mean_s, 0, bound), factor


def replay_all(plans: Sequence[ReplayPlan], progress: Callable[[float], None]) -> list[list[ScoredRun]]:
    """Run the simulations of all services in parallel, and return the runs of each."""
    jobs = [(experiment, RunRequest(POLICY, 0), math.nan) for one in plans for experiment, _ in one.jobs]
    runs = iter(list(ProcessPool(len(jobs), progress).map(run, jobs)) if jobs else [])
    return [[next(runs) for _ in one.jobs] for one in plans]


def result_of(one: ReplayPlan, runs: Sequence[ScoredRun]) -> ReplayResult:
    """Return the result of a service: the mean over the days by their weight."""
    pairs = zip(one.days, runs, one.jobs, strict=True)
    days = [(day, _day(scored, experiment, factor)) for day, scored, (experiment, factor) in pairs]
    total = math.fsum(day.weight for day in one.days)

    def mean(value: Callable[[DayResult], float]) -> float:
        return math.fsum(day.weight * value(found) for day, found in days) / total

    scale = [86_400.0 / (day.minutes * MINUTE_S) for day in one.days]
    per_day = (
        math.fsum(day.weight * found.task_hours * by for (day, found), by in zip(days, scale, strict=True)) / total
    )
    return ReplayResult(
        tuple(days),
        per_day,
        mean(lambda each: each.late_fraction),
        mean(lambda each: each.wait_p95_s),
        max(factor for _, factor in one.jobs),
    )


def _day(scored: ScoredRun, experiment: Experiment, factor: int) -> DayResult:
    workload = experiment.drawn(scored.seed)
    ages = oldest_ages(workload, scored.outcome)
    size = max(1, round(workload.length_s / TASKS_S))
    return DayResult(
        scored.facts.task_hours * factor,
        scored.score.late_fraction,
        scored.score.wait_p95_s,
        _running(scored.outcome, size) * factor,
        _highest(ages, size),
    )


def oldest_ages(workload: Workload, outcome: SimulationOutcome) -> Floats:
    """Return the age of the oldest message that is not deleted, at the end of each minute; 0 without a message. This is
    what CloudWatch samples.

    The oldest one at t is the first message whose deletion is after t. The maximum over the deletions of a prefix
    ascends, so it is found by a binary search.
    """
    ends = np.arange(1, round(workload.length_s / MINUTE_S) + 1) * MINUTE_S
    deleted = np.where(np.isnan(outcome.received_s), np.inf, outcome.received_s + workload.service_s)
    if not len(deleted):
        return np.zeros(len(ends))
    first = np.searchsorted(np.maximum.accumulate(deleted), ends, side="right")
    arrived = np.append(workload.arrivals_s, np.inf)[first]
    return np.asarray(np.maximum(0.0, ends - arrived))


def _running(outcome: SimulationOutcome, size: int) -> Floats:
    """Return the mean number of running tasks in each period."""
    edges = np.arange(size + 1) * float(TASKS_S)
    at, counts = np.array(outcome.running, dtype=np.float64).reshape(-1, 2).T
    until = np.append(at[1:], max(float(edges[-1]), float(at[-1])) + 1.0)
    task_s = np.concatenate([[0.0], np.cumsum(counts * (until - at))])
    return np.asarray(np.diff(np.interp(edges, np.append(at, until[-1]), task_s)) / TASKS_S)


def _highest(ages: Floats, size: int) -> Floats:
    per = TASKS_S // int(MINUTE_S)
    padded = np.concatenate([ages, np.zeros(max(0, size * per - len(ages)))])[: size * per]
    return np.asarray(padded.reshape(size, per).max(axis=1))
