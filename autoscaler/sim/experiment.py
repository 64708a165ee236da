"""Run policies, selected by name, on the same load with the same seeds, in parallel processes.

Invariant: the results do not depend on the number of processes or on the order in which the runs end.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from autoscaler.errors import ConfigError
from autoscaler.sim.limits.clairvoyant import clairvoyant
from autoscaler.sim.model import Scaler, SimulationOutcome, Workload, WorldSettings
from autoscaler.sim.ours import Ours, SimulatedSettings
from autoscaler.sim.peers import PEERS, Setup, parse, settings_of
from autoscaler.sim.play import play
from autoscaler.sim.process_pool import ProcessPool, Progress
from autoscaler.sim.score import ScoredRun, billed_s, facts, score
from autoscaler.sim.tuning import Trial, Tried

OURS, CLAIRVOYANT, ALL = "ours", "clairvoyant", "all"
POLICIES = (OURS, *PEERS, CLAIRVOYANT)


class MessageSource(Protocol):
    """Source of the messages. A hashable value: it is sent to other processes and is a cache key there."""

    def __hash__(self) -> int: ...

    def draw(self, seed: int) -> Workload:
        """Return the workload of the seed. Equal seeds give equal workloads."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """One load, one world and one latency target. `mean_service_s`: the processing time that peers are given.
    `known_concurrency`: the concurrency of a task that policies are given (None: that of the world).
    """

    source: MessageSource
    world: WorldSettings
    latency_s: float
    mean_service_s: float
    min_tasks: int = 0
    max_tasks: int = 5000
    known_concurrency: int | None = None

    def drawn(self, seed: int) -> Workload:
        """Return the workload of the seed. The two most recent ones are cached."""
        return _drawn(self.source, seed)

    def setup(self, workload: Workload) -> Setup:
        world = self.world
        return Setup(
            self.latency_s,
            self.mean_service_s,
            self.known_concurrency or world.task_concurrency,
            self.min_tasks,
            self.max_tasks,
            world.start_up.median_s,
            workload,
        )


class RunRequest(NamedTuple):
    """One run. `latency_s` None: the latency target of the experiment."""

    policy: str
    seed: int
    latency_s: float | None = None


def specs(text: str, setup: Setup) -> tuple[str, ...]:
    """Return the policies of a comma-separated list, without duplicates. `all`: this autoscaler, every peer with its
    defaults, and the clairvoyant. Raise `ValueError` with the known names for an unknown one and for an empty list.
    """
    named = [_normalized(part) for part in text.split(",") if part.strip()]
    listed = [spec for name in named for spec in (POLICIES if name == ALL else [name])]
    if not listed:
        raise ValueError(f"no policy is given. Choose from {', '.join(POLICIES)}, or {ALL}")
    for spec in listed:
        check(spec, setup)
    return tuple(dict.fromkeys(listed))


def _normalized(spec: str) -> str:
    """Return the policy with its name in lower case; the setting after the colon is unchanged."""
    name, colon, setting = spec.strip().partition(":")
    return name.strip().lower() + colon + setting


def check(spec: str, setup: Setup) -> None:
    """Raise `ValueError` if the policy is unknown or its setting is invalid. The message says what is valid."""
    name = spec.partition(":")[0]
    if name == OURS:
        _check_ours(spec, setup)
    elif name in PEERS:
        parse(spec, setup)
    elif name not in POLICIES:
        similar = difflib.get_close_matches(name, POLICIES, 1)
        suggestion = f"; did you mean {similar[0]}?" if similar else ""
        raise ValueError(f"{name!r} is not a policy{suggestion} (known: {', '.join(POLICIES)}, {ALL})")
    elif spec != CLAIRVOYANT:
        raise ValueError(f"{spec!r}: {CLAIRVOYANT} has no settings")


def _check_ours(spec: str, setup: Setup) -> None:
    try:
        settings_from(spec, setup).policy()
    except ConfigError as error:
        raise ValueError("; ".join(f"{spec}: {problem}" for problem in error.problems)) from None


def settings_from(spec: str, setup: Setup) -> SimulatedSettings:
    """Return the settings of `ours:field=value/scale_in.cooldown=60s`. Fields that are not given have their defaults.

    Raise `ValueError` if a part is not `field=value` or a field is given twice.
    """
    return SimulatedSettings(
        setup.acceptable_latency_s, setup.min_tasks, setup.max_tasks, setup.task_concurrency, fields_of(spec)
    )


def fields_of(spec: str) -> dict[str, Any]:
    """Return the fields of `ours:field=value/scale_in.cooldown=60s`. Raise `ValueError` as `settings_from` does."""
    _, colon, text = spec.partition(":")
    fields: dict[str, Any] = {}
    for part in text.split("/") if colon else []:
        name, _, value = (word.strip() for word in part.partition("="))
        if not name or not value:
            raise ValueError(f"{spec!r} is not {OURS}:field=value/field=value, such as {OURS}:tolerance=0.2")
        group, dot, inner = name.partition(".")
        into, key = (fields.setdefault(group, {}), inner) if dot else (fields, group)
        if not isinstance(into, dict) or key in into:
            raise ValueError(f"{spec!r}: {group} occurs twice")
        into[key] = value
    return fields


def run(
    experiment: Experiment, task: RunRequest, oracle_billed_s: float, progress: Progress | None = None
) -> ScoredRun:
    """Run one policy once and return the run with its score."""
    if task.latency_s is not None:
        experiment = replace(experiment, latency_s=task.latency_s)
    workload = experiment.drawn(task.seed)
    outcome, settings = _simulated(experiment, task, workload, progress)
    world = experiment.world
    judged = score(
        workload,
        outcome,
        experiment.latency_s,
        oracle_billed_s,
        least_billed_s=world.least_billed_s,
        task_concurrency=world.task_concurrency,
    )
    known = facts(workload, outcome, experiment.latency_s, world.least_billed_s)
    return ScoredRun(task.policy, settings, task.seed, judged, outcome, known)


@lru_cache(maxsize=2)
def _drawn(source: MessageSource, seed: int) -> Workload:
    return source.draw(seed)


def _simulated(
    experiment: Experiment, task: RunRequest, workload: Workload, progress: Progress | None
) -> tuple[SimulationOutcome, str]:
    world = experiment.world
    if task.policy == CLAIRVOYANT:
        return clairvoyant(workload, world, task.seed, experiment.latency_s), "knows all arrivals in advance"
    scaler, settings = scaler_of(task.policy, experiment.setup(workload))
    outcome = play(workload, world, task.seed, scaler, progress)
    if isinstance(scaler, Ours):
        outcome = replace(outcome, at_risk=scaler.risks.until(outcome.ended_s))
    return outcome, settings


def scaler_of(spec: str, setup: Setup) -> tuple[Scaler, str]:
    """Return a new scaler and its settings as one line. Raise `ValueError` for an unknown policy or setting."""
    if spec.partition(":")[0] == OURS:
        settings = spec.partition(":")[2].replace("/", ", ") or "defaults"
        return Ours(settings_from(spec, setup).policy()), settings
    return parse(spec, setup), settings_of(spec, setup)


def runs(
    experiment: Experiment,
    policies: Sequence[str],
    seeds: Sequence[int],
    progress: Progress = lambda _: None,
    processes: int | None = None,
) -> list[ScoredRun]:
    """Run every policy with every seed and return the runs in that order. `processes` None: one per core.

    The clairvoyant runs first, once per seed: the costs of the other policies are divided by its cost.
    """
    known = [RunRequest(CLAIRVOYANT, seed) for seed in seeds]
    tasks = [RunRequest(policy, seed) for policy in policies for seed in seeds if policy != CLAIRVOYANT]
    pool = ProcessPool(len(known) + len(tasks), progress, processes)
    best = {each.seed: each for each in pool.map(run, [(experiment, task, math.nan) for task in known])}
    billed = {seed: billed_s(each.outcome, experiment.world.least_billed_s) for seed, each in best.items()}
    jobs = [(experiment, task, billed[task.seed]) for task in tasks]
    made = {(each.policy, each.seed): each for each in pool.map(run, jobs)}
    made |= {(CLAIRVOYANT, seed): _by_itself(each) for seed, each in best.items()}
    return [made[policy, seed] for policy in policies for seed in seeds]


def _by_itself(oracle: ScoredRun) -> ScoredRun:
    """Return the clairvoyant's run with a relative cost of 1."""
    return replace(oracle, score=replace(oracle.score, cost_per_oracle=1.0))


def trials(
    experiment: Experiment,
    trials_to_run: Sequence[Trial],
    seeds: Sequence[int],
    progress: Progress = lambda _: None,
    processes: int | None = None,
) -> list[Tried]:
    """Return the result of each trial, in the order of the trials."""
    tasks = [RunRequest(trial.policy, seed, trial.latency_s) for trial in trials_to_run for seed in seeds]
    made = list(ProcessPool(len(tasks), progress, processes).map(run, [(experiment, task, math.nan) for task in tasks]))
    size = len(seeds)
    return [Tried.of(trial, made[at * size : (at + 1) * size]) for at, trial in enumerate(trials_to_run)]
