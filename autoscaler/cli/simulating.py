"""`simulate`: what policies would have done with a load."""

from __future__ import annotations

import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import click

from autoscaler.cli import delivering
from autoscaler.cli.exits import FINDINGS, USAGE, leave
from autoscaler.cli.kinds import Duration, Past
from autoscaler.cli.loading import SERVICE_TIME, source
from autoscaler.errors import ConfigError

if TYPE_CHECKING:
    from autoscaler.sim.experiment import Experiment
    from autoscaler.sim.report.study import Study
    from autoscaler.sim.score import Run
    from autoscaler.sim.tuning import Trial, Tried
    from autoscaler.sim.workload import Counted, Recorded

POLICIES = "ours,static,target-tracking,keda,knative,clairvoyant"

STOPPED = 130
"""The exit code that shells give what Ctrl-C ended."""


@click.command(short_help="Say what policies would have done with a load: how late, and at what cost.")
@click.option("--trace", type=click.Path(path_type=Path), help="A load by counts (CSV: t_seconds,arrivals).")
@click.option("--jobs", type=click.Path(path_type=Path), help="A load by jobs (CSV: t_seconds,service_seconds).")
@click.option("--load", "made", help="A load that is made: steady, diurnal, flash_crowd, on_off, batch, ramp.")
@click.option("--from-cloudwatch", "history", type=Past(), help="The last so long of the queue --queue, e.g. 14d.")
@click.option("--queue", help="The queue that --from-cloudwatch reads: its name.")
@click.option(
    "--acceptable-latency", "latency_s", type=Duration(), default="60s", show_default=True, help="The promise."
)
@click.option("--policy", default=POLICIES, show_default=True, help="Names with commas between, NAME:SETTING, or all.")
@click.option("--seeds", type=click.IntRange(1, 1000), default=1, show_default=True, help="How often, by other chance.")
@click.option("--from-day", type=click.IntRange(0), default=0, show_default=True, help="The first day, from 0 on.")
@click.option("--days", type=click.IntRange(1), help="How many days.  [default: all there are]")
@click.option("--mean-tasks", type=float, help="Rescale to work for so many tasks, or a peak of five times as many.")
@click.option("--service-time", help=f"What a message takes, unless --jobs says.  [default: {SERVICE_TIME}]")
@click.option("--service-scale", type=float, help="Multiplies the times of --jobs.  [default: 1]")
@click.option("--start-up", default="lognormal:45:80", show_default=True, help="From launch to the first receive.")
@click.option(
    "--victims",
    type=click.Choice(["idle", "random"]),
    default="idle",
    show_default=True,
    help="Whom a scale-in stops: idle tasks only, as where workers protect themselves, or any.",
)
@click.option(
    "--task-concurrency",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="Messages that a task works on at once.",
)
@click.option("--min-tasks", type=click.IntRange(0), default=0, show_default=True, help="Never fewer tasks.")
@click.option("--max-tasks", type=click.IntRange(1), default=5000, show_default=True, help="Never more.")
@click.option("--sweep", multiple=True, metavar="FIELD=A|B|C", help="Try ours with each; several: all combinations.")
@click.option("--json", "json_to", type=click.Path(path_type=Path), help="Write the results there; - is stdout.")
@click.option("--report", type=click.Path(path_type=Path), help="Write a page with pictures there (HTML).")
def simulate(**options: Any) -> None:
    """Say what policies would have done with a load: how late messages would have been, and at what cost.

    The product's own loop and decisions run in virtual time on a simulated SQS and ECS, beside its peers as they are
    documented, and beside the clairvoyant, who knows what will come. Without a file it simulates a day that is made.

    \b
    Policies: ours, ours:FIELD=VALUE/FIELD=VALUE, static[:TASKS], target-tracking, target-tracking-cpu, step-scaling,
      predictive, keda[:QUEUE_LENGTH], knative, wpa, react, nomad, clairvoyant, all
    Times: constant:S, exponential:S, lognormal:S:CV, pareto:S:ALPHA; start-up lognormal:MEDIAN:P95 or constant:S

    \b
    Examples:
      autoscaler simulate
      autoscaler simulate --trace week.csv --from-day 2 --days 1 --mean-tasks 20 --policy all --report day.html
      autoscaler simulate --load flash_crowd:2:20 --policy ours --sweep "acceptable_latency=30s|60s|120s|300s"
      autoscaler simulate --from-cloudwatch 14d --queue orders --seeds 3 --json result.json
    """
    try:
        import numpy  # noqa: F401, PLC0415 - an extra
        import rich  # noqa: F401, PLC0415 - an extra
    except ImportError:
        leave("simulate needs NumPy and rich: pip install 'ecs-queue-autoscaler[simulate]'", USAGE)
    with _stoppable():
        plan = _planned(options)
        runs, tried = _played(plan)
        delivering.deliver(_study(options, plan.experiment, runs), tried, options["json_to"], options["report"])


