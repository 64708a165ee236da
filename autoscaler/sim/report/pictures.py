"""All that the page's script draws, as one JSON document.

Figures come as the text that the table shows, so that picture and table cannot disagree. NaN is null.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from autoscaler.sim.model import Floats
from autoscaler.sim.report import series
from autoscaler.sim.report.comparison import COST, LATE, MEASURES, Comparison, Row, is_ours
from autoscaler.sim.report.estimate import Estimate
from autoscaler.sim.report.study import LIMIT, Study
from autoscaler.sim.report.verdict import verdict
from autoscaler.sim.score import Run

DIGITS = 4
"""Of a value; a pixel is about a thousandth of a picture."""


def pictures(study: Study, comparison: Comparison) -> dict[str, Any]:
    """The shared series, and for each row of the table its place, its words and its own series."""
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
    """Without anything that HTML could take for its own, wherever names came from."""
    text = json.dumps(document, separators=(",", ":"), allow_nan=False)
    return text.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")


def _words(row: Row, comparison: Comparison) -> dict[str, Any]:
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


def _interval(known: Estimate) -> list[float | None]:
    """Mean and half width."""
    return [_number(known.mean), _number(known.half_width or 0.0)]


def _pictured(study: Study, run: Run | None, width_s: float) -> dict[str, Any]:
    """Nothing where the policy did not run with the seed of the pictures."""
    if run is None:
        return {"drawn": False}
    outcome = run.outcome
    waits = series.waits(study.workload, outcome, width_s)
    told = series.decisions(outcome)
    return {
        "drawn": True,
        "ended_s": _number(outcome.ended_s),
        "desired": _line(series.counts(outcome.desired, outcome.ended_s)),
        "running": _line(series.counts(outcome.running, outcome.ended_s)),
        "waits": [_instants(waits.at), *map(_values, (waits.p50, waits.p95, waits.longest))],
        "billed": _line(series.billed(outcome, study.least_billed_s, width_s)),
        "told": [_instants(np.array([one.at for one in told])), [one.sentence for one in told]],
        "told_in_all": len(outcome.told),
    }


def _line(points: series.Series) -> list[list[float | None]]:
    return [_instants(points.at), _values(points.values)]


def _instants(at: Floats) -> list[float | None]:
    """To a tenth of a second."""
    return [_whole(value) for value in np.round(at, 1).tolist()]


def _values(values: Floats) -> list[float | None]:
    return [_number(value) for value in values.tolist()]


def _number(value: float) -> float | None:
    return _whole(float(f"{value:.{DIGITS}g}")) if math.isfinite(value) else None


def _whole(value: float) -> float:
    return int(value) if value.is_integer() else value
