"""`diagnose`: what a text of ECS means, and what to do."""

from __future__ import annotations

import json
import sys

import click

from autoscaler.cli.output import USAGE, leave, piped, terminal_columns
from autoscaler.config.quoting import printable
from autoscaler.diagnosis import Failure, classify
from autoscaler.diagnosis.classifying import MOST_READ
from autoscaler.inspection.columns import laid_out, widths_of


@click.command(short_help="Say what a text of ECS means, and what to do.")
@click.option("--reason", "text", metavar="TEXT", required=True, help="The text; - reads it from standard input.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, and nothing else on stdout.")
def diagnose(text: str, as_json: bool) -> None:
    """Say what a text of ECS means: why a task does not start or has stopped, and what to do.

    The text can be an event of the service, a task's stopCode or stoppedReason, a container's reason or exit code, or
    a reason of RunTask's failures. It needs no settings and calls no AWS API.

    \b
    The class says what helps:
      wait            it passes
      capacity        another zone, another capacity provider, a smaller task
      quota           a limit of the account
      fix             settings of the service, its task definition or its network
      application     the container's program; read its log
      infrastructure  the host is replaced
      normal          an expected stop
      unknown         the text is not known; it is shown as it is

    Exit codes: 0 ok, also for an unknown text; 2 usage.

    \b
    Examples:
      autoscaler diagnose --reason RESOURCE:ENI
      aws ecs describe-tasks ... | jq -r '.tasks[0].stoppedReason' \\
        | autoscaler diagnose --reason - --json
    """
    given = (sys.stdin.read(MOST_READ) if text == "-" else text).strip()
    if not given:
        leave("diagnose: --reason is empty. Pass a text of ECS, such as a task's stoppedReason.", USAGE)
    row = classify(given)
    with piped():
        if as_json:
            found = {"class": row.kind.value, "name": row.name, "meaning": row.meaning, "remedy": row.remedy}
            click.echo(json.dumps(found | {"source": row.source}, indent=2))
        else:
            click.echo("\n".join(_lines(row, given)))


def _lines(row: Failure, text: str) -> list[str]:
    rows = [("text", printable(text)), ("class", row.kind.value), ("meaning", row.meaning), ("to do", row.remedy)]
    rows += [("source", row.source)] if row.source else []
    columns = terminal_columns()
    widths = widths_of(rows, columns)
    return [line for each in rows for line in laid_out(each, widths, columns)]
