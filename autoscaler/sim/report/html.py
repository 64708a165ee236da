"""Render the comparison as one HTML page that needs only a browser: no network and no other file.

All names are escaped. The Content-Security-Policy of the page permits its own script and style, by their hashes, and no
network request.
"""

from __future__ import annotations

import re
import zlib
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from importlib.resources import files
from string import Template

from autoscaler import __version__
from autoscaler.core.figures import number
from autoscaler.pricing import NoPrice
from autoscaler.sim.report.comparison import (
    ELASTICITY,
    ComparisonRow,
    MeanWithInterval,
    Measure,
    PolicyComparison,
    Study,
    compare,
    measures,
    saving,
    span,
    verdict,
)
from autoscaler.sim.report.head import ReportHead, asset
from autoscaler.sim.report.pictures import dumped, pictures

SCRIPTS = ("time.js", "scatter.js", "charts.js", "page.js")
"""The parts of the script, in this order, after the charts that the daemon's page also uses."""

SHARED = ("figures.js", "linked.js")
"""The charts that the daemon's page also uses, as modules."""

_MODULE = re.compile(r"^(?:export |import .*\n)", re.MULTILINE)


def page(study: Study) -> str:
    """Return the page. It can be encoded as UTF-8 for any names."""
    columns = measures(study)
    comparison = compare(study.runs, columns)
    style = _vendored("uPlot.min.css") + _charts("charts.css") + _asset("page.css")
    name = study.workload.name
    head = ReportHead(f"{name}: cost against lateness", name, _facts(study), "scores", "simulate")
    library, own = _library(), "(() => {\n'use strict';\n" + _shared() + "".join(map(_asset, SCRIPTS)) + "})();"
    filled = Template(_asset("page.html")).substitute(
        head=head.html(style, [library, own]),
        library=library,
        script=own,
        licence=escape(_vendored("LICENSE").replace("--", "- -")),
        data=_packed(dumped(pictures(study, comparison))),
        options="".join(_option(at, row, comparison) for at, row in enumerate(comparison.rows)),
        money=_money(study),
        table=_table(comparison, columns, "scores", study),
        elasticity=_table(comparison, ELASTICITY, "elasticity", study),
        meanings="".join(f"<dt>{escape(m.title)}</dt><dd>{escape(m.meaning)}</dd>" for m in (*columns, *ELASTICITY)),
        verdicts="".join(_verdict(row, comparison) for row in comparison.rows),
        world=escape(study.world),
        seeds=escape(_seeds(study)),
        settings="".join(_settings(row) for row in comparison.rows),
        command=escape(study.command),
        version=escape(__version__),
    )
    return filled.encode(errors="backslashreplace").decode()


def _asset(name: str) -> str:
    return asset("autoscaler.sim.report", name)


def _vendored(name: str) -> str:
    return files("autoscaler").joinpath("vendored", "uplot", name).read_text(encoding="utf-8")


def _charts(name: str) -> str:
    return files("autoscaler").joinpath("charts", name).read_text(encoding="utf-8")


def _shared() -> str:
    """Return the charts without what is a syntax error in a script that is no module."""
    return "".join(_MODULE.sub("", _charts(name)) for name in SHARED)


def _library() -> str:
    """Return uPlot without its banner, which contains a URL. The page includes its licence."""
    return _vendored("uPlot.iife.min.js").partition("*/")[2]


def _packed(text: str) -> str:
    """Compress the data: the sentences of a week alone are megabytes."""
    return b64encode(zlib.compress(text.encode(), level=9)).decode()


def _facts(study: Study) -> Iterator[str]:
    load = study.workload
    if study.scenario:
        yield f"scenario: <b>{escape(study.sentence)}</b>"
    yield f"<b>{len(load.arrivals_s):,}</b> messages in <b>{span(load.length_s)}</b>"
    yield f"work for <b>{number(study.mean_tasks)}</b> tasks on average"
    yield f"latency target <b>{span(study.latency_s)}</b>"
    yield _seeds(study)


