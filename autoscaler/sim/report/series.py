"""What the pictures show over time, in numbers: made once per load or per run, and thinned.

Instants are seconds since the start. A step series holds each value until the next instant.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from autoscaler.sim.model import MINUTE_S, Floats, Outcome, Told, Workload
from autoscaler.sim.report.thinning import MOST_POINTS, kept
from autoscaler.sim.score import demand

HOUR_S = 3600.0

SHARES = (50, 95, 100)
"""In percent: of the messages of a bucket, how many waited no longer."""

MOST_BUCKETS = 500
"""A percentile of very few messages says little, and a curve of more points than a phone has pixels as little."""

WIDTHS_S = (1, 2, 5, 10, 15, 30, 60, 120, 180, 300, 600, 900, 1200, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)
"""How long a bucket may be: spans that people count in."""


class Series(NamedTuple):
    """Values at ascending instants."""

    at: Floats
    values: Floats


class Waits(NamedTuple):
    """Of the messages that arrived in each bucket, in seconds; NaN where none did. `at`: the buckets' starts."""

    at: Floats
    p50: Floats
    p95: Floats
    longest: Floats


def bucket_s(length_s: float, least_s: float = 0.0) -> float:
    """The shortest width, at least `least_s`, with at most `MOST_BUCKETS` buckets."""
    least = max(least_s, length_s / MOST_BUCKETS)
    return next((float(width) for width in WIDTHS_S if width >= least), least)


def arrivals(workload: Workload) -> Series:
    """Messages a second, by the workload's own interval."""
    edges = _edges(workload.length_s, workload.interval_s)
    counts, _ = np.histogram(workload.arrivals_s, edges)
    return _steps(edges, np.append(counts / np.diff(edges), 0.0))


def needed(workload: Workload, task_concurrency: int) -> Series:
    """Tasks that would be busy in a fleet so large that nothing waits, by the minute."""
    tasks = demand(workload, task_concurrency)
    at = np.arange(len(tasks)) * MINUTE_S
    return _steps(np.append(at, workload.length_s), np.append(tasks, 0.0))


def counts(steps: Sequence[tuple[float, int]], ended_s: float) -> Series:
    """A count over the run, up to its end. Of several at one instant the last one holds."""
    at, values = np.array(steps, dtype=np.float64).reshape(-1, 2).T
    lasting = np.append(at[1:] > at[:-1], True)[: len(at)]
    at, values = at[lasting], values[lasting]
    if not len(at) or at[-1] >= ended_s:
        return _steps(at, values)
    return _steps(np.append(at, ended_s), np.append(values, values[-1]))


def waits(workload: Workload, outcome: Outcome, width_s: float) -> Waits:
    """By the instant of arrival. What was never received has waited until the run ended."""
    edges = _edges(workload.length_s, width_s)
    waited = np.where(np.isnan(outcome.received_s), outcome.ended_s, outcome.received_s) - workload.arrivals_s
    starts = np.searchsorted(workload.arrivals_s, edges)
    found = np.full((len(edges) - 1, len(SHARES)), np.nan)
    for bucket, (start, end) in enumerate(pairwise(starts.tolist())):
        if start < end:
            found[bucket] = np.percentile(waited[start:end], SHARES, method="inverted_cdf")
    return Waits(edges[:-1], *found.T)


def billed(outcome: Outcome, least_billed_s: float, width_s: float) -> Series:
    """Task-hours paid so far. A task that stops early goes on costing until its least time is over."""
    launched = np.array([life.launched_s for life in outcome.lives])
    stopped = np.array([max(life.stopped_s, life.launched_s + least_billed_s) for life in outcome.lives])
    until = float(stopped.max(initial=outcome.ended_s))
    at = _edges(until, max(width_s, until / (MOST_POINTS - 2)))
    events = np.concatenate([[0.0], launched, stopped])
    order = np.argsort(events, kind="stable")
    paying = np.cumsum(np.repeat([0.0, 1.0, -1.0], [1, len(launched), len(stopped)])[order])
    paid_s = np.concatenate([[0.0], np.cumsum(paying[:-1] * np.diff(events[order]))])
    return Series(at, np.interp(at, events[order], paid_s) / HOUR_S)


def worked(workload: Workload, task_concurrency: int, width_s: float) -> Series:
    """Task-hours that the work alone has asked for so far: of what arrived, all of it at once."""
    at = _edges(workload.length_s, width_s)
    sums = np.concatenate([[0.0], np.cumsum(workload.service_s)])
    return Series(at, sums[np.searchsorted(workload.arrivals_s, at, side="right")] / task_concurrency / HOUR_S)


def decisions(outcome: Outcome, most: int = MOST_POINTS) -> tuple[Told, ...]:
    """What was told, at most so many; where there are more, those that changed the count the most."""
    told = outcome.told
    if len(told) <= most:
        return told
    at, values = np.array(outcome.desired, dtype=np.float64).reshape(-1, 2).T
    said = np.array([one.at for one in told])
    before, after = (np.searchsorted(at, said, side=side) - 1 for side in ("left", "right"))
    moved = np.abs(values[np.maximum(after, 0)] - values[np.maximum(before, 0)])
    largest = np.sort(np.argsort(-moved, kind="stable")[:most])
    return tuple(told[index] for index in largest.tolist())


def _steps(at: Floats, values: Floats) -> Series:
    chosen = kept(at, values)
    return Series(at[chosen], values[chosen])


def _edges(length_s: float, width_s: float) -> Floats:
    """From 0 to the length; the last step may be shorter, but is no rounding error."""
    return np.append(np.arange(max(1, np.ceil(length_s / width_s - 1e-6))) * width_s, length_s)
