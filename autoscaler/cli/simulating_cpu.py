"""`simulate --cpu-target` and `--cpu-scenario`: compare policies on a service that has no queue and follows its CPU."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import click

from autoscaler.cli import delivering
from autoscaler.cli.loading import parsed, source
from autoscaler.cli.output import piped

if TYPE_CHECKING:
    from autoscaler.sim.utilization import CpuSetup, UtilizationRun, UtilizationScore
    from autoscaler.sim.world.utilization import CpuSettings, TaskLoad

DEFAULT_TARGET_PERCENT = 60.0

WORLD_OPTIONS = frozenset({"start_up", "metrics_late", "launches_per_minute", "faults"})
"""The options of the world that apply to a service without a queue."""

OTHER_OPTIONS = {
    "scenarios": "--scenario",
    "latency_s": "--acceptable-latency",
    "sweep": "--sweep",
    "report": "--report",
    "task_concurrency": "--task-concurrency",
    "configured_concurrency": "--configured-concurrency",
    "prefetch": "--prefetch",
    "delete_on_receipt": "--delete-on-receipt",
    "poison_percent": "--poison-percent",
    "max_receives": "--max-receives",
    "visibility_timeout": "--visibility-timeout",
    "duplicate_percent": "--duplicate-percent",
    "victims": "--victims",
    "stop_timeout": "--stop-timeout",
    "count_error_percent": "--count-error-percent",
    "count_lag": "--count-lag",
}
"""Options that need a queue, or that this comparison does not have."""

COLUMNS: tuple[tuple[str, Callable[[UtilizationScore], float], str], ...] = (
    ("above target", lambda score: score.above_percent, "{:.2f} %"),
    ("all busy", lambda score: score.saturated_percent, "{:.2f} %"),
    ("not served", lambda score: score.unserved_percent, "{:.2f} %"),
    ("cost/ideal", lambda score: score.cost_per_ideal, "{:.2f}"),
    ("reversals/day", lambda score: score.reversals_per_day, "{:.0f}"),
    ("writes/day", lambda score: score.writes_per_day, "{:.0f}"),
    ("peak", lambda score: score.peak_tasks, "{:.0f}"),
)


def simulate_cpu(options: dict[str, Any], chosen: Collection[str], checked: Callable[[Any], Any]) -> None:
    """Run the comparison and print a table, or write JSON. Raises `ValueError` or `ConfigError` with the remedy."""
    from autoscaler.sim import utilization as lab  # noqa: PLC0415 - NumPy is an extra

    if wrong := [flag for name, flag in OTHER_OPTIONS.items() if name in chosen]:
        raise ValueError(f"{', '.join(wrong)}: not for a service that follows its CPU. Remove it, or --cpu-target")
    if options["min_tasks"] > options["max_tasks"]:
        raise ValueError(f"--min-tasks {options['min_tasks']} is above --max-tasks {options['max_tasks']}")
    delivering.check(options["json_to"], None)
    least = options["min_tasks"] if "min_tasks" in chosen else 1
    setup = lab.CpuSetup(options["cpu_target"] or DEFAULT_TARGET_PERCENT, least, options["max_tasks"])
    text = options["policy"] if "policy" in chosen else lab.ALL
    policies = parsed("--policy", lambda each: lab.specs(each, setup), text)
    worlds = _worlds(options, chosen)
    documents = []
    for load, settings, sentence in worlds:
        runs = []
        with delivering.progress(f"simulating {load.name}") as report:
            for number, policy in enumerate(policies):
                for seed in range(options["seeds"]):
                    runs.append(lab.run(load, settings, setup, policy, seed))
                    checked(report)((number + (seed + 1) / options["seeds"]) / len(policies))
        documents.append(_document(load, sentence, setup, runs))
        if not delivering.is_stdout(options["json_to"]):
            with piped():
                _show(load, sentence, setup, runs)
    if options["json_to"] is not None:
        document = {"scenarios": documents} if options["cpu_scenarios"] else documents[0]
        delivering.write(options["json_to"], json.dumps(document, indent=2, allow_nan=False) + "\n")


def _worlds(options: dict[str, Any], chosen: Collection[str]) -> list[tuple[TaskLoad, CpuSettings, str]]:
    """Return each load with its world, and what is special."""
    from autoscaler.cli.worlds import world_of  # noqa: PLC0415 - NumPy is an extra
    from autoscaler.sim import utilization as lab  # noqa: PLC0415

    picked = WORLD_OPTIONS & set(chosen)
    if options["cpu_scenarios"]:
        scenarios = parsed("--cpu-scenario", lab.named, options["cpu_scenarios"])
        return [
            (each.load, replace(each.settings, world=world_of(options, picked, each.settings.world)), each.sentence)
            for each in scenarios
        ]
    settings = lab.cpu_world()
    with delivering.progress("reading the load") as report:
        load = lab.load_of(source(options, report))
    return [(load, replace(settings, world=world_of(options, picked, settings.world)), "")]


def _document(load: TaskLoad, sentence: str, setup: CpuSetup, runs: list[UtilizationRun]) -> dict[str, Any]:
    results = [{"policy": run.policy, "seed": run.seed} | asdict(run.score) for run in runs]
    named = {"scenario": load.name, "sentence": sentence} if sentence else {"trace": load.name}
    return {**named, "target_percent": setup.target_percent, "results": results}


def _show(load: TaskLoad, sentence: str, setup: CpuSetup, runs: list[UtilizationRun]) -> None:
    """Print a table with the mean of all seeds."""
    hours = load.length_s / 3600
    click.echo(f"{load.name}: {sentence or 'the load of the messages'}; {hours:g} h, target {setup.target_percent:g} %")
    rows = [["policy", *(title for title, _, _ in COLUMNS)]]
    for policy in dict.fromkeys(run.policy for run in runs):
        scores = [run.score for run in runs if run.policy == policy]
        means = [sum(map(value, scores)) / len(scores) for _, value, _ in COLUMNS]
        rows.append([policy, *(form.format(each) for each, (_, _, form) in zip(means, COLUMNS, strict=True))])
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    for first, *rest in rows:
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        click.echo("  ".join([first.ljust(widths[0]), *cells]))
    click.echo("")
