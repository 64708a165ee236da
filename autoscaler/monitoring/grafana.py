"""Convert a dashboard to JSON for Grafana 11 and 12 (schema 39; later versions migrate it on import).

The data source is a variable of the dashboard.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from string import ascii_uppercase
from typing import Any

# The parts of a dashboard: sections, panels, queries, variables and annotations.


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
    HOURS = "suffix: h"  # the unit `h` becomes days and weeks
    TEXT = "string"


Names = Mapping[str, tuple[str, str]]
"""The text and the colour of each value."""

Steps = tuple[tuple[float | None, str], ...]
"""Thresholds, each with its colour. None: all values below the next one."""

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
    `units`: units of columns or legends that differ from `unit`. `column_steps`: thresholds of columns. `sort`: the
    columns of a table that order its rows, highest first. `empty`: the text if there is no value.
    """

    title: str
    description: str
    queries: tuple[PanelQuery, ...]
    shape: Shape = Shape.CURVES
    unit: Unit = Unit.COUNT
    width: int = 12
    height: int = 8
    steps: Steps = ()
    names: Names = field(default_factory=dict)
    dashed: tuple[str, ...] = ()
    units: Mapping[str, Unit] = field(default_factory=dict)
    columns: Mapping[str, Names] = field(default_factory=dict)
    column_steps: Mapping[str, Steps] = field(default_factory=dict)
    sort: tuple[str, ...] = ()
    empty: str = ""
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


SCHEMA = 39
SOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24
LETTERS = ascii_uppercase
"""The names of the queries of a panel."""

SERVICE_UID = "autoscaler-service"


def as_grafana(dashboard: Dashboard, runbook_url: str | None = None) -> Json:
    """Return the dashboard, ready to be imported or provisioned. With the address of the runbook, it has a link."""
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.description,
        "tags": ["autoscaler"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timepicker": {},
        "timezone": "browser",
        "templating": {"list": [_data_source(), *map(_variable, dashboard.variables)]},
        "annotations": {"list": list(map(_annotation, dashboard.marks))},
        "links": list(_links(runbook_url)),
        "panels": list(_laid_out(dashboard.sections)),
    }


def _data_source() -> Json:
    return {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "refresh": 1}


def _variable(variable: Variable) -> Json:
    query = f"label_values({variable.metric}, {variable.label})"
    every = {"text": "All", "value": "$__all"}
    return {
        "name": variable.name,
        "label": variable.title,
        "type": "query",
        "datasource": SOURCE,
        "query": {"qryType": 1, "query": query, "refId": variable.name},
        "refresh": 2,
        "sort": 1,
        "multi": variable.several,
        "includeAll": variable.several,
        # The value of All also matches series without the label.
        **({"allValue": ".*", "current": every} if variable.several else {}),
    }


def _annotation(mark: Mark) -> Json:
    return {
        "name": mark.name,
        "datasource": SOURCE,
        "enable": True,
        "iconColor": mark.colour,
        "expr": mark.expr,
        "step": "1m",
        "titleFormat": mark.name,
        "textFormat": mark.text,
        "useValueForTime": False,
    }


def _links(runbook_url: str | None) -> Iterator[Json]:
    """Yield the link to the other two dashboards, with the same time range and services, and that to the runbook."""
    own = {"asDropdown": False, "includeVars": True, "keepTime": True, "targetBlank": False, "tooltip": "", "url": ""}
    yield {"title": "Autoscaler", "type": "dashboards", "icon": "external link", "tags": ["autoscaler"], **own}
    if runbook_url is not None:
        page = {"includeVars": False, "keepTime": False, "targetBlank": True, "url": runbook_url}
        yield {"title": "Runbook", "type": "link", "icon": "doc", "tags": [], **own, **page}


def _laid_out(sections: tuple[Section, ...]) -> Iterator[Json]:
    """Yield the panels from left to right and row by row, with a heading before each section."""
    number = y = 0
    for section in sections:
        number += 1
        at = {"x": 0, "y": y, "w": COLUMNS, "h": 1}
        yield {"id": number, "type": "row", "title": section.title, "collapsed": False, "gridPos": at, "panels": []}
        x, y, tallest = 0, y + 1, 0
        for panel in section.panels:
            if x + panel.width > COLUMNS:
                x, y, tallest = 0, y + tallest, 0
            number += 1
            yield as_panel(panel) | {"id": number, "gridPos": {"x": x, "y": y, "w": panel.width, "h": panel.height}}
            x, tallest = x + panel.width, max(tallest, panel.height)
        y += tallest


