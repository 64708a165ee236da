"""Write the results of a simulation: a table on stdout, JSON, an HTML page. Each file is replaced as a whole or not."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from autoscaler.cli.output import USAGE, leave, piped, say

if TYPE_CHECKING:
    from autoscaler.sim.monthly import MonthlyCost
    from autoscaler.sim.report.comparison import Study
    from autoscaler.sim.tuning import Tried


class Result(NamedTuple):
    """A simulation, and the trials of `--sweep`."""

    study: Study
    tried: tuple[Tried, ...] = ()


def is_stdout(place: Path | None) -> bool:
    return str(place) == "-"


def json_place(shown: Path | None, file: Path | None) -> Path | None:
    """Return where the JSON goes (None: nowhere): `shown` is the value of `--json`, `-` for the flag alone, and `file`
    that of `--json-out`. With both, the command ends.
    """
    if shown is not None and file is not None:
        leave("simulate: --json and --json-out: use --json for standard output, or --json-out for a file.", USAGE)
    if shown is not None and not is_stdout(shown):
        say(f"simulate: `--json FILE` will be removed; use `--json-out {shown}`. `--json` alone is standard output.")
    return shown if file is None else file


def check(json_to: Path | None, report: Path | None) -> None:
    """Check before the simulation that both files can be written. Raises `ValueError` with the remedy."""
    if is_stdout(report):
        raise ValueError(
            "--report: an HTML page cannot be written to standard output. Pass a file name, such as report.html"
        )
    if json_to is not None and report is not None and json_to.absolute() == report.absolute():
        raise ValueError(f"--json-out and --report are both {json_to}. Pass two different files")
    for place in (json_to, report):
        if place is not None and not is_stdout(place):
            _check(place)


def _check(place: Path) -> None:
    folder = place.absolute().parent
    if place.is_dir():
        raise ValueError(f"{place} is a directory. Pass the name of a file")
    if not folder.is_dir():
        raise ValueError(f"{place} cannot be written: the directory {folder} does not exist. Create it first")
    if not _writable(folder):
        raise ValueError(f"{place} cannot be written: no permission to write to {folder}. Pass another file")


def _writable(folder: Path) -> bool:
    return os.access(folder, os.W_OK | os.X_OK)


def deliver(results: Sequence[Result], json_to: Path | None, report: Path | None) -> None:
    """Write the requested files, and print the tables unless stdout is for JSON. All texts are built before a write."""
    texts = {json_to: _json(results)} if json_to is not None else {}
    if report is not None:
        from autoscaler.sim.report.html import page  # noqa: PLC0415 - NumPy is an extra

        texts |= {_page_path(report, result.study, results): page(result.study) for result in results}
    with piped():
        for place, text in texts.items():
            write(place, text)
        for number, result in enumerate(() if is_stdout(json_to) else results):
            click.echo("", nl=number > 0)
            _show(result.study, result.tried)
    for result in results:
        _warn(result.study)


def _page_path(report: Path, study: Study, results: Sequence[Result]) -> Path:
    """Return the file of the study's page: with several scenarios, each has its own page, `report-poison.html`."""
    return report if len(results) == 1 else report.with_name(f"{report.stem}-{study.scenario}{report.suffix}")


def _json(results: Sequence[Result]) -> str:
    """Return the JSON of the results. With scenarios, `scenarios` is the list of them."""
    documents = [_document(*result) for result in results]
    document = {"scenarios": documents} if results[0].study.scenario else documents[0]
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _document(study: Study, tried: Sequence[Tried]) -> dict[str, Any]:
    """Return the results of a study, with the trials of `--sweep`. An undefined value (cost without work) is null."""
    results = [
        {"policy": run.policy, "settings": run.settings, "seed": run.seed}
        | _known(asdict(run.score))
        | _known(asdict(run.facts))
        | {"dollars_per_month": study.monthly.dollars(run.facts.task_hours)}
        for run in study.runs
    ]
    document: dict[str, Any] = {"trace": study.workload.name, "world": study.world, "results": results}
    document |= _priced(study)
    if study.scenario:
        document = {
            "scenario": study.scenario,
            "sentence": study.sentence,
            "acceptable_latency_s": study.latency_s,
            **document,
        }
    if tried:
        document["sweep"] = [_trial(each, study.monthly) for each in tried]
    return document


def _priced(study: Study) -> dict[str, Any]:
    """Return the price of a task, and the saving with the sentence of the table and the page (null: no comparison)."""
    from autoscaler.sim.report.comparison import saving  # noqa: PLC0415 - NumPy is an extra

    saved = saving(study)
    return {"task_price": study.monthly.as_json(), "saving": None if saved is None else saved.as_json()}


def _trial(each: Tried, monthly: MonthlyCost) -> dict[str, Any]:
    figures = {name: value for name, value in asdict(each).items() if name != "trial"}
    settings = each.trial.fields.replace("/", ", ") or "defaults"
    return {"settings": settings, "acceptable_latency_s": each.trial.latency_s} | _known(
        {**figures, "dollars_per_month": monthly.dollars(each.task_hours)}
    )


def _known(figures: dict[str, Any]) -> dict[str, Any]:
    return {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in figures.items()}


def _show(study: Study, tried: Sequence[Tried]) -> None:
    from rich.console import Console  # noqa: PLC0415 - an extra

    from autoscaler.sim.report.table import show  # noqa: PLC0415
    from autoscaler.sim.tuning import advice, table  # noqa: PLC0415

    show(study, Console())
    if tried:
        figures = [*table(tried, study.latency_s, study.monthly), "", *advice(tried, study.latency_s, study.monthly)]
        click.echo("\n".join(["", *figures]))


def _warn(study: Study) -> None:
    """Warn of runs with unprocessed messages: their cost is too low."""
    import numpy as np  # noqa: PLC0415 - an extra

    for run in study.runs:
        if left := int(np.isnan(run.outcome.received_s).sum()):
            say(
                f"{run.policy}, seed {run.seed}: {left:,} messages were not received one day after the load's end, "
                "when the simulation stops; the cost does not include them"
            )


def write(place: Path, text: str) -> None:
    """Write the file as a whole, or to standard output. If that is not possible, the command ends."""
    if is_stdout(place):
        click.echo(text, nl=False)
        return
    temporary = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(place)
    except OSError as error:
        leave(f"simulate: {place} cannot be written: {error.strerror or error}", USAGE)
    finally:
        with suppress(OSError):
            temporary.unlink()
    click.echo(f"wrote {place}", err=True)


@contextmanager
def progress(doing: str) -> Iterator[Callable[[float], None]]:
    """Show a progress bar with the remaining time on stderr, only on a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415 - an extra
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(doing, total=1.0)
        yield lambda share: bar.update(task, completed=share)
