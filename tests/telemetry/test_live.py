"""News over HTTP: what a listener hears, how many may listen, and that nobody is waited for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from autoscaler.ports import ServiceRef
from autoscaler.telemetry import serve
from autoscaler.telemetry.page import live
from tests.telemetry.test_web import HUNG_AFTER_S, desk_with, site
from tests.telemetry.ticks import Desk, decided, holding, scaling_out, seen

EVENTS = "/api/v1/events"


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "PACE_S", 0.01)
    monkeypatch.setattr(live, "QUIET_S", 0.05)


@asynccontextmanager
async def listening(session: aiohttp.ClientSession, path: str, **headers: str) -> AsyncIterator[aiohttp.ClientResponse]:
    async with asyncio.timeout(20), session.get(path, headers=headers) as response:
        yield response


async def heard(response: aiohttp.ClientResponse) -> tuple[str, dict[str, Any]]:
    """The next news: its number, and what it tells."""
    lines = []
    async for line in response.content:
        lines.append(line.decode().strip())
        if lines[-1] == "" and any(one.startswith("data: ") for one in lines):
            break
    said = dict(line.partition(": ")[::2] for line in lines if line)
    return said["id"], json.loads(said["data"])


def ticked(desk: Desk, tick: Any) -> None:
    desk.record(tick, 1.0)


async def test_a_listener_hears_of_all_services_and_then_of_changes() -> None:
    bills = decided(seen(), service=ServiceRef("bills", "prod", "bills"))
    desk = desk_with(holding(), bills)
    async with site(desk) as session, listening(session, EVENTS) as response:
        assert response.content_type == "text/event-stream"
        _, news = await heard(response)
        assert news["rows"][0]["verdict"] == "hold"
        ticked(desk, scaling_out())
        number, news = await heard(response)
        assert news["rows"][0]["verdict"] == "scale_out"
        ticked(desk, holding())
        async with listening(session, EVENTS, **{"Last-Event-ID": number}) as again:
            _, news = await heard(again)
            assert [(row["key"], row["verdict"]) for row in news["rows"]] == [("orders", "hold")]


async def test_a_listener_of_one_service_hears_each_look_with_its_walk() -> None:
    desk = desk_with(holding())
    async with site(desk) as session, listening(session, "/api/v1/services/orders/events") as response:
        number, news = await heard(response)
        assert [one["event"] for one in news["told"]] == ["holding"]
        ticked(desk, scaling_out())
        _, news = await heard(response)
        assert ([one["event"] for one in news["told"]], news["newest"]["target"]) == (["scaled"], 20)
        assert news["point"]["waiting"] == 100
        async with listening(session, f"/api/v1/services/orders/events?since={number}") as again:
            assert [one["event"] for one in (await heard(again))[1]["told"]] == ["scaled"]
        ticked(desk, scaling_out())
        async with listening(session, f"/api/v1/services/orders/events?since={number}") as later:
            assert [one["event"] for one in (await heard(later))[1]["told"]] == ["scaled", "scaled"]


async def test_a_quiet_line_is_kept_open_by_comments() -> None:
    async with site(desk_with(holding())) as session, listening(session, EVENTS) as response:
        await heard(response)
        assert await response.content.readline() == b":\n"


async def test_so_many_may_listen_and_a_place_is_free_again_when_one_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST_LISTENERS", 2)
    async with (
        site(desk_with(holding())) as session,
        listening(session, EVENTS) as one,
        listening(session, EVENTS) as other,
    ):
        await heard(one)
        await heard(other)
        assert await _status(session) == 503
        other.close()
        while await _status(session) != 200:
            pass


async def _status(session: aiohttp.ClientSession) -> int:
    async with listening(session, EVENTS) as response:
        return response.status


@pytest.mark.parametrize("path", [EVENTS, "/api/v1/services/orders/events"])
async def test_the_head_alone_does_not_listen(path: str) -> None:
    async with site(desk_with(holding())) as session, session.head(path) as response:
        assert (response.status, response.content_type) == (200, "text/event-stream")


async def test_of_a_service_that_is_not_there_nothing_is_heard() -> None:
    async with site(desk_with(holding())) as session, session.get("/api/v1/services/nobody/events") as response:
        assert response.status == 404


async def test_listeners_do_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stream ends by itself, with its last chunk: it is not cut off."""
    monkeypatch.setattr(live, "PACE_S", 3600.0)
    desk = desk_with(holding())
    async with aiohttp.ClientSession() as session, asyncio.timeout(20):
        async with serve(desk.store, desk.metrics, "127.0.0.1", 0, HUNG_AFTER_S) as port:
            response = await session.get(f"http://127.0.0.1:{port}{EVENTS}")
            await heard(response)
        assert await response.content.read() == b""
