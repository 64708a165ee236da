"""The parts of a dashboard: sections, panels, queries, variables and annotations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Shape(StrEnum):
    """The Grafana panel types that are used."""

    STAT = "stat"
    CURVES = "timeseries"
    STATES = "state-timeline"
    TABLE = "table"


class Unit(StrEnum):
    """Grafana unit names."""

    COUNT = "short"
    SECONDS = "s"
    RATIO = "percentunit"
    BYTES = "bytes"
    DOLLARS = "currencyUSD"
    PER_SECOND = "cps"
    HOURS = "h"
    TEXT = "string"


Names = Mapping[str, tuple[str, str]]
"""The text and the colour of each value."""

GOOD, WARN, BAD, CALM = "green", "orange", "red", "blue"
"""Colours by meaning."""


@dataclass(frozen=True, slots=True)
class PanelQuery:
    """A PromQL expression. `legend`: name of its series, with labels as `{{label}}`. `column`: its name in a table."""

    expr: str
    legend: str = ""
    column: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. Width and height are in cells of the Grafana grid, 24 per row.

    `steps`: thresholds with a colour each, the first for all lower values (empty: no thresholds). `names`: texts and
    colours of values. `columns`: the same for the columns of a table. `dashed`: legends of series with dashed lines.
    `units`: units of columns or legends that differ from `unit`.
    """

    title: str
    description: str
    queries: tuple[PanelQuery, ...]
    shape: Shape = Shape.CURVES
    unit: Unit = Unit.COUNT
    width: int = 12
    height: int = 8
    steps: tuple[tuple[float | None, str], ...] = ()
    names: Names = field(default_factory=dict)
    dashed: tuple[str, ...] = ()
    units: Mapping[str, Unit] = field(default_factory=dict)
    columns: Mapping[str, Names] = field(default_factory=dict)
    stacked: bool = False
    most: float | None = None
    decimals: int | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """A heading across the dashboard, and the panels below it."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """A selection of values of `label` of the metric. `several`: more than one can be selected, by default all."""

    name: str
    label: str
    metric: str
    title: str
    several: bool = True


@dataclass(frozen=True, slots=True)
class Mark:
    """An annotation in all panels, at the times at which the expression has a value."""

    name: str
    expr: str
    text: str
    colour: str


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A dashboard. `uid`: its identifier in links."""

    uid: str
    title: str
    description: str
    variables: tuple[Variable, ...]
    sections: tuple[Section, ...]
    marks: tuple[Mark, ...] = ()

    @property
    def panels(self) -> tuple[Panel, ...]:
        return tuple([panel for section in self.sections for panel in section.panels])

    @property
    def expressions(self) -> tuple[str, ...]:
        """All PromQL expressions of the dashboard."""
        of_panels = [query.expr for panel in self.panels for query in panel.queries]
        return (*of_panels, *(mark.expr for mark in self.marks))


Json = dict[str, Any]
