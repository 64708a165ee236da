"""`init`: ask six questions and write the files for a first deployment."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from autoscaler.cli.kinds import Account, Duration, QueueList
from autoscaler.cli.output import USAGE, leave, terminal_columns
from autoscaler.errors import ConfigError
from autoscaler.inspection.columns import INDENT, indented

if TYPE_CHECKING:
    from autoscaler.operating.starting import Step

LATENCY, MOST_TASKS = "60s", 10
UNKNOWN = "unknown"


class DurationOrUnknown(click.ParamType[float | None]):
    """A duration as in the settings, in seconds, or `unknown`: None."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | None:
        return None if value == UNKNOWN else Duration().convert(value, param, ctx)


QUESTIONS = {
    "cluster": ("Name of the ECS cluster?", None, click.STRING),
    "service": ("Name of the ECS service?", None, click.STRING),
    "queues": ("SQS queues that its tasks receive from? (names, URLs or ARNs, separated by commas)", None, QueueList()),
    "latency_s": ("Latency target: how long may a message wait?", LATENCY, Duration()),
    "processing_s": ("How long does a task process one message?", UNKNOWN, DurationOrUnknown()),
    "max_tasks": ("Maximum number of tasks?", MOST_TASKS, click.IntRange(1, 5000)),
}
"""The text, the default and the type of each question."""

FLAGS = {"cluster": "--cluster", "service": "--service", "queues": "--queues"}
"""The options of the questions without a default."""


@click.command(short_help="Ask six questions and write the files for a first deployment.")
@click.option("--cluster", help="ECS cluster.")
@click.option("--service", help="ECS service to scale.")
@click.option("--queues", type=QueueList(), help="SQS queues of the service: names, URLs or ARNs, comma-separated.")
@click.option("--acceptable-latency", "latency_s", type=Duration(), help=f"Latency target, such as {LATENCY}.")
@click.option(
    "--processing-time",
    "processing_s",
    type=DurationOrUnknown(),
    help=f"How long a task processes one message, such as 5s; it is learned later.  [default: {UNKNOWN}]",
)
@click.option("--max-tasks", type=click.IntRange(1, 5000), help="Maximum number of tasks.")
@click.option("--region", help="AWS Region.  [default: AWS_REGION]")
@click.option("--account", type=Account(), help="AWS account ID.  [default: from the queues]")
@click.option("--image", help="Image of the daemon, preferably with a digest.  [default: placeholder IMAGE]")
@click.option(
    "--arch",
    type=click.Choice(["x86_64", "arm64"]),
    default="x86_64",
    show_default=True,
    help="Processors of the daemon's task; IMAGE must support them.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default="autoscaler-deploy",
    show_default=True,
    help="Directory to write to.",
)
@click.option("--force", is_flag=True, help="Replace existing files of the same name.")
@click.option("--json", "as_json", is_flag=True, help="Print the files and the next steps as JSON, without questions.")
def init(out: Path, force: bool, as_json: bool, **given: Any) -> None:
    """Ask six questions and write the files for a first deployment: settings, IAM policy, task definition, next steps.

    The mode is shadow: the daemon reads, decides and reports, and its role has no write permissions. Options replace
    questions; with --cluster, --service and --queues nothing is asked. Without a terminal, missing options are
    reported as errors.

    \b
    Examples:
      autoscaler init
      autoscaler init --cluster prod --service orders-worker --queues orders \\
        --max-tasks 20 --out setup
    """
    _ask(given, as_json)
    from autoscaler.operating.iam import region_in  # noqa: PLC0415 - the AWS SDK is slow
    from autoscaler.operating.starting import InitAnswers, files, steps, written  # noqa: PLC0415 - as above

    given["region"] = given["region"] or region_in(os.environ)
    try:
        latency_s, processing_s = given.pop("latency_s"), given.pop("processing_s")
        answers = InitAnswers(acceptable_latency_s=latency_s, processing_time_s=processing_s, **given).completed()
        placed = written(files(answers), out, over=force)
    except ConfigError as error:
        leave("\n".join(f"init: {_flag(problem.where)}: {problem.what}" for problem in error.problems), USAGE)
    except FileExistsError as error:
        leave(f"init: {out} already contains {error}. Choose another directory with --out, or use --force.", USAGE)
    except OSError as error:
        leave(f"init: {out} cannot be written: {error.strerror or error}. Choose another directory with --out.", USAGE)
    if as_json:
        following = [step._asdict() for step in steps(answers)]
        click.echo(json.dumps({"files": [str(path) for path in placed], "next": following}, indent=2))
        return
    for path in placed:
        click.echo(f"wrote {path}")
    click.echo("\n".join(_next(out, steps(answers))))


def _flag(where: str) -> str:
    """Return the option of a setting's variable."""
    return "--" + where.removeprefix("AUTOSCALER_").lower().replace("_", "-")


def _listed(words: list[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def _next(out: Path, steps: Sequence[Step]) -> Iterator[str]:
    """Yield the steps. A command that is wider than the terminal continues after a backslash, so it can be pasted."""
    yield click.style("\nNext:", bold=True)
    yield from ("", *_pasted(f"cd {shlex.quote(str(out))}"))
    for number, step in enumerate(steps, 1):
        yield ""
        yield from indented(f"{number:>2}. ", step.text, terminal_columns())
        yield from (line for command in step.commands for line in ("", *_pasted(command)))


def _pasted(command: str) -> Iterator[str]:
    from autoscaler.operating.starting import folded  # noqa: PLC0415 - the AWS SDK is slow

    room = (terminal_columns() or 80) - INDENT
    yield from (" " * INDENT + click.style(line, fg="cyan") for line in folded(command, room))


def _ask(given: dict[str, Any], as_json: bool) -> None:
    """Ask for each value that no option sets. If every value without a default is set, use the defaults and ask
    nothing: a command that is pasted together with others must not read them as answers. Without a terminal, report
    the missing options.
    """
    missing = [flag for name, flag in FLAGS.items() if given[name] is None]
    asks = bool(missing) and sys.stdin is not None and sys.stdin.isatty() and not as_json
    if missing and not asks:
        leave(f"init: no terminal. Pass {_listed(missing)}.", USAGE)
    source = click.get_current_context().get_parameter_source
    for name, (question, default, kind) in QUESTIONS.items():
        if given[name] is None and source(name) is not ParameterSource.COMMANDLINE:
            given[name] = (
                click.prompt(question, default, type=kind, prompt_suffix=" ")
                if asks
                else kind.convert(default, None, None)
            )
