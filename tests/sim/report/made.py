"""Synthetic runs of plausible shape: nothing is simulated, but every figure is possible in a run."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from autoscaler.sim.model import LoggedReason, SimulationOutcome, TaskLife, Workload
from autoscaler.sim.report.comparison import Study
from autoscaler.sim.score import Score, ScoredRun, billed_s, score

HOUR_S = 3600.0
STEP_S = 60.0
WORLD = "service lognormal:5:1\nstart-up lognormal:45:80, at least 20 s\nvictims idle"
COMMAND = "autoscaler simulate --trace orders.csv --acceptable-latency 60s --policy all --seeds 1"


def workload(seed: int = 1, hours: float = 24.0, mean_tasks: float = 20.0, name: str = "orders") -> Workload:
    """Return a daily wave with a flash crowd."""
    rng = np.random.default_rng(seed)
    length_s = hours * HOUR_S
    at = np.arange(0.0, length_s, STEP_S)
    wave = 1 + 0.8 * np.sin(2 * np.pi * (at / 86_400 - 0.3)) + 5 * np.exp(-(((at / length_s - 0.55) * 90) ** 2))
    counts = wave / wave.mean() * mean_tasks / 5 * STEP_S
    starts = np.repeat(at, rng.poisson(counts))
    arrivals_s = np.sort(starts + rng.uniform(0, STEP_S, len(starts)))
    arrivals_s = arrivals_s[arrivals_s < length_s]
    return Workload(name, arrivals_s, rng.exponential(5, len(arrivals_s)), length_s, STEP_S, counts, np.zeros(0))


def outcome(
    load: Workload, *, ahead: float = 1.3, lag: int = 2, hold: int = 5, with_reasons: bool = True
) -> SimulationOutcome:
    """Return a run whose fleet is `ahead` times the load `lag` minutes ago, held for `hold` minutes. Messages above its
    capacity wait.
    """
    per_minute, _ = np.histogram(load.arrivals_s, np.arange(0, load.length_s + STEP_S, STEP_S))
    busy = per_minute * 5 / STEP_S
    seen = np.concatenate([np.full(lag, busy[0]), busy])[: len(busy)]
    held = np.array([seen[max(0, k - hold) : k + 1].max() for k in range(len(seen))])
    desired = np.ceil(held * ahead).astype(int)
    backlog, waits = 0.0, []
    for arrived, tasks in zip(per_minute, desired, strict=True):
        capacity = max(tasks, 1) * STEP_S / 5
        backlog = max(0.0, backlog + arrived - capacity)
        waits.append(backlog / capacity * STEP_S)
    rng = np.random.default_rng(7)
    minute = (load.arrivals_s // STEP_S).astype(int)
    waited = np.array(waits)[minute] * rng.uniform(0.4, 1.0, len(minute)) + rng.exponential(0.4, len(minute))
    steps = _steps(desired)
    ended_s = float(max(load.length_s, (load.arrivals_s + waited).max(initial=0.0))) + 30
    return SimulationOutcome(
        received_s=load.arrivals_s + waited,
        lives=_lives(steps, ended_s),
        lost_work_s=0.0,
        redelivered=0,
        dead_letters=0,
        desired=steps,
        running=tuple((at + 45 if at else at, count) for at, count in steps),
        ended_s=ended_s,
        reasons=_reasons(steps) if with_reasons else (),
    )


def _steps(desired: np.ndarray) -> tuple[tuple[float, int], ...]:
    steps = [(0.0, int(desired[0]))]
    for k, count in enumerate(desired.tolist()):
        if count != steps[-1][1]:
            steps.append((k * STEP_S, count))
    return tuple(steps)


def _lives(steps: tuple[tuple[float, int], ...], ended_s: float) -> tuple[TaskLife, ...]:
    alive, lives, before = [], [], 0
    for at, count in steps:
        alive += [at] * (count - before)
        lives += [TaskLife(alive.pop(), at, at) for _ in range(before - count)]
        before = count
    lives += [TaskLife(launched, launched, ended_s) for launched in alive]
    return tuple(sorted(TaskLife(one.launched_s, one.launched_s + 45, max(one.stopped_s, 60)) for one in lives))


def _reasons(steps: tuple[tuple[float, int], ...]) -> tuple[LoggedReason, ...]:
    return tuple(
        LoggedReason(
            at,
            f"simulated: {before} -> {after} tasks (min 0, max 5000): backlog {after * 7}, {before} in flight, "
            f"5 s each, latency target 60 s: {after} tasks required",
        )
        for (_, before), (at, after) in pairwise(steps)
    )  # fmt: skip


def run(
    load: Workload, policy: str, settings: str = "", seed: int = 1, oracle_s: float | None = None, **shape: Any
) -> ScoredRun:
    made = outcome(load, with_reasons=policy != "clairvoyant", **shape)
    return ScoredRun(policy, settings, seed, score(load, made, 60, oracle_s or billed_s(made)), made)


POLICIES = {
    ("ours", "defaults"): {"ahead": 1.3, "lag": 4, "hold": 3},
    ("target-tracking", "backlog 12 per task, cooldown 300 s"): {"ahead": 1.9, "lag": 22, "hold": 15},
    ("target-tracking:60", "backlog 12 per task, cooldown 60 s"): {"ahead": 1.5, "lag": 15, "hold": 8},
    ("keda", "queue length 5"): {"ahead": 0.98, "lag": 5, "hold": 1},
    ("keda:1", "queue length 1"): {"ahead": 1.2, "lag": 8, "hold": 5},
    ("knative", "target 0.7"): {"ahead": 1.75, "lag": 3, "hold": 1},
    ("react", ""): {"ahead": 1.08, "lag": 6, "hold": 0},
    ("static:90", "90 tasks"): {"ahead": 1.0, "lag": 0, "hold": 100_000},
    ("clairvoyant", "knows all arrivals in advance"): {"ahead": 1.12, "lag": 0, "hold": 1},
}


def study(seeds: int = 1, hours: float = 24.0, mean_tasks: float = 20.0, name: str = "orders") -> Study:
    """Return a study of all policies with all seeds."""
    loads = {seed: workload(seed, hours, mean_tasks, name) for seed in range(1, seeds + 1)}
    runs = []
    for seed, load in loads.items():
        oracle_s = billed_s(
            outcome(
                load, with_reasons=False, **dict[str, Any](POLICIES["clairvoyant", "knows all arrivals in advance"])
            )
        )
        runs += [run(load, *key, seed, oracle_s, **dict[str, Any](shape)) for key, shape in POLICIES.items()]
    return Study(loads[1], 1, 60.0, WORLD, COMMAND, tuple(sorted(runs, key=lambda one: one.policy != "ours")))


GOOD = Score(
    jobs=1000,
    late_fraction=0.01,
    wait_p50_s=1.0,
    wait_p95_s=20.0,
    wait_p99_s=40.0,
    cost_per_work=2.0,
    cost_per_oracle=1.5,
    lost_work_fraction=0.0,
    reversals_per_day=20.0,
    launches_per_day=100.0,
    theta_u=1.0,
    theta_o=20.0,
    tau_u=2.0,
    tau_o=80.0,
)
"""A score for tests that change single fields."""

EMPTY_OUTCOME = SimulationOutcome(np.zeros(0), (), 0.0, 0, 0, ((0.0, 1),), ((0.0, 1),), 60.0)


def scored(policy: str, settings: str = "", seed: int = 1, **fields: float) -> ScoredRun:
    """Return a run for tests that use only its score."""
    return ScoredRun(policy, settings, seed, replace(GOOD, **dict[str, Any](fields)), EMPTY_OUTCOME)


def judged(*runs: ScoredRun, name: str = "orders") -> Study:
    """Return a study for tests that use only the scores of its runs."""
    return Study(workload(hours=0.1, mean_tasks=1, name=name), 0, 60.0, WORLD, COMMAND, runs)