def as_panel(panel: Panel) -> Json:
    """Return one panel, without its position."""
    own: Json = {
        "type": panel.shape.value,
        "title": panel.title,
        "description": panel.description,
        "datasource": SOURCE,
        "targets": [_target(panel, *each) for each in zip(LETTERS, panel.queries, strict=False)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": list(_overrides(panel))},
        "options": _OPTIONS[panel.shape] | _sorted(panel),
    }
    return own | ({"transformations": _columns(panel)} if panel.shape is Shape.TABLE else {})


def _sorted(panel: Panel) -> Json:
    return {"sortBy": [{"displayName": column, "desc": True} for column in panel.sort]} if panel.sort else {}


def _target(panel: Panel, letter: str, query: PanelQuery) -> Json:
    now = panel.shape in {Shape.STAT, Shape.TABLE}
    return {
        "refId": letter,
        "datasource": SOURCE,
        "editorMode": "code",
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "instant": now,
        "range": not now,
        "format": "table" if panel.shape is Shape.TABLE else "time_series",
    }


def _defaults(panel: Panel) -> Json:
    limits = {"max": panel.most, "decimals": panel.decimals, "noValue": panel.empty or None}
    return {
        "unit": panel.unit.value,
        "min": 0,
        **{name: limit for name, limit in limits.items() if limit is not None},
        "color": {"mode": "palette-classic" if panel.shape is Shape.CURVES else "thresholds"},
        "thresholds": _thresholds(panel.steps or ((None, "text"),)),
        "mappings": _mappings(panel.names),
        "custom": _custom(panel),
    }


def _thresholds(steps: Steps) -> Json:
    return {"mode": "absolute", "steps": [{"value": value, "color": colour} for value, colour in steps]}


def _mappings(names: Names) -> list[Json]:
    options = {value: {"text": text, "color": colour} for value, (text, colour) in names.items()}
    return [{"type": "value", "options": options}] if names else []


def _custom(panel: Panel) -> Json:
    if panel.shape is Shape.CURVES:
        stacked = {"stacking": {"mode": "normal", "group": "A"}, "fillOpacity": 40} if panel.stacked else {}
        return {"lineWidth": 1, "fillOpacity": 5, "showPoints": "never", "spanNulls": False, **stacked}
    return {"fillOpacity": 80, "lineWidth": 0} if panel.shape is Shape.STATES else {}


COLOURED: Json = {"id": "custom.cellOptions", "value": {"type": "color-text"}}
"""The value of a table cell has the colour of its text or of its threshold."""


def _overrides(panel: Panel) -> Iterator[Json]:
    dashes = {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [8, 8]}}
    for legend in panel.dashed:
        yield _override(legend, [dashes, {"id": "custom.fillOpacity", "value": 0}])
    for name, unit in panel.units.items():
        yield _override(name, [{"id": "unit", "value": unit.value}])
    for name, names in panel.columns.items():
        yield _override(name, [{"id": "mappings", "value": _mappings(names)}, COLOURED])
    for name, steps in panel.column_steps.items():
        yield _override(name, [{"id": "thresholds", "value": _thresholds(steps)}, COLOURED])
    if panel.shape is Shape.TABLE:
        link = {
            "title": "Show the service",
            "url": f"/d/{SERVICE_UID}?${{datasource:queryparam}}&${{account:queryparam}}"
            "&var-region=${__data.fields.region:percentencode}&var-cluster=${__data.fields.cluster:percentencode}"
            "&var-service=${__value.text:percentencode}&${__url_time_range}",
        }
        yield _override("service", [{"id": "links", "value": [link]}])


def _override(name: str, properties: list[Json]) -> Json:
    return {"matcher": {"id": "byName", "options": name}, "properties": properties}


def _columns(panel: Panel) -> list[Json]:
    """Return the transformations to one row per service: its names, and the value of each query in its column."""
    letters = zip(LETTERS, panel.queries, strict=False)
    columns = {f"Value #{letter}": query.column for letter, query in letters}
    labels = {"ecs_service": "service", "ecs_cluster": "cluster", "region": "region"}
    names = labels | columns | {"account": "account"}
    order = {name: place for place, name in enumerate(names)}
    hidden = {"Time": True, "job": True}
    return [
        {"id": "merge", "options": {}},
        {"id": "organize", "options": {"renameByName": names, "indexByName": order, "excludeByName": hidden}},
    ]


_OPTIONS: dict[Shape, Json] = {
    Shape.STAT: {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "value",
        "graphMode": "none",
        "textMode": "auto",
    },
    Shape.CURVES: {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    Shape.STATES: {
        "mergeValues": True,
        "showValue": "never",
        "rowHeight": 0.9,
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False, "calcs": []},
        "tooltip": {"mode": "single", "sort": "none"},
    },
    Shape.TABLE: {"showHeader": True, "cellHeight": "sm"},
}
