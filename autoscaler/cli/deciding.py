"""`decide`: compute a decision for each situation on standard input."""

from __future__ import annotations

import click

from autoscaler.cli.exits import FINDINGS
from autoscaler.cli.streams import conversing, piped
from autoscaler.inspection.deciding import answer, lines, printed


@click.command(short_help="Compute decisions for recorded inputs (`situation`).")
def decide() -> None:
    """Compute decisions for recorded inputs: one JSON object per line on stdin, one decision per line on stdout.

    The daemon logs the inputs of each decision in the field `situation`. For an unreadable line, the output line
    is {"name", "error"} and the exit code is 1; the other lines are still decided. Output is flushed before the
    command waits for more input.

    \b
    Examples:
      jq -c 'select(.situation) | .situation' daemon.log | autoscaler decide
      echo '{"current": 2, "policy": {"max_tasks": 9}, "demand": 5}' | autoscaler decide
    """
    unreadable = False
    with piped():
        questions, answers = conversing()
        for line in lines(questions):
            if line.content is None or line.content.strip():
                decided = answer(line)
                unreadable = unreadable or "error" in decided
                answers.write(printed(decided))
    raise SystemExit(FINDINGS if unreadable else 0)
