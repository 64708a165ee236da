"""`assess`: what the services of a cluster cost and how late their messages are, and both with this autoscaler."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from autoscaler.cli import delivering
from autoscaler.cli.kinds import Duration, QueueList
from autoscaler.cli.output import FINDINGS, REFUSED, USAGE, failed, leave, piped
from autoscaler.cli.pricing import RegionType, TaskPriceType
from autoscaler.errors import AutoscalerError, NotFound

if TYPE_CHECKING:
    from autoscaler.assess.assessment import Assessment
    from autoscaler.assess.reading import ReadCluster, Wishes
    from autoscaler.ports import QueueRef

LEAST_COLUMNS = 80


class OfService(click.ParamType[tuple[str, Any]]):
    """`SERVICE=VALUE`, with a value of another type."""

    def __init__(self, value: click.ParamType[Any], name: str) -> None:
        self._value = value
        self.name = f"SERVICE={name}"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Any]:
        if isinstance(value, tuple):
            return value
        service, equals, rest = str(value).partition("=")
        if not equals or not service.strip():
            self.fail(f"{str(value)[:60]!r} is not {self.name}", param, ctx)
        return service.strip(), self._value.convert(rest, param, ctx)


class PriceOfService(click.ParamType[tuple[str | None, float]]):
    """`DOLLARS` for all services, or `SERVICE=DOLLARS`."""

    name = "[SERVICE=]DOLLARS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str | None, float]:
        if isinstance(value, tuple):
            return value
        service, equals, rest = str(value).rpartition("=")
        return (service.strip() or None) if equals else None, TaskPriceType().convert(rest, param, ctx)


@click.command(short_help="Assess a cluster: cost and lateness now, and with this autoscaler. Read-only.")
@click.option("--cluster", required=True, help="Name of the ECS cluster.")
@click.option("--region", type=RegionType(), help="Region of the cluster.  [default: AWS_REGION]")
@click.option("--days", type=click.IntRange(1, 14), default=14, show_default=True, help="Days of the past to read.")
@click.option(
    "--acceptable-latency", "latency_s", type=Duration(), default="60s", show_default=True, help="Latency target."
)
@click.option(
    "--queue",
    "queues",
    multiple=True,
    type=OfService(QueueList(), "QUEUE[,QUEUE...]"),
    help="Queue of a service, if it is not in its tags or environment.",
)
@click.option(
    "--task-price",
    "prices",
    multiple=True,
    type=PriceOfService(),
    help="Dollars of one task for one hour.  [default: Fargate's list price]",
)
@click.option("--max-tasks", type=click.IntRange(1), default=5000, show_default=True, help="Maximum tasks to simulate.")
@click.option(
    "--simulate-days",
    type=click.IntRange(1, 14),
    default=3,
    show_default=True,
    help="Days to simulate; each stands for days with as many messages.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the assessment as JSON.")
@click.option("--report", type=click.Path(path_type=Path), help="Write an HTML page with charts to this file.")
def assess(**options: Any) -> None:
    """Assess a cluster before anything is installed: what every service costs and how late its messages are, and both
    with this autoscaler. Read-only.

    The past comes from CloudWatch: the number of tasks, the messages sent and deleted, and the age of the oldest
    message. The queue of a service comes from its tags, or from the environment of its task definition. The daemon's
    own decisions are then simulated on the recorded arrivals, with an estimated processing time. The notes of each
    service state every estimate and everything that is missing.

    It needs no settings. `autoscaler iam-policy --for assess` prints the permissions. Without some of them it says what
    is missing, and assesses the rest.

    Exit codes: 0 ok, 1 a service with a queue could not be compared, 2 usage, 3 access denied by AWS or no credentials,
    4 AWS unreachable.

    \b
    Examples:
      autoscaler assess --cluster prod
      autoscaler assess --cluster prod --region eu-west-1 --report prod.html
      autoscaler assess --cluster prod --queue worker=orders \\
        --task-price worker=0.031 --acceptable-latency 5m --json
    """
    try:
        import numpy  # noqa: F401, PLC0415 - an extra
        import rich  # noqa: F401, PLC0415 - an extra
    except ImportError:
        leave("assess: NumPy and rich are required. Run: pip install 'ecs-queue-autoscaler[simulate]'", USAGE)
    try:
        delivering.check(None, options["report"])
    except ValueError as error:
        leave(f"assess: {error}", USAGE)
    found = _assessed(options, _read(_wishes(options)))
    _deliver(options, found)
    raise SystemExit(FINDINGS if found.unknown else 0)


def _wishes(options: dict[str, Any]) -> Wishes:
    from autoscaler.assess.reading import Wishes  # noqa: PLC0415 - NumPy is an extra
    from autoscaler.config.addresses import queue  # noqa: PLC0415

    queues: dict[str, tuple[QueueRef, ...]] = {}
    for service, names in options["queues"]:
        queues[service] = (*queues.get(service, ()), *map(queue, names))
    prices = {service: price for service, price in options["prices"] if service is not None}
    common = [price for service, price in options["prices"] if service is None]
    return Wishes(
        options["cluster"], options["region"], options["days"], queues, prices, common[-1] if common else None
    )


def _read(wishes: Wishes) -> ReadCluster:
    """Read the cluster with a progress bar per step. If it cannot be listed, the command ends."""
    from autoscaler.assess.reading import read_cluster  # noqa: PLC0415 - the AWS SDK takes half a second to import

    try:
        with delivering.progress("reading AWS") as report:
            return read_cluster(wishes, lambda _, share: report(share))
    except NotFound:
        where = wishes.region or "the Region of this machine (AWS_REGION)"
        leave(f"assess: there is no cluster {wishes.cluster} in {where}; check --cluster and --region", REFUSED)
    except AutoscalerError as error:
        failed(error)


def _assessed(options: dict[str, Any], read: ReadCluster) -> Assessment:
    from autoscaler.assess.assessment import Conditions, assess  # noqa: PLC0415 - NumPy is an extra

    conditions = Conditions(options["latency_s"], options["simulate_days"], options["max_tasks"])
    try:
        with delivering.progress("simulating") as report:
            return assess(read, conditions, report)
    except ChildProcessError as error:
        leave(f"assess: {error}. Choose fewer days.", FINDINGS)


def _deliver(options: dict[str, Any], found: Assessment) -> None:
    from autoscaler.assess.document import as_json  # noqa: PLC0415 - NumPy is an extra
    from autoscaler.assess.page import page  # noqa: PLC0415
    from autoscaler.assess.table import lines  # noqa: PLC0415

    command = shlex.join(["autoscaler", *sys.argv[1:]])
    text = page(found, command) if options["report"] is not None else ""
    with piped():
        if options["report"] is not None:
            delivering.write(options["report"], text)
        if options["as_json"]:
            click.echo(json.dumps(as_json(found), indent=2, allow_nan=False))
        else:
            _print(list(lines(found, max(LEAST_COLUMNS, shutil.get_terminal_size((LEAST_COLUMNS, 24)).columns))))


def _print(shown: list[str], echo: Callable[..., None] = click.echo) -> None:
    """Print the lines, with the headline in bold on a terminal."""
    first, *rest = shown
    echo(click.style(first, bold=True))
    echo("\n".join(rest))
