"""`make scorecard`: every policy on the ten traces; writes a page and a picture."""

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
from autoscaler.sim.scorecard.making import SEEDS, Bench, Job, Line, grid_jobs, made, oracle_jobs, policy_jobs
from autoscaler.sim.scorecard.page import page
from autoscaler.sim.scorecard.picture import picture
from autoscaler.sim.scorecard.summary import below_the_limit
from autoscaler.sim.workload.protocol import SCORECARD


def main(arguments: Sequence[str] | None = None) -> int:
    """0: written; 1: written, and the limit did not hold; 2: what was asked for cannot be done; 130: stopped."""
    wanted = _wanted(arguments)
    try:
        wanted.out.mkdir(parents=True, exist_ok=True)
        return _score(wanted)
    except ConfigError as error:
        sys.stderr.write(f"{error}\nTRACES=FOLDER says where the traces are\n")
        return 2
    except OSError as error:  # a process that was killed, too
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("stopped; nothing was written\n")
        return 130


def _wanted(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make scorecard", description=__doc__)
    parser.add_argument("--traces", type=Path, required=True, help="the folder with the ten traces")
    parser.add_argument("--out", type=Path, default=Path("docs"), help="where scorecard.md and scorecard.html go")
    parser.add_argument("--only", help="these traces only, commas between")
    parser.add_argument("--seeds", type=int, default=len(SEEDS))
    parser.add_argument("--no-grid", action="store_true", help="peers at their defaults only")
    parser.add_argument("--json", type=Path, help="every line, as JSON")
    wanted = parser.parse_args(arguments)
    known = [entry.name for entry in SCORECARD]
    names = known if wanted.only is None else [name.strip() for name in wanted.only.split(",")]
    if strangers := [name for name in names if name not in known]:
        parser.error(f"--only: {', '.join(map(repr, strangers))} is none of {', '.join(known)}")
    if wanted.seeds < 1:
        parser.error(f"--seeds {wanted.seeds}: at least one")
    wanted.entries = [entry for entry in SCORECARD if entry.name in names]
    return wanted


def _score(wanted: argparse.Namespace) -> int:
    began = time.monotonic()
    entries, seeds = wanted.entries, tuple(range(wanted.seeds))
    blank = Bench(wanted.traces, {})
    lines = _made(blank, oracle_jobs(entries, seeds), "clairvoyant")
    bench = Bench(wanted.traces, {(line.trace, line.seed, line.latency_s): line.billed_s for line in lines})
    lines += _made(bench, policy_jobs(entries, seeds), "policies")
    if not wanted.no_grid:
        lines += _made(bench, grid_jobs(bench, entries), "settings of peers")
    lines.sort(key=lambda line: (line.trace, line.latency_s, line.victims, line.policy, line.seed))
    _write(wanted, lines, time.monotonic() - began)
    return 1 if below_the_limit(lines) else 0


def _write(wanted: argparse.Namespace, lines: list[Line], took_s: float) -> None:
    _place(wanted.out / "scorecard.md", page(lines, took_s))
    _place(wanted.out / "scorecard.html", picture(lines))
    if wanted.json:
        told = [line._asdict() | {"score": asdict(line.score)} for line in lines]
        _place(wanted.json, json.dumps(told))
    sys.stdout.write(f"wrote {wanted.out}/scorecard.md and {wanted.out}/scorecard.html in {took_s:,.0f} s\n")


def _place(path: Path, text: str) -> None:
    """The file is there, whole, or as it was before."""
    beside = path.with_name(f".{path.name}.part")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def _made(bench: Bench, jobs: list[Job], doing: str) -> list[Line]:
    columns = (TextColumn(f"{doing:18}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(doing, total=len(jobs))
        return list(made(bench, jobs, lambda share: bar.update(task, completed=share * len(jobs))))


if __name__ == "__main__":
    sys.exit(main())
