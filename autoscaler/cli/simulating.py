"""`simulate`: compare policies on a load."""

from __future__ import annotations

import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import click
from click.core import ParameterSource

from autoscaler.cli import delivering
from autoscaler.cli.kinds import Duration, ScenarioList
from autoscaler.cli.loading import SERVICE_TIME, parsed, source
from autoscaler.cli.output import FINDINGS, USAGE, leave
from autoscaler.cli.pricing import price_of, price_options
from autoscaler.cli.worlds import described, world_of, world_options
from autoscaler.errors import ConfigError

if TYPE_CHECKING:
    from autoscaler.sim.experiment import Experiment
    from autoscaler.sim.peers import Setup
    from autoscaler.sim.report.comparison import Study
    from autoscaler.sim.scenarios import Scenario
    from autoscaler.sim.score import ScoredRun
    from autoscaler.sim.tuning import Trial, Tried

POLICIES = "ours,static,target-tracking,keda,knative,clairvoyant"

STOPPED = 130
"""The exit code of shells for a command that Ctrl-C ended."""


@click.command(short_help="Simulate policies on a load: latency and cost.")
@click.option("--trace", type=click.Path(path_type=Path), help="Load as counts (CSV: t_seconds,arrivals).")
@click.option("--jobs", type=click.Path(path_type=Path), help="Load as jobs (CSV: t_seconds,service_seconds).")
@click.option("--load", "made", help="Synthetic load, such as steady:2 or on_off:5:60:300.")
@click.option("--from-cloudwatch", "history", type=Duration(), help="Past load of --queue, such as 14d.")
@click.option("--queue", help="Name of the queue for --from-cloudwatch.")
@click.option("--scenario", "scenarios", type=ScenarioList(), help="Special workers and loads: NAME[,NAME...], or all.")
@click.option(
    "--cpu-target",
    type=click.FloatRange(1, 1000),
    help="Simulate a service without a queue, which follows its CPU with this target in percent.",
)
@click.option(
    "--cpu-scenario", "cpu_scenarios", help="Special loads of CPU: NAME[,NAME...], or all.  [--cpu-target: 60]"
)
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
@world_options
@price_options
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
    "json_shown",
    type=click.Path(path_type=Path),
    is_flag=False,
    flag_value="-",
    metavar="",
    help="Print the results as JSON, and nothing else on stdout.",
)
@click.option("--json-out", "json_to", type=click.Path(path_type=Path), help="Write the results as JSON to this file.")
@click.option("--report", type=click.Path(path_type=Path), help="Write an HTML page with charts to this file.")
def simulate(**options: Any) -> None:
    """Simulate policies on a load, and compare message latency and cost.

    The daemon's own loop and decisions run in virtual time on a simulated SQS and ECS. Other autoscalers with their
    documented behavior, and an oracle that knows all arrivals (clairvoyant), run on the same load. By default the
    load is a generated day. A scenario has its own load and workers; options for the workers change them.

    \b
    Scenarios:
      well-behaved, delete-on-receipt, unknown-concurrency, fifo-one-group,
      fifo-few-groups, prefetch, poison, duplicates, unprotected-tasks,
      long-batch, hourly-batch, large-batch,
      quantized, mixed-jobs, heavy-tail, rare, bursts, surge, slow-start,
      slower-start, two-start-ups, spot-loss, rebalancing, crash-loop,
      shortage, rollout, bottleneck, slow-release, slower-release, breakdown,
      throttling, sqs-outage, restart, set-to-zero, late-minutes, count-error,
      count-lag

    \b
    Scenarios of --cpu-scenario:
      constant, boundary, step, surge, waves, ramp, late, slow-start,
      busy-start, noise

    \b
    Forms of --policy:
      ours, ours:FIELD=VALUE/FIELD=VALUE, static[:TASKS], target-tracking,
      target-tracking-20s, target-tracking-cpu, target-tracking-cpu-20s,
      step-scaling, step-scaling-10s, predictive, keda[:QUEUE_LENGTH],
      knative, wpa, react, nomad, clairvoyant, all

    \b
    Forms of --load (rates in messages/s, ON, OFF and EVERY in seconds; every
    number has a default):
      steady:RATE, diurnal:RATE, flash_crowd:RATE:TIMES, on_off:RATE:ON:OFF,
      batch:MESSAGES:EVERY, ramp:FROM:TO

    \b
    Forms of --service-time (S is the mean in seconds):
      constant:S, exponential:S, lognormal:S:CV, pareto:S:ALPHA,
      USUAL,PERCENT%=OTHER, such as constant:1,10%=constant:120

    \b
    Forms of --start-up (in seconds):
      lognormal:MEDIAN:P95, constant:S, USUAL,PERCENT%=OTHER

    \b
    Forms of --fault (START and END such as 90s, 30m or 1h):
      slow:START:END:FACTOR, contention:START:END:LIMIT, breakdown:START:END,
      crash-loop:START:END, shortage:START:END:TASKS, throttling:START:END,
      sqs-outage:START:END, rollout:START, restart:START,
      spot-loss:START:PERCENT, rebalancing:START:PERCENT,
      manual-change:START:TASKS

    \b
    Examples:
      autoscaler simulate
      autoscaler simulate --trace week.csv --from-day 2 --days 1 \\
        --mean-tasks 20 --policy all --report day.html
      autoscaler simulate --load flash_crowd:2:20 --policy ours \\
        --sweep "acceptable_latency=30s|60s|120s|300s"
      autoscaler simulate --scenario poison,bottleneck --policy ours,keda
      autoscaler simulate --trace week.csv --mean-tasks 12 --cpu-target 60
      autoscaler simulate --from-cloudwatch 14d --queue orders --seeds 3 \\
        --json-out result.json
    """
    try:
        import numpy  # noqa: F401, PLC0415 - an extra
        import rich  # noqa: F401, PLC0415 - an extra
    except ImportError:
        leave("simulate: NumPy and rich are required. Run: pip install 'ecs-queue-autoscaler[simulate]'", USAGE)
    options["json_to"] = delivering.json_place(options.pop("json_shown"), options["json_to"])
    with _stoppable() as stopping:
        if options["cpu_target"] is not None or options["cpu_scenarios"] is not None:
            _simulate_cpu(options, stopping)
            return
        plans = _planned(options, stopping)
        results = [_result(options, plan, stopping) for plan in plans]
        delivering.deliver(results, options["json_to"], options["report"])


