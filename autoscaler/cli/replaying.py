"""`replay`: replay the decisions of a log."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO

import click

from autoscaler.cli.exits import FINDINGS, USAGE, leave, settings_or_exit
from autoscaler.cli.progress import progress
from autoscaler.cli.streams import piped, standard_input
from autoscaler.inspection.deciding import lines
from autoscaler.inspection.replaying import (
    PolicyLookup,
    ReplayCounts,
    Replayed,
    as_json,
    as_table,
    policy_lookup,
    replayed,
)


@click.command(short_help="Replay the decisions in a log with this version or other settings.")
@click.argument("journal", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--json", "print_json", is_flag=True, help="Print the report as JSON, and nothing else on stdout.")
@click.option("--settings", "with_settings", is_flag=True, help="Use the settings of the environment.")
def replay(journal: Path, print_json: bool, with_settings: bool) -> None:
    """Replay the decisions in a log with this version or other settings, and report the decisions that differ.

    JOURNAL is a log of the daemon, one JSON object per line; `-` is standard input. Each line with a `situation` is
    decided again, independently of the other lines, with the history that it contains. Other lines are skipped and
    counted. --settings replaces the recorded settings with the settings of the environment. Schedules apply; pauses
    by tag do not.

    Exit codes: 0 all decisions are equal (same target by the same rules), 1 some differ or a situation cannot be read,
    2 usage or settings, or the log contains no decision that can be replayed.

    \b
    Examples:
      autoscaler replay daemon.log
      AUTOSCALER_CONFIG_FILE=new.toml autoscaler replay daemon.log --settings --json | jq .different
    """
    policies = _policies() if with_settings else None
    tally = ReplayCounts()
    with piped(), _opened(journal) as stream, progress(journal) as watched:
        outcomes = tally.counted(replayed(watched(lines(stream)), policies))
        differences = (one for one in outcomes if isinstance(one, Replayed) and not one.alike)
        for text in (as_json if print_json else as_table)(differences, tally):
            click.echo(text)
    if not tally.decisions:
        leave(
            "replay: the log contains no decision that can be replayed. Use a JSON log of the daemon; with --settings, "
            "its services must be in the settings.",
            USAGE,
        )
    raise SystemExit(FINDINGS if tally.different or tally.unread else 0)


def _policies() -> PolicyLookup:
    from autoscaler.control.schedule import Timetable  # noqa: PLC0415 - needed with --settings only

    services = settings_or_exit().services
    timetables = {service.ref.key: Timetable(service.policy, service.schedules) for service in services}
    return policy_lookup(services, lambda service, wall: timetables[service.ref.key].policy_at(wall))


def _opened(journal: Path) -> AbstractContextManager[IO[bytes]]:
    return nullcontext(standard_input()) if str(journal) == "-" else journal.open("rb")
