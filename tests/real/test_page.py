"""The page in a real browser: on a desktop, on a phone, by keyboard, and checked against accessibility rules.

Requires Chromium (`apt-get install chromium`). The accessibility rules also require `npm`, to download axe-core once.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from autoscaler.config import Chosen
from autoscaler.core.deploying import ecs_notices
from autoscaler.core.model import ActiveDeployment, Backlog, Revisions, ZoneRebalancing
from autoscaler.core.policy import Mode, QueuePolicy, WorkerSafety
from autoscaler.ports import Poll, ServiceRef
from autoscaler.telemetry import serve
from autoscaler.telemetry.account import LogEvent
from tests.browser import BrowserTab, opened, required
from tests.telemetry.lively import EXAMPLES, PLAYED_S, Played, lively
from tests.telemetry.polls import JournalDesk, decided, holding, policy_of, scaling_out, seen, unread

AXE = "axe-core@4.14.1"
LONG = "letters" * 29 + "abc"
NASTY = "<img src=x onerror=alert(1)>"
DRAWN = "document.documentElement?.dataset.drawn"

pytestmark = pytest.mark.real

PAINTED = """[...document.querySelectorAll('#charts canvas')].map(canvas => {
  const {width, height} = canvas, seen = new Set();
  const bytes = canvas.getContext('2d').getImageData(0, 0, width, height).data;
  for (let k = 0; k < bytes.length; k += 4) if (bytes[k + 3]) seen.add(bytes.slice(k, k + 3).join());
  return seen.size;
})"""
SERVICE_NAMES = {example.key for example in EXAMPLES}
SERVICE_KEYS = "[...document.querySelectorAll('tbody th a')].map(link => link.textContent)"


@pytest.fixture(scope="module")
def played() -> tuple[JournalDesk, list[Played]]:
    """Six hours of 14 services. No test changes it."""
    return lively()


@asynccontextmanager
async def shown(
    desk: JournalDesk, path: str, folder: Path, *, width: int = 1280, phone: bool = False, dark: bool = False
) -> AsyncIterator[BrowserTab]:
    async with (
        serve(desk.store, desk.metrics, "127.0.0.1", 0, 60.0) as port,
        opened(required(), "about:blank", folder / "profile") as tab,
    ):
        tab.origin = f"http://127.0.0.1:{port}"
        await tab.size(width, 900, phone=phone, dark=dark)
        await tab.call("Page.navigate", url=tab.origin + path)
        await tab.until(DRAWN)
        yield tab
        assert trouble(tab) == []
        assert external_requests(tab) == []


def trouble(tab: BrowserTab) -> list[Any]:
    """Return the errors that the browser logged, without 404 answers."""
    methods = {"Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled"}
    return [one for one in tab.events if one["method"] in methods and "404" not in str(one)]


def external_requests(tab: BrowserTab) -> list[str]:
    """Return every requested address that is not the daemon's."""
    requested = [one["params"]["request"]["url"] for one in tab.events if one["method"] == "Network.requestWillBeSent"]
    assert requested
    return [url for url in requested if not url.startswith(tab.origin) and url != "about:blank"]


async def text(tab: BrowserTab, selector: str) -> str:
    return str(await tab.value(f"document.querySelector({selector!r}).textContent"))


async def focused(tab: BrowserTab) -> str:
    name = "(({id, ariaLabel, textContent}) => id || ariaLabel || textContent.trim())(document.activeElement)"
    return str(await tab.value(name))


@cache
def axe() -> str:
    """Return the source of axe-core, downloaded by npm and cached. It is not part of this repository."""
    folder = Path(os.environ.get("TMPDIR", "/tmp")) / AXE
    if not (folder / "package/axe.min.js").exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "pack", "--silent", AXE], cwd=folder, check=True, capture_output=True, timeout=120)
        subprocess.run(["tar", "xzf", f"{AXE.replace('@', '-')}.tgz"], cwd=folder, check=True, timeout=60)
    return (folder / "package/axe.min.js").read_text(encoding="utf-8")


