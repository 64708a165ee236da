"""Panels as SVG and HTML, similar to Grafana's."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from html import escape
from typing import Any, NamedTuple

from autoscaler.monitoring.grafana import Names, Panel, PanelQuery, Unit
from tests.monitoring.queries import NAMED

COLOURS = {"green": "#73bf69", "orange": "#ff9830", "red": "#f2495c", "blue": "#5794f2", "text": "#d8d9e5"}
PALETTE = ("#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#b877d9", "#5794f2", "#37872d", "#fade2a", "#ffa6b0")
GRID, INK = "#2c3038", "#9fa3b0"

LEFT, BOTTOM, TOP = 52, 18, 6
"""Space for the numbers on the axes, in pixels."""

LEGEND = 18
"""Height of a legend line, in pixels."""

Span = tuple[float, float]
"""Start and end in seconds since the epoch, the same for all panels."""


class Curve(NamedTuple):
    """A named series. `points`: seconds since the epoch and finite values."""

    name: str
    points: list[tuple[float, float]]


def curves_of(queries: Iterable[PanelQuery], answers: Iterable[list[Any]]) -> list[Curve]:
    return [
        Curve(named(query.legend, series["metric"]), points)
        for query, answer in zip(queries, answers, strict=True)
        for series in answer
        if (points := _points(series))
    ]


def _points(series: Any) -> list[tuple[float, float]]:
    pairs = series["values"] if "values" in series else [series["value"]]
    return [(at, float(value)) for at, value in pairs if math.isfinite(float(value))]


def named(legend: str, labels: dict[str, str]) -> str:
    return NAMED.sub(lambda found: labels.get(found[1], ""), legend)


def shown(value: float, unit: Unit, decimals: int | None = None) -> str:
    """Return a value with its unit, in a short form."""
    match unit:
        case Unit.RATIO:
            return f"{100 * value:.{2 if decimals is None else decimals}f}".rstrip("0").rstrip(".") + "%"
        case Unit.SECONDS if 0 < value < 1:
            return f"{1000 * value:.3g} ms"
        case Unit.SECONDS if value >= 120:
            return f"{value / 60:.3g} min"
        case Unit.BYTES:
            return f"{value / 2**20:.3g} MiB"
    number = _grouped(value) if decimals is None else f"{value:,.{decimals}f}"
    return {Unit.SECONDS: f"{number} s", Unit.DOLLARS: f"${number}", Unit.HOURS: f"{number} h"}.get(
        unit, f"{number}/s" if unit is Unit.PER_SECOND else number
    )


def _grouped(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:.3g}"


def colour_of(value: float, panel: Panel) -> str:
    known = _name_of(value, panel.names)
    steps = [colour for least, colour in panel.steps if least is None or value >= least]
    return COLOURS.get(known[1] if known else steps[-1] if steps else "text", "none")


def _name_of(value: float, names: Names) -> tuple[str, str] | None:
    return names.get(f"{value:g}")


def stat(panel: Panel, curves: list[Curve]) -> str:
    """Draw each series' last value in large type."""
    return f'<div class="stats">{"".join(_stats(panel, curves))}</div>'


def _stats(panel: Panel, curves: list[Curve]) -> Iterator[str]:
    for curve in curves:
        value = curve.points[-1][1]
        known = _name_of(value, panel.names)
        unit = panel.units.get(curve.name, panel.unit)
        text = known[0] if known else shown(value, unit, panel.decimals)
        label = f"<small>{escape(curve.name)}</small>" if curve.name else ""
        yield f'<div style="color:{colour_of(value, panel)}">{label}<b>{escape(text)}</b></div>'


TABLE_LABELS = ("ecs_service", "ecs_cluster", "region")


def table(panel: Panel, answers: list[list[Any]]) -> str:
    """Draw a table with one row for each service, in the order of the panel."""
    rows: dict[tuple[str, ...], dict[str, float]] = {}
    for query, answer in zip(panel.queries, answers, strict=True):
        for series in answer:
            names = tuple(series["metric"].get(label, "") for label in TABLE_LABELS)
            rows.setdefault(names, {})[query.column] = float(series["value"][1])
    columns = [query.column for query in panel.queries]
    head = "".join(f"<th>{column}</th>" for column in ("service", "cluster", "region", *columns))
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(name)}</td>' for name in names)}{''.join(_cells(panel, columns, row))}</tr>"
        for names, row in sorted(rows.items(), key=lambda row: [-row[1].get(column, 0.0) for column in panel.sort])
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _cells(panel: Panel, columns: list[str], row: dict[str, float]) -> Iterator[str]:
    for column in columns:
        value = row.get(column)
        if value is None:
            yield f"<td>{panel.empty}</td>"
            continue
        names, steps = panel.columns.get(column, {}), panel.column_steps.get(column, ())
        own = replace(panel, names=names, steps=steps)
        known = _name_of(value, names)
        text = known[0] if known else shown(value, panel.units.get(column, panel.unit), panel.decimals)
        yield f'<td style="color:{colour_of(value, own)}">{escape(text)}</td>'


class Frame(NamedTuple):
    """The mapping of values and times to pixels."""

    width: int
    height: int
    begin: float
    end: float
    most: float

    def x(self, at: float) -> float:
        return LEFT + (self.width - LEFT - 4) * (at - self.begin) / max(1e-9, self.end - self.begin)

    def y(self, value: float) -> float:
        return self.height - BOTTOM - (self.height - BOTTOM - TOP) * value / self.most


