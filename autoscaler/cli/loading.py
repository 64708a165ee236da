"""The load that `simulate` is given: a file, a queue's past, or one that is made."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from autoscaler.cli.exits import REFUSED, UNREACHABLE, leave
from autoscaler.errors import AutoscalerError, Unavailable

if TYPE_CHECKING:
    from autoscaler.ports import PeriodSum, QueueRef, Span
    from autoscaler.sim.workload import Counted, CountTrace, Recorded

SERVICE_TIME = "lognormal:5:1"
"""What a message takes where neither a file of jobs nor the operator says it."""


def source(options: dict[str, Any], told: Callable[[float], None]) -> Counted | Recorded:
    """The messages of the one load that the options of `simulate` name, or of the one that is made where they name
    none. Raises `ValueError` or `ConfigError` with the remedy; where AWS cannot be read, the process ends.
    """
    from autoscaler.sim import workload  # noqa: PLC0415 - NumPy is an extra
    from autoscaler.sim.chance import Distribution  # noqa: PLC0415

    _check(options)
    choice = workload.Choice(options["from_day"], options["days"], options["mean_tasks"])
    concurrency = options["task_concurrency"]
    if options["jobs"] is not None:
        scale = 1.0 if options["service_scale"] is None else options["service_scale"]
        return workload.by_job(workload.read_jobs(options["jobs"], told), choice, scale, concurrency)
    service = Distribution.parse(options["service_time"] or SERVICE_TIME)
    if options["trace"] is not None:
        trace = workload.read_counts(options["trace"], told)
    elif options["history"] is not None:
        trace = _history(options)
    else:
        trace = workload.generated(options["made"] or workload.DEFAULT, choice)
    return workload.by_count(trace, choice, service, concurrency)


def _check(options: dict[str, Any]) -> None:
    """One load at most, and nothing that belongs to another. Raises `ValueError` with the remedy."""
    loads = {"trace": "--trace", "jobs": "--jobs", "made": "--load", "history": "--from-cloudwatch"}
    given = [flag for name, flag in loads.items() if options[name] is not None]
    if len(given) > 1:
        raise ValueError(f"choose one load: {' or '.join(given)}")
    if options["queue"] is not None and options["history"] is None:
        raise ValueError("--queue is the one whose history --from-cloudwatch reads: give that too")
    if options["service_scale"] is not None and options["jobs"] is None:
        raise ValueError("--service-scale multiplies the times of --jobs: elsewhere --service-time says what they are")
    if options["service_time"] is not None and options["jobs"] is not None:
        raise ValueError("--service-time: --jobs has service times of its own; --service-scale multiplies them")


def _history(options: dict[str, Any]) -> CountTrace:
    """What CloudWatch remembers of the queue, in the Region of the environment (or of the queue's URL or ARN).

    From when to when that is, and how many of its minutes had no datapoint, is said on stderr.
    """
    if not options["queue"]:
        raise ValueError("--from-cloudwatch needs --queue NAME: whose history it is")
    from autoscaler.config.queues import queue as meant  # noqa: PLC0415 - most loads need none of it
    from autoscaler.sim.workload import Sum, counts_from_minutes, questions  # noqa: PLC0415 - NumPy is an extra

    queue = meant(options["queue"])
    # CloudWatch publishes a minute late, sometimes two: the newest would look empty, and are not
    spans = questions(time.time() - 180, options["history"])
    start, end = spans[0].start, spans[-1].end
    if not start < end:
        raise ValueError("--from-cloudwatch is less than a minute: ask for some days")
    trace = counts_from_minutes(queue.name, (Sum(*each) for each in _remembered(queue, spans)), start, end)
    first, last = (f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}" for at in (end - 60 * trace.counts.size, end))
    absent = f"{trace.absent} of them had no datapoint and are taken for empty"
    click.echo(f"queue {queue.name}: {trace.counts.size} minutes, {first} to {last} UTC; {absent}", err=True)
    return trace


def _remembered(queue: QueueRef, spans: Sequence[Span]) -> tuple[PeriodSum, ...]:
    from autoscaler.one_shot import history_once  # noqa: PLC0415 - the AWS SDK takes half a second to import

    try:
        return history_once(queue, spans)
    except AutoscalerError as error:
        leave(f"simulate: {error}", UNREACHABLE if isinstance(error, Unavailable) else REFUSED)