async def violations(tab: BrowserTab) -> list[str]:
    """Return the violated accessibility rules, each with the first nodes."""
    await tab.call("Runtime.evaluate", expression=axe())
    found: list[str] = await tab.value(
        "axe.run(document, {resultTypes: ['violations']}).then(({violations}) => violations.map("
        "({id, nodes}) => id + ': ' + nodes.slice(0, 3).map(node => node.html.slice(0, 200)).join(' | ')))"
    )
    return found


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
@pytest.mark.parametrize("path", ["/", "/services/fraud-check", "/services/webhooks", "/services/unknown"])
async def test_no_accessibility_rule_is_violated(
    played: tuple[JournalDesk, list[Played]], tmp_path: Path, path: str, phone: bool, dark: bool
) -> None:
    width = 390 if phone else 1280
    async with shown(played[0], path, tmp_path, width=width, phone=phone, dark=dark) as tab:
        await tab.call(
            "Runtime.evaluate", expression="document.querySelectorAll('details').forEach(one => one.open = true)"
        )
        assert await violations(tab) == []
        assert await tab.value("document.documentElement.scrollWidth") <= width


async def test_the_list_begins_with_the_slo_summary_and_the_worst_services(
    played: tuple[JournalDesk, list[Played]], tmp_path: Path
) -> None:
    async with shown(played[0], "/", tmp_path) as tab:
        assert await text(tab, "h1") == "2 of 14 services miss their latency target"
        # payments has a target of 30 s, which a poll and a start exceed: it is at risk
        assert (await tab.value(SERVICE_KEYS))[:3] == ["fraud-check", "imports", "payments"]
        assert len(await tab.value(SERVICE_KEYS)) == len(EXAMPLES)
        row = await text(tab, "tbody tr")
        status = played[0].store.find("fraud-check")
        assert "missed" in row
        assert status is not None
        assert f"{status.policy.max_tasks}" in row
        assert "stalled start: 40 instead of" in row, "sentences are not shortened"
        await tab.until("document.getElementById('line').textContent === 'live'")


SILENCE = "ecs:DescribeServices did not answer within 3 s"


async def test_an_outage_is_the_headline_with_its_cause_and_no_row_names_another_service(tmp_path: Path) -> None:
    """One call reads ten services, and its error names them all."""
    desk = JournalDesk()
    every = ", ".join(f"the service prod/service-{number}" for number in range(10))
    for number in range(10):
        service = ServiceRef(f"service-{number}", "prod", f"service-{number}")
        poll = decided(seen(), service=service)
        if number < 7:
            reason = f"{every} in eu-west-1: {SILENCE}; check the network"
            poll = unread(reason, "unavailable", service=service)
        desk.record(poll)
    async with shown(desk, "/", tmp_path) as tab:
        assert await text(tab, "h1") == f"7 of 10 services cannot be read: {SILENCE}"
        assert await tab.value("document.title") == "? 7 unread · autoscaler"
        assert await tab.value("document.getElementById('causes').hidden")
        rows = await tab.value("[...document.querySelectorAll('tbody tr')].map(row => row.textContent)")
        assert all(row.count("service-") == row.count(row[:9]) for row in rows)
        last = ServiceRef("service-9", "prod", "service-9")
        desk.record(
            unread("the service in eu-west-1: ecs:DescribeServices was denied; grant it", "denied", service=last), 2
        )
        await tab.until("document.querySelector('h1').textContent.endsWith('2 causes')")
        causes = await tab.value("[...document.querySelectorAll('#causes li')].map(cause => cause.textContent)")
        assert causes == [f"7 services: {SILENCE}", "1 service: ecs:DescribeServices was denied"]


