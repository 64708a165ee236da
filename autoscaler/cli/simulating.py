"""`simulate`: compare policies on a load."""

from __future__ import annotations

import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeVar

import click

from autoscaler.cli import delivering
from autoscaler.cli.kinds import Duration, DurationOrDays
from autoscaler.cli.output import FINDINGS, REFUSED, UNREACHABLE, USAGE, leave
from autoscaler.errors import AutoscalerError, ConfigError, Unavailable

if TYPE_CHECKING:
    from autoscaler.ports import PeriodSum, QueueRef, Span
    from autoscaler.sim.experiment import Experiment
    from autoscaler.sim.peers import Setup
    from autoscaler.sim.report.comparison import Study
    from autoscaler.sim.score import ScoredRun
    from autoscaler.sim.tuning import Trial, Tried
    from autoscaler.sim.workload import Counted, CountTrace, RecordedJobs


# The load of `simulate`: a file, a queue's history, or a synthetic load.

T = TypeVar("T")

SERVICE_TIME = "lognormal:5:1"
"""Processing time of a message if neither a file of jobs nor an option sets it."""


def source(options: dict[str, Any], report: Callable[[float], None]) -> Counted | RecordedJobs:
    """Return the messages of the load in the options of `simulate`, by default a synthetic load.

    Raises `ValueError` or `ConfigError` with the remedy. If AWS cannot be read, the process ends.
    """
    from autoscaler.sim import workload  # noqa: PLC0415 - NumPy is an extra
    from autoscaler.sim.chance import DurationDistribution  # noqa: PLC0415

    _check(options)
    choice = workload.Choice(options["from_day"], options["days"], options["mean_tasks"])
    concurrency = options["task_concurrency"]
    if options["jobs"] is not None:
        scale = 1.0 if options["service_scale"] is None else options["service_scale"]
        return workload.by_job(workload.read_jobs(options["jobs"], report), choice, scale, concurrency)
    service = parsed("--service-time", DurationDistribution.parse, options["service_time"] or SERVICE_TIME)
    if options["trace"] is not None:
        trace = workload.read_counts(options["trace"], report)
    elif options["history"] is not None:
        trace = _history(options)
    else:
        trace = workload.generated(options["made"] or workload.DEFAULT, choice)
    return workload.by_count(trace, choice, service, concurrency)


def parsed(option: str, parse: Callable[[str], T], text: str) -> T:
    """Return the parsed value of the option. Raises `ValueError` with the name of the option."""
    try:
        return parse(text)
    except ValueError as error:
        raise ValueError(f"{option}: {error}") from None


def _check(options: dict[str, Any]) -> None:
    """Require at most one load, and no option of another load. Raises `ValueError` with the remedy."""
    loads = {"trace": "--trace", "jobs": "--jobs", "made": "--load", "history": "--from-cloudwatch"}
    given = [flag for name, flag in loads.items() if options[name] is not None]
    if len(given) > 1:
        raise ValueError(f"{', '.join(given)}: only one load is possible. Use one of these options")
    if options["queue"] is not None and options["history"] is None:
        raise ValueError("--queue requires --from-cloudwatch, which reads the history of the queue")
    if options["service_scale"] is not None and options["jobs"] is None:
        raise ValueError("--service-scale requires --jobs. For other loads, use --service-time")
    if options["service_time"] is not None and options["jobs"] is not None:
        raise ValueError(
            "--service-time and --jobs: the file already contains the times. Use --service-scale to multiply them"
        )


