"""What a dashboard is made of, in the words of its author: panels, their queries, and how values are to be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Shape(StrEnum):
    """The kinds of panels of Grafana that are used here."""

    STAT = "stat"
    CURVES = "timeseries"
    STATES = "state-timeline"
    TABLE = "table"


class Unit(StrEnum):
    """Grafana's own names of units."""

    COUNT = "short"
    SECONDS = "s"
    RATIO = "percentunit"
    BYTES = "bytes"
    DOLLARS = "currencyUSD"
    PER_SECOND = "cps"
    HOURS = "h"
    TEXT = "string"


Names = Mapping[str, tuple[str, str]]
"""What a value is called, and its colour."""

GOOD, WARN, BAD, CALM = "green", "orange", "red", "blue"
"""Colours, by what they say."""


@dataclass(frozen=True, slots=True)
class Query:
    """A PromQL expression. `legend` is the name of its series, with labels as `{{label}}`. `column`: its name in a
    table.
    """

    expr: str
    legend: str = ""
    column: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. Width and height are in cells of Grafana's grid, 24 to a row.

    `steps`: colours, each from a value on, the first from the least (empty: no colour means anything). `names`: what
    values are called, and in which colour; `columns`: the same, of columns of a table. `dashed`: legends of series that
    are bounds. `units`: of columns or legends that differ.
    """

    title: str
    description: str
    queries: tuple[Query, ...]
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
    """A heading across the dashboard, and what stands below it."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """What the reader may choose: the values of `label` of the metric. `several`: more than one, and all at first."""

    name: str
    label: str
    metric: str
    title: str
    several: bool = True


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened, drawn across all panels: where the expression has a value."""

    name: str
    expr: str
    text: str
    colour: str


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A whole dashboard. `uid` is what links lead to."""

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
        """Every expression that it asks Prometheus for."""
        asked = [query.expr for panel in self.panels for query in panel.queries]
        return (*asked, *(mark.expr for mark in self.marks))


Json = dict[str, Any]