@pytest.mark.parametrize(("read", "missed", "failing", "headline"), [
    (0, 0, 0, "No latency target is known to be missed"),
    (0, 0, 1, f"1 of 21 services cannot be read: {SILENCE}"),
    (0, 2, 1, "2 of 23 services miss their latency target"),
    (0, 1, 1, "1 of 22 services misses its latency target"),
    (3, 1, 2, f"2 of 26 services cannot be read: {SILENCE}"),
])  # fmt: skip
async def test_a_service_that_was_not_polled_yet_is_no_outage(
    tmp_path: Path, read: int, missed: int, failing: int, headline: str
) -> None:
    desk = JournalDesk()
    late = seen(backlog=Backlog(100, 0, 0, 1_000.0, oldest_age_s=61.0))
    kinds: list[Poll | None] = [*[None] * 20, *[decided(seen())] * read, *[decided(late)] * missed]
    kinds += [unread(f"prod/a in eu-west-1: {SILENCE}; check the network", "unavailable")] * failing
    for number, poll in enumerate(kinds):
        service = ServiceRef(f"service-{number}", "prod", f"service-{number}")
        if poll is None:
            desk.store.admit(service, policy_of())
        else:
            desk.record(replace(poll, service=service))
    async with shown(desk, "/", tmp_path) as tab:
        assert await text(tab, "h1") == headline


async def test_sorting_and_filters_of_the_list_are_stored_in_the_url(
    played: tuple[JournalDesk, list[Played]], tmp_path: Path
) -> None:
    async with shown(played[0], "/", tmp_path) as tab:
        await tab.value("document.querySelector('[data-column=backlog] button').click()")
        backlog = await tab.value("[...document.querySelectorAll('tbody td.backlog .value')].map(n => n.textContent)")
        numbers = [int(one.replace(",", "")) for one in backlog if one != "–"]
        assert numbers == sorted(numbers, reverse=True)
        assert backlog[-1] == "–", "unknown values are last"
        await tab.value("document.querySelector('[data-column=backlog] button').click()")
        assert await tab.value("document.querySelector('[data-column=backlog]').ariaSort") == "ascending"
        await tab.key("/")
        for letter in "fraud":
            await tab.key(letter)
        assert await tab.value(SERVICE_KEYS) == ["fraud-check"]
        await tab.value("document.querySelector('[data-show=met]').click()")
        assert await text(tab, "#shown") == "0 of 14 services shown"
        await tab.value("document.querySelector('[data-show=missed]').click()")
        assert await tab.value(SERVICE_KEYS) == ["fraud-check"]
        await tab.call("Page.reload")
        await tab.until(f"{DRAWN} && performance.getEntriesByType('navigation')[0].type === 'reload'")
        assert await tab.value(SERVICE_KEYS) == ["fraud-check"]
        assert await tab.value("document.getElementById('find').value") == "fraud"


async def test_one_click_opens_a_service_and_one_click_returns(
    played: tuple[JournalDesk, list[Played]], tmp_path: Path
) -> None:
    async with shown(played[0], "/", tmp_path) as tab:
        await tab.value("document.querySelector('tbody tr td:last-child').click()")
        await tab.until("location.pathname === '/services/fraud-check' && " + DRAWN)
        await tab.value("document.querySelector('a.brand').click()")
        await tab.until("location.pathname === '/' && " + DRAWN)


