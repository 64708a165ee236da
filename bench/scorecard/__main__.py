"""`make scorecard`: run every policy on the ten traces, and write a page with charts."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from autoscaler.errors import ConfigError
from autoscaler.sim.workload.protocol import SCORECARD
from bench.scorecard.making import (
    LATENCIES_S,
    SEEDS,
    Bench,
    Job,
    ScorecardRun,
    below_the_limit,
    grid_jobs,
    made,
    oracle_jobs,
    policy_jobs,
)
from bench.scorecard.page import page, picture, picture_name


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0: written; 1: written, but a run costs less than the oracle; 2: invalid options or a failure; 130:
    stopped.
    """
    options = _options(arguments)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        return _score(options)
    except ConfigError as error:
        sys.stderr.write(f"{error}\nSet the folder of the traces with TRACES=FOLDER\n")
        return 2
    except OSError as error:  # includes a killed process
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("stopped; nothing was written\n")
        return 130


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make scorecard", description=__doc__)
    parser.add_argument("--traces", type=Path, required=True, help="the folder with the ten traces")
    parser.add_argument("--out", type=Path, default=Path("docs"), help="the folder for scorecard.md and pictures/")
    parser.add_argument("--only", help="only these traces, comma-separated")
    parser.add_argument("--seeds", type=int, default=len(SEEDS))
    parser.add_argument("--no-grid", action="store_true", help="run peers only with their defaults")
    parser.add_argument("--json", type=Path, help="write every score to this JSON file")
    options = parser.parse_args(arguments)
    known = [entry.name for entry in SCORECARD]
    names = known if options.only is None else [name.strip() for name in options.only.split(",")]
    if unknown := [name for name in names if name not in known]:
        parser.error(f"--only: {', '.join(map(repr, unknown))} is not one of: {', '.join(known)}")
    if options.seeds < 1:
        parser.error(f"--seeds {options.seeds}: at least one")
    options.entries = [entry for entry in SCORECARD if entry.name in names]
    return options


def _score(options: argparse.Namespace) -> int:
    began = time.monotonic()
    entries, seeds = options.entries, tuple(range(options.seeds))
    blank = Bench(options.traces, {})
    lines = _made(blank, oracle_jobs(entries, seeds), "clairvoyant")
    bench = Bench(options.traces, {(line.trace, line.seed, line.latency_s): line.billed_s for line in lines})
    lines += _made(bench, policy_jobs(entries, seeds), "policies")
    if not options.no_grid:
        lines += _made(bench, grid_jobs(bench, entries), "settings of peers")
    lines.sort(key=lambda line: (line.trace, line.latency_s, line.victims, line.policy, line.seed))
    _write(options, lines, time.monotonic() - began)
    return 1 if below_the_limit(lines) else 0


def _write(options: argparse.Namespace, lines: list[ScorecardRun], took_s: float) -> None:
    _write_whole(options.out / "scorecard.md", page(lines, took_s))
    (options.out / "pictures").mkdir(exist_ok=True)
    for latency_s in LATENCIES_S:
        _write_whole(options.out / "pictures" / picture_name(latency_s), picture(lines, latency_s))
    if options.json:
        results = [line._asdict() | {"score": asdict(line.score)} for line in lines]
        _write_whole(options.json, json.dumps(results))
    sys.stdout.write(f"wrote {options.out}/scorecard.md and its pictures in {took_s:,.0f} s\n")


def _write_whole(path: Path, text: str) -> None:
    """Replace the file atomically."""
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def _made(bench: Bench, jobs: list[Job], phase: str) -> list[ScorecardRun]:
    columns = (TextColumn(f"{phase:18}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(phase, total=len(jobs))
        return list(made(bench, jobs, lambda share: bar.update(task, completed=share * len(jobs))))


if __name__ == "__main__":
    sys.exit(main())
