"""Draw the three dashboards with data from a real Prometheus: `python -m tests.real.pictures`, about four minutes.

The pictures approximate Grafana's style; the grid, queries, units and colours are those of the dashboard JSON.
Requires Debian's Prometheus and Chromium; writes `docs/pictures/*.png`.
"""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
from html import escape
from pathlib import Path
from typing import Any

from autoscaler.monitoring import DAEMON, FLEET, SERVICE
from autoscaler.monitoring.grafana import Dashboard, Panel, Shape, as_grafana
from tests.real.charts import Span, curves, curves_of, stat, states, table
from tests.real.taking import Taken, taken

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
CELL, ROW, GAP, HEAD = 54, 33, 8, 44
WIDTH = 24 * CELL

STYLE = f"""
* {{ box-sizing: border-box; margin: 0 }}
body {{ background: #111217; color: #d8d9e5; font: 13px sans-serif; width: {WIDTH}px; position: relative }}
h1 {{ font-size: 17px; font-weight: 500; padding: 12px }}
h2 {{ position: absolute; font-size: 14px; font-weight: 500; left: 12px }}
section {{ position: absolute; background: #181b1f; border: 1px solid #2c3038; border-radius: 2px; padding: 6px 8px;
  overflow: hidden }}
h3 {{ font-size: 13px; font-weight: 500; margin-bottom: 4px }}
.stats {{ display: flex; gap: 20px; justify-content: center; align-items: center; height: calc(100% - 24px) }}
.stats div {{ text-align: center }} .stats b {{ font-size: 27px; font-weight: 500; display: block }}
.stats small {{ font-size: 12px; color: #9fa3b0 }}
.legend {{ font-size: 11px; color: #b6b9c5; line-height: 18px; overflow: hidden }}
.legend span {{ margin-right: 12px; white-space: nowrap }}
.legend i {{ display: inline-block; width: 12px; height: 3px; margin-right: 5px; vertical-align: middle }}
table {{ border-collapse: collapse; width: 100% }}
td, th {{ text-align: left; padding: 6px 8px; border-bottom: 1px solid #2c3038; font-weight: 400 }}
th {{ color: #8ab8ff }}
"""


def page(dashboard: Dashboard, answers: dict[str, list[Any]]) -> tuple[str, int]:
    """Return the dashboard as HTML, and its height in pixels."""
    laid = as_grafana(dashboard)["panels"]
    known = {panel.title: panel for panel in dashboard.panels}
    span = _span(answers)
    parts = []
    for each in laid:
        place = each["gridPos"]
        left, top = place["x"] * CELL, HEAD + place["y"] * ROW
        if each["type"] == "row":
            parts.append(f'<h2 style="top:{top + 10}px">{escape(each["title"])}</h2>')
            continue
        width, height = place["w"] * CELL - GAP, place["h"] * ROW - GAP
        box = f"left:{left + GAP / 2}px;top:{top + GAP / 2}px;width:{width}px;height:{height}px"
        inner = _drawn(known[each["title"]], answers[each["title"]], (width - 18, height - 38), span)
        parts.append(f'<section style="{box}"><h3>{escape(each["title"])}</h3>{inner}</section>')
    tall = HEAD + ROW * max(each["gridPos"]["y"] + each["gridPos"]["h"] for each in laid) + GAP
    head = f"<meta charset=utf-8><style>{STYLE} body {{ height: {tall}px }}</style>"
    return f"<!doctype html>{head}<h1>{escape(dashboard.title)}</h1>{''.join(parts)}", tall


def _span(answers: dict[str, list[Any]]) -> Span:
    """Return the first and the last time of all series."""
    series = [each for panel in answers.values() for answer in panel for each in answer]
    times = [at for each in series for at, _ in each.get("values", ())]
    return min(times), max(times)


def _drawn(panel: Panel, answers: list[Any], size: tuple[int, int], span: Span) -> str:
    if not any(answers):
        return f'<p class="stats">{escape(panel.empty)}</p>'
    if panel.shape is Shape.TABLE:
        return table(panel, answers)
    drawn = curves_of(panel.queries, answers)
    if panel.shape is Shape.STAT:
        return stat(panel, drawn)
    return (states if panel.shape is Shape.STATES else curves)(panel, drawn, *size, span)


def draw(answers: Taken) -> None:
    """Write each dashboard as a PNG to `FOLDER`."""
    FOLDER.mkdir(exist_ok=True)
    for dashboard in (FLEET, SERVICE, DAEMON):
        html, height = page(dashboard, answers[dashboard.uid])
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "page.html"
            source.write_text(html)
            _photograph(source, FOLDER / f"{dashboard.uid}.png", height, Path(folder) / "profile")


def _photograph(source: Path, target: Path, height: int, profile: Path) -> None:
    quiet = ("--disable-background-networking", "--disable-gpu", "--no-first-run", "--hide-scrollbars")
    command = ["chromium", "--headless", "--no-sandbox", *quiet, f"--user-data-dir={profile}"]
    size = (f"--window-size={WIDTH},{height}", f"--screenshot={target}")
    subprocess.run([*command, *size, source.as_uri()], check=True, capture_output=True, timeout=120)


if __name__ == "__main__":
    draw(asyncio.run(taken()))
