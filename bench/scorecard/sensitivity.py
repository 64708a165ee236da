"""`make sensitivity`: run this autoscaler with default settings, with one change of the scorecard's protocol at a time,
and write a page.

The constants of the latency rule were chosen with the ten days of the scorecard. The page shows the results with other
start-up times, latency targets, service times, sizes and days.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from autoscaler.errors import ConfigError
from autoscaler.sim.chance import DurationDistribution, StartUp
from autoscaler.sim.experiment import CLAIRVOYANT, OURS, Experiment, RunRequest, run
from autoscaler.sim.model import WorldSettings
from autoscaler.sim.process_pool import ProcessPool, Progress
from autoscaler.sim.score import Score, billed_s
from autoscaler.sim.workload import Counted, RecordedJobs
from autoscaler.sim.workload.choosing import Choice
from autoscaler.sim.workload.drawing import by_count, by_job, read_counts, read_jobs
from autoscaler.sim.workload.protocol import MEAN_TASKS, SCORECARD, SERVICE, Entry

SEED = 0
USUAL = StartUp()


@dataclass(frozen=True, slots=True)
class Variation:
    """One change. `later_days`: days after the day of the scorecard; if the trace ends before that day, its last day is
    used.
    """

    name: str
    latencies_s: tuple[float, ...] = (60.0, 300.0)
    start_up: StartUp = USUAL
    service: DurationDistribution = SERVICE
    mean_tasks: float = MEAN_TASKS
    later_days: int = 0


VARIATIONS = (
    Variation("start-up 20 s", start_up=StartUp(20.0, 30.0, 10.0)),
    Variation("start-up 90 s", start_up=StartUp(90.0, 150.0, 40.0)),
    Variation("latency 30 s and 15 min", latencies_s=(30.0, 900.0)),
    Variation("service times Pareto 1.5", service=DurationDistribution("pareto", 5.0, 1.5)),
    Variation("service times constant", service=DurationDistribution("constant", 5.0)),
    Variation("messages of 30 s", service=DurationDistribution("lognormal", 30.0, 1.0)),
    Variation("2 tasks on average", mean_tasks=2.0),
    Variation("200 tasks on average", (120.0,), mean_tasks=200.0),
    Variation("the next day", later_days=1),
)
WITH_SERVICE_TIMES = {"lcg_grid"}
"""Traces that contain service times: variations of service times omit them."""


class SensitivityCell(NamedTuple):
    variation: str
    trace: str
    latency_s: float
    score: Score


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0: written; 2: a trace cannot be read; 130: stopped."""
    parser = argparse.ArgumentParser(prog="make sensitivity", description=__doc__)
    parser.add_argument("--traces", type=Path, required=True, help="the folder with the ten traces")
    parser.add_argument("--out", type=Path, default=Path("docs/sensitivity.md"))
    parser.add_argument("--only", help="only these variations, comma-separated")
    options = parser.parse_args(arguments)
    names = [each.name for each in VARIATIONS]
    only = names if options.only is None else [name.strip() for name in options.only.split(",")]
    if unknown := [name for name in only if name not in names]:
        parser.error(f"--only: {', '.join(map(repr, unknown))} is not one of: {', '.join(map(repr, names))}")
    began = time.monotonic()
    try:
        cells = measured(options.traces, [each for each in VARIATIONS if each.name in only], SCORECARD, _show_progress)
    except (ConfigError, OSError) as error:
        sys.stderr.write(f"{error}\nSet the folder of the traces with TRACES=FOLDER\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("stopped; nothing was written\n")
        return 130
    options.out.write_text(page(cells, time.monotonic() - began), encoding="utf-8")
    sys.stdout.write(f"\nwrote {options.out}\n")
    return 0


def _show_progress(share: float) -> None:
    sys.stderr.write(f"\r{share:4.0%}")


def measured(
    folder: Path, variations: Iterable[Variation], entries: Sequence[Entry], progress: Progress
) -> list[SensitivityCell]:
    """Run each variation on each trace that supports it, with costs relative to the clairvoyant of that variation."""
    jobs = [
        (folder, variation, entry, latency_s)
        for variation in variations
        for entry in entries
        if variation.service == SERVICE or entry.name not in WITH_SERVICE_TIMES
        for latency_s in variation.latencies_s
    ]
    return list(ProcessPool(len(jobs), progress).map(_cell, jobs))


def _cell(folder: Path, variation: Variation, entry: Entry, latency_s: float, progress: Progress) -> SensitivityCell:
    source = _source(folder, variation, entry)
    world = replace(WorldSettings(), start_up=variation.start_up)
    experiment = Experiment(source, world, latency_s, source.mean_service_s)
    best = run(experiment, RunRequest(CLAIRVOYANT, SEED), math.nan)
    progress(0.5)
    ours = run(experiment, RunRequest(OURS, SEED), billed_s(best.outcome, world.least_billed_s))
    progress(1.0)
    return SensitivityCell(variation.name, entry.name, latency_s, ours.score)


@lru_cache(maxsize=2)
def _source(folder: Path, variation: Variation, entry: Entry) -> Counted | RecordedJobs:
    path = folder / entry.file
    if entry.service_scale is not None:
        jobs = read_jobs(path)
        return _latest(variation, entry, lambda choice: by_job(jobs, choice, entry.service_scale or 1.0))
    counts = read_counts(path)
    return _latest(variation, entry, lambda choice: by_count(counts, choice, variation.service))


def _latest(
    variation: Variation, entry: Entry, made: Callable[[Choice], Counted | RecordedJobs]
) -> Counted | RecordedJobs:
    """Return the day of the variation, or the last day of a trace that ends before it."""
    for day in range(entry.from_day + variation.later_days, entry.from_day, -1):
        try:
            return made(Choice(day, 1, variation.mean_tasks))
        except ConfigError:
            continue
    return made(Choice(entry.from_day, 1, variation.mean_tasks))


def page(cells: Sequence[SensitivityCell], took_s: float) -> str:
    """Return the page, with a row for each variation and latency target."""
    return HEAD.format(day=time.strftime("%Y-%m-%d", time.gmtime()), minutes=took_s / 60) + "".join(_rows(cells))


def _rows(cells: Sequence[SensitivityCell]) -> Iterator[str]:
    for variation, latency_s in dict.fromkeys((cell.variation, cell.latency_s) for cell in cells):
        selected = [cell for cell in cells if (cell.variation, cell.latency_s) == (variation, latency_s)]
        worst = max(selected, key=lambda cell: cell.score.late_fraction)
        costs = _geometric(cell.score.cost_per_work for cell in selected)
        oracles = _geometric(cell.score.cost_per_oracle for cell in selected)
        reversals = _geometric(cell.score.reversals_per_day + 1 for cell in selected)
        late = fmean(cell.score.late_fraction for cell in selected)
        lost = max(cell.score.lost_work_fraction for cell in selected)
        yield (
            f"| {variation} | {latency_s:g} s | {late:.3%} | {worst.score.late_fraction:.2%} ({worst.trace}) | "
            f"{costs:.2f} | {oracles:.2f} | {reversals:,.0f} | {lost:.2%} |\n"
        )


def _geometric(values: Iterable[float]) -> float:
    return math.exp(fmean(math.log(value) for value in values))


HEAD = """# Sensitivity

Generated on {day} by `make sensitivity` in {minutes:.0f} minutes, with the protocol of the [scorecard](scorecard.md),
one change at a time and one seed. ECS stops only idle tasks. Our policy has its default settings; only the
latency target and the bounds are set. Costs and reversals are geometric means over the traces; `late` is the mean and
the worst trace. `lcg_grid` contains service times and is omitted where they are changed. If a trace ends before the
later day, its last day is used.

| change | latency | late, mean | late, worst trace | cost / work | cost / clairvoyant | reversals / day | lost work |
|---|--:|--:|--:|--:|--:|--:|--:|
"""


if __name__ == "__main__":
    sys.exit(main())
