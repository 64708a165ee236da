"""The load of `simulate`: a file, a queue's history, or a synthetic load."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from autoscaler.cli.output import REFUSED, UNREACHABLE, leave, say
from autoscaler.errors import AutoscalerError, Unavailable

if TYPE_CHECKING:
    from autoscaler.ports import PeriodSum, QueueRef, Span
    from autoscaler.sim.workload import Counted, CountTrace, RecordedJobs

T = TypeVar("T")

SERVICE_TIME = "lognormal:5:1"
"""Processing time of a message if neither a file of jobs nor an option sets it."""


def source(options: dict[str, Any], report: Callable[[float], None]) -> Counted | RecordedJobs:
    """Return the messages of the load in the options of `simulate`, by default a synthetic load.

    Raises `ValueError` or `ConfigError` with the remedy. If AWS cannot be read, the process ends.
    """
    from autoscaler.sim import workload  # noqa: PLC0415 - NumPy is an extra
    from autoscaler.sim.chance import durations  # noqa: PLC0415

    _check(options)
    choice = workload.Choice(options["from_day"], options["days"], options["mean_tasks"])
    concurrency = options["task_concurrency"]
    if options["jobs"] is not None:
        scale = 1.0 if options["service_scale"] is None else options["service_scale"]
        return workload.by_job(workload.read_jobs(options["jobs"], report), choice, scale, concurrency)
    service = parsed("--service-time", durations, options["service_time"] or SERVICE_TIME)
    if options["trace"] is not None:
        trace = workload.read_counts(options["trace"], report)
    elif options["history"] is not None:
        trace = _history(options)
    else:
        trace = workload.generated(options["made"] or workload.DEFAULT, choice)
    return workload.by_count(trace, choice, service, concurrency)


def parsed(option: str, parse: Callable[[str], T], text: str) -> T:
    """Return the parsed value of the option. Raises `ValueError` with the name of the option."""
    try:
        return parse(text)
    except ValueError as error:
        raise ValueError(f"{option}: {error}") from None


def _check(options: dict[str, Any]) -> None:
    """Require at most one load, and no option of another load. Raises `ValueError` with the remedy."""
    loads = {"trace": "--trace", "jobs": "--jobs", "made": "--load", "history": "--from-cloudwatch"}
    given = [flag for name, flag in loads.items() if options[name] is not None]
    if len(given) > 1:
        raise ValueError(f"{', '.join(given)}: only one load is possible. Use one of these options")
    if options["queue"] is not None and options["history"] is None:
        raise ValueError("--queue requires --from-cloudwatch, which reads the history of the queue")
    if options["service_scale"] is not None and options["jobs"] is None:
        raise ValueError("--service-scale requires --jobs. For other loads, use --service-time")
    if options["service_time"] is not None and options["jobs"] is not None:
        raise ValueError(
            "--service-time and --jobs: the file already contains the times. Use --service-scale to multiply them"
        )


def _history(options: dict[str, Any]) -> CountTrace:
    """Return the queue's history from CloudWatch, in the Region of the queue's URL or ARN, else of the environment.

    Its start, its end and the number of minutes without a datapoint are printed on stderr.
    """
    if not options["queue"]:
        raise ValueError("--from-cloudwatch requires --queue NAME")
    from autoscaler.config.addresses import queue as parse_queue  # noqa: PLC0415 - most loads do not need it
    from autoscaler.sim.workload import Sum, counts_from_minutes, metric_ranges  # noqa: PLC0415 - NumPy is an extra

    queue = parsed("--queue", parse_queue, options["queue"])
    # CloudWatch publishes one to two minutes late: the newest minutes would wrongly count as empty
    spans = metric_ranges(time.time() - 180, options["history"])
    start, end = spans[0].start, spans[-1].end
    if not start < end:
        raise ValueError("--from-cloudwatch must be at least one minute, such as 14d")
    trace = counts_from_minutes(queue.name, (Sum(*each) for each in _remembered(queue, spans)), start, end)
    first, last = (f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}" for at in (end - 60 * trace.counts.size, end))
    missing = f"{trace.missing} of them had no datapoint and count as empty"
    say(f"queue {queue.name}: {trace.counts.size} minutes, {first} to {last} UTC; {missing}")
    return trace


def _remembered(queue: QueueRef, spans: Sequence[Span]) -> tuple[PeriodSum, ...]:
    from autoscaler.one_shot import history_once  # noqa: PLC0415 - the AWS SDK takes half a second to import

    try:
        return history_once(queue, spans)
    except AutoscalerError as error:
        leave(f"simulate: {error}", UNREACHABLE if isinstance(error, Unavailable) else REFUSED)
