"""`pause` and `resume`: write and remove the pause tag of a service."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from autoscaler.cli.kinds import Address, Duration, Key, Moment, Paused
from autoscaler.cli.output import (
    FINDINGS,
    USAGE,
    daemon_url,
    failed,
    leave,
    meant_key,
    piped,
    refuse,
    say,
    terminal_columns,
    unknown_service,
)
from autoscaler.config import load
from autoscaler.core.policy import Pause
from autoscaler.errors import AutoscalerError, ConfigError
from autoscaler.inspection.columns import reflowed

if TYPE_CHECKING:
    from autoscaler.operating.pausing import Changed, Pausable


@click.command(short_help="Pause scaling of a service, with a tag.")
@click.argument("key", type=Key())
@click.argument("paused", type=Paused(), default="all")
@click.option("--until", type=Moment(), help="End of the pause, such as 2026-11-23T18:00Z (UTC without a zone).")
@click.option("--for", "for_s", type=Duration(), help="Length of the pause, such as 2h; rounded up to a whole minute.")
@click.option(
    "--url", type=Address(), help="Address of a daemon, for discovered services.  [default: from the settings]"
)
@click.option("--json", "as_json", is_flag=True, help="Print what was changed as JSON.")
def pause(
    key: str, paused: Pause | int, *, until: float | None, for_s: float | None, url: str | None, as_json: bool
) -> None:
    """Pause the service KEY: `all` (both directions, the default), `in`, `out`, or a fixed task count N.

    The command writes the tag autoscaler:paused on the ECS service. The daemon reads the tag at its next poll; no
    redeploy is needed. The daemon then sets a fixed task count at once, within min_tasks and max_tasks, and not below
    the number of busy tasks. The tag overrides the setting `paused`. For a service of another account, run the command
    with credentials of that account; role_arn is not used.

    It runs with your credentials and needs ecs:TagResource (`autoscaler iam-policy --for pause`).

    Exit codes: 0 ok, 1 ECS does not return the tag yet, 2 usage or settings, 3 access denied by AWS or no
    credentials, 4 AWS unreachable.

    \b
    Examples:
      autoscaler pause orders-worker
      autoscaler pause orders-worker in --for 2h
      autoscaler pause orders-worker 12 --until 2026-11-23T18:00Z
    """
    if until is not None and for_s is not None:
        leave("pause: --until and --for both set the end. Use only one of them.", USAGE)
    end = time.time() + for_s if for_s is not None else until
    if end is not None and end <= time.time():
        leave("pause: the end is in the past. Pass a future time (UTC without a zone).", USAGE)
    service = service_or_exit(key, url or daemon_url())
    from autoscaler.operating import pausing  # noqa: PLC0415 - the AWS SDK takes half a second to import

    try:
        changed = pausing.pause(service, pausing.value_of(paused, end), time.time)
    except AutoscalerError as fault:
        failed(fault)
    _report(service, changed, as_json)


@click.command(short_help="Remove the pause of a service.")
@click.argument("key", type=Key())
@click.option(
    "--url", type=Address(), help="Address of a daemon, for discovered services.  [default: from the settings]"
)
@click.option("--json", "as_json", is_flag=True, help="Print what was changed as JSON.")
def resume(key: str, url: str | None, as_json: bool) -> None:
    """Remove the pause of the service KEY: the tag autoscaler:paused is removed, whatever its value.

    A pause by the setting `paused` stays, and is reported. The command needs ecs:UntagResource. Exit codes as for
    `pause`.

    \b
    Example:
      autoscaler resume orders-worker
    """
    service = service_or_exit(key, url or daemon_url())
    from autoscaler.operating import pausing  # noqa: PLC0415 - the AWS SDK takes half a second to import

    try:
        changed = pausing.resume(service, time.time)
    except AutoscalerError as fault:
        failed(fault)
    _report(service, changed, as_json)


def service_or_exit(key: str, url: str) -> Pausable:
    """Return the service with this key from the settings, else from a running daemon, which may have discovered it."""
    from autoscaler.operating.pausing import of_settings  # noqa: PLC0415 - the AWS SDK takes half a second to import

    try:
        wrong, found = None, of_settings(load(os.environ))
    except ConfigError as error:
        wrong, found = error, {}
    places = "in the settings"
    if meant_key(key, found) is None:
        discovered = _discovered(url)
        if isinstance(discovered, str):
            say(discovered)
        else:
            found |= discovered
            places = f"in the settings or in the daemon at {url}"
    if wrong and not found:
        refuse(wrong)
    known = meant_key(key, found)
    return found[known] if known else unknown_service(key, sorted(found), places)


def _discovered(url: str) -> dict[str, Pausable] | str:
    """Return the services of the daemon, or the reason why it did not return them."""
    from autoscaler.inspection.asking import ServiceList, fetch_services  # noqa: PLC0415 - it speaks HTTP
    from autoscaler.operating.pausing import of_daemon  # noqa: PLC0415 - as above

    heard = asyncio.run(fetch_services(url))
    return of_daemon(heard.services) if isinstance(heard, ServiceList) else heard.reason


def _report(service: Pausable, changed: Changed, as_json: bool) -> None:
    with piped():
        lines = reflowed("\n".join(_page(service, changed)), terminal_columns(), hang=len("tag before   "))
        click.echo(json.dumps(changed.as_json(), indent=2) if as_json else "\n".join(lines))
    if not changed.done:
        leave(f"ECS does not return {_shown(changed.requested)} yet. Check again with `autoscaler doctor`.", FINDINGS)


def _page(service: Pausable, changed: Changed) -> Iterator[str]:
    ref = service.ref
    yield f"{click.style(ref.key, bold=True)} ({ref.cluster}/{ref.service}): {changed.desired:,} desired"
    yield f"  tag before   {_shown(changed.before)}"
    yield f"  tag now      {_shown(changed.after)}"
    yield f"  the daemon   reads it at its next poll: {changed.sees}"
    remark = service.remark(changed.after)
    if remark:
        yield f"  note         {remark}"


def _shown(tag: str | None) -> str:
    return "none" if tag is None else f"autoscaler:paused={tag}"