def _history(options: dict[str, Any]) -> CountTrace:
    """Return the queue's history from CloudWatch, in the Region of the queue's URL or ARN, else of the environment.

    Its start, its end and the number of minutes without a datapoint are printed on stderr.
    """
    if not options["queue"]:
        raise ValueError("--from-cloudwatch requires --queue NAME")
    from autoscaler.config.values import queue as parse_queue  # noqa: PLC0415 - most loads do not need it
    from autoscaler.sim.workload import Sum, counts_from_minutes, metric_ranges  # noqa: PLC0415 - NumPy is an extra

    queue = parsed("--queue", parse_queue, options["queue"])
    # CloudWatch publishes one to two minutes late: the newest minutes would wrongly count as empty
    spans = metric_ranges(time.time() - 180, options["history"])
    start, end = spans[0].start, spans[-1].end
    if not start < end:
        raise ValueError("--from-cloudwatch must be at least one minute, such as 14d")
    trace = counts_from_minutes(queue.name, (Sum(*each) for each in _remembered(queue, spans)), start, end)
    first, last = (f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}" for at in (end - 60 * trace.counts.size, end))
    missing = f"{trace.missing} of them had no datapoint and count as empty"
    click.echo(f"queue {queue.name}: {trace.counts.size} minutes, {first} to {last} UTC; {missing}", err=True)
    return trace


def _remembered(queue: QueueRef, spans: Sequence[Span]) -> tuple[PeriodSum, ...]:
    from autoscaler.one_shot import history_once  # noqa: PLC0415 - the AWS SDK takes half a second to import

    try:
        return history_once(queue, spans)
    except AutoscalerError as error:
        leave(f"simulate: {error}", UNREACHABLE if isinstance(error, Unavailable) else REFUSED)


POLICIES = "ours,static,target-tracking,keda,knative,clairvoyant"

STOPPED = 130
"""The exit code of shells for a command that Ctrl-C ended."""


@click.command(short_help="Simulate policies on a load: latency and cost.")
@click.option("--trace", type=click.Path(path_type=Path), help="Load as counts (CSV: t_seconds,arrivals).")
@click.option("--jobs", type=click.Path(path_type=Path), help="Load as jobs (CSV: t_seconds,service_seconds).")
@click.option("--load", "made", help="Synthetic load, such as steady:2 or on_off:5:60:300.")
@click.option("--from-cloudwatch", "history", type=DurationOrDays(), help="Past load of --queue, such as 14d.")
@click.option("--queue", help="Name of the queue for --from-cloudwatch.")
@click.option(
    "--acceptable-latency", "latency_s", type=Duration(), default="60s", show_default=True, help="Latency target."
)
@click.option("--policy", default=POLICIES, show_default=True, help="Comma-separated: NAME, NAME:SETTING, or all.")
@click.option("--seeds", type=click.IntRange(1, 1000), default=1, show_default=True, help="Number of random seeds.")
@click.option(
    "--from-day", type=click.IntRange(0), default=0, show_default=True, help="First day of the load, counted from 0."
)
@click.option("--days", type=click.IntRange(1), help="Number of days.  [default: all]")
@click.option("--mean-tasks", type=float, help="Scale the load to this mean number of busy tasks.")
@click.option("--service-time", help=f"Processing time of a message, without --jobs.  [default: {SERVICE_TIME}]")
@click.option("--service-scale", type=float, help="Factor for the times of --jobs.  [default: 1]")
@click.option("--start-up", default="lognormal:45:80", show_default=True, help="Time from launch to first receive.")
@click.option(
    "--victims",
    type=click.Choice(["idle", "random"]),
    default="idle",
    show_default=True,
    help="Tasks that a scale-in stops: only idle ones (scale-in protection), or random ones.",
)
@click.option(
    "--task-concurrency",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="Messages that a task processes at the same time.",
)
@click.option("--min-tasks", type=click.IntRange(0), default=0, show_default=True, help="Minimum number of tasks.")
@click.option("--max-tasks", type=click.IntRange(1), default=5000, show_default=True, help="Maximum number of tasks.")
@click.option(
    "--sweep",
    multiple=True,
    metavar="FIELD=A|B|C",
    help="Run `ours` with each value; with several --sweep options, with all combinations.",
)
@click.option(
    "--json",
    "json_to",
    type=click.Path(path_type=Path),
    help="Write the results as JSON to this file; `-` is standard output.",
)
@click.option("--report", type=click.Path(path_type=Path), help="Write an HTML page with charts to this file.")
def simulate(**options: Any) -> None:
    """Simulate policies on a load, and compare message latency and cost.

    The daemon's own loop and decisions run in virtual time on a simulated SQS and ECS. Other autoscalers with their
    documented behavior, and an oracle that knows all arrivals (clairvoyant), run on the same load. By default the
    load is a generated day.

    \b
    Forms of --policy:
      ours, ours:FIELD=VALUE/FIELD=VALUE, static[:TASKS], target-tracking,
      target-tracking-cpu, step-scaling, predictive, keda[:QUEUE_LENGTH],
      knative, wpa, react, nomad, clairvoyant, all

    \b
    Forms of --load (rates in messages/s, ON, OFF and EVERY in seconds; every
    number has a default):
      steady:RATE, diurnal:RATE, flash_crowd:RATE:TIMES, on_off:RATE:ON:OFF,
      batch:MESSAGES:EVERY, ramp:FROM:TO

    \b
    Forms of --service-time (S is the mean in seconds):
      constant:S, exponential:S, lognormal:S:CV, pareto:S:ALPHA

    \b
    Forms of --start-up (in seconds):
      lognormal:MEDIAN:P95, constant:S

    \b
    Examples:
      autoscaler simulate
      autoscaler simulate --trace week.csv --from-day 2 --days 1 \\
        --mean-tasks 20 --policy all --report day.html
      autoscaler simulate --load flash_crowd:2:20 --policy ours \\
        --sweep "acceptable_latency=30s|60s|120s|300s"
      autoscaler simulate --from-cloudwatch 14d --queue orders --seeds 3 \\
        --json result.json
    """
    try:
        import numpy  # noqa: F401, PLC0415 - an extra
        import rich  # noqa: F401, PLC0415 - an extra
    except ImportError:
        leave("simulate: NumPy and rich are required. Run: pip install 'ecs-queue-autoscaler[simulate]'", USAGE)
    with _stoppable() as stopping:
        plan = _planned(options, stopping)
        runs, tried = _played(plan, stopping)
        delivering.deliver(_study(options, plan.experiment, runs), tried, options["json_to"], options["report"])


