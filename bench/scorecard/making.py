"""The runs of a scorecard and their scores.

A policy that does not depend on the latency target runs once and is scored with each target.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from autoscaler.sim.experiment import CLAIRVOYANT, OURS, Experiment, scaler_of
from autoscaler.sim.limits.clairvoyant import clairvoyant
from autoscaler.sim.model import SimulationOutcome, Victims, WorldSettings
from autoscaler.sim.peers import PEERS, depends_on_latency
from autoscaler.sim.play import play
from autoscaler.sim.process_pool import ProcessPool, Progress
from autoscaler.sim.score import Score, billed_s, facts, score
from autoscaler.sim.workload import Counted, RecordedJobs
from autoscaler.sim.workload.protocol import Entry, source

LATENCIES_S = (60.0, 120.0, 300.0)
SEEDS = (0, 1, 2)


class Job(NamedTuple):
    """One run, scored with each latency target. `grid`: a setting of a peer that is selected in hindsight."""

    entry: Entry
    victims: Victims
    policy: str
    seed: int
    latencies_s: tuple[float, ...]
    grid: bool = False


class ScorecardRun(NamedTuple):
    """The score of one run with one latency target."""

    trace: str
    latency_s: float
    victims: str
    policy: str
    seed: int
    grid: bool
    billed_s: float
    score: Score
    polls_per_day: float = 0.0


@dataclass(frozen=True, slots=True)
class Bench:
    """The folder of the traces, and the billed task-seconds of the clairvoyant by trace, seed and latency target."""

    folder: Path
    oracles_s: dict[tuple[str, int, float], float]

    def experiment(self, entry: Entry, victims: Victims, latency_s: float) -> Experiment:
        return _experiment(self.folder, entry, victims, latency_s)


def oracle_jobs(entries: Iterable[Entry], seeds: Sequence[int] = SEEDS) -> list[Job]:
    """Return the jobs of the clairvoyant, which stops only idle tasks."""
    return [Job(entry, Victims.IDLE, CLAIRVOYANT, seed, LATENCIES_S) for entry in entries for seed in seeds]


def policy_jobs(entries: Iterable[Entry], seeds: Sequence[int] = SEEDS, ours: Sequence[str] = (OURS,)) -> list[Job]:
    """Return the jobs of this autoscaler and of every peer with its defaults, where ECS stops idle or random tasks."""
    return [
        Job(entry, victims, policy, seed, latencies)
        for entry in entries
        for victims in Victims
        for seed in seeds
        for policy in (*ours, *PEERS)
        for latencies in _latency_groups(policy)
    ]


def grid_jobs(bench: Bench, entries: Iterable[Entry], seed: int = SEEDS[0]) -> list[Job]:
    """Return the jobs of the other settings of every peer, where ECS stops only idle tasks."""
    return [
        Job(entry, Victims.IDLE, spec, seed, latencies, grid=True)
        for entry in entries
        for spec in _grid(bench, entry, seed)
        for latencies in _latency_groups(spec)
    ]


def _grid(bench: Bench, entry: Entry, seed: int) -> list[str]:
    """Return the grid of settings for the trace, without the defaults. It does not depend on the latency target."""
    experiment = bench.experiment(entry, Victims.IDLE, LATENCIES_S[0])
    setup = experiment.setup(experiment.drawn(seed))
    return [spec for peer in PEERS.values() for spec in peer.grid(setup) if spec != peer.name]


def _latency_groups(policy: str) -> list[tuple[float, ...]]:
    if policy.partition(":")[0] != OURS and not depends_on_latency(policy):
        return [LATENCIES_S]
    return [(latency_s,) for latency_s in LATENCIES_S]


def made(bench: Bench, jobs: Sequence[Job], progress: Progress, processes: int | None = None) -> Iterator[ScorecardRun]:
    """Yield the scores in the order of the jobs. `processes` None: one per core.

    Raise `TraceError` if a trace cannot be read, and `ChildProcessError` if a process is killed.
    """
    for lines in ProcessPool(len(jobs), progress, processes).map(_make, [(bench, job) for job in jobs]):
        yield from lines


def _make(bench: Bench, job: Job, progress: Progress) -> list[ScorecardRun]:
    if job.policy == CLAIRVOYANT:
        return [_line(bench, job, latency_s, _oracle_outcome(bench, job, latency_s)) for latency_s in job.latencies_s]
    experiment = bench.experiment(job.entry, job.victims, job.latencies_s[0])
    workload = experiment.drawn(job.seed)
    scaler, _ = scaler_of(job.policy, experiment.setup(workload))
    outcome = play(workload, experiment.world, job.seed, scaler, progress)
    return [_line(bench, job, latency_s, outcome) for latency_s in job.latencies_s]


def _oracle_outcome(bench: Bench, job: Job, latency_s: float) -> SimulationOutcome:
    experiment = bench.experiment(job.entry, job.victims, latency_s)
    return clairvoyant(experiment.drawn(job.seed), experiment.world, job.seed, latency_s)


def _line(bench: Bench, job: Job, latency_s: float, outcome: SimulationOutcome) -> ScorecardRun:
    experiment = bench.experiment(job.entry, job.victims, latency_s)
    world, workload = experiment.world, experiment.drawn(job.seed)
    billed = billed_s(outcome, world.least_billed_s)
    oracle_s = bench.oracles_s.get((job.entry.name, job.seed, latency_s), math.nan)
    if job.policy == CLAIRVOYANT:
        oracle_s = billed
    judged = score(
        workload, outcome, latency_s, oracle_s, least_billed_s=world.least_billed_s,
        task_concurrency=world.task_concurrency,
    )  # fmt: skip
    polls = facts(workload, outcome, latency_s).polls_per_day
    return ScorecardRun(job.entry.name, latency_s, job.victims, job.policy, job.seed, job.grid, billed, judged, polls)


@lru_cache(maxsize=4)
def _source(folder: Path, entry: Entry) -> Counted | RecordedJobs:
    return source(entry, folder)


@cache
def _experiment(folder: Path, entry: Entry, victims: Victims, latency_s: float) -> Experiment:
    load = _source(folder, entry)
    return Experiment(load, replace(WorldSettings(), victims=victims), latency_s, load.mean_service_s)


# Summarize the scores: one row per policy, the cases in which a peer beats this autoscaler, and the runs that cost
# less than the oracle.

CHEAPER_RATIO = 0.95
"""A peer beats this autoscaler if it costs less than this share of its cost, and its share of late messages is not
higher.
"""


class ScorecardRow(NamedTuple):
    """Results of one policy for one latency target and one choice of the tasks that ECS stops, over all traces. The
    value of a trace is the mean over its seeds.

    Costs, reversals and launches are geometric means over the traces; `reversals` and `launches` have 1 added, so that
    zero has a geometric mean too. `worst`: the trace with the largest share of late messages. `polls`: a mean.
    """

    policy: str
    late: float
    late_worst: float
    worst: str
    cost_per_work: float
    cost_per_oracle: float
    lost_work: float
    reversals: float
    launches: float
    polls: float = 0.0


class Beaten(NamedTuple):
    """A trace and a latency target for which a peer costs over 5 % less than this autoscaler, and its share of late
    messages is not higher.
    """

    trace: str
    latency_s: float
    policy: str
    saving: float
    late: float
    ours_late: float


class ScorecardCell(NamedTuple):
    """Results of this autoscaler for one trace and one latency target: means over the seeds."""

    late: float
    cost_per_work: float
    cost_per_oracle: float
    reversals: float


def rows(lines: Iterable[ScorecardRun], latency_s: float, victims: Victims) -> list[ScorecardRow]:
    """Return one row per policy with default settings: the oracle first, then this autoscaler, then the peers by
    ascending cost.
    """
    chosen = [line for line in lines if not line.grid and line.latency_s == latency_s]
    by_policy: dict[str, list[ScorecardRun]] = defaultdict(list)
    for line in chosen:
        if line.victims == victims or line.policy == CLAIRVOYANT:
            by_policy[line.policy].append(line)
    made = [_row(policy, mine) for policy, mine in by_policy.items()]
    return sorted(made, key=lambda row: (row.policy != CLAIRVOYANT, row.policy != OURS, row.cost_per_oracle))


def _row(policy: str, lines: Sequence[ScorecardRun]) -> ScorecardRow:
    cells = _by_trace(lines)
    late = {trace: fmean(line.score.late_fraction for line in mine) for trace, mine in cells.items()}
    worst = max(late, key=lambda trace: late[trace])

    def geometric(field: str, plus: float = 0.0) -> float:
        means = [fmean(getattr(line.score, field) for line in mine) + plus for mine in cells.values()]
        return math.exp(fmean(math.log(mean) for mean in means)) if min(means) > 0 else math.nan

    return ScorecardRow(
        policy,
        fmean(late.values()),
        late[worst],
        worst,
        geometric("cost_per_work"),
        geometric("cost_per_oracle"),
        fmean(line.score.lost_work_fraction for line in lines),
        geometric("reversals_per_day", plus=1.0),
        geometric("launches_per_day", plus=1.0),
        fmean(line.polls_per_day for line in lines),
    )


def _by_trace(lines: Iterable[ScorecardRun]) -> dict[str, list[ScorecardRun]]:
    cells: dict[str, list[ScorecardRun]] = defaultdict(list)
    for line in lines:
        cells[line.trace].append(line)
    return cells


def cells(lines: Iterable[ScorecardRun], victims: Victims = Victims.IDLE) -> dict[tuple[str, float], ScorecardCell]:
    """Return the results of this autoscaler, by trace and latency target."""
    mine: dict[tuple[str, float], list[ScorecardRun]] = defaultdict(list)
    for line in lines:
        if line.policy == OURS and line.victims == victims:
            mine[line.trace, line.latency_s].append(line)
    return {key: _cell(group) for key, group in mine.items()}


def _cell(lines: Sequence[ScorecardRun]) -> ScorecardCell:
    scores = [line.score for line in lines]
    return ScorecardCell(
        fmean(score.late_fraction for score in scores),
        fmean(score.cost_per_work for score in scores),
        fmean(score.cost_per_oracle for score in scores),
        fmean(score.reversals_per_day for score in scores),
    )


def beaten(lines: Sequence[ScorecardRun]) -> list[Beaten]:
    """Compare this autoscaler with every setting of every peer, seed by seed, when ECS stops only idle tasks. Return
    the largest saving for each trace and latency target.
    """
    mine = {
        (line.trace, line.latency_s, line.seed): line
        for line in lines
        if line.policy == OURS and line.victims == Victims.IDLE
    }
    found: dict[tuple[str, float], Beaten] = {}
    for line in lines:
        ours = mine.get((line.trace, line.latency_s, line.seed))
        if ours is None or line.victims != Victims.IDLE or line.policy in {OURS, CLAIRVOYANT}:
            continue
        if line.billed_s < CHEAPER_RATIO * ours.billed_s and line.score.late_fraction <= ours.score.late_fraction:
            saving = 1 - line.billed_s / ours.billed_s
            known = found.get((line.trace, line.latency_s))
            if known is None or saving > known.saving:
                found[line.trace, line.latency_s] = Beaten(
                    line.trace, line.latency_s, line.policy, saving, line.score.late_fraction, ours.score.late_fraction
                )
    return sorted(found.values(), key=lambda each: (each.latency_s, each.trace))


def below_the_limit(lines: Sequence[ScorecardRun]) -> list[ScorecardRun]:
    """Return the runs without late messages that cost less than the oracle. The list must be empty."""
    return [
        line
        for line in lines
        if line.policy != CLAIRVOYANT and line.score.late_fraction == 0 and line.score.cost_per_oracle < 1
    ]
