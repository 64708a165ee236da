"""The assessment as one HTML page that needs only a browser: no script, no network, and no other file.

It has the style of the simulator's report. The charts are drawn here, as SVG. All names are escaped, and the
Content-Security-Policy permits only the style of the page.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from html import escape
from string import Template
from typing import NamedTuple

import numpy as np

from autoscaler import __version__
from autoscaler.assess.assessment import Amount, Assessed, Assessment
from autoscaler.assess.document import headline
from autoscaler.assess.notes import percent
from autoscaler.assess.recorded import DAY_S, HOUR_S, TASKS_S, ServicePast
from autoscaler.core.figures import number, seconds, several
from autoscaler.pricing import dollars
from autoscaler.sim.model import MINUTE_S, Floats
from autoscaler.sim.report.head import ReportHead, asset


def page(found: Assessment, command: str) -> str:
    """Return the page. `command` repeats the assessment."""
    style = asset("autoscaler.sim.report", "page.css") + asset("autoscaler.assess", "assess.css")
    title = f"{found.read.cluster}: cost and lateness of its services"
    filled = Template(asset("autoscaler.assess", "assess.html")).substitute(
        head=ReportHead(title, headline(found), _facts(found), "services", "assess").html(style),
        rows="".join(map(_row, found.services)),
        total=_total(found),
        services="".join(_section(at, one, found) for at, one in enumerate(found.services)),
        command=escape(command),
        calls=escape(several(found.read.calls, "AWS call")),
        version=escape(__version__),
    )
    return filled.encode(errors="backslashreplace").decode()


def _facts(found: Assessment) -> Iterator[str]:
    read = found.read
    first, last = (f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}" for at in read.span)
    yield f"cluster <b>{escape(read.cluster)}</b> in <b>{escape(read.region)}</b>"
    yield f"<b>{several(len(found.services), 'service')}</b>, {len(found.compared)} compared"
    yield f"{first} to {last} UTC"
    yield f"latency target <b>{seconds(found.latency_s)}</b>"


# The table.


def _row(one: Assessed) -> str:
    queue = escape(one.service.chosen.name) or "–"
    cells = [
        f'<td class="name">{queue}</td>',
        _number(_month(one.now)),
        _number(_month(one.then), _range(one.low, one.high)),
        _saving(one),
        _number(_percent(one.late_now)),
        _number(_percent(one.late_then)),
    ]
    return f'<tr><th scope="row"><a href="#{_anchor(one)}">{escape(one.name)}</a></th>{"".join(cells)}</tr>'


def _saving(one: Assessed) -> str:
    if one.saving is None:
        return _number("–")
    low, high = one.saving_range or (None, None)
    value = one.saving.dollars if one.saving.dollars is not None else one.saving.task_hours
    kind = "gain" if value > 0 else "loss" if value < 0 else ""
    return _number(_month(one.saving, signed=True), _range(low, high), kind)


def _total(found: Assessment) -> str:
    low, high = found.total_range
    cells = [
        _number(_month(found.total_now)),
        _number(""),
        _number(_month(found.total_saving, True), _range(low, high)),
    ]
    return f'<tr><th scope="row">total</th><td></td>{"".join(cells)}<td></td><td></td></tr>'


def _number(text: str, more: str = "", kind: str = "") -> str:
    small = f"<small>{escape(more)}</small>" if more else ""
    return f"<td{f' class={kind}' if kind else ''}>{escape(text)}{small}</td>"


def _month(amount: Amount | None, signed: bool = False) -> str:
    if amount is None:
        return "–"
    if amount.dollars is None:
        return f"{amount.task_hours:+,.0f} h" if signed else f"{amount.task_hours:,.0f} h"
    text = dollars(amount.dollars)
    return f"+{text}" if signed and amount.dollars > 0 and text.startswith("$") else text


def _range(low: Amount | None, high: Amount | None) -> str:
    if low is None or high is None or _month(low) == _month(high):
        return ""
    return f"{_month(low)} to {_month(high)}"


def _percent(ratio: float | None) -> str:
    return "–" if ratio is None else percent(ratio)


# One section per service: its notes, and two charts.


def _anchor(one: Assessed) -> str:
    return f"service-{escape(one.name, quote=True)}"


def _section(at: int, one: Assessed, found: Assessment) -> str:
    notes = "".join(f"<li>{escape(note)}</li>" for note in one.notes)
    past = one.service.recorded
    charts = "" if past is None else "".join(_figure(each, past) for each in _charts(one, past, found.latency_s))
    return (
        f'<section class="service" id="{_anchor(one)}" aria-labelledby="h-{at}"><h2 id="h-{at}">{escape(one.name)}</h2>'
        f'{charts}<ul class="notes">{notes}</ul></section>'
    )


class Chart(NamedTuple):
    """A chart by the hour: the record, and the simulated days with the hour at which each begins. `line`: a value with
    its name (None: no line).
    """

    title: str
    unit: str
    recorded: Floats
    simulated: tuple[tuple[float, Floats], ...]
    line: tuple[float, str] | None = None

    @property
    def top(self) -> float:
        highest = [float(values.max(initial=0.0)) for values in (self.recorded, *(each for _, each in self.simulated))]
        return max(1.0, *highest)


def _charts(one: Assessed, past: ServicePast, latency_s: float) -> Iterator[Chart]:
    days = () if one.replayed is None else one.replayed.days
    periods, minutes = int(HOUR_S / TASKS_S), int(HOUR_S / MINUTE_S)
    simulated = tuple((day.first / minutes, hourly(found.tasks, periods)) for day, found in days)
    yield Chart(f"Tasks of {one.name}", "Tasks", hourly(past.tasks.tasks, periods), simulated)
    if one.service.chosen.queues:
        simulated = tuple((day.first / minutes, hourly(found.age_s, periods)) for day, found in days)
        line = (latency_s, f"latency target {seconds(latency_s)}")
        ages = hourly(np.nan_to_num(past.age_s), minutes)
        yield Chart(f"Age of the oldest message of {one.name}", "Oldest message (s)", ages, simulated, line)


def hourly(values: Floats, per: int) -> Floats:
    """Return the highest value of each hour."""
    size = len(values) // per
    return np.asarray(values[: size * per].reshape(size, per).max(axis=1)) if size else values


WIDTH, HEIGHT = 1000.0, 110.0
"""Size of a chart in its own units."""


def _figure(chart: Chart, past: ServicePast) -> str:
    """Return the record as an area, the simulated days as lines, and the line."""
    hours, top = max(1, len(chart.recorded)), chart.top
    shapes = [f'<path class="now" d="{_path(chart.recorded, 0.0, hours, top)} V{HEIGHT:g} H0 Z"/>']
    shapes += [f'<path class="then" d="{_path(each, first, hours, top)}"/>' for first, each in chart.simulated]
    keys = ['<li><i class="now"></i>recorded</li>']
    keys += ['<li><i class="then"></i>with this autoscaler</li>'] if chart.simulated else []
    if chart.line is not None:
        value, name = chart.line
        keys.append(f'<li><i class="target"></i>{escape(name)}</li>')
        if value < top:
            shapes.append(f'<path class="target" d="M0 {HEIGHT - HEIGHT * value / top:.1f} H{WIDTH:g}"/>')
    said = f"{chart.title}, highest of each hour: at most {number(float(chart.recorded.max(initial=0.0)))} recorded"
    return (
        f'<figure class="past"><figcaption><h3>{escape(chart.unit)} <small>highest of each hour</small></h3>'
        f'<ul class="keys">{"".join(keys)}</ul></figcaption><div class="frame"><span class="top">{number(top)}</span>'
        f'<svg role="img" aria-label="{escape(said, quote=True)}" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" '
        f'preserveAspectRatio="none">{"".join(shapes)}</svg></div><ol class="days">{_dates(past)}</ol></figure>'
    )


def _path(values: Floats, first_hour: float, hours: int, top: float) -> str:
    """Return a step line. A run of equal values is one segment."""
    parts, last = list[str](), None
    for index, value in enumerate(values.tolist()):
        x, y = WIDTH * (first_hour + index) / hours, HEIGHT - HEIGHT * value / top
        if last is None:
            parts.append(f"M{x:.1f} {y:.1f}")
        elif y != last:
            parts.append(f"H{x:.1f}V{y:.1f}")
        last = y
    parts.append(f"H{WIDTH * (first_hour + len(values)) / hours:.1f}")
    return "".join(parts)


def _dates(past: ServicePast) -> str:
    """Return the dates below a chart: the first, and every day or every other day."""
    days = past.length_s / DAY_S
    if days < 1:
        return f"<li>{datetime.fromtimestamp(past.start, UTC):%Y-%m-%d %H:%M} UTC</li>"
    step = 1 if days <= 7 else 2
    return "".join(
        f"<li>{datetime.fromtimestamp(past.start + day * DAY_S, UTC):%b %d}</li>" for day in range(0, round(days), step)
    )