class _SimulationPlan(NamedTuple):
    """A validated simulation. `trials`: those of `--sweep`."""

    experiment: Experiment
    policies: tuple[str, ...]
    seeds: range
    trials: tuple[Trial, ...]


def _planned(options: dict[str, Any], stopping: _Stopping) -> _SimulationPlan:
    """Return the validated plan. Invalid options or loads end the command with exit code 2 before the simulation."""
    try:
        return _plan(options, stopping)
    except ConfigError as error:
        leave("\n".join(f"simulate: {problem}" for problem in error.problems), USAGE)
    except ValueError as error:
        leave(f"simulate: {error}", USAGE)


def _plan(options: dict[str, Any], stopping: _Stopping) -> _SimulationPlan:
    from autoscaler.sim import experiment as lab  # noqa: PLC0415 - NumPy is an extra
    from autoscaler.sim.tuning import combinations  # noqa: PLC0415

    delivering.check(options["json_to"], options["report"])
    with delivering.progress("reading the load") as report:
        load = source(options, stopping.checked(report))
    experiment, latency_s = _experiment(options, load), options["latency_s"]
    setup = experiment.setup(experiment.drawn(0))
    policies = parsed("--policy", lambda text: lab.specs(text, setup), options["policy"])
    trials = combinations(options["sweep"], latency_s) if options["sweep"] else ()
    for trial in trials:
        _check_trial(trial, replace(setup, acceptable_latency_s=trial.latency_s))
    return _SimulationPlan(experiment, policies, range(options["seeds"]), trials)


def _check_trial(trial: Trial, setup: Setup) -> None:
    """Raise `ValueError`, with the option of the trial, if its settings are invalid."""
    from autoscaler.sim import experiment as lab  # noqa: PLC0415 - NumPy is an extra

    try:
        lab.check(trial.policy, setup)
    except ValueError as error:
        raise ValueError(f"--sweep {trial.fields}: {str(error).removeprefix(f'{trial.policy}: ')}") from None