def _simulate_cpu(options: dict[str, Any], stopping: _Stopping) -> None:
    """Compare policies on CPU. Invalid options end the command with exit code 2."""
    from autoscaler.cli.simulating_cpu import simulate_cpu  # noqa: PLC0415 - NumPy is an extra

    try:
        if options["cpu_scenarios"] is not None:
            _check_scenario_options("--cpu-scenario")
        simulate_cpu(options, _chosen(), stopping.checked)
    except ConfigError as error:
        leave("\n".join(f"simulate: {problem}" for problem in error.problems), USAGE)
    except ValueError as error:
        leave(f"simulate: {error}", USAGE)


class _SimulationPlan(NamedTuple):
    """A validated simulation. `trials`: those of `--sweep`."""

    experiment: Experiment
    policies: tuple[str, ...]
    seeds: range
    trials: tuple[Trial, ...]
    scenario: Scenario | None


def _planned(options: dict[str, Any], stopping: _Stopping) -> list[_SimulationPlan]:
    """Return the validated plans. Invalid options or loads end the command with exit code 2 before the simulation."""
    try:
        delivering.check(options["json_to"], options["report"])
        if options["scenarios"] is None:
            return [_plan(options, _experiment(options, stopping), None)]
        _check_scenario_options()
        scenarios = options["scenarios"]
        return [_plan(options, _scenario_experiment(options, scenario), scenario) for scenario in scenarios]
    except ConfigError as error:
        leave("\n".join(f"simulate: {problem}" for problem in error.problems), USAGE)
    except ValueError as error:
        leave(f"simulate: {error}", USAGE)


def _plan(options: dict[str, Any], experiment: Experiment, scenario: Scenario | None) -> _SimulationPlan:
    from autoscaler.sim import experiment as lab  # noqa: PLC0415 - NumPy is an extra
    from autoscaler.sim.tuning import combinations  # noqa: PLC0415

    latency_s = options["latency_s"]
    setup = experiment.setup(experiment.drawn(0))
    policies = parsed("--policy", lambda text: lab.specs(text, setup), options["policy"])
    trials = combinations(options["sweep"], latency_s) if options["sweep"] else ()
    for trial in trials:
        _check_trial(trial, replace(setup, acceptable_latency_s=trial.latency_s))
    return _SimulationPlan(experiment, policies, range(options["seeds"]), trials, scenario)


