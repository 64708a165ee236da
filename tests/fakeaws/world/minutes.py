"""CloudWatch's datapoints by the minute: set by a test, or else derived from the queues and services."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import fsum
from statistics import fmean
from typing import NamedTuple, TypeAlias

MOST_POINTS = 21_600
"""Per metric: CloudWatch stores 15 days of datapoints by the minute."""

Point: TypeAlias = tuple[float, float]
"""The start of a period, and its value."""


class Metric(NamedTuple):
    """A metric. The dimensions are sorted by name."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]

    @property
    def subject(self) -> str:
        """The queue or service of the metric, else the metric's name."""
        own = dict(self.dimensions)
        return own.get("QueueName") or own.get("ServiceName") or self.name


def metric(namespace: str, name: str, dimensions: Mapping[str, str]) -> Metric:
    return Metric(namespace, name, tuple(sorted(dimensions.items())))


STATISTICS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "Sum": sum,
    "Average": fmean,
    "Maximum": max,
    "Minimum": min,
    "SampleCount": len,
}


@dataclass
class FakeMinutes:
    """`delay_s`: time from the end of a minute until it is published. `page`: maximum number of points in an answer.

    `statuses`: the status instead of `Complete`, as in `InternalError`, by queue, service or metric name.
    """

    derive: Callable[[Metric, float], float | None]
    samples: Callable[[Metric, float], float] = lambda metric, minute: 1.0
    delay_s: float = 60.0
    page: int = 100_800
    statuses: dict[str, str] = field(default_factory=dict)
    _put: dict[Metric, dict[float, float]] = field(default_factory=dict)

    def put(self, metric: Metric, began: float, value: float) -> None:
        """Set the value of the minute that began then."""
        points = self._put.setdefault(metric, {})
        points[began] = value
        if len(points) > MOST_POINTS:
            del points[min(points)]

    def points(self, asked: Metric, statistic: str, span: tuple[float, float, int], now: float) -> list[Point]:
        """Return the published periods of `span` (start, end, seconds each), oldest first."""
        start, end, period_s = span
        found = []
        for at in _steps(start, end, period_s):
            over = min(at + period_s, now - self.delay_s)
            values = [value for minute in _steps(at, over, 60) if (value := self._value(asked, minute)) is not None]
            if values and statistic == "SampleCount" and asked not in self._put:
                found.append((at, fsum(self.samples(asked, minute) for minute in _steps(at, over, 60))))
            elif values:
                found.append((at, STATISTICS[statistic](values)))
        return found

    def _value(self, asked: Metric, minute: float) -> float | None:
        put = self._put.get(asked)
        return put.get(minute) if put is not None else self.derive(asked, minute)


def _steps(start: float, end: float, period_s: int) -> Iterator[float]:
    """Yield the start of each period that begins at `start` or later and has a complete minute before `end`."""
    at = -(-start // period_s) * period_s
    while at + min(period_s, 60) <= end:
        yield at
        at += period_s
