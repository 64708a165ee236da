"""`decide`: situations in, decisions out."""

from __future__ import annotations

import click

from autoscaler.cli.exits import FINDINGS
from autoscaler.cli.streams import conversing, piped
from autoscaler.inspection.deciding import answer, printed
from autoscaler.inspection.lines import lines


@click.command(short_help="Decide on situations: JSON lines in, decisions out.")
def decide() -> None:
    """Decide on situations: one JSON object per line on stdin, one decision per line on stdout.

    A situation is what the daemon writes with each decision, as `situation`. A line that cannot be read yields
    {"name", "error"} in its place; the rest goes on, and the exit code is 1. Whoever asks line by line is answered
    line by line.

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
                told = answer(line)
                unreadable = unreadable or "error" in told
                answers.write(printed(told))
    raise SystemExit(FINDINGS if unreadable else 0)
