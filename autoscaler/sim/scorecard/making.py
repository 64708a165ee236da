"""The runs of a scorecard and their scores.

A policy that does not depend on the latency target runs once and is scored with each target.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from autoscaler.sim.experiment import CLAIRVOYANT, OURS, Experiment, scaler_of
from autoscaler.sim.limits.clairvoyant import clairvoyant
from autoscaler.sim.model import SimulationOutcome, Victims, WorldSettings
from autoscaler.sim.peers import PEERS, depends_on_latency
from autoscaler.sim.play import play
from autoscaler.sim.process_pool import ProcessPool, Progress
from autoscaler.sim.score import Score, billed_s, score
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
    return ScorecardRun(job.entry.name, latency_s, job.victims, job.policy, job.seed, job.grid, billed, judged)


@lru_cache(maxsize=4)
def _source(folder: Path, entry: Entry) -> Counted | RecordedJobs:
    return source(entry, folder)


@cache
def _experiment(folder: Path, entry: Entry, victims: Victims, latency_s: float) -> Experiment:
    load = _source(folder, entry)
    return Experiment(load, replace(WorldSettings(), victims=victims), latency_s, load.mean_service_s)
