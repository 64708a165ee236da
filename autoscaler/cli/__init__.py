"""The commands. They parse arguments, print, and set the exit code; other packages do the work.

Exit codes: 0 ok, 1 findings, 2 usage or settings, 3 access denied by AWS, 4 AWS unreachable.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import click

from autoscaler import __version__
from autoscaler.cli.assessing import assess
from autoscaler.cli.diagnosing import diagnose
from autoscaler.cli.doctor import doctor
from autoscaler.cli.equipping import equip
from autoscaler.cli.explaining import decide, explain, replay
from autoscaler.cli.kinds import Duration
from autoscaler.cli.output import refuse, sourced_settings_or_exit
from autoscaler.cli.pausing import pause, resume
from autoscaler.cli.printing import check, completion, dashboards, iam_policy, settings
from autoscaler.cli.simulating import simulate
from autoscaler.cli.starting import init
from autoscaler.cli.status import status
from autoscaler.config import use_sources
from autoscaler.config.loading import config_of
from autoscaler.config.locating import located
from autoscaler.config.metrics import SignalDeclaration
from autoscaler.errors import ConfigError, Problem


def _sources() -> tuple[SignalDeclaration, ...]:
    from autoscaler.sources import SOURCES  # noqa: PLC0415 - most commands need no source

    return SOURCES


use_sources(_sources)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__)
@click.pass_context
def main(ctx: click.Context) -> None:
    """Scale Amazon ECS services by their SQS queues: meet a latency target at the lowest cost, with a reason for every
    decision.

    Settings come from AUTOSCALER_... environment variables and from the TOML file of --config, which every command
    has, else of AUTOSCALER_CONFIG_FILE. `autoscaler settings` lists all of them.

    Output is colored on a terminal (NO_COLOR turns this off) and plain in a pipe.

    Exit codes: 0 ok, 1 findings, 2 usage or settings, 3 access denied by AWS, 4 AWS unreachable.
    """
    if os.environ.get("NO_COLOR"):
        ctx.color = False


def _leave_on_signals() -> None:
    """Exit on signals until the daemon installs its own handlers. Without handlers, PID 1 would ignore the signals."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the start reads the settings anyway


@main.command(short_help="Run the daemon until SIGTERM or SIGINT.")
def run() -> None:
    """Run the daemon until SIGTERM or SIGINT.

    It serves a status page, /metrics, /healthz, /readyz and an API on AUTOSCALER_HTTP_HOST and AUTOSCALER_HTTP_PORT,
    and writes its decisions to standard output.

    \b
    Try it in shadow mode, which changes nothing:
      AUTOSCALER_MODE=shadow AUTOSCALER_CLUSTER=prod AUTOSCALER_SERVICE=orders \\
        AUTOSCALER_QUEUES=orders AUTOSCALER_MAX_TASKS=20 autoscaler run
    """
    _leave_on_signals()
    settings = sourced_settings_or_exit()
    from autoscaler.app import run as run_daemon  # noqa: PLC0415 - the AWS SDK takes half a second to import

    try:
        run_daemon(config_of(settings), os.environ)
    except ConfigError as error:
        refuse(ConfigError([Problem(located(each.where, settings), each.what) for each in error.problems]))


@main.command(short_help="Run the daemon on a simulated AWS on this machine.")
@click.option(
    "--duration",
    "duration_s",
    type=Duration(),
    default="120s",
    show_default=True,
    help="Length of the load, in real time.",
)
@click.option("--trace", type=click.Path(path_type=Path), help="Load to replay (CSV: t_seconds,arrivals).")
@click.option("--from-day", type=float, default=0.0, show_default=True, help="First day of the trace.")
@click.option("--speed", type=float, default=1.0, show_default=True, help="Seconds of the trace per real second.")
@click.option("--seed", type=int, default=0, show_default=True, help="Random seed.")
@click.option("--json", "json", is_flag=True, help="Print the summary as JSON, and nothing else on stdout.")
def demo(**options: Any) -> None:
    """Run the daemon on a simulated AWS Region on this machine, with queues, workers and a changing load.

    \b
    Examples:
      autoscaler demo
      autoscaler demo --trace week.csv --from-day 2 --speed 60
    """
    from autoscaler import demo as stage  # noqa: PLC0415 - the demo's libraries are an extra

    raise SystemExit(stage.run(stage.Options(**options)))


COMMANDS = (
    assess,
    check,
    settings,
    doctor,
    diagnose,
    status,
    explain,
    pause,
    resume,
    init,
    iam_policy,
    dashboards,
    decide,
    replay,
    simulate,
    completion,
)

for command in COMMANDS:
    main.add_command(command)
for command in (main, *main.commands.values()):
    equip(command)
