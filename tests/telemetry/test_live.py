"""Server-sent events over HTTP: their content, the limit of listeners, and a shutdown that does not wait."""

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
from tests.telemetry.polls import JournalDesk, decided, holding, scaling_out, seen
from tests.telemetry.test_web import HUNG_AFTER_S, desk_with, site

EVENTS = "/api/v1/events"


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "PACE_S", 0.01)
    monkeypatch.setattr(live, "QUIET_S", 0.05)


@asynccontextmanager
async def listening(session: aiohttp.ClientSession, path: str, **headers: str) -> AsyncIterator[aiohttp.ClientResponse]:
    async with asyncio.timeout(20), session.get(path, headers=headers) as response:
        yield response


async def next_event(response: aiohttp.ClientResponse) -> tuple[str, dict[str, Any]]:
    """Return the ID and the data of the next event."""
    lines = []
    async for line in response.content:
        lines.append(line.decode().strip())
        if lines[-1] == "" and any(one.startswith("data: ") for one in lines):
            break
    fields = dict(line.partition(": ")[::2] for line in lines if line)
    return fields["id"], json.loads(fields["data"])


def record(desk: JournalDesk, poll: Any) -> None:
    desk.record(poll, 1.0)


async def test_a_listener_receives_all_services_and_then_the_changes() -> None:
    bills = decided(seen(), service=ServiceRef("bills", "prod", "bills"))
    desk = desk_with(holding(), bills)
    async with site(desk) as session, listening(session, EVENTS) as response:
        assert response.content_type == "text/event-stream"
        _, news = await next_event(response)
        assert news["rows"][0]["verdict"] == "hold"
        record(desk, scaling_out())
        number, news = await next_event(response)
        assert news["rows"][0]["verdict"] == "scale_out"
        record(desk, holding())
        async with listening(session, EVENTS, **{"Last-Event-ID": number}) as again:
            _, news = await next_event(again)
            assert [(row["key"], row["verdict"]) for row in news["rows"]] == [("orders", "hold")]


async def test_a_listener_of_one_service_receives_each_poll() -> None:
    desk = desk_with(holding())
    async with site(desk) as session, listening(session, "/api/v1/services/orders/events") as response:
        number, news = await next_event(response)
        assert [one["event"] for one in news["decisions"]] == ["holding"]
        record(desk, scaling_out())
        _, news = await next_event(response)
        assert ([one["event"] for one in news["decisions"]], news["newest"]["target"]) == (["scaled"], 20)
        assert news["points"]["waiting"] == [100]
        async with listening(session, f"/api/v1/services/orders/events?since={number}") as again:
            assert [one["event"] for one in (await next_event(again))[1]["decisions"]] == ["scaled"]
        record(desk, scaling_out())
        async with listening(session, f"/api/v1/services/orders/events?since={number}") as later:
            assert [one["event"] for one in (await next_event(later))[1]["decisions"]] == ["scaled", "scaled"]


async def test_the_stream_of_a_removed_service_ends_and_is_then_404() -> None:
    """Otherwise its page shows the last values as live."""
    desk, path = desk_with(holding()), "/api/v1/services/orders/events"
    async with site(desk) as session:
        async with listening(session, path) as response:
            await next_event(response)
            desk.store.dismiss("orders")
            async for line in response.content:
                assert not line.startswith(b"data:")
        async with listening(session, path) as again:
            assert again.status == 404


async def test_a_stream_without_events_sends_comments() -> None:
    async with site(desk_with(holding())) as session, listening(session, EVENTS) as response:
        await next_event(response)
        assert await response.content.readline() == b":\n"


async def test_the_listeners_of_one_address_are_limited_unless_it_is_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST_LISTENERS_PER_ADDRESS", 1)
    async with site(desk_with(holding())) as session:
        async with listening(session, EVENTS), listening(session, EVENTS) as second:
            assert second.status == 200
        monkeypatch.setattr(live, "is_loopback", lambda _: False)
        async with listening(session, EVENTS), listening(session, EVENTS) as second:
            assert second.status == 503
        while await _status(session) == 503:
            pass  # the server has not seen the end of the streams yet


async def test_an_event_that_is_larger_than_a_piece_arrives_whole() -> None:
    desk = desk_with(holding())
    for number in range(300):
        desk.record(decided(seen(), service=ServiceRef(f"service-{number}", "prod", "x" * 200)))
    async with site(desk) as session, listening(session, EVENTS) as response:
        response.content._high_water = 10_000_000
        assert len((await next_event(response))[1]["rows"]) == 301


async def test_a_listener_above_the_limit_gets_503_until_another_one_disconnects(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live, "MOST_LISTENERS", 2)
    async with (
        site(desk_with(holding())) as session,
        listening(session, EVENTS) as one,
        listening(session, EVENTS) as other,
    ):
        await next_event(one)
        await next_event(other)
        assert await _status(session) == 503
        other.close()
        while await _status(session) != 200:
            pass


async def _status(session: aiohttp.ClientSession) -> int:
    async with listening(session, EVENTS) as response:
        return response.status


@pytest.mark.parametrize("path", [EVENTS, "/api/v1/services/orders/events"])
async def test_a_head_request_gets_only_the_headers_of_the_stream(path: str) -> None:
    async with site(desk_with(holding())) as session, session.head(path) as response:
        assert (response.status, response.content_type) == (200, "text/event-stream")


async def test_the_stream_of_an_unknown_service_is_404() -> None:
    async with site(desk_with(holding())) as session, session.get("/api/v1/services/unknown/events") as response:
        assert response.status == 404


async def test_listeners_do_not_delay_the_shutdown(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stream ends with its last chunk: the connection is not aborted."""
    monkeypatch.setattr(live, "PACE_S", 3600.0)
    desk = desk_with(holding())
    async with aiohttp.ClientSession() as session, asyncio.timeout(20):
        async with serve(desk.store, desk.metrics, "127.0.0.1", 0, HUNG_AFTER_S) as port:
            response = await session.get(f"http://127.0.0.1:{port}{EVENTS}")
            await next_event(response)
        assert await response.content.read() == b""
