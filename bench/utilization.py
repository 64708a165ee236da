"""`make utilization`: services that follow their CPU, on public traces and scenarios, next to target tracking.

The load of a trace is its messages per minute, scaled to a mean of 20 busy tasks. Writes docs/utilization.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np

from autoscaler.core.figures import several
from autoscaler.errors import ConfigError
from autoscaler.sim.chance import stream
from autoscaler.sim.model import MINUTE_S
from autoscaler.sim.process_pool import ProcessPool, Progress
from autoscaler.sim.utilization import (
    NOISE_RATIO,
    OURS,
    POLICIES,
    SCENARIOS,
    TRACKING_20S,
    CpuSetup,
    UtilizationScore,
    cpu_world,
    load_of,
    run,
)
from autoscaler.sim.workload.protocol import MEAN_TASKS, SCORECARD, source
from autoscaler.sim.world.utilization import CpuSettings, TaskLoad

PAGE = Path("docs/utilization.md")

SEEDS = 3
CONSTANT_LOADS = 40
"""Number of constant loads, drawn evenly from `LEAST_LOAD` to `MOST_LOAD` tasks."""

LEAST_LOAD, MOST_LOAD = 0.3, 15.0
SETTLED_S, WATCHED_S = 3600.0, 3600.0
"""A constant load is watched for an hour, one hour after the start."""

NOISES = (0.0, 0.01, NOISE_RATIO, 0.05)

Measure: TypeAlias = Callable[[UtilizationScore], float]


class UtilizationJob(NamedTuple):
    """One load in one world. `kind`: the table that it belongs to."""

    kind: str
    load: TaskLoad
    settings: CpuSettings
    policy: str
    seed: int


class UtilizationResult(NamedTuple):
    """The score of a job, and the changes of the desired count after `SETTLED_S`."""

    kind: str
    name: str
    policy: str
    seed: int
    score: UtilizationScore
    late_writes: int


def jobs(folder: Path, seeds: int = SEEDS) -> list[UtilizationJob]:
    """Return all jobs. Raise `TraceError` if a trace is missing or invalid."""
    worlds = [("trace", load_of(source(entry, folder)), cpu_world()) for entry in SCORECARD]
    worlds += [("scenario", each.load, each.settings) for each in SCENARIOS.values()]
    made = [UtilizationJob(*world, policy, seed) for world in worlds for policy in POLICIES for seed in range(seeds)]
    tasks = stream(0, "constant loads").uniform(LEAST_LOAD, MOST_LOAD, CONSTANT_LOADS)
    for noise in NOISES:
        for number, each in enumerate(tasks.tolist()):
            load = TaskLoad(f"{noise:.0%}", MINUTE_S, np.full(int((SETTLED_S + WATCHED_S) / MINUTE_S), each))
            settings = cpu_world(noise_ratio=noise, tasks_at_start=4)
            made += [UtilizationJob("constant", load, settings, policy, number) for policy in POLICIES]
    return made


def result(job: UtilizationJob, progress: Progress | None = None) -> UtilizationResult:
    """Run one job."""
    done = run(job.load, job.settings, CpuSetup(), job.policy, job.seed)
    if progress is not None:
        progress(1.0)
    late = sum(at > SETTLED_S for at, _ in done.outcome.desired)
    return UtilizationResult(job.kind, job.load.name, job.policy, job.seed, done.score, late)


def mean(results: Sequence[UtilizationResult], name: str, policy: str, measure: Measure) -> float:
    """Return the mean of a measure over the seeds."""
    values = [measure(each.score) for each in results if (each.name, each.policy) == (name, policy)]
    return float(sum(values) / len(values))


def page(results: Sequence[UtilizationResult], seeds: int, took_s: float) -> str:
    """Return the page."""
    return "\n".join([*_head(seeds, took_s), *_traces(results), *_constant(results), *_scenarios(results), ""])


def _head(seeds: int, took_s: float) -> Iterator[str]:
    yield "# Services that follow their CPU"
    yield ""
    day = time.strftime("%Y-%m-%d", time.gmtime())
    yield (
        f"Generated on {day} by `make utilization` in {several(round(took_s / 60), 'minute')}, with "
        f"{several(seeds, 'seed')} for each trace and scenario. `simulate --cpu-target` runs the same "
        "([commands](commands.md#simulate)); [deciding](deciding.md#cpu-memory-and-metrics-with-a-target-value) "
        "has the rule."
    )
    yield ""
    yield (
        "A service without a queue, with a target of 60 % CPU and at least one task. The load of a trace is its "
        f"messages per minute on the day of the [scorecard](scorecard.md), scaled to a mean of {MEAN_TASKS:g} busy "
        "tasks (less "
        "if the busiest minute would exceed five times that). Tasks start in 45 s (median; 95th percentile 80 s). "
        f"Each datapoint has an error of {NOISE_RATIO:.0%} (standard deviation). This autoscaler reads CloudWatch's "
        "minutes, "
        "which are published 60 s late. `target-tracking-cpu` is AWS's target tracking with its defaults on the same "
        "minutes; `target-tracking-cpu-20s` has the periods of 20 s of high-resolution metrics, published 20 s late."
    )
    yield ""
    yield (
        "`above`: share of the time with more load than the target permits. `busy`: share in which all tasks were "
        "busy. `cost`: billed task time / task time of the fewest tasks that keep the target at every instant. `rev`, "
        "`writes`: reversals and changes of the desired count per day."
    )
    yield ""


COLUMNS: tuple[tuple[str, Measure, str], ...] = (
    ("above", lambda score: score.above_percent, "{:.1f} %"),
    ("busy", lambda score: score.saturated_percent, "{:.1f} %"),
    ("cost", lambda score: score.cost_per_ideal, "{:.2f}"),
    ("rev", lambda score: score.reversals_per_day, "{:.0f}"),
    ("writes", lambda score: score.writes_per_day, "{:.0f}"),
)

COMPARED: tuple[tuple[str, Measure], ...] = (
    ("time above the target", lambda score: score.above_percent),
    ("cost", lambda score: score.cost_per_ideal),
    ("reversals", lambda score: score.reversals_per_day),
)
"""Compared with target tracking: in each, lower is better."""


def _table(results: Sequence[UtilizationResult], kind: str) -> Iterator[str]:
    yield f"| {kind} | policy | " + " | ".join(title for title, _, _ in COLUMNS) + " |"
    yield "|---|---|" + "--:|" * len(COLUMNS)
    group = [each for each in results if each.kind == kind]
    for name in dict.fromkeys(each.name for each in group):
        for policy in POLICIES:
            cells = [form.format(mean(group, name, policy, measure)) for _, measure, form in COLUMNS]
            shown = f"**{policy}**" if policy == OURS else policy
            yield f"| {name} | {shown} | " + " | ".join(cells) + " |"
    yield ""


def _traces(results: Sequence[UtilizationResult]) -> Iterator[str]:
    yield "## Traces"
    yield ""
    yield from _table(results, "trace")
    names = list(dict.fromkeys(each.name for each in results if each.kind == "trace"))
    group = [each for each in results if each.kind == "trace"]
    yield f"Compared with `{TRACKING_20S}`, this autoscaler is at least as good in:"
    yield ""
    for title, measure in COMPARED:
        ratios = {n: (mean(group, n, OURS, measure), mean(group, n, TRACKING_20S, measure)) for n in names}
        worse = [f"{n} ({ours:.2f}, not {peer:.2f})" for n, (ours, peer) in ratios.items() if ours > peer + 1e-9]
        rest = f" Not in {', '.join(worse)}." if worse else ""
        yield f"- {title}: {len(names) - len(worse)} of {len(names)} traces.{rest}"
    yield ""


def _constant(results: Sequence[UtilizationResult]) -> Iterator[str]:
    yield "## Constant load"
    yield ""
    yield (
        f"{CONSTANT_LOADS} constant loads, drawn evenly from {LEAST_LOAD:g} to {MOST_LOAD:g} tasks, with 4 tasks at "
        "the start: the mean number of changes of the desired count in the second hour, and the share of loads with "
        "any."
    )
    yield ""
    yield "| error of a datapoint |" + "".join(f" {policy} |" for policy in POLICIES)
    yield "|---|" + "--:|" * len(POLICIES)
    group = [each for each in results if each.kind == "constant"]
    for name in dict.fromkeys(each.name for each in group):
        cells = []
        for policy in POLICIES:
            late = [each.late_writes for each in group if (each.name, each.policy) == (name, policy)]
            cells.append(f"{sum(late) / len(late):.2f} ({sum(map(bool, late)) / len(late):.0%})")
        yield f"| {name} | " + " | ".join(cells) + " |"
    yield ""


def _scenarios(results: Sequence[UtilizationResult]) -> Iterator[str]:
    yield "## Scenarios"
    yield ""
    yield "Six hours each, with one task at the start if nothing else is said. `simulate --cpu-scenario NAME` runs one."
    yield ""
    for each in SCENARIOS.values():
        yield f"- `{each.name}`: {each.sentence}."
    yield ""
    yield from _table(results, "scenario")


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0: written; 2: invalid options or a failure."""
    parser = argparse.ArgumentParser(prog="make utilization", description=__doc__)
    parser.add_argument("--traces", type=Path, required=True, help="folder with the traces of the scorecard")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--jobs", type=int, help="number of processes; by default one per core")
    parser.add_argument("--out", type=Path, default=PAGE)
    parser.add_argument("--json", type=Path, help="write every result to this JSON file")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    try:
        work = jobs(options.traces, options.seeds)
        results = list(ProcessPool(len(work), _show, options.jobs).map(result, [(each,) for each in work]))
        text = page(results, options.seeds, time.monotonic() - began)
        if options.json:
            rows = [each._asdict() | {"score": asdict(each.score)} for each in results]
            options.json.write_text(json.dumps(rows), encoding="utf-8")
        temporary = options.out.with_name(f".{options.out.name}.part")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(options.out)
    except (ConfigError, OSError) as error:  # includes a killed process
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"\nwrote {options.out} in {time.monotonic() - began:,.0f} s\n")
    return 0


def _show(share: float) -> None:
    sys.stderr.write(f"\r{share:.0%}")


if __name__ == "__main__":
    sys.exit(main())
