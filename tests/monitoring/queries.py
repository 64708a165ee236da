"""Find the metric names and label names in a PromQL expression."""

from __future__ import annotations

import re

METRIC = re.compile(r"(?<![\w:])((?:(?:ecs_service|region|category|job):)?(?:autoscaler|process)_[a-z0-9_:]+)")
SELECTED = re.compile(r'([a-z_]+)\s*(?:=~|!~|!=|=)\s*"')
GROUPED = re.compile(r"\b(?:by|without|ignoring|on)\s*\(([a-z_, ]*)\)")
NAMED = re.compile(r"\{\{\s*(?:\$labels\.)?([a-z_]+)\s*\}\}")

VARIABLES = {
    "$__rate_interval": "10s",
    "$__range": "1h",
    "$account": ".*",
    "$region": ".*",
    "$cluster": ".*",
    "$service": ".*",
    "$instance": ".*",
}


def metrics_in(expr: str) -> set[str]:
    return set(METRIC.findall(expr))


def labels_in(expr: str) -> set[str]:
    """Return the labels in selectors and in groupings."""
    grouped = {label.strip() for labels in GROUPED.findall(expr) for label in labels.split(",")}
    return set(SELECTED.findall(expr)) | (grouped - {""})


def filled(expr: str, **values: str) -> str:
    """Return the expression with the dashboard's variables replaced. `values` override the defaults."""
    for name, value in (VARIABLES | {f"${key}": value for key, value in values.items()}).items():
        expr = expr.replace(name, value)
    return expr