def _money(study: Study) -> str:
    """Return the saving, and the price that it is computed with, as a section; nothing without a price."""
    if study.price is None:
        return ""
    saved = saving(study)
    sentence = "" if saved is None else f'<p class="saving">{escape(saved.sentence)}</p>'
    price = f"No dollars: {study.price.text}." if isinstance(study.price, NoPrice) else f"Price: {study.price.text}."
    return (
        f'<section class="money" aria-label="Cost per month">{sentence}<p class="price">{escape(price)}</p></section>'
    )


def _seeds(study: Study) -> str:
    if len(study.seeds) == 1:
        return f"seed {study.seeds[0]}"
    numbers = ", ".join(map(str, study.seeds))
    return f"means over {len(study.seeds)} seeds ({numbers}); charts of seed {study.seed}"


def _option(at: int, row: ComparisonRow, comparison: PolicyComparison) -> str:
    first = comparison.ours or comparison.rows[0]
    return f'<option value="{at}"{" selected" if row is first else ""}>{escape(row.label)}</option>'


def _table(comparison: PolicyComparison, measures: Sequence[Measure], name: str, study: Study) -> str:
    heads = "".join(map(_heading, measures))
    best = {measure.field: comparison.best(measure) for measure in measures if measure not in ELASTICITY}
    rows = "".join(_line(at, row, measures, best) for at, row in enumerate(comparison.rows))
    caption = "Scores" if name == "scores" else "Elasticity"
    seeds = (
        "" if len(study.seeds) == 1 else ", means with 95 % confidence intervals; below them, the difference to ours"
    )
    return (
        f'<table id="{name}"><caption>{caption} of each policy{seeds}</caption>'
        f'<thead><tr><th scope="col"><button type="button">policy</button></th>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def _heading(measure: Measure) -> str:
    unit = f" <small>{measure.unit}</small>" if measure.unit else ""
    title = f'title="{escape(measure.meaning)}"'
    return f'<th scope="col"><button type="button" {title}>{escape(measure.title)}{unit}</button></th>'


def _line(at: int, row: ComparisonRow, measures: Iterable[Measure], best: dict[str, frozenset[str]]) -> str:
    cells = "".join(_cell(row, measure, row.label in best.get(measure.field, ())) for measure in measures)
    return f'<tr data-row="{at}"><th scope="row"><button type="button">{escape(row.label)}</button></th>{cells}</tr>'


def _cell(row: ComparisonRow, measure: Measure, best: bool) -> str:
    known = row.figures[measure.field]
    text = measure.text(known.mean) + _half_width(measure, known)
    marked = f'<b title="best in its column">{text}</b>' if best else text
    return f'<td data-value="{known.mean:.6g}">{marked}{_difference(row, measure)}</td>'


def _half_width(measure: Measure, known: MeanWithInterval) -> str:
    return "" if known.half_width is None else f" <small>±{measure.text(known.half_width)}</small>"


def _difference(row: ComparisonRow, measure: Measure) -> str:
    """Return the difference to this autoscaler, if its interval is known and the row is of another policy."""
    known = row.against[measure.field] if row.against else MeanWithInterval(0.0)
    if known.half_width is None or (known.mean == 0 and known.half_width == 0):
        return ""
    kind = "clear" if known.is_clear else "unclear"
    return f'<span class="{kind}">{measure.signed(known.mean)}{_half_width(measure, known)}</span>'


def _verdict(row: ComparisonRow, comparison: PolicyComparison) -> str:
    return f"<dt>{escape(row.label)}</dt><dd>{escape(verdict(row, comparison))}</dd>"


def _settings(row: ComparisonRow) -> str:
    return f"<dt>{escape(row.policy)}</dt><dd>{escape(row.settings or 'defaults')}</dd>"