async def test_the_service_page_shows_charts_rules_estimates_and_settings(
    played: tuple[JournalDesk, list[Played]], tmp_path: Path
) -> None:
    async with shown(played[0], "/services/fraud-check", tmp_path) as tab:
        cause = "31 tasks have not started for 330 s, and ECS gives no reason"
        assert await text(tab, "#slo-now") == f"✕Latency target missed: {cause}"
        advice = await text(tab, "#advice")
        assert advice.startswith("Check the events and stopped tasks of the ECS service; once one starts")
        assert advice.endswith("Queue: the oldest message is 265 s old (latency target 60 s).")
        assert min(await tab.value(PAINTED)) > 5, "a chart is blank"
        assert await text(tab, "#slo .mark") == "✕Latency target missed"
        walk = await tab.value("[...document.querySelectorAll('#decided .rule')].map(n => n.textContent)")
        assert walk == ["demand", "stalled start", "target"]
        assert "reason" not in walk
        status = played[0].store.find("fraud-check")
        assert status is not None
        assert status.poll is not None
        assert status.poll.decision is not None
        vote = status.poll.decision.votes[0]
        assert (await text(tab, "#decided .reason")).startswith(vote.reason)
        terms = await tab.value("[...document.querySelectorAll('#decided .terms th')].map(cell => cell.textContent)")
        assert terms == [term.name.replace("_", " ") for term in vote.terms]
        assert await text(tab, "#decided .decides td:last-child") == f"decides: {vote.binding.reason}"
        assert await tab.value("document.querySelectorAll('#estimates tbody tr').length") == 4
        assert "AUTOSCALER_SERVICES__FRAUD_CHECK__MAX_TASKS" in await text(tab, "#settings tbody")
        assert "scale_in.cooldown" in await text(tab, "#defaults tbody")
        assert await tab.value("document.querySelectorAll('#decisions > li').length") == 10
        await tab.value("document.getElementById('more').click()")
        verdicts = await tab.value("[...document.querySelectorAll('#decisions .verdict')].map(n => n.className)")
        recorded = played[0].store.recorded("fraud-check")
        assert len(verdicts) == sum(one.event is not LogEvent.HOLDING for one in recorded), "changes only"
        assert not [one for one in verdicts if "hold" in one]
        await tab.value("document.getElementById('everything').click()")
        lines = await tab.value("[...document.querySelectorAll('#decisions .words')].map(n => n.textContent)")
        assert len(verdicts) < len(lines) < len(recorded), "those that hold the count are folded"
        assert [one for one in lines if re.search(r"unchanged for \d+ min$", one)]
        await tab.value("document.querySelector('#decisions summary').click()")
        await tab.until("document.querySelector('#decisions .walk')")


async def test_every_element_can_be_used_by_keyboard(played: tuple[JournalDesk, list[Played]], tmp_path: Path) -> None:
    async with shown(played[0], "/", tmp_path) as tab:
        reached: list[str] = []
        while not reached or reached[-1] not in SERVICE_NAMES:
            await tab.key("Tab")
            reached.append(await focused(tab))
        assert reached[0] == "Skip to the services"
        assert "find" in reached
        assert "Group services" in reached
        assert [one for one in reached if one in {"Service", "Oldest message", "Last decision"}] == [
            "Service",
            "Oldest message",
            "Last decision",
        ]
        assert len(reached) < 30
        seen_focus = "getComputedStyle(document.activeElement).outlineStyle"
        assert await tab.value(seen_focus) != "none"
        await tab.key("Enter")
        await tab.until("location.pathname.startsWith('/services/') && " + DRAWN)
        await tab.value("document.querySelector('.plot').focus()")
        await tab.key("ArrowLeft")
        first = await text(tab, "#read")
        assert "tasks running" in first
        await tab.key("ArrowLeft")
        assert await text(tab, "#read") != first
        await tab.key("ArrowRight")
        assert await text(tab, "#read") == first
        await tab.value("document.querySelector('#decisions summary').focus()")
        await tab.key("Enter")
        await tab.until(
            "document.querySelector('#decisions details').open && document.querySelector('#decisions .walk')"
        )
        await tab.key("Shift+Tab")
        assert await focused(tab) == "everything"


async def test_a_changed_colour_scheme_keeps_the_zoom_and_the_selected_time(
    played: tuple[JournalDesk, list[Played]], tmp_path: Path
) -> None:
    drawings = "[...document.querySelectorAll('#charts canvas')].map(canvas => canvas.toDataURL())"
    async with shown(played[0], "/services/fraud-check", tmp_path) as tab:
        await tab.value("document.querySelector('.plot').focus()")
        await tab.key("ArrowLeft")
        await tab.key("+")
        selected = await text(tab, "#read")
        assert "tasks running" in selected
        await tab.value(f"(window.light = {drawings}, true)")
        await tab.size(1280, 900, dark=True)
        await tab.until(f"{drawings}.every((drawing, k) => drawing !== window.light[k])")
        assert await text(tab, "#read") == selected
        assert await tab.value("document.activeElement.className") == "plot"


