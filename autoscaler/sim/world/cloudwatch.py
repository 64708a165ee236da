"""CloudWatch: one-minute metrics, and the delay after which they can be read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autoscaler.sim.model import MINUTE_S, Datapoint, Floats, Meter, Workload


class CloudWatch:
    """One-minute datapoints by metric. `late_s`: seconds from a minute's end until its datapoint can be read."""

    def __init__(self, workload: Workload, late_s: float) -> None:
        self._late_s = late_s
        self._sent = _sent(workload)
        self._before = int(len(workload.history) * workload.interval_s // MINUTE_S)
        self._values: dict[Meter, list[float | None]] = {meter: [] for meter in Meter if meter is not Meter.SENT}

    def put(self, values: dict[Meter, float | None]) -> None:
        """Add the values of the minute that has just ended."""
        for meter, value in values.items():
            self._values[meter].append(value)

    def minutes(self, meter: Meter, most: int, now: float) -> Sequence[Datapoint]:
        """Return the newest `most` datapoints that can be read, oldest first."""
        published = int((now - self._late_s) // MINUTE_S)
        if meter is Meter.SENT:
            return self._sent_minutes(most, published)
        values = self._values[meter]
        last = min(max(0, published), len(values))
        return [Datapoint((at + 1) * MINUTE_S, values[at]) for at in range(max(0, last - most), last)]

    def _sent_minutes(self, most: int, published: int) -> Sequence[Datapoint]:
        """Return datapoints of messages sent. They include minutes before 0. After the workload's end they are 0."""
        first = max(-self._before, published - most)
        values = [self._sent_in(minute) for minute in range(first, published)]
        return [Datapoint((first + at + 1) * MINUTE_S, value) for at, value in enumerate(values)]

    def _sent_in(self, minute: int) -> float:
        at = minute + self._before
        return float(self._sent[at]) if at < len(self._sent) else 0.0


def _sent(workload: Workload) -> Floats:
    """Return the messages sent per minute: the whole minutes of the history, then the workload."""
    return np.concatenate([_by_minute(workload.history, workload.interval_s), _arrived(workload)])


def _by_minute(history: Floats, interval_s: float) -> Floats:
    """Convert counts per interval to counts per minute. Both end at 0. A count is spread evenly over its interval."""
    edges_s = np.arange(-len(history), 1) * interval_s
    minutes = int(len(history) * interval_s // MINUTE_S)
    sums = np.concatenate([np.zeros(1), np.cumsum(history)])
    return np.diff(np.interp(np.arange(-minutes, 1) * MINUTE_S, edges_s, sums))


def _arrived(workload: Workload) -> Floats:
    minutes = int(workload.length_s // MINUTE_S) + 1
    counts = np.bincount((workload.arrivals_s // MINUTE_S).astype(np.int64), minlength=minutes)
    return counts.astype(np.float64)
