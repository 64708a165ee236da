"""Policies by their names, each run on the same load with the same seeds: side by side on the machine's cores.

Law: the answer does not depend on how many processes there are, nor on which run ends first.
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
from autoscaler.sim.model import Outcome, Scaler, Workload, WorldSettings
from autoscaler.sim.ours import Ours, Wishes
from autoscaler.sim.peers import PEERS, Setup, parse, settings_of
from autoscaler.sim.play import play
from autoscaler.sim.process_pool import ProcessPool, Progress
from autoscaler.sim.score import Run, billed_s, score
from autoscaler.sim.tuning import Trial, Tried

OURS, CLAIRVOYANT, ALL = "ours", "clairvoyant", "all"
EVERY = (OURS, *PEERS, CLAIRVOYANT)


class Source(Protocol):
    """Where messages come from. A value: it is sent to other processes, and known again there."""

    def __hash__(self) -> int: ...

    def draw(self, seed: int) -> Workload:
        """The workload of that seed; the same one each time."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """One load, one world, one promise. `mean_service_s` is what the operators of peers are told of their workers."""

    source: Source
    world: WorldSettings
    latency_s: float
    mean_service_s: float
    min_tasks: int = 0
    max_tasks: int = 5000

    def drawn(self, seed: int) -> Workload:
        """The workload of that seed. The newest ones are kept."""
        return _drawn(self.source, seed)

    def setup(self, workload: Workload) -> Setup:
        world = self.world
        return Setup(
            self.latency_s,
            self.mean_service_s,
            world.task_concurrency,
            self.min_tasks,
            self.max_tasks,
            world.start_up.median_s,
            workload,
        )


class Task(NamedTuple):
    """One run to make. `latency_s` None: the experiment's."""

    policy: str
    seed: int
    latency_s: float | None = None


def specs(text: str, setup: Setup) -> tuple[str, ...]:
    """The policies that a comma-separated list names, each once; `all` are ours, every peer at its defaults, and the
    clairvoyant. Raises `ValueError`, with what is known, for one that is not, and where none is named.
    """
    named = [_folded(part) for part in text.split(",") if part.strip()]
    listed = [spec for name in named for spec in (EVERY if name == ALL else [name])]
    if not listed:
        raise ValueError(f"no policy is named: choose from {', '.join(EVERY)}, or {ALL}")
    for spec in listed:
        check(spec, setup)
    return tuple(dict.fromkeys(listed))


def _folded(spec: str) -> str:
    """Names are written in any case; what stands after the colon is left as it is."""
    name, colon, setting = spec.strip().partition(":")
    return name.strip().lower() + colon + setting


def check(spec: str, setup: Setup) -> None:
    """Raises `ValueError` with the remedy where that is no policy, or its setting cannot be read."""
    name = spec.partition(":")[0]
    if name == OURS:
        _check_ours(spec, setup)
    elif name in PEERS:
        parse(spec, setup)
    elif name not in EVERY:
        near = difflib.get_close_matches(name, EVERY, 1)
        meant = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"{name!r} is no policy{meant} (known: {', '.join(EVERY)}, {ALL})")
    elif spec != CLAIRVOYANT:
        raise ValueError(f"{spec!r}: {CLAIRVOYANT} has no settings")


def _check_ours(spec: str, setup: Setup) -> None:
    try:
        wishes_of(spec, setup).policy()
    except ConfigError as error:
        raise ValueError("; ".join(f"{spec}: {problem}" for problem in error.problems)) from None


def wishes_of(spec: str, setup: Setup) -> Wishes:
    """`ours:field=value/scale_in.cooldown=60s`: the product with other fields of a service than its defaults.

    Raises `ValueError` where a part is not `field=value`, or where one is there twice.
    """
    _, colon, text = spec.partition(":")
    fields: dict[str, Any] = {}
    for part in text.split("/") if colon else []:
        name, _, value = (word.strip() for word in part.partition("="))
        if not name or not value:
            raise ValueError(f"{spec!r}: write it as {OURS}:field=value/field=value, such as {OURS}:tolerance=0.2")
        group, dot, inner = name.partition(".")
        into, key = (fields.setdefault(group, {}), inner) if dot else (fields, group)
        if not isinstance(into, dict) or key in into:
            raise ValueError(f"{spec!r}: {group} is there twice")
        into[key] = value
    return Wishes(setup.acceptable_latency_s, setup.min_tasks, setup.max_tasks, setup.task_concurrency, fields)


