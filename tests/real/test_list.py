"""The list of services in a real browser: one service and 1,000, in an outage, in groups, by keyboard and on a phone.

Each test uses one browser for all its fleets and screens.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from autoscaler.core.model import Backlog
from autoscaler.core.policy import Mode
from autoscaler.ports import ServiceRef
from autoscaler.telemetry import serve
from autoscaler.telemetry.past import PastSample, StatusHistory
from tests.browser import BrowserTab, opened, required
from tests.real.test_page import DRAWN, SERVICE_KEYS, external_requests, text, trouble, violations
from tests.telemetry.polls import JournalDesk, decided, policy_of, seen, unread

pytestmark = pytest.mark.real

MINUTES = 360
SCREENS = [(1280, False), (1280, True), (390, False), (390, True)]
SILENCE = "ecs:DescribeServices timed out after 3 s"
LATE = Backlog(100, 0, 0, 1_000.0, oldest_age_s=61.0)

GROUPS = "[...document.querySelectorAll('.group b')].map(name => name.textContent)"
PICKS = "[...document.querySelectorAll('#picks select')].filter(one => !one.hidden).map(one => one.ariaLabel)"
CUT = """[...document.querySelectorAll('tbody *')]
  .filter(one => one.clientWidth && one.scrollWidth > one.clientWidth + 1).map(one => one.outerHTML.slice(0, 120))"""
TALLEST = "Math.max(...[...document.querySelectorAll('tbody tr')].slice(0, 40).map(row => row.offsetHeight))"


def past(missed_min_ago: int | None, end: float) -> StatusHistory:
    """Six hours with a sample per minute. The target of 60 s was missed for ten minutes (None: never)."""
    history = StatusHistory()
    for minute in range(MINUTES, 0, -1):
        late = missed_min_ago is not None and missed_min_ago <= minute < missed_min_ago + 10
        age_s, late_messages = (90.0, 5.0) if late else (minute % 7 * 4.0, 0.0)
        history.note(end - minute * 60.0, PastSample(9, 4, 5, 5, 5, age_s, 20.0, late_messages), 60.0)
    return history


def fleet(count: int, unread_count: int = 0) -> JournalDesk:
    """Services in two clusters and two Regions, except the first ones. The first `unread_count` cannot be read; of the
    others every 50th misses its target, and the service after it missed it 40 minutes ago.
    """
    desk = JournalDesk()
    calm, missed = past(None, desk.clock.wall()), past(40, desk.clock.wall())
    for number in range(count):
        key, mode = f"service-{number:04}", Mode.SHADOW if number % 7 == 3 else Mode.ACTIVE
        region = ("eu-west-1", "us-east-1")[number % 5 == 4]
        service, policy = ServiceRef(key, ("prod", "batch")[number % 3 == 2], key, region), policy_of(key, mode=mode)
        if number % 50 in {0, 1} and number >= unread_count and count > 1:
            desk.clock.now -= 2_400.0
            desk.store.note(decided(seen(backlog=LATE), service=service, policy=policy))
            desk.clock.now += 2_400.0
        backlog = LATE if number % 50 == 0 and count > 1 else (3, 4, 0)
        poll = decided(seen(backlog=backlog), service=service, policy=policy)
        if number < unread_count:
            error = f"prod/a, prod/b in {region}: {SILENCE}; check"
            poll = unread(error, "unavailable", service=service, policy=policy)
        desk.store.note(poll)
        desk.store._histories[key] = (missed if number % 50 in {0, 1} and count > 1 else calm).copied()
    return desk


@asynccontextmanager
async def window(folder: Path) -> AsyncIterator[BrowserTab]:
    async with opened(required(), "about:blank", folder / "profile") as tab:
        yield tab


@asynccontextmanager
async def served(desk: JournalDesk, tab: BrowserTab) -> AsyncIterator[None]:
    async with serve(desk.store, desk.metrics, "127.0.0.1", 0, 60.0) as port:
        tab.origin = f"http://127.0.0.1:{port}"
        tab.events.clear()
        yield
        await tab.call("Page.navigate", url="about:blank")
    assert trouble(tab) == []
    assert external_requests(tab) == []


async def show(tab: BrowserTab, path: str, width: int = 1280, *, dark: bool = False) -> None:
    await tab.size(width, 900, phone=width < 640, dark=dark)
    await tab.call("Page.navigate", url=tab.origin + path)
    await tab.until(f"location.origin === '{tab.origin}' && {DRAWN}")


@pytest.mark.parametrize("kind", ["one", "outage"])
async def test_one_service_and_an_outage_fit_every_screen_and_violate_no_accessibility_rule(
    tmp_path: Path, kind: str
) -> None:
    desk, path = (fleet(1), "/") if kind == "one" else (fleet(300, 205), "/?find=service-020&group=cluster")
    headline = "Every latency target is met" if kind == "one" else f"205 of 300 services cannot be read: {SILENCE}"
    title = "autoscaler" if kind == "one" else "? 205 unread · autoscaler"
    async with window(tmp_path) as tab, served(desk, tab):
        for width, dark in SCREENS:
            await show(tab, path, width, dark=dark)
            assert (await text(tab, "h1"), await tab.value("document.title")) == (headline, title)
            assert len(await tab.value(SERVICE_KEYS)) == (1 if kind == "one" else 10)
            assert await violations(tab) == []
            assert await tab.value("document.documentElement.scrollWidth") <= width
            assert width == 1280 or await tab.value(CUT) == []
            assert width == 390 or await tab.value(TALLEST) <= 52, "the rows are one line, the heads of groups two"


async def test_a_thousand_services_have_their_last_hours_in_a_line_each_and_the_worst_come_first(
    tmp_path: Path,
) -> None:
    async with window(tmp_path) as tab, served(fleet(1_000), tab):
        for width, dark in SCREENS[::-1]:
            await show(tab, "/", width, dark=dark)
            keys = await tab.value(SERVICE_KEYS)
            assert keys[:41:10] == [f"service-{number:04}" for number in (0, 500, 1, 501, 2)]
            assert len(keys) == 1_000
            assert await tab.value("document.documentElement.scrollWidth") <= width
        assert await tab.value("performance.getEntriesByName('rows').length") == 1
        assert await tab.value(TALLEST) <= 37
        cells = "[...document.querySelectorAll('tbody tr:nth-child(21) > *')].map(cell => cell.textContent)"
        row = await tab.value(cells)
        assert row[1].startswith("✓metmissed 40 min ago")
        assert row[2:4] == ["95.8 %", "99.3 %"], "50 of 1,200 messages and of 7,200 were late"
        over = (
            "[...document.querySelectorAll('tbody tr')].map(row => row.querySelector('.age .over')?.getAttribute('d'))"
        )
        await tab.until(f"{over}[24]")
        await tab.value("scrollTo(0, 40 * 36)")
        await tab.until(f"{over}[39]")
        assert [bool(path) for path in await tab.value(over)] == [True] * 40 + [False] * 960
        await tab.value("document.querySelector('[data-column=hour] button').click()")
        assert set((await tab.value(SERVICE_KEYS))[:40]) == set(keys[:40])


async def test_groups_and_filters_are_in_the_url_and_can_be_used_by_keyboard(tmp_path: Path) -> None:
    pick = "(select => (select.value = {value!r}, select.dispatchEvent(new Event('change'))))({select})"
    async with window(tmp_path) as tab, served(fleet(60), tab):
        await show(tab, "/")
        filters = [f"Show services by {kind}" for kind in ("cluster", "Region", "mode")]
        assert await tab.value(PICKS) == [*filters, "Group services"]
        for label, value in zip([*filters, "Group services"], ["prod", "us-east-1", "active", "status"], strict=True):
            select = f"document.querySelector('select[aria-label=\"{label}\"]')"
            await tab.value(pick.format(select=select, value=value))
        assert await tab.value("location.search") == "?cluster=prod&region=us-east-1&mode=active&group=status"
        chosen = [n for n in range(60) if n % 3 != 2 and n % 5 == 4 and n % 7 != 3]
        assert sorted(await tab.value(SERVICE_KEYS)) == [f"service-{number:04}" for number in chosen]
        await tab.value("document.getElementById('clear').click()")
        assert await tab.value("location.search") == "?group=status"
        await tab.call("Page.reload")
        await tab.until(f"{DRAWN} && performance.getEntriesByType('navigation')[0].type === 'reload'")
        assert await tab.value(GROUPS) == ["missed", "met"]
        assert (await tab.value(SERVICE_KEYS))[:3] == ["service-0000", "service-0050", "service-0001"]
        await tab.value("document.querySelector('.group button').focus()")
        await tab.key("Enter")
        assert len(await tab.value(SERVICE_KEYS)) == 58
        assert await tab.value("document.activeElement.ariaExpanded") == "false"
        await show(tab, "/?group=cluster&find=service-005")
        assert await tab.value("[...document.querySelectorAll('.group')].map(one => one.textContent)") == [
            "▾batch4 services✕1 missed✓3 met",
            "▾prod6 services✓6 met",
        ]
        await show(tab, "/?cluster=gone")
        assert await text(tab, "#shown") == "0 of 60 services shown"


async def test_with_one_cluster_one_region_and_one_mode_no_filter_is_offered(tmp_path: Path) -> None:
    desk = JournalDesk()
    for key in ("a", "b"):
        desk.record(decided(seen(), service=ServiceRef(key, "prod", key)))
    async with window(tmp_path) as tab, served(desk, tab):
        await show(tab, "/")
        assert await tab.value(PICKS) == ["Group services"]
        offered = "[...document.querySelectorAll('#picks select:last-child option')].map(one => one.textContent)"
        assert await tab.value(offered) == ["no groups", "by status"]
        assert await tab.value("getComputedStyle(document.querySelector('tbody .cluster')).display") == "none"


async def test_the_whole_decision_is_shown_on_hover_and_on_focus_and_rows_then_stay(tmp_path: Path) -> None:
    desk = fleet(3)
    shown = "!document.getElementById('peek').hidden"
    async with window(tmp_path) as tab, served(desk, tab):
        await show(tab, "/")
        middle = "(box => [box.x + box.width / 2, box.y + box.height / 2])({}.getBoundingClientRect())"
        whole = str(await tab.value("document.querySelector('tbody .sentence').textContent"))
        x, y = await tab.value(middle.format("document.querySelector('tbody td.why')"))
        await tab.point(x, y)
        await tab.until(shown)
        peek = await text(tab, "#peek")
        assert whole in peek
        assert "the oldest message is 61 s old" in peek
        assert await violations(tab) == []
        await tab.point(x, 5)
        await tab.until("document.getElementById('peek').hidden")
        await tab.value("document.querySelector('[data-column=since] button').focus()")
        await tab.key("Tab")
        await tab.until(shown)
        assert await tab.value("document.activeElement.getAttribute('aria-describedby')") == "peek"
        desk.record(decided(seen(backlog=(77, 4, 0)), service=ServiceRef("service-0000", "prod", "x", "eu-west-1")), 1)
        await tab.until("document.getElementById('peek').textContent.includes('backlog 77')")
        assert (await tab.value(SERVICE_KEYS))[0] == "service-0000"
        await tab.key("Escape")
        assert await tab.value("document.getElementById('peek').hidden")
    async with window(tmp_path / "long") as tab, served(fleet(60), tab):
        await show(tab, "/")
        await tab.value("document.querySelector('[data-column=since] button').focus()")
        await tab.key("Tab")
        await tab.until(shown)
        await tab.value("new Promise(done => {addEventListener('scroll', () => setTimeout(done)); scrollBy(0, 9)})")
        assert await tab.value(shown), "a scroll does not close it for the focused row"
