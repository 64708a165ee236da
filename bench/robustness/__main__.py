"""`make robustness`: run every scenario with three latency targets, and write a page with the criteria."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from autoscaler.sim.experiment import check
from autoscaler.sim.scenarios import SCENARIOS, named
from bench.robustness.making import LATENCIES_S, POLICIES, SEEDS, RobustnessJob, RobustnessRun, cells, jobs, made
from bench.robustness.page import page

PAGE = Path("docs/robustness.md")


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0: written; 2: invalid options or a failure; 130: stopped."""
    options = _options(arguments)
    began = time.monotonic()
    try:
        runs = _made(jobs(options.scenarios, options.latencies_s, options.policies, options.seeds), options.jobs)
        _write(options, runs, time.monotonic() - began)
    except OSError as error:  # includes a killed process
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("stopped; nothing was written\n")
        return 130
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make robustness", description=__doc__)
    parser.add_argument("--scenario", default="all", help="only these scenarios, comma-separated")
    parser.add_argument("--latency", help="only these latency targets in seconds, comma-separated")
    parser.add_argument("--policy", help="only these policies, comma-separated")
    parser.add_argument("--seeds", type=int, default=len(SEEDS))
    parser.add_argument("--jobs", type=int, help="number of processes; by default one per core")
    parser.add_argument("--out", type=Path, help=f"by default {PAGE}; a part is printed to stdout by default")
    parser.add_argument("--json", type=Path, help="write every result to this JSON file")
    options = parser.parse_args(arguments)
    try:
        _parse(options)
    except ValueError as error:
        parser.error(str(error))
    return options


def _parse(options: argparse.Namespace) -> None:
    """Replace the texts of the options by their values. Raise `ValueError` for an invalid one."""
    options.scenarios = [scenario.name for scenario in named(options.scenario)]
    latencies = LATENCIES_S if options.latency is None else map(float, options.latency.split(","))
    options.latencies_s = tuple(latencies)
    options.policies = POLICIES if options.policy is None else tuple(options.policy.split(","))
    if options.seeds < 1 or min(options.latencies_s) <= 0:
        raise ValueError("--seeds and --latency must be above 0")
    experiment = SCENARIOS[options.scenarios[0]].experiment(options.latencies_s[0])
    for policy in options.policies:
        check(policy, experiment.setup(experiment.drawn(0)))
    options.seeds = tuple(range(options.seeds))
    is_whole = (options.scenarios, options.latencies_s, options.policies) == (list(SCENARIOS), LATENCIES_S, POLICIES)
    if options.out is None and is_whole:
        options.out = PAGE


def _made(work: list[RobustnessJob], processes: int | None) -> list[RobustnessRun]:
    columns = (TextColumn("scenarios"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("scenarios", total=len(work))
        return list(made(work, lambda share: bar.update(task, completed=share * len(work)), processes))


def _write(options: argparse.Namespace, runs: list[RobustnessRun], took_s: float) -> None:
    text = page(cells(runs), len(options.seeds), took_s)
    if options.json:
        options.json.write_text(json.dumps([run._asdict() for run in runs]), encoding="utf-8")
    if options.out is None:
        sys.stdout.write(text)
        return
    temporary = options.out.with_name(f".{options.out.name}.part")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(options.out)
    sys.stdout.write(f"wrote {options.out} in {took_s:,.0f} s\n")


if __name__ == "__main__":
    sys.exit(main())
