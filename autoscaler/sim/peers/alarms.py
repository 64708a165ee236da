"""CloudWatch alarms on one-minute metrics: so many of the newest minutes must all be there, and all breach."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from autoscaler.sim.model import Meter, Surface
from autoscaler.sim.peers.looking import minutes


class Minute(NamedTuple):
    """A metric's minute, and the tasks that ran in it. None: there is no datapoint, which breaches nothing."""

    value: float | None
    running: float | None


def backlog_per_task(world: Surface, most: int) -> tuple[Minute, ...]:
    """Metric math of AWS's guide: visible messages / running tasks. Undefined where none runs."""
    return tuple(
        Minute(visible / running if visible is not None and running else None, running)
        for visible, running in _joined(world, Meter.VISIBLE, most)
    )


def cpu_percent(world: Surface, most: int) -> tuple[Minute, ...]:
    """The service's mean CPU utilization. No task, no datapoint."""
    return tuple(Minute(value, running) for value, running in _joined(world, Meter.CPU_PERCENT, most))


def _joined(world: Surface, meter: Meter, most: int) -> list[tuple[float | None, float | None]]:
    """Oldest first, each value with the running tasks of the same minute."""
    running = {point.at: point.value for point in minutes(world, Meter.RUNNING, most)}
    return [(point.value, running.get(point.at)) for point in minutes(world, meter, most)]


def breach(newest: Sequence[Minute], periods: int, breaches: Callable[[float], bool]) -> bool:
    """Whether each of the newest `periods` minutes has a value that breaches. What is missing leaves the alarm with
    insufficient data, on which nothing is done.
    """
    watched = newest[-periods:]
    return len(watched) == periods and all(minute.value is not None and breaches(minute.value) for minute in watched)
