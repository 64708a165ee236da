"""`status`: every service in a line, now or again and again."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import click

from autoscaler.cli import watching
from autoscaler.cli.exits import FINDINGS, USAGE, code_of_kinds, leave, settings_or_exit
from autoscaler.cli.kinds import Address, Duration
from autoscaler.cli.rows import page
from autoscaler.cli.streams import daemon_url, piped

if TYPE_CHECKING:
    from autoscaler.operating.status import Statuses

LEAST_EVERY_S = 0.2


@click.command(short_help="Show every service: SLO status, tasks, backlog, last decision.")
@click.option("--watch", is_flag=True, help="Refresh every few seconds, until Ctrl-C.")
@click.option(
    "--every", "every_s", type=Duration(), default="2s", show_default=True, help="Refresh interval of --watch."
)
@click.option("--url", type=Address(), help="Address of the running daemon.  [default: from the settings]")
@click.option("--json", "as_json", is_flag=True, help="Print the rows as JSON; with --watch one line per refresh.")
def status(watch: bool, every_s: float, url: str | None, as_json: bool) -> None:
    """Show every service: whether its latency target is met, its tasks, its backlog, and the last decision.

    The data comes from the running daemon. If none answers, AWS is read once, with the settings of the environment,
    and the output says so. --watch needs a daemon, since every read of AWS costs calls.

    \b
    slo       met, at_risk (it will be missed), missed, unknown, none (the service has no queue)
    tasks     desired/running, and the bounds
    waiting   visible messages, and messages in flight
    oldest    age of the oldest message, of the latency target

    Exit codes: 0 ok, 1 a latency target is missed, at risk or unknown, 3 access denied by AWS or no credentials,
    4 AWS did not answer.

    \b
    Examples:
      autoscaler status
      autoscaler status --watch --every 5s
      autoscaler status --json | jq '.services[] | select(.slo != "met") | .key'
    """
    if every_s < LEAST_EVERY_S:
        leave(f"status: --every is at least {LEAST_EVERY_S:g}s: the daemon has others to answer", USAGE)
    url = url or daemon_url()
    if watch:
        watching.watch(lambda: _told(_ask(url), as_json), every_s, as_json)
        return
    heard = _ask(url)
    found = _look(heard) if isinstance(heard, str) else heard
    with piped():
        if as_json:
            click.echo(json.dumps(found.as_json(), indent=2))
        else:
            click.echo("\n".join(page(found)))
    raise SystemExit(_code(found))


def _ask(url: str) -> Statuses | str:
    """What the daemon says of its services; a sentence where it says nothing."""
    from autoscaler.inspection.asking import Listed, ask_all  # noqa: PLC0415 - it speaks HTTP
    from autoscaler.operating.status import Statuses  # noqa: PLC0415 - most commands need none of it

    heard = asyncio.run(ask_all(url))
    return Statuses.of(heard.services, url) if isinstance(heard, Listed) else heard.reason


def _look(silence: str) -> Statuses:
    click.echo(silence, err=True)
    config = settings_or_exit()
    click.echo("reading AWS cold: without history; where a daemon runs elsewhere, --url names it", err=True)
    from autoscaler.one_shot import services_once  # noqa: PLC0415 - the AWS SDK takes half a second to import
    from autoscaler.operating.status import Statuses  # noqa: PLC0415

    return Statuses.of(services_once(config)["services"], None)


def _told(heard: Statuses | str, as_json: bool) -> list[str]:
    """One picture, in lines."""
    if not isinstance(heard, str):
        return [json.dumps(heard.as_json())] if as_json else list(page(heard))
    if as_json:
        return [json.dumps({"source": None, "error": heard, "services": []})]
    return [f"{heard}; `autoscaler run` starts one, --url says where it is"]


def _code(found: Statuses) -> int:
    """What a daemon could not read it has told of itself; of a cold look that is the first to be said."""
    unread = code_of_kinds(found.kinds) if found.url is None else 0
    return unread or (0 if found.good else FINDINGS)