LOAD_OPTIONS = {
    "trace": "--trace",
    "jobs": "--jobs",
    "made": "--load",
    "history": "--from-cloudwatch",
    "queue": "--queue",
    "from_day": "--from-day",
    "days": "--days",
    "mean_tasks": "--mean-tasks",
    "service_time": "--service-time",
    "service_scale": "--service-scale",
}


def _chosen() -> set[str]:
    """Return the names of the options that the command line contains."""
    context = click.get_current_context()
    return {name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}


def _check_scenario_options(option: str = "--scenario") -> None:
    """Raise `ValueError` if an option of a load is used with a scenario."""
    if given := [flag for name, flag in LOAD_OPTIONS.items() if name in _chosen()]:
        raise ValueError(f"{option} and {', '.join(given)}: a scenario has its own load. Use one of these options")


def _check_trial(trial: Trial, setup: Setup) -> None:
    """Raise `ValueError`, with the option of the trial, if its settings are invalid."""
    from autoscaler.sim import experiment as lab  # noqa: PLC0415 - NumPy is an extra

    try:
        lab.check(trial.policy, setup)
    except ValueError as error:
        raise ValueError(f"--sweep {trial.fields}: {str(error).removeprefix(f'{trial.policy}: ')}") from None


def _result(options: dict[str, Any], plan: _SimulationPlan, stopping: _Stopping) -> delivering.Result:
    """Run every policy and the trials."""
    from autoscaler.sim import experiment as lab  # noqa: PLC0415 - NumPy is an extra

    tried: list[Tried] = []
    name = f" {plan.scenario.name}" if plan.scenario is not None else ""
    try:
        with delivering.progress(f"simulating{name}") as report:
            runs = lab.runs(plan.experiment, plan.policies, plan.seeds, stopping.checked(report))
        if plan.trials:
            with delivering.progress(f"sweeping{name}") as report:
                tried = lab.trials(plan.experiment, plan.trials, plan.seeds, stopping.checked(report))
    except ChildProcessError as error:
        leave(f"simulate: {error}. Choose fewer days, seeds or policies.", FINDINGS)
    return delivering.Result(_study(options, plan, runs), tuple(tried))


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


def _experiment(options: dict[str, Any], stopping: _Stopping) -> Experiment:
    """Return the experiment of the load and the world in the options."""
    from autoscaler.sim.experiment import Experiment  # noqa: PLC0415 - NumPy is an extra
    from autoscaler.sim.model import WorldSettings  # noqa: PLC0415

    with delivering.progress("reading the load") as report:
        load = source(options, stopping.checked(report))
    world = world_of(options, options, WorldSettings())
    concurrency = options["configured_concurrency"]
    return Experiment(
        load, world, options["latency_s"], load.mean_service_s, *_bounds(options), known_concurrency=concurrency
    )


def _scenario_experiment(options: dict[str, Any], scenario: Scenario) -> Experiment:
    """Return the experiment of the scenario, with the options of the world on the command line."""
    made = scenario.experiment(options["latency_s"], *_bounds(options))
    known = options["configured_concurrency"] or made.known_concurrency
    return replace(made, world=world_of(options, _chosen(), made.world), known_concurrency=known)


def _bounds(options: dict[str, Any]) -> tuple[int, int]:
    if options["min_tasks"] > options["max_tasks"]:
        raise ValueError(f"--min-tasks {options['min_tasks']} is above --max-tasks {options['max_tasks']}")
    return options["min_tasks"], options["max_tasks"]


def _study(options: dict[str, Any], plan: _SimulationPlan, runs: list[ScoredRun]) -> Study:
    from autoscaler.sim.report.comparison import Study  # noqa: PLC0415 - NumPy is an extra

    experiment, scenario = plan.experiment, plan.scenario
    service = "as the jobs took" if options["jobs"] is not None else options["service_time"] or SERVICE_TIME
    if scenario is not None:
        service = "as in the scenario"
    return Study(
        workload=experiment.drawn(0),
        seed=0,
        latency_s=experiment.latency_s,
        world=described(service, experiment.world, experiment.min_tasks, experiment.max_tasks),
        command=shlex.join(["autoscaler", *sys.argv[1:]]),
        runs=tuple(runs),
        task_concurrency=experiment.world.task_concurrency,
        least_billed_s=experiment.world.least_billed_s,
        scenario="" if scenario is None else scenario.name,
        sentence="" if scenario is None else scenario.sentence,
        price=price_of(options),
    )
