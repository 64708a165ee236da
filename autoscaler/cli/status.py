"""`status`: one line per service, once or refreshed."""

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
@click.option("--json", "as_json", is_flag=True, help="Print the rows as JSON; with --watch, one line per refresh.")
def status(watch: bool, every_s: float, url: str | None, as_json: bool) -> None:
    """Show every service: whether its latency target is met, its tasks, its backlog, and the last decision.

    The data comes from the running daemon. If none answers, AWS is read once, with the settings of the environment,
    and the output says so. --watch requires a daemon, to avoid repeated AWS calls.

    \b
    slo       SLO status: met; at_risk (expected to be missed); missed; unknown;
              none (the service has no queue)
    tasks     desired/running, and (min_tasks-max_tasks)
    backlog   visible messages + messages in flight
    oldest    age of the oldest message, and the latency target

    Exit codes: 0 ok, 1 a latency target is missed, at risk or unknown, 2 usage or settings, 3 access denied by AWS or
    no credentials, 4 AWS unreachable.

    \b
    Examples:
      autoscaler status
      autoscaler status --watch --every 5s
      autoscaler status --json | jq '.services[] | select(.slo != "met") | .key'
    """
    if every_s < LEAST_EVERY_S:
        leave(f"status: --every must be at least {LEAST_EVERY_S:g}s, to limit the load of the daemon.", USAGE)
    url = url or daemon_url()
    if watch:
        watching.watch(lambda: _lines(_from_daemon(url), as_json), every_s, as_json)
        return
    heard = _from_daemon(url)
    found = _from_aws(heard) if isinstance(heard, str) else heard
    with piped():
        if as_json:
            click.echo(json.dumps(found.as_json(), indent=2))
        else:
            click.echo("\n".join(page(found)))
    raise SystemExit(_code(found))


def _from_daemon(url: str) -> Statuses | str:
    """Return the status of the daemon's services, or the reason why the daemon does not answer."""
    from autoscaler.inspection.asking import ServiceList, fetch_services  # noqa: PLC0415 - it speaks HTTP
    from autoscaler.operating.status import Statuses  # noqa: PLC0415 - most commands do not need it

    heard = asyncio.run(fetch_services(url))
    return Statuses.of(heard.services, url) if isinstance(heard, ServiceList) else heard.reason


def _from_aws(reason: str) -> Statuses:
    click.echo(reason, err=True)
    config = settings_or_exit()
    click.echo("Reading AWS once instead, without history.", err=True)
    from autoscaler.one_shot import services_once  # noqa: PLC0415 - the AWS SDK takes half a second to import
    from autoscaler.operating.status import Statuses  # noqa: PLC0415

    return Statuses.of(services_once(config)["services"], None)


def _lines(heard: Statuses | str, as_json: bool) -> list[str]:
    """Return the lines of one refresh."""
    if not isinstance(heard, str):
        return [json.dumps(heard.as_json())] if as_json else list(page(heard))
    if as_json:
        return [json.dumps({"source": None, "error": heard, "services": []})]
    return [heard]


def _code(found: Statuses) -> int:
    """Return the exit code. Missing readings count only without a daemon; a daemon logs them itself."""
    unread = code_of_kinds(found.kinds) if found.url is None else 0
    return unread or (0 if found.good else FINDINGS)
