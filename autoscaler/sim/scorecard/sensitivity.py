"""`make sensitivity`: ours with its defaults where one thing differs from the scorecard's protocol; writes a page.

The constants of the rule were chosen on the scorecard's ten days. Here is what they come to elsewhere: other start-ups,
latencies, service times, sizes and days.
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
from autoscaler.sim.chance import Distribution, StartUp
from autoscaler.sim.experiment import CLAIRVOYANT, OURS, Experiment, Task, run
from autoscaler.sim.model import WorldSettings
from autoscaler.sim.process_pool import ProcessPool, Progress
from autoscaler.sim.score import Score, billed_s
from autoscaler.sim.workload import Counted, Recorded
from autoscaler.sim.workload.choosing import Choice
from autoscaler.sim.workload.counting import read_counts
from autoscaler.sim.workload.drawing import by_count, by_job
from autoscaler.sim.workload.jobs import read_jobs
from autoscaler.sim.workload.protocol import MEAN_TASKS, SCORECARD, SERVICE, Entry

SEED = 0
USUAL = StartUp()


@dataclass(frozen=True, slots=True)
class Variation:
    """One thing that differs. `later_days`: so many days after the scorecard's, or as far as the trace has a day."""

    name: str
    latencies_s: tuple[float, ...] = (60.0, 300.0)
    start_up: StartUp = USUAL
    service: Distribution = SERVICE
    mean_tasks: float = MEAN_TASKS
    later_days: int = 0


VARIATIONS = (
    Variation("start-up 20 s", start_up=StartUp(20.0, 30.0, 10.0)),
    Variation("start-up 90 s", start_up=StartUp(90.0, 150.0, 40.0)),
    Variation("latency 30 s and 15 min", latencies_s=(30.0, 900.0)),
    Variation("service times Pareto 1.5", service=Distribution("pareto", 5.0, 1.5)),
    Variation("service times constant", service=Distribution("constant", 5.0)),
    Variation("messages of 30 s", service=Distribution("lognormal", 30.0, 1.0)),
    Variation("2 tasks in the mean", mean_tasks=2.0),
    Variation("200 tasks in the mean", (120.0,), mean_tasks=200.0),
    Variation("the next day", later_days=1),
)
OF_THEIR_OWN = {"lcg_grid"}
"""Has service times of its own: variations of service times leave it out."""


class Cell(NamedTuple):
    variation: str
    trace: str
    latency_s: float
    score: Score


