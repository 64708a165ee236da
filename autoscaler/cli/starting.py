"""`init`: five questions, and everything that a first start needs."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import click

from autoscaler.cli.exits import USAGE, leave
from autoscaler.cli.kinds import Account, Duration, Queues
from autoscaler.cli.tables import is_terminal
from autoscaler.errors import ConfigError

LATENCY, MOST_TASKS = "60s", 10

QUESTIONS = {
    "cluster": ("In which ECS cluster is the service?", None, click.STRING),
    "service": ("What is the ECS service called?", None, click.STRING),
    "queues": ("Which SQS queues do its tasks receive from? (names, URLs or ARNs, with commas)", None, Queues()),
    "latency_s": ("Latency target: how long may a message wait?", LATENCY, Duration()),
    "max_tasks": ("Maximum number of tasks?", MOST_TASKS, click.IntRange(1, 5000)),
}
"""Each with its default and kind."""

FLAGS = {"cluster": "--cluster", "service": "--service", "queues": "--queues"}
"""Those that have no default."""


@click.command(short_help="Ask five questions and write the files for a first start.")
@click.option("--cluster", help="The ECS cluster.")
@click.option("--service", help="The ECS service to scale.")
@click.option("--queues", type=Queues(), help="Its SQS queues: names, URLs or ARNs, with commas.")
@click.option("--acceptable-latency", "latency_s", type=Duration(), help=f"Latency target, as {LATENCY}.")
@click.option("--max-tasks", type=click.IntRange(1, 5000), help="Maximum number of tasks.")
@click.option("--region", help="The Region.  [default: AWS_REGION]")
@click.option("--account", type=Account(), help="The AWS account.  [default: that of the queues]")
@click.option("--image", help="The daemon's image, best by digest.  [default: the word IMAGE]")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default="autoscaler", show_default=True, help="Where to."
)
@click.option("--force", is_flag=True, help="Replace files of the same names.")
@click.option("--json", "as_json", is_flag=True, help="Print the files and the next steps as JSON; asks nothing.")
def init(out: Path, force: bool, as_json: bool, **given: Any) -> None:
    """Ask five questions and write the files for a first start: settings, IAM policy, task definition, next steps.

    The mode is shadow: the daemon reads, decides and reports, and its role cannot change anything. Options replace
    questions. Without a terminal, missing options are reported as errors.

    \b
    Examples:
      autoscaler init
      autoscaler init --cluster prod --service orders-worker --queues orders --max-tasks 20 --out setup
    """
    _ask(given, as_json)
    from autoscaler.operating.arns import region_in  # noqa: PLC0415 - the AWS SDK is slow
    from autoscaler.operating.starting import Answers, files, steps, written  # noqa: PLC0415 - as above

    given["region"] = given["region"] or region_in(os.environ)
    try:
        answers = Answers(acceptable_latency_s=given.pop("latency_s"), **given).completed()
        placed = written(files(answers), out, over=force)
    except ConfigError as error:
        leave("\n".join(f"init: {_flag(problem.where)}: {problem.what}" for problem in error.problems), USAGE)
    except FileExistsError as error:
        leave(f"init: {out} has {error} already: name another folder with --out, or give --force", USAGE)
    except OSError as error:
        leave(f"init: {out} cannot be written: {error.strerror or error}; name another folder with --out", USAGE)
    if as_json:
        click.echo(json.dumps({"files": [str(path) for path in placed], "next": steps(answers)}, indent=2))
        return
    for path in placed:
        click.echo(f"wrote {path}")
    click.echo(click.style(f"\nNext, in {out}:", bold=True))
    for number, step in enumerate(steps(answers), 1):
        click.echo(_wrapped(f"  {number}. ", step))


def _flag(where: str) -> str:
    """The option that was wrong, by the name of the setting that it becomes."""
    return "--" + where.removeprefix("AUTOSCALER_").lower().replace("_", "-")


def _wrapped(before: str, text: str) -> str:
    """On a terminal as wide as it is; elsewhere on one line."""
    width = shutil.get_terminal_size().columns if is_terminal() else 1_000
    return click.wrap_text(text, width, initial_indent=before, subsequent_indent=" " * len(before))


def _ask(given: dict[str, Any], as_json: bool) -> None:
    """Asks for each value that no option gave. Without a terminal: the default, or an error that names the options."""
    asks = sys.stdin is not None and sys.stdin.isatty() and not as_json
    missing = [flag for name, flag in FLAGS.items() if given[name] is None]
    if missing and not asks:
        leave(f"init: no terminal: give {', '.join(missing)}", USAGE)
    for name, (question, default, kind) in QUESTIONS.items():
        if given[name] is None:
            given[name] = (
                click.prompt(question, default, type=kind, prompt_suffix=" ")
                if asks
                else kind.convert(default, None, None)
            )
