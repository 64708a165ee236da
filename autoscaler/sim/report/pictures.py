"""The data for the script of the page, as one JSON document.

Figures are the text that the table shows, so that charts and table agree. NaN is null.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from autoscaler.sim.model import MINUTE_S, AtRisk, Floats, LoggedReason, SimulationOutcome, Workload
from autoscaler.sim.report.comparison import (
    COST,
    LATE,
    LIMIT,
    ComparisonRow,
    MeanWithInterval,
    Measure,
    PolicyComparison,
    Study,
    is_ours,
    measures,
    monthly_cost,
    verdict,
)
from autoscaler.sim.score import ScoredRun, demand

# Reduce a long series to as many points as can be drawn, without losing a peak.
#
# Invariant: each stretch keeps its lowest, its highest and its last value, at their instants. So the extremes of the
# series remain, and a step series has the correct value at the end of each stretch.

MOST_POINTS = 1500
POINTS_PER_STRETCH = 3
"""The lowest, the highest and the last point of a stretch."""

Indexes: TypeAlias = NDArray[np.intp]


def thinned(at: Floats, values: Floats, most: int = MOST_POINTS) -> Indexes:
    """Return the indexes of the points to draw, ascending, at most `most` (which is at least 4).

    `at` ascends. The stretches have equal lengths in time. The first point is always kept.
    """
    if len(at) <= most:
        return np.arange(len(at))
    stretches = (most - 1) // POINTS_PER_STRETCH
    edges = np.searchsorted(at, np.linspace(at[0], at[-1], stretches + 1)[1:-1])
    bounds = np.concatenate([[0], edges, [len(at)]])
    chosen: set[int] = {0}
    for start, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        if start < end:
            stretch = values[start:end]
            chosen |= {start + int(stretch.argmin()), start + int(stretch.argmax()), end - 1}
    return np.array(sorted(chosen))


# The time series of the charts, computed once per load or per run, and thinned.
#
# Instants are seconds since the start. A step series holds each value until the next instant.

HOUR_S = 3600.0

SHARES = (50, 95, 100)
"""Percentiles of the waits of a bucket."""

MOST_BUCKETS = 500
"""Limits the number of buckets: a bucket needs enough messages for a percentile, and a phone has few pixels."""

WIDTHS_S = (1, 2, 5, 10, 15, 30, 60, 120, 180, 300, 600, 900, 1200, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)
"""Permitted lengths of a bucket."""


class Series(NamedTuple):
    """Values at ascending instants."""

    at: Floats
    values: Floats


class Waits(NamedTuple):
    """Waits of the messages that arrive in each bucket, in seconds; NaN if none does. `at`: starts of the buckets."""

    at: Floats
    p50: Floats
    p95: Floats
    longest: Floats


def bucket_s(length_s: float, least_s: float = 0.0) -> float:
    """Return the shortest permitted width of at least `least_s` that gives at most `MOST_BUCKETS` buckets."""
    least = max(least_s, length_s / MOST_BUCKETS)
    return next((float(width) for width in WIDTHS_S if width >= least), least)


def arrivals(workload: Workload) -> Series:
    """Return messages per second in each interval of the workload."""
    edges = _edges(workload.length_s, workload.interval_s)
    counts, _ = np.histogram(workload.arrivals_s, edges)
    return _steps(edges, np.append(counts / np.diff(edges), 0.0))


def needed(workload: Workload, task_concurrency: int) -> Series:
    """Return the required tasks of each minute: the busy tasks if no message waits."""
    tasks = demand(workload, task_concurrency)
    at = np.arange(len(tasks)) * MINUTE_S
    return _steps(np.append(at, workload.length_s), np.append(tasks, 0.0))


def counts(steps: Sequence[tuple[float, int]], ended_s: float) -> Series:
    """Return a count over the run, until its end. Of several values at one instant, the last one counts."""
    at, values = np.array(steps, dtype=np.float64).reshape(-1, 2).T
    lasting = np.append(at[1:] > at[:-1], True)[: len(at)]
    at, values = at[lasting], values[lasting]
    if not len(at) or at[-1] >= ended_s:
        return _steps(at, values)
    return _steps(np.append(at, ended_s), np.append(values, values[-1]))


def waits(workload: Workload, outcome: SimulationOutcome, width_s: float) -> Waits:
    """Return the waits by the instant of arrival. A message that was never received has waited until the run ended."""
    edges = _edges(workload.length_s, width_s)
    waited = np.where(np.isnan(outcome.received_s), outcome.ended_s, outcome.received_s) - workload.arrivals_s
    starts = np.searchsorted(workload.arrivals_s, edges)
    found = np.full((len(edges) - 1, len(SHARES)), np.nan)
    for bucket, (start, end) in enumerate(pairwise(starts.tolist())):
        if start < end:
            found[bucket] = np.percentile(waited[start:end], SHARES, method="inverted_cdf")
    return Waits(edges[:-1], *found.T)


def billed(outcome: SimulationOutcome, least_billed_s: float, width_s: float) -> Series:
    """Return the billed task-hours so far. A task that stops early is billed until `least_billed_s` has passed."""
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
    """Return the task-hours of the work so far. The work of a message counts in full when it arrives."""
    at = _edges(workload.length_s, width_s)
    sums = np.concatenate([[0.0], np.cumsum(workload.service_s)])
    return Series(at, sums[np.searchsorted(workload.arrivals_s, at, side="right")] / task_concurrency / HOUR_S)


def decisions(outcome: SimulationOutcome, most: int = MOST_POINTS) -> tuple[LoggedReason, ...]:
    """Return the logged reasons, at most `most`: if there are more, those with the largest changes of the count."""
    reasons = outcome.reasons
    if len(reasons) <= most:
        return reasons
    at, values = np.array(outcome.desired, dtype=np.float64).reshape(-1, 2).T
    said = np.array([one.at for one in reasons])
    before, after = (np.searchsorted(at, said, side=side) - 1 for side in ("left", "right"))
    moved = np.abs(values[np.maximum(after, 0)] - values[np.maximum(before, 0)])
    largest = np.sort(np.argsort(-moved, kind="stable")[:most])
    return tuple(reasons[index] for index in largest.tolist())


def _steps(at: Floats, values: Floats) -> Series:
    chosen = thinned(at, values)
    return Series(at[chosen], values[chosen])


def _edges(length_s: float, width_s: float) -> Floats:
    """Return the edges from 0 to the length. The last step can be shorter, but a step caused by rounding is omitted."""
    return np.append(np.arange(max(1, np.ceil(length_s / width_s - 1e-6))) * width_s, length_s)


DIGITS = 4
"""Significant digits of a value; a pixel is about a thousandth of a chart."""


def pictures(study: Study, comparison: PolicyComparison) -> dict[str, Any]:
    """Return the shared series, and for each row of the table its figures, texts and series."""
    load, width_s = study.workload, bucket_s(study.workload.length_s)
    drawn = {(run.policy, run.settings): run for run in study.runs if run.seed == study.seed}
    shown = measures(study)
    limit = next((run for run in drawn.values() if run.policy == LIMIT), None)
    return {
        "latency_s": study.latency_s,
        "bucket_s": width_s,
        "month": None if study.price is None else monthly_cost(study).title,
        "length_s": load.length_s,
        "arrivals": _line(arrivals(load)),
        "needed": _line(needed(load, study.task_concurrency)),
        "work": _line(worked(load, study.task_concurrency, width_s)),
        "limit": None if limit is None else _line(billed(limit.outcome, study.least_billed_s, width_s)),
        "rows": [
            _words(row, comparison, shown) | _pictured(study, drawn.get((row.policy, row.settings)), width_s)
            for row in comparison.rows
        ],
    }


def dumped(document: Mapping[str, Any]) -> str:
    """Return JSON in which the characters `&`, `<` and `>` are escaped, because names can contain HTML."""
    text = json.dumps(document, separators=(",", ":"), allow_nan=False)
    return text.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")


def _words(row: ComparisonRow, comparison: PolicyComparison, shown: Sequence[Measure]) -> dict[str, Any]:
    kind = "limit" if row.is_limit else "ours" if is_ours(row.policy) else "peer"
    return {
        "label": row.label,
        "policy": row.policy,
        "settings": row.settings,
        "kind": kind,
        "cost": _interval(row.figures[COST.field]),
        "late": _interval(row.figures[LATE.field]),
        "beaten": bool(comparison.better(row)),
        "figures": {measure.field: measure.text(row.mean(measure)) for measure in shown},
        "verdict": verdict(row, comparison),
    }


def _interval(known: MeanWithInterval) -> list[float | None]:
    """Return mean and half width."""
    return [_number(known.mean), _number(known.half_width or 0.0)]


def _pictured(study: Study, run: ScoredRun | None, width_s: float) -> dict[str, Any]:
    """Return the series of a run, or only `drawn: false` if the policy did not run with the seed of the charts."""
    if run is None:
        return {"drawn": False}
    outcome = run.outcome
    waited = waits(study.workload, outcome, width_s)
    reasons = decisions(outcome)
    return {
        "drawn": True,
        "ended_s": _number(outcome.ended_s),
        "desired": _line(counts(outcome.desired, outcome.ended_s)),
        "running": _line(counts(outcome.running, outcome.ended_s)),
        "waits": [_instants(waited.at), *map(_values, (waited.p50, waited.p95, waited.longest))],
        "billed": _line(billed(outcome, study.least_billed_s, width_s)),
        "reasons": [_instants(np.array([one.at for one in reasons])), [one.sentence for one in reasons]],
        "reasons_total": len(outcome.reasons),
        "at_risk": None if outcome.at_risk is None else _at_risk(outcome.at_risk),
    }


def _at_risk(periods: Sequence[AtRisk]) -> list[list[Any]]:
    """Return the starts, the ends and the reasons of the longest periods, at most `MOST_POINTS`, ascending."""
    longest = sorted(sorted(periods, key=lambda each: each.start_s - each.end_s)[:MOST_POINTS])
    starts, ends = (np.array([each[at] for each in longest]) for at in range(2))
    return [_instants(starts), _instants(ends), [each.reason for each in longest]]


def _line(points: Series) -> list[list[float | None]]:
    return [_instants(points.at), _values(points.values)]


def _instants(at: Floats) -> list[float | None]:
    """Return instants rounded to a tenth of a second."""
    return [_whole(value) for value in np.round(at, 1).tolist()]


def _values(values: Floats) -> list[float | None]:
    return [_number(value) for value in values.tolist()]


def _number(value: float) -> float | None:
    return _whole(float(f"{value:.{DIGITS}g}")) if math.isfinite(value) else None


def _whole(value: float) -> float:
    return int(value) if value.is_integer() else value