async def test_an_open_page_is_updated_live(tmp_path: Path) -> None:
    desk = JournalDesk()
    desk.record(decided(seen()))
    async with shown(desk, "/", tmp_path) as tab:
        desk.record(scaling_out(), 1.0)
        await tab.until("document.querySelector('tbody .sentence').textContent.includes('2 -> 20')")
        desk.record(decided(seen(), service=ServiceRef("bills", "prod", "bills")), 1.0)
        await tab.until("document.querySelectorAll('tbody tr').length === 2")
        desk.store.dismiss("orders")
        desk.clock.now += 1.0
        await tab.until("document.querySelectorAll('tbody tr').length === 1")
        await tab.call("Page.navigate", url=f"{tab.origin}/services/bills")
        await tab.until(f"location.pathname === '/services/bills' && {DRAWN}")
        desk.record(decided(seen(backlog=(77, 1, 0)), service=ServiceRef("bills", "prod", "bills")), 1.0)
        await tab.until("document.querySelector('#tiles').textContent.includes('77')")
        await tab.until("document.querySelectorAll('.keys b')[3].textContent === '77'")
        await tab.until("document.querySelector('#decisions .words').textContent.includes('backlog 77')")
        policy = policy_of(max_tasks=33, queues=(QueuePolicy("orders-queue", 90.0),))
        desk.record(decided(seen(), service=ServiceRef("bills", "prod", "bills"), policy=policy), 1.0)
        await tab.until("document.getElementById('facts').textContent.includes('33 tasks')")
        legend = await tab.value("[...document.querySelectorAll('.keys li')].map(item => item.textContent)")
        assert {"max 33", "latency target 90 s"} <= set(legend), "limits that a schedule or a reload has changed"


async def test_rows_do_not_move_while_one_has_the_focus(tmp_path: Path) -> None:
    desk = JournalDesk()
    for name in ("a", "b"):
        desk.record(decided(seen(), service=ServiceRef(name, "prod", name)))
    async with shown(desk, "/", tmp_path) as tab:
        await tab.value("document.querySelector('tbody a').focus()")
        desk.record(unread(service=ServiceRef("b", "prod", "b")), 1.0)
        await tab.until("document.querySelectorAll('tbody tr')[1].textContent.includes('unknown')")
        assert await tab.value(SERVICE_KEYS) == ["a", "b"]
        await tab.value("document.activeElement.blur()")
        desk.record(decided(seen(backlog=(1, 1, 0)), service=ServiceRef("a", "prod", "a")), 1.0)
        await tab.until(f"{SERVICE_KEYS}.join() === 'b,a'")


async def test_a_name_is_never_markup(tmp_path: Path) -> None:
    desk = JournalDesk()
    nasty = policy_of(NASTY, mode=Mode.SHADOW)
    desk.store.admit(ServiceRef(NASTY, NASTY, NASTY), nasty, (Chosen(NASTY, NASTY, NASTY),), activate=NASTY)
    desk.record(unread(NASTY, service=ServiceRef(NASTY, NASTY, NASTY), policy=nasty))
    async with shown(desk, "/", tmp_path) as tab:
        assert await tab.value(SERVICE_KEYS) == [NASTY]
        await tab.value("document.querySelector('tbody a').click()")
        await tab.until(f"location.pathname !== '/' && {DRAWN}")
        assert await text(tab, "h1") == NASTY
        assert await tab.value("document.querySelectorAll('img').length") == 0


