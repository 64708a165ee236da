"""Runs of plausible shape, made up: nothing is simulated, but every figure is one that a run could have."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from autoscaler.sim.model import Life, Outcome, Told, Workload
from autoscaler.sim.report.study import Study
from autoscaler.sim.score import Run, Score, billed_s, score

HOUR_S = 3600.0
STEP_S = 60.0
WORLD = "service lognormal:5:1\nstart-up lognormal:45:80, at least 20 s\nvictims idle"
COMMAND = "autoscaler simulate --trace orders.csv --acceptable-latency 60s --policy all --seeds 1"


def workload(seed: int = 1, hours: float = 24.0, mean_tasks: float = 20.0, name: str = "orders") -> Workload:
    """A daily wave with a flash crowd in it."""
    chance = np.random.default_rng(seed)
    length_s = hours * HOUR_S
    at = np.arange(0.0, length_s, STEP_S)
    wave = 1 + 0.8 * np.sin(2 * np.pi * (at / 86_400 - 0.3)) + 5 * np.exp(-(((at / length_s - 0.55) * 90) ** 2))
    counts = wave / wave.mean() * mean_tasks / 5 * STEP_S
    starts = np.repeat(at, chance.poisson(counts))
    arrivals_s = np.sort(starts + chance.uniform(0, STEP_S, len(starts)))
    arrivals_s = arrivals_s[arrivals_s < length_s]
    return Workload(name, arrivals_s, chance.exponential(5, len(arrivals_s)), length_s, STEP_S, counts, np.zeros(0))


def outcome(load: Workload, *, ahead: float = 1.3, lag: int = 2, hold: int = 5, words: bool = True) -> Outcome:
    """A fleet of `ahead` times the load of `lag` minutes ago, kept for `hold` minutes; what it cannot do waits."""
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
    chance = np.random.default_rng(7)
    minute = (load.arrivals_s // STEP_S).astype(int)
    waited = np.array(waits)[minute] * chance.uniform(0.4, 1.0, len(minute)) + chance.exponential(0.4, len(minute))
    steps = _steps(desired)
    ended_s = float(max(load.length_s, (load.arrivals_s + waited).max(initial=0.0))) + 30
    return Outcome(
        received_s=load.arrivals_s + waited,
        lives=_lives(steps, ended_s),
        lost_work_s=0.0,
        redelivered=0,
        dead_letters=0,
        desired=steps,
        running=tuple((at + 45 if at else at, count) for at, count in steps),
        ended_s=ended_s,
        told=_told(steps) if words else (),
    )


def _steps(desired: np.ndarray) -> tuple[tuple[float, int], ...]:
    kept = [(0.0, int(desired[0]))]
    for k, count in enumerate(desired.tolist()):
        if count != kept[-1][1]:
            kept.append((k * STEP_S, count))
    return tuple(kept)


def _lives(steps: tuple[tuple[float, int], ...], ended_s: float) -> tuple[Life, ...]:
    alive, lives, before = [], [], 0
    for at, count in steps:
        alive += [at] * (count - before)
        lives += [Life(alive.pop(), at, at) for _ in range(before - count)]
        before = count
    lives += [Life(launched, launched, ended_s) for launched in alive]
    return tuple(sorted(Life(one.launched_s, one.launched_s + 45, max(one.stopped_s, 60)) for one in lives))


def _told(steps: tuple[tuple[float, int], ...]) -> tuple[Told, ...]:
    return tuple(
        Told(at, f"simulated: {before} -> {after} tasks (min 0, max 5000): {after * 7} waiting and {before} in flight, "
             f"60 s acceptable: {after} tasks asked for; nothing waits after {after % 50} s, if nothing more comes")
        for (_, before), (at, after) in pairwise(steps)
    )  # fmt: skip


def run(
    load: Workload, policy: str, settings: str = "", seed: int = 1, oracle_s: float | None = None, **shape: Any
) -> Run:
    made = outcome(load, words=policy != "clairvoyant", **shape)
    return Run(policy, settings, seed, score(load, made, 60, oracle_s or billed_s(made)), made)


POLICIES = {
    ("ours", "defaults"): {"ahead": 1.3, "lag": 4, "hold": 3},
    ("target-tracking", "backlog 12 per task, cooldown 300 s"): {"ahead": 1.9, "lag": 22, "hold": 15},
    ("target-tracking:60", "backlog 12 per task, cooldown 60 s"): {"ahead": 1.5, "lag": 15, "hold": 8},
    ("keda", "queue length 5"): {"ahead": 0.98, "lag": 5, "hold": 1},
    ("keda:1", "queue length 1"): {"ahead": 1.2, "lag": 8, "hold": 5},
    ("knative", "target 0.7"): {"ahead": 1.75, "lag": 3, "hold": 1},
    ("react", ""): {"ahead": 1.08, "lag": 6, "hold": 0},
    ("static:90", "90 tasks"): {"ahead": 1.0, "lag": 0, "hold": 100_000},
    ("clairvoyant", "knows what will come"): {"ahead": 1.12, "lag": 0, "hold": 1},
}


def study(seeds: int = 1, hours: float = 24.0, mean_tasks: float = 20.0, name: str = "orders") -> Study:
    """Every one of them, with each seed."""
    loads = {seed: workload(seed, hours, mean_tasks, name) for seed in range(1, seeds + 1)}
    runs = []
    for seed, load in loads.items():
        oracle_s = billed_s(
            outcome(load, words=False, **dict[str, Any](POLICIES["clairvoyant", "knows what will come"]))
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
"""A score to change one field of."""

NOTHING = Outcome(np.zeros(0), (), 0.0, 0, 0, ((0.0, 1),), ((0.0, 1),), 60.0)


def scored(policy: str, settings: str = "", seed: int = 1, **fields: float) -> Run:
    """A run of which the score alone matters."""
    return Run(policy, settings, seed, replace(GOOD, **dict[str, Any](fields)), NOTHING)


def judged(*runs: Run, name: str = "orders") -> Study:
    """A study of runs of which the scores alone matter."""
    return Study(workload(hours=0.1, mean_tasks=1, name=name), 0, 60.0, WORLD, COMMAND, runs)