def states(panel: Panel, curves: list[Curve], width: int, height: int, span: Span) -> str:
    """Draw one row for each series, coloured by its value."""
    begin, end = span
    frame, left = Frame(width, height, begin, end, 1.0), 110
    room = (height - BOTTOM - TOP) / max(1, len(curves))
    parts = []
    for row, curve in enumerate(curves):
        top = TOP + row * room
        parts.append(f'<text x="{left - 6}" y="{top + room / 2 + 4}" text-anchor="end">{escape(curve.name)}</text>')
        parts.append(f'<rect x="{left}" y="{top + 2}" width="{width - left - 4}" height="{room - 4}" fill="{GRID}"/>')
        for start, stop, value in _runs(curve.points):
            x, last = (left + (width - left - 4) * (at - begin) / (end - begin) for at in (start, stop))
            colour = colour_of(value, panel)
            parts.append(
                f'<rect x="{x:.1f}" y="{top + 2:.1f}" width="{last - x:.1f}" height="{room - 4:.1f}" fill="{colour}"/>'
            )
    return _svg(width, height, "".join(parts) + _times(frame, left))


def _runs(points: list[tuple[float, float]]) -> Iterator[tuple[float, float, float]]:
    """Yield (start, end, value) of each run of equal values."""
    start, value = points[0]
    for at, now in points[1:]:
        if now != value:
            yield start, at, value
            start, value = at, now
    yield start, points[-1][0], value


def curves(panel: Panel, drawn: list[Curve], width: int, height: int, span: Span) -> str:
    """Draw lines, or stacked areas, with a legend below."""
    lines = 1 + (sum(6 * len(curve.name) + 29 for curve in drawn) > width)
    height -= lines * LEGEND
    heights = _stacked(drawn) if panel.stacked else drawn
    top = panel.most or max((value for curve in heights for _, value in curve.points), default=1.0) or 1.0
    frame = Frame(width, height, *span, _round_up(top))
    parts = [_scale(frame, panel.unit), _times(frame, LEFT)]
    for number, curve in reversed(list(enumerate(heights))):
        parts.append(_line(frame, curve, PALETTE[number % len(PALETTE)], panel))
    return _svg(width, height, "".join(parts)) + _legend(drawn, lines)


def _line(frame: Frame, curve: Curve, colour: str, panel: Panel) -> str:
    """Draw one line, with gaps where there are no points for more than 2.5 s."""
    dashes = ' stroke-dasharray="6 5"' if curve.name in panel.dashed else ""
    parts = []
    for piece in _pieces(curve.points):
        path = " ".join(f"{frame.x(at):.1f},{frame.y(value):.1f}" for at, value in piece)
        if panel.stacked:
            floor = f"{frame.x(piece[-1][0]):.1f},{frame.y(0)} {frame.x(piece[0][0]):.1f},{frame.y(0)}"
            parts.append(f'<polygon points="{path} {floor}" fill="{colour}" fill-opacity="1"/>')
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"{dashes}/>')
    return "".join(parts)


def _pieces(points: list[tuple[float, float]]) -> Iterator[list[tuple[float, float]]]:
    piece = points[:1]
    for point in points[1:]:
        if point[0] - piece[-1][0] > 2.5:
            yield piece
            piece = []
        piece.append(point)
    yield piece


def _stacked(drawn: list[Curve]) -> list[Curve]:
    below: dict[float, float] = {}
    stacked = []
    for curve in drawn:
        points = []
        for at, value in curve.points:
            below[at] = below.get(at, 0.0) + value
            points.append((at, below[at]))
        stacked.append(Curve(curve.name, points))
    return stacked


def _round_up(value: float) -> float:
    """Round up to a number suitable as the end of an axis."""
    unit = 10.0 ** math.floor(math.log10(value))
    return next(step * unit for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * unit >= value * 0.999)


def _scale(frame: Frame, unit: Unit) -> str:
    parts = []
    for share in (0.0, 0.5, 1.0):
        y, text = frame.y(share * frame.most), escape(shown(share * frame.most, unit))
        parts.append(f'<line x1="{LEFT}" x2="{frame.width - 4}" y1="{y:.1f}" y2="{y:.1f}" stroke="{GRID}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
    return "".join(parts)


def _times(frame: Frame, left: int) -> str:
    parts = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        seconds = share * (frame.end - frame.begin)
        x = left + (frame.width - left - 4) * share
        anchor = "start" if share == 0 else "end" if share == 1 else "middle"
        text = f"{int(seconds // 60)}:{int(seconds % 60):02d}"
        parts.append(f'<text x="{x:.0f}" y="{frame.height - 3}" text-anchor="{anchor}">{text}</text>')
    return "".join(parts)


def _legend(drawn: list[Curve], lines: int) -> str:
    names = "".join(
        f'<span><i style="background:{PALETTE[number % len(PALETTE)]}"></i>{escape(curve.name)}</span>'
        for number, curve in enumerate(drawn)
        if curve.name
    )
    return f'<div class="legend" style="height:{lines * LEGEND}px">{names}</div>'


def _svg(width: int, height: int, inner: str) -> str:
    return f'<svg width="{width}" height="{height}" fill="{INK}" font-size="11">{inner}</svg>'