@pytest.mark.parametrize("width", [360, 1280])
async def test_long_names_never_cause_horizontal_scrolling(tmp_path: Path, width: int) -> None:
    """ECS accepts names of 255 letters, which can have no position for a line break."""
    desk, service = JournalDesk(), ServiceRef(LONG, LONG, LONG)
    any_text: Any = LONG  # longer than any valid pause
    long = replace(policy_of(LONG, mode=Mode.SHADOW), paused=any_text, schedule=LONG)
    desk.store.admit(service, long, (Chosen(LONG, LONG, LONG),), activate=LONG)
    desk.record(unread(LONG, service=service, policy=long))
    async with shown(desk, "/", tmp_path, width=width, phone=width < 640) as tab:
        assert await tab.value("document.documentElement.scrollWidth") <= width
        await tab.call("Page.navigate", url=f"{tab.origin}/services/{LONG}")
        await tab.until(f"location.pathname !== '/' && {DRAWN}")
        assert LONG in await text(tab, "#facts")
        assert await tab.value("document.documentElement.scrollWidth") <= width


async def test_an_unchanged_row_shows_how_long_it_is_unchanged(tmp_path: Path) -> None:
    desk = JournalDesk()
    desk.record(decided(seen()))
    desk.record(decided(seen()), 10.0)  # now the idle share is known
    async with shown(desk, "/", tmp_path) as tab:
        assert await text(tab, "tbody td:last-child time") == "updated just now"
        desk.record(decided(seen()), 360.0)
        desk.record(decided(seen(), service=ServiceRef("bills", "prod", "bills")), 1.0)
        await tab.until("document.querySelectorAll('tbody tr').length === 2")
        await tab.until("document.querySelectorAll('tbody .when time')[1].textContent === 'unchanged for 6 min'")


async def test_with_over_1000_services_a_notice_lists_what_is_not_stored_and_all_are_shown(tmp_path: Path) -> None:
    desk = JournalDesk()
    for number in range(1_001):
        desk.record(decided(seen(), service=ServiceRef(f"service-{number:04}", "prod", "x")))
    async with shown(desk, "/", tmp_path) as tab:
        assert len(await tab.value(SERVICE_KEYS)) == 1_001
        assert "With more than 1,000 services" in await text(tab, "#notice")
        head = "[...document.querySelectorAll('thead .hour, thead .hours')].map(head => head.title)"
        assert await tab.value(head) == ["With more than 1,000 services, history is not stored"] * 2
        assert await tab.value("document.querySelector('thead .hour').innerText.trim()") == "In time, 1 h\nnot stored"
        shares = "[...new Set([...document.querySelectorAll('td.hour, td.hours')].map(cell => cell.textContent))]"
        assert await tab.value(shares) == ["–"]
        assert await tab.value("getComputedStyle(document.querySelector('.spark')).display") == "none"
        await tab.call("Page.navigate", url=f"{tab.origin}/services/service-0001")
        await tab.until(f"location.pathname !== '/' && {DRAWN}")
        assert "With more than 1,000 services" in await text(tab, "#notice")
        assert await tab.value("document.getElementById('hours').hidden")


async def test_a_hidden_page_closes_its_event_stream(played: tuple[JournalDesk, list[Played]], tmp_path: Path) -> None:
    async with shown(played[0], "/", tmp_path) as tab:
        await tab.until("document.getElementById('line').textContent === 'live'")
        assert PLAYED_S > 0
        await tab.value(
            "Object.defineProperty(document, 'hidden', {value: true, configurable: true});"
            "document.dispatchEvent(new Event('visibilitychange'))"
        )
        async with asyncio.timeout(20):
            while not [
                one
                for one in tab.events
                if one["method"] in {"Network.loadingFailed", "Network.loadingFinished"}
                and one["params"]["requestId"] in listening(tab)
            ]:
                await tab.value("0")


def listening(tab: BrowserTab) -> set[str]:
    return {
        one["params"]["requestId"]
        for one in tab.events
        if one["method"] == "Network.requestWillBeSent" and one["params"]["request"]["url"].endswith("/events")
    }


