"""Describe each policy in one line: its lateness, its cost, and whether it is better than this autoscaler."""

from __future__ import annotations

import math

from autoscaler.sim.report.comparison import COST, LATE, LOST, ORACLE, ComparisonRow, PolicyComparison
from autoscaler.sim.report.estimate import MeanWithInterval

NEAR_POINTS = 0.005
"""In percentage points. Shares are shown with two decimals: smaller differences are not visible."""

NEAR_RATIO = 0.005
"""Costs that differ by less than 0.5 % count as equal."""

LEAST_LOST_PERCENT = 1.0
"""The least lost work that is mentioned."""


def verdict(row: ComparisonRow, among: PolicyComparison) -> str:
    """Return e.g. `30 % cheaper than ours, but 46.6 % late (ours: 0.27 %); 2.9 % of the work is done twice`."""
    if row.is_limit:
        return f"the limit, which knows all arrivals in advance: {_result(row)}"
    judged = _ours(row, among) if row is among.ours else _against_ours(row, among.ours)
    lost = row.mean(LOST)
    return f"{judged}; {lost:.2g} % of the work is done twice" if lost >= LEAST_LOST_PERCENT else judged


def late(percent: float) -> str:
    """Return the share of late messages as text."""
    if math.isnan(percent):
        return "lateness unknown"
    if percent == 0:
        return "0 % late"
    return f"{percent:.2f} % late" if percent >= NEAR_POINTS else "less than 0.01 % late"


def _result(row: ComparisonRow) -> str:
    oracle = row.mean(ORACLE)
    relative = "" if row.is_limit or math.isnan(oracle) else f", {oracle:.2f} x the clairvoyant"
    cost = row.mean(COST)
    return late(row.mean(LATE)) + ("" if math.isnan(cost) else f" at {cost:.2f} x the cost of the work alone{relative}")


def _ours(row: ComparisonRow, among: PolicyComparison) -> str:
    better = among.better(row)
    if len(among.competitors) == 1:
        return _result(row)
    if not better:
        return f"{_result(row)}; no other policy is better in both"
    names = ", ".join(other.label for other in better[:3]) + (" and others" if len(better) > 3 else "")
    return f"{_result(row)}; better in both cost and lateness: {names}"


def _against_ours(row: ComparisonRow, ours: ComparisonRow | None) -> str:
    if ours is None or row.against is None or math.isnan(row.against[COST.field].mean):
        return _result(row)
    late_direction, cost_direction = _late_direction(row), _cost_direction(row, ours)
    lateness = f"{late(row.mean(LATE))} (ours: {_share(ours)})"
    cost = _cost(row, ours)
    match late_direction, cost_direction:
        case 0, 0:
            return f"no clear difference to ours: {_result(row)}"
        case 0, _:
            return f"{cost}, with no {'fewer' if cost_direction > 0 else 'more'} late messages: {late(row.mean(LATE))}"
        case _, 0:
            return f"{lateness}, at the same cost"
    if late_direction == cost_direction:
        return f"{'worse' if late_direction > 0 else 'better'} in both: {cost}, and {lateness}"
    return f"{cost}, but {lateness}"


def _late_direction(row: ComparisonRow) -> int:
    """Return 1 if more messages are late than with this autoscaler, -1 if fewer, 0 without a clear difference."""
    return _direction(row, LATE.field, NEAR_POINTS)


def _cost_direction(row: ComparisonRow, ours: ComparisonRow) -> int:
    return _direction(row, COST.field, NEAR_RATIO * ours.mean(COST))


def _direction(row: ComparisonRow, field: str, near: float) -> int:
    difference = row.against[field] if row.against else MeanWithInterval(0.0)
    if abs(difference.mean) < near or not difference.is_clear:
        return 0
    return 1 if difference.mean > 0 else -1


def _cost(row: ComparisonRow, ours: ComparisonRow) -> str:
    ratio = row.mean(COST) / ours.mean(COST)
    if ratio >= 2:
        return f"{ratio:.1f} times the cost of ours"
    percent = abs(ratio - 1) * 100
    change = f"{percent:.{0 if percent >= 10 else 1}f} %"
    return f"{change} more expensive than ours" if ratio > 1 else f"{change} cheaper than ours"


def _share(row: ComparisonRow) -> str:
    return late(row.mean(LATE)).removesuffix(" late")
