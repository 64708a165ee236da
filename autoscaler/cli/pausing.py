"""`pause` and `resume`: the service's tag, written by hand."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from autoscaler.cli.exits import FINDINGS, USAGE, failed, leave, meant_key, refuse, unknown_service
from autoscaler.cli.kinds import Address, Duration, Key, Moment, Paused
from autoscaler.cli.streams import daemon_url, piped
from autoscaler.config import load
from autoscaler.core.policy import Pause
from autoscaler.errors import AutoscalerError, ConfigError

if TYPE_CHECKING:
    from autoscaler.operating.pausing import Changed, Pausable


@click.command(short_help="Pause a service by its tag: both directions, one, or at a count.")
@click.argument("key", type=Key())
@click.argument("paused", type=Paused(), default="all")
@click.option("--until", type=Moment(), help="When the pause ends, as 2026-11-23T18:00Z (UTC without a zone).")
@click.option("--for", "for_s", type=Duration(), help="How long it lasts, as 2h; up to the next whole minute.")
@click.option("--url", type=Address(), help="Where a daemon knows services that were discovered.  [default: settings]")
@click.option("--json", "as_json", is_flag=True, help="Print what was changed as JSON.")
def pause(
    key: str, paused: Pause | int, *, until: float | None, for_s: float | None, url: str | None, as_json: bool
) -> None:
    """Pause the service KEY: `all` (both directions), `in`, `out`, or a number of tasks to stand at.

    It writes the tag autoscaler:paused on the ECS service, which every daemon reads at its next look, without a
    redeploy. A number is gone to at once, even outside of min_tasks and max_tasks. The tag outranks the setting.
    A service of another account is tagged with credentials of that account, not as its role_arn.

    This is your right, not the daemon's: it needs ecs:TagResource (`autoscaler iam-policy --for pause`). Exit code 1
    where ECS does not show the tag after some seconds, 3 where AWS refused or there are no credentials, 4 where AWS
    could not be reached.

    \b
    Examples:
      autoscaler pause orders
      autoscaler pause orders in --for 2h
      autoscaler pause orders 12 --until 2026-11-23T18:00Z
    """
    if until is not None and for_s is not None:
        leave("pause: --until and --for both say when it ends: give one", USAGE)
    end = time.time() + for_s if for_s is not None else until
    if end is not None and end <= time.time():
        leave("pause: that time is over already: give one that is to come, in UTC", USAGE)
    service = _service(key, url or daemon_url())
    from autoscaler.operating import pausing  # noqa: PLC0415 - the AWS SDK takes half a second to import

    try:
        changed = pausing.pause(service, pausing.value_of(paused, end), time.time)
    except AutoscalerError as fault:
        failed(fault)
    _tell(service, changed, as_json)


@click.command(short_help="Take a service's pause away.")
@click.argument("key", type=Key())
@click.option("--url", type=Address(), help="Where a daemon knows services that were discovered.  [default: settings]")
@click.option("--json", "as_json", is_flag=True, help="Print what was changed as JSON.")
def resume(key: str, url: str | None, as_json: bool) -> None:
    """Take the pause of the service KEY away: its tag autoscaler:paused is removed, whatever it says.

    A pause by setting (`paused`) stays, and is told of. It needs ecs:UntagResource. Exit codes as for `pause`.

    \b
    Example:
      autoscaler resume orders
    """
    service = _service(key, url or daemon_url())
    from autoscaler.operating import pausing  # noqa: PLC0415 - the AWS SDK takes half a second to import

    try:
        changed = pausing.resume(service, time.time)
    except AutoscalerError as fault:
        failed(fault)
    _tell(service, changed, as_json)


def _service(key: str, url: str) -> Pausable:
    """The service of the settings that is called so, else one of a running daemon's, as those that it discovered."""
    from autoscaler.operating.pausing import of_settings  # noqa: PLC0415 - the AWS SDK takes half a second to import

    try:
        wrong, found = None, of_settings(load(os.environ))
    except ConfigError as error:
        wrong, found = error, {}
    if meant_key(key, found) is None:
        found |= _discovered(url)
    if wrong and not found:
        refuse(wrong)
    known = meant_key(key, found)
    return found[known] if known else unknown_service(key, sorted(found), f"settings and daemon ({url}) have")


def _discovered(url: str) -> dict[str, Pausable]:
    from autoscaler.inspection.asking import Listed, ask_all  # noqa: PLC0415 - it speaks HTTP
    from autoscaler.operating.pausing import of_daemon  # noqa: PLC0415 - as above

    heard = asyncio.run(ask_all(url))
    return of_daemon(heard.services) if isinstance(heard, Listed) else {}


def _tell(service: Pausable, changed: Changed, as_json: bool) -> None:
    with piped():
        click.echo(json.dumps(changed.as_json(), indent=2) if as_json else "\n".join(_page(service, changed)))
    if not changed.done:
        leave(f"ECS does not show {_shown(changed.wanted)} yet: look again with `autoscaler doctor`", FINDINGS)


def _page(service: Pausable, changed: Changed) -> Iterator[str]:
    ref = service.ref
    yield f"{click.style(ref.key, bold=True)} ({ref.cluster}/{ref.service}): {changed.desired:,} desired"
    yield f"  tag before   {_shown(changed.before)}"
    yield f"  tag now      {_shown(changed.after)}"
    yield f"  the daemon   reads it at its next look, and sees: {changed.sees}"
    remark = service.remark(changed.after)
    if remark:
        yield f"  note         {remark}"


def _shown(tag: str | None) -> str:
    return "none" if tag is None else f"autoscaler:paused={tag}"
