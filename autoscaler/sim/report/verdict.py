"""One line per policy, in words: how late, how dear, and whether that is better than ours."""

from __future__ import annotations

import math

from autoscaler.sim.report.comparison import COST, LATE, LOST, ORACLE, Comparison, Row
from autoscaler.sim.report.estimate import Estimate

NEAR_POINTS = 0.005
"""Shares of late messages are shown with two decimals: what lies closer looks the same."""

NEAR_RATIO = 0.005
"""Half a percent of the cost: what lies closer is called the same."""

WORTH_SAYING_PERCENT = 1.0
"""Of the work done twice."""


def verdict(row: Row, among: Comparison) -> str:
    """For example: `30 % cheaper than ours, but 46.6 % late (ours: 0.27 %); 2.9 % of the work is done twice`."""
    if row.is_limit:
        return f"the limit: it knows what will come; {_result(row)}"
    judged = _ours(row, among) if row is among.ours else _beside(row, among.ours)
    lost = row.mean(LOST)
    return f"{judged}; {lost:.2g} % of the work is done twice" if lost >= WORTH_SAYING_PERCENT else judged


def late(percent: float) -> str:
    """The share of late messages in words."""
    if math.isnan(percent):
        return "lateness unknown"
    if percent == 0:
        return "nothing late"
    return f"{percent:.2f} % late" if percent >= NEAR_POINTS else "less than 0.01 % late"


def _result(row: Row) -> str:
    oracle = row.mean(ORACLE)
    beside = "" if row.is_limit or math.isnan(oracle) else f", {oracle:.2f} x the clairvoyant"
    cost = row.mean(COST)
    return late(row.mean(LATE)) + ("" if math.isnan(cost) else f" at {cost:.2f} x the cost of the work alone{beside}")


def _ours(row: Row, among: Comparison) -> str:
    better = among.better(row)
    if len(among.competitors) == 1:
        return _result(row)
    if not better:
        return f"{_result(row)}; no other beats it on both"
    names = ", ".join(other.label for other in better[:3]) + (" and others" if len(better) > 3 else "")
    return f"{_result(row)}; beaten on cost and lateness together by {names}"


def _beside(row: Row, ours: Row | None) -> str:
    if ours is None or row.against is None or math.isnan(row.against[COST.field].mean):
        return _result(row)
    later, dearer = _later(row), _dearer(row, ours)
    lateness = f"{late(row.mean(LATE))} (ours: {_share(ours)})"
    cost = _cost(row, ours)
    match later, dearer:
        case 0, 0:
            return f"no clear difference to ours: {_result(row)}"
        case 0, _:
            return f"{cost}, and no {'less late' if dearer > 0 else 'later'}: {late(row.mean(LATE))}"
        case _, 0:
            return f"{lateness}, at the same cost"
    if later == dearer:
        return f"{'worse' if later > 0 else 'better'} in both: {cost}, and {lateness}"
    return f"{cost}, but {lateness}"


def _later(row: Row) -> int:
    """1: later than ours, -1: less late, 0: no clear difference."""
    return _direction(row, LATE.field, NEAR_POINTS)


def _dearer(row: Row, ours: Row) -> int:
    return _direction(row, COST.field, NEAR_RATIO * ours.mean(COST))


def _direction(row: Row, field: str, near: float) -> int:
    difference = row.against[field] if row.against else Estimate(0.0)
    if abs(difference.mean) < near or not difference.is_clear:
        return 0
    return 1 if difference.mean > 0 else -1


def _cost(row: Row, ours: Row) -> str:
    ratio = row.mean(COST) / ours.mean(COST)
    if ratio >= 2:
        return f"{ratio:.1f} times the cost of ours"
    percent = abs(ratio - 1) * 100
    change = f"{percent:.{0 if percent >= 10 else 1}f} %"
    return f"{change} dearer than ours" if ratio > 1 else f"{change} cheaper than ours"


def _share(row: Row) -> str:
    return late(row.mean(LATE)).removesuffix(" late")