def run(experiment: Experiment, task: Task, oracle_billed_s: float, progress: Progress | None = None) -> Run:
    """One policy, once, and its score."""
    if task.latency_s is not None:
        experiment = replace(experiment, latency_s=task.latency_s)
    workload = experiment.drawn(task.seed)
    outcome, settings = _played(experiment, task, workload, progress)
    world = experiment.world
    judged = score(
        workload,
        outcome,
        experiment.latency_s,
        oracle_billed_s,
        least_billed_s=world.least_billed_s,
        task_concurrency=world.task_concurrency,
    )
    return Run(task.policy, settings, task.seed, judged, outcome)


@lru_cache(maxsize=2)
def _drawn(source: Source, seed: int) -> Workload:
    return source.draw(seed)


def _played(experiment: Experiment, task: Task, workload: Workload, progress: Progress | None) -> tuple[Outcome, str]:
    world = experiment.world
    if task.policy == CLAIRVOYANT:
        return clairvoyant(workload, world, task.seed, experiment.latency_s), "knows what will come"
    scaler, settings = scaler_of(task.policy, experiment.setup(workload))
    return play(workload, world, task.seed, scaler, progress), settings


def scaler_of(spec: str, setup: Setup) -> tuple[Scaler, str]:
    """A new scaler, and its settings in a line. Raises `ValueError` for a policy or setting that is not known."""
    if spec.partition(":")[0] == OURS:
        settings = spec.partition(":")[2].replace("/", ", ") or "defaults"
        return Ours(wishes_of(spec, setup).policy()), settings
    return parse(spec, setup), settings_of(spec, setup)


def runs(
    experiment: Experiment,
    policies: Sequence[str],
    seeds: Sequence[int],
    progress: Progress = lambda _: None,
    processes: int | None = None,
) -> list[Run]:
    """Every policy with every seed, in that order, on so many processes (None: one for each core).

    The clairvoyant is run first, once a seed: the others' costs are held against its own.
    """
    known = [Task(CLAIRVOYANT, seed) for seed in seeds]
    tasks = [Task(policy, seed) for policy in policies for seed in seeds if policy != CLAIRVOYANT]
    pool = ProcessPool(len(known) + len(tasks), progress, processes)
    best = {each.seed: each for each in pool.made(run, [(experiment, task, math.nan) for task in known])}
    billed = {seed: billed_s(each.outcome, experiment.world.least_billed_s) for seed, each in best.items()}
    jobs = [(experiment, task, billed[task.seed]) for task in tasks]
    made = {(each.policy, each.seed): each for each in pool.made(run, jobs)}
    made |= {(CLAIRVOYANT, seed): _by_itself(each) for seed, each in best.items()}
    return [made[policy, seed] for policy in policies for seed in seeds]


def _by_itself(oracle: Run) -> Run:
    """The clairvoyant held against itself."""
    return replace(oracle, score=replace(oracle.score, cost_per_oracle=1.0))


def trials(
    experiment: Experiment,
    wanted: Sequence[Trial],
    seeds: Sequence[int],
    progress: Progress = lambda _: None,
    processes: int | None = None,
) -> list[Tried]:
    """What each trial came to, in their order."""
    tasks = [Task(trial.policy, seed, trial.latency_s) for trial in wanted for seed in seeds]
    made = list(
        ProcessPool(len(tasks), progress, processes).made(run, [(experiment, task, math.nan) for task in tasks])
    )
    size = len(seeds)
    return [Tried.of(trial, made[at * size : (at + 1) * size]) for at, trial in enumerate(wanted)]