class _Plan(NamedTuple):
    """What is to be played, all of it valid. `trials`: those of `--sweep`."""

    experiment: Experiment
    policies: tuple[str, ...]
    seeds: range
    trials: tuple[Trial, ...]


def _planned(options: dict[str, Any]) -> _Plan:
    """Whatever is wrong with the options or the load ends here, before anything is played: exit code 2."""
    try:
        return _plan(options)
    except ConfigError as error:
        leave("\n".join(f"simulate: {problem}" for problem in error.problems), USAGE)
    except ValueError as error:
        leave(f"simulate: {error}", USAGE)


def _plan(options: dict[str, Any]) -> _Plan:
    from autoscaler.sim import experiment as lab  # noqa: PLC0415 - NumPy is an extra
    from autoscaler.sim.tuning import combinations  # noqa: PLC0415

    delivering.check(options["json_to"], options["report"])
    with delivering.progress("reading the load") as told:
        load = source(options, told)
    experiment, promised_s = _experiment(options, load), options["latency_s"]
    setup = experiment.setup(experiment.drawn(0))
    policies = lab.specs(options["policy"], setup)
    trials = combinations(options["sweep"], promised_s) if options["sweep"] else ()
    for trial in trials:
        lab.check(trial.policy, replace(setup, acceptable_latency_s=trial.latency_s))
    return _Plan(experiment, policies, range(options["seeds"]), trials)


def _played(plan: _Plan) -> tuple[list[Run], list[Tried]]:
    """Every policy's runs, and what each trial came to."""
    from autoscaler.sim import experiment as lab  # noqa: PLC0415 - NumPy is an extra

    tried = []
    try:
        with delivering.progress("simulating") as told:
            runs = lab.runs(plan.experiment, plan.policies, plan.seeds, told)
        if plan.trials:
            with delivering.progress("sweeping") as told:
                tried = lab.trials(plan.experiment, plan.trials, plan.seeds, told)
    except ChildProcessError as error:
        leave(f"simulate: {error}: choose fewer days, seeds or policies", FINDINGS)
    return runs, tried


@contextmanager
def _stoppable() -> Iterator[None]:
    """Ctrl-C and SIGTERM end everything in order, and in a word: no process stays, no file is left half-written."""
    heard = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    before = {number: signal.getsignal(number) for number in heard}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # as a shell leaves SIGINT in the background
            signal.signal(number, _stop)
    try:
        yield
    except KeyboardInterrupt:
        leave("simulate: stopped", STOPPED)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Stopped(KeyboardInterrupt):
    """Python notes a plain KeyboardInterrupt that leaves an `exec`, as in an import, and then ends by SIGINT whatever
    exit code was chosen. Of a subclass it takes no note.
    """


def _stop(*_: object) -> NoReturn:
    raise _Stopped


def _experiment(options: dict[str, Any], load: Counted | Recorded) -> Experiment:
    from autoscaler.sim.chance import StartUp  # noqa: PLC0415
    from autoscaler.sim.experiment import Experiment  # noqa: PLC0415
    from autoscaler.sim.model import Victims, WorldSettings  # noqa: PLC0415

    if options["min_tasks"] > options["max_tasks"]:
        raise ValueError(f"--min-tasks {options['min_tasks']} is above --max-tasks {options['max_tasks']}: lower it")
    world = WorldSettings(
        start_up=StartUp.parse(options["start_up"]),
        task_concurrency=options["task_concurrency"],
        victims=Victims(options["victims"]),
    )
    bounds = options["min_tasks"], options["max_tasks"]
    return Experiment(load, world, options["latency_s"], load.mean_service_s, *bounds)


def _study(options: dict[str, Any], experiment: Experiment, runs: list[Run]) -> Study:
    from autoscaler.sim.report.study import Study  # noqa: PLC0415

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
