"""The page of one service in a real browser: charts, decisions, links, commands, and what it says about an unknown one.

One browser shows all of them in turn.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autoscaler.core.model import Trouble
from autoscaler.diagnosis.concluding import TaskFinding
from autoscaler.diagnosis.holding import DiagnosisSummary
from autoscaler.diagnosis.table import FailureClass
from autoscaler.ports import QueueRef, ServiceRef
from tests.browser import BrowserTab
from tests.real.test_page import DRAWN, shown, text
from tests.telemetry.lively import EXAMPLES, lively
from tests.telemetry.polls import JournalDesk, decided, scaling_out, seen
from tests.telemetry.test_starts import DENIED, report, staged

pytestmark = pytest.mark.real

ORDERS = next(one for one in EXAMPLES if one.key == "orders")
PRESSED = "document.querySelector('#ranges [aria-pressed=true]').textContent"
OPEN = "document.querySelector('#decisions details[open] .verdict')?.textContent"
TIP = "document.querySelector('#charts .tip:not([hidden])')?.innerText ?? ''"
TASKS = "document.querySelector('#charts .u-over')"


@pytest.fixture(scope="module")
def desk() -> JournalDesk:
    """A service that was played for 100 minutes, and others that were polled once."""
    desk, _ = lively((ORDERS,), 100 * 60.0)
    status = desk.store.find("orders")
    assert status is not None
    queue = QueueRef("queue", "eu-west-1", account="123456789012")
    desk.store.admit(status.service, status.policy, status.settings, queues=(queue,))
    poll = scaling_out()
    assert poll.observation is not None
    fleet = replace(poll.observation.fleet, desired=9, running=2, trouble=Trouble("unable to pull the secret", 940.0))
    stuck = replace(poll, observation=replace(poll.observation, fleet=fleet))
    desk.record(replace(stuck, service=ServiceRef("order's mails", "prod", "mails")))
    fast, slow = staged(30, 1.0, 2.0, 3.0, "orders-worker-production:123"), staged(12, 160.0, 6.0, 14.0, "slow:123")
    mixed = [task._replace(revision="orders-worker-production:123") for task in slow]
    older = [task._replace(healthy=True) for task in staged(12, revision="orders-worker-production:12")]
    times = report(*fast, *mixed, *older, dropped=1)
    desk.record(replace(poll, service=ServiceRef("starts", "prod", "starts"), starts=times))
    denied = replace(poll, service=ServiceRef("unseen", "prod", "unseen"), starts=report(gap=DENIED))
    desk.record(denied)
    finding = TaskFinding(FailureClass.APPLICATION, "exit_error", "All tasks stopped: exit code 1.", "read its log")
    stops = "8 of 11 tasks", "3 of 11 tasks"
    found = DiagnosisSummary(0.0, f"{finding.text} It began at 22:08 UTC.", (finding,), stops, ())
    desk.record(replace(poll, service=ServiceRef("failing", "prod", "failing"), diagnosis=found))
    return desk


@asynccontextmanager
async def opened(desk: JournalDesk, folder: Path, **of: Any) -> AsyncIterator[BrowserTab]:
    async with shown(desk, "/services/orders", folder, **of) as tab:
        yield tab


async def visit(tab: BrowserTab, path: str) -> None:
    await tab.call("Page.navigate", url=tab.origin + path)
    await tab.until(f"location.pathname + location.search === '{path}' && {DRAWN}")


MARK = f"""(() => {{
  const over = {TASKS}, {{left, top, width, height}} = over.getBoundingClientRect();
  for (let x = left + width - 14; x > left; x -= 4) for (let y = top; y < top + height; y += 4) {{
    over.dispatchEvent(new MouseEvent('mousemove', {{clientX: x, clientY: y, bubbles: true}}));
    if (over.style.cursor === 'pointer') return [x, y];
  }}
}})()"""
"""The place of a decision on the chart of tasks: where the pointer becomes a hand."""


async def test_the_range_is_in_the_address_and_remembered_and_a_younger_history_says_since_when(
    desk: JournalDesk, tmp_path: Path
) -> None:
    async with opened(desk, tmp_path) as tab:
        assert await tab.value(PRESSED) == "6 h"
        assert re.fullmatch(r"Since \d\d:\d\d( yesterday)?", await text(tab, "#h-hours"))
        assert re.search(r"messages? in time, since \d\d:\d\d", await text(tab, "#in-time"))
        await tab.value("document.querySelector('[data-hours=\"1\"]').click()")
        assert await tab.value("location.search") == "?hours=1"
        assert await text(tab, "#h-hours") == "The last hour"
        assert "in time, in the last hour" in await text(tab, "#in-time")
        await visit(tab, "/services/orders")
        assert await tab.value(PRESSED) == "1 h"
        await visit(tab, "/services/orders?hours=24")
        assert await tab.value(PRESSED) == "24 h"


async def test_the_pointer_shows_time_and_values_and_a_decision_opens_with_a_click_and_with_keys(
    desk: JournalDesk, tmp_path: Path
) -> None:
    async with opened(desk, tmp_path) as tab:
        await tab.value(f"{TASKS}.scrollIntoView({{block: 'center'}})")
        place = await tab.value(MARK)
        await tab.point(place[0] - 40, place[1])
        await tab.point(*place)
        await tab.until(TIP)
        shown_tip = (await tab.value(TIP)).split("\n")
        assert re.fullmatch(r"\d\d:\d\d:\d\d", shown_tip[0])
        assert {"demand", "desired", "running", "decision"} <= set(shown_tip)
        assert await tab.value("document.querySelectorAll('#charts .tip:not([hidden])').length") == 1
        cursors = (
            "[...document.querySelectorAll('#charts .u-cursor-x')].map(one => new DOMMatrix(one.style.transform).e)"
        )
        at = await tab.value(cursors)
        assert len(at) == 3
        assert max(at) - min(at) <= 1, "one cursor in all charts"
        assert await tab.value(OPEN) is None
        for kind in ("mousePressed", "mouseReleased"):
            await tab.point(place[0], place[1], kind, button="left", clickCount=1)
        await tab.until(OPEN)
        assert await tab.value("document.activeElement.tagName") == "SUMMARY"
        await tab.value("document.querySelectorAll('#decisions details').forEach(one => one.open = false)")
        await tab.value("document.querySelector('.plot').focus()")
        await tab.point(1, 1)
        await tab.value(
            "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowLeft', shiftKey: true, "
            "bubbles: true}))"
        )
        assert "Enter opens it" in await text(tab, "#read")
        assert "decision" in await tab.value(TIP)
        await tab.key("Enter")
        await tab.until(OPEN)
        newest = await text(tab, "#decisions .verdict")
        assert await tab.value(OPEN) == newest


async def test_a_finger_points_as_the_mouse_does_and_nothing_is_cut_on_a_phone(
    desk: JournalDesk, tmp_path: Path
) -> None:
    async with opened(desk, tmp_path, width=390, phone=True) as tab:
        await tab.value(f"{TASKS}.scrollIntoView({{block: 'center'}})")
        x, y = await tab.value(
            f"(() => {{ const box = {TASKS}.getBoundingClientRect(); return [box.x + 90, box.y + 40] }})()"
        )
        await tab.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        await tab.until(f"/running/.test({TIP})")
        await tab.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
        await tab.value("document.getElementById('defaults').open = true")
        cells = "[...document.querySelectorAll('main td, main th, main code, #console a')]"
        assert max(await tab.value(f"{cells}.map(one => one.getBoundingClientRect().right)")) <= 390
        assert await tab.value("[...document.querySelectorAll('.wide')].length") == 0


async def test_links_lead_to_the_console_and_the_documentation_in_a_tab_without_access_to_the_page(
    desk: JournalDesk, tmp_path: Path
) -> None:
    async with opened(desk, tmp_path) as tab:
        links = await tab.value("[...document.querySelectorAll('a[target]')].map(a => [a.textContent, a.href, a.rel])")
        assert {rel for _, _, rel in links} == {"noopener noreferrer"}
        assert not [href for _, href, _ in links if not href.startswith("https://")]
        named = {name: href for name, href, _ in links}
        place = "https://eu-west-1.console.aws.amazon.com/ecs/v2/clusters/prod/services/orders-worker"
        assert named["Service in ECS"] == f"{place}/health?region=eu-west-1"
        assert named["Log"] == f"{place}/logs?region=eu-west-1"
        assert "sqs.eu-west-1.amazonaws.com%2F123456789012%2Fqueue" in named["Queue"]
        assert (
            "QueueName~%27queue" in named["Metrics of the queue"] or "QueueName~'queue" in named["Metrics of the queue"]
        )
        assert named["demand"].endswith("/docs/deciding.md")
        await tab.value("document.querySelector('#decisions summary').click()")
        await tab.until("document.querySelector('#decisions .walk')")
        rules = await tab.value("[...document.querySelectorAll('.walk a')].map(a => a.href)")
        assert all("/docs/deciding.md" in one or re.search(r"/docs/rules\.md#[a-z_]+$", one) for one in rules)


async def test_the_other_states_of_a_service(desk: JournalDesk, tmp_path: Path) -> None:
    """What ECS reports, a name that a shell would split, and a service that does not exist."""
    async with opened(desk, tmp_path) as tab:
        assert await tab.value("[...document.querySelectorAll('#cost tbody th')].map(n => n.textContent)") == [
            "This service", await text(tab, "#cost tbody tr:nth-child(2) th"), "KEDA’s rule",
        ]  # fmt: skip
        assert re.fullmatch(r"Fixed fleet of \d+ tasks?", await text(tab, "#cost tbody tr:nth-child(2) th"))
        await tab.call("Emulation.setFocusEmulationEnabled", enabled=True)
        await tab.call("Browser.grantPermissions", permissions=["clipboardReadWrite"], origin=tab.origin)
        await tab.value("document.querySelector('.command button').click()")
        await tab.until("document.querySelector('.command button').textContent === 'Copied'")
        assert await tab.value("navigator.clipboard.readText()") == "autoscaler explain orders"

        await visit(tab, "/services/order%27s%20mails")
        assert await text(tab, "#trouble") == (
            "7 tasks do not start. ECS reports: unable to pull the secret (60 s ago). What to do"
        )
        commands = await tab.value("[...document.querySelectorAll('.command code')].map(n => n.textContent)")
        assert commands == [f"autoscaler {verb} 'order'\\''s mails'" for verb in ("explain", "pause")]
        assert await tab.value("document.getElementById('console').hidden"), "its Region is unknown"

        await visit(tab, "/services/failing")
        finding = "All tasks stopped: exit code 1."
        assert await text(tab, "#trouble b") == finding
        assert f"{finding} It began at 22:08 UTC. (class " in await text(tab, "#trouble")
        marker = "document.querySelector('#trouble li').getBoundingClientRect().left"
        frame = "document.querySelector('#trouble').getBoundingClientRect().left"
        assert await tab.value(f"{marker} - {frame}") > 20, "its bullet is within the frame"

        await visit(tab, "/services/old-orders")
        assert "no service of this name" in await text(tab, "#notice")
        links = await tab.value("[...document.querySelectorAll('a')].map(a => a.getAttribute('href'))")
        assert "/services/orders" in links, "a similar name"
        for link in links:
            if link.startswith("/"):
                assert await tab.value(f"fetch({link!r}).then(answer => answer.status)") == 200
            else:
                assert link == "#main"


SPANS = "[...document.querySelectorAll('.phases')].map(bar => [...bar.children].map(n => n.clientWidth))"


@pytest.mark.parametrize("width", [1280, 390])
async def test_where_the_start_up_time_goes(desk: JournalDesk, tmp_path: Path, width: int) -> None:
    """A bar for each revision, whose parts have the ratios of the medians; all numbers are also in words."""
    async with opened(desk, tmp_path, width=width, phone=width < 640) as tab:
        assert await tab.value("document.getElementById('starts').hidden"), "nothing was read"
        await visit(tab, "/services/starts")
        await tab.until("document.querySelectorAll('#revisions .revision').length === 2")
        words = await tab.value("[...document.querySelectorAll('#revisions .revision')].map(n => n.innerText)")
        assert "orders-worker-production:123 42 starts" in words[0]
        assert "29 % of the starts take about 180 s, the others 6 s; capacity that is ready" in words[0]
        assert "Median 48 s: 9 placing, 31 pulling, 8 booting; a smaller image would help most." in words[1]
        assert "90 % within 48 s: 9 placing, 31 pulling, 8 booting." in words[1]
        assert "Health checks: 12 of 12 tasks healthy, read 20 s after they ran (median)." in words[1]
        _, (placing, pulling, booting) = await tab.value(SPANS)
        assert placing / pulling == pytest.approx(9 / 31, abs=0.05)
        assert booting / pulling == pytest.approx(8 / 31, abs=0.05)
        assert "1 task left out" in await text(tab, "#starts-gap")
        right = "[...document.querySelectorAll('#starts *')].map(one => one.getBoundingClientRect().right)"
        assert max(await tab.value(right)) <= width
        assert await tab.value("document.documentElement.scrollWidth") <= width
        await visit(tab, "/services/unseen")
        assert await text(tab, "#starts-gap") == (
            "Not read: ecs:DescribeTasks was denied; grant the task role ecs:DescribeTasks on the tasks."
        )


MERGED = """(async () => {
  const {Hours, NAMES} = await import('/static/history.js');
  const line = [5, 9, null, 2, 3, null, null, 7], at = [0, 30, 40, 50, 60, 90, 100, 300];
  const hours = new Hours({first_at: 0, at, ...Object.fromEntries(NAMES.map(name => [name, [...line]]))});
  hours.merge(60);
  return [hours.at, hours.lines.waiting, hours.lines.running];
})()"""
"""Polls of five minutes, merged to minutes: one failed poll, and a gap of more than a minute."""


async def test_a_gap_stays_a_gap_and_a_demand_far_above_is_cut_off_and_labelled(tmp_path: Path) -> None:
    """With a demand of 1,826 tasks the scale still ends near the 20 that are desired."""
    desk = JournalDesk()
    for second in range(0, 400, 10):
        if not 150 < second < 360:
            poll = decided(seen(backlog=(9_130, 0, 0) if second > 370 else (10, 0, 0), now=1000.0 + second))
            desk.record(poll, 10.0 if second != 360 else 220.0)
    history = desk.store.past("orders")
    assert history is not None
    assert None in history.series()["waiting"]
    written = """(() => {
      const canvas = CanvasRenderingContext2D.prototype, write = canvas.fillText;
      window.written = [];
      canvas.fillText = function (text, ...at) { window.written.push(text); write.call(this, text, ...at); };
    })()"""
    async with shown(desk, "/services/orders", tmp_path) as tab:
        assert await tab.value(MERGED) == [[0, 60, 90, 300], [9, 3, None, 7], [2, 3, None, 7]]
        await tab.value(written)
        await tab.value("document.querySelector('[data-hours=\"1\"]').click()")
        await tab.until("window.written.some(text => text.startsWith('▲ demand'))")
        texts = await tab.value("window.written")
        decision = decided(seen(backlog=(9_130, 0, 0))).decision
        assert decision is not None
        assert f"▲ demand {decision.demand:,}" in texts
        assert "max 20" not in texts, "it is above the scale, and in the legend"
        assert "max 20" in await text(tab, "#charts .keys")
        counts = texts[texts.index(f"▲ demand {decision.demand:,}") - 3 : texts.index(f"▲ demand {decision.demand:,}")]
        assert "2" in counts