def _played(plan: _SimulationPlan, stopping: _Stopping) -> tuple[list[ScoredRun], list[Tried]]:
    """Return the runs of every policy and the results of the trials."""
    from autoscaler.sim import experiment as lab  # noqa: PLC0415 - NumPy is an extra

    tried = []
    try:
        with delivering.progress("simulating") as report:
            runs = lab.runs(plan.experiment, plan.policies, plan.seeds, stopping.checked(report))
        if plan.trials:
            with delivering.progress("sweeping") as report:
                tried = lab.trials(plan.experiment, plan.trials, plan.seeds, stopping.checked(report))
    except ChildProcessError as error:
        leave(f"simulate: {error}. Choose fewer days, seeds or policies.", FINDINGS)
    return runs, tried


class _Stopped(KeyboardInterrupt):
    """A subclass, because Python remembers a plain KeyboardInterrupt that leaves an `exec`, as in an import, and then
    ends the process by SIGINT instead of with the chosen exit code.
    """


class _Stopping:
    """Raises `_Stopped` in the signal handler, and again at the next progress report.

    Python discards an exception that a handler raises inside a finalizer.
    """

    def __init__(self) -> None:
        self._requested = False

    def handle(self, *_: object) -> NoReturn:
        self._requested = True
        raise _Stopped

    def checked(self, report: Callable[[float], None]) -> Callable[[float], None]:
        def report_or_stop(share: float) -> None:
            if self._requested:
                raise _Stopped
            report(share)

        return report_or_stop


@contextmanager
def _stoppable() -> Iterator[_Stopping]:
    """On Ctrl-C and SIGTERM, end all processes, leave no incomplete file, and print one line."""
    stopping = _Stopping()
    heard = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    before = {number: signal.getsignal(number) for number in heard}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # a shell ignores SIGINT for background jobs
            signal.signal(number, stopping.handle)
    try:
        yield stopping
    except KeyboardInterrupt:
        leave("simulate: stopped", STOPPED)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _experiment(options: dict[str, Any], load: Counted | RecordedJobs) -> Experiment:
    from autoscaler.sim.chance import StartUp  # noqa: PLC0415
    from autoscaler.sim.experiment import Experiment  # noqa: PLC0415
    from autoscaler.sim.model import Victims, WorldSettings  # noqa: PLC0415

    if options["min_tasks"] > options["max_tasks"]:
        raise ValueError(f"--min-tasks {options['min_tasks']} is above --max-tasks {options['max_tasks']}")
    world = WorldSettings(
        start_up=parsed("--start-up", StartUp.parse, options["start_up"]),
        task_concurrency=options["task_concurrency"],
        victims=Victims(options["victims"]),
    )
    bounds = options["min_tasks"], options["max_tasks"]
    return Experiment(load, world, options["latency_s"], load.mean_service_s, *bounds)


def _study(options: dict[str, Any], experiment: Experiment, runs: list[ScoredRun]) -> Study:
    from autoscaler.sim.report.comparison import Study  # noqa: PLC0415

    world = experiment.world
    return Study(
        workload=experiment.drawn(0),
        seed=0,
        latency_s=experiment.latency_s,
        world=(
            f"service {(options['service_time'] or SERVICE_TIME) if options['jobs'] is None else 'as the jobs took'}; "
            f"start-up {world.start_up}, at least {world.start_up.least_s:g} s; {world.task_concurrency} at once; "
            f"victims {world.victims}; stopTimeout {world.stop_timeout_s:g} s; {experiment.min_tasks} to "
            f"{experiment.max_tasks} tasks; billed at least {world.least_billed_s:g} s a task"
        ),
        command=shlex.join(["autoscaler", *sys.argv[1:]]),
        runs=tuple(runs),
        task_concurrency=world.task_concurrency,
        least_billed_s=world.least_billed_s,
    )
