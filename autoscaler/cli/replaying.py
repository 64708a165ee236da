"""`replay`: a log of decisions, decided again."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO

import click

from autoscaler.cli.exits import FINDINGS, USAGE, leave, settings_or_exit
from autoscaler.cli.progress import progress
from autoscaler.cli.streams import piped, standard_input
from autoscaler.inspection.lines import lines
from autoscaler.inspection.replaying import Replayed, Wishes, replayed, wishes_of
from autoscaler.inspection.reporting import Tally, as_json, as_table


@click.command(short_help="Decide a log again, with today's code or other settings.")
@click.argument("journal", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--json", "json_wanted", is_flag=True, help="Print the report as JSON, and nothing else on stdout.")
@click.option("--settings", "with_settings", is_flag=True, help="Decide with the settings in force, by service.")
def replay(journal: Path, json_wanted: bool, with_settings: bool) -> None:
    """Decide a log again: where would today's code, or other settings, have gone another way?

    JOURNAL is a log of the daemon, one JSON object a line; `-` is standard input. Every line with a `situation` is
    decided again by itself, with the history that was recorded in it; other lines are skipped and counted. With
    --settings the settings of the environment count instead of the recorded ones, schedules included; a pause by tag
    is not among them.

    Exit code 0 where all is alike (the same target by the same rules), 1 where anything differs or a situation cannot
    be read, 2 where nothing could be decided.

    \b
    Examples:
      autoscaler replay daemon.log
      AUTOSCALER_CONFIG_FILE=new.toml autoscaler replay daemon.log --settings --json | jq .different
    """
    wishes = _wishes() if with_settings else None
    tally = Tally()
    with piped(), _opened(journal) as stream, progress(journal) as watched:
        outcomes = tally.counted(replayed(watched(lines(stream)), wishes))
        differences = (one for one in outcomes if isinstance(one, Replayed) and not one.alike)
        for text in (as_json if json_wanted else as_table)(differences, tally):
            click.echo(text)
    if not tally.decisions:
        leave("nothing was decided again: is it a log of the daemon, and of a service of the settings?", USAGE)
    raise SystemExit(FINDINGS if tally.different or tally.unread else 0)


def _wishes() -> Wishes:
    from autoscaler.control.schedule import Timetable  # noqa: PLC0415 - needed with --settings only

    services = settings_or_exit().services
    timetables = {service.ref.key: Timetable(service.policy, service.schedules) for service in services}
    return wishes_of(services, lambda service, wall: timetables[service.ref.key].policy_at(wall))


def _opened(journal: Path) -> AbstractContextManager[IO[bytes]]:
    return nullcontext(standard_input()) if str(journal) == "-" else journal.open("rb")
