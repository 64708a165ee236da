"""The data for the script of the page, as one JSON document.

Figures are the text that the table shows, so that charts and table agree. NaN is null.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from autoscaler.sim.model import Floats
from autoscaler.sim.report import series
from autoscaler.sim.report.comparison import COST, LATE, MEASURES, ComparisonRow, PolicyComparison, is_ours
from autoscaler.sim.report.estimate import MeanWithInterval
from autoscaler.sim.report.study import LIMIT, Study
from autoscaler.sim.report.verdict import verdict
from autoscaler.sim.score import ScoredRun

DIGITS = 4
"""Significant digits of a value; a pixel is about a thousandth of a chart."""


def pictures(study: Study, comparison: PolicyComparison) -> dict[str, Any]:
    """Return the shared series, and for each row of the table its figures, texts and series."""
    load, width_s = study.workload, series.bucket_s(study.workload.length_s)
    drawn = {(run.policy, run.settings): run for run in study.runs if run.seed == study.seed}
    limit = next((run for run in drawn.values() if run.policy == LIMIT), None)
    return {
        "latency_s": study.latency_s,
        "bucket_s": width_s,
        "length_s": load.length_s,
        "arrivals": _line(series.arrivals(load)),
        "needed": _line(series.needed(load, study.task_concurrency)),
        "work": _line(series.worked(load, study.task_concurrency, width_s)),
        "limit": None if limit is None else _line(series.billed(limit.outcome, study.least_billed_s, width_s)),
        "rows": [
            _words(row, comparison) | _pictured(study, drawn.get((row.policy, row.settings)), width_s)
            for row in comparison.rows
        ],
    }


def dumped(document: Mapping[str, Any]) -> str:
    """Return JSON in which the characters `&`, `<` and `>` are escaped, because names can contain HTML."""
    text = json.dumps(document, separators=(",", ":"), allow_nan=False)
    return text.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")


def _words(row: ComparisonRow, comparison: PolicyComparison) -> dict[str, Any]:
    kind = "limit" if row.is_limit else "ours" if is_ours(row.policy) else "peer"
    return {
        "label": row.label,
        "policy": row.policy,
        "settings": row.settings,
        "kind": kind,
        "cost": _interval(row.figures[COST.field]),
        "late": _interval(row.figures[LATE.field]),
        "beaten": bool(comparison.better(row)),
        "figures": {measure.field: measure.text(row.mean(measure)) for measure in MEASURES},
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
    waits = series.waits(study.workload, outcome, width_s)
    reasons = series.decisions(outcome)
    return {
        "drawn": True,
        "ended_s": _number(outcome.ended_s),
        "desired": _line(series.counts(outcome.desired, outcome.ended_s)),
        "running": _line(series.counts(outcome.running, outcome.ended_s)),
        "waits": [_instants(waits.at), *map(_values, (waits.p50, waits.p95, waits.longest))],
        "billed": _line(series.billed(outcome, study.least_billed_s, width_s)),
        "reasons": [_instants(np.array([one.at for one in reasons])), [one.sentence for one in reasons]],
        "reasons_total": len(outcome.reasons),
    }


def _line(points: series.Series) -> list[list[float | None]]:
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
