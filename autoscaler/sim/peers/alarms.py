"""CloudWatch alarms on one-minute metrics: each of the newest N minutes must have a datapoint that breaches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from autoscaler.sim.model import Meter, Surface
from autoscaler.sim.peers.periodic import minutes


class Minute(NamedTuple):
    """One minute of a metric, and the tasks that ran in it. None: no datapoint, which never breaches."""

    value: float | None
    running: float | None


def backlog_per_task(world: Surface, most: int) -> tuple[Minute, ...]:
    """Return visible messages / running tasks, the metric math of AWS's guide. It is undefined at zero tasks."""
    return tuple(
        Minute(visible / running if visible is not None and running else None, running)
        for visible, running in _joined(world, Meter.VISIBLE, most)
    )


def cpu_percent(world: Surface, most: int) -> tuple[Minute, ...]:
    """Return the mean CPU utilization of the service. Without a task there is no datapoint."""
    return tuple(Minute(value, running) for value, running in _joined(world, Meter.CPU_PERCENT, most))


def _joined(world: Surface, meter: Meter, most: int) -> list[tuple[float | None, float | None]]:
    """Return each value with the running tasks of the same minute, oldest first."""
    running = {point.at: point.value for point in minutes(world, Meter.RUNNING, most)}
    return [(point.value, running.get(point.at)) for point in minutes(world, meter, most)]


def breach(newest: Sequence[Minute], periods: int, breaches: Callable[[float], bool]) -> bool:
    """Return whether each of the newest `periods` minutes has a value that breaches. A missing value is insufficient
    data, and the alarm does nothing.
    """
    latest = newest[-periods:]
    return len(latest) == periods and all(minute.value is not None and breaches(minute.value) for minute in latest)
