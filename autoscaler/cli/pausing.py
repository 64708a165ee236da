"""`pause` and `resume`: the service's tag, written by hand."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import click

from autoscaler.cli.exits import FINDINGS, USAGE, failed, leave, service_or_exit
from autoscaler.cli.kinds import Duration, Key, Moment, Paused
from autoscaler.core.policy import Pause
from autoscaler.errors import AutoscalerError

if TYPE_CHECKING:
    from autoscaler.config import Config, Service
    from autoscaler.operating.pausing import Changed


@click.command(short_help="Pause a service by its tag: both directions, one, or at a count.")
@click.argument("key", type=Key())
@click.argument("paused", type=Paused(), default="all")
@click.option("--until", type=Moment(), help="When the pause ends, as 2026-11-23T18:00Z (UTC without a zone).")
@click.option("--for", "for_s", type=Duration(), help="How long it lasts, as 2h; up to the next whole minute.")
@click.option("--json", "as_json", is_flag=True, help="Print what was changed as JSON.")
def pause(key: str, paused: Pause | int, until: float | None, for_s: float | None, as_json: bool) -> None:
    """Pause the service KEY: `all` (both directions), `in`, `out`, or a number of tasks to stand at.

    It writes the tag autoscaler:paused on the ECS service, which every daemon reads at its next look, without a
    redeploy. A number is gone to at once, even outside of min_tasks and max_tasks. The tag outranks the setting.

    This is your right, not the daemon's: it needs ecs:TagResource (`autoscaler iam-policy --for pause`). Exit code 1
    where ECS does not show the tag after some seconds, 3 where AWS refused, 4 where it could not be reached.

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
    config, service = service_or_exit(key)
    from autoscaler.operating import pausing  # noqa: PLC0415 - the AWS SDK takes half a second to import

    try:
        changed = pausing.pause(service, pausing.value_of(paused, end), time.time)
    except AutoscalerError as fault:
        failed(fault)
    _tell(config, service, changed, as_json)


@click.command(short_help="Take a service's pause away.")
@click.argument("key", type=Key())
@click.option("--json", "as_json", is_flag=True, help="Print what was changed as JSON.")
def resume(key: str, as_json: bool) -> None:
    """Take the pause of the service KEY away: its tag autoscaler:paused is removed, whatever it says.

    A pause by setting (`paused`) stays, and is told of. It needs ecs:UntagResource. Exit codes as for `pause`.

    \b
    Example:
      autoscaler resume orders
    """
    config, service = service_or_exit(key)
    from autoscaler.operating import pausing  # noqa: PLC0415 - the AWS SDK takes half a second to import

    try:
        changed = pausing.resume(service, time.time)
    except AutoscalerError as fault:
        failed(fault)
    _tell(config, service, changed, as_json)


def _tell(config: Config, service: Service, changed: Changed, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(changed.as_json(), indent=2))
    else:
        ref = service.ref
        name = click.style(ref.key, bold=True)
        click.echo(f"{name} ({ref.cluster}/{ref.service}), {changed.desired} tasks desired")
        click.echo(f"  tag before   {_shown(changed.before)}")
        click.echo(f"  tag now      {_shown(changed.after)}")
        click.echo(f"  the daemon   reads it within {config.interval_s:g} s, and sees: {changed.sees}")
        for line in _remarks(service, changed):
            click.echo(f"  note         {line}")
    if not changed.done:
        leave(f"ECS does not show {_shown(changed.wanted)} yet: look again with `autoscaler doctor`", FINDINGS)


def _remarks(service: Service, changed: Changed) -> list[str]:
    """What may surprise. A number stands first in the tag."""
    policy, first = service.policy, (changed.after or "").split(" ")[0]
    if first.isdigit() and not policy.min_tasks <= int(first) <= policy.max_tasks:
        return [f"{first} is outside of {policy.min_tasks} to {policy.max_tasks}: a pause outlasts the bounds"]
    if changed.after is not None:
        return ["Terraform removes tags that it does not know at its next apply: then the pause is over"]
    return []


def _shown(tag: str | None) -> str:
    return "none" if tag is None else f"autoscaler:paused={tag}"