def main(arguments: Sequence[str] | None = None) -> int:
    """0: written; 2: a trace cannot be read; 130: stopped."""
    parser = argparse.ArgumentParser(prog="make sensitivity", description=__doc__)
    parser.add_argument("--traces", type=Path, required=True, help="the folder with the ten traces")
    parser.add_argument("--out", type=Path, default=Path("docs/sensitivity.md"))
    parser.add_argument("--only", help="these variations only, commas between")
    wanted = parser.parse_args(arguments)
    names = [each.name for each in VARIATIONS]
    only = names if wanted.only is None else [name.strip() for name in wanted.only.split(",")]
    if strangers := [name for name in only if name not in names]:
        parser.error(f"--only: {', '.join(map(repr, strangers))} is none of {', '.join(map(repr, names))}")
    began = time.monotonic()
    try:
        cells = measured(wanted.traces, [each for each in VARIATIONS if each.name in only], SCORECARD, _tell)
    except (ConfigError, OSError) as error:
        sys.stderr.write(f"{error}\nTRACES=FOLDER says where the traces are\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("stopped; nothing was written\n")
        return 130
    wanted.out.write_text(page(cells, time.monotonic() - began), encoding="utf-8")
    sys.stdout.write(f"\nwrote {wanted.out}\n")
    return 0


def _tell(share: float) -> None:
    sys.stderr.write(f"\r{share:4.0%}")


def measured(folder: Path, variations: Iterable[Variation], entries: Sequence[Entry], told: Progress) -> list[Cell]:
    """Each variation on each trace that has it, with the clairvoyant's own bill there."""
    jobs = [
        (folder, variation, entry, latency_s)
        for variation in variations
        for entry in entries
        if variation.service == SERVICE or entry.name not in OF_THEIR_OWN
        for latency_s in variation.latencies_s
    ]
    return list(ProcessPool(len(jobs), told).made(_cell, jobs))


def _cell(folder: Path, variation: Variation, entry: Entry, latency_s: float, told: Progress) -> Cell:
    source = _source(folder, variation, entry)
    world = replace(WorldSettings(), start_up=variation.start_up)
    experiment = Experiment(source, world, latency_s, source.mean_service_s)
    best = run(experiment, Task(CLAIRVOYANT, SEED), math.nan)
    told(0.5)
    ours = run(experiment, Task(OURS, SEED), billed_s(best.outcome, world.least_billed_s))
    told(1.0)
    return Cell(variation.name, entry.name, latency_s, ours.score)


@lru_cache(maxsize=2)
def _source(folder: Path, variation: Variation, entry: Entry) -> Counted | Recorded:
    path = folder / entry.file
    if entry.service_scale is not None:
        jobs = read_jobs(path)
        return _latest(variation, entry, lambda choice: by_job(jobs, choice, entry.service_scale or 1.0))
    counts = read_counts(path)
    return _latest(variation, entry, lambda choice: by_count(counts, choice, variation.service))


def _latest(variation: Variation, entry: Entry, made: Callable[[Choice], Counted | Recorded]) -> Counted | Recorded:
    """The day that is asked for; of a trace that ends before it, its last one."""
    for day in range(entry.from_day + variation.later_days, entry.from_day, -1):
        try:
            return made(Choice(day, 1, variation.mean_tasks))
        except ConfigError:
            continue
    return made(Choice(entry.from_day, 1, variation.mean_tasks))


def page(cells: Sequence[Cell], took_s: float) -> str:
    """The whole page: a row for each variation and latency."""
    return HEAD.format(day=time.strftime("%Y-%m-%d", time.gmtime()), minutes=took_s / 60) + "".join(_rows(cells))


def _rows(cells: Sequence[Cell]) -> Iterator[str]:
    for variation, latency_s in dict.fromkeys((cell.variation, cell.latency_s) for cell in cells):
        mine = [cell for cell in cells if (cell.variation, cell.latency_s) == (variation, latency_s)]
        worst = max(mine, key=lambda cell: cell.score.late_fraction)
        costs = _geometric(cell.score.cost_per_work for cell in mine)
        oracles = _geometric(cell.score.cost_per_oracle for cell in mine)
        turns = _geometric(cell.score.reversals_per_day + 1 for cell in mine)
        late = fmean(cell.score.late_fraction for cell in mine)
        lost = max(cell.score.lost_work_fraction for cell in mine)
        yield (
            f"| {variation} | {latency_s:g} s | {late:.3%} | {worst.score.late_fraction:.2%} ({worst.trace}) | "
            f"{costs:.2f} | {oracles:.2f} | {turns:,.0f} | {lost:.2%} |\n"
        )


def _geometric(values: Iterable[float]) -> float:
    return math.exp(fmean(math.log(value) for value in values))


HEAD = """# Sensitivity

Made on {day} by `make sensitivity` in {minutes:.0f} minutes. The scorecard's protocol, see [scorecard](scorecard.md),
with one thing changed at a time, one seed, workers that protect themselves; ours with its defaults, given the latency
and the bounds alone. Costs and changes of direction are geometric means over the traces, `late` is their mean and the
worst of them. `lcg_grid` has service times of its own and is not among those where they are changed; where a trace ends
before the later day, its last one is taken.

| what differs | latency | late, mean | late, worst trace | cost / work | / clairvoyant | reversals a day | lost work |
|---|--:|--:|--:|--:|--:|--:|--:|
"""


if __name__ == "__main__":
    sys.exit(main())
