"""The report page in a real browser: its content and its controls."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from autoscaler.sim.report.comparison import Study
from autoscaler.sim.report.html import page
from tests.browser import BrowserTab, opened, required
from tests.sim.report import made

NASTY = '</script><b onclick="x">orders</b>'

pytestmark = pytest.mark.real

PAINTED = """(() => {
  const canvas = document.querySelector('#%s canvas'), {width, height} = canvas;
  const bytes = canvas.getContext('2d').getImageData(0, 0, width, height).data, seen = new Set();
  for (let k = 0; k < bytes.length; k += 4) if (bytes[k + 3]) seen.add(bytes.slice(k, k + 3).join());
  return seen.size;
})()"""
CENTRE = """(() => {
  const node = document.querySelector(%r);
  node.scrollIntoView({block: 'center'});
  const {x, y, width, height} = node.getBoundingClientRect();
  return [x + width / 2, y + height / 2];
})()"""
DRAWING = "document.querySelector('#c-tasks canvas').toDataURL()"
REASON = "document.getElementById('why').textContent"


@asynccontextmanager
async def opened_page(
    folder: Path, study: Study | None = None, *, width: int = 1280, phone: bool = False, dark: bool = False
) -> AsyncIterator[BrowserTab]:
    file = folder / "report.html"
    file.write_text(page(study or made.study(hours=6, name=NASTY)))
    async with opened(required(), file.as_uri(), folder / "profile") as tab:
        await tab.size(width, 900, phone=phone, dark=dark)
        await tab.until("document.documentElement.dataset.drawn")
        yield tab


async def test_the_page_shows_charts_tables_and_reasons(tmp_path: Path) -> None:
    async with opened_page(tmp_path) as tab:
        assert await tab.value("document.documentElement.dataset.drawn") == "yes"
        for chart in ("c-tasks", "c-waits", "c-arrivals", "c-cost"):
            assert await tab.value(PAINTED % chart) > 5, f"{chart} is blank"
        assert await tab.value("document.querySelectorAll('#scores tbody tr').length") == len(made.POLICIES)
        assert await tab.value("document.querySelectorAll('#place .point').length") == len(made.POLICIES)
        assert await tab.value("document.querySelector('h1').textContent") == NASTY

        x, y = await tab.value(CENTRE % "#c-tasks .u-over")
        assert "Point at a chart" in await tab.value(REASON)
        await tab.point(x, y)
        await tab.until(f"{REASON}.includes('tasks required')")
        assert await tab.value("document.querySelector('[data-field=running]').textContent") != ""
        assert await tab.value("document.querySelector('[data-field=billed]').textContent") != ""
        tips = await tab.value("[...document.querySelectorAll('.tip:not([hidden])')].map(tip => tip.innerText)")
        assert len(tips) == 1, "only at the pointer"
        assert {"needed", "desired", "running"} <= set(tips[0].split("\n"))

        assert errors(tab) == []
        assert requested(tab) == [(tmp_path / "report.html").as_uri()]


async def test_a_policy_can_be_selected_a_chart_zoomed_and_the_decisions_stepped_through(tmp_path: Path) -> None:
    async with opened_page(tmp_path) as tab:
        await tab.value("document.querySelector('#place .point[data-row=\"3\"]').dispatchEvent(new Event('click'))")
        assert await tab.value("document.getElementById('policy').selectedOptions[0].textContent") == "keda"
        assert (await tab.value("document.getElementById('said-verdict').textContent")).startswith("keda: ")
        assert await tab.value("document.querySelector('tr.chosen th').textContent") == "keda"
        assert await tab.value("document.querySelector('#place .chosen').dataset.row") == "3"

        x, y = await tab.value(CENTRE % "#c-waits .u-over")
        await tab.point(x - 100, y)
        await tab.point(x - 100, y, "mousePressed", button="left", buttons=1, clickCount=1)
        await tab.point(x + 100, y, buttons=1)
        await tab.point(x + 100, y, "mouseReleased", button="left", clickCount=1)
        await tab.until("!document.getElementById('whole').hidden")
        await tab.value("document.getElementById('whole').click()")
        await tab.until("document.getElementById('whole').hidden")

        await tab.value("document.querySelector('#c-tasks .plot').focus()")
        await tab.point(1, 1)
        await tab.until(f"{REASON}.includes('Point at a chart')")
        await tab.key("ArrowRight")
        await tab.until(f"{REASON}.includes('tasks required')")
        first = await tab.value(REASON)
        await tab.key("ArrowRight")
        await tab.until(f"{REASON} !== {first!r}")
        await tab.key("ArrowLeft")
        await tab.until(f"{REASON} === {first!r}")
        await tab.key("+")
        await tab.until("!document.getElementById('whole').hidden")
        assert errors(tab) == []


async def test_a_changed_colour_scheme_keeps_the_zoom_and_the_selected_instant(tmp_path: Path) -> None:
    async with opened_page(tmp_path) as tab:
        await tab.value("document.querySelector('#c-tasks .plot').focus()")
        await tab.key("ArrowRight")
        await tab.until(f"{REASON}.includes('tasks required')")
        for _ in range(12):
            await tab.key("+")
        seen = await tab.value(REASON), await tab.value("document.getElementById('at').textContent")
        await tab.value(f"(window.light = {DRAWING}, true)")
        await tab.size(1280, 900, dark=True)
        await tab.until(f"window.light !== {DRAWING}")
        assert seen == (await tab.value(REASON), await tab.value("document.getElementById('at').textContent"))
        assert not await tab.value("document.getElementById('whole').hidden")
        assert await tab.value("document.activeElement.parentNode.id") == "c-tasks"


async def test_the_table_can_be_sorted(tmp_path: Path) -> None:
    async with opened_page(tmp_path) as tab:
        costs = "[...document.querySelectorAll('#scores tbody tr')].map(line => +line.cells[5].dataset.value)"
        unsorted = await tab.value(costs)
        head = "document.querySelectorAll('#scores thead th')[5]"
        for order, expected in (
            ("ascending", sorted(unsorted)),
            ("descending", sorted(unsorted)[::-1]),
            (None, unsorted),
        ):
            await tab.value(f"{head}.querySelector('button').click()")
            assert await tab.value(costs) == expected
            assert await tab.value(f"{head}.getAttribute('aria-sort')") == order


@pytest.mark.parametrize("shape", [{}, {"ahead": 0.5}], ids=["no messages", "far too late"])
async def test_extreme_runs_are_drawn(tmp_path: Path, shape: Any) -> None:
    load = made.workload(hours=1, mean_tasks=8 if shape else 0)
    study = Study(load, 1, 60.0, made.WORLD, made.COMMAND, (made.run(load, "ours", **shape),))
    async with opened_page(tmp_path, study) as tab:
        assert await tab.value("document.documentElement.dataset.drawn") == "yes"
        assert await tab.value(PAINTED % "c-waits") > 5
        assert errors(tab) == []


@pytest.mark.parametrize(("width", "phone"), [(360, True), (1280, False)])
@pytest.mark.parametrize("dark", [False, True])
async def test_the_page_fits_a_phone_and_a_desktop_in_light_and_dark_mode(
    tmp_path: Path, width: int, phone: bool, dark: bool
) -> None:
    async with opened_page(tmp_path, width=width, phone=phone, dark=dark) as tab:
        assert await tab.value("document.documentElement.scrollWidth") <= width
        assert 0.8 * width < await tab.value("document.querySelector('#c-tasks canvas').getBoundingClientRect().width")
        background, text_color = await tab.value(
            "['backgroundColor', 'color'].map(name => getComputedStyle(document.body)[name].match(/\\d+/g).map(Number))"
        )
        assert (luminance(background) < luminance(text_color)) is dark
        for name in ("ink", "soft", "blue", "green"):
            text = await tab.value(f"getComputedStyle(document.documentElement).getPropertyValue('--{name}').trim()")
            assert contrast([int(text[k : k + 2], 16) for k in (1, 3, 5)], background) >= 4.5, name


def errors(tab: BrowserTab) -> list[object]:
    """Return the exceptions and log entries of the browser."""
    return [
        one
        for one in tab.events
        if one["method"] in {"Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled"}
    ]


def requested(tab: BrowserTab) -> list[str]:
    """Return every requested URL."""
    return [one["params"]["request"]["url"] for one in tab.events if one["method"] == "Network.requestWillBeSent"]


def luminance(colour: list[int]) -> float:
    """Return the relative luminance as defined in WCAG 2."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (part / 255 for part in colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: list[int], other: list[int]) -> float:
    darker, lighter = sorted([luminance(one), luminance(other)])
    return (lighter + 0.05) / (darker + 0.05)