HOW = 'set mode = "active" (autoscaler.toml: services.orders.mode)'


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("width", "phone"), [(1280, False), (390, True)], ids=["desk", "phone"])
async def test_only_a_service_in_shadow_mode_shows_how_to_activate_it(
    tmp_path: Path, width: int, phone: bool, dark: bool
) -> None:
    desk, shadow = JournalDesk(), policy_of(mode=Mode.SHADOW)
    refs = {key: ServiceRef(key, "prod", f"{key}-worker") for key in ("orders", "mails")}
    desk.store.admit(refs["orders"], shadow, activate=HOW)
    desk.store.admit(refs["mails"], policy_of("mails"), activate=HOW)
    desk.record(decided(seen(backlog=(100, 0, 0)), "shadow", service=refs["orders"], policy=shadow))
    desk.record(decided(seen(), service=refs["mails"]))
    async with shown(desk, "/", tmp_path, width=width, phone=phone, dark=dark) as tab:
        said = await tab.value(
            "[...document.querySelectorAll('tbody .shadow')].map(one => one.hidden ? '' : one.innerText)"
        )
        assert sorted(HOW in each for each in said) == [False, True]
        assert await tab.value("document.documentElement.scrollWidth") <= width
    for key, is_said in (("orders", True), ("mails", False)):
        async with shown(desk, f"/services/{key}", tmp_path / key, width=width, phone=phone, dark=dark) as tab:
            assert (HOW in await text(tab, "#shadow")) is is_said
            assert await tab.value("document.getElementById('shadow').hidden") is not is_said
            assert await tab.value("document.documentElement.scrollWidth") <= width


async def test_the_open_page_of_a_removed_service_says_so(tmp_path: Path) -> None:
    desk = JournalDesk()
    desk.record(holding())
    async with shown(desk, "/services/orders", tmp_path) as tab:
        await tab.until("document.getElementById('line').textContent === 'live'")
        desk.store.dismiss("orders")
        await tab.until("document.getElementById('notice').textContent.includes('no service of this name')")
        assert await text(tab, "#line") == "disconnected"
        assert "/api/v1/services/orders" not in await tab.value(
            "[...document.querySelectorAll('a')].map(link => link.getAttribute('href'))"
        )


@pytest.mark.parametrize(("width", "phone"), [(1280, False), (390, True)], ids=["desk", "phone"])
async def test_deployments_task_definition_and_zones_are_shown_in_words(
    tmp_path: Path, width: int, phone: bool
) -> None:
    during = seen(tasks=10)
    deployments = (
        ActiveDeployment(
            "PRIMARY", "IN_PROGRESS", f"ECS deployment ecs-svc/{LONG} in progress.", "web:8", 400.0, 10, 10, failed=2
        ),
        ActiveDeployment("ACTIVE", "COMPLETED", "", "web:7", 0.0, running=7),
        ActiveDeployment("ACTIVE", "COMPLETED", NASTY, "web:6", -9_000.0, running=1),
    )
    fleet = replace(during.fleet, deployments=deployments, rebalancing=ZoneRebalancing(True, 970.0))
    desk, revisions = JournalDesk(), Revisions("web:8", "web:10")
    during = replace(during, fleet=fleet)
    policy = policy_of(workers=WorkerSafety.DRAINING)
    notices = tuple(ecs_notices(policy, during, "prod", "orders-worker"))
    desk.record(replace(decided(during, policy=policy), revisions=revisions, notices=notices))
    async with shown(desk, "/services/orders", tmp_path, width=width, phone=phone) as tab:
        words = await text(tab, "#ecs tbody")
        assert "3 deployments are unfinished: old (web:7, web:6) 8 of 18, new (web:8) 10 of 18 running tasks" in words
        assert "it waits for older tasks, a bake time or a hook" in words
        assert "web:8, 2 revisions behind web:10" in words
        assert "enabled, in progress: the newest event is 30 s old" in words
        assert NASTY in words
        assert await tab.value("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        narrow = "document.querySelector('#ecs th').clientWidth"
        assert await tab.value(narrow) >= 180, "no word of a name is broken"
        assert "ECS refuses another one while 5 are" in await text(tab, "#decided")
        assert await violations(tab) == []
    calm = JournalDesk()
    calm.record(holding())
    async with shown(calm, "/services/orders", tmp_path, width=width, phone=phone) as tab:
        assert await tab.value("document.getElementById('ecs').hidden")
